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
