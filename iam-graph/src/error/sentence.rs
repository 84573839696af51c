//! What only a sentence of the service tells: for members, licences and passwords Graph gives no code of its own.

use super::text::{explained, is_property};
use super::{Body, Finding, Meaning};

/// What only a sentence tells.
pub(super) fn by_text(status: u16, body: &Body, operation: &'static str) -> Option<Finding> {
    if !matches!(status, 400 | 403 | 409) {
        return None;
    }
    let text = body.message.as_deref().unwrap_or_default();
    let lower = text.to_lowercase();
    let has = |part: &str| lower.contains(part);
    let any = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if any(&[
        "on-premises mastered",
        "mail-enabled security group",
        "directory sync objects",
    ]) {
        return Some(Finding::new(
            Meaning::MasteredElsewhere,
            explained(
                "the object is mastered on premises or in Exchange, and cannot be changed through Graph",
                text,
            ),
        ));
    }
    if status == 403 {
        return None;
    }
    if is_conflict(body, &lower) {
        let target = conflict_target(body, text);
        let message = format!(
            "another object has the same {}",
            target.unwrap_or("unique property")
        );
        let property = target.map(str::to_owned);
        return Some(Finding {
            property,
            ..Finding::new(Meaning::Conflict, message)
        });
    }
    if has("already exist") {
        let member = operation == "add group member" || has("'members'");
        let meaning = if member {
            Meaning::AlreadyMember
        } else {
            Meaning::AlreadyLinked
        };
        return Some(Finding::new(meaning, "the link or assignment exists already"));
    }
    if status != 400 {
        return None;
    }
    let licence = has("licen") || has("service plan");
    let details = body.details.as_deref().unwrap_or_default();
    let about_password = details
        .iter()
        .any(|detail| detail.target.as_deref() == Some("passwordProfile"));
    let rules = [
        "complexity",
        "comply",
        "banned",
        "too weak",
        "too common",
        "history",
        "too short",
        "too long",
    ];
    Some(if has("usage location") || has("usagelocation") && licence {
        Finding::new(
            Meaning::UsageLocationMissing,
            "the account has no usage location that the licence may be used in: set usage_location (ISO 3166-1 alpha-2) first",
        )
    } else if licence
        && any(&[
            "mutuallyexclusive",
            "mutually exclusive",
            "conflicting service plan",
        ])
    {
        Finding::new(
            Meaning::LicenseClash,
            explained(
                "the licence has a plan that excludes one the account holds: take that one first",
                text,
            ),
        )
    } else if licence
        && any(&[
            "dependencyviolation",
            "depends on the service plan",
            "depends on service plan",
        ])
    {
        Finding::new(
            Meaning::LicenseIncomplete,
            explained(
                "the licence has a plan that needs another one: give that one first",
                text,
            ),
        )
    } else if licence
        && any(&[
            "not have any available",
            "no available",
            "not enough",
            "insufficient",
            "countviolation",
            "exceed",
        ])
    {
        Finding::new(
            Meaning::LicenseExhausted,
            "no seat of the licence is free: buy seats or take some back",
        )
    } else if any(&[
        "was not found on application",
        "does not reference a valid application",
    ]) {
        // What has just been made is often meant: it is not known everywhere yet.
        Finding::new(
            Meaning::NotFound,
            "the application, or its role for such a principal, does not exist or is not known everywhere yet",
        )
    } else if has("does not have a corresponding license") {
        Finding::new(
            Meaning::LicenseNotHeld,
            "the account does not hold the licence directly",
        )
    } else if has("inherited from a group") && licence {
        Finding::new(
            Meaning::LicenseInherited,
            "the licence comes from a group: leave the group instead",
        )
    } else if has("password") && (about_password || any(&rules)) {
        Finding::new(
            Meaning::PasswordRefused,
            "the password breaks the tenant's rules: length, complexity, or the list of banned passwords",
        )
    } else {
        return None;
    })
}

fn is_conflict(body: &Body, lower: &str) -> bool {
    let codes = [
        "ObjectConflict",
        "ConflictingObjects",
        "Request_MultipleObjectsWithSameKeyValue",
    ];
    let known = |code: &Option<String>| code.as_deref().is_some_and(|code| codes.contains(&code));
    known(&body.code)
        || body.details.iter().flatten().any(|detail| known(&detail.code))
        || lower.contains("another object with the same value")
        || lower.contains("a conflicting object with one or more")
}

/// Which property collides: from the details, else from the sentence "for property X".
fn conflict_target<'a>(body: &'a Body, text: &'a str) -> Option<&'a str> {
    let targets = body
        .details
        .iter()
        .flatten()
        .filter_map(|detail| detail.target.as_deref());
    let named = || {
        text.split_once("for property ")
            .and_then(|(_, rest)| rest.split_whitespace().next())
    };
    targets
        .map(|target| target.trim_matches(['\'', '.']))
        .find(|target| is_property(target) && *target != "ConflictingObjects")
        .or_else(|| {
            named()
                .map(|name| name.trim_matches(['\'', '.']))
                .filter(|name| is_property(name))
        })
}
