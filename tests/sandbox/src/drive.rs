//! OneDrive: a user's drive, its root, and who may see it ("Get drive", "Send a sharing invitation", "List who has
//! access to a file", "Delete a sharing permission from a file or folder").
//!
//! A drive is there while the user holds a licence with SharePoint; without one the answer is 404, as where "my site" was
//! never made. What is in it is not modelled: the root is the only item. Its permissions outlive the licence.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Holding, Object};
use crate::errors::Fail;
use crate::odata::{ValueRow, collection};
use crate::schema::Kind;

const GIB: u64 = 1 << 30;
/// "Maximum length 2000 characters."
const LONGEST_MESSAGE: usize = 2_000;

/// The permissions of one drive's root beside the owner's, in the order of their making.
pub(crate) type Drives = BTreeMap<String, BTreeMap<u64, Permission>>;

/// Somebody who may see a root.
#[derive(Debug, Clone)]
pub(crate) struct Permission {
    id: String,
    /// Object id of the user.
    user: String,
    role: String,
    expires: Option<String>,
}

/// Who else may see everything in a user's drive, by object id.
pub(crate) fn let_in(directory: &Directory, user: &str) -> Vec<String> {
    let permissions = directory.drives.get(user).into_iter().flat_map(BTreeMap::values);
    permissions.map(|permission| permission.user.clone()).collect()
}

fn not_found() -> Fail {
    Fail::new(404, "itemNotFound", "The resource could not be found.")
}

fn invalid(message: impl Into<String>) -> Fail {
    Fail::new(400, "invalidRequest", message)
}

/// The drive's id depends on its owner alone.
fn drive_id(user: &str) -> String {
    format!("b!{}", URL_SAFE_NO_PAD.encode(user))
}

fn root_id(user: &str) -> String {
    format!("01{}", user.replace('-', "").to_uppercase())
}

fn owner_of(drive: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(drive.strip_prefix("b!")?).ok()?;
    String::from_utf8(bytes).ok()
}

fn has_drive(directory: &Directory, user: &Object) -> bool {
    let works = |sku: &str, held: &Holding| {
        held.error == "None"
            && directory
                .skus
                .iter()
                .filter(|known| known.id == sku)
                .any(|known| {
                    let mut plans = known.plans.iter();
                    plans.any(|(id, name)| {
                        name.starts_with("SHAREPOINT") && !held.disabled_plans.iter().any(|plan| plan == id)
                    })
                })
    };
    let direct = user.licenses.iter().any(|(sku, held)| works(sku, held));
    direct || user.inherited.iter().any(|((_, sku), held)| works(sku, held))
}

/// Answers below `/users/{id}/drive`: the user is known.
pub(crate) fn of_user(directory: &mut Directory, call: &Call, user: &str, rest: &[&str]) -> Outcome {
    let known = directory
        .get(user)
        .is_some_and(|found| has_drive(directory, found));
    if !known {
        return Err(Fail::new(404, "ResourceNotFound", "User's mysite not found."));
    }
    below(directory, call, user, rest)
}

/// Answers `/users/{id}/drives`.
pub(crate) fn list_of_user(directory: &Directory, call: &Call, user: &str) -> Outcome {
    let found = directory.get(user).filter(|found| has_drive(directory, found));
    let rows = found.map(|found| ValueRow {
        place: 1,
        value: drive(directory, found, call),
    });
    collection(call, "drives", rows.into_iter())
}

/// Answers below `/drives`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    let [id, rest @ ..] = rest else {
        return Err(Fail::method());
    };
    let owner = owner_of(id).filter(|owner| {
        let user = directory.get(owner).filter(|user| user.kind == Kind::User);
        user.is_some_and(|user| has_drive(directory, user))
    });
    let owner = owner.ok_or_else(not_found)?;
    below(directory, call, &owner, rest)
}

fn below(directory: &mut Directory, call: &Call, owner: &str, rest: &[&str]) -> Outcome {
    let user = directory.get(owner).ok_or_else(not_found)?;
    let get = call.method == "GET";
    match rest {
        [] if get => Ok(Answer::ok(with_context(
            call,
            "drives/$entity",
            drive(directory, user, call),
        ))),
        ["root", rest @ ..] => item(directory, call, owner, rest),
        ["items", id, rest @ ..] if *id == root_id(owner) || *id == "root" => {
            item(directory, call, owner, rest)
        }
        ["items", ..] => Err(not_found()),
        [] => Err(Fail::method()),
        [segment, ..] => Err(Fail::segment(segment)),
    }
}

