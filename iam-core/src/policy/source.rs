//! The text of a policy: where things stand in it, what is wrong with it, and typed reading of its tables.
//!
//! Invariants: reading never stops at the first problem; every problem has a line and a column.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use toml::de::{DeTable, DeValue};

use crate::error::{Error, ErrorKind};

/// A value and the bytes of the text that it was written in.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A place in the text, counted from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The text, and what was found to be wrong with it so far.
#[derive(Debug)]
pub(super) struct Source<'t> {
    text: &'t str,
    problems: Vec<(usize, String)>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            problems: Vec::new(),
        }
    }

    /// Reads the TOML; `None` when its syntax is wrong.
    pub(super) fn read(&mut self) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.refuse(at, format!("not TOML: {}", error.message().trim()));
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// Records a problem at a byte of the text.
    pub(super) fn refuse(&mut self, at: usize, message: impl Into<String>) {
        self.problems.push((at, message.into()));
    }

    /// The place of a byte of the text.
    pub(super) fn position(&self, at: usize) -> Position {
        let before = self.text.get(..at).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.get(start..).unwrap_or_default();
        Position {
            line: before.matches('\n').count() + 1,
            column: line.trim_start_matches('\u{feff}').chars().count() + 1,
        }
    }

    /// All problems as one error, in the order of the text; `None` when there are none.
    pub(super) fn into_error(mut self) -> Option<Error> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort();
        problems.dedup();
        let lines: Vec<String> = problems
            .iter()
            .map(|(at, message)| format!("{}: {message}", self.position(*at)))
            .collect();
        (!lines.is_empty())
            .then(|| Error::new(ErrorKind::Invalid, lines.join("\n")).with_operation("read the policy"))
    }

    /// The byte of the text that stands for byte `offset` of the string that was written in `literal`: behind
    /// the quotes, with every escape sequence before it counted as it is written.
    pub(super) fn inside(&self, literal: &Range<usize>, offset: usize) -> usize {
        let raw = self.text.get(literal.clone()).unwrap_or_default();
        let multi_line = raw.starts_with("\"\"\"") || raw.starts_with("'''");
        let mut at = if multi_line { 3 } else { 1 };
        if multi_line {
            let rest = raw.get(at..).unwrap_or_default();
            let newline = ["\r\n", "\n"]
                .into_iter()
                .find(|newline| rest.starts_with(newline));
            at += newline.map_or(0, str::len);
        }
        if raw.starts_with('\'') {
            return literal.start + at + offset;
        }
        let mut decoded = 0;
        while decoded < offset {
            let rest = raw.get(at..).unwrap_or_default();
            let mut chars = rest.chars();
            let (written, means) = match (chars.next(), chars.next()) {
                (Some('\\'), Some('x')) => (4, unescaped(rest, 4)),
                (Some('\\'), Some('u')) => (6, unescaped(rest, 6)),
                (Some('\\'), Some('U')) => (10, unescaped(rest, 10)),
                (Some('\\'), Some(next)) if next.is_whitespace() => {
                    (rest.len() - chars.as_str().trim_start().len(), 0)
                }
                (Some('\\'), Some(_)) => (2, 1),
                (Some(plain), _) => (plain.len_utf8(), plain.len_utf8()),
                (None, _) => break,
            };
            at += written;
            decoded += means;
        }
        literal.start + at
    }
}

/// The bytes that the hexadecimal escape of `length` characters at the start of `rest` stands for.
fn unescaped(rest: &str, length: usize) -> usize {
    let digits = rest
        .get(2..length)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    digits.and_then(char::from_u32).map_or(1, char::len_utf8)
}

/// The known word closest to a mistyped one, if one is close.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&word.to_lowercase(), known);
    let closest = known.iter().min_by_key(|known| distance(known))?;
    (distance(closest) <= (closest.len() / 3).max(1)).then_some(closest)
}

/// `; did you mean "…"?`, or nothing.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}

/// One table of the document.
#[derive(Debug)]
pub(super) struct Section<'a, 't> {
    /// As people write it: `[guard]`.
    name: &'static str,
    /// Where it begins.
    pub(super) at: usize,
    table: &'a DeTable<'t>,
}

