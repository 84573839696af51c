//! The temporary access pass of a first day: made in the directory, sent to the manager, and found nowhere else. The
//! starts lie far ahead, because the tenant has a clock of its own.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use iam_core::engine::Ending;
use iam_core::http::Method;
use iam_core::journal::Outcome;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use crate::world::World;

const BOSS: &str = "W-9 Ada Ng Sales";
const STARTS: &str = "W-1 Mei Tanaka Sales manager=W-9 hire=2091-03-05 zone=Australia/Sydney";
/// A day before the first day begins in Sydney.
const DUE: &str = "2091-03-03T13:00:00Z";

async fn world() -> World {
    let policy = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}"]
[defaults]
usage_location = "person.country"
licenses = ["SPE_E3"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
roles = ["Security Reader"]
[joiner]
create_before = "14d"
pass_before = "1d"
pass_lifetime = "4h"
[leaver]
password = "reset"
[notify]
from = "hr-robot@contoso.example"
"#;
    let world = World::with_policy(policy).await;
    world.hear(&[BOSS, STARTS]).await;
    world
}

/// The mails about passes, newest last: to whom, and the pass.
fn sent(world: &World) -> Vec<(String, String)> {
    let state = world.sandbox.state();
    let mails = state["mailbox"].as_array().unwrap().iter();
    let passes = mails.filter(|mail| {
        mail["subject"]
            .as_str()
            .unwrap()
            .contains("temporary access pass")
    });
    passes
        .map(|mail| {
            let text = mail["body"]["content"].as_str().unwrap();
            let pass = text.split("\n\n").nth(1).unwrap();
            assert!(pass.len() == 8 && !pass.contains(' '), "{text}");
            (mail["to"][0].as_str().unwrap().to_owned(), pass.to_owned())
        })
        .collect()
}

async fn passes(world: &World) -> Vec<Value> {
    let id = world.id("W-1").await;
    let found = world
        .get(&format!("/users/{id}/authentication/temporaryAccessPassMethods"))
        .await;
    found["value"].as_array().unwrap().clone()
}

/// Everything that is traced, as text.
#[derive(Default)]
struct Traces(Mutex<String>);

impl tracing::field::Visit for &Traces {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
    }
}

impl Subscriber for Traces {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut &*self);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut &*self);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut &*self);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_pass_is_found_in_the_manager_s_mail_and_nowhere_else() {
    let world = world().await;
    world.at("2091-03-03T12:59:59Z").await;
    assert_eq!((sent(&world).len(), passes(&world).await.len()), (0, 0));
    let traces = Arc::new(Traces::default());
    // Tests on other threads have no subscriber: with two of them about, what those threads come upon first is not
    // switched off for this one, and whatever was before is switched on here.
    let _second = tracing::Dispatch::new(Arc::new(Traces::default()));
    let run = async {
        tracing::callsite::rebuild_interest_cache();
        world.at(DUE).await
    };
    let report = run.with_subscriber(traces.clone()).await;
    assert_eq!((report.totals().done, report.totals().open), (1, 0), "{report:?}");
    let mails = sent(&world);
    let [(to, pass)] = mails.as_slice() else {
        panic!("{mails:?}")
    };
    assert_eq!(to, "ada.ng@contoso.example");
    let made = passes(&world).await;
    assert_eq!(
        (
            &made[0]["startDateTime"],
            &made[0]["lifetimeInMinutes"],
            &made[0]["isUsableOnce"],
            made.len()
        ),
        (&json!("2091-03-04T13:00:00Z"), &json!(240), &json!(true), 1)
    );
    let timeline = world
        .engine
        .timeline(&iam_core::person::PersonKey::new("W-1"))
        .await
        .unwrap();
    let state = world
        .engine
        .person(&iam_core::person::PersonKey::new("W-1"))
        .await
        .unwrap();
    let seen = traces.0.lock().unwrap().clone();
    assert!(
        seen.contains("create access pass"),
        "the traces are of this run: {seen}"
    );
    let shown = format!("{report:?}{timeline:?}{state:?}{:?}{seen}", world.engine);
    assert!(!shown.contains(pass.as_str()), "{shown}");
    let disk = world.journal_on_disk();
    let on_disk = |text: &str| disk.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(on_disk("issue_pass"), "the journal knows that there was one");
    assert!(!on_disk(pass), "and not which");
    // Nothing else comes of it until the day, and then the account opens.
    world.at("2091-03-04T13:00:00Z").await;
    assert_eq!(sent(&world).len(), 1);
    assert_eq!(world.look("W-1").await, "mei.tanaka enabled:  / SPE_E3 / ");
}

