//! The limits of `[guard]`: by sort of change, by organisation, by tier of power.

use std::collections::BTreeMap;

use super::source::{Position, Section, Source};
use crate::entitlement::{Cap, Counted, Kind, Limits, Organisation, PerOrganisation, Reference, Tier};

/// Reads the tables inside `[guard]`; tells where each role of a tier is named.
pub(super) fn read(
    guard: &Section<'_, '_>,
    limits: &mut Limits,
    source: &mut Source<'_>,
) -> Vec<(Reference, Position)> {
    let words = Counted::ALL.map(Counted::as_str);
    if let Some(section) = guard.child("limits", "[guard.limits]", &words, &[], source) {
        limits.changes = changes(&section, source);
    }
    let known = ["field", "max_leavers", "max_leavers_percent", "limits"];
    let name = "[guard.per_organisation]";
    if let Some(section) = guard.child("per_organisation", name, &known, &[], source) {
        let leavers = Cap {
            most: section.number("max_leavers", u32::MAX, source),
            percent: section.number("max_leavers_percent", 100, source),
        };
        let name = "[guard.per_organisation.limits]";
        let inner = section.child("limits", name, &words, &[], source);
        let changes = inner.map(|inner| changes(&inner, source)).unwrap_or_default();
        if let Some(field) = section.required("field", source) {
            let found = Organisation::ALL
                .into_iter()
                .find(|organisation| organisation.as_str() == field.value);
            if found.is_none() {
                let expected = "\"department\", \"company\", \"location\" or \"cost_center\"";
                section.refuse("field", field.span.start, expected, source);
            }
            limits.per_organisation = found.map(|field| PerOrganisation {
                field,
                leavers,
                changes,
            });
        }
    }
    let mut mentions = Vec::new();
    let known = ["name", "roles", "max_changes"];
    for section in guard.children("tier", "[[guard.tier]]", &known, &[], source) {
        let name = section.required("name", source);
        let roles = section.texts("roles", source);
        if roles.is_empty() {
            section.refuse(
                "roles",
                section.at,
                "at least one role, by name or \"id:<id>\"",
                source,
            );
        }
        if !section.has("max_changes") {
            source.refuse(section.at, "\"max_changes\" is missing in [[guard.tier]]");
        }
        let max_changes = section.number("max_changes", u32::MAX, source);
        for role in &roles {
            let reference = Reference::new(Kind::Role, role.value.trim());
            mentions.push((reference, source.position(role.span.start)));
        }
        let roles = roles.iter().map(|role| {
            let text = role.value.trim().to_lowercase();
            text.strip_prefix("id:")
                .map_or(text.clone(), |id| id.trim().to_owned())
        });
        if let (Some(name), Some(max_changes)) = (name, max_changes) {
            limits.tiers.push(Tier {
                name: name.value.to_owned(),
                roles: roles.collect(),
                max_changes,
            });
        }
    }
    mentions
}

fn changes(section: &Section<'_, '_>, source: &mut Source<'_>) -> BTreeMap<Counted, Cap> {
    let mut caps = BTreeMap::new();
    for counted in Counted::ALL {
        if let Some(cap) = cap(section, counted.as_str(), source) {
            caps.insert(counted, cap);
        }
    }
    caps
}

/// `20`, `"5%"`, or `{ max = 20, percent = 5 }`.
fn cap(section: &Section<'_, '_>, key: &str, source: &mut Source<'_>) -> Option<Cap> {
    let (span, value) = section.value(key)?;
    if value.as_table().is_some() {
        let table = section.child(key, "a limit", &["max", "percent"], &[], source)?;
        let cap = Cap {
            most: table.number("max", u32::MAX, source),
            percent: table.number("percent", 100, source),
        };
        if !table.has("max") && !table.has("percent") {
            section.refuse(key, span.start, "max, percent or both", source);
        }
        return Some(cap);
    }
    if value.as_integer().is_some() {
        return section.number(key, u32::MAX, source).map(|most| Cap {
            most: Some(most),
            percent: None,
        });
    }
    let digits = value.as_str().and_then(|text| text.strip_suffix('%'));
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let percent = digits.and_then(|digits| digits.parse().ok());
    let percent = percent.filter(|percent: &u32| *percent <= 100);
    if percent.is_none() {
        let expected = "a whole number, \"5%\" or { max = 20, percent = 5 }";
        section.refuse(key, span.start, expected, source);
    }
    percent.map(|percent| Cap {
        most: None,
        percent: Some(percent),
    })
}
