//! Reads the sections of a policy document, one function a section.

use std::collections::BTreeSet;

use crate::entitlement::{Kind, Limits, Protected, Reference, TargetId};

use super::courses::is_address;
use super::expression::Expression;
use super::limits;
use super::naming::Naming;
use super::rules::{DEFAULTS, KINDS, Rules};
use super::schema::Gives;
use super::source::{Found, Position, Section, Source};
use super::template::{Template, legal};
use super::{Authority, Settings};

pub(super) const TOP: &[&str] = &[
    "version",
    "tenant",
    "naming",
    "defaults",
    "rule",
    "conflict",
    "joiner",
    "mover",
    "leave_of_absence",
    "inactivity",
    "leaver",
    "notify",
    "guard",
    "test",
];

/// The keys under which entitlements are named.
pub(super) const ENTITLEMENTS: [&str; 6] =
    ["groups", "licenses", "roles", "azure", "apps", "access_packages"];

/// `version = 1`.
pub(super) fn version(top: &Section<'_, '_>, source: &mut Source<'_>) {
    let Some((span, value)) = top.value("version") else {
        return source.refuse(0, "\"version\" is missing: write version = 1 at the top");
    };
    if value.as_integer().map(ToString::to_string).as_deref() != Some("1") {
        source.refuse(
            span.start,
            "version: this version reads policies of version 1 only",
        );
    }
}

/// `[tenant]`: the domain in lower case, and where it stands.
pub(super) fn tenant(
    top: &Section<'_, '_>,
    settings: &mut Settings,
    source: &mut Source<'_>,
) -> Option<(String, Position)> {
    if !top.has("tenant") {
        source.refuse(0, "[tenant] is missing: it names the domain of new sign-in names");
    }
    let tenant = top.child("tenant", "[tenant]", &["domain", "authority"], &[], source)?;
    if let Some(authority) = tenant.text("authority", source) {
        match authority.value {
            "graph" => settings.authority = Authority::Directory,
            "scim" => settings.authority = Authority::Provisioning,
            _ => tenant.refuse("authority", authority.span.start, "\"graph\" or \"scim\"", source),
        }
    }
    let domain = tenant.required("domain", source)?;
    let name = domain.value.to_lowercase();
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !(name.contains('.') && name.len() <= 253 && name.split('.').all(label)) {
        tenant.refuse(
            "domain",
            domain.span.start,
            "a domain, such as \"contoso.example\"",
            source,
        );
    }
    Some((name, source.position(domain.span.start)))
}

/// `[naming]`; without it, `given.family`, then the middle initial, then a number.
pub(super) fn naming(top: &Section<'_, '_>, domain: &str, source: &mut Source<'_>) -> Option<Naming> {
    let (mut ladder, mut display, mut reserved) = (None, None, Vec::new());
    if let Some(section) = top.child(
        "naming",
        "[naming]",
        &["upn", "display_name", "reserved"],
        &[],
        source,
    ) {
        for name in section.texts("reserved", source) {
            if !name
                .value
                .chars()
                .all(|letter| legal(letter.to_ascii_lowercase()))
            {
                let expected = "the part of sign-in names before the @, such as \"ceo\"";
                section.refuse("reserved", name.span.start, expected, source);
            }
            reserved.push(name.value.to_owned());
        }
        if section.has("upn") {
            let written = section.texts("upn", source);
            if written.is_empty() {
                section.refuse(
                    "upn",
                    section.at,
                    "at least one template, such as [\"{given}.{family}\"]",
                    source,
                );
            }
            let templates = written
                .iter()
                .filter_map(|written| template(written, Template::sign_in, source));
            ladder = Some(templates.collect());
        }
        let written = section.text("display_name", source);
        display = written.and_then(|written| template(&written, Template::display, source));
    }
    let standard = [
        "{given}.{family}",
        "{given}.{middle_initial}.{family}",
        "{given}.{family}{n}",
    ];
    let ladder = ladder.unwrap_or_else(|| {
        standard
            .iter()
            .filter_map(|text| Template::sign_in(text).ok())
            .collect()
    });
    let display = display.or_else(|| Template::display("{preferred} {family}").ok())?;
    Some(Naming::new(domain, ladder, display).reserving(reserved))
}

fn template(
    written: &Found<&str>,
    parse: fn(&str) -> Result<Template, (usize, String)>,
    source: &mut Source<'_>,
) -> Option<Template> {
    let (at, problem) = match parse(written.value) {
        Ok(template) => return Some(template),
        Err(problem) => problem,
    };
    source.refuse(source.inside(&written.span, at), problem);
    None
}

