//! [`CsvIntake`]: a table of workers, one a row, as HR systems and Excel export it.

use std::io::BufRead;
use std::ops::ControlFlow;

use ::csv::{ByteRecord, Position, Reader, ReaderBuilder};

use super::element::Element;
use super::encoding::{Bounded, Lines, Opened, Progress, SAVE_AS_UTF8, invalid, lines, unreadable};
use super::fields::{Aside, Cells, Field, Meaning, Spelling, Vocabulary, fingerprint};
use super::raas::complete;
use super::row::{Flaw, Judge};
use super::{Intake, Item, Summary};
use crate::error::{Error, Result};

/// Reads CSV (RFC 4180): UTF-8 with or without a byte order mark; `,` `;` or tab, told from the header; quoted
/// fields with line breaks; lines that end in any way. Memory holds one row, and 17 bytes for each worker id.
///
/// The first row that is not blank names the columns; the names that are known, and how loosely they are matched, is
/// the table of `intake/fields.rs`. `row` of an item is the line where its record begins, counted from 1.
/// A field that spans lines is refused in a known column: nearly always a closing quotation mark is missing.
///
/// A Workday report as CSV has other columns ([`of_report`](Self::of_report)): several worker ids, full names, columns
/// of no use.
///
/// ```
/// use std::ops::ControlFlow;
/// use iam_core::intake::{CsvIntake, Intake, Item};
///
/// let mut file = "Employee ID;First Name;Status\nW-1;Ada;Active\nW-2;Bob;Actve\n".as_bytes();
/// let mut lines = Vec::new();
/// let summary = CsvIntake::new().read(&mut file, &mut |item| {
///     match item {
///         Item::Record(record) => lines.push(format!("row {}: {}", record.row, record.person.key)),
///         Item::Reject(reject) => lines.push(reject.to_string()),
///         _ => {}
///     }
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(lines[0], "row 2: W-1");
/// assert_eq!(lines[1], "row 3, field Status: expected Active, On Leave or Terminated, found \"Actve\" [unknown_status]");
/// assert_eq!((summary.rows, summary.records, summary.rejects), (2, 1, 1));
/// # Ok::<(), iam_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CsvIntake {
    vocabulary: Vocabulary,
    /// Whether a header that is refused may be that of a report.
    pub(super) or_report: bool,
}

impl CsvIntake {
    /// Takes the known columns and refuses a table with any other, before the first row.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the columns of a Workday report, by the rules of [`RaasIntake`](super::RaasIntake).
    pub fn of_report() -> Self {
        Self {
            vocabulary: Vocabulary::of_reports(),
            or_report: false,
        }
    }

    /// Leaves these columns out, known or not; matched as loosely as all names.
    #[must_use]
    pub fn ignore<S: AsRef<str>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.vocabulary.ignore(columns);
        self
    }

    /// Whether columns that are not known are left out (default: no, the table is refused).
    #[must_use]
    pub fn ignore_unknown_columns(mut self, yes: bool) -> Self {
        self.vocabulary.ignore_unknown = yes;
        self
    }

    /// As [`Intake::read`], of an input that was opened.
    pub(super) fn read_opened(
        &self,
        input: Opened<'_>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let delimiter = delimiter(&input.head);
        let progress = Progress::default();
        let mut table = Table {
            rows: reader(delimiter).from_reader(Bounded::new(Lines::new(input.into_reader()), &progress)),
            record: ByteRecord::new(),
            position: Position::new(),
            progress: &progress,
        };
        let Some(header) = table.next(None)? else {
            return Err(invalid("the input is empty: expected a header row"));
        };
        let words = self.vocabulary.clone().with_reports();
        let of_reports = |name| {
            self.vocabulary.meaning(name) == Meaning::Unknown && words.meaning(name) != Meaning::Unknown
        };
        let columns = if self.or_report && header.texts().any(of_reports) {
            Columns::of(&header, &words)
        } else {
            Columns::of(&header, &self.vocabulary)
        }?;
        let (mut judge, mut key) = (Judge::default(), None);
        judge.of_whole(None, Some(fingerprint(&columns.names)));
        while let Some(row) = table.next(Some(&columns))? {
            if row.texts().all(|text| text.trim().is_empty()) {
                continue;
            }
            let item = columns.judge(&row, &mut judge, &mut key);
            if sink(item).is_break() {
                break;
            }
        }
        Ok(judge.summary())
    }
}

impl Intake for CsvIntake {
    fn read(
        &self,
        input: &mut dyn BufRead,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        self.read_opened(Opened::new(input)?, sink)
    }
}

fn reader(delimiter: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true);
    builder
}

