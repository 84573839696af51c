//! The same random commands give the same answers in memory and in a file.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{ACME, LEASE, at, open, step};
use crate::event::{Event, EventId, EventKind, Timer};
use crate::journal::{
    Claim, EventState, HistoryQuery, Journal, Lane, MemoryJournal, Outcome, PersonState, SqliteJournal,
};
use crate::person::{Person, PersonKey};
use crate::plan::{Action, Plan};

#[derive(Debug, Clone)]
pub(in crate::journal) enum Command {
    Append(Vec<News>),
    Tick(i64),
    Claim { max: usize, lapse: bool },
    Heartbeat(usize),
    Plan(usize, String),
    Intend(usize, usize),
    Settle(usize, usize, usize),
    Complete(usize, Vec<Wake>, Option<u8>),
    Retry(usize, i64),
    Dead(usize, Vec<Wake>, bool),
    Requeue(usize, Option<(u8, u8)>),
    Reserve(usize, u8),
    Reopen,
}

#[derive(Debug, Clone)]
pub(in crate::journal) struct News {
    person: u8,
    id: u8,
    kind: usize,
    due: i64,
    version: Option<u64>,
}

#[derive(Debug, Clone)]
pub(in crate::journal) struct Wake {
    person: Option<u8>,
    timer: usize,
    due: i64,
}

const TIMERS: [Timer; 4] = [Timer::Start, Timer::Leave, Timer::Grace, Timer::Recheck];
const PEOPLE: u8 = 4;

pub(in crate::journal) fn command() -> impl Strategy<Value = Command> {
    let person = 0..PEOPLE;
    let news = (
        person.clone(),
        0..9_u8,
        0..6_usize,
        -20..20_i64,
        prop::option::weighted(0.1, 0..4_u64),
    );
    let news = news.prop_map(|(person, id, kind, due, version)| News {
        person,
        id,
        kind,
        due,
        version,
    });
    let wake = (
        prop::option::weighted(0.2, person.clone()),
        0..4_usize,
        -5..30_i64,
    );
    let wake = wake.prop_map(|(person, timer, due)| Wake { person, timer, due });
    let wakes = prop::collection::vec(wake, 0..3);
    prop_oneof![
        6 => prop::collection::vec(news, 1..4).prop_map(Command::Append),
        3 => (0..15_i64).prop_map(Command::Tick),
        8 => (0..4_usize, any::<bool>()).prop_map(|(max, lapse)| Command::Claim { max, lapse }),
        1 => (0..6_usize).prop_map(Command::Heartbeat),
        1 => (0..6_usize, "[a-zß\"]{0,5}").prop_map(|(claim, note)| Command::Plan(claim, note)),
        2 => (0..6_usize, 0..3_usize).prop_map(|(claim, step)| Command::Intend(claim, step)),
        2 => (0..6_usize, 0..3_usize, 0..3_usize).prop_map(|(claim, step, how)| Command::Settle(claim, step, how)),
        5 => (0..6_usize, wakes.clone(), prop::option::of(person.clone()))
            .prop_map(|(claim, wakes, waits)| Command::Complete(claim, wakes, waits)),
        3 => (0..6_usize, -5..30_i64).prop_map(|(claim, later)| Command::Retry(claim, later)),
        2 => (0..6_usize, wakes, any::<bool>()).prop_map(|(claim, wakes, park)| Command::Dead(claim, wakes, park)),
        3 => (0..6_usize, prop::option::weighted(0.3, (person.clone(), 0..9_u8)))
            .prop_map(|(claim, other)| Command::Requeue(claim, other)),
        1 => (0..4_usize, person).prop_map(|(name, person)| Command::Reserve(name, person)),
        1 => Just(Command::Reopen),
    ]
}

fn who(person: u8) -> PersonKey {
    PersonKey::new(format!("p{person}"))
}

/// Carries commands out and writes the answers down.
struct Run {
    now: i64,
    claims: Vec<Claim>,
    answers: Vec<String>,
    /// Every lease runs out at once, so that a process that ends leaves nothing behind that memory keeps.
    lapse: bool,
}

impl Run {
    fn note<T>(&mut self, command: &str, answer: crate::Result<T>, show: impl FnOnce(T) -> String) {
        let answer = answer.map_or_else(|error| error.kind().to_string(), show);
        self.answers.push(format!("{command}: {answer}"));
    }

