//! Who takes a seat of which licence, directly or through groups
//! ("Identify and resolve license assignment problems for a group").

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::json;

use crate::directory::{Directory, Holding, Object};
use crate::schema::Kind;

/// Brings what a user inherits from groups up to date, and the seats taken. Nested groups hand on nothing, and
/// without a free seat the assignment is there with `CountViolation`. A missing usage location is no
/// obstacle here: the tenant's is taken.
pub(crate) fn inherit(directory: &mut Directory, id: &str, now: Timestamp) {
    let Some(user) = directory.get(id).filter(|object| object.kind == Kind::User) else {
        return;
    };
    let mut wanted: Vec<(String, String, Vec<String>)> = Vec::new();
    for group in directory.objects_of(directory.members.sources(id)) {
        for (sku, held) in &group.licenses {
            wanted.push((group.id.clone(), sku.clone(), held.disabled_plans.clone()));
        }
    }
    let mut inherited = user.inherited.clone();
    inherited.retain(|(group, sku), _| wanted.iter().any(|(from, id, _)| from == group && id == sku));
    let mut holding: HashSet<String> = user.licenses.keys().cloned().collect();
    holding.extend(
        inherited
            .iter()
            .filter(|(_, held)| held.error == "None")
            .map(|((_, sku), _)| sku.clone()),
    );
    for (group, sku, disabled_plans) in wanted {
        let key = (group, sku.clone());
        if inherited.get(&key).is_some_and(|held| held.error == "None") {
            continue;
        }
        let seat = holding.contains(&sku)
            || directory.skus.iter().any(|known| {
                known.id == sku && (known.holders.contains(id) || known.holders.len() < known.seats)
            });
        if seat {
            holding.insert(sku);
        }
        let error = if seat { "None" } else { "CountViolation" };
        inherited.insert(
            key,
            Holding {
                disabled_plans,
                since: now,
                error,
            },
        );
    }
    let mut mailbox = false;
    for sku in &mut directory.skus {
        if holding.contains(&sku.id) {
            sku.holders.insert(id.to_owned());
            mailbox |= sku.has_mailbox();
        } else {
            sku.holders.remove(id);
        }
    }
    directory.change(id, |user| {
        user.inherited = inherited;
        if mailbox {
            open_mailbox(user);
        }
    });
}

/// A user with an Exchange plan gets a mailbox, and with it a mail address.
fn open_mailbox(user: &mut Object) {
    if user.text("mail").is_some() {
        return;
    }
    if let Some(name) = user.text("userPrincipalName").map(str::to_owned) {
        user.set("proxyAddresses", json!([format!("SMTP:{name}")]));
        user.set("mail", name.into());
    }
}
