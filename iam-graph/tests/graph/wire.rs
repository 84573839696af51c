//! Single requests, and sequences that a sandbox does not play: what is sent for which answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use iam_core::auth::{AccessToken, Audience, TokenSource};
use iam_core::clock::Clock;
use iam_core::entitlement::{Attribute, Attributes, Entitlement, Kind, TargetId, Via};
use iam_core::error::Retry;
use iam_core::http::{HttpTransport, Method};
use iam_core::notify::{Message, Notifier};
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::{Applied, Keys, PersonRef, Target};
use iam_core::{Cloud, ErrorKind, Result};
use iam_graph::{GraphClient, GraphMail, GraphTarget};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::clock::TestClock;

#[derive(Debug)]
struct Token;

#[async_trait]
impl TokenSource for Token {
    async fn token(&self, _: &Audience, _: Option<&str>) -> Result<AccessToken> {
        let expires_at = "2099-01-01T00:00:00Z".parse().unwrap();
        Ok(AccessToken {
            token: "t0ken".into(),
            expires_at,
            refresh_at: None,
        })
    }
}

/// A Graph that answers by a script, and what was asked of it.
struct Graph {
    server: MockServer,
    clock: Arc<TestClock>,
    client: GraphClient,
    target: GraphTarget,
}

/// `script` gets `"POST /users"` (path and query decoded) and how many requests of that kind came before.
async fn graph(script: impl Fn(&str, usize) -> (u16, Value) + Send + Sync + 'static) -> Graph {
    let server = MockServer::start().await;
    let seen = std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new());
    let respond = move |request: &Request| {
        let line = line(request);
        let before = {
            let mut seen = seen.lock().unwrap();
            let count = seen.entry(line.clone()).or_default();
            *count += 1;
            *count - 1
        };
        match script(&line, before) {
            (status, Value::Null) => ResponseTemplate::new(status),
            (status, body) => ResponseTemplate::new(status).set_body_json(body),
        }
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let clock = TestClock::new();
    let cloud = Cloud::custom(&server.uri(), &server.uri()).unwrap();
    let client = GraphClient::builder(cloud, Arc::new(Token), Arc::new(HttpTransport::new().unwrap()))
        .clock(clock.clone())
        .build();
    let target = GraphTarget::new(client.clone());
    Graph {
        server,
        clock,
        client,
        target,
    }
}

fn line(request: &Request) -> String {
    let path = request.url.path().trim_start_matches("/v1.0");
    let filter = request.url.query_pairs().find(|(name, _)| name == "$filter");
    let filter = filter.map(|(_, value)| format!("?{value}")).unwrap_or_default();
    format!("{} {path}{filter}", request.method)
}

impl Graph {
    async fn sent(&self) -> Vec<String> {
        self.server
            .received_requests()
            .await
            .unwrap()
            .iter()
            .map(line)
            .collect()
    }

    async fn bodies(&self, of: &str) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap();
        let mine = requests.iter().filter(|request| line(request) == of);
        mine.map(|request| serde_json::from_slice(&request.body).unwrap_or_default())
            .collect()
    }

    async fn apply(&self, account: Option<&str>, action: Action) -> Result<Applied> {
        let step = Step::new(self.target.id(), &PersonKey::new("W-1"), account, action, "test");
        self.target.apply(&step, &key(&step)).await
    }
}

fn key(step: &Step) -> IdempotencyKey {
    IdempotencyKey::of(&iam_core::event::EventId::new("e1"), step)
}

fn create() -> Action {
    let attributes = Attributes::from([
        (Attribute::DisplayName, "Ada Lovelace".to_owned()),
        (Attribute::CostCenter, "C-7".to_owned()),
    ]);
    Action::CreateAccount {
        name: "ada@x.example".into(),
        attributes,
    }
}

fn what(kind: Kind, id: &str) -> Entitlement {
    Entitlement {
        target: TargetId::new("graph"),
        kind,
        id: id.into(),
        name: id.into(),
    }
}

fn failure(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({"error": {"code": code, "message": message}}))
}

fn not_found() -> (u16, Value) {
    failure(404, "Request_ResourceNotFound", "Resource 'x' does not exist.")
}

fn taken() -> (u16, Value) {
    let message = "Another object with the same value for property userPrincipalName already exists.";
    failure(400, "Request_BadRequest", message)
}

fn page(values: Value) -> (u16, Value) {
    (200, json!({ "value": values }))
}

const BY_KEY: &str = "GET /users?employeeId eq 'W-1'";
const BY_NAME: &str = "GET /users/ada%40x.example";

