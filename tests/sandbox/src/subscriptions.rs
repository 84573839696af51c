//! `/subscriptions`: who is told of changes ("subscription resource type", "Create subscription", "Update
//! subscription", "subscription: reauthorize", "Receive change notifications through webhooks").
//!
//! The sandbox calls nobody but this machine: a notification URL names a loopback address. Plain http is taken unless
//! https is demanded (`Builder::https_notifications`), as Microsoft does.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Caller, Outcome};
use crate::certificate::Certificate;
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::notifications::Outgoing;
use crate::odata::{ValueRow, collection};
use crate::schema::Kind;

/// "Any value under 45 minutes after the time of the request is automatically set to 45 minutes."
const LEAST_MINUTES: i64 = 45;
/// The limits of clientState and encryptionCertificateId, in characters.
const LONGEST: usize = 128;

/// Every subscription, and what is to be delivered.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) entries: BTreeMap<u64, Subscription>,
    pub(crate) outbox: VecDeque<Outgoing>,
    /// Plain http is refused.
    pub(crate) https_only: bool,
}

/// One subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// As it was asked for.
    pub(crate) resource: String,
    pub(crate) watch: Watch,
    /// `created`, `updated`, `deleted`.
    pub(crate) changes: Vec<String>,
    pub(crate) url: String,
    pub(crate) lifecycle_url: Option<String>,
    pub(crate) client_state: Option<String>,
    pub(crate) expiration: Timestamp,
    /// When it was made or renewed.
    pub(crate) renewed: Timestamp,
    pub(crate) app: String,
    creator: String,
    tls: String,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) includes_data: bool,
    /// What the resource's `$select` names.
    pub(crate) select: Vec<String>,
    /// The URLs have not answered yet.
    pub(crate) pending: bool,
    /// It was told that it is about to end.
    pub(crate) warned: bool,
}

/// What a subscription looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watch {
    /// All objects of a kind, or one.
    Objects(Kind, Option<String>),
    Members(String),
    /// Messages in a user's mailbox, of all folders or one.
    Messages(String, Option<String>),
}

fn invalid(message: impl Into<String>) -> Fail {
    Fail::new(400, "InvalidRequest", message)
}

fn not_found() -> Fail {
    Fail::new(404, "ResourceNotFound", "The object was not found.")
}

impl Subscription {
    pub(crate) fn view(&self) -> Value {
        json!({
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.app,
            "changeType": self.changes.join(","),
            "clientState": self.client_state,
            "notificationUrl": self.url,
            "notificationQueryOptions": null,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": graph_time(self.expiration),
            "creatorId": self.creator,
            "includeResourceData": self.includes_data.then_some(true),
            "latestSupportedTlsVersion": self.tls,
            // The certificate itself is not given back.
            "encryptionCertificate": null,
            "encryptionCertificateId": self.certificate.as_ref().map(|certificate| certificate.id.as_str()),
            "notificationUrlAppId": null,
        })
    }
}

/// Ends what has run out.
pub(crate) fn expire(directory: &mut Directory, now: Timestamp) {
    let entries = &mut directory.subscriptions.entries;
    if entries.values().any(|entry| entry.expiration <= now) {
        entries.retain(|_, entry| entry.expiration > now);
    }
}

/// Answers `/subscriptions`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    expire(directory, call.now);
    let app = caller_app(&call.caller);
    let shown = |entry: &Subscription| !entry.pending && (app.is_empty() || entry.app == app);
    match (rest, call.method.as_str()) {
        ([], "GET") => {
            let entries = directory.subscriptions.entries.iter();
            let rows = entries
                .filter(|(_, entry)| shown(entry))
                .map(|(place, entry)| ValueRow {
                    place: *place,
                    value: entry.view(),
                });
            collection(call, "subscriptions", rows)
        }
        ([], "POST") => create(directory, call),
        ([id, rest @ ..], method) => {
            let entries = &mut directory.subscriptions.entries;
            let found = entries.iter().find(|(_, entry)| entry.id == **id && shown(entry));
            let place = *found.ok_or_else(not_found)?.0;
            match (rest, method) {
                ([], "GET") => Ok(Answer::ok(entity(call, &entries[&place]))),
                ([], "PATCH") => update(directory, call, place),
                ([], "DELETE") => {
                    entries.remove(&place);
                    Ok(Answer::done())
                }
                (["reauthorize" | "microsoft.graph.reauthorize"], "POST") => Ok(Answer::done()),
                ([] | ["reauthorize"], _) => Err(Fail::method()),
                ([segment, ..], _) => Err(Fail::segment(segment)),
            }
        }
        _ => Err(Fail::method()),
    }
}

fn caller_app(caller: &Caller) -> String {
    match caller {
        Caller::App { id, .. } => id.clone(),
        _ => String::new(),
    }
}

