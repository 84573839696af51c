//! Many people at once take few requests.

use iam_core::clock::{Clock, SystemClock};
use iam_core::entitlement::Kind;
use iam_core::person::PersonKey;
use iam_core::plan::Action;
use iam_core::target::{Applied, Keys, PersonRef, Target};
use iam_sandbox::Sandbox;

use super::{DONE, create, start};
use crate::clock::TestClock;

#[tokio::test]
async fn many_people_at_once() {
    let tenant = start(Sandbox::builder(), TestClock::at(SystemClock.now())).await;
    let group = tenant.what(Kind::Group, "All Staff").await;
    let join = async |n: usize| {
        let worker = format!("W-{}", 6000 + n);
        let made = tenant
            .apply_for(&worker, None, create(&format!("p{n}")))
            .await
            .unwrap();
        let Applied::Done { account: Some(id) } = made else {
            panic!("{made:?}")
        };
        let grant = Action::grant(group.clone());
        assert_eq!(tenant.apply_for(&worker, Some(&id), grant).await.unwrap(), DONE);
        PersonRef {
            person: PersonKey::new(worker),
            account: id,
        }
    };
    let people = futures::future::join_all((0..60).map(join)).await;
    let before = tenant.sandbox.requests();
    let actual = tenant.target.observe(&people).await.unwrap();
    assert_eq!(tenant.sandbox.requests() - before, 13); // four reads of each, twenty in one, and who is eligible for what
    let in_order = actual.iter().zip(&people).all(|(actual, who)| {
        actual.person == who.person
            && actual
                .account
                .as_ref()
                .is_some_and(|account| account.id == who.account)
    });
    assert!(in_order && actual.iter().all(|actual| actual.held.len() == 1));
    let keys: Vec<Keys> = people
        .iter()
        .map(|who| Keys {
            person: who.person.clone(),
            account: Some(who.account.clone()),
        })
        .collect();
    let before = tenant.sandbox.requests();
    let found = tenant.target.find(&keys).await.unwrap();
    assert_eq!(tenant.sandbox.requests() - before, 1); // eight reads: four lists of keys, live and deleted
    assert!(
        found
            .iter()
            .zip(&people)
            .all(|(found, who)| found.active.len() == 1 && found.active[0].id == who.account)
    );
}
