//! Access packages: asked for, delivered in Entra's own time, taken back, and with them what they bring.

use std::sync::Arc;
use std::time::Duration;

use iam_core::auth::{AccessToken, Audience, TokenSource};
use iam_core::clock::SystemClock;
use iam_core::engine::{Ending, Engine, RunReport};
use iam_core::entitlement::Via;
use iam_core::http::{HttpTransport, Method, Request, Transport};
use iam_core::journal::MemoryJournal;
use iam_core::person::PersonKey;
use iam_core::policy::Document;
use iam_core::{Cloud, Result};
use iam_graph::{GraphClient, GraphTarget};
use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::{Value, json};

use crate::world::{World, client};

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[[rule]]
id = "engineering"
when = 'person.department == "Engineering"'
access_packages = ["Engineering tools"]
grace = "7d"
[[rule]]
id = "chief"
when = 'person.job_title == "Chief"'
access_packages = ["Nowhere"]
[[conflict]]
id = "build-and-pay"
between = [{ access_packages = ["Engineering tools"] }, { access_packages = ["Payments"] }]
[leaver]
password = "keep"
[guard.limits]
take_package = { max = 9 }
[[test]]
name = "an engineer"
given = { department = "Engineering" }
expect = { access_packages = ["Engineering tools"] }
"#;

const AT: &str = "/identityGovernance/entitlementManagement";

/// A package that holds that group, set up as documented: its id.
fn offer(sandbox: &Sandbox, name: &str, group: &str, policy: &Value) -> String {
    let post = |path: &str, body: Value| sandbox.act("POST", &format!("{AT}/{path}"), Some(body)).unwrap();
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let catalog = post("catalogs", json!({ "displayName": name }));
    let catalog = json!({ "id": catalog["id"] });
    let package = id(&post(
        "accessPackages",
        json!({"displayName": name, "catalog": catalog}),
    ));
    let resource = json!({"originId": group, "originSystem": "AadGroup"});
    let body = json!({"requestType": "adminAdd", "resource": resource, "catalog": catalog});
    post("resourceRequests", body);
    let role = json!({"originId": format!("Member_{group}"), "originSystem": "AadGroup"});
    let scope = json!({"originId": group, "originSystem": "AadGroup", "isRootScope": true});
    let scopes = format!("accessPackages/{package}/resourceRoleScopes");
    post(&scopes, json!({"role": role, "scope": scope}));
    let mut body = json!({"displayName": "Direct", "accessPackage": {"id": package}});
    body.as_object_mut()
        .unwrap()
        .extend(policy.as_object().unwrap().clone());
    post("assignmentPolicies", body);
    package
}

/// A tenant that takes its time, and an engine that looks after packages.
async fn tenant() -> (World, String) {
    let mut world = World::with_policy(POLICY).await;
    world.sandbox.stop_clock(true);
    let tools = world.make_group("pk-tools").await;
    let pay = world.make_group("pk-pay").await;
    world.make_group("st-by-hand").await;
    let package = offer(&world.sandbox, "Engineering tools", &tools, &json!({}));
    let asked = json!({"requestApprovalSettings": {"isApprovalRequiredForAdd": true}, "allowedTargetScope": "allMemberUsers"});
    offer(&world.sandbox, "Payments", &pay, &asked);
    world.engine = engine(&world, client(&world.sandbox));
    (world, package)
}

fn engine(world: &World, client: GraphClient) -> Engine {
    let target = GraphTarget::new(client).access_packages();
    let policy = Arc::new(Document::parse(POLICY).unwrap());
    Engine::builder(Arc::new(MemoryJournal::new()), policy)
        .target(Arc::new(target))
        .clock(Arc::new(world.clock.clone()))
        .build()
}

