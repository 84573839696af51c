//! People go in by `bulkUpload`, outcomes come back by the provisioning log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use iam_core::person::{Person, PersonKey};
use iam_core::{Error, ErrorKind, Result};
use iam_graph::GraphClient;
use iam_graph::provisioning::{BulkUser, Outcome, ProvisioningJob, Status, Upload};
use iam_sandbox::{Builder, Effect, Fault, RetryAfter, Sandbox};

use super::connect;
use crate::clock::SandboxClock;

struct Job {
    sandbox: Arc<Sandbox>,
    client: GraphClient,
    api: ProvisioningJob,
}

async fn job(builder: Builder) -> Job {
    let sandbox = Arc::new(builder.empty().start().await.unwrap());
    let client = connect(&sandbox, Arc::new(SandboxClock(sandbox.clone())));
    let job = client.provisioning_job(sandbox.sync_principal(), sandbox.sync_job());
    Job {
        sandbox,
        client,
        api: job,
    }
}

fn person(n: usize) -> Person {
    let mut person = Person::new(PersonKey::new(format!("P-{n}")));
    person.given_name = Some("Given".into());
    person.family_name = Some(format!("Family {n}"));
    person.department = Some("Clinical".into());
    person.manager_id = (n > 0).then(|| PersonKey::new(format!("P-{}", n / 10)));
    person
}

fn record(n: usize) -> BulkUser {
    BulkUser::of(
        &person(n),
        &format!("p{n}@contoso.example"),
        &format!("Person {n}"),
        true,
    )
}

async fn run(job: &Job, people: Vec<BulkUser>, upload: Upload) -> (Vec<Outcome>, Vec<Error>) {
    let all: Vec<Result<Outcome>> = job.api.run(stream::iter(people), upload).collect().await;
    let (mut outcomes, mut errors) = (Vec::new(), Vec::new());
    for item in all {
        match item {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => errors.push(error),
        }
    }
    (outcomes, errors)
}

fn tally(outcomes: &[Outcome]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for outcome in outcomes {
        *tally.entry(format!("{:?}", outcome.status)).or_default() += 1;
    }
    tally
}

/// Statuses of the upload requests.
fn uploads(job: &Job) -> Vec<u16> {
    let log = job.sandbox.log();
    let uploads = log.iter().filter(|entry| entry.path.ends_with("/bulkUpload"));
    uploads.map(|entry| entry.status).collect()
}

fn counted(tally: &BTreeMap<String, usize>, status: &str) -> usize {
    tally.get(status).copied().unwrap_or_default()
}

#[tokio::test]
async fn two_thousand_people_go_in_within_the_limits_and_each_has_an_outcome() {
    let job = job(Sandbox::builder().throttling(true)).await;
    let mut people: Vec<BulkUser> = (0..2_050).map(record).collect();
    // The same person again with another title; one whose name is nowhere; one name for two.
    people.insert(7, record(3).set("title", "Nurse"));
    people[100] = record(99).clone();
    people.push(BulkUser::of(&person(9_001), "x@elsewhere.example", "X", true));
    people.push(BulkUser::of(&person(9_002), "p0@contoso.example", "Y", true));
    let (outcomes, errors) = run(&job, people, Upload::default()).await;
    assert!(errors.is_empty(), "{errors:?}");
    let tally = tally(&outcomes);
    assert_eq!(
        counted(&tally, "Done") + counted(&tally, "AlreadySo"),
        2_051,
        "{tally:?}"
    );
    assert_eq!(counted(&tally, "Failed"), 2, "{tally:?}");
    let foreign = outcomes
        .iter()
        .find(|outcome| outcome.key.as_str() == "P-9001")
        .unwrap();
    assert_eq!(
        foreign.code.as_deref(),
        Some("AzureActiveDirectoryInvalidUserPrincipalName")
    );
    assert!(!format!("{foreign:?}").contains("domain"), "{foreign:?}");
    let twice = job.sandbox.user("P-3").unwrap();
    assert_eq!(
        (twice["jobTitle"].as_str(), twice["department"].as_str()),
        (Some("Nurse"), Some("Clinical"))
    );
    let boss = job.sandbox.user("P-204").unwrap();
    assert_eq!(job.sandbox.user("P-2049").unwrap()["managerId"], boss["id"]);
    let told = outcomes
        .iter()
        .find(|outcome| outcome.key.as_str() == "P-204")
        .unwrap();
    assert_eq!(told.account.as_deref(), boss["id"].as_str());
    let uploads = uploads(&job);
    assert!((42..=47).contains(&uploads.len()), "{}", uploads.len());
    assert!(uploads.iter().all(|status| *status == 202), "paced: {uploads:?}");

    // Leavers are disabled; whoever is unchanged is left as is.
    let leaver = BulkUser::of(&person(5), "p5@contoso.example", "Person 5", false);
    let (outcomes, errors) = run(&job, vec![leaver, record(6)], Upload::default()).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(job.sandbox.user("P-5").unwrap()["accountEnabled"], false);
    let mut seen: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome.key.as_str(), outcome.status, outcome.action.as_deref()))
        .collect();
    seen.sort_by_key(|(key, ..)| *key);
    assert_eq!(
        seen,
        [
            ("P-5", Status::Done, Some("disable")),
            ("P-6", Status::AlreadySo, Some("other"))
        ]
    );
}

