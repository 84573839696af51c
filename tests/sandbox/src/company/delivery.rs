//! [`Delivery`]: an export of everybody whom HR knows, in the formats of HR systems.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::worker::{Worker, cells};
use super::{Company, notices, workday};

/// One export: everybody as HR has them on that day, and what was entered since the export before.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub(super) company: &'a Company,
    pub(super) number: usize,
    pub(super) day: Date,
}

impl Delivery<'_> {
    /// Its number, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The day of the export.
    pub fn day(&self) -> Date {
        self.day
    }

    /// Everybody whom HR knows, by worker id; also who has left.
    pub fn workers(&self) -> Vec<Worker> {
        self.records().collect()
    }

    fn records(&self) -> impl Iterator<Item = Worker> {
        let (number, day) = (self.number, self.day);
        let lives = self.company.employments.iter();
        lives.filter_map(move |life| life.record(number, day))
    }

    /// A table (RFC 4180): `Employee ID,First Name,Middle Name,Last Name,Preferred Name,Department,Job Title,Location,
    /// Country,Time_Zone,Worker Type,Cost Center,Company,Manager ID,Hire Date,Last Day,Status,E-Mail`. The status is
    /// `Active`, `On Leave` or `Terminated`.
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            for (at, cell) in cells.enumerate() {
                if at > 0 {
                    out.push(',');
                }
                if cell.contains([',', '"', '\n', '\r']) {
                    out.push('"');
                    out.push_str(&cell.replace('"', "\"\""));
                    out.push('"');
                } else {
                    out.push_str(cell);
                }
            }
            out.push_str("\r\n");
        };
        for (at, worker) in self.records().enumerate() {
            let cells = cells(&worker);
            if at == 0 {
                line(&mut cells.iter().map(|(column, ..)| *column));
            }
            line(&mut cells.iter().map(|(_, _, text)| text.as_str()));
        }
        out
    }

    /// An array of flat objects: `employeeId`, `firstName` and so on. A field without a value is left out.
    pub fn json(&self) -> String {
        let workers = self.records().map(|worker| {
            let fields = cells(&worker).into_iter();
            let fields = fields.filter(|(_, _, text)| !text.is_empty());
            let fields: Map<String, Value> = fields
                .map(|(_, name, text)| (name.to_owned(), text.into()))
                .collect();
            Value::Object(fields)
        });
        format!("{:#}", workers.collect::<Value>())
    }

    /// The answers of Workday's `Get_Workers` (version 45, in SOAP envelopes), so many workers a page.
    /// Workday tells no time zones: each location has [one](Self::zones).
    pub fn get_workers(&self, page_size: usize) -> Vec<String> {
        workday::pages(&self.workers(), self.day, page_size.max(1))
    }

    /// The IANA zone of each location that an export names, in the order of the first people there.
    pub fn zones(&self) -> Vec<(String, String)> {
        let mut zones: Vec<(String, String)> = Vec::new();
        for worker in self.records() {
            if zones.iter().all(|(location, _)| *location != worker.location) {
                zones.push((worker.location, worker.time_zone));
            }
        }
        zones
    }

    /// What was entered since the export before, as the events of Workday's business processes: a report of
    /// `{"eventId", "eventName", "businessProcess", "eventTime", "workerId", ..}`. Of the first export, nothing: the
    /// company was there.
    pub fn notices(&self) -> String {
        format!("{:#}", notices::report(self.company, self.number, self.day))
    }
}
