//! Frozen plans and their release.

use super::{Journal, at};
use crate::error::ErrorKind;
use crate::journal::{Frozen, FrozenState, Release};

fn plan(hash: &str) -> Frozen {
    let mut plan = Frozen::new(hash, vec!["26 leavers, at most 25".to_owned()], "ann", at(1));
    (plan.people, plan.steps) = (26, 99);
    plan
}

fn release(by: &str) -> Release {
    Release {
        by: by.to_owned(),
        reason: "a site closes".to_owned(),
        at: at(2),
    }
}

async fn states(journal: &dyn Journal) -> Vec<(String, FrozenState)> {
    let frozen = journal.frozen().await.unwrap();
    frozen.into_iter().map(|plan| (plan.hash, plan.state)).collect()
}

pub(super) async fn a_frozen_plan_is_kept_as_it_was(journal: &dyn Journal) {
    assert_eq!(journal.frozen().await.unwrap(), []);
    journal.freeze(&plan("a")).await.unwrap();
    assert_eq!(journal.frozen().await.unwrap(), [plan("a")]);
    assert!(
        !journal.spend("a", at(3)).await.unwrap(),
        "nobody has released it"
    );
    // Frozen once more it is the same one, with its first planner.
    let mut again = plan("a");
    "bob".clone_into(&mut again.planned_by);
    journal.freeze(&again).await.unwrap();
    assert_eq!(journal.frozen().await.unwrap(), [plan("a")]);
}

pub(super) async fn another_actor_releases_a_plan_and_it_is_spent_once(journal: &dyn Journal) {
    journal.freeze(&plan("a")).await.unwrap();
    for (hash, by, kind) in [
        ("b", "bob", ErrorKind::NotFound),
        ("a", "ann", ErrorKind::Denied),
        ("a", " Ann", ErrorKind::Denied),
        ("a", " ", ErrorKind::Invalid),
    ] {
        let error = journal.release(hash, &release(by)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{hash} {by}: {error}");
    }
    journal.release("a", &release("bob")).await.unwrap();
    let error = journal.release("a", &release("eve")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let kept = journal.frozen().await.unwrap();
    assert_eq!(kept[0].release, Some(release("bob")));
    assert!(
        !journal.spend("b", at(3)).await.unwrap(),
        "a release is for one plan"
    );
    // Frozen again, the release stands.
    journal.freeze(&plan("a")).await.unwrap();
    assert!(journal.spend("a", at(3)).await.unwrap());
    assert!(
        !journal.spend("a", at(4)).await.unwrap(),
        "a release is used once"
    );
    let kept = journal.frozen().await.unwrap();
    assert_eq!(
        (kept[0].state, kept[0].ended_at),
        (FrozenState::Applied, Some(at(3)))
    );
    let error = journal.release("a", &release("eve")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub(super) async fn another_frozen_plan_supersedes_the_one_before(journal: &dyn Journal) {
    use FrozenState::{Applied, Frozen, Released, Superseded};
    journal.freeze(&plan("a")).await.unwrap();
    journal.release("a", &release("bob")).await.unwrap();
    journal.freeze(&plan("b")).await.unwrap();
    assert!(!journal.spend("a", at(3)).await.unwrap());
    assert_eq!(
        states(journal).await,
        [("a".to_owned(), Superseded), ("b".to_owned(), Frozen)]
    );
    // The first one once more: it needs another release.
    journal.freeze(&plan("a")).await.unwrap();
    assert!(!journal.spend("a", at(3)).await.unwrap());
    journal.release("a", &release("bob")).await.unwrap();
    assert_eq!(states(journal).await[2], ("a".to_owned(), Released));
    assert!(journal.spend("a", at(4)).await.unwrap());
    assert_eq!(
        states(journal)
            .await
            .into_iter()
            .map(|(_, state)| state)
            .collect::<Vec<_>>(),
        [Superseded, Superseded, Applied]
    );
}
