//! Text that goes into URLs: identifiers in paths, values in OData filters.
//!
//! Invariant: nothing that comes from a person's record reaches a URL unescaped. Quotes are doubled inside
//! OData literals (OData 4.01 URL Conventions, "Literal Data Values"), then everything outside RFC 3986's
//! unreserved set is percent-encoded: `'`, `#`, `+` and `&` stand in real sign-in names.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The most clauses that one filter may hold (Microsoft Learn, "Advanced query capabilities": 15 values of
/// `in`, 15 clauses joined by `or`).
pub(crate) const CLAUSES: usize = 15;

/// One path segment: an id or a user principal name.
pub(crate) fn segment(id: &str) -> String {
    utf8_percent_encode(id, RESERVED).to_string()
}

/// A string literal of a filter, not yet percent-encoded.
pub(crate) fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A path with its query: `[("$filter", "a eq 'b'")]` becomes `?$filter=a%20eq%20%27b%27`. Lists of
/// properties keep their commas and parentheses, so that logs stay readable.
pub(crate) fn query(path: &str, options: &[(&str, &str)]) -> String {
    const LIST: &AsciiSet = &RESERVED
        .remove(b',')
        .remove(b'(')
        .remove(b')')
        .remove(b'$')
        .remove(b'=');
    options
        .iter()
        .enumerate()
        .fold(path.to_owned(), |mut url, (index, (name, value))| {
            let set = if matches!(*name, "$filter" | "$search") {
                RESERVED
            } else {
                LIST
            };
            let mark = if index == 0 { '?' } else { '&' };
            let _ = write!(url, "{mark}{name}={}", utf8_percent_encode(value, set));
            url
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_paths_and_filters() {
        let check = |name: &str, path: &str, filter: &str| {
            assert_eq!(segment(name), path);
            let url = query("/users", &[("$filter", &format!("mail eq {}", literal(name)))]);
            assert_eq!(url, format!("/users?$filter=mail%20eq%20{filter}"));
        };
        check("a.b@x.de", "a.b%40x.de", "%27a.b%40x.de%27");
        check(
            "o'neil#ext#@x",
            "o%27neil%23ext%23%40x",
            "%27o%27%27neil%23ext%23%40x%27",
        );
        check(
            "a/b+c&d=e f?",
            "a%2Fb%2Bc%26d%3De%20f%3F",
            "%27a%2Fb%2Bc%26d%3De%20f%3F%27",
        );
        check("zoë", "zo%C3%AB", "%27zo%C3%AB%27");
        check(
            "x') or ('1' eq '1",
            "x%27%29%20or%20%28%271%27%20eq%20%271",
            "%27x%27%27%29%20or%20%28%27%271%27%27%20eq%20%27%271%27",
        );
    }

    #[test]
    fn options_are_joined() {
        assert_eq!(
            query(
                "/users",
                &[("$select", "id,mail"), ("$expand", "manager($select=id)")]
            ),
            "/users?$select=id,mail&$expand=manager($select=id)"
        );
        assert_eq!(query("/domains", &[]), "/domains");
    }
}