#[tokio::test]
async fn a_lost_answer_is_sent_again_and_harms_nobody() {
    let job = job(Sandbox::builder()).await;
    job.sandbox.fault(
        Fault::new(Effect::CutAfter)
            .on("POST", "/servicePrincipals/**")
            .times(1),
    );
    let (outcomes, errors) = run(&job, (0..3).map(record).collect(), Upload::default()).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(outcomes.len(), 3);
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome.status, Status::Done | Status::AlreadySo))
    );
    assert_eq!(uploads(&job), [0, 202]);
    let state = job.sandbox.state();
    let people = state["users"].as_array().unwrap().iter();
    assert_eq!(people.filter(|user| user["employeeId"].is_string()).count(), 3);
}

#[tokio::test]
async fn what_the_log_does_not_tell_is_unknown_and_people_wait_outside() {
    let job = job(Sandbox::builder()).await;
    let path = format!(
        "/servicePrincipals/{}/synchronization/jobs/{}/pause",
        job.sandbox.sync_principal(),
        job.sandbox.sync_job()
    );
    job.sandbox.act("POST", &path, None).unwrap();
    assert_eq!(
        job.api.status().await.unwrap().status.code.as_deref(),
        Some("Paused")
    );
    let taken = AtomicUsize::new(0);
    let people = stream::iter(0..1_000).map(|n| {
        taken.fetch_add(1, Ordering::Relaxed);
        record(n)
    });
    let upload = Upload::within(Duration::from_mins(10)).window(100);
    let started = job.sandbox.now();
    let mut outcomes = Box::pin(job.api.run(people, upload));
    for _ in 0..100 {
        let outcome = outcomes.next().await.unwrap().unwrap();
        assert_eq!(outcome.status, Status::Unknown);
    }
    let waited = job.sandbox.now().duration_since(started).as_secs();
    assert!((600..660).contains(&waited), "{waited}");
    // A hundred are told of, a hundred may be on the way; nobody else has left the source.
    let taken = taken.load(Ordering::Relaxed);
    assert!((100..=200).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_refusal_stops_the_sending_and_loses_nobody() {
    let job = job(Sandbox::builder()).await;
    let effect = Effect::Status {
        status: 403,
        retry_after: RetryAfter::Missing,
    };
    job.sandbox
        .fault(Fault::new(effect).on("POST", "/servicePrincipals/**").nth(2));
    let (outcomes, errors) = run(&job, (0..170).map(record).collect(), Upload::default()).await;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].kind(), ErrorKind::Denied);
    assert!(
        errors[0].to_string().contains("SynchronizationData-User.Upload"),
        "{}",
        errors[0]
    );
    let tally = tally(&outcomes);
    assert_eq!(
        (counted(&tally, "Done"), counted(&tally, "NotSent")),
        (50, 50),
        "{tally:?}"
    );
    assert_eq!(uploads(&job), [202, 403]);
}

#[tokio::test]
async fn what_cannot_be_a_request_is_not_sent() {
    let job = job(Sandbox::builder()).await;
    let many: Vec<BulkUser> = (0..51).map(record).collect();
    for users in [&[][..], &many, &[record(1), record(1)]] {
        let error = job.api.upload(users).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(uploads(&job).is_empty());
    let error = job
        .client
        .provisioning_job(job.sandbox.sync_principal(), "API2AAD.x")
        .status()
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
}
