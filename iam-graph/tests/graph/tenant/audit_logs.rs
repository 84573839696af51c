//! What this client does stands in the logs, and is read back typed.

use iam_core::ErrorKind;
use iam_graph::query::{Filter, Query};
use iam_graph::users::UserPatch;

use super::tenant;

#[tokio::test]
async fn what_was_done_is_read_back_with_who_and_what() {
    let tenant = tenant().await;
    let id = tenant.user("W-1009")["id"].as_str().unwrap().to_owned();
    let patch = UserPatch::new().set("department", "Security");
    tenant.client.update_user(&id, &patch).await.unwrap();
    tenant.client.enable_user(&id, false).await.unwrap();
    let filter = Filter::any("targetResources", Filter::eq("id", &id));
    let audits = tenant.client.directory_audits(Some(&filter)).await.unwrap();
    let activities: Vec<_> = audits
        .iter()
        .filter_map(|audit| audit.activity_display_name.as_deref())
        .collect();
    assert_eq!(activities, ["Update user", "Disable account", "Update user"]);
    let last = tenant.client.directory_audit(&audits[2].id).await.unwrap();
    let changed = &last.target_resources[0].modified_properties[0];
    assert_eq!(changed.display_name.as_deref(), Some("Department"));
    assert_eq!(changed.new_value.as_deref(), Some("[\"Security\"]"));
    let app = last.initiated_by.clone().unwrap().app.unwrap();
    assert_eq!(app.app_id.as_deref(), Some(tenant.sandbox.client_id()));
    assert!(last.other.contains_key("additionalDetails"));
    assert!(tenant.client.sign_ins(None).await.unwrap().is_empty());
    let gone = tenant.client.sign_in("nope").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_long_log_is_read_to_its_end() {
    let tenant = tenant().await;
    let id = tenant.user("W-1009")["id"].as_str().unwrap().to_owned();
    let path = format!("/users/{id}");
    for n in 0..1_100 {
        let body = serde_json::json!({ "city": format!("City {n}") });
        tenant.sandbox.act("PATCH", &path, Some(body)).unwrap();
    }
    let audits = tenant.client.directory_audits(None).await.unwrap();
    assert_eq!(audits.len(), 1_100);
    let newest = &audits[0].target_resources[0].modified_properties[0];
    assert_eq!(newest.new_value.as_deref(), Some("[\"City 1099\"]"));
    let mut newest = tenant
        .client
        .stream_directory_audits(Query::new().top(5))
        .unwrap();
    let before = tenant.sandbox.requests();
    assert_eq!(newest.try_next().await.unwrap().unwrap().id, audits[0].id);
    assert_eq!(tenant.sandbox.requests(), before + 1, "a page at a time");
}
