use serde_json::{Value, json};

use super::user;
use crate::server::projection::{Shape, Shown};
use crate::server::{Kind, Membership, Record};

fn shown(record: &Record, shape: &Shape) -> Value {
    serde_json::to_value(Shown::new(record, [].iter(), "http://x", shape)).unwrap()
}

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
    let shown = shown(&record, &shape);
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
        &always(" name.givenName name.familyName"),
    );
    check("name,name.givenName", &always(" name.givenName name.familyName"));
    check("emails.value,emails.type", &always(" emails.value emails.type"));
    check("nonsense", "schemas id");
    check("meta.location", &always(" meta.location"));
    check("emails.display", "schemas id");
    check("emails.primary", &always(" emails.primary"));
    check(
        "-externalId,userName,name,active,title,emails,addresses,meta.created,\
         urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager,\
         urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
        &always(" meta.resourceType meta.lastModified meta.version meta.location"),
    );
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
    let record = Record::from_parts(Kind::Group, "g", 1, body);
    let shown = shown(&record, &Shape::All);
    let urls: Vec<_> = shown["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["$ref"].as_str().unwrap())
        .collect();
    assert_eq!(urls, ["http://x/Users/u", "http://x/Groups/h", "kept"]);
}

#[test]
fn urls_are_shown_and_left_out_like_all_else() {
    let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let body = json!({"id": "g", "displayName": "x", "members": [{"value": "u", "display": "U"}]});
    let group = Record::from_parts(Kind::Group, "g", 1, body.as_object().cloned().unwrap());
    let only = Shape::new(Kind::Group, &names(&["members.$ref"]), &[]);
    let without = Shape::new(Kind::Group, &[], &names(&["members.$ref", "members.display"]));
    assert_eq!(
        shown(&group, &only),
        json!({"id": "g", "members": [{"$ref": "http://x/Users/u"}]})
    );
    assert_eq!(
        shown(&group, &without),
        json!({"id": "g", "displayName": "x", "members": [{"value": "u"}]})
    );

    let user = Record::from_parts(
        Kind::User,
        "u",
        1,
        json!({"id": "u"}).as_object().cloned().unwrap(),
    );
    let groups = [Membership::new("u".into(), "g".into(), "Staff".into())];
    let check = |shape: &Shape, due: Value| {
        let shown = Shown::new(&user, groups.iter(), "http://x", shape);
        assert_eq!(serde_json::to_value(shown).unwrap(), due, "{shape:?}");
    };
    let whole = json!({"value": "g", "display": "Staff", "type": "direct", "$ref": "http://x/Groups/g"});
    check(&Shape::All, json!({"id": "u", "groups": [whole]}));
    let some = names(&["groups.display", "groups.$ref"]);
    let due = json!({"id": "u", "groups": [{"display": "Staff", "$ref": "http://x/Groups/g"}]});
    check(&Shape::new(Kind::User, &some, &[]), due);
    let due = json!({"id": "u", "groups": [{"value": "g", "type": "direct"}]});
    check(&Shape::new(Kind::User, &[], &some), due);
    check(
        &Shape::new(Kind::User, &[], &names(&["groups"])),
        json!({"id": "u"}),
    );
}
