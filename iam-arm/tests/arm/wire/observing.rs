//! What the target offers, whose accounts it uses, and what principals hold.

use iam_arm::ArmTarget;
use iam_core::ErrorKind;
use iam_core::entitlement::{Kind, Reference, TargetId, Via};
use iam_core::person::PersonKey;
use iam_core::target::{EffectClass, Keys, PersonRef, Target};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{Answer, OWNER, READER, SIEM, assignment, azure, azure_at, definition, failure, page};

const MG: &str = "/providers/Microsoft.Management/managementGroups/mg";

fn roles() -> Answer {
    page(json!([
        definition(READER, "Reader", &["*/read"]),
        definition(OWNER, "Owner", &["*"])
    ]))
}

fn reference(name: &str) -> Reference {
    Reference::new(Kind::Azure, name)
}

#[tokio::test]
async fn every_role_at_every_scope_is_offered_once() {
    let scopes = [
        SIEM,
        "/SUBSCRIPTIONS/S1/RESOURCEGROUPS/SIEM/",
        "/subscriptions/s2",
    ];
    let azure = azure_at(&scopes, |line, _| match line {
        "GET /subscriptions/s2/roleDefinitions" => {
            ResponseTemplate::new(200).set_body_json(json!({"value": [
                definition("c1", "Custom", &["Microsoft.Compute/*"]),
                definition("c2", "Twice", &["Microsoft.Authorization/roleAssignments/write"]),
                definition("c3", "Twice", &[]),
            ]}))
        }
        _ => ResponseTemplate::new(200).set_body_json(roles().1),
    })
    .await;
    let catalog = azure.target.catalog().await.unwrap();
    assert_eq!((catalog.items.len(), azure.sent().await.len()), (5, 2));

    let check =
        |name: &str, expect: Result<(&str, bool), &str>| match (catalog.resolve(&reference(name)), expect) {
            (Ok(item), Ok((id, privileged))) => {
                assert_eq!((item.entitlement.id.as_str(), item.privileged), (id, privileged));
            }
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (found, _) => panic!("{name}: {found:?}"),
        };
    let reader = format!("{READER}@/subscriptions/s1/resourcegroups/siem");
    let owner = format!("{OWNER}@/subscriptions/s1/resourcegroups/siem");
    check(&format!("Reader @ {SIEM}"), Ok((&reader, false)));
    check(
        &format!("READER @ {}/", SIEM.to_uppercase()),
        Ok((&reader, false)),
    );
    check(&format!("id:{reader}"), Ok((&reader, false)));
    check(&format!("Owner @ {SIEM}"), Ok((&owner, true)));
    check("Custom @ /subscriptions/s2", Ok(("c1@/subscriptions/s2", false)));
    check("id:c2@/subscriptions/s2", Ok(("c2@/subscriptions/s2", true)));
    check("Twice @ /subscriptions/s2", Err("more than one"));
    check("Reader @ /subscriptions/s2", Err("has no"));
    check("Reader", Err("has no"));
}

#[tokio::test]
async fn its_accounts_are_those_of_another_target() {
    let azure = azure(|_, _| failure(500, "Unexpected")).await;
    let can = azure.target.capabilities();
    assert_eq!(azure.target.id(), &TargetId::new("arm"));
    assert_eq!(can.principals_of, Some(TargetId::new("graph")));
    assert_eq!(
        can.actions.into_iter().collect::<Vec<_>>(),
        [
            ("grant", EffectClass::Repeatable),
            ("revoke", EffectClass::Repeatable),
        ]
    );
    let other = azure.target.clone().principals_of(TargetId::new("hr-tenant"));
    assert_eq!(
        other.capabilities().principals_of,
        Some(TargetId::new("hr-tenant"))
    );

    let key = |account: Option<&str>| Keys {
        person: PersonKey::new("W-1"),
        account: account.map(str::to_owned),
    };
    let found = azure.target.find(&[key(Some("u1")), key(None)]).await.unwrap();
    assert_eq!((found[0].active.len(), found[0].deleted.len()), (1, 0));
    let account = &found[0].active[0];
    assert_eq!(
        (account.id.as_str(), account.name.as_str(), account.enabled),
        ("u1", "", true)
    );
    assert!(account.attributes.is_empty() && !account.deleted && !account.synced);
    assert_eq!((found[1].active.len(), found[1].deleted.len()), (0, 0));
    assert!(
        azure
            .target
            .names_taken(&["a@x.example".into()])
            .await
            .unwrap()
            .is_empty()
    );
    assert!(azure.target.observe(&[]).await.unwrap().is_empty());
    assert!(azure.sent().await.is_empty());

    let wrong = ArmTarget::new(azure.client.clone(), ["siem".to_owned()]).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
    assert!(wrong.to_string().contains("\"siem\""), "{wrong}");
}

fn people(accounts: &[&str]) -> Vec<PersonRef> {
    let person = |(index, account): (usize, &&str)| PersonRef {
        person: PersonKey::new(format!("W-{index}")),
        account: (*account).to_owned(),
    };
    accounts.iter().enumerate().map(person).collect()
}

