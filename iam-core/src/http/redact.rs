//! Redaction for log lines: what may be read by anyone who reads logs, by allow-list.
//!
//! Invariant: a header or query parameter that is not named here is printed as `…`, and so is a path
//! segment that may hold a mail address or a quoted key. Object ids stay: without them a log line
//! answers no question, and they name nobody by themselves.

use super::Request;

/// Headers whose values say nothing about a person and nothing secret.
const HEADERS: &[&str] = &[
    "accept",
    "client-request-id",
    "consistencylevel",
    "content-length",
    "content-type",
    "date",
    "prefer",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "user-agent",
    "x-ms-ags-diagnostic",
    "x-ms-correlation-request-id",
    "x-ms-request-id",
    "x-ms-resource-unit",
    "x-ms-retry-after-ms",
    "x-ms-throttle-information",
    "x-ms-throttle-limit-percentage",
    "x-ms-throttle-scope",
];

/// Query parameters that are part of the API, not of anybody's data.
const PARAMETERS: &[&str] = &["$count", "$select", "$top", "api-version"];

/// A URL as it may stand in a log line.
pub fn url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (path, query) = url
        .split_once('?')
        .map_or((url, None), |(path, query)| (path, Some(query)));
    let mut text = path.split('/').map(segment).collect::<Vec<_>>().join("/");
    if let Some(query) = query {
        text.push('?');
        text.push_str(&query.split('&').map(parameter).collect::<Vec<_>>().join("&"));
    }
    text
}

