//! Random bytes, and random cells in well-written tables.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

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
        "{\"Worker_ID\":\"W-5\",\"Legal_Name\":\"L M\"},",
        "\"Preferred_Name\":\"L\"",
        "\"Country\":\"India\"",
        "\"Report_Entry\":",
        "\"Paging\":",
    ]);
    let text = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes());
    let table = text
        .clone()
        .prop_map(|text| [b"employeeId,surname,status\n", text.as_slice()].concat());
    let feed = text
        .clone()
        .prop_map(|text| [b"[", text.as_slice(), b"]"].concat());
    let report = feed
        .clone()
        .prop_map(|feed| [b"{\"Report_Entry\":", feed.as_slice(), b"}"].concat());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        text,
        table,
        feed,
        report
    ]
}

/// One record of a report, well written, with any texts in it.
fn entries() -> impl Strategy<Value = serde_json::Value> {
    let name = prop::sample::select(vec![
        "Employee_ID",
        "Worker_ID",
        "First_Name",
        "Last_Name",
        "Legal_Name",
        "Preferred_Name",
        "Country",
        "Worker_Status",
        "CF_Any",
        "Shoe_Size",
    ]);
    let text = prop_oneof![
        "\\PC{0,12}",
        Just("Ada Lovelace".to_owned()),
        Just("Ada".to_owned()),
        Just("Active".to_owned())
    ];
    prop::collection::btree_map(name, text, 0..8).prop_map(|fields| serde_json::json!(fields))
}

proptest! {
    #![proptest_config(cases(1000))]
    #[test]
    fn well_written_reports_lose_no_record(records in prop::collection::vec(entries(), 0..6)) {
        let report = serde_json::json!({ "Report_Entry": records }).to_string();
        let (found, end) = words(&FlatIntake::new(), report.as_bytes());
        prop_assert_eq!(found.len(), records.len());
        prop_assert_eq!(end.map(|end| end.rows).ok(), Some(records.len() as u64));
    }

    #[test]
    fn any_bytes_are_records_and_rejects_or_an_error(input in inputs()) {
        let intakes: [&dyn Intake; 5] = [
            &CsvIntake::new(),
            &CsvIntake::new().ignore_unknown_columns(true),
            &WorkdayJsonIntake::new(),
            &RaasIntake::new(),
            &FlatIntake::new().ignore_unknown(true),
        ];
        for intake in intakes {
            let (mut records, mut rejects) = (0, 0);
            let mut last = 0;
            let end = intake.read(&mut input.as_slice(), &mut |item| {
                let row = match item {
                    Item::Record(record) => { records += 1; record.row }
                    Item::Reject(reject) => { rejects += 1; reject.row }
                    Item::Notice(notice) => { records += 1; notice.row }
                };
                assert!(row > last, "rows come in order");
                last = row;
                ControlFlow::Continue(())
            });
            if let Ok(end) = end {
                prop_assert_eq!(totals(&end), (records + rejects, records, rejects));
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
                Item::Notice(notice) => notice.row,
            });
            ControlFlow::Continue(())
        });
        prop_assert!(end.is_ok(), "{:?}", end);
        prop_assert_eq!(lines, expect);
    }
}