#[tokio::test]
async fn a_new_account_is_blocked_and_has_a_password_that_nobody_knows() {
    let graph = graph(|_, _| (201, json!({"id": "u1"}))).await;
    let applied = graph.apply(None, create()).await.unwrap();
    assert_eq!(
        applied,
        Applied::Done {
            account: Some("u1".into())
        }
    );
    let body = &graph.bodies("POST /users").await[0];
    let password = body["passwordProfile"]["password"].as_str().unwrap();
    assert!(password.len() >= 24);
    let expect = json!({
        "displayName": "Ada Lovelace", "employeeOrgData": {"costCenter": "C-7"}, "accountEnabled": false,
        "userPrincipalName": "ada@x.example", "mailNickname": "ada", "employeeId": "W-1",
        "passwordProfile": {"password": password, "forceChangePasswordNextSignIn": true},
    });
    assert_eq!(body, &expect);
    let sent = graph.server.received_requests().await.unwrap();
    assert_eq!(sent[0].headers["authorization"], "Bearer t0ken");
}

#[tokio::test]
async fn a_lost_answer_to_create_is_settled_by_looking() {
    // It took effect: adopted, and not sent again.
    let ours = json!({"id": "u1", "employeeId": "W-1", "userPrincipalName": "ada@x.example"});
    let graph1 = graph(move |line, _| match line {
        "POST /users" => failure(503, "serviceNotAvailable", ""),
        BY_KEY => page(json!([])), // the index lags
        BY_NAME => (200, ours.clone()),
        _ => (500, Value::Null),
    })
    .await;
    let applied = graph1.apply(None, create()).await.unwrap();
    assert_eq!(
        applied,
        Applied::Done {
            account: Some("u1".into())
        }
    );
    assert_eq!(graph1.bodies("POST /users").await.len(), 1);

    // It did not: sent again, with another password.
    let graph2 = graph(|line, before| match (line, before) {
        ("POST /users", 0) => failure(504, "UnknownError", ""),
        ("POST /users", _) => (201, json!({"id": "u2"})),
        (BY_KEY, _) => page(json!([])),
        _ => not_found(),
    })
    .await;
    let applied = graph2.apply(None, create()).await.unwrap();
    assert_eq!(
        applied,
        Applied::Done {
            account: Some("u2".into())
        }
    );
    let bodies = graph2.bodies("POST /users").await;
    assert_eq!(bodies.len(), 2);
    assert_ne!(bodies[0]["passwordProfile"], bodies[1]["passwordProfile"]);

    // It cannot be told: unknown, after three requests.
    let graph3 = graph(|line, _| match line {
        "POST /users" => failure(500, "UnknownError", ""),
        BY_KEY => page(json!([])),
        _ => not_found(),
    })
    .await;
    let error = graph3.apply(None, create()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::OutcomeUnknown, Retry::Exhausted)
    );
    assert_eq!(graph3.bodies("POST /users").await.len(), 3);
}

#[tokio::test]
async fn a_taken_name_is_adopted_if_ours_and_reported_otherwise() {
    async fn check(by_key: Value, by_name: (u16, Value)) -> Result<Applied> {
        let graph = graph(move |line, _| match line {
            "POST /users" => taken(),
            BY_KEY => page(by_key.clone()),
            _ => by_name.clone(),
        })
        .await;
        let outcome = graph.apply(None, create()).await;
        assert_eq!(graph.bodies("POST /users").await.len(), 1);
        outcome
    }
    let user = |id: &str, key: &str| json!({"id": id, "employeeId": key});
    let adopted = check(json!([user("u1", "W-1")]), (200, user("u1", "W-1")))
        .await
        .unwrap();
    assert_eq!(
        adopted,
        Applied::AlreadySo {
            account: Some("u1".into())
        }
    );
    let kind = |outcome: Result<Applied>| outcome.unwrap_err().kind();
    assert_eq!(
        kind(check(json!([]), (200, user("u9", "W-9"))).await),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(check(json!([]), (200, json!({"id": "u9"}))).await),
        ErrorKind::AlreadyExists
    );
    // Whoever has it is not visible yet: another name could make a second account.
    assert_eq!(
        kind(check(json!([]), not_found()).await),
        ErrorKind::NotYetReplicated
    );
    let two = json!([user("u1", "W-1"), user("u2", "W-1")]);
    assert_eq!(kind(check(two, not_found()).await), ErrorKind::Conflict);
}

