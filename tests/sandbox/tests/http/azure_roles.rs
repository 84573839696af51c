//! Azure RBAC: role definitions and role assignments.

use std::time::Duration;

use iam_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::azure::{Azure, NOBODY, READER, assignment};
use crate::draft;

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

#[tokio::test]
async fn role_definitions_are_found_by_name_at_every_scope() {
    let azure = Azure::start().await;
    let roles = "/providers/Microsoft.Authorization/roleDefinitions";
    let filter = "$filter=roleName eq 'Storage Blob Data Reader'";
    for scope in [
        "",
        "/resourceGroups/siem",
        "/resourceGroups/siem/providers/Microsoft.Storage/storageAccounts/logs",
    ] {
        let found = azure.names(&format!("{scope}{roles}?{filter}")).await;
        assert_eq!(found, ["2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"], "{scope}");
    }
    let one = azure
        .check(&format!("GET {roles}/{OWNER}"), Value::Null, 200, "Owner")
        .await;
    assert_eq!(one.body["properties"]["permissions"][0]["actions"], json!(["*"]));
    assert!(one.body["id"].as_str().unwrap().starts_with("/subscriptions/"));
    azure
        .check(
            &format!("GET {roles}/{NOBODY}"),
            Value::Null,
            404,
            "RoleDefinitionDoesNotExist",
        )
        .await;
    assert!(
        azure
            .names(&format!("{roles}?$filter=type eq 'CustomRole'"))
            .await
            .is_empty()
    );
    assert!(
        azure
            .names(&format!("{roles}?$filter=type eq 'BuiltInRole'"))
            .await
            .len()
            > 15
    );
    azure
        .check(
            &format!("GET {roles}?$filter=size eq 3"),
            Value::Null,
            400,
            "UnsupportedQuery",
        )
        .await;
    azure
        .check(
            &format!("GET /resourceGroups/none{roles}"),
            Value::Null,
            404,
            "ResourceGroupNotFound",
        )
        .await;
    let root = azure.0.sandbox.arm();
    let tenant = azure.0.sandbox.tenant_id();
    let above = format!(
        "{root}/providers/Microsoft.Management/managementGroups/{tenant}{roles}?api-version=2022-04-01"
    );
    let ids = azure.0.get(&above).await;
    assert!(
        ids.column("id")[0].starts_with("/providers/Microsoft.Authorization/"),
        "{}",
        ids.text
    );
    let other =
        format!("{root}/providers/Microsoft.Management/managementGroups/else{roles}?api-version=2022-04-01");
    assert_eq!(azure.0.get(&other).await.code(), "AuthorizationFailed");
}

#[tokio::test]
async fn one_assignment_holds_one_role_of_one_principal() {
    let azure = Azure::start().await;
    let person = azure.person();
    let (first, second) = (assignment("siem", 1), assignment("siem", 2));
    let made = azure
        .check(&format!("PUT {first}"), azure.wish(READER, &person), 201, &person)
        .await;
    let properties = &made.body["properties"];
    assert_eq!(properties["principalType"], "User");
    assert_eq!(
        properties["scope"],
        format!(
            "/subscriptions/{}/resourceGroups/siem",
            azure.0.sandbox.subscription()
        )
    );
    azure
        .check(&format!("PUT {first}"), azure.wish(READER, &person), 200, &person)
        .await;
    azure
        .check(
            &format!("PUT {second}"),
            azure.wish(READER, &person),
            409,
            "RoleAssignmentExists",
        )
        .await;
    azure
        .check(
            &format!("PUT {first}"),
            azure.wish(OWNER, &person),
            400,
            "RoleAssignmentUpdateNotPermitted",
        )
        .await;
    azure
        .check(&format!("GET {first}"), Value::Null, 200, READER)
        .await;
    azure
        .check(&format!("DELETE {second}"), Value::Null, 204, "")
        .await;
    azure
        .check(&format!("DELETE {first}"), Value::Null, 200, &person)
        .await;
    azure
        .check(&format!("DELETE {first}"), Value::Null, 204, "")
        .await;
    azure
        .check(
            &format!("GET {first}"),
            Value::Null,
            404,
            "RoleAssignmentNotFound",
        )
        .await;
}

#[tokio::test]
async fn what_cannot_be_assigned_is_refused() {
    let azure = Azure::start().await;
    let place = format!("PUT {}", assignment("siem", 1));
    let person = azure.person();
    let mut said = azure.wish(READER, &person);
    said["properties"]["principalType"] = "Group".into();
    azure.check(&place, said, 400, "UnmatchedPrincipalType").await;
    azure
        .check(&place, azure.wish(READER, NOBODY), 400, "PrincipalNotFound")
        .await;
    azure
        .check(&place, azure.wish(READER, "camila"), 400, "InvalidPrincipalId")
        .await;
    azure
        .check(
            &place,
            azure.wish(NOBODY, &person),
            400,
            "RoleDefinitionDoesNotExist",
        )
        .await;
    let bare = json!({ "properties": { "roleDefinitionId": READER, "principalId": person } });
    azure.check(&place, bare, 400, "InvalidRoleDefinitionId").await;
    azure
        .check(&place, json!({ "properties": {} }), 400, "BadRequestFormat")
        .await;
    let named = "PUT /resourceGroups/siem/providers/Microsoft.Authorization/roleAssignments/camila";
    azure
        .check(named, azure.wish(READER, &person), 400, "InvalidRoleAssignmentId")
        .await;
    // Whoever says what an unknown principal is gets the assignment.
    let mut said = azure.wish(READER, NOBODY);
    said["properties"]["principalType"] = "User".into();
    azure.check(&place, said, 201, NOBODY).await;
}

