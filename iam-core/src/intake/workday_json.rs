//! [`WorkdayJsonIntake`]: the flat JSON feed, an array of objects with one worker each.

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;

use serde::de::Deserializer as _;

use super::element::{Elements, broken};
use super::encoding::{Bounded, Opened, Progress};
use super::fields::Vocabulary;
use super::row::Judge;
use super::{Intake, Item, Summary};
use crate::error::Result;

/// The shape, for a message.
const SHAPE: &str = "an array of objects at the top level, [{\"employeeId\": …}, …]";

/// Reads a JSON array of flat objects, element by element: memory holds one of them, and 17 bytes for each worker id.
///
/// Keys are the known names, matched loosely. Values are strings, whole numbers, `true` and `false` (for flags) and
/// `null`, which is as good as absent. `row` of an item is the index in the array, counted from 1.
///
/// ```
/// use std::ops::ControlFlow;
/// use iam_core::intake::{Intake, Item, WorkdayJsonIntake};
///
/// let mut feed = r#"[{"employeeId": "W-1", "firstName": "Ada", "status": "Active", "isNewHire": true},
///                    {"employeeId": "W-2", "firstName": "Bob"}]"#.as_bytes();
/// let mut rejects = Vec::new();
/// let summary = WorkdayJsonIntake::new().read(&mut feed, &mut |item| {
///     if let Item::Reject(reject) = item {
///         rejects.push(format!("row {}, {}: {}", reject.row, reject.field, reject.code));
///     }
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(rejects, ["row 2, status: missing_status"]);
/// assert_eq!((summary.rows, summary.records, summary.rejects), (2, 1, 1));
/// # Ok::<(), iam_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct WorkdayJsonIntake {
    vocabulary: Vocabulary,
}

impl WorkdayJsonIntake {
    /// Takes the known fields and rejects a record with any other.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves these fields out, known or not; matched as loosely as all names.
    #[must_use]
    pub fn ignore<S: AsRef<str>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.vocabulary.ignore(fields);
        self
    }

    /// Whether fields that are not known are left out (default: no, the record is rejected).
    #[must_use]
    pub fn ignore_unknown_fields(mut self, yes: bool) -> Self {
        self.vocabulary.ignore_unknown = yes;
        self
    }

    /// As [`Intake::read`], of an input that was opened.
    pub(super) fn read_opened(
        &self,
        input: Opened<'_>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let progress = Progress::default();
        let bytes = BufReader::new(Bounded::new(input.into_reader(), &progress));
        let mut json = serde_json::Deserializer::from_reader(bytes);
        let (mut judge, mut stopped) = (Judge::default(), false);
        let elements = Elements {
            vocabulary: &self.vocabulary,
            progress: &progress,
            judge: &mut judge,
            stopped: &mut stopped,
            sink,
            complete: &mut |_| {},
        };
        let end = json.deserialize_seq(elements).and_then(|()| json.end());
        match end {
            Err(error) if !stopped => Err(broken(error, judge.summary().rows, &progress, SHAPE)),
            _ => Ok(judge.summary()),
        }
    }
}

impl Intake for WorkdayJsonIntake {
    fn read(
        &self,
        input: &mut dyn BufRead,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        self.read_opened(Opened::new(input)?, sink)
    }
}
