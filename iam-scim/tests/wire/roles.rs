//! Roles of the application where groups are missing, or hide their members.

use iam_core::ErrorKind;
use iam_core::entitlement::{Entitlement, Kind, TargetId, Via};
use iam_core::person::PersonKey;
use iam_core::plan::Action;
use iam_core::target::{PersonRef, Target};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{ALREADY, App, DONE, ada, app, list, ok, refuse};

fn role(id: &str) -> Entitlement {
    Entitlement {
        target: TargetId::new("app"),
        kind: Kind::App,
        id: id.to_owned(),
        name: id.to_owned(),
    }
}

fn revoke(entitlement: Entitlement) -> Action {
    Action::Revoke {
        entitlement,
        assignment: None,
    }
}

async fn held(app: &App) -> Vec<String> {
    let who = PersonRef {
        person: PersonKey::new("W-1"),
        account: "7".to_owned(),
    };
    let actual = app.target.observe(&[who]).await.unwrap().remove(0);
    actual.held.into_iter().map(|held| held.entitlement.id).collect()
}

#[tokio::test]
async fn without_groups_roles_are_values_of_the_user() {
    let app = app(|line, _| match line {
        "GET /ResourceTypes" => Some(ok(&list(&[json!({ "name": "User", "endpoint": "/Users" })]))),
        "GET /Schemas" => Some(ok(&list(&[json!({
            "id": "urn:ietf:params:scim:schemas:core:2.0:User",
            "attributes": [{ "name": "roles", "subAttributes": [{ "name": "value", "canonicalValues": ["agent"] }] }],
        })]))),
        "GET /Users/7" => {
            let mut user = ada(true);
            user["roles"] = json!([{ "value": "agent", "primary": true }]);
            Some(ok(&user))
        }
        "PATCH /Users/7" => Some(ResponseTemplate::new(204)),
        _ => None,
    })
    .await;
    let target = app.target.clone().with_roles(["lead"]);
    let items = target.catalog().await.unwrap().items;
    let offered: Vec<&str> = items.iter().map(|item| item.entitlement.name.as_str()).collect();
    assert_eq!(offered, ["agent", "lead"]);
    assert_eq!(held(&app).await, ["agent"]);

    assert_eq!(
        app.apply(Some("7"), Action::grant(role("agent"))).await.unwrap(),
        ALREADY
    );
    assert_eq!(app.apply(Some("7"), revoke(role("lead"))).await.unwrap(), ALREADY);
    assert_eq!(
        app.apply(Some("7"), Action::grant(role("lead"))).await.unwrap(),
        DONE
    );
    assert_eq!(app.apply(Some("7"), revoke(role("agent"))).await.unwrap(), DONE);
    let operations: Vec<Value> = app
        .bodies("PATCH /Users/7")
        .await
        .iter()
        .map(|body| body["Operations"][0].clone())
        .collect();
    assert_eq!(
        operations,
        [
            json!({ "op": "replace", "path": "roles", "value": [{ "value": "agent", "primary": true }, { "value": "lead" }] }),
            json!({ "op": "remove", "path": "roles" }),
        ]
    );
}

#[tokio::test]
async fn hidden_members_are_asked_for_where_the_server_really_looks() {
    for honest in [true, false] {
        let app = app(move |line, _| {
            let groups = [
                json!({ "id": "g1", "displayName": "agents" }),
                json!({ "id": "g2", "displayName": "leads" }),
            ];
            match line {
                "GET /Users/7" => Some(ok(&ada(true))),
                "GET /Groups" => Some(ok(&list(&groups))),
                r#"GET /Groups?members.value eq "7""# => {
                    Some(ok(&list(&groups[..if honest { 1 } else { 2 }])))
                }
                // Nobody has this id: a server that answers with groups ignores the filter.
                _ if line.starts_with("GET /Groups?") => Some(ok(&list(if honest { &[] } else { &groups }))),
                _ => None,
            }
        })
        .await;
        let expect: &[&str] = if honest { &["g1"] } else { &[] };
        assert_eq!(held(&app).await, expect);
    }
}

#[tokio::test]
async fn membership_through_another_group_is_told_apart() {
    let app = app(|line, _| match line {
        "GET /Users/7" => {
            let mut user = ada(true);
            user["groups"] = json!([{ "value": "g1", "type": "direct" }, { "value": "g2", "type": "indirect" }]);
            Some(ok(&user))
        }
        "GET /Groups" => {
            let group = |id: &str, member: &str| json!({ "id": id, "displayName": id, "members": [{ "value": member }] });
            Some(ok(&list(&[group("g1", "7"), group("g2", "g1"), group("g3", "8")])))
        }
        _ => None,
    })
    .await;
    let who = PersonRef {
        person: PersonKey::new("W-1"),
        account: "7".to_owned(),
    };
    let held = app.target.observe(&[who]).await.unwrap().remove(0).held;
    let seen: Vec<(&str, bool)> = held
        .iter()
        .map(|held| (held.entitlement.id.as_str(), held.via == Via::Direct))
        .collect();
    assert_eq!(seen, [("g1", true), ("g2", false)]);
}

#[tokio::test]
async fn a_member_is_removed_alone_and_hidden_members_too() {
    let app = app(|line, _| match line {
        "GET /Groups/g1" => Some(ok(&json!({ "id": "g1" }))),
        "PATCH /Groups/g1" => Some(ResponseTemplate::new(204)),
        _ => None,
    })
    .await;
    assert_eq!(app.apply(Some("7"), revoke(role("g1"))).await.unwrap(), DONE);
    let expect = json!([{ "op": "remove", "path": "members[value eq \"7\"]" }]);
    assert_eq!(app.bodies("PATCH /Groups/g1").await[0]["Operations"], expect);
}

#[tokio::test]
async fn what_is_not_there_is_taken_already() {
    let app = app(|line, _| match line {
        "GET /Groups/g1" => Some(ok(&json!({ "id": "g1", "members": [{ "value": "8" }] }))),
        "PATCH /Groups/g1" => Some(refuse(400, "noTarget")),
        _ => None,
    })
    .await;
    assert_eq!(app.apply(Some("7"), revoke(role("g1"))).await.unwrap(), ALREADY);
    assert_eq!(app.apply(Some("7"), revoke(role("gone"))).await.unwrap(), ALREADY);
    // Another application's role is a mistake, not a success.
    let foreign = Entitlement {
        target: TargetId::new("other"),
        ..role("g1")
    };
    let error = app.apply(Some("7"), revoke(foreign)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