fn item(directory: &mut Directory, call: &Call, owner: &str, rest: &[&str]) -> Outcome {
    let user = directory.get(owner).ok_or_else(not_found)?;
    match (rest, call.method.as_str()) {
        ([], "GET") => Ok(Answer::ok(with_context(call, "driveItem", root(user, call)))),
        (["children"], "GET") => collection(call, "driveItem", std::iter::empty::<ValueRow>()),
        (["invite" | "microsoft.graph.invite"], "POST") => invite(directory, call, owner),
        (["permissions"], "GET") => {
            let all = permissions(directory, owner, call);
            let rows = all.into_iter().map(|(place, value)| ValueRow { place, value });
            collection(call, "permissions", rows)
        }
        (["permissions", id], "GET") => {
            let all = permissions(directory, owner, call);
            let found = all.into_iter().find(|(_, value)| value["id"] == **id);
            let (_, value) = found.ok_or_else(not_found)?;
            Ok(Answer::ok(with_context(call, "permissions/$entity", value)))
        }
        (["permissions", id], "PATCH") => change(directory, call, owner, id),
        (["permissions", id], "DELETE") => {
            if *id == owner_permission(owner) {
                return Err(Fail::new(
                    403,
                    "accessDenied",
                    "The owner's permission cannot be removed.",
                ));
            }
            let entries = directory.drives.entry(owner.to_owned()).or_default();
            let place = entries
                .iter()
                .find(|(_, entry)| entry.id == **id)
                .map(|(place, _)| *place);
            entries.remove(&place.ok_or_else(not_found)?);
            Ok(Answer::done())
        }
        ([] | ["children" | "invite" | "permissions", ..], _) => Err(Fail::method()),
        ([segment, ..], _) => Err(Fail::segment(segment)),
    }
}

fn with_context(call: &Call, fragment: &str, value: Value) -> Value {
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), call.context(fragment).into());
    if let Value::Object(value) = value {
        body.extend(value);
    }
    Value::Object(body)
}

fn site(user: &Object, call: &Call) -> String {
    let name = user
        .text("userPrincipalName")
        .unwrap_or_default()
        .replace(['@', '.'], "_");
    format!("{}/personal/{name}/Documents", call.root)
}

fn identity(user: &Object) -> Value {
    json!({ "user": {
        "id": user.id, "displayName": user.text("displayName"), "email": user.text("mail"),
    } })
}

fn drive(directory: &Directory, user: &Object, call: &Call) -> Value {
    let created = directory
        .get(&user.id)
        .and_then(|user| user.text("createdDateTime"));
    json!({
        "id": drive_id(&user.id),
        "driveType": "business",
        "name": "OneDrive",
        "description": "",
        "createdDateTime": created,
        "lastModifiedDateTime": created,
        "webUrl": site(user, call),
        "owner": identity(user),
        "quota": { "deleted": 0, "remaining": 1024 * GIB, "state": "normal", "total": 1024 * GIB, "used": 0 },
    })
}

fn root(user: &Object, call: &Call) -> Value {
    json!({
        "id": root_id(&user.id),
        "name": "root",
        "createdDateTime": user.text("createdDateTime"),
        "lastModifiedDateTime": user.text("createdDateTime"),
        "webUrl": site(user, call),
        "size": 0,
        "folder": { "childCount": 0 },
        "root": {},
        "parentReference": { "driveType": "business", "driveId": drive_id(&user.id) },
    })
}

fn owner_permission(owner: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("owner:{owner}"))
}

/// The owner's permission, then everybody else's.
fn permissions(directory: &Directory, owner: &str, call: &Call) -> Vec<(u64, Value)> {
    let mut out = Vec::new();
    if let Some(user) = directory.get(owner) {
        let own = json!({
            "id": owner_permission(owner), "roles": ["owner"], "grantedToV2": identity(user),
            "grantedTo": identity(user),
        });
        out.push((1, own));
    }
    let now = graph_time(call.now);
    for (place, entry) in directory.drives.get(owner).into_iter().flatten() {
        // Whoever is gone, and whatever has run out, may see nothing.
        let over = entry.expires.as_ref().is_some_and(|until| *until <= now);
        if let Some(user) = directory.get(&entry.user).filter(|_| !over) {
            out.push((*place, shown(entry, user, None)));
        }
    }
    out
}

fn shown(entry: &Permission, user: &Object, invitation: Option<Value>) -> Value {
    let mut out = json!({
        "id": entry.id,
        "roles": [entry.role],
        "grantedTo": identity(user),
        "grantedToV2": identity(user),
    });
    if let Some(until) = &entry.expires {
        out["expirationDateTime"] = until.as_str().into();
    }
    if let Some(invitation) = invitation {
        out["invitation"] = invitation;
    }
    out
}

