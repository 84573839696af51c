//! One Graph request without its transport, so that it can also be made from inside the server.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::errors::Fail;
use crate::odata::Options;

/// A request to the directory.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Decoded segments after the version; `users('x')` is already `users`, `x`.
    pub(crate) segments: Vec<String>,
    pub(crate) options: Options,
    /// `None` when there was no body.
    pub(crate) body: Option<Value>,
    /// Address of the service root, for links: `http://127.0.0.1:8400/v1.0`.
    pub(crate) root: String,
    pub(crate) now: Timestamp,
    /// Objects created after this instant are not there yet for this request (replication lag).
    pub(crate) seen_until: Option<Timestamp>,
    pub(crate) caller: Caller,
    /// Value of the `Content-Type` header, in lower case.
    pub(crate) content_type: String,
    /// The request's id in the logs.
    pub(crate) correlation: String,
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody at the portal: a request that came over no wire.
    #[default]
    Administrator,
    App {
        id: String,
        object: String,
    },
    User {
        id: String,
        name: String,
    },
    /// A part of Microsoft's service: application id and name.
    Service(&'static str, &'static str),
}

impl Caller {
    /// Whom a token was made for.
    pub(crate) fn of(claims: &Value) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let object = text("oid").unwrap_or_default();
        match text("upn") {
            Some(name) => Self::User { id: object, name },
            None => Self::App {
                id: text("appid").unwrap_or_default(),
                object,
            },
        }
    }
}

/// What goes back, before the transport's headers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    /// Value of the `Location` header.
    pub(crate) location: Option<String>,
    /// A body that is plain text (`/$count`).
    pub(crate) text: Option<String>,
    /// Id of a subscription that is in force only once its URLs have answered.
    pub(crate) handshake: Option<String>,
}

pub(crate) type Outcome = Result<Answer, Fail>;

impl Answer {
    fn with(status: u16, body: Option<Value>) -> Self {
        Self {
            status,
            body,
            location: None,
            text: None,
            handshake: None,
        }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::with(200, Some(body))
    }

    pub(crate) fn created(body: Value, location: String) -> Self {
        Self {
            location: Some(location),
            ..Self::with(201, Some(body))
        }
    }

    pub(crate) fn accepted_at(location: String) -> Self {
        Self {
            location: Some(location),
            ..Self::with(202, None)
        }
    }

    pub(crate) fn accepted() -> Self {
        Self::with(202, None)
    }

    pub(crate) fn done() -> Self {
        Self::with(204, None)
    }

    pub(crate) fn number(count: usize) -> Self {
        Self {
            text: Some(count.to_string()),
            ..Self::with(200, None)
        }
    }
}

impl Call {
    /// The JSON object in the body.
    pub(crate) fn object(&self) -> Result<&Map<String, Value>, Fail> {
        match &self.body {
            Some(Value::Object(map)) => Ok(map),
            None => Err(Fail::syntax("Empty Payload. JSON content expected.")),
            Some(_) => Err(Fail::syntax(
                "Unable to read JSON request payload. An object is expected.",
            )),
        }
    }

    /// The id in the body's `@odata.id`.
    pub(crate) fn reference(&self) -> Result<String, Fail> {
        let link = self.object()?.get("@odata.id").and_then(Value::as_str);
        link.and_then(linked_id).ok_or_else(|| {
            Fail::bad("The request body must hold '@odata.id' with the address of a directory object.")
        })
    }

    /// The same request with other query options and no body.
    pub(crate) fn with_options(&self, options: Options) -> Self {
        Self {
            method: self.method.clone(),
            segments: self.segments.clone(),
            options,
            body: None,
            root: self.root.clone(),
            now: self.now,
            seen_until: self.seen_until,
            caller: self.caller.clone(),
            content_type: self.content_type.clone(),
            correlation: self.correlation.clone(),
        }
    }

    pub(crate) fn context(&self, fragment: &str) -> String {
        format!("{}/$metadata#{fragment}", self.root)
    }
}

/// The id at the end of an object's address, as in `https://host/v1.0/directoryObjects/{id}`,
/// `.../users/{id}`, `.../directoryObjects('{id}')`, or the bare relative form.
pub(crate) fn linked_id(address: &str) -> Option<String> {
    let path = address.split_once("://").map_or(address, |(_, rest)| rest);
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let last = parts.next()?;
    if let Some((kind, key)) = last.strip_suffix("')").and_then(|head| head.split_once("('")) {
        return is_link_kind(kind).then(|| key.to_owned());
    }
    let kind = parts.next()?;
    (is_link_kind(kind) && !last.is_empty()).then(|| last.to_owned())
}

fn is_link_kind(kind: &str) -> bool {
    matches!(
        kind,
        "directoryObjects" | "users" | "groups" | "servicePrincipals"
    )
}

/// Decodes a path and opens keys in parentheses: `/users('a%40b')/manager` is `users`, `a@b`, `manager`.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    for raw in path.split('/').filter(|part| !part.is_empty()) {
        let part = decode(raw);
        match part.strip_suffix(')').and_then(|head| head.split_once('(')) {
            Some((name, "")) => out.push(name.to_owned()),
            Some((name, key)) => {
                out.push(name.to_owned());
                out.push(key.trim_matches('\'').replace("''", "'"));
            }
            None => out.push(part),
        }
    }
    out
}

/// Percent-decodes one path segment. A plus sign stays a plus sign.
pub(crate) fn decode(segment: &str) -> String {
    let kept = segment
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    url::form_urlencoded::parse(kept.as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{linked_id, segments};

    #[test]
    fn paths_are_decoded_and_keys_opened() {
        let check = |path: &str, expect: &[&str]| assert_eq!(segments(path), expect, "{path}");
        check(
            "/users/siobhan.o%27brien%40contoso.example",
            &["users", "siobhan.o'brien@contoso.example"],
        );
        check(
            "/users('a%40b')/manager/$ref",
            &["users", "a@b", "manager", "$ref"],
        );
        check("/users('o''brien')", &["users", "o'brien"]);
        check("/users/delta()", &["users", "delta"]);
        check(
            "/users/a+b@c.d/manager/%24ref",
            &["users", "a+b@c.d", "manager", "$ref"],
        );
        check("/users/a%3Db%26c", &["users", "a=b&c"]);
    }

    #[test]
    fn links_give_their_id() {
        let check =
            |link: &str, expect: Option<&str>| assert_eq!(linked_id(link).as_deref(), expect, "{link}");
        check("https://graph.microsoft.com/v1.0/directoryObjects/7", Some("7"));
        check("http://127.0.0.1:1/v1.0/users/7/", Some("7"));
        check(
            "https://graph.microsoft.com/v1.0/directoryObjects('7')",
            Some("7"),
        );
        check("https://graph.microsoft.com/v1.0/teams/7", None);
        check("7", None);
    }
}