#[tokio::test]
async fn a_principal_that_is_not_replicated_is_not_found_yet() {
    let azure = Azure::start().await;
    azure
        .0
        .sandbox
        .fault(Fault::new(Effect::Lag { millis: 30_000 }).on("PUT", "/subscriptions/**"));
    let made = azure
        .0
        .sandbox
        .act("POST", "/users", Some(draft("ann", json!({}))))
        .unwrap();
    let ann = made["id"].as_str().unwrap();
    let mut wish = azure.wish(READER, ann);
    wish["properties"]["principalType"] = "User".into();
    let place = format!("PUT {}", assignment("siem", 1));
    azure.check(&place, wish.clone(), 400, "PrincipalNotFound").await;
    azure.0.sandbox.advance(Duration::from_secs(31));
    azure.check(&place, wish, 201, ann).await;
}

#[tokio::test]
async fn assignments_are_listed_at_above_and_below_a_scope() {
    let azure = Azure::start().await;
    let person = azure.person();
    let sandbox = &azure.0.sandbox;
    let roles = "/providers/Microsoft.Authorization/roleAssignments";
    let group = sandbox.state()["groups"][0]["id"].as_str().unwrap().to_owned();
    let act = |place: String, role: &str, principal: &str| {
        let path = format!(
            "/subscriptions/{}{place}?api-version=2022-04-01",
            sandbox.subscription()
        );
        sandbox
            .act("PUT", &path, Some(azure.wish(role, principal)))
            .unwrap()
    };
    act(assignment("siem", 1), READER, &person);
    act(assignment("finance", 2), READER, &person);
    act(assignment("siem", 3), READER, &group);
    let count = async |path: &str| azure.names(path).await.len();
    // The application's own as owner of the subscription is the fourth.
    assert_eq!(count(roles).await, 4);
    assert_eq!(count(&format!("{roles}?$filter=atScope()")).await, 1);
    assert_eq!(
        count(&format!("{roles}?$filter=principalId eq '{person}'")).await,
        2
    );
    assert_eq!(count(&format!("/resourceGroups/siem{roles}")).await, 3);
    assert_eq!(
        count(&format!(
            "/resourceGroups/siem{roles}?$filter=principalId eq '{person}'"
        ))
        .await,
        1
    );
    assert_eq!(
        count(&format!("/resourceGroups/siem{roles}?$filter=atScope()")).await,
        3
    );
    // All Staff holds one, and Camila is in it.
    assert_eq!(count(&format!("{roles}?$filter=assignedTo('{person}')")).await, 3);
    azure
        .check(
            &format!("GET {roles}?$filter=roleName eq 'x'"),
            Value::Null,
            400,
            "UnsupportedQuery",
        )
        .await;
}

#[tokio::test]
async fn long_lists_have_a_next_link_and_a_subscription_has_a_limit() {
    let azure = Azure::start().await;
    let sandbox = &azure.0.sandbox;
    let put = |number: u32| {
        let path = format!(
            "/subscriptions/{}{}?api-version=2022-04-01",
            sandbox.subscription(),
            assignment("siem", number)
        );
        let mut wish = azure.wish(READER, &format!("0b5c1f5e-6d2f-4d5e-9d2d-{number:012x}"));
        wish["properties"]["principalType"] = "Group".into();
        sandbox.act("PUT", &path, Some(wish))
    };
    for number in 1..4000 {
        put(number).unwrap();
    }
    let refused = put(4000).unwrap_err();
    assert!(refused.contains("RoleAssignmentLimitExceeded"), "{refused}");
    let (mut seen, mut next) = (0, String::new());
    let first = azure
        .check(
            "GET /providers/Microsoft.Authorization/roleAssignments",
            Value::Null,
            200,
            "nextLink",
        )
        .await;
    let mut page = first.body;
    loop {
        seen += page["value"].as_array().unwrap().len();
        let Some(link) = page["nextLink"].as_str() else {
            break;
        };
        assert_ne!(link, next);
        link.clone_into(&mut next);
        page = azure.0.get(&next).await.body;
    }
    assert_eq!(seen, 4000);
}

#[tokio::test]
async fn what_a_deleted_user_held_stays() {
    let azure = Azure::start().await;
    let person = azure.person();
    let place = assignment("siem", 1);
    azure
        .check(&format!("PUT {place}"), azure.wish(READER, &person), 201, "")
        .await;
    azure
        .0
        .sandbox
        .act("DELETE", &format!("/users/{person}"), None)
        .unwrap();
    azure
        .check(&format!("GET {place}"), Value::Null, 200, &person)
        .await;
    let another = format!("PUT {}", assignment("finance", 2));
    azure
        .check(&another, azure.wish(READER, &person), 400, "PrincipalNotFound")
        .await;
    azure
        .0
        .sandbox
        .act("DELETE", &format!("/directory/deletedItems/{person}"), None)
        .unwrap();
    azure
        .check(&format!("GET {place}"), Value::Null, 200, &person)
        .await;
}
