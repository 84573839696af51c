//! New accounts by a provisioning job: who shares requests, and what follows a refusal, a lost one, a late account.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iam_core::clock::{Clock, SystemClock};
use iam_core::entitlement::{Attribute, Attributes};
use iam_core::error::Retry;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, Step};
use iam_core::target::{Applied, Target};
use iam_core::{Error, ErrorKind, Result};
use iam_graph::GraphTarget;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, Request, ResponseTemplate};

use super::{Graph, failure, graph, key, not_found, page};

const JOB: &str = "/v1.0/servicePrincipals/sp/synchronization/jobs/job/bulkUpload";
const UPLOAD: &str = "POST /servicePrincipals/sp/synchronization/jobs/job/bulkUpload";
const LOG: &str = "GET /auditLogs/provisioning";

fn provisioned(client: iam_graph::GraphClient) -> GraphTarget {
    GraphTarget::new(client).provisioned_by("sp", "job")
}

async fn hire(target: &GraphTarget, worker: &str, name: &str) -> Result<Applied> {
    let attributes = Attributes::from([
        (Attribute::DisplayName, "Ada Lovelace".to_owned()),
        (Attribute::GivenName, "Ada".to_owned()),
        (Attribute::UsageLocation, "AU".to_owned()),
    ]);
    let name = format!("{name}@x.example");
    let create = Action::CreateAccount { name, attributes };
    let step = Step::new(target.id(), &PersonKey::new(worker), None, create, "test");
    target.apply(&step, &key(&step)).await
}

impl Graph {
    /// The records of each upload.
    async fn uploads(&self) -> Vec<Vec<Value>> {
        let bodies = self.bodies(UPLOAD).await;
        let records = |body: &Value| {
            let operations = body["Operations"].as_array().unwrap().iter();
            operations.map(|operation| operation["data"].clone()).collect()
        };
        bodies.iter().map(records).collect()
    }

    async fn reads_of_the_log(&self) -> usize {
        let sent = self.sent().await;
        sent.iter().filter(|line| line.starts_with(LOG)).count()
    }
}

#[tokio::test]
async fn sixty_people_share_requests_and_each_gets_an_account_of_its_own() {
    let uploaded = Arc::new(Mutex::new(BTreeSet::<String>::new()));
    let known = uploaded.clone();
    let graph = graph(move |line, _| match line {
        line if line.starts_with("GET /users?employeeId") => {
            let known = known.lock().unwrap();
            let asked = line
                .split('\'')
                .skip(1)
                .step_by(2)
                .filter(|id| known.contains(*id));
            let user =
                |id: &str| json!({"id": format!("u{id}"), "employeeId": id, "accountEnabled": id == "W-7"});
            page(asked.map(user).collect())
        }
        line if line.starts_with("PATCH") => (204, Value::Null),
        _ => not_found(),
    })
    .await;
    let taken = uploaded.clone();
    let job = Mock::given(path(JOB)).respond_with(move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let ids = body["Operations"].as_array().unwrap().iter();
        let ids = ids.map(|operation| operation["data"]["externalId"].as_str().unwrap().to_owned());
        taken.lock().unwrap().extend(ids);
        ResponseTemplate::new(202)
    });
    job.with_priority(1).mount(&graph.server).await;
    let clock = crate::clock::StandingClock::new();
    let client = super::builder(&graph.server, &graph.clock).clock(clock.clone());
    let target = provisioned(client.build());
    let everybody = (0..60).map(|number| {
        let (target, worker) = (target.clone(), format!("W-{number}"));
        async move { hire(&target, &worker, &worker).await }
    });
    let everybody = futures::future::join_all(everybody);
    let time = async {
        loop {
            SystemClock.sleep(Duration::from_millis(5)).await;
            let all = uploaded.lock().unwrap().len() == 60;
            clock.advance(Duration::from_millis(if all { 100 } else { 5 }));
        }
    };
    let answers = tokio::select! {
        answers = everybody => answers,
        () = time => unreachable!(),
    };
    for (number, answer) in answers.into_iter().enumerate() {
        let account = Some(format!("uW-{number}"));
        assert_eq!(answer.unwrap(), Applied::Done { account });
    }
    let uploads = graph.uploads().await;
    assert!(uploads.iter().all(|records| records.len() <= 50), "{uploads:?}");
    assert!((2..10).contains(&uploads.len()), "{} uploads", uploads.len());
    let records: Vec<&Value> = uploads.iter().flatten().collect();
    assert_eq!(records.len(), 60, "nobody twice");
    assert!(records.iter().all(|record| record["active"] == false));
    // What the job does not map is set, and whoever a mapping let in is blocked.
    let changed = graph.bodies("PATCH /users/uW-7").await;
    assert!(
        changed.iter().any(|body| body["usageLocation"] == "AU"),
        "{changed:?}"
    );
    assert!(
        changed.iter().any(|body| body["accountEnabled"] == false),
        "{changed:?}"
    );
    assert_eq!(graph.bodies("PATCH /users/uW-8").await.len(), 1);
}