/// `[defaults]` and every `[[rule]]`.
pub(super) fn rules(
    top: &Section<'_, '_>,
    rules: &mut Rules,
    time_zone: &mut String,
    source: &mut Source<'_>,
) {
    let known = [
        "usage_location",
        "time_zone",
        "groups",
        "licenses",
        "roles",
        "azure",
        "apps",
        "access_packages",
    ];
    if let Some(defaults) = top.child("defaults", "[defaults]", &known, &[], source) {
        if let Some(written) = defaults.text("usage_location", source) {
            rules.usage_location = Expression::compile(&written, Gives::Text, &mut rules.language, source);
        }
        if let Some(zone) = defaults.text("time_zone", source) {
            if jiff::tz::TimeZone::get(zone.value).is_err() {
                let expected = "a time zone of the IANA database, such as \"Europe/Berlin\"";
                defaults.refuse("time_zone", zone.span.start, expected, source);
            }
            zone.value.clone_into(time_zone);
        }
        let references = references(&defaults, source);
        rules.push(DEFAULTS, None, 0, references);
    }
    let known = [
        "id",
        "when",
        "groups",
        "licenses",
        "roles",
        "azure",
        "apps",
        "access_packages",
        "grace",
    ];
    let mut ids = BTreeSet::from([DEFAULTS.to_owned()]);
    for section in top.children("rule", "[[rule]]", &known, &[], source) {
        let id = section.required("id", source);
        let name = id.as_ref().map_or("(no id)", |id| id.value);
        if let Some(id) = &id
            && !ids.insert(id.value.to_owned())
        {
            source.refuse(
                id.span.start,
                format!("rule id {name:?} is taken: ids are unique"),
            );
        }
        let when = section.required("when", source);
        let when = when.and_then(|when| Expression::compile(&when, Gives::Bool, &mut rules.language, source));
        let references = references(&section, source);
        if references.is_empty() && !["azure", "apps"].iter().any(|key| section.has(key)) {
            source.refuse(
                section.at,
                format!("rule {name:?} gives nothing: name groups, licenses, roles, azure, apps or access_packages"),
            );
        }
        let grace = section.days("grace", source).unwrap_or(0);
        // Without its condition a rule would be a default; the document is refused then, but even so.
        if when.is_some() {
            rules.push(name, when, grace, references);
        }
    }
}

pub(super) fn references(section: &Section<'_, '_>, source: &mut Source<'_>) -> Vec<(Reference, Position)> {
    let mut references = Vec::new();
    for (key, kind) in KINDS {
        for written in section.texts(key, source) {
            let name = written.value.trim();
            if name.strip_prefix("id:").is_some_and(|id| id.trim().is_empty()) {
                section.refuse(key, written.span.start, "an id behind \"id:\"", source);
            }
            references.push((Reference::new(kind, name), source.position(written.span.start)));
        }
    }
    for azure in section.children("azure", "an entry of azure", &["role", "scope"], &[], source) {
        let (role, scope) = (azure.required("role", source), azure.required("scope", source));
        let (Some(role), Some(scope)) = (role, scope) else {
            continue;
        };
        let path = scope.value.trim().trim_end_matches('/');
        if !(path.starts_with("/subscriptions/") || path.starts_with("/providers/Microsoft.Management/")) {
            let expected = "a scope, such as \"/subscriptions/<id>/resourceGroups/<name>\"";
            azure.refuse("scope", scope.span.start, expected, source);
        }
        let name = format!("{} @ {path}", role.value.trim());
        references.push((
            Reference::new(Kind::Azure, name),
            source.position(role.span.start),
        ));
    }
    for app in section.children("apps", "an entry of apps", &["scim", "roles"], &[], source) {
        let Some(scim) = app.required("scim", source) else {
            continue;
        };
        let roles = app.texts("roles", source);
        if roles.is_empty() {
            app.refuse("roles", app.at, "at least one role of the application", source);
        }
        for role in roles {
            let reference = Reference::new(Kind::App, role.value.trim()).at(TargetId::new(scim.value.trim()));
            references.push((reference, source.position(role.span.start)));
        }
    }
    references
}

/// Where `[guard]` names a role, and as what.
pub(super) type Mention = (&'static str, Reference, Position);

/// `[guard]`: the limits, who is protected, and where roles are named.
pub(super) fn guard(
    top: &Section<'_, '_>,
    settings: &mut Settings,
    source: &mut Source<'_>,
) -> (Limits, Protected, Vec<Mention>) {
    let (mut limits, mut protected, mut roles) = (Limits::default(), Protected::default(), Vec::new());
    let known = [
        "max_leavers",
        "max_leavers_percent",
        "max_privileged_changes",
        "window",
        "protected",
        "notify",
        "unread_roles",
        "limits",
        "per_organisation",
        "tier",
    ];
    let Some(guard) = top.child("guard", "[guard]", &known, &[], source) else {
        return (limits, protected, roles);
    };
    limits.max_leavers = guard.number("max_leavers", u32::MAX, source);
    limits.max_leavers_percent = guard.number("max_leavers_percent", 100, source);
    limits.max_privileged_changes = guard.number("max_privileged_changes", u32::MAX, source);
    limits.window_hours = guard.hours("window", source).unwrap_or(limits.window_hours);
    for written in guard.texts("notify", source) {
        if !is_address(written.value) {
            guard.refuse("notify", written.span.start, "a mail address", source);
        }
        settings.alert.push(written.value.to_owned());
    }
    if let Some(unread) = guard.text("unread_roles", source) {
        settings.block_undecided_leavers = unread.value == "block-leavers";
        if !["hold", "block-leavers"].contains(&unread.value) {
            guard.refuse(
                "unread_roles",
                unread.span.start,
                "\"hold\" or \"block-leavers\"",
                source,
            );
        }
    }
    for (reference, position) in limits::read(&guard, &mut limits, source) {
        roles.push(("tier", reference, position));
    }
    for written in guard.texts("protected", source) {
        let text = written.value.trim();
        let (id, role) = (text.strip_prefix("id:"), text.strip_prefix("role:"));
        match (id.map(str::trim), role.map(str::trim)) {
            (Some(id), _) if !id.is_empty() => {
                protected.ids.insert(id.to_lowercase());
            }
            (_, Some(role)) if !role.is_empty() => {
                protected.roles.insert(role.to_lowercase());
                let reference = Reference::new(crate::entitlement::Kind::Role, role);
                roles.push(("protected", reference, source.position(written.span.start)));
            }
            (None, None) if is_address(text) => {
                protected.names.insert(text.to_lowercase());
            }
            _ => {
                let expected = "a sign-in name, \"id:<account id>\" or \"role:<role name or id>\"";
                guard.refuse("protected", written.span.start, expected, source);
            }
        }
    }
    (limits, protected, roles)
}
