//! What the intakes do, seen from outside: text in, records and rejects out.

use std::io::{BufReader, Read};
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

/// All items of an input, one word each: the worker id of a record, or `line field code` of a reject.
fn words(intake: &dyn Intake, mut input: &[u8]) -> (Vec<String>, Result<Summary>) {
    let mut words = Vec::new();
    let end = intake.read(&mut input, &mut |item| {
        words.push(match item {
            Item::Record(record) => format!("{} {}", record.row, record.person.key),
            Item::Reject(reject) => format!("{} {:?} {}", reject.row, reject.field, reject.code),
        });
        ControlFlow::Continue(())
    });
    (words, end)
}

#[track_caller]
fn check_with(intake: &dyn Intake, input: impl AsRef<[u8]>, expect: &[&str]) {
    let (words, end) = words(intake, input.as_ref());
    assert_eq!(words, expect);
    let end = end.unwrap();
    assert_eq!(end.rows, words.len() as u64);
    assert_eq!(end.rows, end.records + end.rejects);
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expect: &[&str]) {
    check_with(&FlatIntake::new(), input, expect);
}

/// The input ends in an error that says all of this, after these items.
#[track_caller]
fn check_error(input: impl AsRef<[u8]>, before: &[&str], says: &[&str]) {
    let (words, end) = words(&FlatIntake::new(), input.as_ref());
    assert_eq!(words, before);
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    for part in says {
        assert!(error.message().contains(part), "{error} lacks {part:?}");
    }
}

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

#[test]
fn json_records() {
    check(
        r#" [{"employeeId": "W-1", "firstName": "Ada", "status": "Active", "isNewHire": true, "lastName": null},
             {"Worker_ID": 42, "surname": "Bob", "workerStatus": "Terminated", "costCenter": 4130, "isUpdated": 0}]"#,
        &["1 W-1", "2 42"],
    );
    check("\u{feff}[]", &[]);
    check(
        r#"[null, 1, "x", true, [1, [2]], {}, {"employeeId": "W-1", "firstName": {"a": [1]}, "status": "Active"},
            {"employeeId": "W-2", "firstName": true, "status": "Active"},
            {"employeeId": 1.5, "firstName": "Ada", "status": "Active"},
            {"employeeId": "W-3", "Employee ID": "W-4", "firstName": "Ada", "status": "Active"},
            {"employeeId": "W-5", "pronoun": {"x": 1}, "firstName": "Ada", "status": "Active"},
            {"employeeId": "W-1", "firstName": "Ada", "status": "Active"},
            {"employeeId": "W-6", "firstName": "A\u0000a", "status": "Active"},
            {"employeeId": "W-7", "firstName": "Ada", "status": "Active"}]"#,
        &[
            "1 \"\" wrong_type",
            "2 \"\" wrong_type",
            "3 \"\" wrong_type",
            "4 \"\" wrong_type",
            "5 \"\" wrong_type",
            "6 \"employeeId\" missing_key",
            "7 \"firstName\" wrong_type",
            "8 \"firstName\" wrong_type",
            "9 \"employeeId\" wrong_type",
            "10 \"Employee ID\" duplicate_field",
            "11 \"pronoun\" unknown_field",
            "12 \"employeeId\" duplicate_key",
            "13 \"firstName\" control_character",
            "14 W-7",
        ],
    );
    check_with(
        &FlatIntake::new().ignore(["pronoun"]),
        r#"[{"employeeId": "W-5", "Pronoun": {"x": 1}, "firstName": "Ada", "status": "Active"}]"#,
        &["1 W-5"],
    );
}

#[test]
fn broken_json_says_where_and_what_was_read() {
    let one = r#"[{"employeeId": "W-1", "firstName": "Ada", "status": "Active"},"#;
    check_error(
        format!("{one}\n  {{\"employeeId\" 7}}]"),
        &["1 W-1"],
        &["line 2, column 17", "the 1 records before"],
    );
    check_error(one, &["1 W-1"], &["ends in the middle", "complete?"]);
    check_error(
        format!("{one}{{}}] x"),
        &["1 W-1", "2 \"employeeId\" missing_key"],
        &["line 1", "not JSON"],
    );
    check_error(
        r#"{"Report_Entry": []}"#,
        &[],
        &["an array of objects at the top level"],
    );
    check_error("[1,", &["1 \"\" wrong_type"], &["line 1"]);
    let endless = format!("{one} {{\"employeeId\": \"{}", "x".repeat(3_000_000));
    check_error(endless, &["1 W-1"], &["record 2 is longer than 1 MiB"]);
    let (_, end) = words(&WorkdayJsonIntake::new(), b"\"Lovelace\"");
    assert!(!end.unwrap_err().chain().contains("Lovelace"));
}

