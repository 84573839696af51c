//! What is read of people, names and the catalogue, and in how many requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::entitlement::{Kind, Via};
use iam_core::person::PersonKey;
use iam_core::target::{Keys, PersonRef, Target};
use serde_json::json;

use super::{failure, graph, not_found, page};

#[tokio::test]
async fn observing_tells_how_everything_is_held() {
    let graph = graph(|line, _| match line {
        "GET /users/u1" => (200, json!({
            "id": "u1", "userPrincipalName": "ada@x.example", "accountEnabled": true, "manager": {"id": "m1"},
            "licenseAssignmentStates": [{"skuId": "s1", "assignedByGroup": "g1", "state": "Active"}],
            "assignedLicenses": [{"skuId": "s1"}, {"skuId": "s9"}],
        })),
        "GET /users/u1/memberOf" => page(json!([
            {"@odata.type": "#microsoft.graph.group", "id": "g1", "displayName": "Static"},
            {"@odata.type": "#microsoft.graph.group", "id": "g2", "displayName": "Dynamic", "groupTypes": ["DynamicMembership"]},
            {"@odata.type": "#microsoft.graph.group", "id": "g3", "displayName": "Synced", "onPremisesSyncEnabled": true},
            {"@odata.type": "#microsoft.graph.group", "id": "g4", "displayName": "List", "mailEnabled": true},
            {"@odata.type": "#microsoft.graph.group", "id": "g5", "displayName": "Team", "mailEnabled": true, "groupTypes": ["Unified"]},
            {"@odata.type": "#microsoft.graph.directoryRole", "id": "d1", "displayName": "Reader"},
        ])),
        "GET /roleManagement/directory/roleAssignments?principalId eq 'u1'" => page(json!([
            {"id": "a1", "roleDefinitionId": "r1", "principalId": "u1", "directoryScopeId": "/"},
            {"id": "a2", "roleDefinitionId": "r1", "principalId": "u1", "directoryScopeId": "/administrativeUnits/x"},
        ])),
        "GET /roleManagement/directory/roleAssignments?principalId eq 'g1'" => page(json!([
            {"id": "a3", "roleDefinitionId": "r2", "principalId": "g1", "directoryScopeId": "/"},
        ])),
        "GET /users/u1/appRoleAssignments" => page(json!([
            {"id": "p1", "resourceId": "app", "appRoleId": "read", "principalId": "u1", "principalType": "User"},
            {"id": "p2", "resourceId": "app", "appRoleId": "write", "principalId": "g1", "principalType": "Group"},
            {"id": "p3", "resourceId": "old", "resourceDisplayName": "Old", "appRoleId": "x", "principalType": "User"},
            {"id": "p4", "resourceId": "app", "appRoleId": "00000000-0000-0000-0000-000000000000", "principalType": "User"},
        ])),
        "GET /servicePrincipals/app" => (200, json!({"id": "app", "displayName": "Lab", "appRoles": [
            {"id": "read", "value": "Lab.Read"}, {"id": "write", "displayName": "Writer"},
        ]})),
        "GET /groups" => page(json!([{"id": "g1", "displayName": "Static", "isAssignableToRole": true}])),
        "GET /subscribedSkus" => page(json!([{"skuId": "s1", "skuPartNumber": "SPE_E3", "prepaidUnits": {"enabled": 5}, "consumedUnits": 2}])),
        "GET /roleManagement/directory/roleDefinitions" => page(json!([
            {"id": "r1", "templateId": "r1", "displayName": "Reader"},
            {"id": "r2", "templateId": "r2", "displayName": "Global Administrator"},
        ])),
        "GET /domains" => page(json!([{"id": "X.example", "isVerified": true}, {"id": "y.example"}])),
        _ => not_found(),
    })
    .await;
    let who = |account: &str| PersonRef {
        person: PersonKey::new("W-1"),
        account: account.into(),
    };
    let actual = graph.target.observe(&[who("u1"), who("gone")]).await.unwrap();
    assert!(actual[1].account.is_none() && actual[1].held.is_empty());
    let account = actual[0].account.as_ref().unwrap();
    assert_eq!(
        (account.name.as_str(), account.manager.as_deref()),
        ("ada@x.example", Some("m1"))
    );
    let from = |id: &str| Via::Inherited { from: id.into() };
    let held: Vec<(&str, &str, &Via, Option<&str>)> = actual[0]
        .held
        .iter()
        .map(|h| {
            (
                h.entitlement.id.as_str(),
                h.entitlement.name.as_str(),
                &h.via,
                h.assignment.as_deref(),
            )
        })
        .collect();
    let expect = [
        ("g1", "Static", &Via::Direct, None),
        ("r2", "Global Administrator", &from("g1"), None),
        ("g2", "Dynamic", &Via::Dynamic, None),
        ("g3", "Synced", &Via::Synced, None),
        ("g4", "List", &Via::Synced, None), // mastered in Exchange
        ("g5", "Team", &Via::Direct, None),
        ("s1", "SPE_E3", &from("g1"), None),
        ("s9", "s9", &Via::Direct, None), // in no catalogue
        ("r1", "Reader", &Via::Direct, Some("a1")),
        (
            "r1@/administrativeUnits/x",
            "Reader (/administrativeUnits/x)",
            &Via::Direct,
            Some("a2"),
        ),
        ("app/read", "Lab / Lab.Read", &Via::Direct, Some("p1")),
        ("app/write", "Lab / Writer", &from("g1"), None),
        ("old/x", "Old / x", &Via::Direct, Some("p3")), // the application is gone
        (
            "app/00000000-0000-0000-0000-000000000000",
            "Lab",
            &Via::Direct,
            Some("p4"),
        ),
    ];
    assert_eq!(held, expect);
    let catalog = graph.target.catalog().await.unwrap();
    assert_eq!(catalog.domains.iter().collect::<Vec<_>>(), ["x.example"]);
    assert_eq!(catalog.items.len(), 4);
}