#[tokio::test]
async fn only_a_fresh_account_may_not_be_visible_yet() {
    let grant = || Action::grant(what(Kind::Group, "g1"));
    let script = |visible_after: usize| {
        move |line: &str, before: usize| match line {
            "POST /users" => (201, json!({"id": "u1"})),
            _ if before < visible_after => not_found(),
            _ => (204, Value::Null),
        }
    };
    let graph1 = graph(script(3)).await;
    graph1.apply(None, create()).await.unwrap();
    assert_eq!(
        graph1.apply(Some("u1"), grant()).await.unwrap(),
        Applied::Done { account: None }
    );

    let graph2 = graph(script(usize::MAX)).await;
    let old = graph2.apply(Some("u1"), grant()).await.unwrap_err();
    assert_eq!((old.kind(), graph2.sent().await.len()), (ErrorKind::NotFound, 1));
    graph2.apply(None, create()).await.unwrap();
    let start = graph2.clock.now();
    let fresh = graph2.apply(Some("u1"), grant()).await.unwrap_err();
    assert_eq!(
        (fresh.kind(), fresh.retry()),
        (ErrorKind::NotYetReplicated, Retry::Exhausted)
    );
    assert!(graph2.clock.now().duration_since(start).as_secs() < 15);
    graph2.clock.advance(Duration::from_mins(1));
    assert_eq!(
        graph2.apply(Some("u1"), grant()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn writes_that_get_in_each_others_way_are_repeated() {
    let script = |races: usize| {
        move |_: &str, before: usize| {
            if before < races {
                failure(409, "Directory_ConcurrencyViolation", "")
            } else {
                (204, Value::Null)
            }
        }
    };
    let grant = || Action::grant(what(Kind::Group, "g1"));
    let few = graph(script(2)).await;
    assert_eq!(
        few.apply(Some("u1"), grant()).await.unwrap(),
        Applied::Done { account: None }
    );
    let many = graph(script(usize::MAX)).await;
    let error = many.apply(Some("u1"), grant()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Conflict, Retry::Exhausted)
    );
}

#[tokio::test]
async fn what_is_so_already_says_so() {
    async fn check(action: Action, script: fn(&str, usize) -> (u16, Value), sent: &[&str]) {
        let graph = graph(script).await;
        let applied = graph.apply(Some("u1"), action).await.unwrap();
        assert_eq!(applied, Applied::AlreadySo { account: None });
        assert_eq!(graph.sent().await, sent);
    }
    let grant = |kind| Action::grant(what(kind, "x1"));
    let revoke = |kind| Action::Revoke {
        entitlement: what(kind, "x1"),
        assignment: None,
    };
    let exists =
        "One or more added object references already exist for the following modified properties: 'members'.";
    let member = |_: &str, _| {
        failure(
            400,
            "Request_BadRequest",
            "One or more added object references already exist for the following modified properties: 'members'.",
        )
    };
    assert_eq!(member("", 0).1["error"]["message"], exists);
    check(grant(Kind::Group), member, &["POST /groups/x1/members/$ref"]).await;
    check(
        revoke(Kind::Group),
        |_, _| not_found(),
        &["DELETE /groups/x1/members/u1/$ref"],
    )
    .await;
    check(
        grant(Kind::License),
        |_, _| (200, json!({"id": "u1", "assignedLicenses": [{"skuId": "X1"}]})),
        &["GET /users/u1"],
    )
    .await;
    check(
        revoke(Kind::License),
        |_, _| {
            failure(
                400,
                "Request_BadRequest",
                "User does not have a corresponding license.",
            )
        },
        &["POST /users/u1/assignLicense"],
    )
    .await;
    check(
        grant(Kind::Role),
        |_, _| failure(400, "Request_BadRequest", "A conflicting object with one or more of the specified property values is present in the directory."),
        &["POST /roleManagement/directory/roleAssignments"],
    )
    .await;
    check(Action::DeleteAccount, |_, _| not_found(), &["DELETE /users/u1"]).await;
    // Changed all the same: a replica that lags must not leave sign-in open.
    check(
        Action::BlockSignIn,
        |line, _| match line {
            "GET /users/u1" => (200, json!({"id": "u1", "accountEnabled": false})),
            _ => (204, Value::Null),
        },
        &["GET /users/u1", "PATCH /users/u1"],
    )
    .await;
}

#[tokio::test]
async fn a_role_is_taken_under_whichever_id_it_is_assigned() {
    let graph = graph(|line, _| match line {
        "DELETE /roleManagement/directory/roleAssignments/new" => (204, Value::Null),
        line if line.starts_with("DELETE") => not_found(),
        "GET /roleManagement/directory/roleDefinitions" => {
            page(json!([{"id": "def", "templateId": "role", "displayName": "Reader"}]))
        }
        "GET /roleManagement/directory/roleAssignments?principalId eq 'u1'" => page(json!([
            {"id": "new", "roleDefinitionId": "def", "principalId": "u1", "directoryScopeId": "/"},
            {"id": "part", "roleDefinitionId": "def", "principalId": "u1", "directoryScopeId": "/administrativeUnits/a"},
        ])),
        _ => page(json!([])),
    })
    .await;
    let revoke = |id: &str| Action::Revoke {
        entitlement: what(Kind::Role, id),
        assignment: Some("old".into()),
    };
    assert_eq!(
        graph.apply(Some("u1"), revoke("role")).await.unwrap(),
        Applied::Done { account: None }
    );
    assert_eq!(
        graph.apply(Some("u1"), revoke("other")).await.unwrap(),
        Applied::AlreadySo { account: None }
    );
    let sent = graph.sent().await;
    let part = "DELETE /roleManagement/directory/roleAssignments/part";
    assert!(!sent.iter().any(|line| line == part), "{sent:?}");
}

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
    ];
    assert_eq!(held, expect);
    let catalog = graph.target.catalog().await.unwrap();
    assert_eq!(catalog.domains.iter().collect::<Vec<_>>(), ["x.example"]);
    assert_eq!(catalog.items.len(), 4);
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
        live.contains("proxyAddresses/any(p:p eq 'smtp:o''e@x.example')"),
        "{live}"
    );
}