/// What the tenant knows of a person's packages: current assignments, and requests as `type state`.
fn packages(world: &World, person: &str) -> (Vec<String>, Vec<String>) {
    let state = world.sandbox.state();
    let user = world.sandbox.user(person).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        let names = value.as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let requests = state["accessPackages"]["requests"].as_array().unwrap().iter();
    let mine = requests.filter(|request| request["targetId"] == user["id"]);
    let told = mine.map(|request| {
        let text = |name: &str| request[name].as_str().unwrap();
        format!("{} {}", text("requestType"), text("state"))
    });
    (texts(&user["accessPackages"]), told.collect())
}

fn deliver(world: &World) {
    world.sandbox.advance(Duration::from_secs(5));
}

/// A token of somebody who signed in, as the tenant mints them for tests.
#[derive(Debug)]
struct SignedIn(AccessToken);

#[async_trait::async_trait]
impl TokenSource for SignedIn {
    async fn token(&self, _audience: &Audience, _claims: Option<&str>) -> Result<AccessToken> {
        Ok(self.0.clone())
    }
}

async fn signed_in(sandbox: &Sandbox, user: &str) -> GraphClient {
    let transport = Arc::new(HttpTransport::new().unwrap());
    let url = format!("{}/_sandbox/tokens", sandbox.authority());
    let request = Request::new(Method::Post, url, "mint")
        .json(&json!({ "user": user }))
        .unwrap();
    let minted: Value = transport.send(request).await.unwrap().json().unwrap();
    let token = AccessToken {
        token: minted["access_token"].as_str().unwrap().into(),
        expires_at: sandbox
            .now()
            .saturating_add(jiff::SignedDuration::from_mins(50))
            .unwrap(),
        refresh_at: None,
    };
    let cloud = Cloud::custom(sandbox.authority(), sandbox.graph()).unwrap();
    GraphClient::builder(cloud, Arc::new(SignedIn(token)), transport)
        .clock(Arc::new(SystemClock))
        .build()
}

/// Somebody asks for a package that must be approved.
async fn ask(world: &World, person: &str, package: &str) {
    let id = world.id(person).await;
    let list = format!("{AT}/accessPackages?$filter=displayName%20eq%20'{package}'");
    let package = world.get(&list).await["value"][0]["id"].clone();
    let body = json!({"requestType": "userAdd", "assignment": {"accessPackageId": package}});
    let asking = signed_in(&world.sandbox, &id).await;
    let path = format!("{AT}/assignmentRequests");
    asking
        .request(Method::Post, &path, Some(&body), "ask")
        .await
        .unwrap();
}

fn ending(report: &RunReport) -> &Ending {
    &report.people[0].ending
}

#[tokio::test]
async fn a_joiner_gets_the_package_and_with_it_the_group() {
    let (world, package) = tenant().await;
    let report = world.hear(&["W-1 Mei Tanaka Engineering"]).await;
    assert_eq!(*ending(&report), Ending::Done);
    assert_eq!(
        packages(&world, "W-1"),
        (vec![], vec!["adminAdd submitted".to_owned()])
    );
    assert_eq!(world.look("W-1").await, "mei.tanaka enabled:  /  / ");
    // It is on its way, and is not asked for again.
    world.sandbox.advance(Duration::from_secs(1));
    world.hear(&["W-1 Mei Tanaka Engineering title=Smith"]).await;
    deliver(&world);
    world.hear(&["W-1 Mei Tanaka Engineering title=Head"]).await;
    assert_eq!(
        packages(&world, "W-1"),
        (
            vec!["Engineering tools".to_owned()],
            vec!["adminAdd delivered".to_owned()]
        )
    );
    assert_eq!(world.look("W-1").await, "mei.tanaka enabled: pk-tools /  / ");
    // The group is no stranger: it comes with the package.
    let drift = world.engine.drift_of(&PersonKey::new("W-1")).await.unwrap();
    assert!(drift.is_clean(), "{drift:?}");
    let target = GraphTarget::new(client(&world.sandbox)).access_packages();
    let who = iam_core::target::PersonRef {
        person: PersonKey::new("W-1"),
        account: world.id("W-1").await,
    };
    let seen = iam_core::target::Target::observe(&target, &[who]).await.unwrap();
    let via = |name: &str| {
        let mut held = seen[0].held.iter();
        held.find(|held| held.entitlement.name == name)
            .map(|held| held.via.clone())
    };
    assert_eq!(via("Engineering tools"), Some(Via::Direct));
    assert_eq!(via("pk-tools"), Some(Via::Inherited { from: package }));
}

