//! Secrets of applications and service principals ("application: addPassword", "servicePrincipal: addPassword"): made
//! here, shown once, kept as a digest. Whoever has one can sign in.

use aws_lc_rs::digest::SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::errors::Fail;
use crate::schema::Kind;

/// "application: addPassword": the secret is in this reply and nowhere else, not even here.
pub(crate) fn add(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    let empty = Value::Null;
    let wish = call
        .body
        .as_ref()
        .and_then(|body| body.get("passwordCredential"))
        .unwrap_or(&empty);
    let instant = |name: &str| match wish[name].as_str() {
        None => Ok(None),
        Some(text) => text
            .parse::<Timestamp>()
            .map(Some)
            .map_err(|_| Fail::invalid(name, "PasswordCredential")),
    };
    let start = instant("startDateTime")?.unwrap_or(call.now);
    let two_years = SignedDuration::from_hours(2 * 365 * 24);
    let end = match instant("endDateTime")? {
        Some(end) => end,
        None => start
            .checked_add(two_years)
            .map_err(|_| Fail::invalid("startDateTime", "PasswordCredential"))?,
    };
    if end <= start {
        return Err(Fail::invalid("endDateTime", "PasswordCredential"));
    }
    let noise = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    let secret = URL_SAFE_NO_PAD.encode(&noise[..30]);
    let credential = json!({
        "customKeyIdentifier": null, "displayName": wish["displayName"], "endDateTime": graph_time(end),
        "hint": &secret[..3], "keyId": directory.ids.guid(), "secretText": null,
        "startDateTime": graph_time(start),
    });
    let mut answer = credential.clone();
    answer["secretText"] = secret.as_str().into();
    let digest = digest(&secret);
    let key = credential["keyId"].as_str().unwrap_or_default().to_owned();
    directory.change(id, |object| {
        object.secrets.push((key, digest));
        let mut held = object.props.get("passwordCredentials").cloned();
        if let Some(items) = held.get_or_insert_with(|| json!([])).as_array_mut() {
            items.push(credential);
        }
        object.set("passwordCredentials", held.unwrap_or_default());
    });
    if let Some(map) = answer.as_object_mut() {
        let context = call.context("microsoft.graph.passwordCredential");
        map.shift_insert(0, "@odata.context".to_owned(), context.into());
    }
    Ok(Answer::ok(answer))
}

/// "application: removePassword".
pub(crate) fn remove(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    let key = call.object()?.get("keyId").and_then(Value::as_str);
    let key = key.ok_or_else(|| Fail::invalid("keyId", "PasswordCredential"))?;
    let held = directory
        .get(id)
        .and_then(|object| object.props.get("passwordCredentials"));
    let held: Vec<Value> = held.and_then(Value::as_array).cloned().unwrap_or_default();
    let left: Vec<Value> = held
        .iter()
        .filter(|credential| credential["keyId"] != key)
        .cloned()
        .collect();
    if left.len() == held.len() {
        return Err(Fail::bad(format!(
            "No password credential found with keyId '{key}'."
        )));
    }
    directory.change(id, |object| {
        object.secrets.retain(|(held, _)| held != key);
        object.set("passwordCredentials", left.into());
    });
    Ok(Answer::done())
}

fn digest(secret: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&SHA256, secret.as_bytes())
        .as_ref()
        .to_vec()
}

/// Until when a secret of an application is good; `None` where it has no such secret.
pub(crate) fn good_until(directory: &Directory, app: &str, secret: &str) -> Option<Timestamp> {
    let asked = digest(secret);
    let objects = [Kind::Application, Kind::ServicePrincipal]
        .into_iter()
        .flat_map(|kind| directory.all(kind))
        .filter(|object| object.text("appId") == Some(app));
    for object in objects {
        let Some((key, _)) = object.secrets.iter().find(|(_, held)| *held == asked) else {
            continue;
        };
        let credentials = object.props.get("passwordCredentials").and_then(Value::as_array);
        let mut credentials = credentials.into_iter().flatten();
        let found = credentials.find(|credential| credential["keyId"] == key.as_str())?;
        return found["endDateTime"].as_str()?.parse().ok();
    }
    None
}
