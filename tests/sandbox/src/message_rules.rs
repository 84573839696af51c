//! The rules of an inbox ("List rules", "Create rule", "Get rule", "Update rule", "Delete messageRule").
//!
//! Rules without conditions and exceptions are carried out when a message comes: what they redirect or forward reaches
//! the inboxes of the tenant's own. Others are kept, and match nothing.

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::directory::{Directory, Object};
use crate::errors::Fail;
use crate::mailbox;
use crate::odata::{ValueRow, collection};

type Fits = fn(&Value) -> bool;

/// What may be written, and the type that it must have.
const FIELDS: [(&str, Fits); 6] = [
    ("displayName", Value::is_string),
    ("sequence", Value::is_i64),
    ("isEnabled", Value::is_boolean),
    ("actions", Value::is_object),
    ("conditions", Value::is_object),
    ("exceptions", Value::is_object),
];
const ACTIONS: [&str; 11] = [
    "assignCategories",
    "copyToFolder",
    "delete",
    "forwardAsAttachmentTo",
    "forwardTo",
    "markAsRead",
    "markImportance",
    "moveToFolder",
    "permanentDelete",
    "redirectTo",
    "stopProcessingRules",
];

/// Answers below `/users/{id}/mailFolders/inbox/messageRules`.
pub(crate) fn route(directory: &mut Directory, call: &Call, owner: &str, rest: &[&str]) -> Outcome {
    let user = mailbox::of(directory, owner)?;
    let context = format!("users('{owner}')/mailFolders('inbox')/messageRules");
    match (rest, call.method.as_str()) {
        ([], "GET") => {
            let rows = user.rules.iter().zip(1..).map(|(value, place)| ValueRow {
                place,
                value: value.clone(),
            });
            collection(call, &context, rows)
        }
        ([], "POST") => {
            let mut rule = Map::new();
            for name in ["displayName", "sequence", "actions"] {
                let given = call.object()?.get(name).filter(|value| !value.is_null());
                given.ok_or_else(|| invalid(format!("The property '{name}' is required.")))?;
            }
            take(call.object()?, &mut rule)?;
            rule.entry("isEnabled").or_insert(true.into());
            let id = format!("AQAA{}", directory.next_place());
            rule.insert("id".to_owned(), id.as_str().into());
            rule.insert("hasError".to_owned(), false.into());
            rule.insert("isReadOnly".to_owned(), false.into());
            let value = Value::Object(rule);
            directory.change(owner, |user| user.rules.push(value.clone()));
            let address = format!("{}/users/{owner}/mailFolders/inbox/messageRules/{id}", call.root);
            Ok(Answer::created(shown(call, &context, value), address))
        }
        ([id], "GET") => Ok(Answer::ok(shown(call, &context, find(user, id)?.clone()))),
        ([id], "PATCH") => {
            let mut rule = find(user, id)?.as_object().cloned().unwrap_or_default();
            take(call.object()?, &mut rule)?;
            let value = Value::Object(rule);
            directory.change(owner, |user| {
                for known in user.rules.iter_mut().filter(|known| known["id"] == **id) {
                    *known = value.clone();
                }
            });
            Ok(Answer::ok(shown(call, &context, value)))
        }
        ([id], "DELETE") => {
            find(user, id)?;
            directory.change(owner, |user| user.rules.retain(|known| known["id"] != **id));
            Ok(Answer::done())
        }
        ([] | [_], _) => Err(Fail::method()),
        ([_, segment, ..], _) => Err(Fail::segment(segment)),
    }
}

/// Where a message in that inbox goes on to.
pub(crate) fn sent_on(user: &Object) -> Vec<String> {
    let empty = |value: &Value| value.as_object().is_none_or(Map::is_empty);
    let all =
        |rule: &&Value| rule["isEnabled"] == true && empty(&rule["conditions"]) && empty(&rule["exceptions"]);
    let mut addresses = Vec::new();
    for rule in user.rules.iter().filter(all) {
        for action in ["redirectTo", "forwardTo", "forwardAsAttachmentTo"] {
            let to = rule["actions"][action].as_array().into_iter().flatten();
            addresses.extend(
                to.filter_map(|to| to.pointer("/emailAddress/address")?.as_str())
                    .map(str::to_owned),
            );
        }
    }
    addresses
}

fn take(body: &Map<String, Value>, rule: &mut Map<String, Value>) -> Result<(), Fail> {
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        let Some((_, fits)) = FIELDS.iter().find(|(known, _)| known == name) else {
            return Err(invalid(format!("The property '{name}' cannot be set.")));
        };
        if !value.is_null() && !fits(value) {
            return Err(invalid(format!("The value of '{name}' cannot be read.")));
        }
        rule.insert(name.clone(), value.clone());
    }
    let actions = rule.get("actions").and_then(Value::as_object);
    for (name, value) in actions.into_iter().flatten() {
        if !ACTIONS.contains(&name.as_str()) {
            return Err(invalid(format!(
                "The property '{name}' does not exist on messageRuleActions."
            )));
        }
        let to = value.as_array().filter(|_| name.ends_with("To"));
        for recipient in to.into_iter().flatten() {
            let address = recipient.pointer("/emailAddress/address").and_then(Value::as_str);
            if !address.is_some_and(|address| address.contains('@')) {
                return Err(Fail::new(
                    400,
                    "ErrorInvalidRecipients",
                    "At least one recipient is not valid.",
                ));
            }
        }
    }
    Ok(())
}

fn find<'a>(user: &'a Object, id: &str) -> Result<&'a Value, Fail> {
    let found = user.rules.iter().find(|rule| rule["id"] == id);
    found.ok_or_else(|| {
        Fail::new(
            404,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    })
}

fn shown(call: &Call, context: &str, rule: Value) -> Value {
    let mut body = json!({ "@odata.context": call.context(&format!("{context}/$entity")) });
    if let (Some(body), Value::Object(rule)) = (body.as_object_mut(), rule) {
        body.extend(rule);
    }
    body
}

fn invalid(message: impl Into<String>) -> Fail {
    Fail::new(400, "ErrorInvalidArgument", message)
}