#[tokio::test]
async fn a_mover_loses_the_package_after_its_grace_and_keeps_what_was_given_by_hand() {
    let (world, _) = tenant().await;
    world.hear(&["W-1 Mei Tanaka Engineering"]).await;
    deliver(&world);
    world.put_into("W-1", "st-by-hand").await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let during = "mei.tanaka enabled: pk-tools, st-by-hand /  / ";
    world.at("2026-12-01T08:59:59Z").await;
    assert_eq!(world.look("W-1").await, during);
    assert_eq!(packages(&world, "W-1").1.len(), 1);
    let report = world.at("2026-12-01T09:00:00Z").await;
    assert!(
        matches!(ending(&report), Ending::Retry(_, why) if why.contains("is on its way")),
        "{:?}",
        ending(&report)
    );
    assert_eq!(world.look("W-1").await, during, "Entra takes its time");
    // Looked at again, and not asked for again.
    world.at("2026-12-01T09:10:00Z").await;
    let asked = ["adminAdd delivered", "adminRemove submitted"].map(str::to_owned);
    assert_eq!(packages(&world, "W-1").1, asked);
    deliver(&world);
    let report = world.at("2026-12-01T12:00:00Z").await;
    assert_eq!(*ending(&report), Ending::Done);
    assert_eq!(world.look("W-1").await, "mei.tanaka enabled: st-by-hand /  / ");
    assert_eq!(packages(&world, "W-1").0, [""; 0]);
    let drift = world.engine.drift_of(&PersonKey::new("W-1")).await.unwrap();
    assert_eq!(drift.found.len(), 1, "the group given by hand: {drift:?}");
}

#[tokio::test]
async fn a_leaver_loses_every_package_whoever_gave_it_and_is_not_done_before() {
    let (world, _) = tenant().await;
    world.hear(&["W-1 Mei Tanaka Engineering"]).await;
    deliver(&world);
    // By hand, and not asked of the person.
    let id = world.id("W-1").await;
    let policies = world
        .get(&format!("{AT}/assignmentPolicies?$expand=accessPackage"))
        .await;
    let policies = policies["value"].as_array().unwrap().clone();
    let pay = policies
        .iter()
        .find(|policy| policy["accessPackage"]["displayName"] == "Payments")
        .unwrap();
    let body = json!({"requestType": "adminAdd", "assignment": {
        "targetId": id, "assignmentPolicyId": pay["id"], "accessPackageId": pay["accessPackage"]["id"],
    }});
    world
        .change(Method::Post, &format!("{AT}/assignmentRequests"), body)
        .await;
    deliver(&world);
    world.put_into("W-1", "st-by-hand").await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: pk-pay, pk-tools, st-by-hand /  / "
    );
    let report = world.hear(&["W-1 Mei Tanaka Engineering status=gone"]).await;
    // Sign-in and what the platform can take itself wait for nothing.
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka blocked: pk-pay, pk-tools /  / "
    );
    assert!(
        matches!(ending(&report), Ending::Retry(..)),
        "{:?}",
        ending(&report)
    );
    let order: Vec<&str> = report.people[0]
        .outcomes
        .iter()
        .map(|(step, _)| step.action.kind())
        .collect();
    assert_eq!(order.first(), Some(&"block_sign_in"), "{order:?}");
    deliver(&world);
    let report = world.at("2026-11-24T10:00:00Z").await;
    assert_eq!(*ending(&report), Ending::Done);
    assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
    let (held, requests) = packages(&world, "W-1");
    assert!(held.is_empty(), "{held:?}");
    assert_eq!(
        requests
            .iter()
            .filter(|request| request.starts_with("adminRemove"))
            .count(),
        2
    );
}

