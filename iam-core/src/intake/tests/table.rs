//! Tables: delimiters, quotes, headers, encodings, and which row is rejected why.

use std::ops::ControlFlow;

use super::*;

const HEADER: &str = "employeeId,firstName,status,notes";

/// A table with a column `notes`, which is ignored.
#[track_caller]
fn check_table(rows: &str, expect: &[&str]) {
    check_with(
        &FlatIntake::new().ignore(["Notes"]),
        format!("{HEADER}\n{rows}"),
        expect,
    );
}

#[test]
fn delimiters_marks_and_line_ends() {
    let good = ["2 W-1", "3 W-2"];
    check(
        "Employee ID,First Name,Status\nW-1,Ada,Active\nW-2,Bob,Active\n",
        &good,
    );
    check(
        "\u{feff}Employee ID;First Name;Status\r\nW-1;Ada;Active\r\nW-2;Bob;Active",
        &good,
    );
    check(
        "employee_id\tfirstname\tSTATUS\rW-1\tAda\tActive\rW-2\tBob\tActive\r",
        &good,
    );
    check(
        "\"Employee ID\";\"First Name\";\"Status\"\n\"W-1\";\"Ada, Bea, Cy\";\"A\"\nW-2;Bob;T\n",
        &good,
    );
    let other = FlatIntake::new().ignore(["Name, first", "Name, last", "Name, full"]);
    let commas =
        "\"Name, first\";\"Name, last\";\"Name, full\";Worker ID;Surname;Status\nx;y;z;W-1;Ada;Active\n";
    check_with(&other, commas, &["2 W-1"]);
    check(
        "employeeId,status\nW-1,A\n",
        &["2 \"firstName, lastName\" missing_name"],
    );
    check_error("employeeId\nW-1\n", &[], &["no header row", "firstName"]);
}

#[test]
fn quotes_line_breaks_and_blank_rows() {
    check_table(
        "W-1,\"Ada \"\"Countess\"\"\",Active,\"one\ntwo\n\nthree\"\nW-2,Bob,Active,\n",
        &["2 W-1", "6 W-2"],
    );
    check_table(
        "\r\n\r\nW-1,Ada,Active,\r\n,,,\r\n , ,\t,\r\n\r\nW-2,Bob,Active,\"a\r\nb\"\r\nW-3,Cy,Active,",
        &["4 W-1", "8 W-2", "10 W-3"],
    );
    check_table(
        "W-1,\"Ada\nLovelace\",Active,\nW-2,Bob,Active,\n",
        &["2 \"firstName\" control_character", "4 W-2"],
    );
    check_table(
        "W-1,O'Brien,Active,5'10\"\nW-2,Bob,Active,\n",
        &["2 W-1", "3 W-2"],
    );
}

#[test]
fn rows_with_lost_or_gained_fields_are_rejected() {
    check_table(
        "W-1,Ada,Active\nW-2,Bob,Active,,\nW-3,Cy,Active,\nW-1,Ada,Active,\n",
        &[
            "2 \"\" field_count",
            "3 \"\" field_count",
            "4 W-3",
            "5 \"employeeId\" duplicate_key",
        ],
    );
    let mut rows = "firstName,employeeId,status\nW-1,Active\n".as_bytes();
    let mut ids = Vec::new();
    let _ = CsvIntake::new().read(&mut rows, &mut |item| {
        if let Item::Reject(reject) = item {
            ids.push((reject.person, reject.message));
        }
        ControlFlow::Continue(())
    });
    assert_eq!(ids, [(None, "expected 3 fields, found 2".to_owned())]);
}

