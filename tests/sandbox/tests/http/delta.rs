//! Delta queries ("Use delta query to track changes in Microsoft Graph data").

use std::time::Duration;

use iam_sandbox::{Effect, Fault, Sandbox};
use serde_json::{Value, json};

use crate::{Tenant, read};

/// Follows the pages to the delta link: every row, how many pages, the link.
async fn drain(tenant: &Tenant, first: &str) -> (Vec<Value>, usize, String) {
    let (mut url, mut rows, mut pages) = (first.to_owned(), Vec::new(), 0);
    loop {
        let reply = tenant.get(&url).await;
        assert_eq!(reply.status, 200, "{url}: {}", reply.text);
        rows.extend(reply.values().clone());
        pages += 1;
        if let Some(link) = reply.body["@odata.deltaLink"].as_str() {
            assert!(link.starts_with(tenant.sandbox.graph()) && link.contains("$deltatoken="));
            assert!(reply.body.get("@odata.nextLink").is_none());
            return (rows, pages, link.to_owned());
        }
        let next = reply.body["@odata.nextLink"].as_str().unwrap();
        assert!(next.contains("$skiptoken="), "{next}");
        next.clone_into(&mut url);
    }
}

async fn minimal(tenant: &Tenant, url: &str) -> Vec<Value> {
    let reply = read(tenant.request("GET", url).header("Prefer", "return=minimal")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.values().clone()
}

fn row<'a>(rows: &'a [Value], id: &str) -> &'a Value {
    let found = rows.iter().find(|row| row["id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {rows:?}"))
}

#[tokio::test]
async fn all_users_come_page_by_page_and_then_what_changes() {
    let tenant = Tenant::with(Sandbox::builder().empty().people(250).start().await.unwrap()).await;
    let first = "/users/delta?%24select=displayName,city,manager";
    let (rows, pages, link) = drain(&tenant, first).await;
    let mut ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), rows.len()), (253, 253));
    assert_eq!(pages, 3);
    assert!(
        rows.iter().all(|row| row.get("mail").is_none()),
        "only what is selected"
    );
    let (none, _, link) = drain(&tenant, &link).await;
    assert!(none.is_empty(), "{none:?}");

    let ann = tenant.hire("ann", json!({ "city": "Perth" })).await;
    let (bob, cem, dee) = (ids[0].to_owned(), ids[1].to_owned(), ids[2].to_owned());
    let write = |id: &str| format!("PATCH /users/{id}");
    tenant
        .check(&write(&bob), json!({ "city": "Hobart" }), 204, "")
        .await;
    tenant
        .check(&write(&cem), json!({ "jobTitle": "Nurse" }), 204, "")
        .await;
    tenant.check(&write(&ann), json!({ "city": null }), 204, "").await;
    let path = format!("PUT /users/{ann}/manager/$ref");
    tenant.check(&path, tenant.link(&bob), 204, "").await;
    tenant
        .check(&format!("DELETE /users/{dee}"), Value::Null, 204, "")
        .await;
    let (changes, _, after) = drain(&tenant, &link).await;
    assert_eq!(changes.len(), 3, "a title is not selected: {changes:?}");
    assert_eq!(row(&changes, &bob)["city"], "Hobart");
    assert!(row(&changes, &bob)["displayName"].is_string());
    assert_eq!(row(&changes, &ann)["manager@delta"][0]["id"], bob);
    assert_eq!(row(&changes, &ann)["city"], Value::Null);
    assert_eq!(row(&changes, &dee)["@removed"]["reason"], "changed");
    // The same link gives the same again; with `return=minimal` only what has changed.
    let lean = minimal(&tenant, &link).await;
    assert_eq!(*row(&lean, &bob), json!({ "id": bob, "city": "Hobart" }));

    let purge = format!("DELETE /directory/deletedItems/{dee}");
    tenant.check(&purge, Value::Null, 204, "").await;
    let (gone, _, after) = drain(&tenant, &after).await;
    assert_eq!(gone, [json!({ "id": dee, "@removed": { "reason": "deleted" } })]);
    tenant
        .check(&format!("DELETE /users/{ann}/manager/$ref"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE /users/{cem}"), Value::Null, 204, "")
        .await;
    let restore = format!("POST /directory/deletedItems/{cem}/restore");
    tenant.check(&restore, Value::Null, 200, "").await;
    let (back, ..) = drain(&tenant, &after).await;
    assert!(row(&back, &ann)["manager@delta"][0]["@removed"].is_object());
    assert!(row(&back, &cem).get("@removed").is_none() && row(&back, &cem)["displayName"].is_string());
}

#[tokio::test]
async fn members_come_and_go() {
    let tenant = Tenant::with(Sandbox::builder().people(450).start().await.unwrap()).await;
    let staff = tenant.group_id("All Staff").await;
    let (rows, pages, link) = drain(&tenant, "/groups/microsoft.graph.delta()").await;
    let members: Vec<&str> = rows
        .iter()
        .filter(|row| row["id"] == staff)
        .flat_map(|row| row["members@delta"].as_array().into_iter().flatten())
        .map(|member| member["id"].as_str().unwrap())
        .collect();
    assert!(
        pages >= 3 && members.len() >= 450,
        "{pages} pages, {}",
        members.len()
    );
    let mut unique = members.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), members.len(), "a group is continued, not repeated");

    let ward = tenant.security_group("ward", json!({})).await;
    let camila = tenant.user_id("W-1010").await;
    let path = format!("POST /groups/{ward}/members/$ref");
    tenant.check(&path, tenant.link(&camila), 204, "").await;
    let (changes, _, after) = drain(&tenant, &link).await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    let member = json!({ "@odata.type": "#microsoft.graph.user", "id": camila });
    assert_eq!(row(&changes, &ward)["members@delta"], json!([member]));
    let path = format!("DELETE /groups/{ward}/members/{camila}/$ref");
    tenant.check(&path, Value::Null, 204, "").await;
    let (changes, _, after) = drain(&tenant, &after).await;
    assert_eq!(
        row(&changes, &ward)["members@delta"][0]["@removed"]["reason"],
        "deleted"
    );
    tenant
        .check(&format!("DELETE /groups/{ward}"), Value::Null, 204, "")
        .await;
    let (changes, ..) = drain(&tenant, &after).await;
    assert_eq!(row(&changes, &ward)["@removed"]["reason"], "deleted");
    let (rows, ..) = drain(&tenant, "/groups/delta()?$select=displayName").await;
    assert!(rows.iter().all(|row| row.get("members@delta").is_none()));
}