    /// One of the latest claims, held or lost.
    fn claim(&self, back: usize) -> Option<Claim> {
        let len = self.claims.len();
        (len > 0).then(|| self.claims[len - 1 - back % len.min(6)].clone())
    }

    fn timers(&self, claim: &Claim, wakes: &[Wake]) -> Vec<Event> {
        let timers = wakes.iter().map(|wake| {
            let person = wake.person.map_or_else(|| claim.event.person.clone(), who);
            let due = at(self.now + wake.due);
            Event::timer(&person, TIMERS[wake.timer], due, &claim.event.id, at(self.now))
        });
        timers.collect()
    }

    fn state(&self, claim: &Claim, waits: Option<u8>) -> PersonState {
        let record = Person {
            manager_id: Some(who(self.now.unsigned_abs().to_le_bytes()[0] % PEOPLE)),
            ..Person::new(claim.event.person.clone())
        };
        PersonState {
            record: Some(record),
            name: Some(format!("{} at {}", claim.event.id, self.now)),
            waits_for: waits.map(who),
            ..claim.state.clone()
        }
    }

    async fn append(&mut self, journal: &dyn Journal, news: &[News]) {
        let mut batch = Vec::new();
        for news in news {
            let person = who(news.person);
            let latest = journal
                .accepted(std::slice::from_ref(&person))
                .await
                .unwrap()
                .remove(0);
            let next = latest.map_or(0, |accepted| accepted.version) + 1;
            let kind = match news.kind {
                0 => EventKind::Join,
                1 => EventKind::Leave {
                    last_day: None,
                    urgent: false,
                },
                2 => EventKind::Due {
                    timer: Timer::Recheck,
                },
                3 => EventKind::Due { timer: Timer::Leave },
                4 => EventKind::Leave {
                    last_day: None,
                    urgent: true,
                },
                5 => EventKind::Suspend,
                _ => EventKind::Move,
            };
            let timer = matches!(kind, EventKind::Due { .. });
            if kind == EventKind::Suspend {
                let id = EventId::new(format!("{person}/{}", news.id));
                batch.push(Event::told(crate::event::News::new(
                    id,
                    person,
                    kind,
                    at(self.now),
                )));
                continue;
            }
            batch.push(Event {
                id: EventId::new(format!("{person}/{}", news.id)),
                record: (!timer).then(|| Person::new(person.clone())),
                version: if timer { 0 } else { news.version.unwrap_or(next) },
                person,
                kind,
                due_at: at(self.now + news.due),
                entered_at: at(self.now),
                news: None,
            });
        }
        let answer = journal.append(&batch).await;
        self.note("append", answer, |appended| format!("{appended:?}"));
    }

    async fn held(&mut self, journal: &dyn Journal, command: &Command) {
        let (Command::Heartbeat(back)
        | Command::Plan(back, _)
        | Command::Intend(back, _)
        | Command::Settle(back, ..)
        | Command::Complete(back, ..)
        | Command::Retry(back, _)
        | Command::Dead(back, ..)) = command
        else {
            return;
        };
        let Some(claim) = self.claim(*back) else { return };
        let steps = [Action::BlockSignIn, Action::RevokeSessions, Action::ResetPassword];
        let steps = steps.map(|action| step(&claim.event.person, action));
        let unit = |()| "done".to_owned();
        match command {
            Command::Heartbeat(_) => {
                let lease = if self.lapse { Duration::ZERO } else { LEASE };
                let answer = journal.heartbeat(&claim, lease).await;
                self.note("heartbeat", answer, unit);
            }
            Command::Plan(_, note) => {
                let mut plan = Plan::empty(&claim.event.person);
                plan.notes.push(note.clone());
                let answer = journal.plan(&claim, &plan).await;
                self.note("plan", answer, unit);
            }
            Command::Intend(_, which) => {
                let (step, key) = &steps[*which];
                let answer = journal.intend(&claim, &step.id, key).await;
                self.note("intend", answer, |start| format!("{start:?}"));
            }
            Command::Settle(_, which, how) => {
                let outcome = match how {
                    0 => Outcome::Done {
                        account: Some("a".to_owned()),
                    },
                    1 => Outcome::Unknown,
                    _ => Outcome::Failed {
                        kind: "throttled".to_owned(),
                        message: "later".to_owned(),
                    },
                };
                let answer = journal.settle(&claim, &steps[*which].0.id, &outcome, at(7)).await;
                self.note("settle", answer, unit);
            }
            Command::Complete(_, wakes, waits) => {
                let (state, timers) = (self.state(&claim, *waits), self.timers(&claim, wakes));
                let answer = journal.complete(&claim, &state, &timers).await;
                self.note("complete", answer, unit);
            }
            Command::Retry(_, later) => {
                let (state, later) = (self.state(&claim, None), at(self.now + later));
                let answer = journal.retry_later(&claim, &state, later, "busy").await;
                self.note("retry", answer, unit);
            }
            Command::Dead(_, wakes, park) => {
                let (state, timers) = (self.state(&claim, None), self.timers(&claim, wakes));
                let set = if *park { Lane::Park } else { Lane::Skip };
                let answer = journal.dead_letter(&claim, &state, &timers, "poison", set).await;
                self.note("dead", answer, unit);
            }
            _ => {}
        }
    }

