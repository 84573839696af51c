//! [`Filter`] and [`Search`]: what an object must be like, built and never parsed.
//!
//! Invariant: a value never leaves its quotes. Quotes in text are doubled (filters) or escaped by a backslash
//! (searches), names of properties are checked, and the whole is percent-encoded when it goes into a URL.
//!
//! Source: Microsoft Learn, "Use the $filter query parameter", "Use the $search query parameter", "Advanced query
//! capabilities on Microsoft Entra ID objects".

use std::fmt;

use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;

use crate::odata::literal;

/// In [`Filter::any`]: the element itself, where a collection holds plain values (`proxyAddresses`).
pub const ELEMENT: &str = "";

/// Properties of directory objects that every filter asks for as an advanced query.
const UNINDEXED: [&str; 17] = [
    "companyName",
    "employeeHireDate",
    "employeeLeaveDateTime",
    "employeeOrgData",
    "employeeType",
    "faxNumber",
    "mobilePhone",
    "officeLocation",
    "onPremisesExtensionAttributes",
    "onPremisesImmutableId",
    "onPremisesLastSyncDateTime",
    "onPremisesSamAccountName",
    "passwordPolicies",
    "postalCode",
    "preferredLanguage",
    "showInAddressList",
    "streetAddress",
];
/// Those that are compared by order in advanced queries only.
const UNORDERED: [&str; 3] = ["accountEnabled", "employeeId", "onPremisesSyncEnabled"];
/// Those that are looked up in a list in advanced queries only.
const UNLISTED: [&str; 2] = ["createdDateTime", "deletedDateTime"];

/// A filter. `Display` is its OData text, not yet percent-encoded, which may hold personal data: `Debug` leaves it
/// out.
///
/// ```
/// use iam_graph::query::{ELEMENT, Filter};
///
/// let filter = Filter::eq("department", "Security")
///     .and(Filter::any("proxyAddresses", Filter::starts_with(ELEMENT, "smtp:o'neil")))
///     .and(Filter::one_of("country", ["AU", "NZ"]).not());
/// assert_eq!(
///     filter.to_string(),
///     "department eq 'Security' and proxyAddresses/any(x:startsWith(x,'smtp:o''neil')) and not(country in ('AU','NZ'))"
/// );
/// ```
#[derive(Clone, PartialEq)]
pub struct Filter(Node);

