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

#[cfg(test)]
mod tests {
    use super::*;

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
