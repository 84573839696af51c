//! Directory objects of every kind behind one address, and what an object is a member of.

use iam_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::Tenant;

const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
const NOBODY: &str = "5c3b1d5e-0000-4000-8000-000000000000";

/// Ann is in `inner`, which is in `outer`; she is in a unit, and a Helpdesk Administrator through `admins`.
struct Web {
    tenant: Tenant,
    ann: String,
    inner: String,
    outer: String,
    admins: String,
    unit: String,
}

async fn web() -> Web {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let with = |id: &str| json!({ "members@odata.bind": [tenant.link(id)["@odata.id"]] });
    let inner = tenant.security_group("inner", with(&ann)).await;
    let outer = tenant.security_group("outer", with(&inner)).await;
    let mut roles = with(&ann);
    roles["isAssignableToRole"] = json!(true);
    let admins = tenant.security_group("admins", roles).await;
    let assignment = json!({ "roleDefinitionId": HELPDESK, "principalId": admins, "directoryScopeId": "/" });
    tenant
        .check(
            "POST /roleManagement/directory/roleAssignments",
            assignment,
            201,
            "",
        )
        .await;
    let unit = tenant
        .check(
            "POST /directory/administrativeUnits",
            json!({ "displayName": "North" }),
            201,
            "",
        )
        .await
        .body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    tenant
        .check(
            &format!("POST /directory/administrativeUnits/{unit}/members/$ref"),
            tenant.link(&ann),
            204,
            "",
        )
        .await;
    Web {
        tenant,
        ann,
        inner,
        outer,
        admins,
        unit,
    }
}

