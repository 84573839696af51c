//! The effect classes: what is repeated after an unknown outcome, what is looked for first, and what a person answers.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::doors::Mood::{Lies, Refuses};
use super::*;
use crate::error::Result;
use crate::journal::Outcome;
use crate::plan::{IdempotencyKey, StepId};
use crate::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};

const GRANT: &str = "grant:group:id of sg-sales";

/// A directory whose grants have a class, and that hides what it has done from its next looks.
#[derive(Debug, Clone)]
struct Classed {
    inner: Moody,
    class: EffectClass,
    /// So many looks do not show groups.
    hides: Arc<Mutex<usize>>,
    looks: Arc<Mutex<usize>>,
}

#[async_trait::async_trait]
impl Target for Classed {
    fn id(&self) -> &TargetId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.actions.insert("grant", self.class);
        capabilities
    }

    async fn catalog(&self) -> Result<Catalog> {
        self.inner.catalog().await
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.inner.find(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        self.inner.names_taken(names).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        let mut seen = self.inner.observe(who).await?;
        if who.is_empty() {
            return Ok(seen);
        }
        *self.looks.lock().unwrap() += 1;
        let mut hides = self.hides.lock().unwrap();
        if *hides > 0 {
            *hides -= 1;
            for actual in &mut seen {
                actual.held.retain(|held| held.entitlement.name != "sg-sales");
            }
        }
        Ok(seen)
    }

    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied> {
        self.inner.apply(step, key).await
    }
}

fn classed(world: &World, class: EffectClass) -> (Engine, Classed) {
    let target = Classed {
        inner: world.moody.clone(),
        class,
        hides: Arc::default(),
        looks: Arc::default(),
    };
    let engine = Engine::builder(Arc::new(world.journal.clone()), world.policy.clone())
        .target(Arc::new(target.clone()))
        .notifier(Arc::new(world.notices.clone()))
        .clock(Arc::new(world.clock.clone()))
        .build();
    (engine, target)
}

/// How often the grant reached the directory.
fn granted(world: &World) -> usize {
    let applied = world.moody.applied.lock().unwrap();
    applied.iter().filter(|step| step.contains(GRANT)).count()
}

async fn hear(engine: &Engine) -> RunReport {
    engine.accept([person("W-1 Bo Ek Sales")]).await.unwrap();
    engine.run(&|_| {}).await.unwrap()
}

