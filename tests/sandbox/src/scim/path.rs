//! Attribute paths and filters: `attribute`, `attribute.part`, `attribute[part eq "x"].part`, each perhaps with a
//! schema in front; a filter is such paths compared by `eq`, joined by `and`. Entra sends no more.

use serde_json::{Map, Value};

use super::failure::ScimFail;
use super::schema::{Attribute, Form, Kind};

/// Where a value is.
#[derive(Debug)]
pub(super) struct Place {
    /// The extension that holds it; none for the core.
    pub(super) extension: Option<&'static str>,
    pub(super) attribute: &'static Attribute,
    /// Which elements of a list: all of these hold.
    pub(super) among: Vec<Match>,
    pub(super) part: Option<&'static Attribute>,
}

/// A part equals a value.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) part: &'static Attribute,
    pub(super) value: Value,
}

/// One term of a filter. Without a value the place itself decides: some element matches.
#[derive(Debug)]
pub(super) struct Term {
    place: Place,
    value: Option<Value>,
}

/// A text that is read from left to right.
struct Reader<'a> {
    whole: &'a str,
    at: usize,
    kind: Kind,
}

type Read<T> = Result<T, String>;

/// Reads the path of a PATCH operation or a key of its value.
pub(super) fn path(kind: Kind, text: &str) -> Result<Place, ScimFail> {
    let mut reader = Reader::new(kind, text);
    let place = reader.place().map_err(ScimFail::path)?;
    if reader.rest().trim().is_empty() {
        Ok(place)
    } else {
        Err(ScimFail::path(reader.wrong("nothing more")))
    }
}

/// Reads a filter.
pub(super) fn filter(kind: Kind, text: &str) -> Result<Vec<Term>, ScimFail> {
    let mut reader = Reader::new(kind, text);
    let mut terms = Vec::new();
    loop {
        terms.push(reader.term().map_err(ScimFail::filter)?);
        if reader.rest().trim().is_empty() {
            return Ok(terms);
        }
        if !reader.word("and") {
            return Err(ScimFail::filter(reader.wrong("'and'")));
        }
    }
}

impl<'a> Reader<'a> {
    fn new(kind: Kind, whole: &'a str) -> Self {
        Self { whole, at: 0, kind }
    }

    fn rest(&self) -> &'a str {
        &self.whole[self.at..]
    }

    fn wrong(&self, expected: &str) -> String {
        format!(
            "'{}' is not understood: {expected} was expected at position {}.",
            self.whole,
            self.at + 1
        )
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += usize::from(found);
        found
    }

    /// A word between spaces, in any letter case.
    fn word(&mut self, word: &str) -> bool {
        self.spaces();
        let rest = self.rest();
        let found = rest
            .get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
            && rest[word.len()..].starts_with([' ', '\t']);
        if found {
            self.at += word.len();
            self.spaces();
        }
        found
    }

    fn name(&mut self) -> Read<&'a str> {
        let end = |letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '$' | '-' | '_'));
        let rest = self.rest();
        let name = &rest[..rest.find(end).unwrap_or(rest.len())];
        if name.is_empty() {
            return Err(self.wrong("a name"));
        }
        self.at += name.len();
        Ok(name)
    }

    fn place(&mut self) -> Read<Place> {
        self.spaces();
        let mut schemas = self.kind.schemas().iter().enumerate();
        let urn = schemas.find(|(_, (urn, ..))| {
            let head = self.rest().get(..urn.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(urn))
                && self.rest()[urn.len()..].starts_with(':')
        });
        let (index, urn) = urn.map_or((0, self.kind.schemas()[0].0), |(index, (urn, ..))| (index, *urn));
        if self.rest().to_ascii_lowercase().starts_with("urn:") {
            if !self
                .rest()
                .to_ascii_lowercase()
                .starts_with(&urn.to_ascii_lowercase())
            {
                return Err(self.wrong("a schema of this resource"));
            }
            self.at += urn.len() + 1;
        }
        let begin = self.at;
        let name = self.name()?;
        let attribute = self.kind.attribute(urn, name).ok_or_else(|| {
            self.at = begin;
            self.wrong("an attribute of this resource")
        })?;
        let mut among = Vec::new();
        if self.sign('[') {
            loop {
                among.push(self.inner(attribute)?);
                self.spaces();
                if self.sign(']') {
                    break;
                }
                if !self.word("and") {
                    return Err(self.wrong("'and' or ']'"));
                }
            }
        }
        let part = if self.sign('.') {
            Some(self.part(attribute)?)
        } else {
            None
        };
        Ok(Place {
            extension: (index > 0).then_some(urn),
            attribute,
            among,
            part,
        })
    }

    fn part(&mut self, attribute: &Attribute) -> Read<&'static Attribute> {
        let begin = self.at;
        let name = self.name()?;
        attribute.part(name).ok_or_else(|| {
            self.at = begin;
            self.wrong(&format!("a part of '{}'", attribute.name))
        })
    }

    fn inner(&mut self, attribute: &Attribute) -> Read<Match> {
        self.spaces();
        let part = self.part(attribute)?;
        if !self.word("eq") {
            return Err(self.wrong("'eq', the only operator here,"));
        }
        let value = self.literal(part)?;
        Ok(Match { part, value })
    }

    fn term(&mut self) -> Read<Term> {
        let place = self.place()?;
        let closed = !place.among.is_empty() && place.part.is_none();
        if closed {
            return Ok(Term { place, value: None });
        }
        if !self.word("eq") {
            return Err(self.wrong("'eq', the only operator here,"));
        }
        let value = self.literal(compared(&place))?;
        Ok(Term {
            place,
            value: Some(value),
        })
    }

    /// A value as JSON writes it; `True` and `"True"` are true where the attribute is a boolean.
    fn literal(&mut self, attribute: &Attribute) -> Read<Value> {
        self.spaces();
        for (word, value) in [("true", true), ("false", false)] {
            let rest = self.rest();
            if rest
                .get(..word.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(word))
            {
                self.at += word.len();
                return Ok(value.into());
            }
        }
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) if !value.is_object() && !value.is_array() => {
                self.at += values.byte_offset();
                Ok(coerced(attribute, value))
            }
            _ => Err(self.wrong("a value")),
        }
    }
}

