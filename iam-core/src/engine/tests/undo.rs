//! What an event did is undone as far as policy lets it, and never more.

use super::*;
use crate::entitlement::Attribute;
use crate::plan::Action;

impl World {
    /// The latest event of that kind.
    async fn event(&self, id: &str, kind: &str) -> EventId {
        let timeline = self.engine.timeline(&PersonKey::new(id)).await.unwrap();
        let of_kind = |entry: &&Entry| entry.event.kind.as_str() == kind;
        timeline.iter().rfind(of_kind).unwrap().event.id.clone()
    }
}

fn kinds(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.id.to_string()).collect()
}

/// The policy without the rule `security`.
fn without_security() -> Arc<Document> {
    let text = POLICY.replace(
        "person.department == \"Security\"",
        "person.department == \"Nobody\"",
    );
    Arc::new(Document::parse(&text).unwrap())
}

#[tokio::test]
async fn what_policy_asks_for_no_more_is_undone_and_stays_undone() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let moved = world.event("W-1", "move").await;
    let engine = world.engine_with(without_security());
    let before = world.target.accounts();
    let undo = engine.undo_plan(&moved).await.unwrap();
    assert_eq!(world.target.accounts(), before);
    // The last change first; what HR and policy still say stays.
    assert_eq!(
        kinds(&undo.steps),
        [
            "revoke:role:id of Security Reader",
            "revoke:group:id of sg-security"
        ],
        "{undo}"
    );
    let refused: Vec<String> = undo
        .refused
        .iter()
        .map(|(step, why)| format!("{step}: {why}"))
        .collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(
        refused[0].starts_with("grant:group:id of sg-sales: what was taken"),
        "{refused:?}"
    );
    assert!(
        refused[1].starts_with("update_account: policy would do it again"),
        "{refused:?}"
    );
    let id = engine.undo(&moved, "W-900", "wrong rule").await.unwrap();
    let preview = engine.plan().await.unwrap();
    assert_eq!(kinds(&preview.people[0].plan.steps), kinds(&undo.steps));
    engine
        .apply(&preview.hash(), Canary::NONE, &|_| {})
        .await
        .unwrap();
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff");
    let entry = engine.entry(&id).await.unwrap().unwrap();
    assert_eq!(entry.state, EventState::Done);
    // Nothing comes back at the next event, and undoing twice undoes nothing.
    engine
        .accept([person("W-1 Mei Tanaka Security title=Boss")])
        .await
        .unwrap();
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff");
    let again = engine.undo(&moved, "W-900", "once more").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict, "{again}");
    let state = engine.person(&PersonKey::new("W-1")).await.unwrap().unwrap();
    assert_eq!(state.ledger.len(), 1, "{:?}", state.ledger);
}

#[tokio::test]
async fn what_policy_still_asks_for_is_not_undone() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let before = world.look("W-1");
    let join = world.event("W-1", "join").await;
    let undo = world.engine.undo_plan(&join).await.unwrap();
    assert!(undo.steps.is_empty(), "{undo}");
    assert!(
        undo.refused
            .iter()
            .all(|(_, why)| why.contains("policy would do it again")),
        "{undo}"
    );
    let error = world.engine.undo(&join, "W-900", "a mistake").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("rule security"), "{error}");
    let unknown = world.engine.undo_plan(&EventId::new("none")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    world.tell(&["W-1 Mei Tanaka Sales"]).await;
    let moved = world.event("W-1", "move").await;
    let open = world.engine.undo_plan(&moved).await.unwrap_err();
    assert_eq!(open.kind(), ErrorKind::Conflict, "{open}");
    assert_eq!(world.look("W-1"), before);
}

#[tokio::test]
async fn a_leave_is_not_undone_while_hr_says_gone_and_lists_what_nothing_undoes() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    let leave = world.event("W-1", "leave").await;
    let undo = world.engine.undo_plan(&leave).await.unwrap();
    assert!(undo.steps.is_empty(), "{undo}");
    let stays: Vec<&str> = undo
        .without_inverse
        .iter()
        .map(|(step, _)| step.as_str())
        .collect();
    assert_eq!(stays, ["reset_password", "revoke_sessions"]);
    assert!(
        undo.refused.iter().all(|(_, why)| why.contains("not at work")),
        "{undo}"
    );
    assert!(world.engine.undo(&leave, "W-900", "no").await.is_err());
    // HR takes it back: policy gives what is deserved, and the undo adds nothing that was there before.
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let fresh = "mei.tanaka enabled: All Staff, Security Reader, sg-security";
    assert_eq!(world.look("W-1"), fresh);
    let undo = world.engine.undo_plan(&leave).await.unwrap();
    assert!(undo.steps.is_empty(), "{undo}");
    assert_eq!(world.look("W-1"), fresh);
}