#[tokio::test]
async fn an_object_is_read_and_deleted_without_its_kind() {
    let Web {
        tenant,
        ann,
        inner,
        unit,
        ..
    } = web().await;
    let found = tenant
        .get(&format!("/directoryObjects/{ann}?$select=id,displayName"))
        .await;
    assert_eq!(found.body["@odata.type"], "#microsoft.graph.user");
    assert_eq!(found.body["displayName"], "ann");
    let context = found.body["@odata.context"].as_str().unwrap();
    assert!(
        context.ends_with("$metadata#directoryObjects/$entity"),
        "{context}"
    );
    let kind = async |id: &str| {
        let reply = tenant.get(&format!("/directoryObjects/{id}")).await;
        reply.body["@odata.type"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(kind(&inner).await, "#microsoft.graph.group");
    assert_eq!(kind(&unit).await, "#microsoft.graph.administrativeUnit");
    let role = tenant.role_id(HELPDESK).await;
    assert_eq!(kind(&role).await, "#microsoft.graph.directoryRole");
    for (what, status) in [
        (format!("DELETE /directoryObjects/{ann}"), 204),
        (format!("GET /directoryObjects/{ann}"), 404),
        (format!("DELETE /directoryObjects/{ann}"), 404),
        (format!("GET /directory/deletedItems/{ann}"), 200),
        (format!("DELETE /directoryObjects/{inner}"), 204),
        (format!("GET /groups/{inner}"), 404),
        (format!("DELETE /directoryObjects/{role}"), 405),
    ] {
        tenant.check(&what, Value::Null, status, "").await;
    }
    let synced = Tenant::start().await;
    let id = synced.group_id("OnPrem Staff").await;
    let what = format!("DELETE /directoryObjects/{id}");
    synced.check(&what, Value::Null, 400, "on-premises").await;
}

#[tokio::test]
async fn objects_are_read_by_their_ids() {
    let Web {
        tenant,
        ann,
        inner,
        unit,
        ..
    } = web().await;
    let ask = async |body: Value| {
        let reply = tenant
            .check("POST /directoryObjects/getByIds", body, 200, "")
            .await;
        let mut found = reply
            .column("id")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        found.sort();
        found
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    let ids = json!([ann, inner, NOBODY, unit, ann]);
    assert_eq!(ask(json!({ "ids": ids })).await, sorted(&[&ann, &inner, &unit]));
    assert_eq!(
        ask(json!({ "ids": ids, "types": ["user", "group"] })).await,
        sorted(&[&ann, &inner])
    );
    assert_eq!(
        ask(json!({ "ids": ids, "types": ["directoryObject"] }))
            .await
            .len(),
        3
    );
    let reply = tenant
        .check(
            "POST /directoryObjects/microsoft.graph.getByIds",
            json!({ "ids": [ann] }),
            200,
            "",
        )
        .await;
    assert_eq!(reply.values()[0]["@odata.type"], "#microsoft.graph.user");
    assert_eq!(reply.values()[0]["userPrincipalName"], "ann@contoso.example");
    for (body, says) in [
        (json!({}), "'ids'"),
        (json!({ "ids": "x" }), "'ids'"),
        (json!({ "ids": vec![ann.as_str(); 1001] }), "1000"),
    ] {
        tenant
            .check("POST /directoryObjects/getByIds", body, 400, says)
            .await;
    }
}

#[tokio::test]
async fn memberships_are_listed_cast_counted_and_referred_to() {
    let Web {
        tenant,
        ann,
        inner,
        outer,
        admins,
        unit,
    } = web().await;
    let user = format!("/users/{ann}");
    let check = async |path: &str, expect: &[&str]| {
        assert_eq!(tenant.names(path).await, expect, "{path}");
    };
    let (direct, through) = (format!("{user}/memberOf"), format!("{user}/transitiveMemberOf"));
    check(&direct, &["inner", "admins", "North"]).await;
    check(
        &through,
        &["inner", "outer", "admins", "Helpdesk Administrator", "North"],
    )
    .await;
    for name in ["microsoft.graph.group", "graph.group"] {
        check(&format!("{direct}/{name}"), &["inner", "admins"]).await;
        check(&format!("{through}/{name}"), &["inner", "outer", "admins"]).await;
    }
    check(&format!("{direct}/graph.administrativeUnit"), &["North"]).await;
    check(
        &format!("{through}/graph.directoryRole"),
        &["Helpdesk Administrator"],
    )
    .await;
    check(&format!("{direct}/graph.device"), &[]).await;
    check(&format!("/groups/{inner}/memberOf"), &["outer"]).await;
    check(&format!("/groups/{inner}/transitiveMemberOf"), &["outer"]).await;
    check(
        &format!("/groups/{admins}/transitiveMemberOf/graph.directoryRole"),
        &["Helpdesk Administrator"],
    )
    .await;
    check(&format!("/groups/{outer}/transitiveMembers"), &["ann", "inner"]).await;
    tenant
        .check(
            &format!("GET {direct}/graph.nonsense"),
            Value::Null,
            400,
            "graph.nonsense",
        )
        .await;
    tenant.check(&format!("POST {direct}"), json!({}), 405, "").await;
    // A count needs the header.
    tenant
        .check(
            &format!("GET {through}/$count"),
            Value::Null,
            400,
            "$count is not currently supported",
        )
        .await;
    let count = async |path: &str| tenant.eventual(path).await.text;
    assert_eq!(count(&format!("{through}/$count")).await, "5");
    assert_eq!(count(&format!("{through}/graph.group/$count")).await, "3");
    assert_eq!(
        count(&format!("/groups/{outer}/transitiveMembers/$count")).await,
        "2"
    );
    assert_eq!(count(&format!("{through}/graph.device/$count")).await, "0");
    let refs = tenant
        .get(&format!("/groups/{outer}/transitiveMembers/$ref"))
        .await;
    let root = tenant.sandbox.graph();
    assert_eq!(
        refs.column("@odata.id"),
        [
            format!("{root}/directoryObjects/{ann}"),
            format!("{root}/directoryObjects/{inner}")
        ]
    );
    // One of them.
    let one = tenant
        .get(&format!("{direct}/{unit}/graph.administrativeUnit"))
        .await;
    assert_eq!(one.body["displayName"], "North");
    tenant
        .check(&format!("GET {direct}/{outer}"), Value::Null, 404, "")
        .await;
    tenant
        .check(&format!("GET {direct}/{unit}/graph.group"), Value::Null, 404, "")
        .await;
    // Filters on mixed collections are advanced queries.
    let filtered = format!("{through}?$filter=displayName eq 'outer'&$count=true");
    tenant
        .check(
            &format!("GET {filtered}"),
            Value::Null,
            400,
            "Request_UnsupportedQuery",
        )
        .await;
    let reply = tenant.eventual(&filtered).await;
    assert_eq!(
        (reply.column("displayName"), &reply.body["@odata.count"]),
        (vec!["outer"], &json!(1))
    );
}

#[tokio::test]
async fn memberships_are_asked_for_by_actions() {
    let Web {
        tenant,
        ann,
        inner,
        outer,
        admins,
        unit,
    } = web().await;
    let unified = json!({
        "displayName": "club", "mailNickname": "club", "mailEnabled": true, "securityEnabled": false,
        "groupTypes": ["Unified"], "members@odata.bind": [tenant.link(&ann)["@odata.id"]],
    });
    let club = tenant.check("POST /groups", unified, 201, "").await.body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let role = tenant.role_id(HELPDESK).await;
    let ask = async |at: &str, body: Value| {
        let reply = tenant.check(&format!("POST {at}"), body, 200, "").await;
        assert!(
            reply.body["@odata.context"]
                .as_str()
                .unwrap()
                .ends_with("#Collection(Edm.String)")
        );
        let found = reply.values().iter().map(|id| id.as_str().unwrap().to_owned());
        found.collect::<std::collections::BTreeSet<_>>()
    };
    let set = |ids: &[&String]| {
        ids.iter()
            .map(|id| (*id).clone())
            .collect::<std::collections::BTreeSet<_>>()
    };
    for at in [format!("/users/{ann}"), format!("/directoryObjects/{ann}")] {
        let groups = format!("{at}/getMemberGroups");
        assert_eq!(
            ask(&groups, json!({ "securityEnabledOnly": false })).await,
            set(&[&inner, &outer, &admins, &club])
        );
        assert_eq!(
            ask(&groups, json!({ "securityEnabledOnly": true })).await,
            set(&[&inner, &outer, &admins])
        );
        assert_eq!(
            ask(
                &format!("{at}/microsoft.graph.getMemberObjects"),
                json!({ "securityEnabledOnly": false })
            )
            .await,
            set(&[&inner, &outer, &admins, &club, &unit, &role])
        );
        let asked = json!({ "groupIds": [outer, NOBODY, unit] });
        assert_eq!(
            ask(&format!("{at}/checkMemberGroups"), asked).await,
            set(&[&outer])
        );
        let asked = json!({ "ids": [outer, NOBODY, unit, role] });
        assert_eq!(
            ask(&format!("{at}/checkMemberObjects"), asked).await,
            set(&[&outer, &unit, &role])
        );
    }
    let group = format!("/groups/{inner}/getMemberGroups");
    assert_eq!(
        ask(&group, json!({ "securityEnabledOnly": false })).await,
        set(&[&outer])
    );
    for (what, body, status, says) in [
        (
            format!("POST {group}"),
            json!({ "securityEnabledOnly": true }),
            400,
            "securityEnabledOnly",
        ),
        (
            format!("POST /users/{ann}/getMemberGroups"),
            json!({ "securityEnabledOnly": 1 }),
            400,
            "securityEnabledOnly",
        ),
        (
            format!("POST /users/{ann}/getMemberGroups"),
            Value::Null,
            400,
            "Empty Payload",
        ),
        (
            format!("POST /users/{ann}/checkMemberGroups"),
            json!({}),
            400,
            "groupIds",
        ),
        (
            format!("POST /users/{ann}/checkMemberObjects"),
            json!({ "ids": vec![NOBODY; 21] }),
            400,
            "20",
        ),
        (
            format!("GET /users/{ann}/checkMemberObjects"),
            Value::Null,
            405,
            "",
        ),
        (
            "POST /directoryObjects/nobody/getMemberGroups".to_owned(),
            json!({}),
            404,
            "",
        ),
    ] {
        tenant.check(&what, body, status, says).await;
    }
}

#[tokio::test]
async fn memberships_work_in_a_batch_and_lag_behind() {
    let Web {
        tenant, ann, inner, ..
    } = web().await;
    let headers = json!({ "Content-Type": "application/json" });
    let requests = json!({ "requests": [
        { "id": "1", "method": "POST", "url": "/directoryObjects/getByIds", "headers": headers, "body": { "ids": [ann] } },
        { "id": "2", "method": "GET", "url": format!("/groups/{inner}/transitiveMemberOf/graph.group") },
        { "id": "3", "method": "GET", "url": format!("/users/{ann}/memberOf/$count"),
          "headers": { "ConsistencyLevel": "eventual" } },
    ] });
    let reply = tenant.check("POST /$batch", requests, 200, "").await;
    let of = |id: &str| {
        let all = reply.body["responses"].as_array().unwrap();
        all.iter().find(|item| item["id"] == id).unwrap().clone()
    };
    assert_eq!(of("1")["body"]["value"][0]["id"], json!(ann));
    assert_eq!(of("2")["body"]["value"][0]["displayName"], "outer");
    assert_eq!(of("3")["status"], 200);
    assert_eq!(of("1")["headers"]["x-ms-resource-unit"], "3");
    let lag = Fault::new(Effect::Lag { millis: 60_000 }).on("*", "/directoryObjects/**");
    tenant.sandbox.fault(lag);
    let what = format!("GET /directoryObjects/{ann}");
    tenant
        .check(&what, Value::Null, 404, "Request_ResourceNotFound")
        .await;
    let found = tenant
        .check(
            "POST /directoryObjects/getByIds",
            json!({ "ids": [ann] }),
            200,
            "",
        )
        .await;
    assert!(found.values().is_empty(), "not there yet");
}