#[tokio::test]
async fn a_query_can_start_from_now_and_follow_some() {
    let tenant = Tenant::start().await;
    let (none, pages, link) = drain(&tenant, "/users/delta?$deltatoken=latest").await;
    assert_eq!((none.len(), pages), (0, 1));
    let ids = [tenant.user_id("W-1010").await, tenant.user_id("W-2044").await];
    let some = format!("/users/delta?$filter=id eq '{}' or id eq '{}'", ids[0], ids[1]);
    let (two, _, some) = drain(&tenant, &some).await;
    assert_eq!(two.len(), 2);
    let ann = tenant.hire("ann", json!({})).await;
    let (new, ..) = drain(&tenant, &link).await;
    assert_eq!(new.len(), 1);
    assert_eq!(new[0]["userPrincipalName"], "ann@contoso.example");
    assert_eq!(new[0]["id"], ann);
    assert!(
        drain(&tenant, &some).await.0.is_empty(),
        "the filter is in the token"
    );
}

#[tokio::test]
async fn what_lags_comes_later() {
    let tenant = Tenant::empty().await;
    let (.., link) = drain(&tenant, "/users/delta?$deltatoken=latest").await;
    tenant
        .sandbox
        .fault(Fault::new(Effect::Lag { millis: 30_000 }).on("GET", "/users/delta"));
    let ann = tenant.hire("ann", json!({})).await;
    let (none, _, link) = drain(&tenant, &link).await;
    assert!(none.is_empty(), "{none:?}");
    tenant.sandbox.advance(Duration::from_secs(31));
    assert_eq!(drain(&tenant, &link).await.0[0]["id"], ann);
}

