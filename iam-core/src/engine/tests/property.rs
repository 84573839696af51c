//! Whatever HR says in whichever order, whatever fails and however often the process dies: once the failures
//! stop and time passes, everybody is as a fresh look at the latest records says.

mod ends;

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::doors::Mood;
use super::*;
use crate::clock::Clock;
use crate::entitlement::Account;
use crate::journal::{ErrandState, EventState, PersonState};
use crate::plan::Errand;

const IDS: [&str; 4] = ["W-1", "W-2", "W-3", "W-4"];
/// Two of them have the same name.
const NAMES: [(&str, &str); 4] = [("Mei", "Tanaka"), ("Bo", "Ek"), ("Bo", "Ek"), ("Ada", "Ng")];

/// What HR says of somebody; days are counted from the day on which it is said.
#[derive(Debug, Clone)]
struct Says {
    who: usize,
    gone: bool,
    department: usize,
    chief: bool,
    manager: Option<usize>,
    hire: Option<i64>,
    last: Option<i64>,
}

#[derive(Debug, Clone)]
enum Turn {
    Says(Says),
    /// The same as before, but gone or back.
    Flips(usize),
    Gives(usize),
    Hours(i64),
    Days(i64),
    /// So many steps of a kind go wrong.
    Fails(usize, usize, u8),
    /// No mail goes out from now on, or it does again.
    Mute(bool),
    Runs,
    /// The process dies after so many writes.
    Dies(isize),
    Restarts,
    /// Two engines at once.
    Both,
}

const KINDS: [&str; 21] = [
    "create_account",
    "update_account",
    "set_manager",
    "allow_sign_in",
    "block_sign_in",
    "revoke_sessions",
    "reset_password",
    "grant",
    "revoke",
    "issue_pass",
    "withdraw_pass",
    "end_automatic_reply",
    "unshare_drive",
    "end_forwarding",
    "delete_account",
    "_",
    // From here on there may be nothing to do it to.
    "set_automatic_reply",
    "share_drive",
    "hand_over_groups",
    "hand_over_sponsorships",
    "forward_mail",
];
const IN_VAIN: usize = 16;

/// What a leaver's manager takes over: the errand, and where the directory shows it.
const HAND_OVERS: [(Errand, &str); 4] = [
    (Errand::Drive, "drive"),
    (Errand::Groups, "groups"),
    (Errand::Sponsorships, "sponsorships"),
    (Errand::Forwarding, "mail"),
];

/// Whether it stays with whom it went to.
fn stays(errand: Errand) -> bool {
    matches!(errand, Errand::Groups | Errand::Sponsorships)
}

/// Everything that a policy can ask to be done for leavers, and passes for those who start.
fn policy() -> String {
    let policy = super::mailbox::with_mailboxes()
        .replace("max_leavers = 2\n", "")
        .replacen("contact = ", "forward = \"manager\", contact = ", 1)
        .replacen(
            "[leaver]",
            "[leaver]\nonedrive = \"manager\"\nowned_groups = \"manager\"\nsponsorships = \"manager\"\ndirect_reports = \"manager\"",
            1,
        )
        .replacen(
            "[joiner]",
            "[joiner]\npass_before = \"1d\"\npass_to = [\"manager\", \"hr\"]",
            1,
        );
    format!("{policy}[notify]\nfrom = \"robot@contoso.example\"\nhr = \"hr@contoso.example\"\n")
}