#[test]
fn a_missing_quotation_mark_never_mixes_two_rows() {
    // Closed by the next row's mark: the right number of fields, but of two people.
    check_table(
        "W-1,Ada,Active,\"one\nW-2,Bob,Terminated,\"two\"\nW-3,Cy,Active,\n",
        &["2 \"\" stray_quote", "4 W-3"],
    );
    check_table(
        "W-1,\"Ada,Active,x\nW-2,\"Bob\",Terminated,y\nW-3,Cy,Active,\n",
        &["2 \"firstName\" control_character", "4 W-3"],
    );
    let open = format!("{HEADER}\nW-1,Ada,Active,\nW-2,Bob,Active,\"two\nW-3,Cy,Active,\n");
    let (found, end) = words(&FlatIntake::new().ignore(["notes"]), open.as_bytes());
    assert_eq!(found, ["2 W-1"]);
    assert!(
        end.unwrap_err()
            .message()
            .contains("line 3: a quotation mark opens a field that is not closed")
    );
    let endless = format!("employeeId,firstName,status\n\nW-1,\"{}", "x\n".repeat(2_000_000));
    check_error(endless, &[], &["line 2", "quotation mark", "longer than 1 MiB"]);
}

#[test]
fn a_header_that_cannot_be_used_says_what_to_do() {
    check_error(
        "firstName,status\nAda,Active\n",
        &[],
        &["worker id is missing", "Employee ID", "firstName, status"],
    );
    check_error(
        "employeeId,Gender Pronoun,status,Custom01\nW-1,x,Active,\n",
        &[],
        &[
            "not known: \"Gender Pronoun\", \"Custom01\"",
            "ignored",
            "firstName",
        ],
    );
    check_error(
        "employeeId,firstName,status,\nW-1,Ada,Active,\n",
        &[],
        &["column 4, which has no name"],
    );
    check_error(
        "Employee_ID,Worker_ID,status\nE-1,W-1,Active\n",
        &[],
        &["\"Employee_ID\" and \"Worker_ID\""],
    );
    check_with(
        &FlatIntake::new().ignore(["worker id"]),
        "Employee_ID,Worker_ID,status,surname\nE-1,W-1,Active,Lovelace\n",
        &["2 E-1"],
    );
    check_with(
        &FlatIntake::new().ignore_unknown(true),
        "employeeId,Gender Pronoun,status,,surname\nE-1,x,Active,y,Lovelace\n",
        &["2 E-1"],
    );
    // A message stays one that can be read.
    let wide: Vec<String> = (0..5_000).map(|n| format!(",c{n}")).collect();
    let (_, end) = words(
        &FlatIntake::new(),
        format!("employeeId,status{}\n", wide.concat()).as_bytes(),
    );
    let error = end.unwrap_err();
    assert!(error.message().contains("\"c39\" and 4960 more"), "{error}");
    // No header: the first row's values are not shown.
    let (_, end) = words(&CsvIntake::new(), b"W-1,Lovelace,Active\n");
    let error = end.unwrap_err();
    assert!(
        error.message().contains("header row") && !error.message().contains("Lovelace"),
        "{error}"
    );
    check("employeeId,firstName,status\n", &[]);
}

#[test]
fn other_encodings_are_refused() {
    let latin = b"employeeId,lastName,status\nW-1,Smith,Active\nW-2,M\xFCller,Active\n";
    check_error(latin, &[], &["line 3", "0xFC", "UTF-8"]);
    let utf16: Vec<u8> = "\u{feff}employeeId,status\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check_error(utf16, &[], &["UTF-16", "UTF-8"]);
    check_error("", &[], &["empty"]);
    check_error(" \r\n ", &[], &["empty"]);
    // Behind what is looked at beforehand, the rows before stand.
    let mut late = b"employeeId,notes,status,lastName\n".to_vec();
    for row in 2..2000 {
        late.extend(format!("W-{row},\"{}\n\",Active,Smith\n", "x".repeat(60)).bytes());
    }
    late.extend(b"W-1,,Active,M\xFCller\nW-0,,Active,Smith\n");
    let (found, end) = words(&CsvIntake::new().ignore(["notes"]), &late);
    assert_eq!(
        (found.len(), found.last().map(String::as_str)),
        (1998, Some("3996 W-1999"))
    );
    let error = end.unwrap_err();
    assert!(
        error
            .message()
            .contains("line 3998, column 4 lastName: not UTF-8 from byte 2"),
        "{error}"
    );
}
