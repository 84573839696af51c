//! [`FlatIntake`]: HR's records in whichever format they come, told by how they begin.

use std::io::BufRead;
use std::ops::ControlFlow;

use super::encoding::Opened;
use super::{CsvIntake, Intake, Item, RaasIntake, Summary, WorkdayJsonIntake, WorkdayXmlIntake};
use crate::error::Result;

/// A format of HR's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An array of flat objects: [`WorkdayJsonIntake`].
    Json,
    /// An object around an array `Report_Entry`: [`RaasIntake`].
    Raas,
    /// An answer of `Get_Workers`: [`WorkdayXmlIntake`].
    WorkdayXml,
    /// A table: [`CsvIntake`].
    Csv,
}

/// The format by content: JSON where the first character that is not blank is `[` or `{`, and a report where it is `{`
/// and the name `Report_Entry` follows; XML where it is `<`; else CSV; `None` where there is none. A byte order mark is passed over.
///
/// ```
/// use iam_core::intake::{Format, detect};
/// assert_eq!(detect(b"\n [{\"employeeId\": "), Some(Format::Json));
/// assert_eq!(detect(b"{ \"Report_Entry\": [{"), Some(Format::Raas));
/// assert_eq!(detect("\u{feff}Employee ID,First Name".as_bytes()), Some(Format::Csv));
/// assert_eq!(detect(b"<env:Envelope xmlns:env="), Some(Format::WorkdayXml));
/// assert_eq!(detect(b" \r\n"), None);
/// ```
pub fn detect(first_bytes: &[u8]) -> Option<Format> {
    let text = first_bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first_bytes);
    match text.trim_ascii_start().first()? {
        b'{' if memchr::memmem::find(text, b"\"Report_Entry\"").is_some() => Some(Format::Raas),
        b'[' | b'{' => Some(Format::Json),
        b'<' => Some(Format::WorkdayXml),
        _ => Some(Format::Csv),
    }
}

/// Reads JSON, a report, an answer of `Get_Workers` or CSV, whichever it [is](detect). What is said of [`CsvIntake`],
/// [`WorkdayJsonIntake`], [`RaasIntake`] and [`WorkdayXmlIntake`] holds.
#[derive(Debug, Clone, Default)]
pub struct FlatIntake {
    csv: CsvIntake,
    json: WorkdayJsonIntake,
    report: RaasIntake,
    workday: WorkdayXmlIntake,
}

impl FlatIntake {
    /// Takes the known fields and refuses any other.
    pub fn new() -> Self {
        Self::default()
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
            Some(Format::WorkdayXml) => self.workday.read_opened(input, sink),
            _ => self.csv.read_opened(input, sink),
        }
    }
}