#[tokio::test]
async fn an_undo_that_was_asked_for_is_refused_when_the_person_leaves_before() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    let catalog = world.target.catalog().await.unwrap();
    let mut items = catalog.items.iter().map(|item| item.entitlement.clone());
    let gift = items.find(|what| what.name == "by hand").unwrap();
    let key = PersonKey::new("W-1");
    let revert = world
        .engine
        .revert(&key, "W-900", "review", std::slice::from_ref(&gift))
        .await
        .unwrap();
    world.run().await;
    assert!(!world.of("W-1")[0].holds(&gift));
    // Somebody else's gift that a revert took is given back, and stays somebody else's.
    world.engine.undo(&revert, "W-901", "was needed").await.unwrap();
    world.run().await;
    assert!(world.of("W-1")[0].holds(&gift));
    let state = world.engine.person(&key).await.unwrap().unwrap();
    assert!(!state.ledger.iter().any(|owned| owned.covers(&gift)));
    world.hear(&["W-1 Mei Tanaka Security title=Boss"]).await;
    assert!(world.of("W-1")[0].holds(&gift));
    // Taken once more, and asked for once more: but the person is gone when it is worked on.
    let take = std::slice::from_ref(&gift);
    let revert = world.engine.revert(&key, "W-900", "again", take).await.unwrap();
    world.run().await;
    world.engine.undo(&revert, "W-901", "again").await.unwrap();
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn an_attribute_goes_back_to_its_before_image_unless_it_has_changed_since() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Security title=Boss"]).await;
    let moved = world.event("W-1", "move").await;
    // The target has no place for the title any more: policy does not ask for it.
    world.moody.without.lock().unwrap().push(Attribute::JobTitle);
    let undo = world.engine.undo_plan(&moved).await.unwrap();
    assert_eq!(kinds(&undo.steps), ["update_account"], "{undo}");
    world.engine.undo(&moved, "W-900", "wrong").await.unwrap();
    world.run().await;
    let title = || world.of("W-1")[0].account.clone().unwrap().attributes[&Attribute::JobTitle].clone();
    assert_eq!(title(), "Clerk");
    let change = crate::plan::Change {
        before: None,
        after: "Cook".to_owned(),
    };
    let changes = [(Attribute::JobTitle, change)].into();
    world.meddle("W-1", Action::UpdateAccount { changes }).await;
    let undo = world.engine.undo_plan(&moved).await.unwrap();
    assert!(undo.steps.is_empty() && undo.gone.len() == 1, "{undo}");
    assert_eq!(title(), "Cook");
}

fn link(world: &World, id: &str) -> Option<String> {
    world.of(id)[0].account.clone().unwrap().manager
}

#[tokio::test]
async fn the_manager_of_before_comes_back_where_hr_names_none_any_more() {
    let world = world();
    world
        .hear(&[
            "W-1 Ada Ng Sales",
            "W-2 Bo Ek Sales",
            "W-3 Cy Oh Sales manager=W-1",
        ])
        .await;
    let ada = link(&world, "W-3");
    assert_eq!(ada, Some(world.account("W-1")));
    world.hear(&["W-3 Cy Oh Sales manager=W-2"]).await;
    let moved = world.event("W-3", "move").await;
    let undo = world.engine.undo_plan(&moved).await.unwrap();
    assert!(undo.steps.is_empty(), "HR still says so: {undo}");
    assert!(
        undo.to_string()
            .contains("policy would do it again: HR names W-2"),
        "{undo}"
    );
    // HR takes it back without saying who it is instead: nothing changes by itself.
    world.hear(&["W-3 Cy Oh Sales"]).await;
    assert_eq!(link(&world, "W-3"), Some(world.account("W-2")));
    let undo = world.engine.undo_plan(&moved).await.unwrap();
    assert_eq!(kinds(&undo.steps), ["set_manager"], "{undo}");
    world.engine.undo(&moved, "ann", "a mistake").await.unwrap();
    world.run().await;
    assert_eq!(link(&world, "W-3"), ada);
}

#[tokio::test]
async fn a_manager_whom_somebody_else_has_changed_since_stays() {
    let world = world();
    world
        .hear(&[
            "W-1 Ada Ng Sales",
            "W-2 Bo Ek Sales",
            "W-3 Cy Oh Sales manager=W-1",
        ])
        .await;
    world.hear(&["W-3 Cy Oh Sales manager=W-2"]).await;
    world.hear(&["W-3 Cy Oh Sales"]).await;
    let timeline = world.engine.timeline(&PersonKey::new("W-3")).await.unwrap();
    let linked = |first: bool| {
        let sets = |entry: &&Entry| {
            let steps = entry.plan.iter().flat_map(crate::plan::Plan::all);
            let sets = |step: &Step| matches!(&step.action, Action::SetManager { before, .. } if before.is_none() == first);
            steps.into_iter().any(sets)
        };
        timeline.iter().find(sets).unwrap().event.id.clone()
    };
    let first = world.engine.undo_plan(&linked(true)).await.unwrap();
    assert!(
        first
            .to_string()
            .contains("stays: set_manager: no manager of before is known"),
        "there was none: {first}"
    );
    let by_hand = Action::SetManager {
        manager: None,
        manager_account: world.account("W-3"),
        before: None,
    };
    world.meddle("W-3", by_hand).await;
    let undo = world.engine.undo_plan(&linked(false)).await.unwrap();
    assert!(
        undo.to_string().contains("the manager has changed since"),
        "{undo}"
    );
}
