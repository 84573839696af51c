//! Workday XML intake against the bare `quick-xml` reader, on an answer of 50,000 workers that is made while it is
//! read, so that the peak of memory is the reader's own.

use std::error::Error;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;

use iam_core::intake::{Intake, Item, WorkdayXmlIntake};
use quick_xml::events::Event;

use crate::figures::{Figures, cpu, usage};

const WORKERS: u64 = 50_000;
/// The first worker of the example answer, 9 KB with all the sections that a request may ask for.
const EXAMPLE: &str = include_str!("../../examples/data/get_workers.xml");
const ID: &str = "W-4001";

/// Makes an answer as it is asked for: the example's envelope around one worker again and again, with ids of their
/// own.
struct Answer {
    head: &'static [u8],
    /// The worker, taken apart at its id.
    parts: Vec<&'static str>,
    tail: &'static [u8],
    next: u64,
    text: Vec<u8>,
    at: usize,
}

impl Answer {
    fn new() -> Result<Self, Box<dyn Error>> {
        let (head, rest) = EXAMPLE.split_once("<wd:Worker>").ok_or("no worker")?;
        let (worker, rest) = rest.split_once("</wd:Worker>").ok_or("no worker's end")?;
        let tail = rest
            .rfind("</wd:Response_Data>")
            .and_then(|at| rest.get(at..))
            .ok_or("no end")?;
        Ok(Self {
            head: head.as_bytes(),
            parts: worker.split(ID).collect(),
            tail: tail.as_bytes(),
            next: 0,
            text: Vec::new(),
            at: 0,
        })
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.text.len() {
            self.text.clear();
            self.at = 0;
            match self.next {
                0 => self.text.extend_from_slice(self.head),
                n if n <= WORKERS => {
                    let id = format!("W-{n}");
                    self.text.extend_from_slice(b"<wd:Worker>");
                    self.text
                        .extend_from_slice(self.parts.join(id.as_str()).as_bytes());
                    self.text.extend_from_slice(b"</wd:Worker>");
                }
                n if n == WORKERS + 1 => self.text.extend_from_slice(self.tail),
                _ => return Ok(0),
            }
            self.next += 1;
        }
        let length = buffer.len().min(self.text.len() - self.at);
        buffer[..length].copy_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let bench = "xml_intake";
    let workers = WORKERS as f64;

    // In turns, and the best of each: others use the machine too.
    let (mut floor, mut ours, mut before) = (0.0_f64, 0.0_f64, 0.0);
    for round in 0..3 {
        let start = cpu();
        let mut reader = quick_xml::Reader::from_reader(BufReader::new(Answer::new()?));
        let (mut buffer, mut elements) = (Vec::new(), 0_u64);
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer)? {
                Event::Start(_) => elements += 1,
                Event::Eof => break,
                _ => {}
            }
        }
        floor = floor.max(workers / (cpu() - start));
        if round == 0 {
            before = usage().1;
        }

        let start = cpu();
        let mut read = 0;
        let summary = WorkdayXmlIntake::new().read(&mut BufReader::new(Answer::new()?), &mut |item| {
            read += u64::from(matches!(item, Item::Record(_)));
            ControlFlow::Continue(())
        })?;
        ours = ours.max(workers / (cpu() - start));
        if summary.records != WORKERS || read != WORKERS || elements < WORKERS {
            return Err(format!("only {} of {WORKERS} workers were read", summary.records).into());
        }
    }
    let after = usage().1;
    figures.note(
        bench,
        "workers",
        ours,
        "workers/CPU s",
        Some(("bare quick-xml", floor)),
    )?;
    figures.note(
        bench,
        "peak memory of the process",
        after,
        "MiB",
        Some(("before our reader", before)),
    )?;
    Ok(())
}