/// The delimiter under which the header has the most known names, then the most columns; a comma if none wins.
fn delimiter(head: &[u8]) -> u8 {
    let score = |delimiter: u8| {
        let mut header = ByteRecord::new();
        let read = reader(delimiter).from_reader(head).read_byte_record(&mut header);
        let known = |name: &&[u8]| std::str::from_utf8(name).is_ok_and(|n| Field::named(n).is_some());
        (header.iter().filter(known).count(), header.len(), read.is_ok())
    };
    // Of equals, `max_by_key` takes the last.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|d| score(*d))
        .unwrap_or(b',')
}

/// The records of a table, one at a time, with the line where each begins.
struct Table<'p, R> {
    rows: Reader<R>,
    record: ByteRecord,
    /// Where the reader stood before the record.
    position: Position,
    progress: &'p Progress,
}

/// One of them.
struct TableRow<'t> {
    /// The line where it begins.
    line: u64,
    /// How many line breaks stand inside it.
    breaks: usize,
    /// All fields, one after the other.
    whole: &'t str,
    record: &'t ByteRecord,
}

impl<'t> TableRow<'t> {
    /// The fields as text, blanks and all.
    fn texts(&self) -> impl Iterator<Item = &'t str> {
        let (whole, record) = (self.whole, self.record);
        (0..record.len()).map(move |at| {
            record
                .range(at)
                .and_then(|range| whole.get(range))
                .unwrap_or_default()
        })
    }
}

impl<R: std::io::Read> Table<'_, R> {
    /// Reads the next record; `columns` once they are known, for messages.
    fn next(&mut self, columns: Option<&Columns>) -> Result<Option<TableRow<'_>>> {
        self.progress.next_record();
        self.position.clone_from(self.rows.position());
        match self.rows.read_byte_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => return Err(self.stopped(error)),
        }
        let record = &self.record;
        // The reader stands behind the record's last line feed; those inside were quoted.
        let breaks = lines(record.as_slice());
        let end = self.rows.position().line().saturating_sub(breaks as u64);
        if self.progress.at_end() {
            return Err(unclosed(end));
        }
        let line = end.saturating_sub(1);
        // A character whose bytes are in two fields is none.
        let torn = |field: &[u8]| field.first().is_some_and(|byte| byte & 0xC0 == 0x80);
        match std::str::from_utf8(record.as_slice()) {
            Ok(whole) if whole.is_ascii() || !record.iter().any(torn) => Ok(Some(TableRow {
                line,
                breaks,
                whole,
                record,
            })),
            _ => Err(not_utf8(line, record, columns)),
        }
    }

    fn stopped(&self, error: ::csv::Error) -> Error {
        if self.progress.too_long() {
            let line = self.position.line();
            return invalid(format!(
                "line {line}: a row begins that is longer than 1 MiB, so its end is not looked for; rows before it \
                 were read. Is it a table, or is a quotation mark never closed?"
            ));
        }
        unreadable(error)
    }
}

fn not_utf8(line: u64, record: &ByteRecord, columns: Option<&Columns>) -> Error {
    let fields = record.iter().enumerate();
    let found = fields.filter_map(|(at, field)| Some((at, std::str::from_utf8(field).err()?)));
    let (at, valid) = found
        .map(|(at, error)| (at, error.valid_up_to()))
        .next()
        .unwrap_or_default();
    let name = columns.and_then(|columns| columns.names.get(at));
    invalid(format!(
        "line {line}, column {} {}: not UTF-8 from byte {} of the field on; rows before it were read: {SAVE_AS_UTF8}",
        at + 1,
        name.map_or("", String::as_str),
        valid + 1
    ))
}

fn unclosed(line: u64) -> Error {
    invalid(format!(
        "line {line}: a quotation mark opens a field that is not closed, so what follows cannot be told \
         apart; rows before it were read: close the mark, or double it if it belongs to the text"
    ))
}

/// The columns of one table.
struct Columns {
    names: Vec<String>,
    fields: Vec<Option<Field>>,
    /// Those of a report that are no fields as they stand.
    asides: Vec<(usize, Aside)>,
    spelling: Spelling,
}

