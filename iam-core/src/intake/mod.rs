//! The port [`Intake`]: turns a source's bytes into [records](Record) and [rejects](Reject).
//!
//! Invariants: one bad row never stops the rest, none is dropped silently, memory does not grow with the
//! input, and no row's personal data stands in a message.

mod csv;
mod element;
mod encoding;
mod fields;
mod flat;
mod health;
mod node;
mod notice;
mod place;
mod raas;
mod row;
mod scim;
#[cfg(test)]
mod tests;
mod values;
mod workday_json;
mod workday_xml;
mod worker;

pub use csv::CsvIntake;
pub use flat::{FlatIntake, Format, detect};
pub use health::{Delivery, Filled, Finding, Gate};
pub use notice::{Notice, Process, WorkdayEventIntake};
pub use raas::RaasIntake;
pub use scim::ScimIntake;
pub use workday_json::WorkdayJsonIntake;
pub use workday_xml::WorkdayXmlIntake;

use std::fmt;
use std::io::BufRead;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::person::Person;

/// One good row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stood: the line of a CSV, the index (from 1) in an array.
    pub row: u64,
    /// What it says.
    pub person: Person,
}

/// One row that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where it stood: the line of a CSV, the index (from 1) in an array.
    pub row: u64,
    /// The worker id, if the row has one.
    pub person: Option<String>,
    /// The field at fault, as the source names it; empty for the whole row.
    pub field: String,
    /// A stable code, for example `impossible_date`.
    pub code: &'static str,
    /// What was expected, in one clause.
    pub message: String,
    /// An earlier row that looked good and does not count either: two active profiles of one worker id.
    pub twin: Option<u64>,
}

impl Reject {
    /// The refusal of the earlier of two rows of which neither counts.
    pub(crate) fn of_twin(&self) -> Option<Self> {
        let earlier = self.twin?;
        let message = format!(
            "expected one active profile, found another in row {}; neither counts",
            self.row
        );
        Some(Self {
            row: earlier,
            message,
            twin: None,
            ..self.clone()
        })
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}", self.row)?;
        if !self.field.is_empty() {
            write!(f, ", field {}", self.field)?;
        }
        write!(f, ": {} [{}]", self.message, self.code)
    }
}

/// What an intake hands over, one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A good row.
    Record(Box<Record>),
    /// A refused one.
    Reject(Reject),
    /// That something happened to somebody, without their record.
    Notice(Box<Notice>),
}

/// Totals of one reading, and what tells whether it can be [trusted](Gate).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows seen.
    pub rows: u64,
    /// Good ones.
    pub records: u64,
    /// Refused ones.
    pub rejects: u64,
    /// In how many of the rows that could be taken apart each field had a value.
    pub fields: Filled,
    /// What the source says about its pages, if it has any.
    pub pages: Option<Paging>,
    /// A fingerprint of the names that the source as a whole has: the header of a table.
    pub schema: Option<u64>,
}

/// Which page of a whole was read: `Response_Results` of Workday, and what SCIM lists say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paging {
    /// Rows of all pages.
    pub total_results: Option<u64>,
    /// How many pages there are.
    pub total_pages: Option<u64>,
    /// Rows that this page says it has.
    pub page_results: Option<u64>,
    /// Which page this is, from 1.
    pub page: Option<u64>,
}

/// Reads one format.
pub trait Intake: fmt::Debug + Send + Sync {
    /// Reads to the end, or until `sink` breaks. Blank rows are skipped.
    ///
    /// # Errors
    /// Only for what makes the whole input, or all of it that follows, unusable: it cannot be read, is empty or not
    /// UTF-8, its header misses the key or has a column that is unknown or twice, a quotation mark is never closed,
    /// the JSON is broken. Items handed over before stand; the message says how far it came.
    fn read(&self, input: &mut dyn BufRead, sink: &mut dyn FnMut(Item) -> ControlFlow<()>)
    -> Result<Summary>;
}