fn entity(call: &Call, entry: &Subscription) -> Value {
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        call.context("subscriptions/$entity").into(),
    );
    if let Value::Object(view) = entry.view() {
        body.extend(view);
    }
    Value::Object(body)
}

const KNOWN: [&str; 13] = [
    "applicationId",
    "changeType",
    "clientState",
    "creatorId",
    "encryptionCertificate",
    "encryptionCertificateId",
    "expirationDateTime",
    "includeResourceData",
    "latestSupportedTlsVersion",
    "lifecycleNotificationUrl",
    "notificationQueryOptions",
    "notificationUrl",
    "resource",
];

/// The texts of a subscription in a body.
struct Wish<'a>(&'a Map<String, Value>);

impl<'a> Wish<'a> {
    fn read(call: &'a Call) -> Result<Self, Fail> {
        let body = call.object()?;
        for (name, value) in body {
            let known =
                KNOWN.contains(&name.as_str()) || matches!(name.as_str(), "id" | "notificationUrlAppId");
            let boolean = name == "includeResourceData";
            let fits = value.is_null()
                || if boolean {
                    value.is_boolean()
                } else {
                    value.is_string()
                };
            if !name.starts_with('@') && (!known || !fits) {
                return Err(Fail::syntax(format!(
                    "The property '{name}' does not exist on type 'microsoft.graph.subscription' or has the wrong type."
                )));
            }
        }
        Ok(Self(body))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    fn needed(&self, name: &str) -> Result<&'a str, Fail> {
        self.text(name)
            .ok_or_else(|| invalid(format!("The property '{name}' is required.")))
    }

    /// An instant that the subscription may live until.
    fn expiration(&self, longest_minutes: i64, now: Timestamp) -> Result<Timestamp, Fail> {
        let text = self.needed("expirationDateTime")?;
        let wanted: Timestamp = text
            .parse()
            .map_err(|_| invalid("The property 'expirationDateTime' is no instant."))?;
        if wanted <= now {
            return Err(invalid("Subscription expirationDateTime is in the past."));
        }
        let in_minutes = |minutes: i64| now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(now);
        // A minute's grace: the client's clock may go before.
        if wanted > in_minutes(longest_minutes + 1) {
            return Err(invalid(format!(
                "Subscription expiration can only be {longest_minutes} minutes in the future."
            )));
        }
        Ok(wanted.max(in_minutes(LEAST_MINUTES)))
    }

    fn certificate(&self) -> Result<Option<Certificate>, Fail> {
        match (
            self.text("encryptionCertificate"),
            self.text("encryptionCertificateId"),
        ) {
            (None, _) => Ok(None),
            (Some(_), None) => Err(invalid(
                "The property 'encryptionCertificateId' is required with a certificate.",
            )),
            (Some(_), Some(id)) if id.chars().count() > LONGEST => Err(invalid(
                "The property 'encryptionCertificateId' is longer than 128 characters.",
            )),
            (Some(text), Some(id)) => Certificate::read(text, id).map(Some).map_err(invalid),
        }
    }
}

/// "Maximum length of subscription per resource type", in minutes.
fn longest(watch: &Watch, includes_data: bool) -> i64 {
    match watch {
        Watch::Objects(..) | Watch::Members(_) => 41_760,
        Watch::Messages(..) if includes_data => 1_440,
        Watch::Messages(..) => 10_080,
    }
}

fn create(directory: &mut Directory, call: &Call) -> Outcome {
    let wish = Wish::read(call)?;
    let resource = wish.needed("resource")?;
    let (watch, select) = watched(directory, call, resource)?;
    let changes = change_types(wish.needed("changeType")?, &watch)?;
    let url = checked_url(directory, "notificationUrl", wish.needed("notificationUrl")?)?;
    let lifecycle_url = wish
        .text("lifecycleNotificationUrl")
        .map(|url| checked_url(directory, "lifecycleNotificationUrl", url))
        .transpose()?;
    let client_state = wish.text("clientState").map(str::to_owned);
    if client_state
        .as_ref()
        .is_some_and(|state| state.chars().count() > LONGEST)
    {
        return Err(invalid(
            "The property 'clientState' is longer than 128 characters.",
        ));
    }
    let includes_data = wish.0.get("includeResourceData") == Some(&Value::Bool(true));
    let certificate = wish.certificate()?;
    if includes_data {
        if !matches!(watch, Watch::Messages(..)) {
            return Err(invalid(format!(
                "Resource data is not supported for the resource '{resource}'."
            )));
        }
        if certificate.is_none() {
            return Err(invalid(
                "The property 'encryptionCertificate' is required with includeResourceData.",
            ));
        }
        if select.is_empty() {
            return Err(invalid(
                "Resource data of this resource needs $select in the resource.",
            ));
        }
    }
    let expiration = wish.expiration(longest(&watch, includes_data), call.now)?;
    let entry = Subscription {
        id: directory.audit.ids.guid(),
        resource: resource.to_owned(),
        watch,
        changes,
        url,
        lifecycle_url,
        client_state,
        expiration,
        renewed: call.now,
        app: caller_app(&call.caller),
        creator: match &call.caller {
            Caller::App { object, .. } => object.clone(),
            Caller::User { id, .. } => id.clone(),
            _ => String::new(),
        },
        tls: wish
            .text("latestSupportedTlsVersion")
            .unwrap_or("v1_2")
            .to_owned(),
        certificate,
        includes_data,
        select,
        // Over the wire the URLs are asked first.
        pending: call.caller != Caller::Administrator,
        warned: false,
    };
    let body = entity(call, &entry);
    let location = format!("{}/subscriptions/{}", call.root, entry.id);
    let handshake = entry.pending.then(|| entry.id.clone());
    let place = directory.next_place();
    directory.subscriptions.entries.insert(place, entry);
    let mut answer = Answer::created(body, location);
    answer.handshake = handshake;
    Ok(answer)
}