#[tokio::test]
async fn a_leavers_open_request_is_taken_back_by_an_administrator_and_reported_by_an_application() {
    for administrator in [true, false] {
        let (mut world, _) = tenant().await;
        if administrator {
            let admin = signed_in(&world.sandbox, "hr-robot@contoso.example").await;
            world.engine = engine(&world, admin);
        }
        world.hear(&["W-1 Mei Tanaka Sales"]).await;
        ask(&world, "W-1", "Payments").await;
        assert_eq!(packages(&world, "W-1").1, ["userAdd pendingApproval"]);
        let report = world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
        assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
        let requests = packages(&world, "W-1").1;
        if administrator {
            assert_eq!(*ending(&report), Ending::Done);
            assert_eq!(requests, ["userAdd canceled"]);
        } else {
            let Ending::Dead(why) = ending(&report) else {
                panic!("{:?}", ending(&report))
            };
            assert!(
                why.contains("requested") && why.contains("sign-in of an administrator"),
                "{why}"
            );
            assert_eq!(requests, ["userAdd pendingApproval"]);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_makes_one_request() {
    for effect in [Effect::CutAfter, Effect::CutBefore] {
        let (world, _) = tenant().await;
        let requests = format!("{AT}/assignmentRequests");
        world
            .sandbox
            .fault(Fault::new(effect).on("POST", &requests).times(1));
        world.hear(&["W-1 Mei Tanaka Engineering"]).await;
        world.at("2026-11-24T10:00:00Z").await;
        assert_eq!(packages(&world, "W-1").1, ["adminAdd submitted"]);
        deliver(&world);
        assert_eq!(world.look("W-1").await, "mei.tanaka enabled: pk-tools /  / ");
    }
}

#[tokio::test]
async fn packages_that_are_not_told_hold_everybody_but_leavers() {
    let (world, _) = tenant().await;
    world
        .hear(&["W-1 Mei Tanaka Engineering", "W-2 Ravi Nair Sales"])
        .await;
    deliver(&world);
    let refused = Effect::Status {
        status: 403,
        retry_after: RetryAfter::Missing,
    };
    world
        .sandbox
        .fault(Fault::new(refused).on("GET", &format!("{AT}/assignments")));
    let report = world.hear(&["W-2 Ravi Nair Engineering"]).await;
    assert_ne!(*ending(&report), Ending::Done, "nobody knows what W-2 holds");
    assert!(packages(&world, "W-2").1.is_empty());
    world.hear(&["W-1 Mei Tanaka Engineering status=gone"]).await;
    let account = world.account("W-1").await;
    assert_eq!(account["accountEnabled"], false);
}

#[tokio::test]
async fn without_being_told_the_target_reads_no_packages() {
    let (mut world, _) = tenant().await;
    let policy = POLICY
        .replace("access_packages", "groups")
        .replace("Engineering tools", "pk-tools");
    let policy = policy
        .replace("Payments", "pk-pay")
        .replace("Nowhere", "st-by-hand");
    let policy = Document::parse(&policy).unwrap();
    let target = GraphTarget::new(client(&world.sandbox));
    world.engine = Engine::builder(Arc::new(MemoryJournal::new()), Arc::new(policy))
        .target(Arc::new(target))
        .clock(Arc::new(world.clock.clone()))
        .build();
    world.hear(&["W-1 Mei Tanaka Engineering"]).await;
    assert_eq!(world.look("W-1").await, "mei.tanaka enabled: pk-tools /  / ");
    let log = world.sandbox.log();
    let read = log
        .iter()
        .any(|entry| entry.path.contains("entitlementManagement"));
    assert!(!read, "none was asked for");
}