fn role(value: Option<&Value>) -> Result<String, Fail> {
    let roles = value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    match roles {
        [one] if matches!(one.as_str(), Some("read" | "write" | "owner")) => {
            Ok(one.as_str().unwrap_or_default().to_owned())
        }
        [] => Err(invalid("The parameter 'roles' is required.")),
        _ => Err(invalid("'roles' must hold one of read, write, owner.")),
    }
}

fn instant(value: Option<&Value>) -> Result<Option<String>, Fail> {
    let Some(text) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let at = text
        .as_str()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let at = at.ok_or_else(|| invalid("'expirationDateTime' is no instant."))?;
    Ok(Some(graph_time(at)))
}

fn invite(directory: &mut Directory, call: &Call, owner: &str) -> Outcome {
    let body = call.object()?;
    let flag = |name: &str| body.get(name).and_then(Value::as_bool);
    let recipients = body.get("recipients").and_then(Value::as_array);
    let recipients = recipients
        .filter(|all| !all.is_empty())
        .ok_or_else(|| invalid("'recipients' is required."))?;
    let role = role(body.get("roles"))?;
    let expires = instant(body.get("expirationDateTime"))?;
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
    if message.chars().count() > LONGEST_MESSAGE {
        return Err(invalid("'message' is longer than 2000 characters."));
    }
    let send = flag("sendInvitation").unwrap_or(false);
    let sign_in = flag("requireSignIn").unwrap_or(true);
    if !send && !sign_in {
        return Err(invalid(
            "At least one of requireSignIn and sendInvitation must be true.",
        ));
    }
    let mut users = Vec::new();
    for recipient in recipients {
        users.push(invited(directory, recipient)?);
    }
    let mut value = Vec::new();
    for (user, address) in users {
        let place = directory.next_place();
        let id = URL_SAFE_NO_PAD.encode(format!("i:0#.f|membership|{user}"));
        let entries = directory.drives.entry(owner.to_owned()).or_default();
        // Whoever had a permission has this one now.
        entries.retain(|_, entry| entry.user != user);
        let entry = Permission {
            id,
            user: user.clone(),
            role: role.clone(),
            expires: expires.clone(),
        };
        entries.insert(place, entry.clone());
        if send {
            mail(directory, owner, &address, message, call);
        }
        if let Some(found) = directory.get(&user) {
            let invitation = json!({ "email": address, "signInRequired": sign_in });
            value.push(shown(&entry, found, Some(invitation)));
        }
    }
    Ok(Answer::ok(json!({
        "@odata.context": call.context("Collection(permission)"), "value": value,
    })))
}

/// Id and address of a recipient, who is named by mail address, alias or object id.
fn invited(directory: &Directory, recipient: &Value) -> Result<(String, String), Fail> {
    let text = |name: &str| recipient.get(name).and_then(Value::as_str);
    let key = text("email").or(text("alias")).or(text("objectId"));
    let key = key.ok_or_else(|| invalid("A recipient needs an email, an alias or an objectId."))?;
    let by_address = directory.address_holder(key).and_then(|id| directory.get(id));
    let found = directory
        .user(key)
        .or(by_address)
        .filter(|object| object.kind == Kind::User);
    let found = found.ok_or_else(|| invalid(format!("The recipient '{key}' cannot be resolved.")))?;
    let address = found
        .text("mail")
        .or(found.text("userPrincipalName"))
        .unwrap_or_default();
    Ok((found.id.clone(), address.to_owned()))
}

fn mail(directory: &mut Directory, owner: &str, to: &str, message: &str, call: &Call) {
    let name = directory
        .get(owner)
        .and_then(|user| user.text("displayName"))
        .unwrap_or_default()
        .to_owned();
    let kept = json!({
        "from": "no-reply@sharepointonline.com", "to": [to], "cc": [], "bcc": [], "at": graph_time(call.now),
        "subject": format!("{name} shared a folder with you"),
        "body": { "contentType": "Text", "content": message }, "saveToSentItems": false,
    });
    directory.sent.push(kept);
}

fn change(directory: &mut Directory, call: &Call, owner: &str, id: &str) -> Outcome {
    let body = call.object()?;
    let role = role(body.get("roles"))?;
    let entries = directory.drives.entry(owner.to_owned()).or_default();
    let entry = entries
        .values_mut()
        .find(|entry| entry.id == id)
        .ok_or_else(not_found)?;
    entry.role = role;
    let entry = entry.clone();
    let user = directory.get(&entry.user).ok_or_else(not_found)?;
    Ok(Answer::ok(with_context(
        call,
        "permissions/$entity",
        shown(&entry, user, None),
    )))
}