fn says() -> impl Strategy<Value = Says> {
    let day = |from: i64, to: i64| prop::option::weighted(0.3, from..to);
    (
        (0..IDS.len(), prop::bool::weighted(0.2), 0..3usize, any::<bool>()),
        prop::option::weighted(0.5, 0..IDS.len()),
        day(-3, 30),
        day(-3, 40),
    )
        .prop_map(|((who, gone, department, chief), manager, hire, last)| Says {
            who,
            gone,
            department,
            chief,
            manager,
            hire,
            // A last day before the first is held, and HR has to mend it.
            last: last.map(|last| {
                if gone {
                    last
                } else {
                    last.max(hire.unwrap_or(last))
                }
            }),
        })
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        6 => says().prop_map(Turn::Says),
        2 => (0..IDS.len()).prop_map(Turn::Flips),
        1 => (0..IDS.len()).prop_map(Turn::Gives),
        2 => (1..30i64).prop_map(Turn::Hours),
        2 => (1..20i64).prop_map(Turn::Days),
        4 => failure().prop_map(|(kind, times, mood)| Turn::Fails(kind, times, mood)),
        1 => any::<bool>().prop_map(Turn::Mute),
        5 => Just(Turn::Runs),
        3 => (0..40isize).prop_map(Turn::Dies),
        1 => Just(Turn::Restarts),
        2 => Just(Turn::Both),
    ]
}

fn failure() -> impl Strategy<Value = (usize, usize, u8)> {
    (0..KINDS.len(), 1..6usize, any::<u8>())
}

fn mood(kind: usize, number: u8) -> Mood {
    if kind >= IN_VAIN && number.is_multiple_of(7) {
        return Mood::Vain;
    }
    match number % 6 {
        0 | 1 => Mood::Refuses(ErrorKind::Unavailable),
        2 => Mood::Lies(ErrorKind::Unavailable),
        3 => Mood::Lies(ErrorKind::OutcomeUnknown),
        4 => Mood::Refuses(ErrorKind::Denied),
        _ => Mood::Refuses(ErrorKind::NotYetReplicated),
    }
}

/// One story as it goes on.
struct Story {
    world: World,
    latest: BTreeMap<usize, Person>,
    /// Who has been given something by hand, and has been at work ever since.
    given: BTreeSet<usize>,
}

impl Story {
    fn begin() -> Self {
        Self {
            world: world_of(&policy()),
            latest: BTreeMap::new(),
            given: BTreeSet::new(),
        }
    }

    fn today(&self) -> Date {
        self.world.clock.now().to_zoned_datetime(TimeZone::UTC).date()
    }

    async fn take(&mut self, turn: &Turn) {
        match turn {
            Turn::Says(says) => {
                let mut person = Person::new(PersonKey::new(IDS[says.who]));
                let (given, family) = NAMES[says.who];
                (person.given_name, person.family_name) = (Some(given.into()), Some(family.into()));
                person.department = Some(["Security", "Sales", "Other"][says.department].into());
                person.job_title = Some(if says.chief { "Chief" } else { "Clerk" }.into());
                person.manager_id = says.manager.map(|other| PersonKey::new(IDS[other]));
                person.hire_date = says.hire.map(|days| self.today() + days.days());
                person.last_day = says.last.map(|days| self.today() + days.days());
                if says.gone {
                    person.status = Status::Terminated;
                }
                self.accept(says.who, person).await;
            }
            Turn::Flips(who) => {
                let Some(mut person) = self.latest.get(who).cloned() else {
                    return;
                };
                let gone = person.status == Status::Terminated;
                person.status = if gone { Status::Active } else { Status::Terminated };
                person.last_day = None;
                self.accept(*who, person).await;
            }
            Turn::Gives(who) => {
                // What somebody gives to a leaver afterwards is seen when something happens to the leaver.
                if !self.latest.contains_key(who) || self.phase(*who) != "at work" {
                    return;
                }
                let live = |actual: &Actual| actual.account.as_ref().is_some_and(|account| !account.deleted);
                if self.world.of(IDS[*who]).last().is_some_and(live) {
                    self.world.give(IDS[*who], "by hand").await;
                    let key = PersonKey::new(IDS[*who]);
                    let state = self.world.engine.person(&key).await.unwrap();
                    let works = state.is_some_and(|state| state.lifecycle == Stage::Active);
                    if works && self.latest[who].last_day.is_none() {
                        self.given.insert(*who);
                    }
                }
            }
            Turn::Hours(hours) => self.world.clock.advance(SignedDuration::from_hours(*hours)),
            Turn::Days(days) => self.world.clock.advance(SignedDuration::from_hours(24 * days)),
            Turn::Fails(kind, times, number) => self.fails((*kind, *times, *number)),
            Turn::Mute(mute) => {
                *self.world.notices.refuses.lock().unwrap() = mute.then_some(ErrorKind::Unavailable);
            }
            Turn::Runs => {
                self.world.run().await;
            }
            Turn::Dies(writes) => {
                self.world.mortal.dies_after(*writes);
                let _ = self.world.engine.run(&|_| {}).await;
                self.world.mortal.revive();
            }
            Turn::Restarts => self.world.engine = self.world.engine_again(),
            Turn::Both => {
                let (one, two) = (&self.world.engine, self.world.engine_again());
                let (one, two) =
                    futures::future::join(Box::pin(one.run(&|_| {})), Box::pin(two.run(&|_| {}))).await;
                one.and(two).unwrap();
            }
        }
    }

