//! Entitlement management: packages are set up, asked for, delivered in their own time, and taken back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Tenant, read};

const AT: &str = "/identityGovernance/entitlementManagement";

/// A package that holds some groups, by a policy for direct assignment: their ids.
struct Offered {
    package: String,
    policy: String,
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}

async fn group(tenant: &Tenant, name: &str) -> String {
    let body =
        json!({"displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true});
    id(&tenant.check("POST /groups", body, 201, "").await.body)
}

async fn offer(tenant: &Tenant, name: &str, groups: &[&str], policy: Value) -> Offered {
    let catalogs = tenant
        .get(&format!("{AT}/catalogs?$filter=displayName eq 'General'"))
        .await;
    let catalog = json!({ "id": catalogs.values()[0]["id"] });
    let body = json!({"displayName": name, "description": "made by a test", "catalog": catalog});
    let made = tenant
        .check(&format!("POST {AT}/accessPackages"), body, 201, "")
        .await;
    let package = id(&made.body);
    for group in groups {
        let body = json!({
            "requestType": "adminAdd", "catalog": catalog,
            "resource": {"originId": group, "originSystem": "AadGroup"},
        });
        let said = tenant.send("POST", &format!("{AT}/resourceRequests"), body).await;
        assert!(
            said.status == 201 || said.code() == "ResourceAlreadyExists",
            "{}",
            said.text
        );
        // As documented: role and scope are those that the catalog tells.
        let list = format!(
            "{AT}/catalogs/{}/resources?$expand=roles,scopes",
            catalog["id"].as_str().unwrap()
        );
        let resources = tenant.get(&list).await;
        let resource = resources
            .values()
            .iter()
            .find(|one| one["originId"] == **group)
            .unwrap()
            .clone();
        let mut role = resource["roles"][0].clone();
        role["resource"] = json!({"id": resource["id"], "originId": group, "originSystem": "AadGroup"});
        let body = json!({"role": role, "scope": resource["scopes"][0]});
        let post = format!("POST {AT}/accessPackages/{package}/resourceRoleScopes");
        tenant.check(&post, body, 201, "").await;
    }
    let mut body = json!({"displayName": "Direct", "allowedTargetScope": "notSpecified"});
    body["accessPackage"] = json!({ "id": package });
    body.as_object_mut()
        .unwrap()
        .extend(policy.as_object().unwrap().clone());
    let made = tenant
        .check(&format!("POST {AT}/assignmentPolicies"), body, 201, "")
        .await;
    Offered {
        package,
        policy: id(&made.body),
    }
}

fn give(offered: &Offered, target: &str) -> Value {
    json!({"requestType": "adminAdd", "assignment": {
        "targetId": target, "assignmentPolicyId": offered.policy, "accessPackageId": offered.package,
    }})
}

async fn states(tenant: &Tenant, list: &str) -> Vec<String> {
    let list = tenant.get(&format!("{AT}/{list}")).await;
    list.column("state").into_iter().map(str::to_owned).collect()
}

async fn members(tenant: &Tenant, group: &str) -> usize {
    tenant
        .get(&format!("/groups/{group}/members"))
        .await
        .values()
        .len()
}

#[tokio::test]
async fn a_package_is_delivered_in_its_own_time_and_taken_back() {
    let tenant = Tenant::empty().await;
    tenant.sandbox.stop_clock(true);
    let ann = tenant.hire("ann", json!({})).await;
    let (one, two) = (group(&tenant, "one").await, group(&tenant, "two").await);
    let offered = offer(&tenant, "Engineering", &[&one, &two], json!({})).await;
    let requests = format!("POST {AT}/assignmentRequests");
    let made = tenant.check(&requests, give(&offered, &ann), 201, "").await.body;
    assert_eq!(
        (&made["requestType"], &made["state"], &made["status"]),
        (&json!("adminAdd"), &json!("submitted"), &json!("Accepted"))
    );
    assert!(states(&tenant, "assignments").await.is_empty());
    tenant
        .check(&requests, give(&offered, &ann), 400, "ExistingOpenRequest")
        .await;
    tenant.sandbox.advance(Duration::from_secs(1));
    assert_eq!(states(&tenant, "assignmentRequests").await, ["delivering"]);
    assert_eq!(states(&tenant, "assignments").await, ["delivering"]);
    assert_eq!(members(&tenant, &one).await, 0);
    tenant.sandbox.advance(Duration::from_secs(2));
    assert_eq!(states(&tenant, "assignmentRequests").await, ["delivered"]);
    assert_eq!(
        (members(&tenant, &one).await, members(&tenant, &two).await),
        (1, 1)
    );
    assert_eq!(
        tenant.sandbox.user(&ann).unwrap()["accessPackages"],
        json!(["Engineering"])
    );
    tenant
        .check(&requests, give(&offered, &ann), 400, "ExistingGrant")
        .await;
    // As the documented examples write them, whatever the case of a name.
    for filter in [
        format!("state eq 'Delivered' and target/objectid eq '{ann}'"),
        format!(
            "accessPackage/id eq '{}' and target/objectId eq '{ann}'",
            offered.package
        ),
        format!("assignmentPolicy/id eq '{}'", offered.policy),
    ] {
        let found = tenant
            .get(&format!(
                "{AT}/assignments?$expand=target,accessPackage&$filter={filter}"
            ))
            .await;
        let held = &found.values()[0];
        assert_eq!(
            (&held["target"]["objectId"], &held["accessPackage"]["displayName"]),
            (&json!(ann), &json!("Engineering")),
            "{filter}"
        );
        assert!(held.get("assignmentPolicy").is_none(), "it was not expanded");
    }
    let nobody = tenant
        .get(&format!("{AT}/assignments?$filter=target/objectId eq 'x'"))
        .await;
    assert!(nobody.values().is_empty());
    let held = tenant.get(&format!("{AT}/assignments")).await.values()[0].clone();
    let back = json!({"requestType": "adminRemove", "assignment": {"id": held["id"]}});
    tenant.check(&requests, back.clone(), 201, "submitted").await;
    tenant
        .check(&requests, back.clone(), 400, "ExistingOpenRequest")
        .await;
    assert_eq!(members(&tenant, &one).await, 1);
    tenant.sandbox.advance(Duration::from_secs(3));
    assert_eq!(states(&tenant, "assignments").await, ["expired"]);
    assert_eq!(
        (members(&tenant, &one).await, members(&tenant, &two).await),
        (0, 0)
    );
    tenant.check(&requests, back, 404, "ResourceNotFound").await;
    assert_eq!(tenant.sandbox.user(&ann).unwrap()["accessPackages"], json!([]));
}

#[tokio::test]
async fn what_was_held_before_or_comes_from_another_package_too_stays() {
    let tenant = Tenant::empty().await;
    tenant.sandbox.stop_clock(true);
    let ann = tenant.hire("ann", json!({})).await;
    let (own, both) = (group(&tenant, "own").await, group(&tenant, "both").await);
    let link = json!({"@odata.id": format!("{}/directoryObjects/{ann}", tenant.sandbox.graph())});
    tenant
        .check(&format!("POST /groups/{own}/members/$ref"), link, 204, "")
        .await;
    let first = offer(&tenant, "First", &[&own, &both], json!({})).await;
    let second = offer(&tenant, "Second", &[&both], json!({})).await;
    let requests = format!("POST {AT}/assignmentRequests");
    for offered in [&first, &second] {
        tenant.check(&requests, give(offered, &ann), 201, "").await;
    }
    tenant.sandbox.advance(Duration::from_secs(3));
    for (offered, left) in [(&first, (1, 1)), (&second, (1, 0))] {
        let path = format!(
            "{AT}/assignments?$filter=accessPackage/id eq '{}'",
            offered.package
        );
        let held = tenant.get(&path).await.values()[0].clone();
        let back = json!({"requestType": "adminRemove", "assignment": {"id": held["id"]}});
        tenant.check(&requests, back, 201, "").await;
        tenant.sandbox.advance(Duration::from_secs(3));
        assert_eq!(
            (members(&tenant, &own).await, members(&tenant, &both).await),
            left
        );
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let offered = offer(&tenant, "Engineering", &[], json!({})).await;
    let other = offer(&tenant, "Sales", &[], json!({})).await;
    let auto = json!({"automaticRequestSettings": {"requestAccessForAllowedTargets": true}});
    let auto = offer(&tenant, "By rule", &[], auto).await;
    let requests = format!("POST {AT}/assignmentRequests");
    let with = |changes: Value| {
        let mut body = give(&offered, &ann);
        for (name, value) in changes.as_object().unwrap() {
            match name.as_str() {
                "requestType" | "colour" => body[name] = value.clone(),
                _ => body["assignment"][name] = value.clone(),
            }
        }
        body
    };
    for (changes, status, says) in [
        (json!({"colour": "red"}), 400, "RequestBodyRead"),
        (json!({"requestType": "adminTake"}), 400, "adminTake"),
        (
            json!({"requestType": "userAdd"}),
            403,
            "Authorization_RequestDenied",
        ),
        (json!({"targetId": "nobody"}), 404, "nobody"),
        (json!({"targetId": null}), 400, "targetId"),
        (json!({"accessPackageId": "none"}), 404, "ResourceNotFound"),
        (json!({"assignmentPolicyId": null}), 400, "assignmentPolicyId"),
        (
            json!({"assignmentPolicyId": other.policy}),
            400,
            "not one of the access package",
        ),
        (
            json!({"accessPackageId": auto.package, "assignmentPolicyId": auto.policy}),
            400,
            "automatic",
        ),
    ] {
        tenant.check(&requests, with(changes), status, says).await;
    }
    assert!(states(&tenant, "assignmentRequests").await.is_empty());
    for (path, says) in [
        ("assignments?$filter=colour eq 'red'", "colour"),
        ("assignments?$expand=manager", "manager"),
        ("assignmentPolicies/none", "none"),
        ("accessReviews", "accessReviews"),
    ] {
        let reply = tenant.get(&format!("{AT}/{path}")).await;
        assert!(
            reply.status >= 400 && reply.text.contains(says),
            "{path}: {}",
            reply.text
        );
    }
    let nested = format!(
        "{AT}/accessPackages/{}?$expand=resourceRoleScopes($expand=role,scope)",
        offered.package
    );
    assert_eq!(tenant.get(&nested).await.body["resourceRoleScopes"], json!([]));
    assert_eq!(
        tenant.get("/users?$expand=manager($expand=manager)").await.status,
        400
    );
}

#[tokio::test]
async fn a_users_own_request_waits_for_approval_and_no_application_cancels_it() {
    let mut tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let approval = json!({"requestApprovalSettings": {"isApprovalRequiredForAdd": true}});
    let offered = offer(&tenant, "Engineering", &[], approval).await;
    let app = tenant.token.clone();
    let mint = format!("{}/_sandbox/tokens", tenant.sandbox.authority());
    let minted = read(tenant.http.post(mint).json(&json!({"user": ann}))).await;
    minted.body["access_token"]
        .as_str()
        .unwrap()
        .clone_into(&mut tenant.token);
    let body = json!({"requestType": "userAdd", "assignment": {"accessPackageId": offered.package}});
    let made = tenant
        .check(
            &format!("POST {AT}/assignmentRequests"),
            body,
            201,
            "pendingApproval",
        )
        .await;
    let user = std::mem::replace(&mut tenant.token, app);
    tenant.sandbox.advance(Duration::from_mins(30));
    let cancel = format!("POST {AT}/assignmentRequests/{}/cancel", id(&made.body));
    tenant.check(&cancel, Value::Null, 403, "").await;
    let path =
        format!("{AT}/assignmentRequests?$expand=requestor,accessPackage&$filter=state eq 'pendingApproval'");
    let pending = tenant.get(&path).await.values()[0].clone();
    assert_eq!(
        (&pending["requestor"]["objectId"], &pending["accessPackage"]["id"]),
        (&json!(ann), &json!(offered.package))
    );
    tenant.token = user;
    tenant.check(&cancel, Value::Null, 204, "").await;
    tenant
        .check(&cancel, Value::Null, 400, "InvalidRequestState")
        .await;
    assert_eq!(states(&tenant, "assignmentRequests").await, ["canceled"]);
    // An administrator's needs no approval, and ends when its policy says so.
    let expiring = json!({"expiration": {"type": "afterDuration", "duration": "P30D"}});
    let expiring = offer(&tenant, "For a month", &[], expiring).await;
    tenant
        .check(
            &format!("POST {AT}/assignmentRequests"),
            give(&expiring, &ann),
            201,
            "",
        )
        .await;
    tenant.sandbox.advance(Duration::from_secs(3));
    assert_eq!(states(&tenant, "assignments").await, ["delivered"]);
    tenant.sandbox.advance(Duration::from_hours(24 * 30));
    tenant.sign_in().await;
    assert_eq!(states(&tenant, "assignments").await, ["expired"]);
}