#[tokio::test]
async fn a_lost_answer_leads_to_another_pass_and_the_first_is_worthless() {
    let world = world().await;
    // The mail has gone out, and nobody heard.
    world.sandbox.fault(
        Fault::new(Effect::CutAfter)
            .on("POST", "/users/*/sendMail")
            .times(1),
    );
    let report = world.at(DUE).await;
    assert!(
        matches!(&report.people[0].ending, Ending::Waiting(why) if why.contains("issue_pass")),
        "{report:?}"
    );
    let first = passes(&world).await;
    world.at("2091-03-03T14:00:00Z").await;
    let (mails, second) = (sent(&world), passes(&world).await);
    assert_eq!((mails.len(), second.len()), (2, 1), "{mails:?}");
    assert_ne!((&mails[0].1, &first[0]["id"]), (&mails[1].1, &second[0]["id"]));
    world.at("2091-03-03T15:00:00Z").await;
    assert_eq!(sent(&world).len(), 2);
}

#[tokio::test]
async fn without_the_permission_the_account_is_ready_all_the_same_and_the_permission_is_named() {
    let world = world().await;
    let effect = Effect::Status {
        status: 403,
        retry_after: RetryAfter::Seconds(0),
    };
    world
        .sandbox
        .fault(Fault::new(effect).on("POST", "/users/*/authentication/*"));
    let report = world.at(DUE).await;
    let needed = "UserAuthenticationMethod.ReadWrite.All";
    assert!(
        matches!(&report.people[0].ending, Ending::Waiting(why) if why.contains(needed)),
        "{report:?}"
    );
    world.at("2091-03-04T13:00:00Z").await;
    assert_eq!(world.look("W-1").await, "mei.tanaka enabled:  / SPE_E3 / ");
    assert_eq!(sent(&world).len(), 0);
}

#[tokio::test]
async fn who_has_another_way_in_or_power_gets_none() {
    let world = world().await;
    world.at("2091-02-25T00:00:00Z").await;
    let id = world.id("W-1").await;
    let phone = json!({"phoneNumber": "+61 412345678", "phoneType": "mobile"});
    let path = format!("/users/{id}/authentication/phoneMethods");
    world.change(Method::Post, &path, phone).await;
    world
        .hear(&["W-2 Bo Ek Security manager=W-9 hire=2091-03-05 zone=Australia/Sydney"])
        .await;
    let report = world.at(DUE).await;
    let outcomes: Vec<&Outcome> = report
        .people
        .iter()
        .flat_map(|run| &run.outcomes)
        .map(|(_, outcome)| outcome)
        .collect();
    let [Outcome::NotApplicable { why }] = outcomes.as_slice() else {
        panic!("{report:?}")
    };
    assert!(why.contains("other ways to sign in"), "{why}");
    let noted = |run: &iam_core::engine::PersonRun| {
        run.notes.iter().any(|note| note.contains("administrative power"))
    };
    assert!(report.people.iter().any(noted), "{report:?}");
    assert_eq!((sent(&world).len(), passes(&world).await.len()), (0, 0));
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn who_does_not_come_holds_a_worthless_pass() {
    let world = world().await;
    world.at(DUE).await;
    assert_eq!(passes(&world).await.len(), 1);
    world
        .hear(&["W-1 Mei Tanaka Sales manager=W-9 status=gone"])
        .await;
    assert_eq!(passes(&world).await.len(), 0);
    assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
}