/// What a term's value is compared with: the part, a list's `value`, or the attribute.
fn compared(place: &Place) -> &'static Attribute {
    place.part.unwrap_or_else(|| {
        let value = place.attribute.part("value").filter(|_| place.attribute.many);
        value.unwrap_or(place.attribute)
    })
}

/// A text that says true or false, where a boolean belongs, is one.
pub(super) fn coerced(attribute: &Attribute, value: Value) -> Value {
    match value.as_str() {
        Some(text) if attribute.form == Form::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => value,
        },
        _ => value,
    }
}

fn equal(attribute: &Attribute, held: &Value, wanted: &Value) -> bool {
    match (held.as_str(), wanted.as_str()) {
        (Some(held), Some(wanted)) if !attribute.exact => held.to_lowercase() == wanted.to_lowercase(),
        _ => held == wanted,
    }
}

/// Whether an element of a list is meant.
pub(super) fn meant(among: &[Match], element: &Value) -> bool {
    among.iter().all(|wish| {
        let held = element.get(wish.part.name).unwrap_or(&Value::Null);
        equal(wish.part, held, &wish.value)
    })
}

/// Whether a resource, as it is shown, fulfils a filter.
pub(super) fn holds(terms: &[Term], resource: &Map<String, Value>) -> bool {
    terms.iter().all(|term| {
        let Place {
            extension,
            attribute,
            among,
            ..
        } = &term.place;
        let held = match extension {
            None => resource.get(attribute.name),
            Some(urn) => resource.get(*urn).and_then(|inner| inner.get(attribute.name)),
        };
        let held = held.unwrap_or(&Value::Null);
        let elements: &[Value] = match held {
            Value::Array(items) => items,
            one => std::slice::from_ref(one),
        };
        let last = compared(&term.place);
        elements
            .iter()
            .filter(|element| meant(among, element))
            .any(|element| {
                let Some(wanted) = &term.value else {
                    return !element.is_null();
                };
                let inner = element.get(last.name).filter(|_| attribute.form == Form::Complex);
                equal(last, inner.unwrap_or(element), wanted)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::{Kind, filter, holds};
    use serde_json::json;

    #[test]
    fn filters_find_what_equals() {
        let user = json!({
            "userName": "Ann@contoso.example", "externalId": "W-1", "active": true,
            "emails": [{ "type": "work", "value": "ann@contoso.example" }, { "type": "home", "value": "a@x.example" }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "employeeNumber": "7" },
        });
        let check = |text: &str, expect: Option<bool>| {
            let found = filter(Kind::User, text).ok();
            let found = found.map(|terms| holds(&terms, user.as_object().unwrap()));
            assert_eq!(found, expect, "{text}");
        };
        check(r#"userName eq "ann@CONTOSO.example""#, Some(true));
        check(r#"USERNAME EQ "x""#, Some(false));
        check(r#"externalId eq "w-1""#, Some(false));
        check(r#"externalId eq "W-1" and active eq True"#, Some(true));
        check(
            r#"emails[type eq "work"].value eq "ann@contoso.example""#,
            Some(true),
        );
        check(
            r#"emails[type eq "home"].value eq "ann@contoso.example""#,
            Some(false),
        );
        check(
            r#"emails[type eq "work" and value eq "a@x.example"]"#,
            Some(false),
        );
        check(r#"emails.value eq "a@x.example""#, Some(true));
        check(r#"emails eq "a@x.example""#, Some(true));
        check(
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann@contoso.example""#,
            Some(true),
        );
        check(
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "7""#,
            Some(true),
        );
        check("title eq null", Some(true));
        for broken in [
            "",
            "userName",
            "userName sw \"a\"",
            "salary eq 1",
            "userName eq",
            "userName eq \"a\" or",
            "emails[type eq \"a\"",
            "urn:x:y eq 1",
        ] {
            check(broken, None);
        }
    }
}