impl Columns {
    fn of(header: &TableRow<'_>, vocabulary: &Vocabulary) -> Result<Self> {
        let mut spelling = Spelling::default();
        let mut fields = Vec::with_capacity(header.record.len());
        let (mut unknown, mut twice) = (Vec::new(), Vec::new());
        let mut asides: Vec<(usize, Aside)> = Vec::new();
        for (at, name) in header.texts().enumerate() {
            let field = match vocabulary.meaning(name) {
                Meaning::Known(field) => Some(field),
                Meaning::Ignored => None,
                Meaning::Aside(aside) => {
                    if asides.iter().any(|(_, other)| *other == aside) {
                        twice.push(quoted(name.trim()));
                    } else {
                        asides.push((at, aside));
                    }
                    None
                }
                Meaning::Unknown => {
                    let name = name.trim();
                    unknown.push(if name.is_empty() {
                        format!("column {}, which has no name", at + 1)
                    } else {
                        quoted(name)
                    });
                    None
                }
            };
            if let Some(field) = field
                && !spelling.learn(field, name)
            {
                twice.push(format!(
                    "{} and {}",
                    quoted(spelling.of(field)),
                    quoted(name.trim())
                ));
            }
            fields.push(field);
        }
        // With fewer than two known names the first line may be a row ("Active" is both): it is not shown.
        if fields.iter().flatten().count() + asides.len() < 2 {
            return Err(invalid(format!(
                "no header row: expected a line that names the columns, then a row for each worker; known are {}",
                Field::list()
            )));
        }
        let names: Vec<String> = header.texts().map(|name| name.trim().to_owned()).collect();
        let is_id = |(_, aside): &(usize, Aside)| matches!(aside, Aside::WorkerId(_));
        if !fields.contains(&Some(Field::EmployeeId)) && !asides.iter().any(is_id) {
            return Err(invalid(format!(
                "the column with the worker id is missing (employeeId, Employee ID, WorkerID, employeeNumber): the \
                 header has {}",
                listed(&names, ", ")
            )));
        }
        if !twice.is_empty() {
            return Err(invalid(format!(
                "two columns mean the same: {}; take one away or name the one to ignore",
                listed(&twice, "; ")
            )));
        }
        if !unknown.is_empty() {
            return Err(invalid(format!(
                "not known: {}; rename or remove it, or name it as ignored. Known are {}",
                listed(&unknown, ", "),
                Field::list()
            )));
        }
        Ok(Self {
            names,
            fields,
            asides,
            spelling,
        })
    }

    /// `key` is where the rows of a report before have their worker id.
    fn judge(&self, row: &TableRow<'_>, judge: &mut Judge, key: &mut Option<(Aside, String)>) -> Item {
        let TableRow {
            line, breaks, record, ..
        } = *row;
        if record.len() != self.fields.len() {
            let hint = match breaks {
                0 => String::new(),
                _ => format!("; it spans {} lines, a quotation mark may be missing", breaks + 1),
            };
            let message = format!(
                "expected {} fields, found {}{hint}",
                self.fields.len(),
                record.len()
            );
            // With fields lost or gained only the first one is sure to be what the header says.
            let id = row
                .texts()
                .next()
                .filter(|_| self.fields.first() == Some(&Some(Field::EmployeeId)));
            return judge.refuse_unread(line, id, Flaw::row("field_count", message), &self.spelling);
        }
        let mut cells = Cells::default();
        for (field, text) in self.fields.iter().zip(row.texts()) {
            match field {
                Some(field) => cells[field.index()] = Some(text),
                // What a missing mark looks like when the next row closes it: two rows in one.
                None if breaks > 0 && text.contains('\n') && text.matches('"').count() % 2 == 1 => {
                    let message = format!(
                        "expected quotation marks in pairs, found an odd one in a field of {} lines",
                        lines(text.as_bytes()) + 1
                    );
                    return judge.refuse_unread(
                        line,
                        None,
                        Flaw::row("stray_quote", message),
                        &self.spelling,
                    );
                }
                None => {}
            }
        }
        if self.asides.is_empty() {
            return judge.judge(line, &cells, &self.spelling);
        }
        let mut element = Element::default();
        for (at, text) in row
            .texts()
            .enumerate()
            .filter(|(_, text)| !text.trim().is_empty())
        {
            if let Some(Some(field)) = self.fields.get(at) {
                element.spelling.learn(*field, self.spelling.of(*field));
                element.texts.push((*field, text.to_owned()));
            } else if let Some((_, aside)) = self.asides.iter().find(|(column, _)| *column == at) {
                let name = self.names.get(at).cloned().unwrap_or_default();
                element.asides.push((*aside, name, text.to_owned()));
            }
        }
        complete(&mut element, key);
        element.judge(line, judge)
    }
}

/// Names for a message: the first ones of very many.
fn listed(names: &[String], between: &str) -> String {
    const MOST: usize = 40;
    let shown: Vec<String> = names
        .iter()
        .take(MOST)
        .map(|name| name.chars().take(80).collect())
        .collect();
    let more = match names.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(between) + &more
}

/// A header's name for a message, cut to a readable length.
fn quoted(name: &str) -> String {
    let short: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    format!("\"{short}\"")
}