/// A tenant in which no account ever comes, and the log says so of `W-1`.
async fn never(entry: Option<Value>, log: u16) -> (Graph, GraphTarget) {
    let graph = graph(move |line, _| match line {
        UPLOAD => (202, Value::Null),
        line if line.starts_with(LOG) && log != 200 => {
            failure(log, "Authentication_RequestFromUnsupportedUserRole", "no")
        }
        line if line.starts_with(LOG) => {
            let entry = entry.clone().into_iter().map(|status| {
                json!({
                    "id": "e1", "activityDateTime": "2099-01-01T00:00:00Z", "sourceIdentity": {"id": "w-1"},
                    "provisioningAction": "create", "provisioningStatusInfo": status,
                })
            });
            page(entry.collect())
        }
        line if line.starts_with("GET /users?") => page(json!([])),
        _ => not_found(),
    })
    .await;
    let target = provisioned(graph.client.clone());
    (graph, target)
}

fn refusal(code: &str) -> Value {
    json!({"status": "failure", "errorInformation": {"errorCode": code, "reason": "ada@x.example is bad"}})
}

#[tokio::test]
async fn what_the_job_refuses_is_told_and_may_be_sent_again() {
    let check = async |status: Value, expect: ErrorKind, part: &str| {
        let (graph, target) = never(Some(status), 200).await;
        for uploads in 1..=2 {
            let error = hire(&target, "W-1", "ada").await.unwrap_err();
            assert_eq!(error.kind(), expect, "{error}");
            assert!(
                error.to_string().contains(part) && !error.chain().contains("ada@"),
                "{error}"
            );
            assert_eq!(graph.uploads().await.len(), uploads);
        }
    };
    check(refusal("EntryConflict"), ErrorKind::AlreadyExists, "sign-in name").await;
    check(
        refusal("AzureActiveDirectoryInvalidUserPrincipalName"),
        ErrorKind::Invalid,
        "InvalidUserPrincipalName",
    )
    .await;
    let outside = json!({"status": "skipped", "errorInformation": {"errorCode": "NotEffectivelyEntitled"}});
    check(outside, ErrorKind::Invalid, "scope").await;
}

#[tokio::test]
async fn an_account_that_is_late_is_unknown_and_another_name_is_another_record() {
    for log in [200, 403] {
        let (graph, target) = never(None, log).await;
        let late = |answer: Result<Applied>| -> Error {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
            error
        };
        let start = graph.clock.now();
        let error = late(hire(&target, "W-1", "ada").await);
        assert_eq!(error.retry(), Retry::After(Some(Duration::from_mins(2))));
        let waited = graph.clock.now().duration_since(start).as_secs();
        assert!((20..=22).contains(&waited), "{waited}");
        assert!(graph.reads_of_the_log().await >= 1);
        if log == 403 {
            assert_eq!(graph.reads_of_the_log().await, 1, "it will not be told");
        }
        // Within the hour it is only looked for.
        late(hire(&target, "W-1", "ada").await);
        assert_eq!(graph.uploads().await.len(), 1);
        late(hire(&target, "W-1", "ada2").await);
        assert_eq!(graph.uploads().await.len(), 2);
        graph.clock.advance(Duration::from_hours(1));
        late(hire(&target, "W-1", "ada2").await);
        assert_eq!(graph.uploads().await.len(), 3);
        let short = target.clone().provisioning_deadline(Duration::from_secs(5));
        let start = graph.clock.now();
        late(hire(&short, "W-1", "ada2").await);
        assert!(graph.clock.now().duration_since(start).as_secs() <= 6);
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_is_everybody_s_error_and_nothing_is_waited_for() {
    for (status, expect) in [
        (403, ErrorKind::Denied),
        (404, ErrorKind::Invalid),
        (400, ErrorKind::Invalid),
    ] {
        let graph = graph(move |line, _| match line {
            UPLOAD => failure(status, "Refused", "no"),
            line if line.starts_with("GET /users?") => page(json!([])),
            _ => not_found(),
        })
        .await;
        let target = provisioned(graph.client.clone());
        let start = graph.clock.now();
        let both = tokio::join!(hire(&target, "W-1", "ada"), hire(&target, "W-2", "bo"));
        for answer in [both.0, both.1] {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), expect, "{error}");
            assert_eq!(error.status(), Some(status));
        }
        assert!(graph.clock.now().duration_since(start).as_secs() < 2);
        assert_eq!(graph.reads_of_the_log().await, 0);
    }
}

#[tokio::test]
async fn a_name_of_somebody_else_s_is_not_sent_at_all() {
    let graph = graph(|line, _| match line {
        "GET /users/ada%40x.example" => (200, json!({"id": "u9", "employeeId": "W-9"})),
        line if line.starts_with("GET /users?") => page(json!([])),
        _ => not_found(),
    })
    .await;
    let target = provisioned(graph.client.clone());
    let error = hire(&target, "W-1", "ada").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(graph.uploads().await.is_empty());
}
