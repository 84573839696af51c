//! Privileged Identity Management: who is eligible for a role, and who holds one for a time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Tenant;

const AT: &str = "/roleManagement/directory";
const READER: &str = "5d6b6bb7-de71-4623-b4af-96380a352509";

fn wish(action: &str, principal: &str, expiration: Value) -> Value {
    let mut body = json!({
        "action": action, "justification": "on call", "roleDefinitionId": READER, "directoryScopeId": "/",
        "principalId": principal,
    });
    if !expiration.is_null() {
        body["scheduleInfo"] = json!({ "expiration": expiration });
    }
    body
}

fn forever() -> Value {
    json!({ "type": "noExpiration" })
}

async fn of(tenant: &Tenant, list: &str, principal: &str) -> Vec<Value> {
    let path = format!("{AT}/{list}?$filter=principalId eq '{principal}'");
    tenant.get(&path).await.values().clone()
}

#[tokio::test]
async fn a_role_is_made_eligible_and_taken_back() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let post = format!("POST {AT}/roleEligibilityScheduleRequests");
    let made = tenant
        .check(&post, wish("adminAssign", &ann, forever()), 201, "")
        .await
        .body;
    assert_eq!(
        (&made["status"], &made["action"]),
        (&json!("Provisioned"), &json!("adminAssign"))
    );
    assert_eq!(made["scheduleInfo"]["expiration"]["type"], "noExpiration");
    let instances = of(&tenant, "roleEligibilityScheduleInstances", &ann).await;
    assert_eq!(instances.len(), 1);
    assert_eq!(
        (
            &instances[0]["memberType"],
            &instances[0]["endDateTime"],
            &instances[0]["roleEligibilityScheduleId"]
        ),
        (&json!("Direct"), &Value::Null, &made["targetScheduleId"])
    );
    let schedules = of(&tenant, "roleEligibilitySchedules", &ann).await;
    assert_eq!(
        (&schedules[0]["id"], &schedules[0]["status"]),
        (&made["targetScheduleId"], &json!("Provisioned"))
    );
    // Eligible is not assigned.
    assert!(of(&tenant, "roleAssignments", &ann).await.is_empty());
    assert_eq!(
        tenant.sandbox.user(&ann).unwrap()["eligibleRoles"],
        json!(["Security Reader"])
    );
    assert_eq!(tenant.sandbox.user(&ann).unwrap()["roles"], json!([]));
    let expanded = tenant
        .get(&format!(
            "{AT}/roleEligibilityScheduleInstances?$expand=roleDefinition,principal"
        ))
        .await;
    assert_eq!(
        expanded.values()[0]["roleDefinition"]["displayName"],
        "Security Reader"
    );
    assert_eq!(expanded.values()[0]["principal"]["displayName"], "ann");
    let of_it = format!(
        "{AT}/roleEligibilitySchedules/{}",
        schedules[0]["id"].as_str().unwrap()
    );
    for (relation, name) in [("principal", "ann"), ("roleDefinition", "Security Reader")] {
        assert_eq!(
            tenant.get(&format!("{of_it}/{relation}")).await.body["displayName"],
            name
        );
    }
    let count = format!("{AT}/roleEligibilitySchedules/$count?$filter=principalId eq '{ann}'");
    assert_eq!(tenant.eventual(&count).await.text, "1");
    tenant
        .check(&format!("GET {of_it}/nonsense"), Value::Null, 400, "nonsense")
        .await;
    let again = tenant
        .check(
            &post,
            wish("adminAssign", &ann, forever()),
            400,
            "RoleAssignmentExists",
        )
        .await;
    assert_eq!(again.message(), "The Role assignment already exists.");
    let gone = tenant
        .check(&post, wish("adminRemove", &ann, Value::Null), 201, "")
        .await
        .body;
    assert_eq!(gone["status"], "Revoked");
    assert!(
        of(&tenant, "roleEligibilityScheduleInstances", &ann)
            .await
            .is_empty()
    );
    tenant
        .check(
            &post,
            wish("adminRemove", &ann, Value::Null),
            400,
            "RoleAssignmentDoesNotExist",
        )
        .await;
    // The requests remain to be read.
    let requests = of(&tenant, "roleEligibilityScheduleRequests", &ann).await;
    assert_eq!(
        requests
            .iter()
            .map(|request| &request["action"])
            .collect::<Vec<_>>(),
        ["adminAssign", "adminRemove"]
    );
    let one = format!(
        "{AT}/roleEligibilityScheduleRequests/{}",
        made["id"].as_str().unwrap()
    );
    assert_eq!(tenant.get(&one).await.body["justification"], "on call");
}

