//! One object of a JSON array as a row: shared by the formats that are JSON.

use std::fmt;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Item;
use super::encoding::{Progress, SAVE_AS_UTF8, invalid, unreadable};
use super::fields::{Aside, Cells, Field, Meaning, Spelling, Vocabulary};
use super::row::{Flaw, Judge};
use super::values::Fault;
use crate::error::Error;

/// Why the reading ended early. The parser's own words are kept only where they hold no value of the input.
pub(super) fn broken(error: serde_json::Error, rows: u64, progress: &Progress, shape: &str) -> Error {
    use serde_json::error::Category;
    let at = format!("line {}, column {}", error.line(), error.column());
    let before = format!("the {rows} records before it were read");
    match error.classify() {
        Category::Io if progress.too_long() => invalid(format!(
            "record {} is longer than 1 MiB, so its end is not looked for; {before}",
            rows + 1
        )),
        Category::Io => unreadable(error),
        Category::Data => invalid(format!("{at}: expected {shape}; {before}")),
        Category::Eof => invalid(format!(
            "{at}: the JSON ends in the middle; {before}: is the file complete?"
        )),
        Category::Syntax => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            let advice = if what.contains("unicode") {
                format!(": {SAVE_AS_UTF8}")
            } else {
                String::new()
            };
            invalid(format!("{at}: not JSON ({what}); {before}{advice}"))
        }
    }
}

/// Visits the array.
pub(super) struct Elements<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) progress: &'a Progress,
    pub(super) judge: &'a mut Judge,
    pub(super) stopped: &'a mut bool,
    pub(super) sink: &'a mut dyn FnMut(Item) -> ControlFlow<()>,
    /// Last changes to an element before it is judged.
    pub(super) complete: &'a mut dyn FnMut(&mut Element),
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut row = 0;
        loop {
            self.progress.next_record();
            let Some(mut element) = seq.next_element_seed(ElementSeed(self.vocabulary))? else {
                return Ok(());
            };
            row += 1;
            (self.complete)(&mut element);
            if (self.sink)(element.judge(row, self.judge)).is_break() {
                *self.stopped = true;
                return Err(A::Error::custom("stopped"));
            }
        }
    }
}

/// One element of the array: its known fields as text, and the first flaw of its form.
#[derive(Default)]
pub(super) struct Element {
    pub(super) texts: Vec<(Field, String)>,
    /// What stands aside of the fields until the element is complete: what it is, its name and its text.
    pub(super) asides: Vec<(Aside, String, String)>,
    pub(super) spelling: Spelling,
    flaw: Option<Flaw>,
}

impl Element {
    pub(super) fn judge(self, row: u64, judge: &mut Judge) -> Item {
        let mut cells = Cells::default();
        for (field, text) in &self.texts {
            cells[field.index()] = Some(text);
        }
        match self.flaw {
            Some(flaw) => judge.refuse_unread(row, cells[Field::EmployeeId.index()], flaw, &self.spelling),
            None => judge.judge(row, &cells, &self.spelling),
        }
    }

    /// Keeps the first flaw.
    pub(super) fn blame(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }

    fn take(&mut self, field: Field, name: &str, value: Scalar) {
        if !self.spelling.learn(field, name) {
            return self.blame(twice(field.name(), name));
        }
        let is_flag = field.is_flag();
        match value {
            Scalar::Nothing => {}
            Scalar::Text(text) => self.texts.push((field, text)),
            Scalar::Flag(yes) if is_flag => self.texts.push((field, yes.to_string())),
            Scalar::Flag(_) => self.blame(wrong_type(field, "true or false")),
            Scalar::Other(found) => self.blame(wrong_type(field, found)),
        }
    }
}

impl Element {
    fn set_aside(&mut self, aside: Aside, name: &str, value: Scalar) {
        if self.asides.iter().any(|(other, ..)| *other == aside) {
            return self.blame(twice(name, name));
        }
        match value {
            Scalar::Nothing => {}
            Scalar::Text(text) => self.asides.push((aside, name.to_owned(), text)),
            Scalar::Flag(_) => self.blame(Flaw::named(name, no_text("true or false"))),
            Scalar::Other(found) => self.blame(Flaw::named(name, no_text(found))),
        }
    }
}

fn twice(what: &str, name: &str) -> Flaw {
    let message = format!("expected {what} once, found it twice");
    Flaw::named(name, Fault::new("duplicate_field", message))
}

fn no_text(found: &str) -> Fault {
    let message = format!("expected a string or a whole number, found {found}");
    Fault::new("wrong_type", message)
}

fn wrong_type(field: Field, found: &str) -> Flaw {
    Flaw::at(field, no_text(found))
}

struct ElementSeed<'a>(&'a Vocabulary);

impl ElementSeed<'_> {
    fn no_object(found: &str) -> Element {
        let flaw = Flaw::row("wrong_type", format!("expected an object, found {found}"));
        Element {
            flaw: Some(flaw),
            ..Element::default()
        }
    }
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Element;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Element, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ElementSeed<'_> {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
        let mut element = Element::default();
        while let Some(name) = map.next_key::<String>()? {
            match self.0.meaning(&name) {
                Meaning::Known(field) => {
                    let value = map.next_value_seed(ScalarSeed)?;
                    element.take(field, &name, value);
                }
                Meaning::Aside(aside) => {
                    let value = map.next_value_seed(ScalarSeed)?;
                    element.set_aside(aside, &name, value);
                }
                meaning => {
                    map.next_value::<IgnoredAny>()?;
                    if meaning == Meaning::Unknown {
                        let message = format!(
                            "expected only known fields, or this one ignored; known are {}",
                            Field::list()
                        );
                        let short: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                        element.blame(Flaw::named(short, Fault::new("unknown_field", message)));
                    }
                }
            }
        }
        Ok(element)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::no_object("an array"))
    }

    fn visit_unit<E>(self) -> Result<Element, E> {
        Ok(Self::no_object("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Element, E> {
        Ok(Self::no_object("true or false"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Element, E> {
        Ok(Self::no_object("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Element, E> {
        Ok(Self::no_object("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Element, E> {
        Ok(Self::no_object("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Element, E> {
        Ok(Self::no_object("a string"))
    }
}

/// A value that a field can hold, or the kind of one that it cannot.
enum Scalar {
    Nothing,
    Text(String),
    Flag(bool),
    Other(&'static str),
}

struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Scalar, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Text(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other("a number with a fraction or too many digits"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}
