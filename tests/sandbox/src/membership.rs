//! Who is in a group or an administrative unit by its rule ("Manage rules for dynamic membership groups",
//! "Manage users or devices for an administrative unit with dynamic membership rules").

use jiff::Timestamp;

use crate::directory::{Directory, Object};
use crate::membership_rule::Rule;
use crate::schema::Kind;
use crate::seats;

/// Brings the dynamic groups and units up to date for one user, after each write of that user.
pub(crate) fn follow_rules(directory: &mut Directory, user: &str, now: Timestamp) {
    let dynamic: Vec<(String, bool)> = directory
        .all(Kind::Group)
        .chain(directory.all(Kind::AdministrativeUnit))
        .filter(|group| rule_is_on(group))
        .filter_map(|group| {
            let rule = Rule::parse(group.text("membershipRule")?).ok()?;
            let user = directory.get(user).filter(|user| user.kind == Kind::User)?;
            Some((group.id.clone(), rule.holds(user)))
        })
        .collect();
    let mut changed = false;
    for (group, wanted) in dynamic {
        changed |= put(directory, &group, user, wanted);
    }
    if changed {
        seats::inherit(directory, user, now);
    }
}

/// Brings one dynamic group or unit up to date, after its rule was written.
pub(crate) fn apply_rule(directory: &mut Directory, group: &str, now: Timestamp) {
    let Some(found) = directory.get(group).filter(|group| rule_is_on(group)) else {
        return;
    };
    let Some(Ok(rule)) = found.text("membershipRule").map(Rule::parse) else {
        return;
    };
    let licensed = !found.licenses.is_empty();
    let users: Vec<(String, bool)> = directory
        .all(Kind::User)
        .map(|user| (user.id.clone(), rule.holds(user)))
        .collect();
    for (user, wanted) in users {
        if put(directory, group, &user, wanted) && licensed {
            seats::inherit(directory, &user, now);
        }
    }
}

fn rule_is_on(group: &Object) -> bool {
    let dynamic = group.is_dynamic() || group.text("membershipType") == Some("Dynamic");
    dynamic && group.text("membershipRuleProcessingState") == Some("On")
}

fn put(directory: &mut Directory, of: &str, user: &str, wanted: bool) -> bool {
    let unit = directory
        .get(of)
        .is_some_and(|object| object.kind == Kind::AdministrativeUnit);
    let links = if unit {
        &mut directory.units
    } else {
        &mut directory.members
    };
    if wanted {
        links.add(of, user)
    } else {
        links.remove(of, user)
    }
}