#[tokio::test]
async fn all_that_a_principal_holds_is_reported_with_its_scope() {
    let vault = "/subscriptions/s1/resourceGroups/a/providers/Microsoft.KeyVault/vaults/v";
    let scopes = [SIEM, "/subscriptions/s1/resourceGroups/b", "/subscriptions/s2"];
    let azure = azure_at(&scopes, move |line, _| {
        let held = match line {
            "GET /subscriptions/s1/roleAssignments?principalId eq 'u1'" => {
                let mut of_a_group = assignment("g", OWNER, SIEM);
                of_a_group["properties"]["principalId"] = json!("g1");
                json!([
                    assignment("a1", READER, SIEM),
                    assignment("a2", "UNKNOWN", vault),
                    assignment("a3", OWNER, MG),
                    of_a_group
                ])
            }
            "GET /subscriptions/s2/roleAssignments?principalId eq 'u1'" => {
                json!([assignment("A3", OWNER, MG)])
            }
            line if line.contains("roleAssignments") => json!([]),
            _ => roles().1["value"].clone(),
        };
        ResponseTemplate::new(200).set_body_json(json!({ "value": held }))
    })
    .await;
    let actual = azure.target.observe(&people(&["u1", "u2"])).await.unwrap();
    assert_eq!(actual[0].person, PersonKey::new("W-0"));
    assert_eq!(actual[0].account.as_ref().unwrap().id, "u1");
    let mut held: Vec<_> = actual[0]
        .held
        .iter()
        .map(|held| {
            (
                held.entitlement.name.as_str(),
                held.entitlement.id.as_str(),
                held.via.clone(),
            )
        })
        .collect();
    held.sort_by_key(|(name, ..)| *name);
    let id = |role: &str, scope: &str| format!("{role}@{}", scope.to_lowercase());
    assert_eq!(
        held,
        [
            (
                format!("Owner @ {MG}").as_str(),
                id(OWNER, MG).as_str(),
                Via::Direct
            ),
            (
                format!("Reader @ {SIEM}").as_str(),
                id(READER, SIEM).as_str(),
                Via::Direct
            ),
            (
                format!("unknown @ {vault}").as_str(),
                id("unknown", vault).as_str(),
                Via::Direct
            ),
        ]
    );
    assert!(actual[0].held.iter().all(|held| {
        let id = held.assignment.as_deref().unwrap();
        id.contains("/roleAssignments/")
    }));
    assert_eq!(
        (
            actual[1].account.as_ref().unwrap().id.as_str(),
            actual[1].held.len()
        ),
        ("u2", 0)
    );
    let sent = azure.sent().await;
    let reads = sent
        .iter()
        .filter(|line| line.contains("roleAssignments"))
        .count();
    assert_eq!(reads, 4, "two principals in two subscriptions: {sent:?}");
    let catalogues = sent
        .iter()
        .filter(|line| line.contains("roleDefinitions"))
        .count();
    assert_eq!(
        catalogues, 3,
        "read once, and not again for an unknown role a moment later"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_never_nothing() {
    async fn check(answer: Answer, expect: ErrorKind) {
        let azure = azure(move |line, _| match line {
            line if line.contains("roleAssignments") => answer.clone(),
            _ => roles(),
        })
        .await;
        let error = azure.target.observe(&people(&["u1"])).await.unwrap_err();
        assert_eq!(error.kind(), expect);
    }
    check(failure(404, "SubscriptionNotFound"), ErrorKind::NotFound).await;
    check((200, Value::Null), ErrorKind::Protocol).await;
}

#[tokio::test]
async fn a_subscription_that_may_not_be_read_hides_nothing_of_the_others() {
    for (answer, reason) in [
        (failure(403, "AuthorizationFailed"), "AuthorizationFailed"),
        (failure(500, "x"), "500"),
    ] {
        let azure = azure_at(&[SIEM, "/subscriptions/s2"], move |line, _| {
            let (status, body) = match line {
                line if line.contains("s2/roleAssignments") => answer.clone(),
                line if line.contains("roleAssignments") => page(json!([assignment("a1", READER, SIEM)])),
                _ => roles(),
            };
            ResponseTemplate::new(status).set_body_json(body)
        })
        .await;
        let actual = azure.target.observe(&people(&["u1"])).await.unwrap();
        for actual in &actual {
            assert_eq!(actual.held.len(), 1, "{actual:?}");
            let [unread] = actual.unread.as_slice() else {
                panic!("{actual:?}")
            };
            assert_eq!((unread.kind, &unread.part), (Kind::Azure, &None));
            assert!(
                unread.why.contains("/subscriptions/s2") && unread.why.contains(reason),
                "{unread}"
            );
        }
    }
}

#[tokio::test]
async fn a_scope_that_is_gone_offers_nothing_and_hides_nobody() {
    let gone = "/subscriptions/s1/resourceGroups/gone";
    let azure = azure_at(&[SIEM, gone], move |line, _| {
        let (status, body) = match line {
            line if line.contains("/gone/") => failure(404, "ResourceGroupNotFound"),
            line if line.contains("roleAssignments") => page(json!([assignment("a1", READER, SIEM)])),
            _ => roles(),
        };
        ResponseTemplate::new(status).set_body_json(body)
    })
    .await;
    let catalog = azure.target.catalog().await.unwrap();
    assert!(catalog.resolve(&reference(&format!("Reader @ {SIEM}"))).is_ok());
    let problem = catalog
        .resolve(&reference(&format!("Reader @ {gone}")))
        .unwrap_err();
    assert!(problem.contains("gone"), "{problem}");
    let actual = azure.target.observe(&people(&["u1"])).await.unwrap();
    assert_eq!(actual[0].held.len(), 1);
}