#[tokio::test]
async fn mail_is_sent_at_most_once() {
    async fn check(first: (u16, Value), expect: Option<ErrorKind>, requests: usize) {
        let graph = graph(move |_, before| {
            if before == 0 {
                first.clone()
            } else {
                (202, Value::Null)
            }
        })
        .await;
        let mail = GraphMail::new(graph.client.clone(), "hr@x.example");
        let message = Message {
            to: vec!["a@x.example".into()],
            subject: "s".into(),
            body: "b".into(),
        };
        let step = Step::new(
            graph.target.id(),
            &PersonKey::new("W-1"),
            None,
            Action::RevokeSessions,
            "",
        );
        let outcome = mail.notify(&message, &key(&step)).await;
        assert_eq!(outcome.err().map(|error| error.kind()), expect);
        assert_eq!(
            graph.sent().await,
            vec!["POST /users/hr%40x.example/sendMail"; requests]
        );
    }
    check((202, Value::Null), None, 1).await;
    check(failure(429, "TooManyRequests", ""), None, 2).await;
    check(
        failure(503, "serviceNotAvailable", ""),
        Some(ErrorKind::OutcomeUnknown),
        1,
    )
    .await;
    check(failure(403, "ErrorAccessDenied", ""), Some(ErrorKind::Denied), 1).await;
}

#[tokio::test]
async fn errors_say_what_was_tried_and_pages_do_not_leave_the_host() {
    let graph = graph(|line, _| match line {
        "GET /users/slow" => failure(429, "TooManyRequests", "x"),
        "GET /users" => (
            200,
            json!({"value": [{"id": "u1"}], "@odata.nextLink": "https://evil.example/v1.0/users"}),
        ),
        _ => (200, json!({"id": 7})),
    })
    .await;
    let slow = graph.client.user("slow").await.unwrap_err();
    assert_eq!(
        (slow.kind(), slow.retry()),
        (ErrorKind::Throttled, Retry::Exhausted)
    );
    assert_eq!(
        graph.client.list_users().await.unwrap_err().kind(),
        ErrorKind::Denied
    );
    let odd = graph.client.user("odd").await.unwrap_err();
    assert_eq!(
        odd.to_string(),
        "get user: the answer does not fit its schema at `id` (200)"
    );
    let raw = graph
        .client
        .request(Method::Get, "/me?$select=id", None, "get me")
        .await
        .unwrap();
    assert_eq!(raw.json::<Value>().unwrap(), json!({"id": 7}));
}

#[tokio::test]
async fn every_page_is_read_even_after_an_empty_one() {
    let root = Arc::new(std::sync::OnceLock::<String>::new());
    let known = root.clone();
    let graph = graph(move |line, _| {
        let next = |page: &str| format!("{}/v1.0/users/{page}", known.get().unwrap());
        match line {
            "GET /users" => (
                200,
                json!({"value": [{"id": "u1"}], "@odata.nextLink": next("p2")}),
            ),
            "GET /users/p2" => (200, json!({"value": [], "@odata.nextLink": next("p3")})),
            _ => page(json!([{"id": "u2"}])),
        }
    })
    .await;
    root.set(graph.server.uri()).unwrap();
    let users = graph.client.list_users().await.unwrap();
    assert_eq!(
        users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(),
        ["u1", "u2"]
    );
}

#[tokio::test]
async fn one_catalogue_serves_many_observations() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let graph = graph(move |line, _| match line {
        "GET /groups" => {
            counted.fetch_add(1, Ordering::SeqCst);
            page(json!([]))
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
    graph.clock.advance(Duration::from_secs(31)); // an unknown id is worth another look
    graph.target.observe(&who).await.unwrap();
    graph.target.catalog().await.unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 3);
}