    async fn accept(&mut self, who: usize, person: Person) {
        self.world.engine.accept([person.clone()]).await.unwrap();
        self.latest.insert(who, person);
        if self.phase(who) != "at work" || self.latest[&who].last_day.is_some() {
            self.given.remove(&who);
        }
    }

    fn fails(&self, (kind, times, number): (usize, usize, u8)) {
        self.world.moody.fail(KINDS[kind], times, mood(kind, number));
    }

    /// The failures stop, somebody brings back what was set aside, and `days` pass.
    async fn settle(&mut self, days: i64) {
        self.world.moody.calm();
        *self.world.notices.refuses.lock().unwrap() = None;
        let dead = HistoryQuery {
            state: Some(EventState::Dead),
            ..HistoryQuery::default()
        };
        for entry in self.world.journal.history(&dead).await.unwrap() {
            self.world
                .engine
                .requeue(&entry.event.id, "ops", "mended")
                .await
                .unwrap();
        }
        let end = self.world.clock.now() + SignedDuration::from_hours(24 * days);
        self.world.until(&end.to_string()).await;
    }

    fn phase(&self, who: usize) -> &'static str {
        let person = &self.latest[&who];
        let today = self.today();
        match (person.status, person.last_day) {
            (_, Some(last)) if last < today => return "gone",
            (Status::Terminated, None) => return "gone",
            _ => {}
        }
        match person.hire_date {
            Some(hire) if hire > today + 14.days() => "pending",
            Some(hire) if hire > today => "staged",
            _ => "at work",
        }
    }

    fn wanted(&self, who: usize) -> BTreeSet<&'static str> {
        let person = &self.latest[&who];
        let mut wanted = BTreeSet::from(["All Staff", "SPE_E3"]);
        match person.department.as_deref() {
            Some("Security") => wanted.extend(["sg-security", "Security Reader"]),
            Some("Sales") => wanted.extend(["sg-sales"]),
            _ => {}
        }
        let mut others = self.latest.values();
        let manager = others.find(|other| Some(&other.key) == person.manager_id.as_ref());
        if manager.is_some_and(|manager| manager.job_title.as_deref() == Some("Chief")) {
            wanted.insert("sg-chief");
        }
        wanted
    }
}

#[test]
fn whatever_happens_everybody_ends_as_the_latest_records_say() {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let config = Config {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(500),
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let turns = (prop::collection::vec(turn(), 1..40), failure());
    let outcome = TestRunner::new_with_rng(config, rng).run(&turns, |(turns, failure)| {
        runtime.block_on(Box::pin(async {
            let mut story = Story::begin();
            for turn in &turns {
                story.take(turn).await;
            }
            story.settle(2).await;
            story.check(true).await;
            story.settle(45).await;
            story.check(false).await;
            story.all_leave(failure).await;
        }));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
