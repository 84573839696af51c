//! Messages in mailboxes: what `sendMail` delivers ("List messages", "Get message").
//!
//! A mailbox has the folders `inbox` and `sentitems`. A thousand messages of the tenant are kept.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::odata::{Row as _, ValueRow, collection};
use crate::schema::Kind;
use crate::{mailbox, message_rules, notifications};

const MOST: usize = 1_000;

/// A message in a mailbox.
#[derive(Debug)]
pub(crate) struct Message {
    owner: String,
    folder: &'static str,
    place: u64,
    value: Value,
}

/// The messages of all mailboxes, the oldest first.
pub(crate) type Messages = VecDeque<Message>;

/// Puts a sent message into the sender's sent items, if it is to be kept, and into the inboxes of the tenant's own.
pub(crate) fn deliver(
    directory: &mut Directory,
    sender: &str,
    message: &Map<String, Value>,
    keep: bool,
    now: Timestamp,
) {
    let mut places: Vec<(String, &'static str)> = Vec::new();
    if keep {
        places.push((sender.to_owned(), "sentitems"));
    }
    for field in ["toRecipients", "ccRecipients", "bccRecipients"] {
        for entry in message.get(field).and_then(Value::as_array).into_iter().flatten() {
            let address = entry
                .pointer("/emailAddress/address")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let holder = directory.address_holder(address).cloned();
            let holder =
                holder.filter(|id| directory.get(id).is_some_and(|object| object.kind == Kind::User));
            if let Some(id) = holder
                && !places.contains(&(id.clone(), "inbox"))
            {
                places.push((id, "inbox"));
            }
        }
    }
    // What is sent on is not sent on again.
    let inboxes = places.iter().filter(|(_, folder)| *folder == "inbox");
    let rules = inboxes.filter_map(|(id, _)| mailbox::of(directory, id).ok());
    let further: Vec<String> = rules.flat_map(message_rules::sent_on).collect();
    for address in further {
        let holder = directory.address_holder(&address).cloned();
        if let Some(id) = holder.filter(|id| !places.contains(&(id.clone(), "inbox"))) {
            places.push((id, "inbox"));
        }
    }
    let from = directory.get(sender);
    let from = json!({ "emailAddress": {
        "name": from.and_then(|user| user.text("displayName")),
        "address": from.and_then(|user| user.text("mail")),
    } });
    let at = graph_time(now);
    for (owner, folder) in places {
        let place = directory.next_place();
        let id = URL_SAFE.encode(format!("{owner}{place:020}"));
        let shown = |name: &str| message.get(name).cloned();
        let text = message
            .get("body")
            .and_then(|body| body.get("content"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let value = json!({
            "id": id, "createdDateTime": at, "lastModifiedDateTime": at, "receivedDateTime": at, "sentDateTime": at,
            "subject": shown("subject"), "bodyPreview": text.chars().take(255).collect::<String>(),
            "body": shown("body"), "importance": shown("importance").unwrap_or_else(|| "normal".into()),
            "isRead": folder == "sentitems", "isDraft": false, "hasAttachments": false,
            "parentFolderId": folder, "sender": from, "from": from,
            "toRecipients": shown("toRecipients").unwrap_or_else(|| json!([])),
            "ccRecipients": shown("ccRecipients").unwrap_or_else(|| json!([])),
            "bccRecipients": if folder == "sentitems" {
                shown("bccRecipients").unwrap_or_else(|| json!([]))
            } else {
                json!([])
            },
        });
        notifications::message_came(directory, &owner, folder, &value, now);
        directory.messages.push_back(Message {
            owner,
            folder,
            place,
            value,
        });
        while directory.messages.len() > MOST {
            directory.messages.pop_front();
        }
    }
}

/// Answers below `/users/{id}/messages` and `/users/{id}/mailFolders/{folder}/messages`.
pub(crate) fn route(
    directory: &Directory,
    call: &Call,
    owner: &str,
    folder: Option<&str>,
    rest: &[&str],
) -> Outcome {
    if directory
        .get(owner)
        .is_none_or(|user| user.text("mail").is_none())
    {
        return Err(Fail::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ));
    }
    if folder.is_some_and(|folder| !matches!(folder.to_lowercase().as_str(), "inbox" | "sentitems")) {
        return Err(item_not_found());
    }
    if call.method != "GET" {
        return Err(Fail::method());
    }
    let own = directory.messages.iter().filter(|message| {
        message.owner == owner && folder.is_none_or(|folder| folder.eq_ignore_ascii_case(message.folder))
    });
    match rest {
        [] => {
            let rows = own.map(|message| ValueRow {
                place: message.place,
                value: message.value.clone(),
            });
            collection(call, &format!("users('{owner}')/messages"), rows)
        }
        [id] => {
            let found = own.into_iter().find(|message| message.value["id"] == **id);
            let found = found.ok_or_else(item_not_found)?;
            let row = ValueRow {
                place: found.place,
                value: found.value.clone(),
            };
            let mut body = Map::new();
            let context = call.context(&format!("users('{owner}')/messages/$entity"));
            body.insert("@odata.context".to_owned(), context.into());
            if let Value::Object(view) = row.view(&call.options) {
                body.extend(view);
            }
            Ok(Answer::ok(Value::Object(body)))
        }
        [_, segment, ..] => Err(Fail::segment(segment)),
    }
}

fn item_not_found() -> Fail {
    Fail::new(
        404,
        "ErrorItemNotFound",
        "The specified object was not found in the store.",
    )
}