#[tokio::test]
async fn an_application_that_may_not_be_read_has_the_name_that_its_assignment_gives_it() {
    let graph = graph(|line, _| match line {
        "GET /users/u1" => (200, json!({"id": "u1"})),
        "GET /users/u1/appRoleAssignments" => page(json!([
            {"id": "p", "resourceId": "app", "resourceDisplayName": "Lab", "appRoleId": "r", "principalType": "User"},
        ])),
        "GET /servicePrincipals/app" => failure(403, "Authorization_RequestDenied", "Insufficient privileges."),
        _ => page(json!([])),
    })
    .await;
    let who = [PersonRef {
        person: PersonKey::new("W-1"),
        account: "u1".into(),
    }];
    let actual = graph.target.observe(&who).await.unwrap();
    let names: Vec<&str> = actual[0]
        .held
        .iter()
        .map(|held| held.entitlement.name.as_str())
        .collect();
    assert_eq!(names, ["Lab / r"]);
}

/// A tenant in which `u1` holds one of everything, and the routes that contain `refused` answer so.
async fn refusing(refused: &'static str, code: &'static str, status: u16) -> super::Graph {
    graph(move |line, _| match line {
        line if line.contains(refused) => failure(status, code, "It is refused."),
        "GET /users/u1" => (200, json!({"id": "u1", "assignedLicenses": [{"skuId": "s1"}]})),
        "GET /users/u1/memberOf" => page(json!([
            {"@odata.type": "#microsoft.graph.group", "id": "g1", "displayName": "Static"},
        ])),
        "GET /roleManagement/directory/roleAssignments?principalId eq 'u1'" => page(json!([
            {"id": "a1", "roleDefinitionId": "r1", "principalId": "u1", "directoryScopeId": "/"},
        ])),
        "GET /users/u1/appRoleAssignments" => page(json!([
            {"id": "p1", "resourceId": "app", "appRoleId": "read", "principalId": "u1", "principalType": "User"},
        ])),
        line if line.contains("roleEligibilitySchedule") => page(json!([
            {"id": "e1", "roleDefinitionId": "r2", "principalId": "u1", "directoryScopeId": "/"},
        ])),
        _ => page(json!([])),
    })
    .await
}

