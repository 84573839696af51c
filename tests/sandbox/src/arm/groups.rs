//! Resource groups ("Resource Groups", REST API of Azure Resource Manager). A deletion runs on after its answer:
//! 202, a `Location` to poll, and the group is there with `Deleting` until a poll says 200.

use serde_json::{Value, json};
use uuid::Uuid;

use super::page::{equals, page, terms, unsupported};
use super::{Account, ArmAnswer, ArmCall, ArmFail, ArmOutcome};

/// Polls that a deletion answers with 202.
const POLLS: u32 = 1;

/// A resource group.
#[derive(Debug, Clone)]
pub(crate) struct ResourceGroup {
    /// `/subscriptions/…/resourceGroups/…`.
    pub(super) id: String,
    name: String,
    location: String,
    tags: Value,
    place: u64,
    deleting: bool,
}

impl ResourceGroup {
    pub(super) fn view(&self) -> Value {
        let state = if self.deleting { "Deleting" } else { "Succeeded" };
        json!({
            "id": self.id, "name": self.name, "type": "Microsoft.Resources/resourceGroups",
            "location": self.location, "tags": self.tags, "properties": { "provisioningState": state },
        })
    }
}

impl Account {
    /// The group of that name (in lower case); `shown` is the name as it was sent.
    pub(super) fn group(&self, key: &str, shown: &str) -> Result<&ResourceGroup, ArmFail> {
        self.groups.get(key).ok_or_else(|| {
            ArmFail::new(
                404,
                "ResourceGroupNotFound",
                format!("Resource group '{shown}' could not be found."),
            )
        })
    }

    /// Makes a group or changes its tags.
    pub(super) fn put_group(&mut self, name: &str, location: &str, tags: Value) {
        let key = name.to_lowercase();
        if let Some(group) = self.groups.get_mut(&key) {
            group.tags = tags;
            return;
        }
        let group = ResourceGroup {
            id: format!("/subscriptions/{}/resourceGroups/{name}", self.subscription),
            name: name.to_owned(),
            location: location.to_owned(),
            tags,
            place: self.next_place(),
            deleting: false,
        };
        self.groups.insert(key, group);
    }
}

/// Answers below `/subscriptions/{id}/resourcegroups`.
pub(super) fn route(account: &mut Account, call: &ArmCall, rest: &[&str]) -> ArmOutcome {
    let shown = call.parts.get(3).map_or("", |part| part.text.as_str());
    match (rest, call.method.as_str()) {
        ([], "GET") => list(account, call),
        ([key], "GET") => Ok(ArmAnswer::with(200, account.group(key, shown)?.view())),
        ([key], "HEAD") => {
            let there = account.groups.contains_key(*key);
            Ok(ArmAnswer::empty(if there { 204 } else { 404 }))
        }
        ([key], "PUT") => put(account, call, key, shown),
        ([key], "PATCH") => {
            account.group(key, shown)?;
            let tags = tags(call.object()?)?;
            if let (Some(group), Some(tags)) = (account.groups.get_mut(*key), tags) {
                group.tags = tags;
            }
            Ok(ArmAnswer::with(200, account.group(key, shown)?.view()))
        }
        ([key], "DELETE") => delete(account, call, key, shown),
        ([key, "resources"], "GET") => {
            account.group(key, shown)?;
            page(call, std::iter::empty())
        }
        ([] | [_], method) => Err(ArmFail::method(method)),
        _ => Err(ArmFail::nowhere(&call.path())),
    }
}

fn list(account: &Account, call: &ArmCall) -> ArmOutcome {
    let (mut name, mut tagged) = (None, None);
    let filter = call.option("$filter").unwrap_or_default();
    for term in terms(filter) {
        if let Some(value) = equals(term, "tagName") {
            name = Some(value);
        } else if let Some(value) = equals(term, "tagValue") {
            tagged = Some(value);
        } else {
            return Err(unsupported(
                filter,
                "tagName eq '{value}' and tagValue eq '{value}'",
            ));
        }
    }
    let mut groups: Vec<&ResourceGroup> = account.groups.values().collect();
    groups.sort_by_key(|group| group.place);
    let wanted = |group: &&&ResourceGroup| {
        let Some(name) = name else { return true };
        let held = group.tags.as_object().and_then(|tags| {
            let mut tags = tags.iter();
            tags.find(|(known, _)| known.eq_ignore_ascii_case(name))
        });
        held.is_some_and(|(_, value)| tagged.is_none_or(|tagged| value == tagged))
    };
    let rows = groups.iter().filter(wanted);
    page(call, rows.map(|group| (group.place, group.view())))
}

