//! CSV intake against the bare `csv` crate, on 1,000,000 rows that are made while they are read, so that the
//! peak of memory is the reader's own.

use std::error::Error;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;

use iam_core::intake::{CsvIntake, Intake, Item};

use crate::figures::{Figures, cpu, usage};

const ROWS: u64 = 1_000_000;

/// Makes rows as they are asked for.
struct Rows {
    next: u64,
    line: Vec<u8>,
    at: usize,
}

impl Rows {
    fn new() -> Self {
        let header = "Employee ID,First Name,Last Name,Department,Job Title,Location,Country,Time Zone,\
                      Worker Type,Cost Center,Company,Manager ID,Hire Date,Last Day,Status,Is New Hire,Is Updated\n";
        Self {
            next: 0,
            line: header.as_bytes().to_vec(),
            at: 0,
        }
    }
}

impl Rows {
    /// Makes the next row; whether there was one.
    fn advance(&mut self) -> bool {
        if self.next == ROWS {
            return false;
        }
        let n = self.next;
        self.line = format!(
            "W-{n},Łukasz {n},O'Brien-{},\"Clinical, Ward {}\",Registered Nurse,Sydney,AU,Australia/Sydney,\
             Employee,CLN-{},Contoso Health Pty Ltd,W-{},2026-10-{:02},,Active,Yes,No\n",
            n % 977,
            n % 13,
            n % 400,
            n / 10,
            n % 28 + 1,
        )
        .into_bytes();
        self.at = 0;
        self.next += 1;
        true
    }
}

impl Read for Rows {
    /// Fills the buffer, as a file does.
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && (self.at < self.line.len() || self.advance()) {
            let length = (buffer.len() - filled).min(self.line.len() - self.at);
            buffer[filled..filled + length].copy_from_slice(&self.line[self.at..self.at + length]);
            self.at += length;
            filled += length;
        }
        Ok(filled)
    }
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let bench = "csv_intake";
    let rows = ROWS as f64;

    // In turns, and the best of each: others use the machine too.
    let (mut floor, mut ours, mut before) = (0.0_f64, 0.0_f64, 0.0);
    for round in 0..3 {
        let start = cpu();
        let mut reader = csv::Reader::from_reader(BufReader::new(Rows::new()));
        let mut record = csv::StringRecord::new();
        let mut bytes = 0;
        while reader.read_record(&mut record)? {
            bytes += record.as_slice().len();
        }
        floor = floor.max(rows / (cpu() - start));
        if round == 0 {
            before = usage().1;
        }

        let start = cpu();
        let mut read = 0;
        let summary = CsvIntake::new().read(&mut BufReader::new(Rows::new()), &mut |item| {
            read += u64::from(matches!(item, Item::Record(_)));
            ControlFlow::Continue(())
        })?;
        ours = ours.max(rows / (cpu() - start));
        if summary.records != ROWS || read != ROWS || bytes == 0 {
            return Err(format!("only {} of {ROWS} rows were read", summary.records).into());
        }
    }
    let after = usage().1;
    figures.note(bench, "rows", ours, "rows/CPU s", Some(("bare csv crate", floor)))?;
    figures.note(
        bench,
        "peak memory of the process",
        after,
        "MiB",
        Some(("before our reader", before)),
    )?;
    Ok(())
}