fn u1() -> [PersonRef; 1] {
    [PersonRef {
        person: PersonKey::new("W-1"),
        account: "u1".into(),
    }]
}

#[tokio::test]
async fn a_tenant_without_eligible_roles_is_observed_and_a_refusal_is_told() {
    let eligible = "roleEligibilitySchedule";
    let without = refusing(eligible, "AadPremiumLicenseRequired", 400).await;
    let actual = without.target.observe(&u1()).await.unwrap();
    assert_eq!(
        (actual[0].held.len(), actual[0].unread.as_slice()),
        (4, [].as_slice())
    );
    // A replica that lags, or a cloud without the service, says nothing of anybody.
    for (code, status, why) in [
        (
            "Authorization_RequestDenied",
            403,
            "RoleEligibilitySchedule.Read.Directory",
        ),
        ("Request_ResourceNotFound", 404, "list eligible roles"),
        ("UnknownError", 503, "list eligible roles"),
    ] {
        let refused = refusing(eligible, code, status).await;
        let actual = refused.target.observe(&u1()).await.unwrap();
        assert!(
            actual[0].account.is_some() && actual[0].held.len() == 4,
            "{actual:?}"
        );
        let [unread] = actual[0].unread.as_slice() else {
            panic!("{actual:?}")
        };
        assert_eq!(
            (unread.kind, unread.part.as_deref()),
            (Kind::Role, Some("eligible"))
        );
        assert!(unread.why.contains(why), "{unread}");
    }
    let locked_out = refusing(eligible, "InvalidAuthenticationToken", 401).await;
    let error = locked_out.target.observe(&u1()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_kind_that_may_not_be_read_hides_no_other() {
    for (route, kinds, left) in [
        ("appRoleAssignments", &[Kind::App][..], 4),
        ("roleAssignments?", &[Kind::Role], 4),
        // Roles come from groups too.
        ("memberOf", &[Kind::Group, Kind::Role], 4),
    ] {
        for (code, status) in [("Authorization_RequestDenied", 403), ("UnknownError", 503)] {
            let refused = refusing(route, code, status).await;
            let actual = refused.target.observe(&u1()).await.unwrap();
            assert_eq!(actual[0].held.len(), left, "{route}: {actual:?}");
            let unread: Vec<Kind> = actual[0].unread.iter().map(|unread| unread.kind).collect();
            assert_eq!(unread, kinds, "{route}");
            assert!(
                actual[0].unread.iter().all(|unread| unread.part.is_none()),
                "{route}"
            );
        }
        // The account is there, what belongs to it is not: that is not "nothing" either.
        let lagging = refusing(route, "Request_ResourceNotFound", 404).await;
        let error = lagging.target.observe(&u1()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotYetReplicated, "{route}");
    }
    let refused = refusing("users/u1", "Authorization_RequestDenied", 403).await;
    let error = refused.target.observe(&u1()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Denied,
        "without the account nothing is known"
    );
}

#[tokio::test]
async fn people_are_found_in_batches_and_only_their_own() {
    let graph = graph(|line, _| {
        if line.starts_with("GET /users?employeeId") && line.contains("'W-1'") {
            page(json!([{"id": "u1", "employeeId": "w-1"}]))
        } else if line.starts_with("GET /users?id in") {
            page(json!([{"id": "u2"}, {"id": "u3", "employeeId": "W-99"}]))
        } else if line.starts_with("GET /directory") && line.contains("'W-3'") {
            let name = "8f1c2d3e0000400080000123456789abcy@x.example";
            page(json!([{"id": "8f1c2d3e-0000-4000-8000-0123456789ab", "userPrincipalName": name, "employeeId": "W-3"}]))
        } else {
            page(json!([]))
        }
    })
    .await;
    let keys: Vec<Keys> = (0..40)
        .map(|n| Keys {
            person: PersonKey::new(format!("W-{n}")),
            account: (n < 4).then(|| format!("u{n}")),
        })
        .collect();
    let found = graph.target.find(&keys).await.unwrap();
    let ids = |n: usize| {
        found[n]
            .active
            .iter()
            .map(|account| account.id.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(found.len(), 40);
    assert_eq!(ids(1), ["u1"]);
    assert_eq!(ids(2), ["u2"]); // recorded, and nobody else's
    assert!(ids(3).is_empty()); // recorded, and somebody else's now
    assert_eq!(
        (found[3].deleted[0].name.as_str(), found[3].deleted[0].deleted),
        ("cy@x.example", true)
    );
    assert_eq!(graph.sent().await.len(), 7); // 40 worker ids live and deleted, 3 recorded ids
    assert_eq!(graph.posts().await, 2);
}

#[tokio::test]
async fn names_are_taken_by_name_mail_alias_and_the_deleted() {
    let graph = graph(|line, _| {
        if line.starts_with("GET /directory") {
            page(json!([{"id": "8f1c2d3e-0000-4000-8000-0123456789ab", "userPrincipalName": "8f1c2d3e0000400080000123456789abd@x.example"},
                        {"id": "u9", "userPrincipalName": "not-d@x.example"}]))
        } else {
            page(json!([
                {"id": "u1", "userPrincipalName": "A@x.example"},
                {"id": "u2", "userPrincipalName": "z@x.example", "mail": "B@x.example"},
                {"id": "u3", "userPrincipalName": "y@x.example", "proxyAddresses": ["SMTP:c@x.example", "x500:/o=x"]},
            ]))
        }
    })
    .await;
    let names = [
        "a@x.example",
        "b@x.example",
        "C@x.example",
        "d@x.example",
        "o'e@x.example",
    ];
    let taken = graph.target.names_taken(&names.map(str::to_owned)).await.unwrap();
    let taken: Vec<(&str, &str)> = taken
        .iter()
        .map(|(name, id)| (name.as_str(), id.as_str()))
        .collect();
    let gone = "8f1c2d3e-0000-4000-8000-0123456789ab";
    assert_eq!(
        taken,
        [
            ("a@x.example", "u1"),
            ("b@x.example", "u2"),
            ("c@x.example", "u3"),
            ("d@x.example", gone)
        ]
    );
    let sent = graph.sent().await;
    assert_eq!(sent.len(), 2);
    let live = sent.iter().find(|line| line.starts_with("GET /users")).unwrap();
    assert!(
        live.contains("proxyAddresses/any(x:x eq 'smtp:o''e@x.example')"),
        "{live}"
    );
}

#[tokio::test]
async fn one_catalogue_serves_many_observations() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let apps = Arc::new(AtomicUsize::new(0));
    let asked = apps.clone();
    let graph = graph(move |line, _| match line {
        "GET /me" => failure(
            400,
            "BadRequest",
            "/me request is only valid with delegated authentication flow.",
        ),
        "GET /groups" => {
            counted.fetch_add(1, Ordering::SeqCst);
            page(json!([]))
        }
        line if line.starts_with("GET /users/") && line.ends_with("appRoleAssignments") => {
            page(json!([{"id": "p", "resourceId": "app", "appRoleId": "r", "principalType": "User"}]))
        }
        "GET /servicePrincipals/app" => {
            asked.fetch_add(1, Ordering::SeqCst);
            (200, json!({"id": "app", "displayName": "Lab"}))
        }
        line if line.starts_with("GET /users/") && !line.ends_with("memberOf") => (
            200,
            json!({"id": "u", "assignedLicenses": [{"skuId": "unknown"}]}),
        ),
        _ => page(json!([])),
    })
    .await;
    let who: Vec<PersonRef> = (0..50)
        .map(|n| PersonRef {
            person: PersonKey::new(format!("W-{n}")),
            account: format!("u{n}"),
        })
        .collect();
    assert_eq!(graph.target.observe(&who).await.unwrap().len(), 50);
    graph.target.observe(&who).await.unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    assert_eq!(apps.load(Ordering::SeqCst), 1, "an application is read once");
    graph.clock.advance(Duration::from_secs(31)); // an unknown id is worth another look
    graph.target.observe(&who).await.unwrap();
    graph.target.catalog().await.unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 3);
}
