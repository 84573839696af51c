//! The files in `examples/data`.

use std::ops::RangeInclusive;

use super::*;

/// The records, rejects left aside, are those of these workers, once each.
#[track_caller]
fn check_ids(found: &[String], workers: &[RangeInclusive<u32>]) {
    let records = found.iter().filter(|word| !word.contains('"'));
    let mut ids: Vec<&str> = records.filter_map(|word| word.split(' ').nth(1)).collect();
    ids.sort_unstable();
    let expect: Vec<String> = workers
        .iter()
        .cloned()
        .flatten()
        .map(|n| format!("W-{n}"))
        .collect();
    assert_eq!(ids, expect);
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
            "79 \"Hire Date\" impossible_date",
            "94 \"Status\" unknown_status",
            "109 \"Country\" not_a_country",
            "124 \"E-Mail\" not_an_email",
            "139 \"Time_Zone\" unknown_time_zone",
            "154 \"Employee ID\" duplicate_key",
            "169 \"Last Day\" not_a_date",
            "184 \"Hire Date\" not_a_date",
        ]
    );
    assert_eq!(totals(&end.unwrap()), (200, 179, 21));
    for expect in ["2 W-2001", "44 W-2041", "63 W-2008", "65 W-2110", "201 W-2238"] {
        assert!(found.iter().any(|word| word == expect), "{expect}");
    }
    check_ids(&found, &[2001..=2050, 2110..=2238]);
}

#[test]
fn the_example_feed() {
    let feed = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/workday_feed.json"
    ));
    let (found, end) = words(&FlatIntake::new(), feed);
    assert_eq!(totals(&end.unwrap()), (18, 16, 2));
    assert_eq!(
        found[16..],
        ["17 \"status\" missing_status", "18 \"employeeId\" missing_key"]
    );
    check_ids(&found[..16], &[1001..=1016]);
}

#[test]
fn the_example_report() {
    let report = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/raas_report.json"
    ));
    let (found, end) = words(&FlatIntake::new(), report);
    assert_eq!(totals(&end.unwrap()), (15, 13, 2));
    assert_eq!(
        found[13..],
        ["14 \"Legal_Name\" unsplit_name", "15 \"Country\" not_a_country"]
    );
    check_ids(&found[..13], &[3001..=3013]);
}

#[test]
fn the_example_bulk_request() {
    let bulk = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/bulk_upload.json"
    ));
    check(
        bulk,
        &[
            "1 W-5001",
            "2 W-5002",
            "3 W-5003",
            "4 \"data.active\" missing_status",
            "5 \"data.active\" unknown_status",
            "6 \"data.timezone\" unknown_time_zone",
            "7 \"bulkId\" duplicate_bulk_id",
            "8 \"method\" unsupported_operation",
        ],
    );
}

#[test]
fn the_example_events() {
    let events = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/workday_events.json"
    ));
    check(
        events,
        &[
            "1 W-1001 move",
            "2 W-1003 leave",
            "3 W-1003 retract",
            "4 W-1009 suspend",
            "5 \"\" duplicate_key",
            "6 \"terminationDate\" not_a_date",
        ],
    );
}
