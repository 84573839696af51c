//! A small SCIM 2.0 application of its own (RFC 7643, RFC 7644): users and groups, PATCH, filters by equality,
//! pages by index. It knows nothing of the tenant.

mod body;
mod discovery;
mod failure;
mod patch;
mod path;
mod schema;
mod store;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) use failure::ScimFail;

use crate::ids::Ids;
use schema::Kind;
use store::Resource;

/// Resources on a page at most.
const MOST: usize = 100;

/// The application's data.
#[derive(Debug)]
pub(crate) struct ScimApp {
    ids: Ids,
    sequence: u64,
    users: BTreeMap<u64, Resource>,
    groups: BTreeMap<u64, Resource>,
}

/// A request, without its transport.
#[derive(Debug)]
pub(crate) struct ScimCall {
    pub(crate) method: String,
    /// Decoded segments after `/scim/v2`.
    pub(crate) segments: Vec<String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Option<Value>,
    /// `http://127.0.0.1:8400/scim/v2`.
    pub(crate) root: String,
    pub(crate) now: Timestamp,
    /// Resources made after this instant are not seen yet.
    pub(crate) seen_until: Option<Timestamp>,
    /// The `If-Match` header.
    pub(crate) if_match: Option<String>,
}

/// What goes back.
#[derive(Debug)]
pub(crate) struct ScimAnswer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

pub(crate) type ScimOutcome = Result<ScimAnswer, ScimFail>;

impl ScimAnswer {
    fn with(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
        }
    }

    fn done() -> Self {
        Self {
            status: 204,
            body: None,
        }
    }
}

impl ScimCall {
    /// Without body, time and root.
    pub(crate) fn new(method: &str, path: &str, query: &str) -> Self {
        let parts = path.split('/').filter(|part| !part.is_empty());
        Self {
            method: method.to_ascii_uppercase(),
            // The first two are /scim/v2.
            segments: parts.skip(2).map(crate::call::decode).collect(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.to_lowercase(), value.into_owned()))
                .collect(),
            body: None,
            root: String::new(),
            now: Timestamp::UNIX_EPOCH,
            seen_until: None,
            if_match: None,
        }
    }
}

fn list_response(total: usize, start: usize, resources: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": total,
        "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources,
    })
}

/// Answers a request whose token is good.
pub(crate) fn answer(app: &mut ScimApp, call: &ScimCall) -> ScimOutcome {
    let lower = call.segments.first().map(|first| first.to_lowercase());
    let rest: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
    let kind = match lower.as_deref() {
        Some("users") => Kind::User,
        Some("groups") => Kind::Group,
        Some("serviceproviderconfig" | "resourcetypes" | "schemas") if call.method != "GET" => {
            return Err(ScimFail::new(405, "Discovery is read-only."));
        }
        Some("serviceproviderconfig") => return Ok(discovery::configuration(call)),
        Some("resourcetypes") => return discovery::resource_types(call, &rest),
        Some("schemas") => return discovery::schemas(call, &rest),
        other => return Err(ScimFail::not_found(other.unwrap_or("/"))),
    };
    match (rest.as_slice(), call.method.as_str()) {
        ([], "GET") => app.list(call, kind),
        ([], "POST") => app.create(call, kind),
        ([id], "GET") => app.get(call, kind, id),
        ([id], "PUT") => app.replace(call, kind, id),
        ([id], "PATCH") => app.patch(call, kind, id),
        ([id], "DELETE") => app.delete(call, kind, id),
        ([] | [_], method) => Err(ScimFail::new(405, format!("{method} is not allowed here."))),
        ([.., last], _) => Err(ScimFail::not_found(last)),
    }
}