#[test]
fn a_sink_may_stop_the_reading() {
    let csv = "employeeId,surname,status\nW-1,A,A\nW-2,B,A\n";
    let json = r#"[{"employeeId": "W-1"}, {"employeeId": "W-2"}, oops"#;
    for mut input in [csv.as_bytes(), json.as_bytes()] {
        let summary = FlatIntake::new()
            .read(&mut input, &mut |_| ControlFlow::Break(()))
            .unwrap();
        assert_eq!(summary.rows, 1);
    }
}

#[test]
fn an_input_that_fails_is_an_error() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    for start in [
        "employeeId,surname,status\nW-1,A,A\n",
        r#"[{"employeeId": "W-1"},"#,
    ] {
        // The beginning fills what is looked at beforehand.
        let start = format!("{start}{}", " \n".repeat(40_000));
        let mut input = BufReader::new(start.as_bytes().chain(Failing));
        let error = FlatIntake::new()
            .read(&mut input, &mut |_| ControlFlow::Continue(()))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        assert!(error.chain().contains("the disk is gone"), "{}", error.chain());
    }
}

#[test]
fn the_example_table() {
    let table = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/new_hires.csv"
    ));
    let (found, end) = words(&FlatIntake::new(), table);
    let rejects: Vec<&str> = found
        .iter()
        .map(String::as_str)
        .filter(|word| word.contains('"'))
        .collect();
    assert_eq!(
        rejects,
        [
            "7 \"Employee ID\" missing_key",
            "14 \"First Name, Last Name\" missing_name",
            "22 \"Hire Date\" impossible_date",
            "29 \"Status\" unknown_status",
            "35 \"Country\" not_a_country",
            "41 \"Time_Zone\" unknown_time_zone",
            "43 \"Employee ID\" duplicate_key",
            "49 \"\" field_count",
            "54 \"Is New Hire\" not_a_flag",
            "58 \"Last Day\" last_day_before_hire",
            "61 \"Status, Is New Hire\" contradiction",
            "62 \"Status\" missing_status",
            "64 \"Hire Date\" not_a_date",
        ]
    );
    assert_eq!(
        end.unwrap(),
        Summary {
            rows: 63,
            records: 50,
            rejects: 13
        }
    );
    for expect in ["2 W-2001", "44 W-2041", "63 W-2008"] {
        assert!(found.iter().any(|word| word == expect), "{expect}");
    }
    let mut ids: Vec<&str> = found
        .iter()
        .filter(|w| !w.contains('"'))
        .filter_map(|w| w.split(' ').nth(1))
        .collect();
    ids.sort_unstable();
    let expect: Vec<String> = (2001..=2050).map(|n| format!("W-{n}")).collect();
    assert_eq!(ids, expect);
}

#[test]
fn the_example_feed() {
    let feed = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/workday_feed.json"
    ));
    let (found, end) = words(&FlatIntake::new(), feed);
    assert_eq!(
        end.unwrap(),
        Summary {
            rows: 18,
            records: 16,
            rejects: 2
        }
    );
    assert_eq!(
        found[16..],
        ["17 \"status\" missing_status", "18 \"employeeId\" missing_key"]
    );
    let mut ids: Vec<&str> = found[..16]
        .iter()
        .filter_map(|word| word.split(' ').nth(1))
        .collect();
    ids.sort_unstable();
    let expect: Vec<String> = (1001..=1016).map(|n| format!("W-{n}")).collect();
    assert_eq!(ids, expect);
}

/// Makes rows while it is read.
struct Rows {
    next: u64,
    end: u64,
    json: bool,
    line: Vec<u8>,
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.line.is_empty() && self.next <= self.end {
            let n = self.next;
            self.line = match (self.json, n) {
                (true, 0) => b"[".to_vec(),
                (true, _) => format!(
                    "{}{{\"employeeId\":\"W-{n}\",\"lastName\":\"Müller\",\"status\":\"Active\",\"country\":\"DE\"}}{}",
                    if n == 1 { "" } else { "," },
                    if n == self.end { "]" } else { "" },
                )
                .into_bytes(),
                (false, 0) => b"employeeId,lastName,status,country\n".to_vec(),
                (false, _) => format!("W-{n},M\u{fc}ller,Active,DE\n").into_bytes(),
            };
            self.next += 1;
        }
        let taken = self.line.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.line[..taken]);
        self.line.drain(..taken);
        Ok(taken)
    }
}

