//! From what was done to what subscribers are told ("changeNotification resource type", "Reduce missing change
//! notifications and removed subscriptions").
//!
//! Users and groups: a creation is `created` for whoever asked for it, otherwise `updated`; a soft deletion is
//! `updated`, and only what is gone for good is `deleted` ("subscription resource type", changeType).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::clock::graph_time;
use crate::directory::{Deed, Directory, Verb};
use crate::schema::Kind;
use crate::subscriptions::{Subscription, Watch, expire};

/// "Microsoft Graph tries to resend the change notification multiple times, for up to 4 hours."
const PATIENCE: SignedDuration = SignedDuration::from_hours(4);
/// Waiting notifications; older ones are lost.
const MOST: usize = 10_000;
/// How long before its end a subscription is told.
const WARNING: SignedDuration = SignedDuration::from_mins(15);

/// A notification on its way.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) url: String,
    pub(crate) item: Value,
    /// The application, where the item holds resource data: then the delivery has a token to prove where it is from.
    pub(crate) app: Option<String>,
    pub(crate) due: Timestamp,
    attempts: u32,
    gives_up: Timestamp,
}

/// What happened to one object.
#[derive(Debug, Default)]
struct Change {
    created: bool,
    updated: bool,
    deleted: bool,
    /// Members that came or went.
    members: Vec<Value>,
}

/// Tells the subscribers of users and groups.
pub(crate) fn tell(directory: &mut Directory, deeds: &[Deed], now: Timestamp) {
    if directory.subscriptions.entries.is_empty() {
        return;
    }
    let mut changes: BTreeMap<(Kind, String), Change> = BTreeMap::new();
    for deed in deeds {
        let soft = directory.gone(&deed.id).is_some();
        let change = changes.entry((deed.kind, deed.id.clone())).or_default();
        match &deed.verb {
            Verb::Added => change.created = true,
            Verb::Purged => change.deleted = true,
            Verb::Deleted if !soft => change.deleted = true,
            Verb::MemberAdded(id) => change.members.push(json!({ "id": id })),
            Verb::MemberRemoved(id) => change.members.push(json!({ "id": id, "@removed": "deleted" })),
            _ => change.updated = true,
        }
    }
    expire(directory, now);
    let mut out = Vec::new();
    for entry in directory
        .subscriptions
        .entries
        .values()
        .filter(|entry| !entry.pending)
    {
        for ((kind, id), change) in &changes {
            let looked_at = match &entry.watch {
                Watch::Objects(of, one) => of == kind && one.as_ref().is_none_or(|one| one == id),
                Watch::Members(group) => *kind == Kind::Group && group == id && !change.members.is_empty(),
                Watch::Messages(..) => false,
            };
            if looked_at && let Some(what) = fitting(entry, change) {
                let item = directory_item(directory, entry, (*kind, id), change, what, now);
                out.push(Outgoing::new(entry.url.clone(), item, None, now));
            }
        }
    }
    enqueue(directory, out);
}

/// The change type that a subscription is told of.
fn fitting(entry: &Subscription, change: &Change) -> Option<&'static str> {
    let wants = |what: &str| entry.changes.iter().any(|wanted| wanted == what);
    if change.deleted {
        wants("deleted").then_some("deleted")
    } else if change.created && wants("created") {
        Some("created")
    } else {
        let any = change.created || change.updated || !change.members.is_empty();
        (any && wants("updated")).then_some("updated")
    }
}

/// What every notification of a subscription says.
fn head(directory: &Directory, entry: &Subscription) -> Map<String, Value> {
    let head = json!({
        "subscriptionId": entry.id,
        "clientState": entry.client_state,
        "subscriptionExpirationDateTime": graph_time(entry.expiration),
        "tenantId": directory.tenant.id,
    });
    match head {
        Value::Object(head) => head,
        _ => Map::new(),
    }
}

fn directory_item(
    directory: &Directory,
    entry: &Subscription,
    (kind, id): (Kind, &str),
    change: &Change,
    what: &str,
    now: Timestamp,
) -> Value {
    let (segment, title) = if kind == Kind::Group {
        ("Groups", "Group")
    } else {
        ("Users", "User")
    };
    let mut data = json!({
        "@odata.type": format!("#Microsoft.Graph.{title}"),
        "@odata.id": format!("{segment}/{id}"),
        "id": id,
        "organizationId": directory.tenant.id,
        "eventTime": crate::audit::log_time(now),
        "sequenceNumber": now.as_microsecond(),
    });
    if !change.members.is_empty() {
        data["members@delta"] = change.members.clone().into();
    }
    let mut item = head(directory, entry);
    item.insert("changeType".to_owned(), what.into());
    item.insert("resource".to_owned(), format!("{segment}/{id}").into());
    item.insert("resourceData".to_owned(), data);
    Value::Object(item)
}