#[tokio::test]
async fn a_bad_request_is_refused() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let plain = tenant.security_group("plain", json!({})).await;
    let post = format!("POST {AT}/roleEligibilityScheduleRequests");
    let check = async |change: Value, status: u16, says: &str| {
        let mut body = wish("adminAssign", &ann, forever());
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        tenant.check(&post, body, status, says).await;
    };
    check(json!({ "principalId": "nobody" }), 404, "SubjectNotFound").await;
    check(json!({ "principalId": plain }), 400, "isAssignableToRole").await;
    check(json!({ "roleDefinitionId": "nothing" }), 404, "RoleNotFound").await;
    check(
        json!({ "directoryScopeId": "/administrativeUnits/none" }),
        404,
        "",
    )
    .await;
    check(json!({ "action": "adminDance" }), 400, "action").await;
    check(json!({ "action": null }), 400, "'action' is required").await;
    check(json!({ "scheduleInfo": null }), 400, "scheduleInfo").await;
    check(
        json!({ "scheduleInfo": { "expiration": { "type": "afterDuration", "duration": "soon" } } }),
        400,
        "duration",
    )
    .await;
    check(json!({ "scheduleInfo": { "expiration": { "type": "afterDateTime", "endDateTime": "2001-01-01T00:00:00Z" } } }), 400, "ends before").await;
    check(
        json!({ "action": "selfActivate" }),
        403,
        "Authorization_RequestDenied",
    )
    .await;
    check(
        json!({ "action": "adminUpdate" }),
        400,
        "RoleAssignmentDoesNotExist",
    )
    .await;
    check(json!({ "nope": 1 }), 400, "RequestBodyRead").await;
    check(json!({ "isValidationOnly": true }), 201, "").await;
    assert!(of(&tenant, "roleEligibilitySchedules", &ann).await.is_empty());
}