#[derive(Clone, PartialEq)]
enum Node {
    Compare(String, Operator, Literal),
    OneOf(String, Vec<Literal>),
    StartsWith(String, String),
    EndsWith(String, String),
    /// Without a condition: a collection that holds anything.
    Any(String, Option<Box<Node>>),
    Count(String, Operator, u32),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Raw(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

/// A value in a filter: text, a truth value, a whole number, an instant, an object id, or nothing.
#[derive(Clone, PartialEq)]
pub struct Literal(Form);

#[derive(Clone, PartialEq)]
enum Form {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    Instant(Timestamp),
    Guid(String),
}

impl Literal {
    /// No value: `eq null`.
    pub const NULL: Self = Self(Form::Null);

    /// An id where Graph wants it without quotes, as in `assignedLicenses/any(x:x/skuId eq 05e9…)`. What is no
    /// GUID is refused when the query is built.
    pub fn guid(id: &str) -> Self {
        Self(Form::Guid(id.to_owned()))
    }

    fn text(&self) -> String {
        match &self.0 {
            Form::Null => "null".to_owned(),
            Form::Bool(value) => value.to_string(),
            Form::Number(value) => value.to_string(),
            Form::Text(value) => literal(value),
            Form::Instant(value) => value.to_string(),
            Form::Guid(value) => value.clone(),
        }
    }

    fn check(&self) -> Result<()> {
        match &self.0 {
            Form::Guid(id) if !crate::error::is_guid(id) => {
                Err(invalid("a value that is to be a GUID is none"))
            }
            _ => Ok(()),
        }
    }
}

impl From<&str> for Literal {
    fn from(value: &str) -> Self {
        Self(Form::Text(value.to_owned()))
    }
}

impl From<&&str> for Literal {
    fn from(value: &&str) -> Self {
        (*value).into()
    }
}

impl From<String> for Literal {
    fn from(value: String) -> Self {
        Self(Form::Text(value))
    }
}

impl From<&String> for Literal {
    fn from(value: &String) -> Self {
        value.as_str().into()
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self(Form::Bool(value))
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Self(Form::Number(value))
    }
}

impl From<i32> for Literal {
    fn from(value: i32) -> Self {
        Self(Form::Number(value.into()))
    }
}

impl From<u32> for Literal {
    fn from(value: u32) -> Self {
        Self(Form::Number(value.into()))
    }
}

impl From<Timestamp> for Literal {
    fn from(value: Timestamp) -> Self {
        Self(Form::Instant(value))
    }
}

impl Filter {
    /// `property eq value`. A property may be a path (`employeeOrgData/costCenter`).
    pub fn eq(property: &str, value: impl Into<Literal>) -> Self {
        Self::compare(property, Operator::Eq, value)
    }

    /// `property ne value`: an advanced query.
    pub fn ne(property: &str, value: impl Into<Literal>) -> Self {
        Self::compare(property, Operator::Ne, value)
    }

    /// `property gt value`.
    pub fn gt(property: &str, value: impl Into<Literal>) -> Self {
        Self::compare(property, Operator::Gt, value)
    }

    /// `property ge value`.
    pub fn ge(property: &str, value: impl Into<Literal>) -> Self {
        Self::compare(property, Operator::Ge, value)
    }

    /// `property lt value`.
    pub fn lt(property: &str, value: impl Into<Literal>) -> Self {
        Self::compare(property, Operator::Lt, value)
    }

    /// `property le value`.
    pub fn le(property: &str, value: impl Into<Literal>) -> Self {
        Self::compare(property, Operator::Le, value)
    }

    /// `property in (value, …)`: at most 15 values, unless the query is an advanced one.
    pub fn one_of<V: Into<Literal>>(property: &str, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self(Node::OneOf(property.to_owned(), values))
    }

    /// `startsWith(property, text)`.
    pub fn starts_with(property: &str, text: &str) -> Self {
        Self(Node::StartsWith(property.to_owned(), text.to_owned()))
    }

    /// `endsWith(property, text)`: an advanced query, which Graph has for `mail`, `otherMails`, `proxyAddresses` and
    /// `userPrincipalName` only.
    pub fn ends_with(property: &str, text: &str) -> Self {
        Self(Node::EndsWith(property.to_owned(), text.to_owned()))
    }

    /// `collection/any(x: …)`: one element satisfies the filter, whose properties are the element's own;
    /// [`ELEMENT`] is the element itself.
    pub fn any(collection: &str, element: Self) -> Self {
        Self(Node::Any(collection.to_owned(), Some(Box::new(element.0))))
    }

    /// `collection/any()`: it holds anything.
    pub fn any_at_all(collection: &str) -> Self {
        Self(Node::Any(collection.to_owned(), None))
    }

    /// `collection/$count eq 0`: an advanced query. Graph compares counts with 0 and 1 only.
    pub fn count_eq(collection: &str, count: u32) -> Self {
        Self(Node::Count(collection.to_owned(), Operator::Eq, count))
    }

    /// `collection/$count ne 0`: an advanced query.
    pub fn count_ne(collection: &str, count: u32) -> Self {
        Self(Node::Count(collection.to_owned(), Operator::Ne, count))
    }

    /// Text of your own, which goes out as it is but for percent-encoding: quotes in values must have been doubled.
    /// Whether it needs an advanced query is told from the words outside its quotes.
    pub fn raw(text: impl Into<String>) -> Self {
        Self(Node::Raw(text.into()))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all([self, other])
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::either([self, other])
    }

    /// Not this: an advanced query.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // it is OData's word
    pub fn not(self) -> Self {
        Self(Node::Not(Box::new(self.0)))
    }

    /// All of them. Of none, nothing can be built.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        let parts = filters.into_iter().flat_map(|filter| match filter.0 {
            Node::And(parts) => parts,
            other => vec![other],
        });
        Self(Node::And(parts.collect()))
    }

    /// At least one of them: at most 15, unless the query is an advanced one. Of none, nothing can be built.
    pub fn either(filters: impl IntoIterator<Item = Self>) -> Self {
        let parts = filters.into_iter().flat_map(|filter| match filter.0 {
            Node::Or(parts) => parts,
            other => vec![other],
        });
        Self(Node::Or(parts.collect()))
    }

    fn compare(property: &str, operator: Operator, value: impl Into<Literal>) -> Self {
        Self(Node::Compare(property.to_owned(), operator, value.into()))
    }

    /// Whether directory objects answer it as an advanced query only.
    pub(crate) fn is_advanced(&self) -> bool {
        self.0.is_advanced(false)
    }

    /// How many alternatives it names: values of an `in`, parts joined by `or`.
    pub(crate) fn alternatives(&self) -> usize {
        self.0.alternatives()
    }

    /// # Errors
    /// [`ErrorKind::Invalid`] for a name that is none, an empty list, and what does not exist in Graph.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.check(false)
    }
}

