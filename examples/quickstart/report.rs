//! What happened, as values: what is printed as text or as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use iam_core::engine::{Delivered, Ending, Preview, RunReport, Totals};
use iam_core::intake::Reject;
use iam_core::journal::Outcome;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::connect::Tenant;
use crate::proof::Proof;

pub(crate) struct Story {
    pub(crate) tenant: String,
    pub(crate) graph: String,
    pub(crate) now: Timestamp,
    pub(crate) readings: Vec<(String, Delivered, Vec<Reject>)>,
    planned: Vec<Value>,
    guard: Vec<String>,
    hash: Option<String>,
    risk: BTreeMap<&'static str, usize>,
    pub(crate) planned_steps: usize,
    pub(crate) run: Option<RunReport>,
    pub(crate) proof: Option<Proof>,
    pub(crate) second_plan: Option<usize>,
}

impl Story {
    pub(crate) fn new(tenant: &Tenant, now: Timestamp) -> Self {
        Self {
            tenant: tenant.id.clone(),
            graph: tenant.graph.clone(),
            now,
            readings: Vec::new(),
            planned: Vec::new(),
            guard: Vec::new(),
            hash: None,
            risk: BTreeMap::new(),
            planned_steps: 0,
            run: None,
            proof: None,
            second_plan: None,
        }
    }

    pub(crate) fn read(&mut self, path: &Path, delivered: &Delivered, rejects: Vec<Reject>) {
        let name = path.file_name().map_or_else(
            || path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        self.readings.push((name, delivered.clone(), rejects));
    }

    /// Another round's plan.
    pub(crate) fn planned(&mut self, preview: &Preview) {
        self.planned_steps += preview.steps();
        self.guard.extend_from_slice(&preview.guard);
        self.hash = Some(preview.hash());
        for (risk, steps) in preview.by_risk() {
            *self.risk.entry(risk.as_str()).or_default() += steps;
        }
        let people = preview.people.iter().map(|person| {
            json!({
                "person": person.person,
                "event": person.kind.as_str(),
                "steps": person.plan.steps,
                "notes": person.plan.notes,
                "refused": person.plan.refused,
                "hold": person.hold,
                "waiting": person.waiting,
                "next": person.next.map(|(timer, at)| json!({"timer": timer, "at": at})),
            })
        });
        self.planned.extend(people);
    }

    /// Another round's end. Whoever was open after an earlier one is not, if the same event has come to its end.
    pub(crate) fn ran(&mut self, run: RunReport) {
        let all = self.run.get_or_insert_default();
        let again: BTreeSet<_> = run.people.iter().map(|run| &run.event).collect();
        all.people
            .retain(|earlier| earlier.ending == Ending::Done || !again.contains(&earlier.event));
        all.people.extend(run.people);
    }

    pub(crate) fn totals(&self) -> Totals {
        self.run.as_ref().map(RunReport::totals).unwrap_or_default()
    }

    pub(crate) fn rejects(&self) -> impl Iterator<Item = (&str, &Reject)> {
        self.readings
            .iter()
            .flat_map(|(file, _, rejects)| rejects.iter().map(move |reject| (file.as_str(), reject)))
    }

    /// People and why they are not where they should be.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&str, String)> {
        let people = self.run.iter().flat_map(|run| &run.people);
        people.filter_map(|run| {
            let why = match &run.ending {
                Ending::Done => return None,
                Ending::Waiting(why) => format!("waits: {why}"),
                Ending::Retry(at, why) => format!("tried again at {at}: {why}"),
                Ending::Held(why) => format!("held, nothing was changed: {why}"),
                Ending::Refused(why) => format!("refused: {why}"),
                Ending::Dead(why) => format!("set aside: {why}"),
                _ => "unknown ending".to_owned(),
            };
            Some((run.person.as_str(), why))
        })
    }

    /// Steps that failed without holding the person up.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&str, String)> {
        let runs = self.run.iter().flat_map(|run| &run.people);
        runs.flat_map(|run| &run.outcomes)
            .filter_map(|(step, outcome)| match outcome {
                Outcome::Failed { message, .. } => {
                    Some((step.person.as_str(), format!("{}: {message}", step.id)))
                }
                Outcome::Unknown => Some((
                    step.person.as_str(),
                    format!("{}: nobody knows, not repeated", step.id),
                )),
                _ => None,
            })
    }

    /// Steps that had nothing to be done to.
    pub(crate) fn in_vain(&self) -> impl Iterator<Item = (&str, String)> {
        let runs = self.run.iter().flat_map(|run| &run.people);
        runs.flat_map(|run| &run.outcomes)
            .filter_map(|(step, outcome)| match outcome {
                Outcome::NotApplicable { why } => Some((step.person.as_str(), format!("{}: {why}", step.id))),
                _ => None,
            })
    }

    /// Whether everything that was to be done has been done, and the tenant shows it.
    pub(crate) fn is_settled(&self) -> bool {
        let proven = self.proof.as_ref().is_none_or(|proof| proof.differences() == 0);
        self.guard.is_empty() && self.open().next().is_none() && proven && self.second_plan.unwrap_or(0) == 0
    }

    pub(crate) fn to_json(&self) -> Value {
        let totals = self.totals();
        let files = self.readings.iter().map(|(file, reading, _)| {
            json!({
                "file": file,
                "rows": reading.totals.rows,
                "records": reading.totals.records,
                "rejects": reading.totals.rejects,
                "events": reading.accepted.events,
                "unchanged": reading.accepted.unchanged,
            })
        });
        let rejects = self.rejects().map(|(file, reject)| {
            json!({
                "file": file,
                "row": reject.row,
                "person": reject.person,
                "field": reject.field,
                "code": reject.code,
                "message": reject.message,
            })
        });
        let open = self.open().chain(self.failures());
        json!({
            "tenant": self.tenant,
            "graph": self.graph,
            "as_of": self.now,
            "files": files.collect::<Vec<_>>(),
            "rejected": rejects.collect::<Vec<_>>(),
            "plan": self.planned,
            "planned_steps": self.planned_steps,
            "guard": self.guard,
            "hash": self.hash,
            "risk": self.risk,
            "applied": self.run.is_some(),
            "summary": {
                "people": totals.people,
                "done": totals.done,
                "already_so": totals.already_so,
                "not_applicable": totals.not_applicable,
                "failed": totals.failed,
                "unknown": totals.unknown,
                "open": totals.open,
            },
            "open": open.map(|(person, why)| json!({"person": person, "why": why})).collect::<Vec<_>>(),
            "proof": self.proof.as_ref().map(Proof::to_json),
            "second_plan_steps": self.second_plan,
        })
    }
}