#[tokio::test]
async fn what_must_be_read_back_is_repeated_after_the_settle_time_and_two_looks() {
    let world = world();
    let (engine, target) = classed(&world, EffectClass::ReadBack);
    world.moody.fail(GRANT, 1, Refuses(ErrorKind::OutcomeUnknown));
    let report = hear(&engine).await;
    let Ending::Retry(at, _) = &report.people[0].ending else {
        panic!("{report:?}")
    };
    let now = crate::clock::Clock::now(&world.clock);
    assert!(*at >= now + SignedDuration::from_secs(60), "{at}");
    // Hastened, it is not looked for too early.
    world.clock.advance(SignedDuration::from_secs(10));
    let event = report.people[0].event.clone();
    engine.requeue(&event, "ann", "hurry").await.unwrap();
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(granted(&world), 1);
    world.clock.advance(SignedDuration::from_secs(61));
    *target.looks.lock().unwrap() = 0;
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(granted(&world), 2);
    // The preview looks as well, and then the run does: before planning, and before the step.
    assert_eq!(*target.looks.lock().unwrap(), 3);
    assert_eq!(world.look("W-1"), "bo.ek enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn what_was_done_and_shows_late_is_not_done_again() {
    let world = world();
    let (engine, target) = classed(&world, EffectClass::ReadBack);
    world.moody.fail(GRANT, 1, Lies(ErrorKind::OutcomeUnknown));
    hear(&engine).await;
    world.clock.advance(SignedDuration::from_secs(61));
    // The look before the plan comes from a replica that is behind, the one before the step does not.
    *target.hides.lock().unwrap() = 2;
    let report = engine.run(&|_| {}).await.unwrap();
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(granted(&world), 1);
    let entries = engine.timeline(&PersonKey::new("W-1")).await.unwrap();
    let record = entries[0]
        .steps
        .iter()
        .find(|record| record.step == StepId::from(GRANT));
    assert_eq!(
        record.unwrap().outcome,
        Some(Outcome::AlreadySo { account: None })
    );
}

#[tokio::test]
async fn after_a_crash_the_settle_time_is_waited_for_as_well() {
    let world = world();
    let (engine, _) = classed(&world, EffectClass::ReadBack);
    engine.accept([person("W-1 Bo Ek Sales")]).await.unwrap();
    // Somebody has begun it, and died.
    let now = crate::clock::Clock::now(&world.clock);
    let claim = world
        .journal
        .claim(1, now, std::time::Duration::ZERO)
        .await
        .unwrap()
        .remove(0);
    let preview = engine.plan().await.unwrap();
    let steps = &preview.people[0].plan.steps;
    let grant = steps.iter().find(|step| step.id == StepId::from(GRANT)).unwrap();
    let key = IdempotencyKey::of(&claim.event.id, grant);
    world.journal.plan(&claim, &preview.people[0].plan).await.unwrap();
    world.journal.intend(&claim, &grant.id, &key).await.unwrap();
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(granted(&world), 0, "'not found' proves nothing yet");
    world.clock.advance(SignedDuration::from_secs(61));
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(granted(&world), 1);
    assert_eq!(world.look("W-1"), "bo.ek enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn what_is_repeatable_is_repeated_at_once() {
    let world = world();
    let (engine, _) = classed(&world, EffectClass::Repeatable);
    world.moody.fail(GRANT, 1, Refuses(ErrorKind::OutcomeUnknown));
    hear(&engine).await;
    world.clock.advance(SignedDuration::from_secs(30));
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(granted(&world), 2);
}

fn told() -> World {
    let policy = POLICY.replace(
        "[joiner]",
        "[notify]\nfrom = \"iam@contoso.example\"\nhr = \"hr@contoso.example\"\n[joiner]\nnotify = [\"hr\"]",
    );
    world_of(&policy)
}

fn unheard(world: &World, kind: Option<ErrorKind>) {
    *world.notices.refuses.lock().unwrap() = kind;
}

#[tokio::test]
async fn what_nobody_knows_and_must_not_be_repeated_is_answered_by_a_person() {
    let world = told();
    unheard(&world, Some(ErrorKind::OutcomeUnknown));
    let report = world.hear(&["W-1 Bo Ek Sales"]).await;
    assert_eq!((report.totals().unknown, report.totals().open), (1, 0));
    unheard(&world, None);
    let event = report.people[0].event.clone();
    let step = &report.people[0].outcomes.last().unwrap().0.id;
    let nameless = world.engine.resolve(&event, step, false, "", "x").await;
    assert_eq!(nameless.unwrap_err().kind(), ErrorKind::Invalid);
    let applied = world.moody.applied.lock().unwrap().len();
    world
        .engine
        .resolve(&event, step, false, "ann", "nobody got it")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.notices.take().len(), 1, "it is sent again");
    assert_eq!(
        world.moody.applied.lock().unwrap().len(),
        applied,
        "and nothing else is done"
    );
    let known = world.engine.resolve(&event, step, true, "ann", "really").await;
    assert_eq!(known.unwrap_err().kind(), ErrorKind::Conflict);
    // What happened is not repeated.
    unheard(&world, Some(ErrorKind::OutcomeUnknown));
    let report = world.hear(&["W-2 Cy Om Sales"]).await;
    unheard(&world, None);
    let event = report.people[0].event.clone();
    let step = &report.people[0].outcomes.last().unwrap().0.id;
    world
        .engine
        .resolve(&event, step, true, "ann", "seen")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.notices.take().len(), 0);
    // A notice that is not true any more is not sent, whoever asks for it.
    unheard(&world, Some(ErrorKind::OutcomeUnknown));
    let report = world.hear(&["W-3 Di Pa Sales"]).await;
    unheard(&world, None);
    let event = report.people[0].event.clone();
    let step = report.people[0].outcomes.last().unwrap().0.id.clone();
    world.hear(&["W-3 Di Pa Sales status=gone"]).await;
    world
        .engine
        .resolve(&event, &step, false, "ann", "nobody got it")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.notices.take().len(), 0);
    assert_eq!(world.look("W-3"), "di.pa blocked: ");
}

#[tokio::test]
async fn what_may_be_repeated_by_configuration_is_done_at_least_once() {
    let world = told();
    let engine = Engine::builder(Arc::new(world.journal.clone()), world.policy.clone())
        .target(Arc::new(world.moody.clone()))
        .notifier(Arc::new(world.notices.clone()))
        .clock(Arc::new(world.clock.clone()))
        .accept_repeats("notify")
        .build();
    unheard(&world, Some(ErrorKind::OutcomeUnknown));
    let report = hear(&engine).await;
    assert_eq!(
        (report.totals().unknown, report.totals().open),
        (0, 1),
        "{report:?}"
    );
    unheard(&world, None);
    world.clock.advance(SignedDuration::from_secs(31));
    let report = engine.run(&|_| {}).await.unwrap();
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(world.notices.take().len(), 1);
}
