//! [`Template`]: a name with placeholders, for example `{given}.{family}`, and what a person fills them with.

use std::fmt;

use crate::person::Person;

use super::source::hint;

/// The longest local part.
pub(super) const LONGEST: usize = 64;

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Given,
    Middle,
    Family,
    Preferred,
    MiddleInitial,
    GivenInitial,
    FamilyInitial,
    EmployeeId,
    Number,
}

const FIELDS: &[(&str, Field)] = &[
    ("given", Field::Given),
    ("middle", Field::Middle),
    ("family", Field::Family),
    ("preferred", Field::Preferred),
    ("middle_initial", Field::MiddleInitial),
    ("given_initial", Field::GivenInitial),
    ("family_initial", Field::FamilyInitial),
    ("employee_id", Field::EmployeeId),
    ("n", Field::Number),
];

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Field(Field),
}

/// A name with placeholders, for example `{given}.{family}`.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// Reads a template of a sign-in name.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub(super) fn sign_in(text: &str) -> Result<Self, (usize, String)> {
        let template = Self::parse(&text.to_ascii_lowercase())?;
        let illegal = |literal: &String| literal.find(|c| !legal(c));
        for piece in &template.0 {
            if let Piece::Literal(literal) = piece
                && let Some(at) = illegal(literal)
            {
                let allowed =
                    "a sign-in name holds only a-z, 0-9, \".\", \"_\" and \"-\" besides placeholders";
                return Err((
                    text.to_ascii_lowercase().find(&literal[at..]).unwrap_or(0),
                    allowed.to_owned(),
                ));
            }
        }
        Ok(template)
    }

    /// Reads a template of a display name.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub(super) fn display(text: &str) -> Result<Self, (usize, String)> {
        let template = Self::parse(text)?;
        match text.find("{n}") {
            Some(at) => Err((
                at,
                "{n} belongs to sign-in names: display names need not be unique".to_owned(),
            )),
            None => Ok(template),
        }
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let at = text.len() - rest.len() + brace;
            let (literal, tail) = rest.split_at(brace);
            let inner = tail.strip_prefix('{').and_then(|tail| tail.split_once('}'));
            let (name, after) = inner.ok_or_else(|| (at, "a brace without its partner".to_owned()))?;
            let field = FIELDS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                let known: Vec<&str> = FIELDS.iter().map(|(known, _)| *known).collect();
                let hint = hint(name, &known);
                (
                    at,
                    format!(
                        "unknown placeholder {{{name}}}{hint} (known placeholders: {})",
                        known.join(", ")
                    ),
                )
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            pieces.push(Piece::Field(field.1));
            rest = after;
        }
        if !pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Field(field) if *field != Field::Number))
        {
            return Err((
                0,
                "a name needs a placeholder that tells people apart, such as {given}".to_owned(),
            ));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Field(Field::Number)))
    }

    /// The pieces filled in, or `None` where the person has not got what the template needs. Somebody with
    /// one name gets it without the separator beside the missing one. Each piece says whether it is part of
    /// the person's name.
    pub(super) fn fill(&self, names: &Names, number: u16) -> Option<Vec<(bool, String)>> {
        let mut filled: Vec<(bool, String)> = Vec::new();
        let (mut has_name, mut missing, mut skip_separator) = (false, false, false);
        for piece in &self.0 {
            let field = match piece {
                Piece::Literal(literal) => {
                    let separates = !literal.contains(char::is_alphanumeric);
                    if !(separates && std::mem::take(&mut skip_separator)) {
                        filled.push((false, literal.clone()));
                    }
                    continue;
                }
                Piece::Field(Field::Number) => {
                    filled.push((false, number.to_string()));
                    continue;
                }
                Piece::Field(field) => *field,
            };
            let value = names.get(field);
            if !value.is_empty() {
                has_name |= matches!(field, Field::Given | Field::Family | Field::Preferred);
                filled.push((true, value));
                skip_separator = false;
                continue;
            }
            if matches!(field, Field::Middle | Field::MiddleInitial | Field::EmployeeId) {
                return None;
            }
            missing = true;
            let beside = filled
                .last()
                .is_some_and(|(name, text)| !name && !text.contains(char::is_alphanumeric));
            if beside {
                filled.pop();
            } else {
                skip_separator = true;
            }
        }
        (has_name || !missing).then_some(filled)
    }

    /// A legal local part, or `None` where the person has not got what the template needs.
    pub(super) fn local(&self, names: &Names, number: u16) -> Option<String> {
        let mut pieces = self.fill(names, number)?;
        let mut excess = pieces
            .iter()
            .map(|(_, text)| text.len())
            .sum::<usize>()
            .saturating_sub(LONGEST);
        for (_, name) in pieces.iter_mut().rev().filter(|(name, _)| *name) {
            let cut = excess.min(name.len());
            name.truncate(name.len() - cut); // a folded name is ASCII
            excess -= cut;
        }
        let local = tidy(&pieces.into_iter().map(|(_, text)| text).collect::<String>());
        (!local.is_empty() && local.len() <= LONGEST).then_some(local)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => f.write_str(literal)?,
                Piece::Field(field) => {
                    let name = FIELDS.iter().find(|(_, known)| known == field);
                    write!(f, "{{{}}}", name.map_or("", |(name, _)| name))?;
                }
            }
        }
        Ok(())
    }
}

/// The parts of a person's name, folded for sign-in names or as they are for display names.
#[derive(Debug, Clone)]
pub(super) struct Names {
    given: String,
    middle: String,
    pub(super) family: String,
    pub(super) preferred: String,
    pub(super) employee_id: String,
}

impl Names {
    pub(super) fn of(person: &Person, write: impl Fn(&str) -> String) -> Self {
        let part = |part: &Option<String>| part.as_deref().map_or_else(String::new, &write);
        let given = part(&person.given_name);
        let preferred = Some(part(&person.preferred_name)).filter(|preferred| !preferred.is_empty());
        Self {
            preferred: preferred.unwrap_or_else(|| given.clone()),
            given,
            middle: part(&person.middle_name),
            family: part(&person.family_name),
            employee_id: write(person.key.as_str()),
        }
    }

    fn get(&self, field: Field) -> String {
        let initial = |name: &str| name.chars().take(1).collect();
        match field {
            Field::Given => self.given.clone(),
            Field::Middle => self.middle.clone(),
            Field::Family => self.family.clone(),
            Field::Preferred => self.preferred.clone(),
            Field::MiddleInitial => initial(&self.middle),
            Field::GivenInitial => initial(&self.given),
            Field::FamilyInitial => initial(&self.family),
            Field::EmployeeId => self.employee_id.clone(),
            Field::Number => String::new(),
        }
    }
}

/// Whether sign-in names may hold the letter.
pub(super) fn legal(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')
}

/// No dot at the ends nor two in a row, and a letter or digit at both ends.
pub(super) fn tidy(local: &str) -> String {
    let parts: Vec<&str> = local.split('.').filter(|part| !part.is_empty()).collect();
    parts.join(".").trim_matches(['.', '_', '-']).to_owned()
}
