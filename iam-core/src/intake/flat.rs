//! [`FlatIntake`]: HR's records in whichever format they come, told by how they begin.

use std::io::BufRead;
use std::ops::ControlFlow;

use super::encoding::Opened;
use super::{
    CsvIntake, Intake, Item, RaasIntake, ScimIntake, Summary, WorkdayEventIntake, WorkdayJsonIntake,
    WorkdayXmlIntake,
};
use crate::error::Result;

/// A format of HR's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An array of flat objects: [`WorkdayJsonIntake`].
    Json,
    /// An object around an array `Report_Entry`: [`RaasIntake`].
    Raas,
    /// SCIM users, lists or bulk requests: [`ScimIntake`].
    Scim,
    /// Events of business processes: [`WorkdayEventIntake`].
    Events,
    /// An answer of `Get_Workers`: [`WorkdayXmlIntake`].
    WorkdayXml,
    /// A table: [`CsvIntake`].
    Csv,
}

/// The format by content: JSON where the first character that is not blank is `[` or `{`, XML where it is `<`, else
/// CSV; `None` where there is none. JSON is SCIM where the URN of its schemas follows, events where a name
/// `eventName` or `businessProcess` does, a report where it is an object and the name `Report_Entry` follows. A byte
/// order mark is passed over.
///
/// ```
/// use iam_core::intake::{Format, detect};
/// assert_eq!(detect(b"\n [{\"employeeId\": "), Some(Format::Json));
/// assert_eq!(detect(b"{ \"Report_Entry\": [{"), Some(Format::Raas));
/// assert_eq!(detect("\u{feff}Employee ID,First Name".as_bytes()), Some(Format::Csv));
/// assert_eq!(detect(b"{\"schemas\": [\"urn:ietf:params:scim:schemas:core:2.0:User\"]"), Some(Format::Scim));
/// assert_eq!(detect(b"[{\"eventName\": \"Change Job\""), Some(Format::Events));
/// assert_eq!(detect(b"<env:Envelope xmlns:env="), Some(Format::WorkdayXml));
/// assert_eq!(detect(b" \r\n"), None);
/// ```
pub fn detect(first_bytes: &[u8]) -> Option<Format> {
    let text = first_bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first_bytes);
    match text.trim_ascii_start().first()? {
        b'[' | b'{' if holds(text, b"\"urn:ietf:params:scim:") => Some(Format::Scim),
        b'[' | b'{' if holds(text, b"\"eventName\"") || holds(text, b"\"businessProcess\"") => {
            Some(Format::Events)
        }
        b'{' if holds(text, b"\"Report_Entry\"") => Some(Format::Raas),
        b'[' | b'{' => Some(Format::Json),
        b'<' => Some(Format::WorkdayXml),
        _ => Some(Format::Csv),
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// Reads JSON, a report, SCIM, events, an answer of `Get_Workers` or CSV, whichever it [is](detect). What is said of [`CsvIntake`],
/// [`WorkdayJsonIntake`], [`RaasIntake`], [`ScimIntake`], [`WorkdayEventIntake`] and [`WorkdayXmlIntake`] holds.
///
/// A table with columns that only a report has, such as `Legal_Name` or `CF_…`, is read as one.
#[derive(Debug, Clone)]
pub struct FlatIntake {
    csv: CsvIntake,
    json: WorkdayJsonIntake,
    report: RaasIntake,
    workday: WorkdayXmlIntake,
}

impl Default for FlatIntake {
    fn default() -> Self {
        Self::new()
    }
}

impl FlatIntake {
    /// Takes the known fields and refuses any other.
    pub fn new() -> Self {
        let mut csv = CsvIntake::new();
        csv.or_report = true;
        Self {
            csv,
            json: WorkdayJsonIntake::new(),
            report: RaasIntake::new(),
            workday: WorkdayXmlIntake::new(),
        }
    }

    /// Leaves these columns or fields out, known or not; matched as loosely as all names.
    #[must_use]
    pub fn ignore<S: AsRef<str>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<S> = fields.into_iter().collect();
        self.csv = self.csv.ignore(names.iter().map(AsRef::as_ref));
        self.report = self.report.ignore(names.iter().map(AsRef::as_ref));
        self.json = self.json.ignore(names);
        self
    }

    /// Whether columns and fields that are not known are left out (default: no).
    #[must_use]
    pub fn ignore_unknown(mut self, yes: bool) -> Self {
        self.csv = self.csv.ignore_unknown_columns(yes);
        self.json = self.json.ignore_unknown_fields(yes);
        self.report = self.report.ignore_unknown_fields(yes);
        self
    }
}

impl Intake for FlatIntake {
    fn read(
        &self,
        input: &mut dyn BufRead,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let input = Opened::new(input)?;
        match detect(&input.head) {
            Some(Format::Json) => self.json.read_opened(input, sink),
            Some(Format::Raas) => self.report.read_opened(input, sink),
            Some(Format::Scim) => ScimIntake::read_opened(input, sink),
            Some(Format::Events) => WorkdayEventIntake::read_opened(input, sink),
            Some(Format::WorkdayXml) => self.workday.read_opened(input, sink),
            _ => self.csv.read_opened(input, sink),
        }
    }
}
