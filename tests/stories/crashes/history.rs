//! The history checker: what processes that died have left behind, and what is wrong with it. It reads the journal, the
//! tenant and the tenant's own log, and believes nothing that a worker says but that a record was accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use iam_core::event::EventId;
use iam_core::journal::audit::{AuditEntry, Checkpoint, Deed, Kept, Verifier};
use iam_core::journal::{Entry, EventState, Outcome, StepRecord};
use iam_core::person::{Person, PersonKey};
use jiff::Timestamp;

/// What was left behind.
#[derive(Debug, Clone)]
pub struct Left {
    /// When everything should be done.
    pub now: Timestamp,
    /// The records whose acceptance was reported, of each person in order.
    pub acknowledged: BTreeMap<PersonKey, Vec<Person>>,
    pub entries: Vec<Entry>,
    pub audit: Vec<(AuditEntry, Kept)>,
    pub head: Checkpoint,
    pub people: Vec<Seen>,
    /// Steps that a plan would have now.
    pub open_steps: usize,
    /// Subjects of the mails, and of those that a life without a crash brings.
    pub mails: Vec<String>,
    pub expected_mails: Vec<String>,
}

/// One person, as the tenant has them.
#[derive(Debug, Clone)]
pub struct Seen {
    pub person: PersonKey,
    pub looks: String,
    pub expected: String,
    /// The tenant's own log of what was changed about them, and that of a life without a crash.
    pub deeds: Vec<String>,
    pub expected_deeds: Vec<String>,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// What was accepted is not there, or is there more often than it was said.
    Lost,
    /// An event that should be over is not.
    Open,
    /// An event was set aside that nothing was wrong with.
    SetAside,
    /// An event did not end exactly once.
    Ends,
    /// A later event of a person ended before an earlier one, or was begun before that had ended.
    Order,
    /// An event is over, and nobody knows what became of a step.
    Unsettled,
    /// Somebody does not have what policy says.
    Tenant,
    /// A plan still finds something to do.
    Plan,
    /// An effect happened more often than it should.
    Repeated,
    /// An effect did not happen.
    Missing,
    /// The audit does not verify.
    Audit,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub wrong: Wrong,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.wrong, self.what)
    }
}

/// A deed of class A that leaves the tenant as it was when it is repeated, though its log tells of it again.
const HARMLESS: &str = "Reset user password";

