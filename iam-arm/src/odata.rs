//! Text that goes into URLs: segments of paths, values in OData filters.
//!
//! Invariant: nothing of a policy's or a person's reaches a URL unescaped. Quotes are doubled inside OData
//! literals (OData 4.01 URL Conventions, "Literal Data Values"), then everything outside RFC 3986's
//! unreserved set is percent-encoded.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One path segment: an id or a name.
pub(crate) fn segment(id: &str) -> String {
    utf8_percent_encode(id, RESERVED).to_string()
}

/// A path whose segments are names as they are: every segment is escaped, the slashes stay.
pub(crate) fn path(path: &str) -> String {
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A string literal of a filter, not yet percent-encoded.
pub(crate) fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A path with its `api-version` and, perhaps, a filter.
pub(crate) fn query(path: &str, version: &str, filter: Option<&str>) -> String {
    let mut url = format!("{path}?api-version={version}");
    if let Some(filter) = filter {
        let _ = write!(url, "&$filter={}", utf8_percent_encode(filter, RESERVED));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_escaped() {
        assert_eq!(
            path("/subscriptions/s/resourceGroups/a b(1)"),
            "/subscriptions/s/resourceGroups/a%20b%281%29"
        );
        let filter = format!("roleName eq {}", literal("O'Neil & co"));
        assert_eq!(
            query("/x", "1", Some(&filter)),
            "/x?api-version=1&$filter=roleName%20eq%20%27O%27%27Neil%20%26%20co%27"
        );
    }
}