/// The tags in a body: an object of texts.
fn tags(body: &Value) -> Result<Option<Value>, ArmFail> {
    match body.get("tags") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(tags)) if tags.len() <= 50 && tags.values().all(Value::is_string) => {
            Ok(Some(Value::Object(tags.clone())))
        }
        Some(_) => Err(ArmFail::content(
            "The tags must be at most 50 pairs of a name and a text.",
        )),
    }
}

fn put(account: &mut Account, call: &ArmCall, key: &str, shown: &str) -> ArmOutcome {
    let legal = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '(' | ')');
    if shown.chars().count() > 90 || shown.ends_with('.') || !shown.chars().all(legal) {
        return Err(ArmFail::new(
            400,
            "InvalidResourceGroup",
            format!("The provided resource group name '{shown}' has invalid characters or length."),
        ));
    }
    let body = call.object()?;
    let location = body.get("location").and_then(Value::as_str).unwrap_or_default();
    let location = location.to_lowercase().replace(' ', "");
    if location.is_empty() {
        return Err(ArmFail::new(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        ));
    }
    let tags = tags(body)?.unwrap_or_else(|| json!({}));
    let known = account.groups.get(key);
    if known.is_some_and(|group| group.deleting) {
        return Err(being_deleted(shown));
    }
    if let Some(group) = known.filter(|group| group.location != location) {
        return Err(ArmFail::new(
            409,
            "InvalidResourceGroupLocation",
            format!(
                "Invalid resource group location '{location}'. The Resource group already exists in location '{}'.",
                group.location
            ),
        ));
    }
    let status = if known.is_some() { 200 } else { 201 };
    account.put_group(shown, &location, tags);
    Ok(ArmAnswer::with(status, account.group(key, shown)?.view()))
}

fn being_deleted(shown: &str) -> ArmFail {
    ArmFail::new(
        409,
        "ResourceGroupBeingDeleted",
        format!("The resource group '{shown}' is in deprovisioning state and cannot perform this operation."),
    )
}

fn delete(account: &mut Account, call: &ArmCall, key: &str, shown: &str) -> ArmOutcome {
    if account.group(key, shown)?.deleting {
        return Err(being_deleted(shown));
    }
    if let Some(group) = account.groups.get_mut(key) {
        group.deleting = true;
    }
    let token = Uuid::new_v4().simple().to_string();
    account.deletions.insert(token.clone(), (key.to_owned(), POLLS));
    Ok(ArmAnswer {
        location: Some(monitor(account, call, &token)),
        ..ArmAnswer::empty(202)
    })
}

fn monitor(account: &Account, call: &ArmCall, token: &str) -> String {
    let version = call.option("api-version").unwrap_or_default();
    let subscription = &account.subscription;
    format!(
        "{}/subscriptions/{subscription}/operationresults/{token}?api-version={version}",
        call.root
    )
}

/// Answers a poll of a deletion: 202 while it runs, 200 from the poll on that sees it done.
pub(super) fn poll(account: &mut Account, call: &ArmCall, token: &str) -> ArmOutcome {
    let place = monitor(account, call, token);
    let Some((key, left)) = account.deletions.get_mut(token) else {
        return Err(ArmFail::new(
            404,
            "OperationNotFound",
            "The operation could not be found.",
        ));
    };
    if *left > 0 {
        *left -= 1;
        return Ok(ArmAnswer {
            location: Some(place),
            ..ArmAnswer::empty(202)
        });
    }
    let key = std::mem::take(key);
    if let Some(group) = account.groups.remove(&key) {
        // What was assigned inside goes with it.
        account
            .assignments
            .retain(|_, held| !super::scope::within(held.scope(), &group.id));
    }
    Ok(ArmAnswer::empty(200))
}
