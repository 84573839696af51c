//! [`RaasIntake`]: a Workday report as JSON (Reports-as-a-Service), `{"Report_Entry": [{…}, …]}`.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::element::{Element, Elements, broken};
use super::encoding::{Bounded, Opened, Progress, invalid};
use super::fields::{Aside, Field, Vocabulary};
use super::row::{Flaw, Judge};
use super::values::{self, Fault};
use super::{Intake, Item, Summary};
use crate::error::Result;

/// The shape, for a message.
const SHAPE: &str = "an object with one array of objects, {\"Report_Entry\": [{\"Employee_ID\": …}, …]}";

/// Reads a Workday report record by record, with the bounds of [`WorkdayJsonIntake`](super::WorkdayJsonIntake) and
/// its rules for names and values. What is different:
///
/// - The key is `Employee_ID`, else `Worker_ID`, else `Employee_Number`. The first record decides for the report: one
///   that has its key elsewhere is refused (`other_key`), because the same worker under two keys is two people.
/// - `Legal_Name`, `Full_Name`, `Display_Name` and `Preferred_Name` are full names. Beside `First_Name` or `Last_Name`
///   the first three say nothing new, and the preferred name is taken without the last name. Alone, a name of one word
///   is the given name, and one of several is refused (`unsplit_name`): which words are the family name is not guessed.
/// - `Country` may be the English name: `India` is `IN`.
/// - Usual fields of no use (`Supervisory_Organization`, `Manager_Email`, `Job_Profile`, calculated fields `CF_…` and
///   the like) are left out. Managers are linked by `Manager_ID` or its other names only.
///
/// ```
/// use std::ops::ControlFlow;
/// use iam_core::intake::{Intake, Item, RaasIntake};
///
/// let mut report = r#"{"Report_Entry": [
///     {"Employee_ID": "W-1", "First_Name": "Asha", "Last_Name": "Rao", "Preferred_Name": "Ash Rao",
///      "Worker_Status": "Active", "Country": "India", "businessTitle": "Nurse"},
///     {"Employee_ID": "W-2", "Legal_Name": "Bo van Ek", "Worker_Status": "Active"}]}"#.as_bytes();
/// let mut said = Vec::new();
/// RaasIntake::new().read(&mut report, &mut |item| {
///     said.push(match item {
///         Item::Record(record) => format!("{:?} {:?}", record.person.preferred_name, record.person.country),
///         Item::Reject(reject) => format!("row {}, {}: {}", reject.row, reject.field, reject.code),
///         _ => String::new(),
///     });
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(said, [r#"Some("Ash") Some("IN")"#, "row 2, Legal_Name: unsplit_name"]);
/// # Ok::<(), iam_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RaasIntake {
    vocabulary: Vocabulary,
}

impl Default for RaasIntake {
    fn default() -> Self {
        Self::new()
    }
}

impl RaasIntake {
    /// Takes the known fields, leaves out the usual ones of no use, and rejects a record with any other.
    pub fn new() -> Self {
        Self {
            vocabulary: Vocabulary::of_reports(),
        }
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
        let (mut judge, mut stopped, mut key) = (Judge::default(), false, None);
        let report = Report(Elements {
            vocabulary: &self.vocabulary,
            progress: &progress,
            judge: &mut judge,
            stopped: &mut stopped,
            sink,
            complete: &mut |element| complete(element, &mut key),
        });
        let end = json.deserialize_map(report);
        match end.and_then(|more| json.end().map(|()| more)) {
            _ if stopped => Ok(judge.summary()),
            Err(error) => Err(broken(error, judge.summary().rows, &progress, SHAPE)),
            Ok(true) => Err(invalid(format!(
                "the report goes on: Paging.next names another page, which was not read; the {} records of this one \
                 were",
                judge.summary().rows
            ))),
            Ok(false) => Ok(judge.summary()),
        }
    }
}

impl Intake for RaasIntake {
    fn read(
        &self,
        input: &mut dyn BufRead,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        self.read_opened(Opened::new(input)?, sink)
    }
}

/// Visits the object around the array; tells whether there is another page.
struct Report<'a>(Elements<'a>);

/// What some vendors put between Workday and the reader.
#[derive(Deserialize)]
struct Paging {
    #[serde(default, alias = "Next")]
    next: Option<serde_json::Value>,
}

impl<'de> Visitor<'de> for Report<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with Report_Entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (mut entries, mut more) = (Some(self.0), false);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "Report_Entry" => {
                    let elements = entries
                        .take()
                        .ok_or_else(|| A::Error::custom("Report_Entry twice"))?;
                    map.next_value_seed(Entries(elements))?;
                }
                "Paging" | "paging" => {
                    let next = map.next_value::<Option<Paging>>()?.and_then(|paging| paging.next);
                    more = next.is_some_and(|next| !matches!(next.as_str(), Some("")) && next != false);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match entries {
            Some(_) => Err(A::Error::custom("no Report_Entry")),
            None => Ok(more),
        }
    }
}

