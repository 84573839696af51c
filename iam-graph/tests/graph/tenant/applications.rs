//! Applications, service principals and their roles, through the typed client.

use iam_core::ErrorKind;
use iam_graph::Patch;
use iam_graph::app_roles::{DEFAULT_ROLE, Holder};
use iam_graph::applications::{AppRole, NewApplication};
use iam_graph::query::Filter;
use serde_json::{Value, json};

use super::{Tenant, tenant};

const READER: &str = "0f4bd5c6-6c1a-4a7b-8a2b-6f1b1f0a0001";

fn lab() -> NewApplication {
    let reader = AppRole::for_users(READER, "Lab.Read", "Reads results");
    NewApplication::new("Lab")
        .with("appRoles", json!([reader]))
        .with("identifierUris", json!(["https://lab.contoso.example"]))
}

fn find<'a>(state: &'a Value, collection: &str, id: &str) -> Option<&'a Value> {
    let mut all = state[collection].as_array().unwrap().iter();
    all.find(|object| object["id"] == id)
}

#[tokio::test]
async fn an_application_is_registered_changed_deleted_and_restored() {
    let Tenant { sandbox, client, .. } = tenant().await;
    let made = client.create_application(&lab()).await.unwrap();
    assert_eq!(made.app_roles[0].value.as_deref(), Some("Lab.Read"));
    let state = sandbox.state();
    let stored = find(&state, "applications", &made.id).unwrap();
    assert!(stored.get("passwordCredentials").is_none(), "no secret was made");
    assert_eq!(
        client.application_of(&made.app_id).await.unwrap(),
        client.application(&made.id).await.unwrap()
    );
    let again = client.create_application(&lab()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert!(again.to_string().contains("identifierUris"), "{again}");

    let principal = client.create_service_principal(&made.app_id).await.unwrap();
    let twice = client.create_service_principal(&made.app_id).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    let nobody = client.create_service_principal(READER).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);

    let patch = Patch::new()
        .set("notes", "owned by IT")
        .set("description", "Results");
    client.update_application(&made.id, &patch).await.unwrap();
    client
        .update_application(&made.id, &Patch::new().clear("notes"))
        .await
        .unwrap();
    let seen = client.application(&made.id).await.unwrap();
    assert_eq!(
        (seen.description.as_deref(), &seen.other["notes"]),
        (Some("Results"), &Value::Null)
    );
    let none = Patch::new().set("appRoles", json!([]));
    let enabled = client.update_application(&made.id, &none).await;
    assert_eq!(enabled.unwrap_err().kind(), ErrorKind::Invalid);
    let mut role = seen.app_roles[0].clone();
    role.is_enabled = false;
    for roles in [json!([role]), json!([])] {
        let patch = Patch::new().set("appRoles", roles);
        client.update_application(&made.id, &patch).await.unwrap();
    }
    assert!(
        client
            .service_principal(&principal.id)
            .await
            .unwrap()
            .app_roles
            .is_empty()
    );

    client.delete_application(&made.id).await.unwrap();
    assert_eq!(
        client.application(&made.id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        client
            .service_principal_of(&made.app_id)
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    let gone = client.deleted_applications().await.unwrap();
    assert_eq!((gone.len(), gone[0].deleted_date_time.is_some()), (1, true));
    client.restore_application(&made.id).await.unwrap();
    client.restore_application(&principal.id).await.unwrap();
    let back = client.service_principal_of(&made.app_id).await.unwrap();
    assert_eq!(back.id, principal.id);
    let found = client
        .find_applications(&Filter::eq("displayName", "Lab"))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn service_principals_are_listed_switched_off_and_deleted() {
    let Tenant { sandbox, client, .. } = tenant().await;
    let all = client.list_service_principals().await.unwrap();
    let apps = client.list_applications().await.unwrap();
    let local = all
        .iter()
        .filter(|found| apps.iter().any(|app| app.app_id == found.app_id));
    assert_eq!((local.count(), all.len()), (apps.len(), apps.len() + 2)); // and Microsoft Graph, and the one that provisions
    let portal = client
        .find_service_principals(&Filter::eq("displayName", "Claims portal"))
        .await
        .unwrap();
    let [portal] = portal.as_slice() else {
        panic!("{portal:?}")
    };
    assert_eq!(portal.app_role_assignment_required, Some(true));
    let off = Patch::new().set("accountEnabled", false);
    client.update_service_principal(&portal.id, &off).await.unwrap();
    let state = sandbox.state();
    assert_eq!(
        find(&state, "servicePrincipals", &portal.id).unwrap()["accountEnabled"],
        false
    );
    client.delete_service_principal(&portal.id).await.unwrap();
    assert!(find(&sandbox.state(), "servicePrincipals", &portal.id).is_none());
}

#[tokio::test]
async fn roles_are_given_to_each_kind_of_principal_and_taken() {
    let Tenant { sandbox, client, .. } = tenant().await;
    let made = client.create_application(&lab()).await.unwrap();
    let lab = client.create_service_principal(&made.app_id).await.unwrap();
    let reader = lab.role("Lab.Read").unwrap().id.clone();
    let noah = client.user("noah.fischer@contoso.example").await.unwrap();
    let group = sandbox
        .act("GET", "/groups?$filter=displayName eq 'sg-security'", None)
        .unwrap();
    let group = group["value"][0]["id"].as_str().unwrap();
    let mine = client.assign_app_role(&noah.id, &lab.id, &reader).await.unwrap();
    let theirs = client.assign_app_role(group, &lab.id, &reader).await.unwrap();
    let twice = client
        .assign_app_role(&noah.id, &lab.id, &reader)
        .await
        .unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    let default = client
        .assign_app_role(&noah.id, &lab.id, DEFAULT_ROLE)
        .await
        .unwrap_err();
    assert_eq!(default.kind(), ErrorKind::NotFound);

    let held = client.holders_of(&lab.id).await.unwrap();
    assert_eq!(
        held.iter().map(|held| &held.id).collect::<Vec<_>>(),
        [&mine.id, &theirs.id]
    );
    assert!(held[0].is_own() && !held[1].is_own());
    assert!(!format!("{held:?}").contains("Noah"));
    assert_eq!(
        client.app_roles_of(Holder::Group(group)).await.unwrap(),
        held[1..]
    );
    let own = client.service_principal_of(sandbox.client_id()).await.unwrap();
    assert!(
        client
            .app_roles_of(Holder::ServicePrincipal(&own.id))
            .await
            .unwrap()
            .len()
            > 5
    );

    let user = Holder::User("noah.fischer@contoso.example");
    client.remove_app_role(user, &mine.id).await.unwrap();
    assert_eq!(
        client.remove_app_role(user, &mine.id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    client
        .remove_app_role(Holder::Group(group), &theirs.id)
        .await
        .unwrap();
    assert!(client.holders_of(&lab.id).await.unwrap().is_empty());
}
