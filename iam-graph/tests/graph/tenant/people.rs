//! Every property of a user, three states each; who reports to whom; when somebody was here last.

use iam_core::ErrorKind;
use iam_graph::Field;
use iam_graph::users::{EmployeeOrgPatch, ExtensionAttributesPatch, NewUser, UserPatch};
use serde_json::json;

use super::{kind, tenant};

#[tokio::test]
async fn properties_are_kept_cleared_and_set() {
    let tenant = tenant().await;
    let noah = tenant.id("W-1009");
    let before = tenant.user(&noah);
    let mut patch = UserPatch::new();
    patch.city = "Perth".into();
    patch.business_phones = vec!["+61 8 1".to_owned()].into();
    patch.other_mails = vec!["noah@home.example".to_owned()].into();
    patch.employee_leave_date_time = "2027-01-31T23:59:59Z".into();
    patch.job_title = Field::Clear;
    patch.department = Field::Keep;
    patch.show_in_address_list = false.into();
    let mut org = EmployeeOrgPatch::new();
    org.division = "North".into();
    patch.employee_org_data = org.into();
    patch.on_premises_extension_attributes = ExtensionAttributesPatch::new()
        .with(1, "blue")
        .with(15, "red")
        .into();
    tenant.client.update_user(&noah, &patch).await.unwrap();
    let after = tenant.user(&noah);
    assert_eq!(
        (
            &after["city"],
            &after["businessPhones"],
            &after["showInAddressList"]
        ),
        (&json!("Perth"), &json!(["+61 8 1"]), &json!(false))
    );
    assert!(before["jobTitle"].is_string() && after.get("jobTitle").is_none());
    assert_eq!(after["department"], before["department"]);
    // What stands beside the division is kept.
    let cost_center = &before["employeeOrgData"]["costCenter"];
    assert_eq!(
        after["employeeOrgData"],
        json!({ "costCenter": cost_center, "division": "North" })
    );
    let properties = ["id", "onPremisesExtensionAttributes", "employeeLeaveDateTime"];
    let user = tenant.client.user_with(&noah, &properties).await.unwrap();
    let attributes = user.on_premises_extension_attributes.unwrap();
    assert_eq!(
        (attributes.get(1), attributes.get(2), attributes.get(15)),
        (Some("blue"), None, Some("red"))
    );
    assert_eq!(
        user.employee_leave_date_time.as_deref(),
        Some("2027-01-31T23:59:59Z")
    );
    let mut undo = UserPatch::new();
    undo.on_premises_extension_attributes = ExtensionAttributesPatch::new().with(1, Field::Clear).into();
    tenant.client.update_user(&noah, &undo).await.unwrap();
    let attributes = &tenant.user(&noah)["onPremisesExtensionAttributes"];
    assert_eq!(
        (
            &attributes["extensionAttribute1"],
            &attributes["extensionAttribute15"]
        ),
        (&json!(null), &json!("red"))
    );
    // By name, what has no field; and alone, as Graph wants it.
    let skills = UserPatch::new().set("skills", vec!["sailing"]);
    tenant.client.update_user(&noah, &skills).await.unwrap();
    assert_eq!(tenant.user(&noah)["skills"], json!(["sailing"]));
    let unknown = UserPatch::new().set("nope", 1);
    assert_eq!(
        kind(tenant.client.update_user(&noah, &unknown).await),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_new_user_has_its_properties_from_the_start() {
    let tenant = tenant().await;
    let mut properties = UserPatch::new();
    properties.employee_type = "Contractor".into();
    properties.mobile_phone = Field::Clear;
    properties.employee_hire_date = "2026-12-01T00:00:00Z".into();
    let new = NewUser {
        user_principal_name: "grace@contoso.example".into(),
        mail_nickname: "grace".into(),
        display_name: "Grace".into(),
        employee_id: Some("W-7".into()),
        account_enabled: false,
        password: "xK9-fw2p!Q-riverbed".into(),
        properties,
    };
    let made = tenant.client.create_user(&new).await.unwrap();
    let user = tenant.user(&made.id);
    assert_eq!(
        (
            &user["employeeType"],
            &user["employeeHireDate"],
            &user["employeeId"]
        ),
        (
            &json!("Contractor"),
            &json!("2026-12-01T00:00:00Z"),
            &json!("W-7")
        )
    );
}

#[tokio::test]
async fn managers_are_read_set_and_removed() {
    let tenant = tenant().await;
    let (boss, noah) = (tenant.id("W-1010"), tenant.id("W-1009"));
    let client = &tenant.client;
    assert!(client.manager(&noah).await.unwrap().is_none());
    assert_eq!(kind(client.manager("nobody").await), ErrorKind::NotFound);
    client.set_manager(&noah, &boss).await.unwrap();
    let manager = client.manager(&noah).await.unwrap().unwrap();
    assert_eq!(
        (manager.id.as_str(), manager.employee_id.as_deref()),
        (boss.as_str(), Some("W-1010"))
    );
    let reports = client.direct_reports(&boss).await.unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!(
        (
            reports[0].id.as_str(),
            reports[0].odata_type(),
            reports[0].display_name()
        ),
        (noah.as_str(), Some("#microsoft.graph.user"), Some("Noah Fischer"))
    );
    let top = tenant.id("hr@contoso.example");
    client.set_manager(&boss, &top).await.unwrap();
    let chain = client.managers_of(&noah).await.unwrap();
    let ids: Vec<&str> = chain.iter().map(|manager| manager.id.as_str()).collect();
    assert_eq!(ids, [boss.as_str(), top.as_str()]);
    assert!(client.managers_of(&top).await.unwrap().is_empty());
    client.remove_manager(&noah).await.unwrap();
    assert_eq!(tenant.user(&noah)["managerId"], json!(null));
    assert_eq!(kind(client.remove_manager(&noah).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_last_sign_in_is_read_on_demand() {
    let tenant = tenant().await;
    let noah = tenant.id("W-1009");
    assert!(
        tenant
            .client
            .user(&noah)
            .await
            .unwrap()
            .sign_in_activity
            .is_none()
    );
    let activity = tenant.client.sign_in_activity(&noah).await.unwrap().unwrap();
    let held = tenant.user(&noah)["signInActivity"]["lastSignInDateTime"].clone();
    assert_eq!(json!(activity.last_sign_in_date_time), held);
    let ada = tenant.ada().await;
    assert!(
        tenant.client.sign_in_activity(&ada).await.unwrap().is_none(),
        "never signed in"
    );
    let by_name = tenant
        .client
        .sign_in_activity("noah.fischer@contoso.example")
        .await;
    assert_eq!(kind(by_name), ErrorKind::Invalid);
}