/// The path of a URL without anything that tells one object from another, as it may stand in a span or a metric:
/// `/v1.0/users/{id}/memberOf`. Whatever is not plainly a name of the API becomes `{id}`.
pub fn template(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path
        .split_once("://")
        .map_or(path, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let mut before = "";
    let segments = path.split('/').map(|segment| {
        let is_key = COLLECTIONS.iter().any(|name| name.eq_ignore_ascii_case(before));
        before = segment;
        let (name, key) = segment
            .split_once('(')
            .map_or((segment, ""), |(name, key)| (name, key));
        if segment.is_empty() || is_name(name, is_key) && key.trim_end_matches(')').is_empty() {
            segment.to_owned()
        } else if !key.is_empty() && is_name(name, is_key) {
            format!("{name}({{id}})")
        } else {
            "{id}".to_owned()
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Collections whose keys may look like words.
const COLLECTIONS: &[&str] = &["users", "groups", "resourceGroups", "secrets", "containers"];

/// Whether a segment of a path is a name of the API rather than a key: letters alone, with a dollar sign in front or
/// a known namespace, or a version.
fn is_name(segment: &str, after_collection: bool) -> bool {
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if matches!(segment, "v1.0" | "v2.0" | "v2" | "oauth2") || segment.strip_prefix('$').is_some_and(letters)
    {
        return true;
    }
    let namespaced = ["microsoft.", "Microsoft."]
        .iter()
        .find_map(|start| segment.strip_prefix(start));
    if let Some(rest) = namespaced {
        return rest.split('.').all(letters);
    }
    letters(segment) && (!after_collection || segment == "delta")
}

/// Headers as they may stand in a log line: `name: value` joined by `, `.
pub fn headers(headers: &[(String, String)]) -> String {
    let shown = headers.iter().map(|(name, value)| {
        let known = HEADERS.iter().any(|kept| name.eq_ignore_ascii_case(kept));
        format!("{name}: {}", if known { value } else { "…" })
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// A request as it may stand in a log line: method, URL and headers, never the body.
pub fn request(request: &Request) -> String {
    format!(
        "{} {} [{}]",
        request.method.as_str(),
        url(&request.url),
        headers(&request.headers)
    )
}

fn segment(segment: &str) -> &str {
    let lower = segment.to_ascii_lowercase();
    let personal = ["@", "%40", "'", "%27"].iter().any(|mark| lower.contains(mark));
    if personal { "…" } else { segment }
}

fn parameter(pair: &str) -> String {
    let Some((name, value)) = pair.split_once('=') else {
        return "…".to_owned();
    };
    let plain = name.replace("%24", "$");
    if PARAMETERS.contains(&plain.as_str()) {
        format!("{plain}={value}")
    } else {
        format!("{plain}=…")
    }
}

/// The longest piece of a service's own text that is repeated, in characters.
const LONGEST_TEXT: usize = 300;

/// A clause of ours, and behind it, in brackets, what may be repeated of a service's text ([`harmless`]).
pub fn explained(clause: &str, text: &str, keep: impl Fn(&str, &str) -> bool) -> String {
    let text = harmless(text, keep);
    if text.is_empty() {
        clause.to_owned()
    } else {
        format!("{clause} ({text})")
    }
}

/// A service's text without values: what stands in quotes becomes `…` unless `keep` takes it, which is told the word
/// before the quotes (in lower case) and what they hold; words with an `@` and everything behind the first line go.
pub fn harmless(text: &str, keep: impl Fn(&str, &str) -> bool) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line: String = line
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_TEXT)
        .collect();
    let line = between_letters(&line);
    let mut kept = String::new();
    for (index, piece) in line.split(['\'', '"']).enumerate() {
        if index % 2 == 0 {
            let words = piece
                .split(' ')
                .map(|word| if word.contains('@') { "…" } else { word });
            kept.push_str(&words.collect::<Vec<_>>().join(" "));
        } else {
            let before = kept.trim_end().rsplit(' ').next().unwrap_or_default();
            let keep = keep(&before.to_lowercase(), piece);
            kept.extend(["'", if keep { piece } else { "…" }, "'"]);
        }
    }
    kept.trim().trim_end_matches('.').to_owned()
}

/// An apostrophe between two letters (`user's`, `O'Neil`) is not a quote: it would turn inside and outside
/// of quotes around.
fn between_letters(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let letter = |index: Option<usize>| {
        index
            .and_then(|i| chars.get(i))
            .is_some_and(|c| c.is_alphabetic())
    };
    let apostrophe = |i: usize, c: char| c == '\'' && letter(i.checked_sub(1)) && letter(Some(i + 1));
    chars
        .iter()
        .enumerate()
        .map(|(i, &c)| if apostrophe(i, c) { '’' } else { c })
        .collect()
}

/// A short identifier, or nothing: codes and request ids are repeated as they are.
pub fn word(text: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (!text.is_empty() && text.len() <= 100 && text.bytes().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_nobody() {
        for (given, shown) in [
            (
                "https://graph.microsoft.com/v1.0/users?$filter=mail eq 'a@b'",
                "/v1.0/users",
            ),
            (
                "https://h/v1.0/users/ada@example.com/manager/$ref",
                "/v1.0/users/{id}/manager/$ref",
            ),
            ("https://h/v1.0/users/ada%40example.com", "/v1.0/users/{id}"),
            ("https://h/beta/users/ada", "/beta/users/{id}"),
            (
                "https://h/v1.0/users(userPrincipalName='ada')/memberOf",
                "/v1.0/users({id})/memberOf",
            ),
            ("https://h/v1.0/users/delta()", "/v1.0/users/delta()"),
            (
                "https://h/v1.0/users/microsoft.graph.delta()",
                "/v1.0/users/microsoft.graph.delta()",
            ),
            ("https://h/v1.0/users/$count", "/v1.0/users/$count"),
            (
                "https://h/v1.0/groups/8f1c2d3e-0000-4000-8000-0123456789ab/members",
                "/v1.0/groups/{id}/members",
            ),
            (
                "https://h/v1.0/directory/deletedItems/microsoft.graph.user",
                "/v1.0/directory/deletedItems/microsoft.graph.user",
            ),
            ("https://h/v1.0/domains/contoso.com", "/v1.0/domains/{id}"),
            ("https://h/v1.0/$batch", "/v1.0/$batch"),
            (
                "https://h/subscriptions/1-2/resourceGroups/siem/providers/Microsoft.Authorization/roleAssignments/9",
                "/subscriptions/{id}/resourceGroups/{id}/providers/Microsoft.Authorization/roleAssignments/{id}",
            ),
            ("https://h/scim/v2/Users/ada", "/scim/v2/Users/{id}"),
            ("https://h", ""),
        ] {
            assert_eq!(template(given), shown);
        }
    }

    #[test]
    fn only_what_is_allowed_stays() {
        for (given, shown) in [
            (
                "https://graph.microsoft.com/v1.0/users?$select=id&$filter=mail eq 'a@b'&%24top=9&$skiptoken=s",
                "https://graph.microsoft.com/v1.0/users?$select=id&$filter=…&$top=9&$skiptoken=…",
            ),
            (
                "https://h/users/ada@example.com/manager",
                "https://h/users/…/manager",
            ),
            ("https://h/users/ada%40example.com", "https://h/users/…"),
            ("https://h/users(userPrincipalName='ada')", "https://h/…"),
            ("https://user:pass@h/x#fragment", "https://…/x"),
            (
                "https://h/groups/2f5b-11?api-version=1&sig=secret",
                "https://h/groups/2f5b-11?api-version=1&sig=…",
            ),
            ("https://h/x?bare", "https://h/x?…"),
            ("", ""),
        ] {
            assert_eq!(url(given), shown);
        }
        let lines = [
            ("Authorization", "Bearer x"),
            ("Retry-After", "2"),
            ("Location", "https://h/a@b"),
        ];
        let lines = lines.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(&lines), "Authorization: …, Retry-After: 2, Location: …");
    }
}
