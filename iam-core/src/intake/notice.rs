//! [`WorkdayEventIntake`]: events of Workday's business processes as JSON, and the [`Notice`] each of them is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::io::BufRead;
use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::civil::Date;

use super::encoding::Opened;
use super::fields::Spelling;
use super::node::{self, Node, Object};
use super::row::Flaw;
use super::values::{self, Fault};
use super::{Intake, Item, Reject, Summary};
use crate::error::Result;
use crate::event::{EventId, EventKind, News};
use crate::person::PersonKey;

/// The shape, for a message.
const SHAPE: &str = "an event ({\"eventName\": .., \"workerId\": ..}), an array of events, or a report of them \
                     ({\"Report_Entry\": [..]})";

/// What a business process does to a person, in the words of the lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Process {
    /// Hire Employee, Contract Contingent Worker.
    Join,
    /// Terminate Employee, End Contingent Worker Contract.
    Leave,
    /// Change Job, Transfer, Promote, organisation, title, location, manager, further jobs, personal data.
    Move,
    /// Change Legal Name, Change Preferred Name.
    Rename,
    /// Request Leave of Absence, Place Worker on Leave.
    Suspend,
    /// Return Worker from Leave of Absence.
    Resume,
    /// Rescind of another event, which then never was.
    Retract,
    /// Correct of another event.
    Amend,
    /// One of the thousand others: something may have changed.
    Other,
}

impl Process {
    /// The process in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Move => "move",
            Self::Rename => "rename",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Retract => "retract",
            Self::Amend => "amend",
            Self::Other => "other",
        }
    }

    /// Told by the words of Workday's names; a name that is not known is [`Other`](Self::Other), never nothing.
    fn named(name: &str) -> Self {
        let words: Vec<String> = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let has = |word: &str| words.iter().any(|known| known == word);
        let begins = |stem: &str| words.first().is_some_and(|first| first.starts_with(stem));
        if begins("rescind") || has("rescind") || has("rescinded") {
            Self::Retract
        } else if begins("correct") || has("correction") || has("corrected") {
            Self::Amend
        } else if has("return") && has("leave") {
            Self::Resume
        } else if has("leave") && (has("absence") || has("place") || has("request")) {
            Self::Suspend
        } else if begins("terminat") || (begins("end") && has("contract")) {
            Self::Leave
        } else if begins("hire") || (begins("contract") && has("worker")) {
            Self::Join
        } else if begins("change") && has("name") {
            Self::Rename
        } else if [
            "change",
            "transfer",
            "promot",
            "demot",
            "edit",
            "move",
            "assign",
            "international",
            "add",
            "end",
        ]
        .into_iter()
        .any(begins)
        {
            Self::Move
        } else {
            Self::Other
        }
    }
}

/// What a source tells of a person without their record: that something happened.
///
/// Some say enough to be an [event](Self::as_news): leaves, leaves of absence, rescinds and corrections of events that
/// they name. For everything else the person's record is to be read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Where it stood: the index (from 1).
    pub row: u64,
    /// The source's own id, else a hash of the whole notice: the same notice again has the same id.
    pub id: EventId,
    /// Whom it is about.
    pub person: PersonKey,
    /// What happened.
    pub process: Process,
    /// The process as the source names it.
    pub name: String,
    /// The civil date from which it counts, never shifted; of a leave, the last day.
    pub effective: Option<Date>,
    /// When it was entered.
    pub entered: Option<Timestamp>,
    /// Whether it is to take effect at once.
    pub urgent: bool,
    /// The event that is rescinded or corrected, where the source says which.
    pub of: Option<EventId>,
}

impl Notice {
    /// The event of which it tells, heard at that instant; `None` for those that say nothing without the person's
    /// record, and for a rescind or a correction that does not say of what. A leave without a date counts at once.
    pub fn as_news(&self, heard_at: Timestamp) -> Option<News> {
        let kind = match (self.process, &self.of) {
            (Process::Leave, _) => EventKind::Leave {
                last_day: self.effective,
                urgent: self.urgent,
            },
            (Process::Suspend, _) => EventKind::Suspend,
            (Process::Resume, _) => EventKind::Resume,
            (Process::Retract, Some(of)) => EventKind::Retract { of: of.clone() },
            (Process::Amend, Some(of)) if self.effective.is_some() => EventKind::Amend { of: of.clone() },
            _ => return None,
        };
        let news = News::new(self.id.clone(), self.person.clone(), kind, heard_at);
        Some(News {
            effective: self.effective,
            entered_at: self.entered,
            ..news
        })
    }
}

/// What is said where a notice is not enough.
impl From<&Notice> for Reject {
    fn from(notice: &Notice) -> Self {
        Self {
            row: notice.row,
            person: Some(notice.person.to_string()),
            field: String::new(),
            code: "record_needed",
            twin: None,
            message: format!(
                "expected the worker's record, found notice of {}: read the record",
                match notice.process {
                    Process::Other => "a process that may have changed it",
                    process => process.as_str(),
                }
            ),
        }
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({} {} {})", self.person, self.process.as_str(), self.id)
    }
}

