//! JSON feeds: which record is rejected why, and what ends the reading.

use super::*;

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
        r#"{"workers": []}"#,
        &[],
        &["an array of objects at the top level"],
    );
    check_error("[1,", &["1 \"\" wrong_type"], &["line 1"]);
    let endless = format!("{one} {{\"employeeId\": \"{}", "x".repeat(3_000_000));
    check_error(endless, &["1 W-1"], &["record 2 is longer than 1 MiB"]);
    let (_, end) = words(&WorkdayJsonIntake::new(), b"\"Lovelace\"");
    assert!(!end.unwrap_err().chain().contains("Lovelace"));
}
