//! `POST /users/{id}/sendMail` ("user: sendMail"). Messages are kept for the tests to read.

use serde_json::{Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::{mailbox, messages};

/// Takes a message: 202, and it stands in the mailbox log.
pub(crate) fn send(directory: &mut Directory, call: &Call, sender: &str) -> Outcome {
    let from = mailbox::of(directory, sender)?.text("mail");
    let from = from.unwrap_or_default().to_owned();
    let body = call.object()?;
    let message = body
        .get("message")
        .or_else(|| body.get("Message"))
        .and_then(Value::as_object);
    let message = message.ok_or_else(|| {
        Fail::new(
            400,
            "ErrorInvalidParameter",
            "The parameter 'message' is required.",
        )
    })?;
    let addresses = |field: &str| -> Vec<String> {
        let entries = message.get(field).and_then(Value::as_array).into_iter().flatten();
        entries
            .filter_map(|entry| {
                entry
                    .pointer("/emailAddress/address")?
                    .as_str()
                    .map(str::to_owned)
            })
            .collect()
    };
    let (to, cc, bcc) = (
        addresses("toRecipients"),
        addresses("ccRecipients"),
        addresses("bccRecipients"),
    );
    let all: Vec<&String> = to.iter().chain(&cc).chain(&bcc).collect();
    if all.is_empty() || all.iter().any(|address| !address.contains('@')) {
        return Err(Fail::new(
            400,
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        ));
    }
    let keep = body
        .get("saveToSentItems")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let kept = json!({
        "from": from, "to": to, "cc": cc, "bcc": bcc, "at": graph_time(call.now),
        "subject": message.get("subject"), "body": message.get("body"),
        "saveToSentItems": keep,
    });
    directory.sent.push(kept);
    messages::deliver(directory, sender, message, keep, call.now);
    Ok(Answer::accepted())
}