/// Reads business-process events as JSON: one, an array, or an event-log report.
///
/// | part | field, in any letter case |
/// |---|---|
/// | worker | `workerId`, else `employeeId`, else `employeeNumber` |
/// | process | `businessProcess`, `eventName`, `eventType` or `transactionType`, whichever says what happened |
/// | day | `terminationDate`, `lastDayOfWork`, `effectiveDate`, `hireDate` or `startDate` |
/// | entered | `eventTime`, `entryMoment` or `timestamp`, with an offset from UTC |
/// | id | `eventId`, `transactionId` or `id` |
/// | rescinded, corrected | `isRescinded`, `isCorrected`, or a process named so; `rescinds`, `corrects` or `originalEventId` says of what |
/// | at once | `urgent` or `immediate` |
///
/// Other fields are left out. The same notice again is refused (`duplicate_row`), as is another one under the same id
/// (`duplicate_key`).
///
/// ```
/// use std::ops::ControlFlow;
/// use iam_core::intake::{Intake, Item, WorkdayEventIntake};
///
/// let mut event = r#"{"eventName": "Terminate Employee", "workerId": "W-1001", "terminationDate": "2026-06-06",
///                     "eventTime": "2026-06-06T14:30:00Z"}"#.as_bytes();
/// let mut said = Vec::new();
/// WorkdayEventIntake::new().read(&mut event, &mut |item| {
///     if let Item::Notice(notice) = item {
///         said.push(format!("{} {} {:?}", notice.person, notice.process.as_str(), notice.effective.map(|d| d.to_string())));
///     }
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(said, [r#"W-1001 leave Some("2026-06-06")"#]);
/// # Ok::<(), iam_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct WorkdayEventIntake {}

impl WorkdayEventIntake {
    /// The table above.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Intake::read`], of an input that was opened.
    pub(super) fn read_opened(
        input: Opened<'_>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let (mut summary, mut seen) = (Summary::default(), Seen::default());
        node::each(input, &["Report_Entry"], SHAPE, &mut |row, node| {
            summary.rows += 1;
            let id = worker(&node)
                .and_then(|(_, text)| values::id(text).ok().flatten())
                .map(Cow::into_owned);
            let notice = notice(row, &node).and_then(|notice| seen.first_time(notice, &node));
            sink(match notice {
                Ok(notice) => {
                    summary.records += 1;
                    Item::Notice(Box::new(notice))
                }
                Err(flaw) => {
                    summary.rejects += 1;
                    Item::Reject(flaw.reject(row, id, &Spelling::default()))
                }
            })
        })?;
        Ok(summary)
    }
}

impl Intake for WorkdayEventIntake {
    fn read(
        &self,
        input: &mut dyn BufRead,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        Self::read_opened(Opened::new(input)?, sink)
    }
}

/// The ids of one input, as keyed hashes, with the row and content of each.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    events: HashMap<u64, (u64, u64)>,
}

impl Seen {
    /// Refuses what came before, by its id. Another payload under the same id is in doubt.
    fn first_time(&mut self, notice: Notice, node: &Node) -> std::result::Result<Notice, Flaw> {
        let content = self.hasher.hash_one(hash_of(node));
        let id = self.hasher.hash_one(&notice.id);
        let Some((row, earlier)) = self.events.get(&id) else {
            self.events.insert(id, (notice.row, content));
            return Ok(notice);
        };
        let (code, what) = if *earlier == content {
            ("duplicate_row", "each event once, found that")
        } else {
            (
                "duplicate_key",
                "each event id once, found other content under that",
            )
        };
        Err(Flaw::row(code, format!("expected {what} of row {row} again")))
    }
}

/// The first of these fields that has a value.
fn first<'n>(object: &'n Object, names: &[&'static str]) -> Option<(&'static str, &'n Node)> {
    let filled =
        |node: &&Node| !matches!(node, Node::Null) && node.text().is_none_or(|text| !text.trim().is_empty());
    names
        .iter()
        .find_map(|name| Some((*name, object.get(name).filter(filled)?)))
}

fn text<'n>(
    object: &'n Object,
    names: &[&'static str],
) -> std::result::Result<Option<(&'static str, &'n str)>, Flaw> {
    let Some((name, node)) = first(object, names) else {
        return Ok(None);
    };
    if let Some(text) = node.text() {
        return Ok(Some((name, text.trim())));
    }
    let message = format!("expected a string or a whole number, found {}", node.kind());
    Err(Flaw::named(name, Fault::new("wrong_type", message)))
}

fn flag(object: &Object, names: &[&'static str]) -> std::result::Result<bool, Flaw> {
    let Some((name, node)) = first(object, names) else {
        return Ok(false);
    };
    match node {
        Node::Flag(yes) => Ok(*yes),
        Node::Text(text) | Node::Number(text) => {
            values::flag(text.trim()).map_err(|fault| Flaw::named(name, fault))
        }
        other => {
            let message = format!("expected true or false, found {}", other.kind());
            Err(Flaw::named(name, Fault::new("wrong_type", message)))
        }
    }
}

const WORKER: [&str; 3] = ["workerId", "employeeId", "employeeNumber"];
const DAYS: [&str; 5] = [
    "terminationDate",
    "lastDayOfWork",
    "effectiveDate",
    "hireDate",
    "startDate",
];

fn worker(node: &Node) -> Option<(&'static str, &str)> {
    let Node::Object(object) = node else { return None };
    text(object, &WORKER).ok().flatten()
}

fn notice(row: u64, node: &Node) -> std::result::Result<Notice, Flaw> {
    let Node::Object(object) = node else {
        return Err(Flaw::row(
            "wrong_type",
            format!("expected an object, found {}", node.kind()),
        ));
    };
    object.check("")?;
    let key = match text(object, &WORKER)? {
        Some((name, id)) => values::id(id).map_err(|fault| Flaw::named(name, fault))?,
        None => None,
    };
    let Some(key) = key else {
        let fault = Fault::new("missing_key", "expected the worker id, found nothing");
        return Err(Flaw::named("workerId", fault));
    };
    let mut said = Vec::new();
    for name in ["businessProcess", "eventName", "eventType", "transactionType"] {
        if let Some((field, text)) = text(object, &[name])? {
            let text = values::text(text, values::LONGEST_TEXT).map_err(|fault| Flaw::named(field, fault))?;
            said.extend(text.map(|text| (Process::named(&text), text.into_owned())));
        }
    }
    // "Rescind" may stand in the event's name beside the process that it rescinds.
    let which = |wanted: fn(&Process) -> bool| said.iter().find(|(process, _)| wanted(process));
    let Some((mut process, name)) = which(|process| matches!(process, Process::Retract | Process::Amend))
        .or_else(|| which(|process| *process != Process::Other))
        .or(said.first())
        .cloned()
    else {
        let fault = Fault::new("missing_event", "expected the business process, found nothing");
        return Err(Flaw::named("eventName", fault));
    };
    if flag(object, &["isCorrected"])? {
        process = Process::Amend;
    }
    if flag(object, &["isRescinded"])? {
        process = Process::Retract;
    }
    let day =
        |(field, text): (&'static str, &str)| values::date(text).map_err(|fault| Flaw::named(field, fault));
    let effective = match process {
        Process::Leave => text(object, &["lastDayOfWork"])?.or(text(object, &DAYS)?),
        Process::Join => text(object, &["hireDate", "startDate"])?.or(text(object, &DAYS)?),
        _ => text(object, &["effectiveDate"])?.or(text(object, &DAYS)?),
    };
    let entered = text(object, &["eventTime", "entryMoment", "timestamp"])?.map(|(field, text)| {
        text.parse::<Timestamp>().map_err(|_| {
            let message = "expected an instant with its offset from UTC, such as 2026-06-06T14:30:00Z";
            Flaw::named(field, Fault::new("not_an_instant", message))
        })
    });
    let id = |found: Option<(&'static str, &str)>| -> std::result::Result<Option<EventId>, Flaw> {
        let Some((field, text)) = found else {
            return Ok(None);
        };
        let id = values::text(text, values::LONGEST_TEXT).map_err(|fault| Flaw::named(field, fault))?;
        Ok(id.map(|id| EventId::new(id.into_owned())))
    };
    Ok(Notice {
        row,
        id: id(text(object, &["eventId", "transactionId", "id"])?)?.unwrap_or_else(|| hash_of(node)),
        person: PersonKey::new(&key),
        process,
        name,
        effective: effective.map(day).transpose()?,
        entered: entered.transpose()?,
        urgent: flag(object, &["urgent", "immediate"])?,
        of: id(text(object, &["rescinds", "corrects", "originalEventId"])?)?,
    })
}

/// A hash of everything that is said, however it is ordered.
fn hash_of(node: &Node) -> EventId {
    let parts = match node {
        Node::Object(object) => {
            let said = object.entries.iter().filter(|(_, node)| *node != Node::Null);
            let hashed = said.map(|(name, node)| format!("{}={}", name.to_ascii_lowercase(), hash_of(node)));
            let mut parts: Vec<String> = hashed.collect();
            parts.sort_unstable();
            parts
        }
        Node::List(list) => list.iter().map(|node| hash_of(node).to_string()).collect(),
        Node::Flag(yes) => vec![yes.to_string()],
        Node::Number(text) | Node::Text(text) => vec![text.trim().to_owned()],
        Node::Null | Node::Inexact => Vec::new(),
    };
    let parts: Vec<&str> = std::iter::once(node.kind())
        .chain(parts.iter().map(String::as_str))
        .collect();
    EventId::of(&parts)
}
