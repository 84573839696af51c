//! A collection, page by page.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::options::Options;
use crate::call::{Answer, Call, Outcome};
use crate::errors::Fail;

/// Something that stands in a collection.
pub(crate) trait Row {
    /// Its place in the collection's own order: what a page token remembers.
    fn place(&self) -> u64;
    /// A property by name.
    fn get(&self, name: &str) -> Option<Cow<'_, Value>>;
    /// As the reply shows it.
    fn view(&self, options: &Options) -> Value;
}

/// A row that is plain JSON, in the order given.
#[derive(Debug)]
pub(crate) struct ValueRow {
    pub(crate) place: u64,
    pub(crate) value: Value,
}

impl Row for ValueRow {
    fn place(&self) -> u64 {
        self.place
    }

    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.value.get(name).map(Cow::Borrowed)
    }

    fn view(&self, options: &Options) -> Value {
        let Value::Object(map) = &self.value else {
            return self.value.clone();
        };
        if options.select.is_empty() {
            return self.value.clone();
        }
        let chosen = |name: &String| {
            options
                .select
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let kept: Map<String, Value> = map
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Value::Object(kept)
    }
}

/// Answers a request for a collection: filter, order, count, page, link to the next page.
///
/// `rows` come in the order of their place.
pub(crate) fn collection<R: Row>(call: &Call, fragment: &str, rows: impl Iterator<Item = R>) -> Outcome {
    let options = &call.options;
    let size = match options.top {
        None => 100,
        Some(size @ 1..=999) => size,
        Some(0) => {
            return Err(Fail::bad(
                "Invalid page size specified: '0'. Must be between 1 and 999 inclusive.",
            ));
        }
        Some(size) => {
            return Err(Fail::bad(format!(
                "Invalid page size specified: '{size}'. Must be between 1 and 999 inclusive."
            )));
        }
    };
    let after = match &options.skip_token {
        Some(token) => Some(Token::read(token)?),
        None => None,
    };
    let matching = rows.filter(|row| match &options.filter {
        Some(filter) => filter.holds(&|name| row.get(name)),
        None => true,
    });
    // With an order or a count the whole collection is looked at; otherwise only this page.
    let counted = options.count && options.eventual && after.is_none();
    let (page, next, total) = if !options.order.is_empty() || counted {
        let mut all: Vec<R> = matching.collect();
        all.sort_by(|left, right| compare(left, right, &options.order));
        let total = all.len();
        let start = match after {
            None => 0,
            Some(Token::Offset(offset)) => offset,
            Some(Token::After(place)) => all.iter().take_while(|row| row.place() <= place).count(),
        };
        let page: Vec<R> = all.into_iter().skip(start).take(size).collect();
        let more = start + page.len() < total;
        let next = if options.order.is_empty() {
            page.last().map(|row| Token::After(row.place()))
        } else {
            Some(Token::Offset(start + page.len()))
        };
        (page, next.filter(|_| more), counted.then_some(total))
    } else {
        let start = match after {
            Some(Token::After(place)) => place,
            _ => 0,
        };
        let mut page: Vec<R> = matching
            .filter(|row| row.place() > start)
            .take(size + 1)
            .collect();
        let more = page.len() > size;
        page.truncate(size);
        let next = page.last().map(|row| Token::After(row.place())).filter(|_| more);
        (page, next, None)
    };
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), call.context(fragment).into());
    if let Some(total) = total {
        body.insert("@odata.count".to_owned(), total.into());
    }
    if let Some(next) = next {
        body.insert("@odata.nextLink".to_owned(), link(call, &next).into());
    }
    body.insert(
        "value".to_owned(),
        page.iter().map(|row| row.view(options)).collect(),
    );
    Ok(Answer::ok(Value::Object(body)))
}

/// Answers `/$count` of a collection.
pub(crate) fn counted<R: Row>(call: &Call, rows: impl Iterator<Item = R>) -> Outcome {
    if !call.options.eventual {
        return Err(Fail::bad("$count is not currently supported."));
    }
    let filter = call.options.filter.as_ref();
    let holds = |row: &R| filter.is_none_or(|filter| filter.holds(&|name| row.get(name)));
    Ok(Answer::number(rows.filter(holds).count()))
}

fn link(call: &Call, token: &Token) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &call.options.carried {
        query.append_pair(name, value);
    }
    query.append_pair("$skiptoken", &token.write());
    let path: Vec<String> = call
        .segments
        .iter()
        .map(|part| {
            url::form_urlencoded::byte_serialize(part.as_bytes())
                .collect::<String>()
                .replace('+', "%20")
        })
        .collect();
    format!("{}/{}?{}", call.root, path.join("/"), query.finish())
}

fn compare<R: Row>(left: &R, right: &R, order: &[(String, bool)]) -> Ordering {
    for (property, descending) in order {
        let text = |row: &R| {
            let value = row.get(property);
            value.as_deref().and_then(Value::as_str).map(str::to_lowercase)
        };
        let found = text(left).cmp(&text(right));
        let found = if *descending { found.reverse() } else { found };
        if found != Ordering::Equal {
            return found;
        }
    }
    left.place().cmp(&right.place())
}

/// What the opaque page token holds.
#[derive(Debug, Clone, Copy)]
enum Token {
    After(u64),
    Offset(usize),
}

impl Token {
    fn write(self) -> String {
        match self {
            Self::After(place) => format!("RFNwdAIAAQ{place:016x}"),
            Self::Offset(offset) => format!("T2Zmc2V0AQ{offset:016x}"),
        }
    }

    fn read(text: &str) -> Result<Self, Fail> {
        let invalid = || Fail::syntax("Invalid page token.");
        let (head, digits) = text.split_at_checked(10).ok_or_else(invalid)?;
        let number = u64::from_str_radix(digits, 16).map_err(|_| invalid())?;
        match head {
            "RFNwdAIAAQ" => Ok(Self::After(number)),
            "T2Zmc2V0AQ" => Ok(Self::Offset(usize::try_from(number).map_err(|_| invalid())?)),
            _ => Err(invalid()),
        }
    }
}
