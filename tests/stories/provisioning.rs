//! A policy of `authority = "scim"`: Entra's inbound provisioning makes the accounts, in its own time; the platform
//! waits for them and does the rest.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use iam_core::auth::ClientSecret;
use iam_core::clock::Clock;
use iam_core::engine::{Ending, Engine, RunReport};
use iam_core::http::HttpTransport;
use iam_core::journal::SqliteJournal;
use iam_core::policy::Document;
use iam_core::testing::ManualClock;
use iam_core::{Cloud, ErrorKind};
use iam_graph::{GraphClient, GraphMail, GraphTarget};
use iam_sandbox::Sandbox;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{NOW, POLICY, person};

/// The tenant's own clock: waiting on it takes no time and moves it forward, and the provisioning job with it.
#[derive(Debug)]
struct TenantClock(Arc<Sandbox>);

impl Clock for TenantClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.advance(duration);
        Box::pin(tokio::task::yield_now())
    }
}

struct Hiring {
    sandbox: Arc<Sandbox>,
    folder: tempfile::TempDir,
    clock: ManualClock,
    engine: Engine,
}

async fn hiring() -> Hiring {
    let sandbox = Arc::new(Sandbox::start().await.unwrap());
    sandbox.stop_clock(true);
    for name in ["Everybody", "st-security", "st-sales", "st-heads"] {
        let nickname: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let group = json!({"displayName": name, "mailNickname": nickname, "mailEnabled": false, "securityEnabled": true});
        sandbox.act("POST", "/groups", Some(group)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW.parse().unwrap());
    let engine = engine(&sandbox, folder.path(), &clock, true).await;
    Hiring {
        sandbox,
        folder,
        clock,
        engine,
    }
}

/// A process of its own: it remembers nothing but the journal.
async fn engine(sandbox: &Arc<Sandbox>, folder: &Path, clock: &ManualClock, provisions: bool) -> Engine {
    let cloud = Cloud::custom(sandbox.authority(), sandbox.graph()).unwrap();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let time = Arc::new(TenantClock(sandbox.clone()));
    let (tenant, id) = (sandbox.tenant_id(), sandbox.client_id());
    let secret = sandbox.client_secret().into();
    let secret = ClientSecret::new(&cloud, tenant, id, secret, transport.clone(), time.clone()).unwrap();
    let client = GraphClient::builder(cloud, Arc::new(secret), transport)
        .clock(time)
        .build();
    let mut target = GraphTarget::new(client.clone());
    if provisions {
        target = target.provisioned_by(sandbox.sync_principal(), sandbox.sync_job());
    }
    let journal = SqliteJournal::open(&folder.join("journal.sqlite"), tenant)
        .await
        .unwrap();
    Engine::builder(Arc::new(journal), Arc::new(policy("scim")))
        .target(Arc::new(target))
        .notifier(Arc::new(GraphMail::new(client, "hr-robot@contoso.example")))
        .clock(Arc::new(clock.clone()))
        .build()
}

fn policy(authority: &str) -> Document {
    let text = POLICY.replace("authority = \"graph\"", &format!("authority = \"{authority}\""));
    Document::parse(&text).unwrap()
}

impl Hiring {
    async fn hear(&self, people: &[&str]) -> RunReport {
        self.engine
            .accept(people.iter().map(|text| person(text)))
            .await
            .unwrap();
        self.engine.run(&|_| {}).await.unwrap()
    }

    async fn at(&self, instant: &str) -> RunReport {
        self.clock.set(instant.parse().unwrap());
        self.engine.run(&|_| {}).await.unwrap()
    }

    /// Pauses the tenant's job, or lets it go on.
    fn job(&self, what: &str) {
        let (principal, job) = (self.sandbox.sync_principal(), self.sandbox.sync_job());
        let path = format!("/servicePrincipals/{principal}/synchronization/jobs/{job}/{what}");
        self.sandbox.act("POST", &path, None).unwrap();
    }

    fn posts(&self, what: &str) -> usize {
        let log = self.sandbox.log();
        let posts = log
            .iter()
            .filter(|entry| entry.method == "POST" && entry.path.ends_with(what));
        posts.count()
    }

    /// `name enabled|blocked: groups / licences / roles`, or `nobody`.
    fn look(&self, key: &str) -> String {
        let Some(user) = self.sandbox.user(key) else {
            return "nobody".to_owned();
        };
        let names = |field: &str| {
            let names = user[field].as_array().unwrap().iter();
            let mut names: Vec<&str> = names.filter_map(Value::as_str).collect();
            names.sort_unstable();
            names.join(", ")
        };
        let name = user["userPrincipalName"]
            .as_str()
            .unwrap()
            .split('@')
            .next()
            .unwrap();
        let state = if user["accountEnabled"] == true {
            "enabled"
        } else {
            "blocked"
        };
        let held = ["groups", "licenses", "roles"].map(names).join(" / ");
        format!("{name} {state}: {held}")
    }

    fn count(&self, key: &str) -> usize {
        let state = self.sandbox.state();
        let users = state["users"].as_array().unwrap().iter();
        users.filter(|user| user["employeeId"] == key).count()
    }
}

fn retried(report: &RunReport) -> Timestamp {
    let [run] = report.people.as_slice() else {
        panic!("{report:?}")
    };
    let Ending::Retry(at, why) = &run.ending else {
        panic!("{report:?}")
    };
    assert!(why.contains("the account is not there yet"), "{why}");
    *at
}

#[tokio::test]
async fn a_joiner_is_made_by_the_job_completed_by_graph_let_in_on_the_first_day_and_leaves() {
    let hiring = hiring().await;
    let first = "W-1 Mei Tanaka Security manager=W-2 hire=2026-12-01";
    let report = hiring.hear(&["W-2 Bo Ek Sales", first]).await;
    assert_eq!(
        (report.totals().open, report.totals().failed),
        (0, 0),
        "{report:?}"
    );
    assert_eq!(
        hiring.look("W-2"),
        "bo.ek enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
    assert_eq!(
        hiring.look("W-1"),
        "mei.tanaka blocked: Everybody, st-security / SPE_E3 / "
    );
    assert_eq!(hiring.posts("/users"), 0, "the platform itself makes nobody");
    assert!((1..=2).contains(&hiring.posts("/bulkUpload")));
    let (mei, bo) = (
        hiring.sandbox.user("W-1").unwrap(),
        hiring.sandbox.user("W-2").unwrap(),
    );
    assert_eq!(mei["managerId"], bo["id"]);
    // What the job maps, and what it does not.
    assert_eq!(
        (&mei["department"], &mei["usageLocation"], &mei["displayName"]),
        (&json!("Security"), &json!("AU"), &json!("Mei Tanaka"))
    );
    assert_eq!(hiring.engine.plan().await.unwrap().steps(), 0);

    hiring.at("2026-12-01T00:00:00Z").await;
    assert_eq!(
        hiring.look("W-1"),
        "mei.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader"
    );
    let uploads = hiring.posts("/bulkUpload");
    hiring.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(hiring.look("W-1"), "mei.tanaka blocked:  /  / ");
    assert_eq!(
        hiring.posts("/bulkUpload"),
        uploads,
        "a leave goes by Graph, at once"
    );
}

#[tokio::test]
async fn a_job_that_takes_long_is_waited_for_and_nothing_is_sent_twice() {
    let hiring = hiring().await;
    hiring.job("pause");
    let report = hiring.hear(&["W-1 Mei Tanaka Security"]).await;
    let again = retried(&report);
    assert!(again >= "2026-11-24T09:02:00Z".parse().unwrap(), "{again}");
    assert_eq!(
        (hiring.look("W-1").as_str(), hiring.posts("/bulkUpload")),
        ("nobody", 1)
    );
    // Still not: looked for, and not sent again.
    hiring.clock.set(again);
    let again = retried(&hiring.engine.run(&|_| {}).await.unwrap());
    assert_eq!(hiring.posts("/bulkUpload"), 1);
    // The job goes on while nobody looks.
    hiring.job("start");
    hiring.sandbox.advance(Duration::from_secs(2));
    assert_eq!(hiring.look("W-1"), "mei.tanaka blocked:  /  / ");
    hiring.clock.set(again);
    let report = hiring.engine.run(&|_| {}).await.unwrap();
    assert_eq!(report.totals().open, 0, "{report:?}");
    // Blocked by the record, and so ours to open.
    assert_eq!(
        hiring.look("W-1"),
        "mei.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader"
    );
    assert_eq!(hiring.sandbox.user("W-1").unwrap()["usageLocation"], "AU");
    assert_eq!((hiring.count("W-1"), hiring.posts("/bulkUpload")), (1, 1));
    assert_eq!(hiring.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn another_process_looks_first_and_makes_no_second_account() {
    for worked_off in [true, false] {
        let hiring = hiring().await;
        hiring.job("pause");
        let mut again = retried(&hiring.hear(&["W-1 Mei Tanaka Security"]).await);
        if worked_off {
            hiring.job("start");
            hiring.sandbox.advance(Duration::from_secs(2));
        }
        let Hiring {
            sandbox,
            folder,
            clock,
            engine: old,
        } = hiring;
        drop(old);
        let engine = engine(&sandbox, folder.path(), &clock, true).await;
        let hiring = Hiring {
            sandbox,
            folder,
            clock,
            engine,
        };
        hiring.clock.set(again);
        if !worked_off {
            // Nobody knows that the record is on its way: once more does no harm.
            again = retried(&hiring.engine.run(&|_| {}).await.unwrap());
            hiring.job("start");
            hiring.clock.set(again);
        }
        hiring.engine.run(&|_| {}).await.unwrap();
        assert_eq!(
            hiring.look("W-1"),
            "mei.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader"
        );
        assert_eq!(hiring.count("W-1"), 1);
        assert_eq!(hiring.posts("/bulkUpload"), if worked_off { 1 } else { 2 });
    }
}

#[tokio::test]
async fn who_leaves_before_the_account_is_there_finds_no_way_in() {
    let hiring = hiring().await;
    hiring.job("pause");
    hiring.hear(&["W-1 Mei Tanaka Security"]).await;
    hiring.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    hiring.job("start");
    hiring.sandbox.advance(Duration::from_secs(2));
    assert_eq!(hiring.look("W-1"), "mei.tanaka blocked:  /  / ");
    for _ in 0..20 {
        let Some(due) = hiring.engine.next_due().await.unwrap() else {
            break;
        };
        if due > "2026-11-26T00:00:00Z".parse().unwrap() {
            break;
        }
        hiring.clock.set(due);
        hiring.engine.run(&|_| {}).await.unwrap();
        assert_eq!(hiring.look("W-1"), "mei.tanaka blocked:  /  / ");
    }
}

#[tokio::test]
async fn a_policy_and_a_directory_of_two_minds_are_refused() {
    let hiring = hiring().await;
    let check = async |engine: &Engine, part: &str| {
        engine.accept([person("W-1 Mei Tanaka Security")]).await.unwrap();
        let refused = engine.run(&|_| {}).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains(part), "{refused}");
    };
    let (sandbox, clock) = (&hiring.sandbox, &hiring.clock);
    let other = tempfile::tempdir().unwrap();
    let without = engine(sandbox, other.path(), clock, false).await;
    check(
        &without,
        "authority in [tenant]: the policy says \"scim\", and graph has no provisioning job",
    )
    .await;
    let target = GraphTarget::new(crate::world::client(sandbox));
    let target = target.provisioned_by(sandbox.sync_principal(), sandbox.sync_job());
    let journal = iam_core::journal::MemoryJournal::new();
    let with = Engine::builder(Arc::new(journal), Arc::new(policy("graph")))
        .target(Arc::new(target))
        .clock(Arc::new(clock.clone()))
        .build();
    check(
        &with,
        "authority in [tenant]: graph makes accounts by a provisioning job",
    )
    .await;
    assert_eq!(hiring.look("W-1"), "nobody");
}
