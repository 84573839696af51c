//! Batches against a whole tenant: what goes wrong for an item, a batch or the connection loses nothing and doubles
//! nothing.

use iam_core::clock::{Clock, SystemClock};
use iam_core::entitlement::Kind;
use iam_core::http::Response;
use iam_core::plan::Action;
use iam_core::target::Applied;
use iam_core::{ErrorKind, Result};
use iam_graph::users::{NewUser, User, UserPatch, mail_nickname};
use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::{Value, json};

use super::{DONE, Tenant, create, start};
use crate::clock::TestClock;

fn joiner(number: usize) -> NewUser {
    let name = format!("joiner{number}@contoso.example");
    NewUser {
        mail_nickname: mail_nickname(&name),
        user_principal_name: name,
        display_name: format!("Joiner {number}"),
        employee_id: Some(format!("J-{number}")),
        account_enabled: true,
        password: "Bare-and-simple-1!".into(),
        properties: UserPatch::new().set("usageLocation", "AU"),
    }
}

/// On a clock that does not wait.
async fn quick() -> Tenant {
    start(Sandbox::builder(), TestClock::at(SystemClock.now())).await
}

impl Tenant {
    /// Creates that many, and gives each the manager W-1009 as soon as the account is there.
    async fn join(&self, many: usize) -> Vec<Result<Response>> {
        let manager = self.user("W-1009")["id"].as_str().unwrap().to_owned();
        let operations = self.client.operations();
        let mut batch = self.client.batch();
        for number in 0..many {
            let new = joiner(number);
            let user = batch.add(operations.create_user(&new).unwrap());
            let link = operations
                .set_manager(&new.user_principal_name, &manager)
                .unwrap();
            batch.add(link.depends_on(user));
        }
        batch.send().await
    }

    /// Whether everybody is there once, with the manager.
    fn joined(&self, many: usize) -> bool {
        let manager = self.user("W-1009")["id"].clone();
        (0..many).all(|number| {
            let worker = format!("J-{number}");
            self.count(&worker) == 1 && self.user(&worker)["managerId"] == manager
        })
    }
}

#[tokio::test]
async fn a_hundred_accounts_and_their_managers_take_ten_requests() {
    let tenant = quick().await;
    tenant.client.user("W-1009").await.unwrap_err(); // signed in
    let before = tenant.sandbox.requests();
    let answers = tenant.join(100).await;
    assert_eq!(tenant.sandbox.requests() - before, 10);
    assert!(tenant.joined(100));
    for (number, pair) in answers.chunks(2).enumerate() {
        let [made, linked] = pair else { panic!("{pair:?}") };
        let (made, linked) = (made.as_ref().unwrap(), linked.as_ref().unwrap());
        let user: User = made.json().unwrap();
        assert_eq!((made.status, linked.status), (201, 204));
        assert_eq!(user.display_name, Some(format!("Joiner {number}")));
        assert!(made.header("request-id").is_some() && made.header("x-ms-resource-unit") == Some("1"));
    }
}

