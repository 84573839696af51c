use serde_json::json;

use super::user;
use crate::server::projection::{Shape, show};
use crate::server::{Kind, Record};

/// The names of what is shown, sub-attributes behind a dot; `attributes` or, behind a minus, `excludedAttributes`.
fn check(asked: &str, expect: &str) {
    let names = |text: &str| -> Vec<String> {
        text.split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let shape = match asked.strip_prefix('-') {
        Some(excluded) => Shape::new(Kind::User, &[], &names(excluded)),
        None => Shape::new(Kind::User, &names(asked), &[]),
    };
    let record = Record::from_parts(Kind::User, "u1", 2, user());
    let shown = show(&record, user(), "http://x", &shape);
    let mut found = Vec::new();
    for (name, value) in shown.as_object().unwrap() {
        let name = if name.contains("enterprise") { "ext" } else { name };
        let first = value.get(0).filter(|first| first.is_object()).unwrap_or(value);
        match first.as_object() {
            Some(subs) => found.extend(subs.keys().map(|sub| format!("{name}.{sub}"))),
            None => found.push(name.to_owned()),
        }
    }
    assert_eq!(found.join(" "), expect, "{asked}");
}

#[test]
fn shapes() {
    let always = |rest: &str| format!("schemas id{rest}");
    check("userName", &always(" userName"));
    check("USERNAME, title", &always(" userName title"));
    check("name.givenName", &always(" name.givenName"));
    check(
        "name.familyName,name.givenName",
        &always(" name.familyName name.givenName"),
    );
    check("name,name.givenName", &always(" name.givenName name.familyName"));
    check("emails.value,emails.type", &always(" emails.value emails.type"));
    check("nonsense", "schemas id");
    check("meta.location", &always(" meta.location"));
    check("password", "schemas id");
    check(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
        &always(" ext.employeeNumber"),
    );
    check(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        &always(" ext.employeeNumber ext.manager"),
    );
    check(
        "urn:ietf:params:scim:schemas:core:2.0:User:title",
        &always(" title"),
    );
    check(
        "-id,schemas,meta,emails,addresses,name.familyName,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        &always(" externalId userName name.givenName active title ext.employeeNumber"),
    );
    check(
        "-urn:ietf:params:scim:schemas:extension:enterprise:2.0:User,meta,name,emails.primary,emails.type,addresses",
        &always(" externalId userName active title emails.value"),
    );
}

#[test]
fn members_get_their_url() {
    let group = json!({
        "schemas": [], "id": "g", "displayName": "x",
        "members": [{"value": "u"}, {"value": "h", "type": "Group"}, {"value": "k", "$ref": "kept"}],
    });
    let body = group.as_object().cloned().unwrap();
    let record = Record::from_parts(Kind::Group, "g", 1, body.clone());
    let shown = show(&record, body, "http://x", &Shape::All);
    let urls: Vec<_> = shown["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["$ref"].as_str().unwrap())
        .collect();
    assert_eq!(urls, ["http://x/Users/u", "http://x/Groups/h", "kept"]);
}
