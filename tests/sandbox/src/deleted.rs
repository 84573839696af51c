//! `/directory/deletedItems` ("List deletedItems", "Restore deleted item", "Permanently delete item").
//!
//! Users, Microsoft 365 groups, administrative units, applications and service principals are soft-deleted for
//! 30 days; security groups are gone at once. While a user is deleted it is in no group, holds no licence and no role; a restore gives all of
//! that back ("Delete a user": the user is fully restored to any groups they were a member of). A deleted user's name is free for
//! others: it carries the object id in front until it is restored.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::call::{Answer, Call, Outcome};
use crate::clock::graph_time;
use crate::directory::{Directory, Object, Shelf};
use crate::errors::Fail;
use crate::schema::Kind;
use crate::{app_roles, directory_query, membership, relations, roles, seats, service_principals, units};

/// Answers below `/directory/deletedItems`.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Outcome {
    purge_old(directory, call.now);
    match (rest, call.method.as_str()) {
        // "OData cast type is a required part of the URI."
        ([] | ["$count" | "$ref"], "GET") => Err(Fail::unsupported(
            "The type of the deleted items is a required part of the address, for example /directory/deletedItems/\
             microsoft.graph.user.",
        )),
        (rest @ [_, ..], "GET") => {
            relations::answer(directory, call, directory.deleted.values().collect(), rest)
        }
        ([key], "DELETE") => {
            let place = find(directory, key)?.place;
            if let Some(gone) = directory.deleted.remove(&place) {
                directory.journal.purge(&gone);
            }
            Ok(Answer::done())
        }
        ([key, "restore" | "microsoft.graph.restore"], "POST") => restore(directory, call, key),
        ([] | [_] | [_, "restore"], _) => Err(Fail::method()),
        ([_, segment, ..], _) => Err(Fail::segment(segment)),
    }
}

fn find<'a>(directory: &'a Directory, id: &str) -> Result<&'a Object, Fail> {
    directory.gone(id).ok_or_else(|| Fail::not_found(id))
}

/// Takes an object out of the live ones, with every link and assignment.
pub(crate) fn delete(directory: &mut Directory, id: &str, now: Timestamp) {
    let (groups, members) = directory.members.forget(id);
    let (owned, owners) = directory.owners.forget(id);
    let (managers, reports) = directory.reports.forget(id);
    let (sponsored, sponsors) = directory.sponsors.forget(id);
    let app_roles = app_roles::forget(directory, id);
    let (units, in_unit) = directory.units.forget(id);
    let mut held = roles::forget(directory, id);
    // What PIM has given for a time comes back by its schedule, if that time is not over then.
    held.retain(|(role, scope)| !directory.schedules.covers(id, role, scope));
    directory.schedules.suspend(id);
    let scope = format!("{}{id}", units::SCOPE);
    directory.assignments.retain(|_, held| held.scope != scope);
    for member in &members {
        seats::inherit(directory, member, now);
    }
    for sku in &mut directory.skus {
        sku.holders.remove(id);
    }
    let Some(mut object) = directory.take_live(id) else {
        return;
    };
    let soft = object.kind != Kind::Group || object.has_text("groupTypes", "Unified");
    if !soft {
        return;
    }
    object.inherited.clear();
    object.shelf = Shelf {
        groups,
        members: if object.kind == Kind::AdministrativeUnit {
            in_unit
        } else {
            members
        },
        units,
        owned,
        owners,
        sponsored,
        sponsors,
        manager: managers.into_iter().next(),
        reports,
        roles: held,
        app_roles,
    };
    object.set("deletedDateTime", graph_time(now).into());
    if let Some(name) = object.text("userPrincipalName").map(str::to_owned) {
        object.set(
            "userPrincipalName",
            format!("{}{name}", id.replace('-', "")).into(),
        );
    }
    directory.deleted.insert(object.place, object);
}