#[tokio::test]
async fn faults_of_items_batches_and_connections_make_nobody_twice_and_lose_nobody() {
    let status = |status| Effect::Status {
        status,
        retry_after: RetryAfter::Missing,
    };
    let throttle = Effect::Throttle {
        retry_after: RetryAfter::Seconds(4),
    };
    let faults = [
        Fault::new(throttle.clone()).on("POST", "/users").nth(3).times(5),
        Fault::new(status(503)).on("POST", "/users").nth(2).times(4),
        Fault::new(status(504))
            .on("PUT", "/users/*/manager/$ref")
            .nth(2)
            .times(3),
        Fault::new(Effect::CutAfter).on("POST", "/users").nth(7).times(1),
        Fault::new(Effect::CutBefore)
            .on("PUT", "/users/*/manager/$ref")
            .times(2),
        Fault::new(Effect::CutAfter).on("POST", "/$batch").times(1),
        Fault::new(Effect::CutBefore).on("POST", "/$batch").times(1),
        Fault::new(throttle).on("POST", "/$batch").times(2),
        Fault::new(status(503)).on("POST", "/$batch").times(2),
        Fault::new(Effect::RevokeTokens)
            .on("POST", "/users")
            .nth(5)
            .times(1),
    ];
    for fault in faults {
        let tenant = quick().await;
        tenant.sandbox.fault(fault.clone());
        let answers = tenant.join(25).await;
        for answer in &answers {
            assert!(answer.is_ok(), "{fault:?}: {answer:?}");
        }
        assert!(tenant.joined(25), "{fault:?}");
        assert!(tenant.sandbox.faults()[0].fired() > 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_taken_fails_its_own_operation_and_what_depends_on_it() {
    let tenant = quick().await;
    let first = NewUser {
        employee_id: Some("X-1".into()),
        ..joiner(1)
    };
    tenant.client.create_user(&first).await.unwrap();
    let answers = tenant.join(3).await;
    let failed: Vec<(usize, ErrorKind)> = answers
        .iter()
        .enumerate()
        .filter_map(|(place, answer)| Some((place, answer.as_ref().err()?.kind())))
        .collect();
    assert_eq!(
        failed,
        [(2, ErrorKind::AlreadyExists), (3, ErrorKind::DependencyFailed)]
    );
    assert_eq!(
        (tenant.count("J-1"), tenant.count("J-0"), tenant.count("J-2")),
        (0, 1, 1)
    );
    assert_eq!(
        tenant.user("X-1")["managerId"],
        Value::Null,
        "nobody else's account was touched"
    );
}

#[tokio::test]
async fn steps_at_the_same_time_share_requests_and_each_has_its_own_outcome() {
    let tenant = quick().await;
    tenant.client.user("W-1009").await.unwrap_err(); // signed in
    let group = tenant.what(Kind::Group, "All Staff").await;
    let computed = tenant.what(Kind::Group, "sg-security").await;
    let before = tenant.sandbox.requests();
    let workers: Vec<String> = (0..40).map(|number| format!("J-{number}")).collect();
    let made = workers
        .iter()
        .enumerate()
        .map(|(number, worker)| tenant.apply_for(worker, None, create(&format!("joiner{number}"))));
    let made = futures::future::join_all(made).await;
    let ids: Vec<String> = made
        .into_iter()
        .map(|applied| match applied {
            Ok(Applied::Done { account: Some(id) }) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tenant.sandbox.requests() - before, 2);
    for (worker, id) in workers.iter().zip(&ids) {
        assert_eq!(
            (tenant.count(worker), &tenant.user(worker)["id"]),
            (1, &json!(id))
        );
    }
    // Of one batch, one is so already and one is refused; the others are done.
    tenant.apply(&ids[3], Action::grant(group.clone())).await.unwrap();
    let before = tenant.sandbox.requests();
    let grants = ids.iter().take(20).enumerate().map(|(number, id)| {
        let missing = iam_core::entitlement::Entitlement {
            id: "8f1c2d3e-0000-4000-8000-0123456789ab".into(),
            ..computed.clone()
        };
        let what = if number == 7 { missing } else { group.clone() };
        tenant.apply(id, Action::grant(what))
    });
    // A group that is missing for an account made just now may only be late.
    let outcomes = futures::future::join_all(grants).await;
    assert!(tenant.sandbox.requests() - before <= 8);
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match number {
            3 => assert_eq!(outcome.unwrap(), Applied::AlreadySo { account: None }),
            7 => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotYetReplicated),
            _ => assert_eq!(outcome.unwrap(), DONE),
        }
    }
}

#[tokio::test]
async fn a_cut_connection_under_many_steps_makes_each_account_exactly_once() {
    for effect in [Effect::CutAfter, Effect::CutBefore] {
        let tenant = quick().await;
        tenant.client.user("W-1009").await.unwrap_err(); // signed in
        // The third of the items loses the whole batch its answer; those before it took effect.
        tenant
            .sandbox
            .fault(Fault::new(effect.clone()).on("POST", "/users").nth(3).times(2));
        let workers: Vec<String> = (0..30).map(|number| format!("J-{number}")).collect();
        let made = workers
            .iter()
            .enumerate()
            .map(|(number, worker)| tenant.apply_for(worker, None, create(&format!("joiner{number}"))));
        for applied in futures::future::join_all(made).await {
            assert!(
                matches!(applied, Ok(Applied::Done { account: Some(_) })),
                "{effect:?}: {applied:?}"
            );
        }
        assert!(
            workers.iter().all(|worker| tenant.count(worker) == 1),
            "{effect:?}"
        );
        assert_eq!(tenant.sandbox.faults()[0].fired(), 2);
    }
}
