//! The input as a stream: it may be long, it may fail, and nobody has to read on.

use std::io::{BufReader, Read};
use std::ops::ControlFlow;

use super::*;
use crate::error::ErrorKind;

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

/// Makes rows while it is read.
struct Rows {
    next: u64,
    end: u64,
    json: bool,
    line: Vec<u8>,
}

impl Rows {
    fn until(end: u64, json: bool) -> BufReader<Self> {
        BufReader::new(Self {
            next: 0,
            end,
            json,
            line: Vec::new(),
        })
    }
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
        let mut input = Rows::until(200_000, json);
        let mut last = 0;
        let summary = FlatIntake::new()
            .read(&mut input, &mut |item| {
                if let Item::Record(record) = item {
                    last = record.row;
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(totals(&summary), (200_000, 200_000, 0));
        assert_eq!(last, if json { 200_000 } else { 200_001 });
        // Items come while the input is read, not after it.
        let mut input = Rows::until(200_000, json);
        FlatIntake::new()
            .read(&mut input, &mut |_| ControlFlow::Break(()))
            .unwrap();
        assert!(input.get_ref().next < 5_000, "{}", input.get_ref().next);
    }
}
