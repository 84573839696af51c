use serde_json::{Value, json};

use super::user;
use crate::server::{Kind, patch};

/// Applies the operations to the user (or to a group of three members when `kind` says so), and compares the members
/// of `expect` with what came out; `null` is absent. A string is the `scimType` of the refusal.
fn check_of(kind: Kind, operations: &Value, expect: &Value) {
    let mut after = match kind {
        Kind::User => user(),
        Kind::Group => json!({
            "id": "g", "displayName": "Staff",
            "members": [{"value": "a", "type": "User"}, {"value": "b"}, {"value": "c"}],
        })
        .as_object()
        .cloned()
        .unwrap(),
    };
    let request =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let outcome = patch::apply(kind, &mut after, &request);
    match expect {
        Value::String(kind) => {
            let problem = outcome.expect_err(&operations.to_string());
            assert_eq!(
                problem.scim_type(),
                Some(kind.as_str()),
                "{operations}: {problem}"
            );
        }
        expect => {
            if let Err(problem) = outcome {
                panic!("{operations}: {problem}");
            }
            for (name, value) in expect.as_object().unwrap() {
                let found = Value::Object(after.clone()).pointer(&format!("/{name}")).cloned();
                assert_eq!(found.unwrap_or_default(), *value, "{name} after {operations}");
            }
        }
    }
}

fn check(operation: &Value, expect: &Value) {
    check_of(Kind::User, &json!([operation]), expect);
}

fn check_group(operation: &Value, expect: &Value) {
    check_of(Kind::Group, &json!([operation]), expect);
}

const EXT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[test]
fn single_values() {
    check(
        &json!({"op": "replace", "path": "title", "value": "Chief"}),
        &json!({"title": "Chief"}),
    );
    check(&json!({"op": "remove", "path": "title"}), &json!({"title": null}));
    check(
        &json!({"op": "add", "path": "nickName", "value": "Babs"}),
        &json!({"nickName": "Babs"}),
    );
    check(
        &json!({"op": "replace", "path": "name.givenName", "value": "B"}),
        &json!({"name": {"givenName": "B", "familyName": "Jensen \"Q\" \\ ß"}}),
    );
    check(
        &json!({"op": "replace", "path": "name", "value": {"givenName": "B", "familyName": null}}),
        &json!({"name": {"givenName": "B"}}),
    );
    check(
        &json!({"op": "replace", "path": "name", "value": {"middleName": null}}),
        &json!({"name": {"givenName": "Barbara", "familyName": "Jensen \"Q\" \\ ß"}}),
    );
    check(&json!({"op": "remove", "path": "name"}), &json!({"name": null}));
    check(
        &json!({"op": "remove", "path": format!("{EXT}:manager.value")}),
        &json!({EXT: {"employeeNumber": "0042"}}),
    );
    check(&json!({"op": "remove", "path": EXT}), &json!({EXT: null}));
    check(
        &json!({"op": "add", "path": EXT, "value": {"department": "ICU"}}),
        &json!({EXT: {"employeeNumber": "0042", "manager": {"value": "m1"}, "department": "ICU"}}),
    );
}

