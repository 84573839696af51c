//! What was read and accepted, and what a run did.

use std::collections::BTreeMap;

use iam_core::engine::{self, Ending};
use iam_core::journal::Outcome;
use iam_core::{intake, plan};

use super::{Instant, List, Step, results};

results! {
    /// What became of records and events that were handed over.
    Accepted [events, unchanged, quarantined, rejects] {
        events: u64,
        unchanged: u64,
        quarantined: u64,
        rejects: List<Reject>,
    }

    /// One row that was refused.
    Reject [row, field, code] {
        row: u64,
        person: Option<String>,
        field: String,
        code: String,
        message: String,
        twin: Option<u64>,
    }

    /// What became of a file.
    Reading [delivery, rows, records, events, unchanged, rejects, findings] {
        delivery: Option<u64>,
        rows: u64,
        records: u64,
        events: u64,
        unchanged: u64,
        quarantined: u64,
        rejects: List<Reject>,
        findings: List<String>,
        is_held: bool,
        fields: BTreeMap<String, u64>,
    }

    /// One step that was tried, and how it ended.
    StepRun [step, outcome] {
        step: Step,
        outcome: String,
        account: Option<String>,
        kind: Option<String>,
        why: Option<String>,
    }

    /// What one event led to.
    PersonRun [person, event, ending, steps] {
        person: String,
        event: String,
        steps: List<StepRun>,
        notes: List<String>,
        ending: String,
        why: Option<String>,
        retry_at: Option<Instant>,
    }

    /// Steps by how they ended.
    Totals [people, done, already_so, not_applicable, failed, unknown, open] {
        people: usize,
        done: usize,
        already_so: usize,
        not_applicable: usize,
        failed: usize,
        unknown: usize,
        open: usize,
    }

    /// What a run did.
    RunReport [people, findings, totals] {
        people: List<PersonRun>,
        findings: List<String>,
        totals: Totals,
    }

    /// What workers did until they were stopped.
    FleetReport [worker, done, waiting, retried, set_aside, asked, left_alone, passed_on, given_back, troubles] {
        worker: String,
        done: u64,
        waiting: u64,
        retried: u64,
        set_aside: u64,
        asked: u64,
        left_alone: u64,
        passed_on: u64,
        given_back: u64,
        steps: Totals,
        troubles: u64,
        last_trouble: Option<String>,
        findings: List<String>,
        frozen: Option<String>,
    }

    /// What a run tells while it goes on.
    Progress [kind, step, person, message] {
        kind: String,
        step: Option<StepRun>,
        person: Option<PersonRun>,
        message: Option<String>,
    }
}

#[pyo3::pymethods]
impl Reject {
    fn __str__(&self) -> String {
        match self.field.as_str() {
            "" => format!("row {}: {} [{}]", self.row, self.message, self.code),
            field => format!(
                "row {}, field {field}: {} [{}]",
                self.row, self.message, self.code
            ),
        }
    }
}

impl Accepted {
    pub(crate) fn of(accepted: engine::Accepted, rejects: Vec<intake::Reject>) -> Self {
        Self {
            events: accepted.events,
            unchanged: accepted.unchanged,
            quarantined: accepted.quarantined,
            rejects: List::of(&rejects),
        }
    }
}

impl From<&intake::Reject> for Reject {
    fn from(reject: &intake::Reject) -> Self {
        Self {
            row: reject.row,
            person: reject.person.clone(),
            field: reject.field.clone(),
            code: reject.code.to_owned(),
            message: reject.message.clone(),
            twin: reject.twin,
        }
    }
}

impl Reading {
    pub(crate) fn delivered(delivered: &engine::Delivered, rejects: &[intake::Reject]) -> Self {
        let accepted = delivered.accepted;
        Self {
            delivery: Some(delivered.id.0),
            rows: delivered.totals.rows,
            records: delivered.totals.records,
            events: accepted.events,
            unchanged: accepted.unchanged,
            quarantined: accepted.quarantined,
            rejects: List::of(rejects),
            findings: delivered.findings.iter().cloned().collect(),
            is_held: delivered.is_held(),
            fields: delivered.totals.fields.clone(),
        }
    }