impl<'a, 't> Section<'a, 't> {
    /// A table that may hold the `known` keys; the `later` ones are known to the format, not to this version.
    pub(super) fn new(
        name: &'static str,
        at: usize,
        table: &'a DeTable<'t>,
        known: &[&str],
        later: &[&str],
        source: &mut Source<'_>,
    ) -> Self {
        for key in table.keys() {
            let (word, at) = (key.get_ref().as_ref(), key.span().start);
            if later.contains(&word) {
                source.refuse(at, format!("{word:?} in {name} is not supported by this version"));
            } else if !known.contains(&word) {
                let known_keys = known.join(", ");
                let hint = hint(word, known);
                source.refuse(
                    at,
                    format!("unknown key {word:?} in {name}{hint} (known keys: {known_keys})"),
                );
            }
        }
        Self { name, at, table }
    }

    /// A table inside.
    pub(super) fn child(
        &self,
        key: &str,
        name: &'static str,
        known: &[&str],
        later: &[&str],
        source: &mut Source<'_>,
    ) -> Option<Section<'a, 't>> {
        let (span, value) = self.value(key)?;
        let table = value.as_table();
        if table.is_none() {
            self.refuse(key, span.start, "a table", source);
        }
        table.map(|table| Section::new(name, span.start, table, known, later, source))
    }

    /// The tables of an array inside; missing means none.
    pub(super) fn children(
        &self,
        key: &str,
        name: &'static str,
        known: &[&str],
        later: &[&str],
        source: &mut Source<'_>,
    ) -> Vec<Section<'a, 't>> {
        let Some((span, value)) = self.value(key) else {
            return Vec::new();
        };
        let Some(array) = value.as_array() else {
            self.refuse(key, span.start, &format!("tables, each headed {name}"), source);
            return Vec::new();
        };
        let mut children = Vec::new();
        for item in array {
            match item.get_ref().as_table() {
                Some(table) => {
                    children.push(Section::new(name, item.span().start, table, known, later, source));
                }
                None => self.refuse(key, item.span().start, "a table", source),
            }
        }
        children
    }

    /// Where a key's value stands; where the table begins, if it is not there.
    pub(super) fn at_key(&self, key: &str) -> usize {
        self.value(key).map_or(self.at, |(span, _)| span.start)
    }

    /// Whether the key is there, whatever it holds.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A value of whichever type.
    pub(super) fn value(&self, key: &str) -> Option<(Range<usize>, &'a DeValue<'t>)> {
        self.table.get(key).map(|value| (value.span(), value.get_ref()))
    }

    /// Reports that a value is not what was expected.
    pub(super) fn refuse(&self, key: &str, at: usize, expected: &str, source: &mut Source<'_>) {
        source.refuse(at, format!("{key} in {}: expected {expected}", self.name));
    }

