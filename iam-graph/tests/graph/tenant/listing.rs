//! Queries and streams against a whole tenant.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use iam_core::clock::SystemClock;
use iam_core::http::Method;
use iam_graph::query::{ELEMENT, Filter, Literal, Query, Search};
use iam_graph::users::User;
use iam_sandbox::{Effect, Fault, Sandbox};
use serde_json::{Value, json};

use super::{Tenant, start, tenant};

/// What the tenant itself says of its users.
fn names(tenant: &Tenant, which: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let state = tenant.sandbox.state();
    let users = state["users"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|user| which(user));
    users
        .map(|user| user["userPrincipalName"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn each_kind_of_filter_finds_what_the_tenant_holds() {
    let tenant = tenant().await;
    let sku = tenant
        .what(iam_core::entitlement::Kind::License, "POWER_BI_PRO")
        .await
        .id;
    let has = |user: &Value, name: &str, value: &str| user[name] == value;
    let starts = |user: &Value, name: &str, start: &str| {
        user[name]
            .as_str()
            .is_some_and(|text| text.to_lowercase().starts_with(start))
    };
    let check = async |query: Query, expect: BTreeSet<String>| {
        let text = format!("{query:?}");
        assert!(!expect.is_empty(), "{text} finds nobody");
        // Pages of two, so that the header has to come with each.
        let found: Vec<User> = tenant
            .client
            .stream_users(query.top(2))
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        let found = found
            .into_iter()
            .map(|user| user.user_principal_name.unwrap())
            .collect::<BTreeSet<_>>();
        assert_eq!(found, expect, "{text}");
    };
    let filter = |filter: Filter| Query::new().filter(filter);
    let of = |which: &dyn Fn(&Value) -> bool| names(&tenant, which);
    let city = |name: &'static str| move |user: &Value| has(user, "officeLocation", name);
    check(
        filter(Filter::eq("officeLocation", "Sydney")),
        of(&city("Sydney")),
    )
    .await;
    check(
        filter(Filter::ne("officeLocation", "Sydney")),
        of(&|user| !city("Sydney")(user)),
    )
    .await;
    check(
        filter(Filter::eq("officeLocation", "Sydney").not()),
        of(&|user| !city("Sydney")(user)),
    )
    .await;
    check(
        filter(Filter::eq("accountEnabled", true)),
        of(&|user| user["accountEnabled"] == true),
    )
    .await;
    check(
        filter(Filter::eq("department", Literal::NULL)),
        of(&|user| user["department"].is_null()),
    )
    .await;
    check(
        filter(Filter::starts_with("userPrincipalName", "noah")),
        of(&|user| starts(user, "userPrincipalName", "noah")),
    )
    .await;
    check(
        filter(Filter::ends_with("userPrincipalName", "@contoso.example")),
        of(&|user| {
            user["userPrincipalName"]
                .as_str()
                .unwrap()
                .ends_with("@contoso.example")
        }),
    )
    .await;
    check(
        filter(Filter::one_of("employeeId", ["W-1009", "W-1010", "W-nobody"])),
        of(&|user| has(user, "employeeId", "W-1009") || has(user, "employeeId", "W-1010")),
    )
    .await;
    check(
        filter(Filter::any(
            "assignedLicenses",
            Filter::eq("skuId", Literal::guid(&sku)),
        )),
        of(&|user| {
            user["licenses"]
                .as_array()
                .unwrap()
                .contains(&json!("POWER_BI_PRO"))
        }),
    )
    .await;
    check(
        filter(Filter::count_eq("assignedLicenses", 0)),
        of(&|user| user["licenses"].as_array().unwrap().is_empty()),
    )
    .await;
    check(
        filter(Filter::any(
            "proxyAddresses",
            Filter::eq(ELEMENT, "SMTP:noah.fischer@contoso.example"),
        )),
        of(&|user| has(user, "employeeId", "W-1009")),
    )
    .await;
    check(
        filter(Filter::eq("officeLocation", "Sydney").and(Filter::eq("accountEnabled", false).not())),
        of(&|user| city("Sydney")(user) && user["accountEnabled"] == true),
    )
    .await;
    check(
        filter(Filter::raw(
            "startswith(displayName,'Noah') or employeeId eq 'W-1010'",
        )),
        of(&|user| starts(user, "displayName", "noah") || has(user, "employeeId", "W-1010")),
    )
    .await;
    check(
        Query::new().search(Search::new("displayName", "fischer")),
        of(&|user| has(user, "employeeId", "W-1009")),
    )
    .await;
}

#[tokio::test]
async fn names_that_look_like_syntax_are_only_names() {
    let tenant = tenant().await;
    for (number, name) in [
        "Tim O'Neil & Sons #1 + 50% \"x\" \\ y",
        "') or ('1' eq '1",
        "Zoë / 李?",
    ]
    .iter()
    .enumerate()
    {
        let upn = format!("odd{number}@contoso.example");
        let body = json!({
            "accountEnabled": false, "displayName": name, "mailNickname": format!("odd{number}"),
            "userPrincipalName": upn, "passwordProfile": {"password": "xK9-fw2p!Qz"},
        });
        tenant
            .client
            .request(Method::Post, "/users", Some(&body), "create user")
            .await
            .unwrap();
        let found = tenant
            .client
            .find_users(&Filter::eq("displayName", *name))
            .await
            .unwrap();
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].user_principal_name.as_deref(), Some(upn.as_str()));
        let search = Query::new().search(Search::new("displayName", name));
        let searched = tenant.client.stream_users(search).unwrap().all().await;
        let searched = searched.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(searched.iter().any(|user| user.id == found[0].id), "{name}");
    }
}

#[tokio::test]
async fn order_count_and_relations_are_asked_for() {
    let tenant = tenant().await;
    let all = names(&tenant, |_| true);
    let query = Query::new()
        .select(["id", "displayName"])
        .order_by_descending("displayName")
        .count()
        .top(3);
    let mut users = tenant.client.stream_users(query).unwrap();
    let mut read: Vec<String> = Vec::new();
    while let Some(user) = users.try_next().await.unwrap() {
        assert!(user.user_principal_name.is_none(), "only what is selected");
        read.push(user.display_name.unwrap().to_lowercase());
    }
    assert_eq!((users.count(), read.len()), (Some(all.len() as u64), all.len()));
    assert!(read.is_sorted_by(|left, right| left >= right), "{read:?}");
    let count = |filter: Option<Filter>| tenant.client.count("/users", filter, "count users");
    assert_eq!(count(None).await.unwrap(), all.len() as u64);
    let sydney = names(&tenant, |user| user["officeLocation"] == "Sydney").len() as u64;
    assert_eq!(
        count(Some(Filter::eq("officeLocation", "Sydney"))).await.unwrap(),
        sydney
    );

    let group = tenant
        .what(iam_core::entitlement::Kind::Group, "sg-sydney")
        .await
        .id;
    let members = tenant
        .client
        .stream_members(&group, Query::new().top(1))
        .unwrap()
        .all()
        .await
        .unwrap();
    let state = tenant.sandbox.state();
    let groups = state["groups"].as_array().unwrap();
    let known = groups.iter().find(|known| known["id"] == group.as_str()).unwrap()["members"]
        .as_array()
        .unwrap()
        .len();
    assert!(known > 0 && members.len() == known, "{members:?}");
    let dynamic = Filter::any("groupTypes", Filter::eq(ELEMENT, "DynamicMembership"));
    let found = tenant
        .client
        .stream_groups(Query::new().filter(dynamic))
        .unwrap()
        .all()
        .await
        .unwrap();
    assert!(
        !found.is_empty()
            && found
                .iter()
                .all(|group| group.group_types == ["DynamicMembership"]),
        "{found:?}"
    );
    let deleted = tenant
        .client
        .stream_deleted_users(Query::new())
        .unwrap()
        .all()
        .await
        .unwrap();
    assert_eq!(deleted.len(), state["deleted"].as_array().map_or(1, Vec::len));
}

#[tokio::test]
async fn a_token_that_is_revoked_between_pages_is_replaced_once() {
    let tenant = start(Sandbox::builder().people(30), Arc::new(SystemClock)).await;
    tenant.sandbox.fault(
        Fault::new(Effect::RevokeTokens)
            .on("GET", "/users")
            .nth(3)
            .times(1),
    );
    let users = tenant
        .client
        .stream_users(Query::new().top(10))
        .unwrap()
        .all()
        .await
        .unwrap();
    assert_eq!(users.len(), names(&tenant, |_| true).len());
    let log = tenant.sandbox.log();
    let refused = log.iter().filter(|entry| entry.status == 401).count();
    let tokens = log.iter().filter(|entry| entry.path.ends_with("/token")).count();
    assert_eq!((refused, tokens), (1, 2));
}

#[tokio::test]
async fn every_list_is_a_stream_of_pages_too() {
    use iam_graph::app_roles::Holder;
    use iam_graph::eligibility::Validity;
    use iam_graph::roles::TENANT;
    use iam_graph::units::UnitPatch;

    let tenant = tenant().await;
    let client = &tenant.client;
    let (ada, noah) = (tenant.ada().await, tenant.id("W-1009"));
    let group = tenant
        .what(iam_core::entitlement::Kind::Group, "sg-security")
        .await
        .id;
    let reader = "5d6b6bb7-de71-4623-b4af-96380a352509";
    for who in [&ada, &noah] {
        // Some of them are what the seed says already.
        let _ = client.add_member(&group, who).await;
        let _ = client.add_owner(&group, who).await;
        client.assign_role(who, reader, TENANT).await.unwrap();
        client
            .make_eligible(who, reader, TENANT, Validity::Forever, "x")
            .await
            .unwrap();
    }
    client.set_manager(&ada, &noah).await.unwrap();
    let units = [
        client.create_unit("North", &UnitPatch::new()).await.unwrap().id,
        client.create_unit("South", &UnitPatch::new()).await.unwrap().id,
    ];
    let unit = &units[0];
    for who in [&ada, &noah] {
        client.add_unit_member(unit, who).await.unwrap();
    }
    let helpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
    for who in [&ada, &noah] {
        client.assign_role(who, helpdesk, TENANT).await.unwrap();
    }
    let roles = client.list_directory_roles().await.unwrap();
    let mut roles = roles.iter();
    let role = roles.find(|role| role.role_template_id.as_deref() == Some(helpdesk));
    let role = role.unwrap();
    for who in [&ada, &noah] {
        client.add_scoped_role_member(unit, &role.id, who).await.unwrap();
    }
    let portal = client
        .stream_service_principals(Query::new())
        .unwrap()
        .all()
        .await
        .unwrap();
    let portal = portal
        .iter()
        .find(|app| app.display_name.as_deref() == Some("Claims portal"))
        .unwrap();
    for role in portal.app_roles.iter().take(2) {
        client.assign_app_role(&ada, &portal.id, &role.id).await.unwrap();
    }

    for number in 0..2 {
        let nickname = format!("gone{number}");
        let group = json!({
            "displayName": nickname, "mailNickname": nickname, "mailEnabled": true, "securityEnabled": false,
            "groupTypes": ["Unified"],
        });
        for (path, new) in [
            ("/groups", group),
            ("/applications", json!({"displayName": nickname})),
        ] {
            let made = tenant.sandbox.act("POST", path, Some(new)).unwrap();
            let path = format!("{path}/{}", made["id"].as_str().unwrap());
            tenant.sandbox.act("DELETE", &path, None).unwrap();
        }
    }

    let one = || Query::new().top(1);
    let mut checked = 0;
    macro_rules! check {
        ($list:expr, $stream:expr, $least:expr) => {{
            let listed = $list.await.unwrap();
            let streamed: Vec<_> = $stream.unwrap().try_collect().await.unwrap();
            assert_eq!(streamed, listed, stringify!($stream));
            assert!(listed.len() >= $least, "{}: {}", stringify!($list), listed.len());
            checked += 1;
        }};
    }
    check!(
        client.list_members(&group),
        client.stream_members(&group, one()),
        2
    );
    check!(
        client.list_member_users(&group),
        client.stream_member_users(&group, one()),
        2
    );
    check!(
        client.list_transitive_members(&group),
        client.stream_transitive_members(&group, one()),
        2
    );
    check!(client.list_owners(&group), client.stream_owners(&group, one()), 2);
    check!(client.list_units(), client.stream_units(one()), 2);
    check!(
        client.list_unit_members(unit),
        client.stream_unit_members(unit, one()),
        2
    );
    check!(
        client.list_scoped_role_members(unit),
        client.stream_scoped_role_members(unit, Query::new()),
        2
    );
    check!(
        client.direct_reports(&noah),
        client.stream_direct_reports(&noah, one()),
        1
    );
    check!(
        client.list_directory_roles(),
        client.stream_directory_roles(Query::new()),
        1
    );
    check!(
        client.list_role_members(&role.id),
        client.stream_role_members(&role.id, Query::new()),
        2
    );
    check!(client.list_skus(), client.stream_skus(Query::new()), 2);
    check!(
        client.list_eligible_roles(),
        client.stream_eligible_roles(Query::new()),
        2
    );
    check!(
        client.scheduled_roles_of(&ada),
        client.stream_scheduled_roles(Query::new().filter(Filter::eq("principalId", ada.as_str()))),
        1
    );
    check!(client.list_domains(), client.stream_domains(Query::new()), 1);
    check!(
        client.list_domain_references("contoso.example"),
        client.stream_domain_references("contoso.example", one()),
        2
    );
    let holder = || Holder::User(&ada);
    check!(
        client.app_roles_of(holder()),
        client.stream_app_roles_of(holder(), one()),
        2
    );
    check!(
        client.list_conditional_access(),
        client.stream_conditional_access(Query::new()),
        2
    );
    check!(
        client.list_deleted_groups(),
        client.stream_deleted_groups(one()),
        2
    );
    check!(
        client.deleted_applications(),
        client.stream_deleted_applications(one()),
        2
    );
    assert_eq!(checked, 19);
}