    pub(crate) fn read(reading: &engine::Reading, rejects: &[intake::Reject]) -> Self {
        let accepted = reading.accepted;
        let fields = reading.summary.fields.iter();
        Self {
            delivery: None,
            rows: reading.summary.rows,
            records: reading.summary.records,
            events: accepted.events,
            unchanged: accepted.unchanged,
            quarantined: accepted.quarantined,
            rejects: List::of(rejects),
            findings: List::of(Vec::<String>::new()),
            is_held: false,
            fields: fields.map(|(name, rows)| (name.to_owned(), rows)).collect(),
        }
    }
}

impl StepRun {
    pub(crate) fn new(step: &plan::Step, outcome: &Outcome) -> Self {
        let (word, account, kind, why) = outcome_of(outcome);
        Self {
            step: step.into(),
            outcome: word.to_owned(),
            account,
            kind,
            why,
        }
    }
}

/// An outcome in one word, with the account that it brought, the kind of a failure, and why.
pub(super) fn outcome_of(
    outcome: &Outcome,
) -> (&'static str, Option<String>, Option<String>, Option<String>) {
    match outcome {
        Outcome::Done { account } => ("done", account.clone(), None, None),
        Outcome::AlreadySo { account } => ("already_so", account.clone(), None, None),
        Outcome::NotApplicable { why } => ("not_applicable", None, None, Some(why.clone())),
        Outcome::Failed { kind, message } => ("failed", None, Some(kind.clone()), Some(message.clone())),
        _ => ("unknown", None, None, None),
    }
}

impl From<&engine::PersonRun> for PersonRun {
    fn from(run: &engine::PersonRun) -> Self {
        let mut retry_at = None;
        let (ending, why) = match &run.ending {
            Ending::Done => ("done", None),
            Ending::Waiting(why) => ("waiting", Some(why)),
            Ending::Retry(at, why) => {
                retry_at = Some(Instant(*at));
                ("retry", Some(why))
            }
            Ending::Dead(why) => ("dead", Some(why)),
            Ending::Held(why) => ("held", Some(why)),
            Ending::Refused(why) => ("refused", Some(why)),
            Ending::LeftAlone(why) => ("left_alone", Some(why)),
            _ => ("asked", None),
        };
        Self {
            person: run.person.to_string(),
            event: run.event.to_string(),
            steps: run
                .outcomes
                .iter()
                .map(|(step, outcome)| StepRun::new(step, outcome))
                .collect(),
            notes: run.notes.iter().cloned().collect(),
            ending: ending.to_owned(),
            why: why.cloned(),
            retry_at,
        }
    }
}

impl From<engine::Totals> for Totals {
    fn from(totals: engine::Totals) -> Self {
        Self {
            people: totals.people,
            done: totals.done,
            already_so: totals.already_so,
            not_applicable: totals.not_applicable,
            failed: totals.failed,
            unknown: totals.unknown,
            open: totals.open,
        }
    }
}

impl From<&engine::RunReport> for RunReport {
    fn from(report: &engine::RunReport) -> Self {
        Self {
            people: List::of(&report.people),
            findings: report.findings.iter().cloned().collect(),
            totals: report.totals().into(),
        }
    }
}

impl From<engine::FleetReport> for FleetReport {
    fn from(report: engine::FleetReport) -> Self {
        Self {
            worker: report.worker,
            done: report.done,
            waiting: report.waiting,
            retried: report.retried,
            set_aside: report.set_aside,
            asked: report.asked,
            left_alone: report.left_alone,
            passed_on: report.passed_on,
            given_back: report.given_back,
            steps: report.steps.into(),
            troubles: report.troubles,
            last_trouble: report.last_trouble,
            findings: report.findings.into_iter().collect(),
            frozen: report.frozen,
        }
    }
}

impl From<&engine::Progress<'_>> for Progress {
    fn from(progress: &engine::Progress<'_>) -> Self {
        let (mut step, mut person, mut message) = (None, None, None);
        let kind = match progress {
            engine::Progress::Finding(finding) => {
                message = Some((*finding).to_owned());
                "finding"
            }
            engine::Progress::Step(which, outcome) => {
                step = Some(StepRun::new(which, outcome));
                "step"
            }
            engine::Progress::Person(run) => {
                person = Some(PersonRun::from(*run));
                "person"
            }
            engine::Progress::Trouble(error) => {
                message = Some(error.to_string());
                "trouble"
            }
            _ => "other",
        };
        Self {
            kind: kind.to_owned(),
            step,
            person,
            message,
        }
    }
}