#[test]
fn two_hundred_thousand_rows_are_read_as_they_come() {
    for json in [false, true] {
        let rows = Rows {
            next: 0,
            end: 200_000,
            json,
            line: Vec::new(),
        };
        let mut input = BufReader::new(rows);
        let mut last = 0;
        let summary = FlatIntake::new()
            .read(&mut input, &mut |item| {
                if let Item::Record(record) = item {
                    last = record.row;
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(
            summary,
            Summary {
                rows: 200_000,
                records: 200_000,
                rejects: 0
            }
        );
        assert_eq!(last, if json { 200_000 } else { 200_001 });
        // Items come while the input is read, not after it.
        let rows = Rows {
            next: 0,
            end: 200_000,
            json,
            line: Vec::new(),
        };
        let mut input = BufReader::new(rows);
        FlatIntake::new()
            .read(&mut input, &mut |_| ControlFlow::Break(()))
            .unwrap();
        assert!(input.get_ref().next < 5_000, "{}", input.get_ref().next);
    }
}

/// Bytes that come near to a table or a feed, and bytes that do not.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "employeeId",
        "firstName",
        "status",
        "Active",
        "Terminated",
        "W-1",
        "W-2",
        ",",
        ";",
        "\t",
        "\"",
        "\n",
        "\r\n",
        "\r",
        "[",
        "]",
        "{",
        "}",
        ":",
        "null",
        "true",
        "1.5",
        "é",
        "\u{feff}",
        " ",
        "\\u0000",
        "\"employeeId\":\"W-1\"",
        "2026-02-30",
        "\u{202e}",
        "hireDate",
        "{\"employeeId\":\"W-3\",\"status\":\"A\",\"surname\":\"L\"},",
        "employeeId,surname,status\n",
        "W-4,L,A\n",
    ]);
    let text = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes());
    let table = text
        .clone()
        .prop_map(|text| [b"employeeId,surname,status\n", text.as_slice()].concat());
    let feed = text
        .clone()
        .prop_map(|text| [b"[", text.as_slice(), b"]"].concat());
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), text, table, feed]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn any_bytes_are_records_and_rejects_or_an_error(input in inputs()) {
        let intakes: [&dyn Intake; 4] = [
            &CsvIntake::new(),
            &CsvIntake::new().ignore_unknown_columns(true),
            &WorkdayJsonIntake::new(),
            &FlatIntake::new().ignore_unknown(true),
        ];
        for intake in intakes {
            let (mut records, mut rejects) = (0, 0);
            let mut last = 0;
            let end = intake.read(&mut input.as_slice(), &mut |item| {
                let row = match item {
                    Item::Record(record) => { records += 1; record.row }
                    Item::Reject(reject) => { rejects += 1; reject.row }
                };
                assert!(row > last, "rows come in order");
                last = row;
                ControlFlow::Continue(())
            });
            if let Ok(end) = end {
                prop_assert_eq!(end, Summary { rows: records + rejects, records, rejects });
            }
        }
    }

    /// Whatever stands in the cells, as long as it is written as CSV: every row comes back, on its line.
    #[test]
    fn well_written_tables_lose_no_row(
        cells in prop::collection::vec(prop::array::uniform3("[ -~é\n\";,\t]{0,8}"), 0..20),
        crlf: bool,
    ) {
        let mut writer = ::csv::WriterBuilder::new()
            .terminator(if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        writer.write_record(["employeeId", "notes", "lastName"]).unwrap();
        let (mut line, mut expect) = (2, Vec::new());
        for row in &cells {
            writer.write_record(row).unwrap();
            if row.iter().any(|cell| !cell.trim().is_empty()) {
                expect.push(line);
            }
            line += 1 + row.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
        }
        let table = writer.into_inner().unwrap();
        let mut lines = Vec::new();
        let end = CsvIntake::new().ignore(["notes"]).read(&mut table.as_slice(), &mut |item| {
            lines.push(match item {
                Item::Record(record) => record.row,
                Item::Reject(reject) => reject.row,
            });
            ControlFlow::Continue(())
        });
        prop_assert!(end.is_ok(), "{:?}", end);
        prop_assert_eq!(lines, expect);
    }
}