#[tokio::test]
async fn time_begins_and_ends_what_is_scheduled() {
    let mut tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let eligible = format!("POST {AT}/roleEligibilityScheduleRequests");
    let day = json!({ "type": "afterDuration", "duration": "P1D" });
    tenant
        .check(&eligible, wish("adminAssign", &ann, day.clone()), 201, "")
        .await;
    // Assigned from tomorrow on for eight hours.
    let now = tenant.sandbox.state()["now"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
    let tomorrow = now + jiff::SignedDuration::from_hours(24);
    let mut later = wish(
        "adminAssign",
        &ann,
        json!({ "type": "afterDuration", "duration": "PT8H" }),
    );
    later["scheduleInfo"]["startDateTime"] = json!(tomorrow.to_string());
    tenant
        .check(
            &format!("POST {AT}/roleAssignmentScheduleRequests"),
            later,
            201,
            "",
        )
        .await;
    assert_eq!(of(&tenant, "roleAssignmentSchedules", &ann).await.len(), 1);
    assert!(
        of(&tenant, "roleAssignmentScheduleInstances", &ann)
            .await
            .is_empty()
    );
    assert!(of(&tenant, "roleAssignments", &ann).await.is_empty());
    tenant.sandbox.advance(Duration::from_hours(25));
    tenant.sign_in().await;
    assert!(
        of(&tenant, "roleEligibilityScheduleInstances", &ann)
            .await
            .is_empty(),
        "over after a day"
    );
    assert_eq!(of(&tenant, "roleAssignments", &ann).await.len(), 1);
    let instance = &of(&tenant, "roleAssignmentScheduleInstances", &ann).await[0];
    assert_eq!(
        (&instance["assignmentType"], instance["endDateTime"].is_string()),
        (&json!("Assigned"), true)
    );
    tenant.sandbox.advance(Duration::from_hours(8));
    tenant.sign_in().await;
    assert!(
        of(&tenant, "roleAssignments", &ann).await.is_empty(),
        "over after eight hours"
    );
    assert!(of(&tenant, "roleAssignmentSchedules", &ann).await.is_empty());
    // What should have begun long ago begins now.
    let mut late = wish(
        "adminAssign",
        &ann,
        json!({ "type": "afterDuration", "duration": "PT1H" }),
    );
    late["scheduleInfo"]["startDateTime"] = json!("2020-04-10T00:00:00Z");
    tenant.check(&eligible, late, 201, "").await;
    assert_eq!(
        of(&tenant, "roleEligibilityScheduleInstances", &ann).await.len(),
        1
    );
    tenant
        .check(&eligible, wish("adminRemove", &ann, Value::Null), 201, "")
        .await;
    // An extension holds.
    tenant
        .check(&eligible, wish("adminAssign", &ann, day), 201, "")
        .await;
    let week = json!({ "type": "afterDuration", "duration": "P7D" });
    tenant
        .check(&eligible, wish("adminExtend", &ann, week), 201, "")
        .await;
    tenant.sandbox.advance(Duration::from_hours(48));
    tenant.sign_in().await;
    assert_eq!(
        of(&tenant, "roleEligibilityScheduleInstances", &ann).await.len(),
        1
    );
}

#[tokio::test]
async fn assignments_and_their_schedules_are_one() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let post = format!("POST {AT}/roleAssignmentScheduleRequests");
    tenant
        .check(&post, wish("adminAssign", &ann, forever()), 201, "")
        .await;
    let held = of(&tenant, "roleAssignments", &ann).await;
    let direct = json!({ "roleDefinitionId": READER, "principalId": ann, "directoryScopeId": "/" });
    tenant
        .check(
            &format!("POST {AT}/roleAssignments"),
            direct.clone(),
            400,
            "conflicting object",
        )
        .await;
    let id = held[0]["id"].as_str().unwrap();
    tenant
        .check(&format!("DELETE {AT}/roleAssignments/{id}"), Value::Null, 204, "")
        .await;
    assert!(of(&tenant, "roleAssignmentSchedules", &ann).await.is_empty());
    // Assigned without PIM, taken with it.
    tenant
        .check(&format!("POST {AT}/roleAssignments"), direct, 201, "")
        .await;
    let instance = &of(&tenant, "roleAssignmentScheduleInstances", &ann).await[0];
    assert_eq!(instance["roleAssignmentOriginId"].as_str().unwrap(), id);
    tenant
        .check(
            &post,
            wish("adminAssign", &ann, forever()),
            400,
            "RoleAssignmentExists",
        )
        .await;
    tenant
        .check(&post, wish("adminRemove", &ann, Value::Null), 201, "Revoked")
        .await;
    assert!(of(&tenant, "roleAssignments", &ann).await.is_empty());
}

#[tokio::test]
async fn what_a_deleted_user_is_eligible_for_waits_for_the_restore() {
    let mut tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    for list in [
        "roleEligibilityScheduleRequests",
        "roleAssignmentScheduleRequests",
    ] {
        let week = json!({ "type": "afterDuration", "duration": "P7D" });
        tenant
            .check(
                &format!("POST {AT}/{list}"),
                wish("adminAssign", &ann, week),
                201,
                "",
            )
            .await;
    }
    tenant
        .check(&format!("DELETE /users/{ann}"), Value::Null, 204, "")
        .await;
    let both = async |tenant: &Tenant| {
        let eligible = of(tenant, "roleEligibilitySchedules", &ann).await.len();
        (eligible, of(tenant, "roleAssignments", &ann).await.len())
    };
    assert_eq!(both(&tenant).await, (0, 0));
    let restore = format!("POST /directory/deletedItems/{ann}/restore");
    tenant.check(&restore, Value::Null, 200, "").await;
    assert_eq!(both(&tenant).await, (1, 1));
    // The time runs on meanwhile.
    tenant
        .check(&format!("DELETE /users/{ann}"), Value::Null, 204, "")
        .await;
    tenant.sandbox.advance(Duration::from_hours(8 * 24));
    tenant.sign_in().await;
    tenant.check(&restore, Value::Null, 200, "").await;
    assert_eq!(both(&tenant).await, (0, 0));
}