struct Entries<'a>(Elements<'a>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self.0)
    }
}

/// Makes fields of what the report says in another way. `key` is where the records before have their worker id.
pub(super) fn complete(element: &mut Element, key: &mut Option<(Aside, String)>) {
    let mut asides = std::mem::take(&mut element.asides);
    asides.retain(|(.., text)| !text.trim().is_empty());
    asides.sort_by_key(|(aside, ..)| *aside);
    choose_key(element, &asides, key);
    if let Err(flaw) = name(element, &asides) {
        element.blame(flaw);
    }
    for (field, text) in &mut element.texts {
        if *field == Field::Country
            && let Some(code) = values::country_named(text.trim())
        {
            *text = code;
        }
    }
}

pub(super) type Asides = [(Aside, String, String)];

pub(super) fn choose_key(element: &mut Element, asides: &Asides, key: &mut Option<(Aside, String)>) {
    let ids = asides
        .iter()
        .filter(|(aside, ..)| matches!(aside, Aside::WorkerId(_)));
    let Some((aside, name, text)) = ids.min_by_key(|(aside, ..)| *aside) else {
        return;
    };
    element.spelling.learn(Field::EmployeeId, name);
    element.texts.push((Field::EmployeeId, text.clone()));
    let (first, first_name) = key.get_or_insert_with(|| (*aside, name.clone()));
    if first != aside {
        let message =
            format!("expected the worker id in {first_name}, as in the records before, found it here");
        element.blame(Flaw::named(name.as_str(), Fault::new("other_key", message)));
    }
}

fn name(element: &mut Element, asides: &Asides) -> Result<(), Flaw> {
    let full = asides
        .iter()
        .find(|(aside, ..)| matches!(aside, Aside::FullName(_)));
    let preferred = asides
        .iter()
        .find(|(aside, ..)| *aside == Aside::PreferredFullName);
    let (given, family) = (known(element, Field::FirstName), known(element, Field::LastName));
    if given.is_none() && family.is_none() {
        let Some((_, name, text)) = full.or(preferred) else {
            return Ok(());
        };
        let text = cleaned(name, text)?;
        if text.split_whitespace().count() > 1 {
            return Err(unsplit(
                name,
                "expected First_Name and Last_Name besides: which words of a full name are the family name is not \
                 guessed",
            ));
        }
        element.spelling.learn(Field::FirstName, name);
        element.texts.push((Field::FirstName, text));
    }
    let Some((_, name, text)) = preferred else {
        return Ok(());
    };
    if known(element, Field::PreferredName).is_some() {
        return Ok(());
    }
    let text = cleaned(name, text)?;
    let preferred = match family.as_deref().and_then(|family| without(&text, family)) {
        Some(rest) => rest,
        None if text.split_whitespace().count() == 1 => text,
        None => {
            return Err(unsplit(
                name,
                "expected one word, or the last name at the end or the beginning, so that the rest is the preferred \
                 first name; ignore the field to do without",
            ));
        }
    };
    if Some(&preferred) != known(element, Field::FirstName).as_ref() && Some(&preferred) != family.as_ref() {
        element.spelling.learn(Field::PreferredName, name);
        element.texts.push((Field::PreferredName, preferred));
    }
    Ok(())
}

/// A field's text, if there is any. One that is refused is judged later.
fn known(element: &Element, field: Field) -> Option<String> {
    let (_, text) = element.texts.iter().find(|(known, _)| *known == field)?;
    let clean = values::text(text, values::LONGEST_TEXT);
    clean.map_or_else(|_| Some(text.clone()), |text| text.map(Cow::into_owned))
}

fn cleaned(name: &str, text: &str) -> Result<String, Flaw> {
    match values::text(text, values::LONGEST_TEXT) {
        Ok(text) => Ok(text.unwrap_or_default().into_owned()),
        Err(fault) => Err(Flaw::named(name, fault)),
    }
}

fn unsplit(name: &str, message: &str) -> Flaw {
    Flaw::named(name, Fault::new("unsplit_name", message))
}

/// The full name without the family name, which stands last or, in East Asia and Hungary, first.
fn without(full: &str, family: &str) -> Option<String> {
    let rest = full
        .strip_suffix(family)
        .map(|rest| (rest, rest.ends_with(char::is_whitespace)));
    let rest = rest.or_else(|| {
        let rest = full.strip_prefix(family)?;
        Some((rest, rest.starts_with(char::is_whitespace)))
    });
    let (rest, apart) = rest?;
    (apart && !rest.trim().is_empty()).then(|| rest.trim().to_owned())
}
