//! Carries commands out and writes every answer down.

use std::time::Duration;

use jiff::Timestamp;

use super::command::{Command, News, PEOPLE, Wake};
use crate::entitlement::TargetId;
use crate::event::{self, Event, EventId, EventKind, Timer};
use crate::journal::audit::{AuditEntry, Verifier};
use crate::journal::{
    Claim, DeliveryId, EventState, HistoryQuery, Journal, Lane, LetterId, Outcome, PersonState,
};
use crate::person::{Person, PersonKey};
use crate::plan::{Action, IdempotencyKey, Plan, Step};

const LEASE: Duration = Duration::from_mins(10);
const TIMERS: [Timer; 4] = [Timer::Start, Timer::Leave, Timer::Grace, Timer::Recheck];

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn step(person: &PersonKey, action: Action) -> (Step, IdempotencyKey) {
    let step = Step::new(&TargetId::new("t"), person, None, action, "test");
    let key = IdempotencyKey::of(&EventId::new("e"), &step);
    (step, key)
}

pub(super) fn record(person: u8, department: u8) -> Person {
    Person {
        department: Some(format!("department {department}")),
        previous_id: (department == 2).then(|| who(person + 1)),
        ..Person::new(who(person))
    }
}

pub(super) fn who(person: u8) -> PersonKey {
    PersonKey::new(format!("p{person}"))
}

/// Carries commands out and writes the answers down.
pub(super) struct Run {
    pub(super) now: i64,
    claims: Vec<Claim>,
    /// Deliveries and letters have numbers of the journal's own: they are told by their order.
    pub(super) deliveries: Vec<DeliveryId>,
    pub(super) letters: Vec<LetterId>,
    pub(super) answers: Vec<String>,
    /// Every lease runs out at once, so that a process that ends leaves nothing behind that memory keeps.
    lapse: bool,
}

impl Run {
    pub(super) fn note<T>(
        &mut self,
        command: &str,
        answer: crate::Result<T>,
        show: impl FnOnce(T) -> String,
    ) {
        let answer = answer.map_or_else(|error| error.kind().to_string(), show);
        self.answers.push(format!("{command}: {answer}"));
    }

    /// One of the latest claims, held or lost.
    pub(super) fn claim(&self, back: usize) -> Option<Claim> {
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
                batch.push(Event::told(event::News::new(id, person, kind, at(self.now))));
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
            Command::Erase(person) => {
                let answer = journal.erase(&who(*person), "somebody", "a request").await;
                self.note("erase", answer, |()| "done".to_owned());
            }
            Command::Crew(crewed) => self.crew(journal, crewed).await,
            Command::Guard(guarded) => self.guard(journal, guarded).await,
            Command::Deliver(delivered) => self.deliver(journal, delivered).await,
            Command::Exchange(exchanged) => self.exchange(journal, exchanged).await,
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
        let due = HistoryQuery {
            due: Some(at(self.now)),
            limit: 5,
            ..HistoryQuery::default()
        };
        let ids = journal.history(&due).await.map(|entries| {
            let ids = entries.into_iter().map(|entry| entry.event.id);
            ids.collect::<Vec<_>>()
        });
        self.note("due", ids, |ids| format!("{ids:?}"));
        let people = journal.people(Some(&who(0)), 2).await;
        self.note("people", people, |people| format!("{people:?}"));
        for person in (0..PEOPLE).map(who) {
            let reports = journal.reports_of(&person).await;
            self.note("reports", reports, |reports| format!("{reports:?}"));
            let successor = journal.successor_of(&person).await;
            self.note("successor", successor, |successor| format!("{successor:?}"));
            let accepted = journal.accepted(std::slice::from_ref(&person)).await;
            self.note("accepted", accepted, |accepted| format!("{accepted:?}"));
            let named = journal.pseudonym(&person).await;
            self.note("named", named, |named| named.is_some().to_string());
        }
        for name in ["ann", "änn"] {
            let holder = journal.holder(name).await;
            self.note("holder", holder, |holder| format!("{holder:?}"));
        }
        self.crew_ends(journal).await;
        let frozen = journal.frozen().await;
        self.note("frozen", frozen, |frozen| format!("{frozen:?}"));
        let staged = journal.staged().await.map(|staged| staged.len());
        self.note("staged", staged, |staged| staged.to_string());
        let good = journal.last_good("s0").await;
        self.note("last good", good, |good| format!("{good:?}"));
        let apart = journal.quarantine().await;
        self.note("quarantine", apart, |apart| format!("{apart:?}"));
        let letters = journal.letters(None, 10).await.map(|letters| {
            let letters = letters
                .into_iter()
                .map(|letter| (letter.message, letter.person, letter.reason));
            letters.collect::<Vec<_>>()
        });
        self.note("letters", letters, |letters| format!("{letters:?}"));
        self.audit(journal).await;
        // Who was erased has a name made by chance.
        let nameless = |answer: &String| match answer.split_once("erased-") {
            Some((before, _)) => format!("{before}erased"),
            None => answer.clone(),
        };
        self.answers.iter().map(nameless).collect()
    }

    /// What the audit tells, and that it verifies. Salts and the machine's clock are another matter.
    async fn audit(&mut self, journal: &dyn Journal) {
        let entries = journal.audit(0, 10_000).await.unwrap();
        let mut verifier = Verifier::default();
        for (entry, kept) in &entries {
            verifier.next(entry).unwrap();
            let AuditEntry {
                sequence,
                deed,
                detail,
                event,
                actor,
                ..
            } = entry;
            self.answers.push(format!(
                "audit: {sequence} {deed:?} {detail} {event:?} {actor:?} {kept:?}"
            ));
        }
        assert_eq!(*verifier.reached(), journal.audit_head().await.unwrap());
    }
}

fn json(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

pub(super) async fn answers<J: Journal>(
    mut journal: J,
    commands: &[Command],
    lapse: bool,
    reopen: impl AsyncFn(J) -> J,
) -> Vec<String> {
    let mut run = Run {
        now: 0,
        claims: Vec::new(),
        deliveries: Vec::new(),
        letters: Vec::new(),
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