/// Tells the subscribers of a mailbox that a message has come.
pub(crate) fn message_came(
    directory: &mut Directory,
    owner: &str,
    folder: &str,
    message: &Value,
    now: Timestamp,
) {
    expire(directory, now);
    let id = message.get("id").and_then(Value::as_str).unwrap_or_default();
    let tenant = &directory.tenant.id;
    let place = format!("Users/{owner}/Messages/{id}");
    let mut out = Vec::new();
    for entry in directory
        .subscriptions
        .entries
        .values()
        .filter(|entry| !entry.pending)
    {
        let Watch::Messages(user, only) = &entry.watch else {
            continue;
        };
        let looked_at = user == owner && only.as_ref().is_none_or(|only| only == folder);
        if !looked_at || !entry.changes.iter().any(|wanted| wanted == "created") {
            continue;
        }
        let mut item = head(directory, entry);
        item.insert("changeType".to_owned(), "created".into());
        item.insert(
            "resource".to_owned(),
            format!("users/{owner}@{tenant}/messages/{id}").into(),
        );
        item.insert(
            "resourceData".to_owned(),
            json!({ "@odata.type": "#Microsoft.Graph.Message", "@odata.id": place, "id": id }),
        );
        let certificate = entry.certificate.as_ref().filter(|_| entry.includes_data);
        let app = certificate.map(|_| entry.app.clone());
        if let Some(content) =
            certificate.and_then(|certificate| certificate.encrypt(&chosen(message, entry)))
        {
            item.insert("encryptedContent".to_owned(), content);
        }
        out.push(Outgoing::new(entry.url.clone(), Value::Object(item), app, now));
    }
    enqueue(directory, out);
}

fn chosen(message: &Value, entry: &Subscription) -> Value {
    let wanted =
        |name: &str| name == "id" || entry.select.iter().any(|known| known.eq_ignore_ascii_case(name));
    let kept = message
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| wanted(name));
    let mut out: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    out.insert("@odata.type".to_owned(), "#microsoft.graph.message".into());
    Value::Object(out)
}

/// Warns those that are about to end ("reauthorizationRequired").
pub(crate) fn warn(directory: &mut Directory, now: Timestamp) {
    expire(directory, now);
    let mut out = Vec::new();
    let due: Vec<u64> = directory
        .subscriptions
        .entries
        .iter()
        .filter(|(_, entry)| !entry.pending && !entry.warned && entry.lifecycle_url.is_some())
        .filter(|(_, entry)| entry.expiration.duration_since(now) <= WARNING)
        .map(|(place, _)| *place)
        .collect();
    for place in due {
        if let Some(entry) = directory.subscriptions.entries.get_mut(&place) {
            entry.warned = true;
        }
        let Some(entry) = directory.subscriptions.entries.get(&place) else {
            continue;
        };
        let mut item = head(directory, entry);
        item.insert("lifecycleEvent".to_owned(), "reauthorizationRequired".into());
        let url = entry.lifecycle_url.clone().unwrap_or_default();
        out.push(Outgoing::new(url, Value::Object(item), None, now));
    }
    enqueue(directory, out);
}

fn enqueue(directory: &mut Directory, items: Vec<Outgoing>) {
    let outbox = &mut directory.subscriptions.outbox;
    outbox.extend(items);
    while outbox.len() > MOST {
        outbox.pop_front();
    }
}

impl Outgoing {
    fn new(url: String, item: Value, app: Option<String>, now: Timestamp) -> Self {
        Self {
            url,
            item,
            app,
            due: now,
            attempts: 0,
            gives_up: now.checked_add(PATIENCE).unwrap_or(now),
        }
    }

    /// The same for another attempt: ten seconds later, then twice as long each time, an hour at most.
    pub(crate) fn later(mut self, now: Timestamp) -> Option<Self> {
        let seconds = 10_i64.saturating_mul(1 << self.attempts.min(9)).min(3_600);
        self.attempts += 1;
        self.due = now.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        (self.due <= self.gives_up).then_some(self)
    }
}

/// What is to be delivered now: the items of one URL.
pub(crate) fn due(directory: &mut Directory, now: Timestamp) -> Vec<Outgoing> {
    let outbox = &mut directory.subscriptions.outbox;
    let Some(url) = outbox
        .iter()
        .find(|item| item.due <= now)
        .map(|item| item.url.clone())
    else {
        return Vec::new();
    };
    let mut out = Vec::new();
    outbox.retain(|item| {
        let take = item.url == url && item.due <= now && out.len() < 100;
        if take {
            out.push(item.clone());
        }
        !take
    });
    out
}