    /// A text that is not blank.
    pub(super) fn text(&self, key: &str, source: &mut Source<'_>) -> Option<Found<&'a str>> {
        let (span, value) = self.value(key)?;
        let text = value.as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.refuse(key, span.start, "a text that is not empty", source);
        }
        text.map(|value| Found { value, span })
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &str, source: &mut Source<'_>) -> Option<Found<&'a str>> {
        if !self.has(key) {
            source.refuse(self.at, format!("{key:?} is missing in {}", self.name));
        }
        self.text(key, source)
    }

    /// A list of texts that are not blank; missing means empty.
    pub(super) fn texts(&self, key: &str, source: &mut Source<'_>) -> Vec<Found<&'a str>> {
        let Some((span, value)) = self.value(key) else {
            return Vec::new();
        };
        let Some(array) = value.as_array() else {
            self.refuse(key, span.start, "a list of texts, such as [\"a\", \"b\"]", source);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in array {
            match item.get_ref().as_str().filter(|text| !text.trim().is_empty()) {
                Some(value) => texts.push(Found {
                    value,
                    span: item.span(),
                }),
                None => self.refuse(
                    key,
                    item.span().start,
                    "a list of texts that are not empty",
                    source,
                ),
            }
        }
        texts
    }

    /// A whole number from 0 to `most`.
    pub(super) fn number(&self, key: &str, most: u32, source: &mut Source<'_>) -> Option<u32> {
        let (span, value) = self.value(key)?;
        let integer = value.as_integer();
        let number = integer.and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
        let number = number.filter(|number| *number <= most);
        if number.is_none() {
            self.refuse(
                key,
                span.start,
                &format!("a whole number from 0 to {most}"),
                source,
            );
        }
        number
    }

    /// A duration in whole days, such as `"14d"`; at most ten years.
    pub(super) fn days(&self, key: &str, source: &mut Source<'_>) -> Option<u32> {
        self.duration(
            key,
            "whole days, such as \"14d\" (at most 3650d)",
            source,
            |number, unit| (unit == "d" && number <= 3650).then_some(number),
        )
    }

    /// A duration in hours, written as `"24h"` or `"1d"`; at most a year.
    pub(super) fn hours(&self, key: &str, source: &mut Source<'_>) -> Option<u32> {
        self.duration(
            key,
            "hours or whole days, such as \"24h\" or \"7d\" (at most 365d)",
            source,
            |number, unit| {
                let hours = match unit {
                    "h" => Some(number),
                    "d" => number.checked_mul(24),
                    _ => None,
                };
                hours.filter(|hours| (1..=365 * 24).contains(hours))
            },
        )
    }

    /// A duration in minutes, written as `"90m"`, `"8h"` or `"1d"`.
    pub(super) fn minutes(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        source: &mut Source<'_>,
    ) -> Option<u32> {
        let (least, most) = (range.start(), range.end() / 1440);
        let expected =
            format!("minutes, hours or days, such as \"90m\" or \"8h\" (from {least}m to {most}d)");
        self.duration(key, &expected, source, |number, unit| {
            let minutes = match unit {
                "m" => Some(number),
                "h" => number.checked_mul(60),
                "d" => number.checked_mul(1440),
                _ => None,
            };
            minutes.filter(|minutes| range.contains(minutes))
        })
    }

    fn duration(
        &self,
        key: &str,
        expected: &str,
        source: &mut Source<'_>,
        read: impl Fn(u32, &str) -> Option<u32>,
    ) -> Option<u32> {
        let (span, value) = self.value(key)?;
        let parts = value
            .as_str()
            .and_then(|text| text.split_at_checked(text.len().saturating_sub(1)));
        let digits = parts.filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
        let duration = digits.and_then(|(number, unit)| read(number.parse().ok()?, unit));
        if duration.is_none() {
            self.refuse(key, span.start, expected, source);
        }
        duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_string_is_found_behind_its_escapes() {
        for (text, content) in [
            ("a = 'x == Q'", "x == Q"),
            ("a = '''\nx\n== Q'''", "x\n== Q"),
            (r#"a = "x \"y\" Q""#, "x \"y\" Q"),
            (r#"a = "é\u00e9\U0001F600\tQ""#, "éé😀\tQ"),
            ("a = \"\"\"x \\\n   y Q\"\"\"", "x y Q"),
        ] {
            let mut source = Source::new(text);
            let table = source.read().unwrap();
            let value = &table["a"];
            assert_eq!(value.get_ref().as_str().unwrap(), content, "{text}");
            let at = source.inside(&value.span(), content.find('Q').unwrap());
            assert_eq!(&text[at..=at], "Q", "{text}");
        }
    }

    #[test]
    fn a_position_counts_characters_from_one_and_no_byte_order_mark() {
        let source = Source::new("\u{feff}é = 1\nüb = 2");
        assert_eq!(source.position(3).to_string(), "line 1, column 1");
        let at = source.text.find('2').unwrap();
        assert_eq!(source.position(at).to_string(), "line 2, column 6");
        assert_eq!(source.position(usize::MAX).line, 2);
    }

    #[test]
    fn only_a_close_word_is_suggested() {
        assert_eq!(
            nearest("departmnt", &["location", "department"]),
            Some("department")
        );
        assert_eq!(nearest("Groups", &["groups"]), Some("groups"));
        assert_eq!(nearest("colour", &["location", "department"]), None);
    }
}