#[tokio::test]
async fn tokens_expire_and_bad_queries_are_refused() {
    let mut tenant = Tenant::start().await;
    let (.., link) = drain(&tenant, "/users/delta").await;
    tenant.sandbox.advance(Duration::from_hours(24 * 7 - 1));
    tenant.sign_in().await;
    assert_eq!(tenant.get(&link).await.status, 200);
    tenant.sandbox.advance(Duration::from_hours(2));
    tenant.sign_in().await;
    let reply = tenant.get(&link).await;
    assert_eq!(
        (reply.status, reply.code()),
        (410, "syncStateNotFound"),
        "{}",
        reply.text
    );
    let (rows, ..) = drain(&tenant, reply.header("location")).await;
    assert_eq!(rows.len(), 20, "the location starts again");
    let check = async |query: &str, code: &str| {
        let reply = tenant.get(&format!("/users/delta?{query}")).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, code),
            "{query}: {}",
            reply.text
        );
    };
    check("$top=5", "Request_UnsupportedQuery").await;
    check("$orderby=displayName", "Request_UnsupportedQuery").await;
    check("$expand=manager", "Request_UnsupportedQuery").await;
    check("$filter=displayName eq 'a'", "Request_UnsupportedQuery").await;
    let many: Vec<String> = (0..51).map(|number| format!("id eq '{number}'")).collect();
    check(
        &format!("$filter={}", many.join(" or ")),
        "Request_UnsupportedQuery",
    )
    .await;
    check("$select=nope", "BadRequest").await;
    check("$select=members", "BadRequest").await;
    check("$deltatoken=zzz", "BadRequest").await;
    let text = link.split_once("$deltatoken=").unwrap().1;
    assert_eq!(
        tenant
            .get(&format!("/groups/delta?$deltatoken={text}"))
            .await
            .status,
        400,
        "a token of another resource"
    );
    assert_eq!(tenant.get("/users?$deltatoken=latest").await.status, 400);
    tenant.check("POST /users/delta", json!({}), 405, "").await;
}

#[tokio::test]
async fn administrative_units_and_directory_roles_tell_who_came_and_went() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let units = "/directory/administrativeUnits";
    let made = tenant
        .check(
            &format!("POST {units}"),
            json!({ "displayName": "West" }),
            201,
            "",
        )
        .await;
    let unit = made.body["id"].as_str().unwrap().to_owned();
    let (rows, _, units_link) = drain(&tenant, &format!("{units}/delta")).await;
    assert_eq!(row(&rows, &unit)["displayName"], "West");
    let (roles, _, roles_link) = drain(&tenant, "/directoryRoles/delta()").await;
    assert_eq!(roles.len(), 1, "the break-glass account's: {roles:?}");
    assert_eq!(roles[0]["members@delta"].as_array().map(Vec::len), Some(1));

    let reference = json!({ "@odata.id": format!("{}/users/{ann}", tenant.sandbox.graph()) });
    tenant
        .check(&format!("POST {units}/{unit}/members/$ref"), reference, 204, "")
        .await;
    tenant
        .check(
            &format!("PATCH {units}/{unit}"),
            json!({ "description": "x" }),
            204,
            "",
        )
        .await;
    let reader = "5d6b6bb7-de71-4623-b4af-96380a352509";
    let wish = json!({ "roleDefinitionId": reader, "principalId": ann, "directoryScopeId": "/" });
    let given = tenant
        .check("POST /roleManagement/directory/roleAssignments", wish, 201, "")
        .await;
    let member = json!([{ "@odata.type": "#microsoft.graph.user", "id": ann }]);
    let (rows, _, units_link) = drain(&tenant, &units_link).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["description"], &rows[0]["members@delta"]),
        (&json!("x"), &member)
    );
    let (rows, _, roles_link) = drain(&tenant, &roles_link).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["displayName"], &rows[0]["members@delta"]),
        (&json!("Security Reader"), &member)
    );

    tenant
        .check(
            &format!("DELETE {units}/{unit}/members/{ann}/$ref"),
            Value::Null,
            204,
            "",
        )
        .await;
    let given = given.body["id"].as_str().unwrap();
    let take = format!("DELETE /roleManagement/directory/roleAssignments/{given}");
    tenant.check(&take, Value::Null, 204, "").await;
    let (rows, _, units_link) = drain(&tenant, &units_link).await;
    assert_eq!(
        rows[0]["members@delta"][0]["@removed"]["reason"], "deleted",
        "{rows:?}"
    );
    let (rows, _, _) = drain(&tenant, &roles_link).await;
    assert_eq!(
        rows[0]["members@delta"][0]["@removed"]["reason"], "deleted",
        "{rows:?}"
    );
    tenant
        .check(&format!("DELETE {units}/{unit}"), Value::Null, 204, "")
        .await;
    let (rows, _, _) = drain(&tenant, &units_link).await;
    assert_eq!((rows.len(), &rows[0]["id"]), (1, &json!(unit)));
    assert!(rows[0]["@removed"].is_object(), "{rows:?}");
    // One kind's token is no good for another.
    let token = roles_link.split_once('?').unwrap().1;
    assert_eq!(tenant.get(&format!("{units}/delta?{token}")).await.status, 400);
}