fn restore(directory: &mut Directory, call: &Call, key: &str) -> Outcome {
    let object = find(directory, key)?;
    let body = call.body.as_ref();
    let new_name = body
        .and_then(|body| body.get("newUserPrincipalName"))
        .and_then(Value::as_str);
    let reconcile = body
        .and_then(|body| body.get("autoReconcileProxyConflict"))
        .and_then(Value::as_bool);
    let own = object
        .text("userPrincipalName")
        .map(|name| name.trim_start_matches(&object.id.replace('-', "")).to_owned());
    let name = new_name.map(str::to_owned).or(own);
    service_principals::free(directory, object)?;
    if let Some(holder) = name.as_deref().and_then(|name| directory.name_holder(name)) {
        return Err(Fail::conflict("userPrincipalName", holder));
    }
    let taken = object.addresses().into_iter().filter_map(|address| {
        directory
            .address_holder(&address)
            .map(|holder| (address.clone(), holder.clone()))
    });
    let taken: Vec<(String, String)> = taken.collect();
    if let Some((_, holder)) = taken.first().filter(|_| reconcile != Some(true)) {
        return Err(Fail::conflict("proxyAddresses", holder));
    }
    let (id, place) = (object.id.clone(), object.place);
    let Some(mut object) = directory.deleted.remove(&place) else {
        return Err(Fail::not_found(key));
    };
    object.set("deletedDateTime", Value::Null);
    if let Some(name) = name {
        object.set("userPrincipalName", name.into());
    }
    for (address, _) in &taken {
        drop_address(&mut object, address);
    }
    let shelf = std::mem::take(&mut object.shelf);
    // A licence comes back only where a seat is free.
    object.licenses.retain(|sku, _| {
        directory
            .skus
            .iter()
            .any(|known| known.id == *sku && known.holders.len() < known.seats)
    });
    directory.put_live(object);
    relink(directory, &id, shelf);
    seats::inherit(directory, &id, call.now);
    let members: Vec<String> = directory.members.targets(&id).cloned().collect();
    for member in members {
        seats::inherit(directory, &member, call.now);
    }
    membership::follow_rules(directory, &id, call.now);
    membership::apply_rule(directory, &id, call.now);
    let object = directory.get(&id).ok_or_else(|| Fail::not_found(&id))?;
    directory_query::typed_entity(directory, call, object)
}

fn relink(directory: &mut Directory, id: &str, shelf: Shelf) {
    let there = |directory: &Directory, other: &str| directory.get(other).is_some();
    for group in shelf.groups {
        // The rule decides about dynamic groups.
        if directory.get(&group).is_some_and(|group| !group.is_dynamic()) {
            directory.members.add(&group, id);
        }
    }
    let unit = directory
        .get(id)
        .is_some_and(|object| object.kind == Kind::AdministrativeUnit);
    for member in shelf.members {
        if there(directory, &member) {
            let links = if unit {
                &mut directory.units
            } else {
                &mut directory.members
            };
            links.add(id, &member);
        }
    }
    for unit in shelf.units {
        if there(directory, &unit) {
            directory.units.add(&unit, id);
        }
    }
    for owner in shelf.owners {
        if there(directory, &owner) {
            directory.owners.add(id, &owner);
        }
    }
    for group in shelf.owned {
        if there(directory, &group) {
            directory.owners.add(&group, id);
        }
    }
    for sponsor in shelf.sponsors {
        if there(directory, &sponsor) {
            directory.sponsors.add(id, &sponsor);
        }
    }
    for guest in shelf.sponsored {
        if there(directory, &guest) {
            directory.sponsors.add(&guest, id);
        }
    }
    if let Some(manager) = shelf.manager.filter(|manager| there(directory, manager)) {
        directory.reports.add(&manager, id);
    }
    for report in shelf.reports {
        if there(directory, &report) && directory.manager(&report).is_none() {
            directory.reports.add(id, &report);
        }
    }
    for (role, scope) in shelf.roles {
        roles::assign(directory, id, &role, &scope);
    }
    app_roles::give_back(directory, shelf.app_roles);
}

fn drop_address(object: &mut Object, address: &str) {
    if object
        .text("mail")
        .is_some_and(|mail| mail.eq_ignore_ascii_case(address))
    {
        object.set("mail", Value::Null);
    }
    if let Some(Value::Array(proxies)) = object.props.get_mut("proxyAddresses") {
        proxies.retain(|proxy| {
            proxy
                .as_str()
                .and_then(|text| text.split_once(':'))
                .is_none_or(|(_, held)| !held.eq_ignore_ascii_case(address))
        });
    }
}

/// After 30 days a deleted object is gone for good.
pub(crate) fn purge_old(directory: &mut Directory, now: Timestamp) {
    let month = SignedDuration::from_hours(30 * 24);
    let Directory { deleted, journal, .. } = directory;
    deleted.retain(|_, object| {
        let deleted = object
            .text("deletedDateTime")
            .and_then(|at| at.parse::<Timestamp>().ok());
        let stays = deleted.is_none_or(|at| now.duration_since(at) < month);
        if !stays {
            journal.purge(object);
        }
        stays
    });
}