impl Node {
    fn is_advanced(&self, inside: bool) -> bool {
        let root = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
        let unindexed = |path: &str| !inside && UNINDEXED.contains(&root(path).as_str());
        match self {
            Self::Compare(path, operator, value) => {
                let ordered = !matches!(operator, Operator::Eq | Operator::Ne);
                *operator == Operator::Ne
                    || *value == Literal::NULL
                    || unindexed(path)
                    || (ordered && !inside && UNORDERED.contains(&root(path).as_str()))
            }
            Self::OneOf(path, _) => unindexed(path) || UNLISTED.contains(&path.as_str()),
            Self::StartsWith(path, _) => unindexed(path),
            Self::EndsWith(..) | Self::Count(..) | Self::Not(_) => true,
            Self::Any(path, element) => {
                unindexed(path) || element.as_ref().is_some_and(|element| element.is_advanced(true))
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.is_advanced(inside)),
            Self::Raw(text) => raw_is_advanced(text),
        }
    }

    fn alternatives(&self) -> usize {
        match self {
            Self::OneOf(_, values) => values.len(),
            Self::Or(parts) => parts.iter().map(Self::alternatives).sum(),
            Self::And(parts) => parts.iter().map(Self::alternatives).max().unwrap_or_default(),
            Self::Not(part) | Self::Any(_, Some(part)) => part.alternatives(),
            _ => 1,
        }
    }

    fn check(&self, inside: bool) -> Result<()> {
        let name = |path: &str| {
            if inside && path == ELEMENT {
                Ok(())
            } else {
                property(path)
            }
        };
        match self {
            Self::Compare(path, _, value) => value.check().and(name(path)),
            Self::OneOf(path, values) => {
                if values.is_empty() {
                    return Err(invalid("a list of values is empty: nothing would match"));
                }
                values.iter().try_for_each(Literal::check).and(name(path))
            }
            Self::StartsWith(path, _) => name(path),
            Self::EndsWith(path, _) => {
                let known = ["mail", "otherMails", "userPrincipalName", "proxyAddresses"];
                if !inside && !known.contains(&path.as_str()) {
                    let message = format!("endsWith is for {} only", known.join(", "));
                    return Err(Error::new(ErrorKind::Invalid, message));
                }
                name(path)
            }
            Self::Any(path, element) => {
                property(path)?;
                element.as_ref().map_or(Ok(()), |element| element.check(true))
            }
            Self::Count(path, _, _) => property(path),
            Self::Not(part) => part.check(inside),
            Self::And(parts) | Self::Or(parts) if parts.is_empty() => {
                Err(invalid("a filter joins no parts at all"))
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().try_for_each(|part| part.check(inside)),
            Self::Raw(text) if text.trim().is_empty() => Err(invalid("a filter is empty")),
            Self::Raw(_) => Ok(()),
        }
    }

    /// Writes it; below a lambda, paths start at its variable.
    fn write(&self, out: &mut fmt::Formatter<'_>, variable: Option<&str>) -> fmt::Result {
        let path = |path: &str| match variable {
            None => path.to_owned(),
            Some(variable) if path == ELEMENT => variable.to_owned(),
            Some(variable) => format!("{variable}/{path}"),
        };
        match self {
            Self::Compare(property, operator, value) => {
                write!(out, "{} {} {}", path(property), operator.as_str(), value.text())
            }
            Self::OneOf(property, values) => {
                let values: Vec<String> = values.iter().map(Literal::text).collect();
                write!(out, "{} in ({})", path(property), values.join(","))
            }
            Self::StartsWith(property, text) => {
                write!(out, "startsWith({},{})", path(property), literal(text))
            }
            Self::EndsWith(property, text) => write!(out, "endsWith({},{})", path(property), literal(text)),
            Self::Any(collection, None) => write!(out, "{}/any()", path(collection)),
            Self::Any(collection, Some(element)) => {
                let inner = if variable == Some("x") { "y" } else { "x" };
                write!(out, "{}/any({inner}:", path(collection))?;
                element.write(out, Some(inner))?;
                out.write_str(")")
            }
            Self::Count(collection, operator, count) => {
                write!(out, "{}/$count {} {count}", path(collection), operator.as_str())
            }
            Self::And(parts) => join(out, parts, " and ", variable),
            Self::Or(parts) => join(out, parts, " or ", variable),
            Self::Not(part) => {
                out.write_str("not(")?;
                part.write(out, variable)?;
                out.write_str(")")
            }
            Self::Raw(text) => out.write_str(text),
        }
    }
}

fn join(out: &mut fmt::Formatter<'_>, parts: &[Node], word: &str, variable: Option<&str>) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.write_str(word)?;
        }
        // `and` binds tighter than `or`; of raw text nothing is known.
        if parts.len() > 1 && matches!(part, Node::Or(_) | Node::Raw(_)) {
            out.write_str("(")?;
            part.write(out, variable)?;
            out.write_str(")")?;
        } else {
            part.write(out, variable)?;
        }
    }
    Ok(())
}