    async fn carry_out(&mut self, journal: &dyn Journal, command: &Command) {
        match command {
            Command::Append(news) => self.append(journal, news).await,
            Command::Tick(seconds) => self.now += seconds,
            Command::Claim { max, lapse } => {
                let lease = if *lapse || self.lapse {
                    Duration::ZERO
                } else {
                    LEASE
                };
                let claims = journal.claim(*max, at(self.now), lease).await.unwrap();
                for claim in claims {
                    self.answers
                        .push(format!("claim: {} {claim:?}", json(&claim.event)));
                    self.claims.push(claim);
                }
            }
            Command::Requeue(back, other) => {
                let other = other.map(|(person, id)| EventId::new(format!("{}/{id}", who(person))));
                let claimed = self.claim(*back).map(|claim| claim.event.id);
                let Some(event) = other.or(claimed) else { return };
                let answer = journal.requeue(&event, "somebody", "a reason").await;
                self.note("requeue", answer, |()| "done".to_owned());
            }
            Command::Reserve(name, person) => {
                let name = ["Ann", "ann", "ÄNN", "änn"][*name];
                let answer = journal.reserve(name, &who(*person)).await;
                self.note("reserve", answer, |reservation| format!("{reservation:?}"));
            }
            Command::Reopen => {}
            held => self.held(journal, held).await,
        }
        let due = journal.next_due().await;
        self.note("next due", due, |due| format!("{due:?}"));
    }

    async fn end(mut self, journal: &dyn Journal) -> Vec<String> {
        for state in [None, Some(EventState::Pending), Some(EventState::Dead)] {
            for person in [None, Some(who(1))] {
                let query = HistoryQuery {
                    event: None,
                    person,
                    state,
                    due: None,
                    limit: 0,
                };
                for entry in journal.history(&query).await.unwrap() {
                    self.answers
                        .push(format!("history: {} {entry:?}", json(&entry.event)));
                }
            }
        }
        let people = journal.people(Some(&who(0)), 2).await;
        self.note("people", people, |people| format!("{people:?}"));
        for person in 0..PEOPLE {
            let reports = journal.reports_of(&who(person)).await;
            self.note("reports", reports, |reports| format!("{reports:?}"));
        }
        self.answers
    }
}

fn json(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

pub(in crate::journal) async fn answers<J: Journal>(
    mut journal: J,
    commands: &[Command],
    lapse: bool,
    reopen: impl AsyncFn(J) -> J,
) -> Vec<String> {
    let mut run = Run {
        now: 0,
        claims: Vec::new(),
        answers: Vec::new(),
        lapse,
    };
    for command in commands {
        if lapse && matches!(command, Command::Reopen) {
            journal = reopen(journal).await;
            run.claims.clear();
        }
        run.carry_out(&journal, command).await;
    }
    run.end(&journal).await
}

#[test]
fn memory_and_file_give_equal_answers() {
    let config = Config {
        cases: 128,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let commands = (prop::collection::vec(command(), 1..50), any::<bool>());
    let equal = TestRunner::new_with_rng(config, rng).run(&commands, |(commands, lapse)| {
        let (memory, file) = runtime.block_on(async {
            let memory = answers(MemoryJournal::new(), &commands, lapse, async |journal| journal).await;
            number.set(number.get() + 1);
            let path = folder.path().join(format!("{}.db", number.get()));
            let reopen = async |journal: SqliteJournal| {
                drop(journal);
                SqliteJournal::open(&path, ACME).await.unwrap()
            };
            (memory, answers(open(&path).await, &commands, lapse, reopen).await)
        });
        prop_assert_eq!(memory, file);
        Ok(())
    });
    equal.unwrap();
    assert!(number.get() >= 128);
}