/// Everything that is wrong.
pub fn findings(left: &Left) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    findings.accepted(left);
    findings.ends(left);
    findings.order(left);
    findings.tenant(left);
    findings.mails(left);
    findings.audit(left);
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, wrong: Wrong, what: String) {
        self.0.push(Finding { wrong, what });
    }

    /// Every record that was reported as accepted is an event, once, in its order; and nothing else is.
    fn accepted(&mut self, left: &Left) {
        let people: BTreeSet<&PersonKey> = left
            .acknowledged
            .keys()
            .chain(left.entries.iter().map(|entry| &entry.event.person))
            .collect();
        for person in people {
            let of = left.entries.iter().filter(|entry| entry.event.person == *person);
            let kept: Vec<&Person> = of.filter_map(|entry| entry.event.record.as_ref()).collect();
            let said: Vec<&Person> = left.acknowledged.get(person).into_iter().flatten().collect();
            if kept != said {
                let (said, kept) = (said.len(), kept.len());
                self.note(
                    Wrong::Lost,
                    format!("{person}: {said} records were accepted, and the journal has {kept}, or others"),
                );
            }
        }
    }

    fn ends(&mut self, left: &Left) {
        for entry in &left.entries {
            let id = &entry.event.id;
            let count = |deed| noted(left, id, deed).count();
            if entry.event.due_at <= left.now && entry.state == EventState::Pending {
                self.note(Wrong::Open, format!("{id} is due and not over"));
            }
            if entry.state == EventState::Dead {
                let why = entry.why.clone().unwrap_or_default();
                self.note(Wrong::SetAside, format!("{id}: {why}"));
            }
            let expected = usize::from(entry.state == EventState::Done);
            if count(Deed::Completed) != expected {
                let ends = count(Deed::Completed);
                self.note(
                    Wrong::Ends,
                    format!("{id} is {:?} and has ended {ends} times", entry.state),
                );
            }
            if entry.state == EventState::Done {
                self.unsettled(entry, count(Deed::Planned));
            }
        }
        let known: BTreeSet<&EventId> = left.entries.iter().map(|entry| &entry.event.id).collect();
        let told = left.audit.iter().filter_map(|(entry, _)| entry.event.as_ref());
        for id in told.filter(|id| !known.contains(id)).collect::<BTreeSet<_>>() {
            self.note(
                Wrong::Lost,
                format!("the audit tells of {id}, and the journal does not know it"),
            );
        }
    }

    /// A step whose outcome was never written down is what an attempt died of: one for each attempt but the last, and the
    /// last one either found it done, or had no plan of its own. Steps are taken one after the other, so that nothing of the
    /// same plan was begun after it.
    fn unsettled(&mut self, entry: &Entry, plans: usize) {
        let attempts = entry.attempts as usize;
        let plan = entry.plan.iter().flat_map(|plan| &plan.steps);
        let planned: Vec<_> = plan.map(|step| &step.id).collect();
        let open = entry.steps.iter().enumerate();
        let open: Vec<_> = open.filter(|(_, step)| step.outcome.is_none()).collect();
        for (at, step) in &open {
            let of_the_last = planned.contains(&&step.step) && plans >= attempts;
            let mut after = entry.steps[at + 1..].iter();
            let gone_on = planned.contains(&&step.step) && after.any(|step| planned.contains(&&step.step));
            if open.len() >= attempts || of_the_last || gone_on {
                self.note(
                    Wrong::Unsettled,
                    format!("{}: nobody knows what became of {}", entry.event.id, step.step),
                );
            }
        }
    }

    /// One event of a person at a time, in their order; only a leave overtakes. A record counts from when it was accepted.
    /// A timer may be set anew long after it was set first, and the audit does not tell: it counts from when it was begun,
    /// until another event of the person ends, which replaces it.
    fn order(&mut self, left: &Left) {
        for earlier in &left.entries {
            let (id, person) = (&earlier.event.id, &earlier.event.person);
            let Some(end) = noted(left, id, Deed::Completed).next() else {
                continue;
            };
            let timer = earlier.event.record.is_none();
            let accepted = || noted(left, id, Deed::Accepted).next();
            let from = if timer { begun(left, id) } else { accepted() };
            let from = from.unwrap_or(if timer { end } else { 0 });
            let ends = left.entries.iter().filter(|other| other.event.person == *person);
            let ends = ends.flat_map(|other| {
                [Deed::Completed, Deed::SetAside].map(|deed| noted(left, &other.event.id, deed))
            });
            let replaced = ends.flatten().filter(|at| timer && *at > from).min();
            let until = end.min(replaced.unwrap_or(end));
            let same_lane = left.entries.iter().filter(|later| {
                later.event.person == *person
                    && (earlier.event.due_at, earlier.lane_seq) < (later.event.due_at, later.lane_seq)
                    && !later.event.kind.is_leave()
            });
            for later in same_lane {
                let begun = begun(left, &later.event.id);
                if let Some(begun) = begun.filter(|begun| (from..until).contains(begun)) {
                    let what = format!(
                        "{} was begun (audit {begun}) before {} had ended (audit {end})",
                        later.event.id, earlier.event.id
                    );
                    self.note(Wrong::Order, what);
                }
            }
        }
    }

    fn tenant(&mut self, left: &Left) {
        for seen in &left.people {
            let Seen {
                person,
                looks,
                expected,
                ..
            } = seen;
            if looks != expected {
                self.note(
                    Wrong::Tenant,
                    format!("{person} is \"{looks}\" and should be \"{expected}\""),
                );
            }
            self.counts(person, &seen.deeds, &seen.expected_deeds, 0);
        }
        if left.open_steps > 0 {
            self.note(
                Wrong::Plan,
                format!("the next plan has {} steps", left.open_steps),
            );
        }
    }

    /// A mail is sent at most once; it may be missing where the journal says that nobody knows of it.
    fn mails(&mut self, left: &Left) {
        let steps = left.entries.iter().flat_map(|entry| &entry.steps);
        // TARGET/notify:NOTICE
        let kind = |step: &StepRecord| step.step.as_str().split(':').next().map(str::to_owned);
        let notices = steps.filter(|step| kind(step).is_some_and(|kind| kind.ends_with("notify")));
        let unknown = notices
            .filter(|step| step.outcome == Some(Outcome::Unknown))
            .count();
        self.counts(&"mails", &left.mails, &left.expected_mails, unknown);
    }

    /// Each deed as often as expected, `spared` of all of them less.
    fn counts(&mut self, whose: &dyn fmt::Display, deeds: &[String], expected: &[String], spared: usize) {
        let count = |deeds: &[String], deed: &String| deeds.iter().filter(|known| *known == deed).count();
        let mut missing = Vec::new();
        for deed in deeds.iter().chain(expected).collect::<BTreeSet<_>>() {
            let (times, wanted) = (count(deeds, deed), count(expected, deed));
            let harmless = wanted > 0 && deed.starts_with(HARMLESS);
            if times > wanted && !harmless {
                self.note(
                    Wrong::Repeated,
                    format!("{whose}: {deed}: {times} times instead of {wanted}"),
                );
            }
            missing.extend((times..wanted).map(|_| deed));
        }
        if missing.len() > spared {
            self.note(Wrong::Missing, format!("{whose}: {missing:?}"));
        }
    }

    fn audit(&mut self, left: &Left) {
        let mut verifier = Verifier::default();
        for (entry, kept) in &left.audit {
            if let Err(breach) = verifier.next(entry) {
                return self.note(Wrong::Audit, breach.to_string());
            }
            if *kept == Kept::Changed {
                self.note(
                    Wrong::Audit,
                    format!("what entry {} tells of was changed", entry.sequence),
                );
            }
        }
        if *verifier.reached() != left.head {
            self.note(Wrong::Audit, "the chain ends before its head".to_owned());
        }
    }
}

/// The places in the audit of what an event did.
fn noted<'a>(left: &'a Left, event: &'a EventId, deed: Deed) -> impl Iterator<Item = u64> + 'a {
    let of = left.audit.iter().map(|(entry, _)| entry);
    let of = of.filter(move |entry| entry.deed == deed && entry.event.as_ref() == Some(event));
    of.map(|entry| entry.sequence)
}

/// When an event was begun, by the audit.
fn begun(left: &Left, event: &EventId) -> Option<u64> {
    let worked = [Deed::Planned, Deed::Intended, Deed::Settled, Deed::Completed];
    let first = worked.map(|deed| noted(left, event, deed).next());
    first.into_iter().flatten().min()
}

/// The events with their steps, for who has to find out why.
pub fn told(left: &Left) -> String {
    let mut text = String::new();
    for Entry {
        event,
        state,
        why,
        steps,
        ..
    } in &left.entries
    {
        let _ = writeln!(
            text,
            "{} {} {} due {}: {state:?} {why:?}",
            event.person,
            event.id,
            event.kind.as_str(),
            event.due_at
        );
        for step in steps {
            let _ = writeln!(text, "    {} {:?}", step.step, step.outcome);
        }
    }
    text
}