/// Looks for the words of advanced queries outside quotes.
fn raw_is_advanced(text: &str) -> bool {
    let bare: String = text
        .split('\'')
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    let mut words = bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '$'));
    let unindexed = |word: &str| UNINDEXED.iter().any(|name| name.eq_ignore_ascii_case(word));
    words.any(|word| matches!(word, "ne" | "not" | "endswith" | "$count" | "null") || unindexed(word))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, None)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter(…)")
    }
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Literal(…)")
    }
}

/// What is searched for by words: `"displayName:ann" OR "mail:ann"`. `Debug` leaves the text out.
///
/// `displayName` and `description` are searched by the beginnings of their words, in any order; every other property
/// by its beginning.
#[derive(Clone, PartialEq)]
pub struct Search(Terms);

#[derive(Clone, PartialEq)]
enum Terms {
    One(String, String),
    And(Box<Terms>, Box<Terms>),
    Or(Box<Terms>, Box<Terms>),
}

impl Search {
    /// Objects whose property has these words.
    pub fn new(property: &str, words: &str) -> Self {
        Self(Terms::One(property.to_owned(), words.to_owned()))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Terms::And(Box::new(self.0), Box::new(other.0)))
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Terms::Or(Box::new(self.0), Box::new(other.0)))
    }

    /// # Errors
    /// [`ErrorKind::Invalid`] for a name that is none and for empty words.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.check()
    }
}

impl Terms {
    fn check(&self) -> Result<()> {
        match self {
            Self::One(_, words) if words.trim().is_empty() => Err(invalid("a search has no words")),
            Self::One(name, _) => property(name),
            Self::And(left, right) | Self::Or(left, right) => left.check().and_then(|()| right.check()),
        }
    }

    fn text(&self) -> String {
        let operand = |terms: &Self| match terms {
            Self::One(..) => terms.text(),
            _ => format!("({})", terms.text()),
        };
        match self {
            Self::One(property, words) => {
                let words = words.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{property}:{words}\"")
            }
            Self::And(left, right) => format!("{} AND {}", operand(left), operand(right)),
            Self::Or(left, right) => format!("{} OR {}", operand(left), operand(right)),
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text())
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Search(…)")
    }
}

pub(crate) fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

/// Whether a text may stand where a property's name or path stands.
///
/// # Errors
/// [`ErrorKind::Invalid`]; the text is not repeated, it may be a value in the wrong place.
pub(crate) fn property(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.');
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts && name.len() <= 256 && name.chars().all(fits) {
        return Ok(());
    }
    Err(invalid(
        "a query names a property that cannot be one: letters, digits, `_`, `.` and `/` make up a property's name",
    ))
}