fn update(directory: &mut Directory, call: &Call, place: u64) -> Outcome {
    let wish = Wish::read(call)?;
    let other = wish.0.keys().find(|name| {
        !name.starts_with('@')
            && !matches!(
                name.as_str(),
                "expirationDateTime" | "encryptionCertificate" | "encryptionCertificateId"
            )
    });
    if let Some(name) = other {
        return Err(invalid(format!("The property '{name}' cannot be changed.")));
    }
    let certificate = wish.certificate()?;
    let entry = directory
        .subscriptions
        .entries
        .get_mut(&place)
        .ok_or_else(not_found)?;
    if wish.0.contains_key("expirationDateTime") {
        entry.expiration = wish.expiration(longest(&entry.watch, entry.includes_data), call.now)?;
        (entry.renewed, entry.warned) = (call.now, false);
    } else if certificate.is_none() {
        return Err(invalid("The property 'expirationDateTime' is required."));
    }
    if certificate.is_some() {
        entry.certificate = certificate;
    }
    Ok(Answer::ok(entity(call, entry)))
}

fn change_types(text: &str, watch: &Watch) -> Result<Vec<String>, Fail> {
    let mut out: Vec<String> = Vec::new();
    for change in text.split(',').map(str::trim) {
        let change = change.to_ascii_lowercase();
        // Members come and go: the group is updated.
        let fits = match watch {
            Watch::Members(_) => matches!(change.as_str(), "updated" | "deleted"),
            _ => matches!(change.as_str(), "created" | "updated" | "deleted"),
        };
        if !fits {
            return Err(invalid(format!(
                "The change type '{change}' is not supported by this resource."
            )));
        }
        if !out.contains(&change) {
            out.push(change);
        }
    }
    Ok(out)
}

/// What a resource path means, and the names of its `$select`.
fn watched(directory: &Directory, call: &Call, resource: &str) -> Result<(Watch, Vec<String>), Fail> {
    let unsupported = || invalid(format!("The resource '{resource}' is not supported."));
    let (path, query) = resource.split_once('?').unwrap_or((resource, ""));
    let mut select = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name.trim_start_matches('$').eq_ignore_ascii_case("select") {
            select = value.split(',').map(|part| part.trim().to_owned()).collect();
        } else {
            return Err(unsupported());
        }
    }
    let segments = crate::call::segments(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let user = |key: &str| Ok::<_, Fail>(directory.seen(call, Some(Kind::User), key)?.id.clone());
    let group = |key: &str| Ok::<_, Fail>(directory.seen(call, Some(Kind::Group), key)?.id.clone());
    let watch = match segments.as_slice() {
        ["users"] => Watch::Objects(Kind::User, None),
        ["users", key] => Watch::Objects(Kind::User, Some(user(key)?)),
        ["groups"] => Watch::Objects(Kind::Group, None),
        ["groups", key] => Watch::Objects(Kind::Group, Some(group(key)?)),
        ["groups", key, "members"] => Watch::Members(group(key)?),
        ["users", key, "messages"] => Watch::Messages(user(key)?, None),
        ["users", key, "mailFolders" | "mailfolders", folder, "messages"] => {
            Watch::Messages(user(key)?, Some(folder.to_lowercase()))
        }
        _ => return Err(unsupported()),
    };
    Ok((watch, select))
}

fn checked_url(directory: &Directory, property: &str, text: &str) -> Result<String, Fail> {
    let parsed =
        url::Url::parse(text).map_err(|_| invalid(format!("The property '{property}' is no URL.")))?;
    let loopback = match parsed.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let plain = parsed.scheme() == "http" && !directory.subscriptions.https_only;
    if parsed.scheme() != "https" && !plain {
        return Err(invalid(format!(
            "The property '{property}' must be an https URL."
        )));
    }
    if !loopback {
        return Err(invalid(format!(
            "The property '{property}' must name a loopback address: the sandbox calls nobody but this machine."
        )));
    }
    Ok(text.to_owned())
}