#[test]
fn lists() {
    check(
        &json!({"op": "add", "path": "emails", "value": [{"value": "c@x", "type": "other", "primary": true}]}),
        &json!({"emails": [
            {"value": "b@work.example", "type": "work", "primary": false},
            {"value": "b@home.example", "type": "home"},
            {"value": "c@x", "type": "other", "primary": true}]}),
    );
    check(
        &json!({"op": "add", "path": "emails", "value": {"value": "b@home.example", "type": "home"}}),
        &json!({"emails": user()["emails"]}),
    );
    check(
        &json!({"op": "replace", "path": "emails", "value": [{"value": "z@x"}]}),
        &json!({"emails": [{"value": "z@x"}]}),
    );
    check(
        &json!({"op": "replace", "path": "emails", "value": []}),
        &json!({"emails": null}),
    );
    check(
        &json!({"op": "remove", "path": "emails"}),
        &json!({"emails": null}),
    );
    check(
        &json!({"op": "remove", "path": r#"emails[type eq "work"]"#}),
        &json!({"emails": [{"value": "b@home.example", "type": "home"}]}),
    );
    check(
        &json!({"op": "remove", "path": r#"emails[type eq "work"].primary"#}),
        &json!({"emails/0/primary": null}),
    );
    check(
        &json!({"op": "replace", "path": r#"emails[type eq "home"].value"#, "value": "n@x"}),
        &json!({"emails/1": {"value": "n@x", "type": "home"}, "emails/0/value": "b@work.example"}),
    );
    check(
        &json!({"op": "replace", "path": r#"emails[type eq "home"].primary"#, "value": "True"}),
        &json!({"emails/0/primary": false, "emails/1/primary": true}),
    );
    check(
        &json!({"op": "replace", "path": r#"emails[type eq "home"]"#, "value": {"value": "n@x"}}),
        &json!({"emails/1": {"type": "home", "value": "n@x"}}),
    );
    check(
        &json!({"op": "replace", "path": "emails.display", "value": "me"}),
        &json!({"emails/0/display": "me", "emails/1/display": "me"}),
    );
}

#[test]
fn refusals() {
    check(
        &json!({"op": "replace", "path": "id", "value": "x"}),
        &json!("mutability"),
    );
    check(
        &json!({"op": "replace", "path": "meta.created", "value": "2026-01-01T00:00:00Z"}),
        &json!("mutability"),
    );
    check(
        &json!({"op": "add", "path": "groups", "value": [{"value": "g"}]}),
        &json!("mutability"),
    );
    check(&json!({"op": "remove", "path": "userName"}), &json!("mutability"));
    check(
        &json!({"op": "replace", "path": "userName", "value": ""}),
        &json!("mutability"),
    );
    check(
        &json!({"op": "replace", "path": "nonsense", "value": "x"}),
        &json!("invalidPath"),
    );
    check(
        &json!({"op": "replace", "path": "urn:foreign:User:x", "value": "x"}),
        &json!("invalidPath"),
    );
    check(
        &json!({"op": "replace", "path": "emails[", "value": "x"}),
        &json!("invalidPath"),
    );
    check(
        &json!({"op": "replace", "path": r#"title[type eq "x"]"#, "value": "x"}),
        &json!("invalidPath"),
    );
    check(
        &json!({"op": "replace", "path": r#"emails[type sw "x"].value"#, "value": "x"}),
        &json!("noTarget"),
    );
    check(
        &json!({"op": "remove", "path": r#"emails[type eq "fax"]"#}),
        &json!("noTarget"),
    );
    check(&json!({"op": "remove"}), &json!("noTarget"));
    check(&json!({"op": "replace", "path": "title"}), &json!("invalidValue"));
    check(
        &json!({"op": "replace", "path": "active", "value": "maybe"}),
        &json!("invalidValue"),
    );
    check(
        &json!({"op": "replace", "path": "title", "value": 3}),
        &json!("invalidValue"),
    );
    check(&json!({"op": "replace", "value": "x"}), &json!("invalidValue"));
    check(
        &json!({"op": "add", "path": "emails", "value": [{"value": "1", "primary": true}, {"value": "2", "primary": true}]}),
        &json!("invalidValue"),
    );
    check(&json!({"op": "move", "path": "title"}), &json!("invalidSyntax"));
    check(&json!("x"), &json!("invalidSyntax"));
    check_group(
        &json!({"op": "replace", "path": r#"members[value eq "a"].value"#, "value": "z"}),
        &json!("mutability"),
    );
    check_group(
        &json!({"op": "remove", "path": "displayName"}),
        &json!("mutability"),
    );
}

#[test]
fn entra_dialects() {
    check(
        &json!({"op": "Replace", "path": "active", "value": "False"}),
        &json!({"active": false}),
    );
    check(
        &json!({"op": "replace", "value": {"active": false, "name.givenName": "B", format!("{EXT}:employeeNumber"): "7",
        "nonsense": 1, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group": 1}}),
        &json!({"active": false, "name/givenName": "B", EXT: {"employeeNumber": "7", "manager": {"value": "m1"}}}),
    );
    check(
        &json!({"op": "Add", "value": {EXT: {"division": "D"}}}),
        &json!({EXT: {"employeeNumber": "0042", "manager": {"value": "m1"}, "division": "D"}}),
    );
    check(
        &json!({"op": "replace", "path": r#"phoneNumbers[type eq "work"].value"#, "value": "1"}),
        &json!({"phoneNumbers": [{"type": "work", "value": "1"}]}),
    );
    check(
        &json!({"op": "Add", "path": r#"roles[primary eq "True"].value"#, "value": "r"}),
        &json!({"roles": [{"primary": true, "value": "r"}]}),
    );
    check_of(
        Kind::User,
        &json!([
        {"op": "Add", "path": r#"addresses[type eq "home"].locality"#, "value": "Ulm"},
        {"op": "Add", "path": r#"addresses[type eq "home"].country"#, "value": "DE"}]),
        &json!({"addresses/1": {"type": "home", "locality": "Ulm", "country": "DE"}, "addresses/2": null}),
    );
    check(
        &json!({"op": "Add", "path": format!("{EXT}:manager"), "value": "m2"}),
        &json!({EXT: {"employeeNumber": "0042", "manager": {"value": "m2"}}}),
    );
    check(
        &json!({"op": "Replace", "path": format!("{EXT}:manager"), "value": [{"$ref": null, "value": "m2"}]}),
        &json!({EXT: {"employeeNumber": "0042", "manager": {"value": "m2"}}}),
    );
    check(
        &json!({"op": "Replace", "path": format!("{EXT}:manager"), "value": ""}),
        &json!({EXT: {"employeeNumber": "0042"}}),
    );
    check(
        &json!({"op": "Replace", "path": "title", "value": [{"$ref": null, "value": "Chief"}]}),
        &json!({"title": "Chief"}),
    );
    check(
        &json!({"op": "replace", "path": "title", "value": ""}),
        &json!({"title": null}),
    );
    check_of(Kind::User, &json!([]), &json!({"title": "Ärztin"}));
    check(
        &json!({"op": "replace", "value": {r#"emails[type eq "work"].value"#: "n@x"}}),
        &json!({"emails/0/value": "n@x"}),
    );
    // Okta sends the id along.
    check(
        &json!({"op": "replace", "value": {"id": "u1", "title": "Chief"}}),
        &json!({"title": "Chief"}),
    );
}

#[test]
fn members() {
    check_group(
        &json!({"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "d"}]}),
        &json!({"members": [{"value": "a", "type": "User"}, {"value": "b"}, {"value": "c"}, {"value": "d"}]}),
    );
    check_group(
        &json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "b"}]}),
        &json!({"members": [{"value": "a", "type": "User"}, {"value": "c"}]}),
    );
    check_group(
        &json!({"op": "Remove", "path": "members", "value": []}),
        &json!({"members/2/value": "c"}),
    );
    check_group(
        &json!({"op": "remove", "path": r#"members[value eq "b"]"#}),
        &json!({"members": [{"value": "a", "type": "User"}, {"value": "c"}]}),
    );
    check_group(
        &json!({"op": "remove", "path": r#"members[value eq "gone"]"#}),
        &json!({"members/2/value": "c"}),
    );
    check_group(
        &json!({"op": "remove", "path": "members"}),
        &json!({"members": null}),
    );
    check_group(
        &json!({"op": "replace", "path": "members", "value": [{"value": "z"}]}),
        &json!({"members": [{"value": "z"}]}),
    );
}
