//! Exported Lifecycle Workflows of Entra as a policy: [`import_workflows`].
//!
//! A workflow says what happens once, at an instant; a policy says what somebody has while a condition holds. So a
//! workflow that gives becomes a rule, one that takes is what the platform does by itself, and the rest is told.
//! Source: Microsoft Learn, "workflow resource type" (identityGovernance), and its triggers, scopes and tasks.

mod phases;
mod scope;
mod tasks;
mod trigger;

pub use tasks::{WorkflowTask, workflow_tasks};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::import::{Draft, Fate, Imported, invalid, list, quoted, table};
use crate::error::Result;
use tasks::{Does, Moment, TASKS};

/// What a workflow has besides its meaning.
const SILENT: [&str; 13] = [
    "id",
    "displayName",
    "description",
    "category",
    "isEnabled",
    "isSchedulingEnabled",
    "tasks",
    "executionConditions",
    "createdDateTime",
    "lastModifiedDateTime",
    "deletedDateTime",
    "nextScheduleRunDateTime",
    "version",
];
/// What a task has besides its meaning.
const SILENT_TASK: [&str; 9] = [
    "id",
    "category",
    "taskDefinitionId",
    "isEnabled",
    "displayName",
    "description",
    "executionSequence",
    "arguments",
    "continueOnError",
];

/// The arguments of a task that asks for an access package.
const PACKAGE: &str = "accessPackageId";
const POLICY: &str = "assignmentPolicyId";

/// Makes a policy of exported workflows: the answer of `GET /identityGovernance/lifecycleWorkflows/workflows` (with
/// `$expand=tasks`), a list of workflows, or one. New sign-in names end in `domain`.
///
/// # Errors
/// Kind `Invalid`: not JSON, or no workflow; the message names the place.
pub fn import_workflows(text: &str, domain: &str) -> Result<Imported> {
    let what = "workflows";
    let value = table(what, text)?;
    let exported = match (&value, value.get("value")) {
        (Value::Array(workflows), _) | (_, Some(Value::Array(workflows))) => workflows.as_slice(),
        (Value::Object(_), None) => std::slice::from_ref(&value),
        _ => return Err(invalid(what, "expected a workflow, or a list of them")),
    };
    let mut import = Import {
        draft: Draft::new("exported Lifecycle Workflows", domain),
        ..Import::default()
    };
    import.draft.line("");
    import.draft.line("[defaults]");
    import
        .draft
        .line("usage_location = \"person.country\" # no licence without one");
    for (at, workflow) in exported.iter().enumerate() {
        let workflow = workflow
            .as_object()
            .ok_or_else(|| invalid(what, format!("workflow {}: expected an object", at + 1)))?;
        import.workflow(at + 1, workflow)?;
    }
    import.settings();
    import.draft.finish()
}

#[derive(Debug, Default)]
struct Import {
    draft: Draft,
    ids: BTreeSet<String>,
    create_before: u64,
    delete_after: Option<u64>,
    remind_before: Option<u64>,
    sponsorships: bool,
    idle_after: Option<u64>,
    /// Days before the first day, and minutes.
    pass: Option<(u64, Option<String>)>,
    notify: BTreeMap<Moment, BTreeSet<&'static str>>,
    comments: usize,
}

/// One workflow, while its tasks are read.
struct Reading {
    name: String,
    category: Option<Moment>,
    /// Days from the last day, where that starts it.
    after_leave: Option<i64>,
    /// Days from the first day, where that starts it.
    after_hire: Option<i64>,
    /// Days without a sign-in, where that starts it.
    idle: Option<u64>,
    /// For whom, or why that cannot be said.
    when: std::result::Result<String, String>,
    groups: Vec<String>,
    licenses: Vec<String>,
    packages: Vec<String>,
    /// The parts that the rule will hold, until its place is known.
    parts: Vec<String>,
}

fn text<'v>(of: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    of.get(key).and_then(Value::as_str)
}

impl Import {
    fn missing(&mut self, part: &str, remark: &str) {
        self.comments += 1;
        let place = format!("comment {}", self.comments);
        self.draft
            .comment(&place, &format!("not mapped: {part}: {remark}"));
        self.draft.remark(part, Fate::Missing, Some(&place), remark);
    }

    fn workflow(&mut self, number: usize, workflow: &Map<String, Value>) -> Result<()> {
        let name = text(workflow, "displayName").map_or_else(|| format!("{number}"), ToOwned::to_owned);
        let part = format!("workflow {name:?}");
        self.draft.line("");
        self.draft.comment(&format!("workflow {number}"), &part);
        if workflow.get("isEnabled").and_then(Value::as_bool) == Some(false) {
            self.missing(&part, "it is disabled, and left out");
            return Ok(());
        }
        let category = match text(workflow, "category").map(str::to_lowercase).as_deref() {
            Some("joiner") => Some(Moment::Joiner),
            Some("mover") => Some(Moment::Mover),
            Some("leaver") => Some(Moment::Leaver),
            _ => None,
        };
        if category.is_none() {
            self.missing(
                &part,
                "its category is none of joiner, mover and leaver: it is left out",
            );
            return Ok(());
        }
        let mut reading = Reading {
            category,
            after_leave: None,
            after_hire: None,
            idle: None,
            when: Ok("true".to_owned()),
            groups: Vec::new(),
            licenses: Vec::new(),
            packages: Vec::new(),
            parts: Vec::new(),
            name,
        };
        self.conditions(&part, workflow.get("executionConditions"), &mut reading);
        for (key, value) in workflow {
            let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if !(SILENT.contains(&key.as_str()) || key.contains('@') || empty) {
                self.missing(&format!("{part}: {key}"), "nothing is known of it");
            }
        }
        let tasks = workflow.get("tasks").and_then(Value::as_array);
        if tasks.is_none() {
            self.missing(&part, "it has no tasks: export it with $expand=tasks");
        }
        for task in tasks.into_iter().flatten() {
            let task = task
                .as_object()
                .ok_or_else(|| invalid("workflows", format!("{part}: expected an object for each task")))?;
            self.task(&part, task, &mut reading);
        }
        self.rule(number, &reading);
        Ok(())
    }

    fn task(&mut self, workflow: &str, task: &Map<String, Value>, reading: &mut Reading) {
        let id = text(task, "taskDefinitionId").unwrap_or_default().to_lowercase();
        let known = TASKS.iter().find(|known| known.id == id);
        let name = text(task, "displayName")
            .or(known.map(|known| known.name))
            .unwrap_or(&id);
        let part = format!("{workflow}: task {name:?}");
        let Some(known) = known else {
            return self.missing(&part, &format!("the task {id:?} is unknown"));
        };
        if task.get("isEnabled").and_then(Value::as_bool) == Some(false) {
            return self.missing(&part, "it is disabled, and left out");
        }
        for (key, value) in task {
            if !(SILENT_TASK.contains(&key.as_str()) || key.contains('@') || value.is_null()) {
                self.missing(&format!("{part}: {key}"), "nothing is known of it");
            }
        }
        let mut arguments = BTreeMap::new();
        for argument in task
            .get("arguments")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = argument.get("name").and_then(Value::as_str).unwrap_or_default();
            let value = argument.get("value").and_then(Value::as_str).unwrap_or_default();
            arguments.insert(name.to_owned(), value.to_owned());
        }
        let leaving = reading.category == Some(Moment::Leaver);
        match known.does {
            Does::Groups(_) | Does::Licenses | Does::Packages if leaving => {
                arguments.remove(POLICY);
                let given: Vec<String> = ["groupID", "teamID", "licenses", PACKAGE]
                    .iter()
                    .filter_map(|argument| arguments.remove(*argument))
                    .collect();
                let remark = format!("nothing is given to somebody who leaves: {}", given.join(", "));
                self.missing(&part, &remark);
            }
            Does::Groups(argument) => {
                let ids = ids(arguments.remove(argument));
                self.gives(&part, ids, reading, |reading| &mut reading.groups);
            }
            Does::Licenses => {
                let ids = ids(arguments.remove("licenses"));
                self.gives(&part, ids, reading, |reading| &mut reading.licenses);
            }
            Does::Packages => {
                let ids = ids(arguments.remove(PACKAGE));
                if let Some(policy) = arguments.remove(POLICY).filter(|_| !ids.is_empty()) {
                    let text = format!(
                        "{part}: assigned by policy {policy}: the target is to be told, if it is not the package's own for direct assignment"
                    );
                    self.draft.comment("", &text);
                }
                self.gives(&part, ids, reading, |reading| &mut reading.packages);
            }
            Does::Notify(moment, to) => {
                self.notify.entry(moment).or_default().insert(to);
                let place = format!("{}.notify", section(moment));
                let words = "nothing is sent until [notify] names a mailbox; the words are the platform's";
                let remark = if known.fate == Fate::Partly {
                    format!("{}; {words}", known.equivalent)
                } else {
                    words.to_owned()
                };
                self.draft.remark(&part, Fate::Partly, Some(&place), remark);
            }
            Does::Always("joiner") if leaving => self.missing(&part, "nobody who leaves is let in again"),
            Does::Always("leaver") if !leaving => self.missing(&part, "it is done to leavers only"),
            Does::Always(_) => self.draft.remark(&part, Fate::Implied, None, known.equivalent),
            Does::Takes if reading.category == Some(Moment::Joiner) => {
                self.missing(
                    &part,
                    "nothing is taken from somebody who starts, but what an earlier employment left",
                );
            }
            Does::Takes => {
                for argument in ["groupID", "teamID", "licenses", PACKAGE] {
                    arguments.remove(argument);
                }
                self.draft.remark(&part, known.fate, None, known.equivalent);
            }
            Does::Delete if reading.after_leave.is_some() => {
                let days = reading.after_leave.and_then(|days| u64::try_from(days).ok());
                let days = days.unwrap_or(0);
                // Of two, the one that keeps longer.
                self.delete_after = Some(self.delete_after.map_or(days, |other| other.max(days)));
                let place = Some("leaver.delete_after");
                let remark = "every leaver is deleted then, and may be restored until it is purged";
                self.draft.remark(&part, Fate::Mapped, place, remark);
            }
            Does::Idle => match reading.idle {
                Some(days) => {
                    self.idle_after = Some(self.idle_after.map_or(days, |other| other.min(days)));
                    let place = Some("inactivity.after");
                    self.draft.remark(&part, Fate::Partly, place, known.equivalent);
                }
                None => self.missing(
                    &part,
                    "it is told after so many days without a sign-in, and at no other time",
                ),
            },
            Does::Remind => match reading.after_leave.filter(|days| *days <= 0) {
                Some(days) => {
                    // Of two, the earlier one: it is told once.
                    let days = days.unsigned_abs();
                    self.remind_before = Some(self.remind_before.map_or(days, |other| other.max(days)));
                    let place = Some("leaver.remind_before");
                    let remark =
                        "nothing is sent until [notify] names a mailbox; the words are the platform's";
                    self.draft.remark(&part, Fate::Partly, place, remark);
                }
                None => self.missing(
                    &part,
                    "somebody is told so many days before the last day, and at no other time",
                ),
            },
            Does::Delete => self.missing(
                &part,
                "only leavers are deleted, so many days after their last day",
            ),
            Does::Pass => match reading.after_hire.filter(|days| *days <= 0) {
                Some(days) => {
                    let minutes = arguments.remove("tapLifetimeMinutes");
                    if arguments
                        .get("tapIsUsableOnce")
                        .is_some_and(|once| once.eq_ignore_ascii_case("true"))
                    {
                        arguments.remove("tapIsUsableOnce"); // every pass is
                    }
                    self.pass = Some((days.unsigned_abs(), minutes));
                    let remark = "passes are mailed: name a mailbox in [notify], and take the # away";
                    self.draft
                        .remark(&part, Fate::Partly, Some("joiner.pass"), remark);
                }
                None => self.missing(&part, "passes are for the first day, and come before it"),
            },
            Does::Sponsorships if reading.category == Some(Moment::Joiner) => {
                self.missing(&part, "somebody who starts has no sponsorships");
            }
            Does::Sponsorships => {
                self.sponsorships = true;
                let remark = "leavers' go then, with the guests'; movers keep theirs";
                let fate = if leaving { Fate::Mapped } else { Fate::Partly };
                self.draft
                    .remark(&part, fate, Some("leaver.sponsorships"), remark);
            }
            Does::Nothing if known.fate == Fate::Missing => self.missing(&part, known.equivalent),
            Does::Nothing => self.draft.remark(&part, known.fate, None, known.equivalent),
        }
        for (name, value) in arguments.iter().filter(|(_, value)| !value.is_empty()) {
            let known = [
                "disableOnPremisesAccount",
                "enableOnPremisesAccount",
                "deleteOnPremisesAccount",
            ];
            if !(known.contains(&name.as_str()) && value.eq_ignore_ascii_case("false")) {
                self.missing(
                    &format!("{part}: argument {name}"),
                    &format!("{value:?} has no equivalent"),
                );
            }
        }
    }

    fn gives(
        &mut self,
        part: &str,
        ids: Vec<String>,
        reading: &mut Reading,
        list: fn(&mut Reading) -> &mut Vec<String>,
    ) {
        if ids.is_empty() {
            return self.missing(part, "it names nothing");
        }
        if let Err(why) = &reading.when {
            let remark = format!("would give {}: {why}", ids.join(", "));
            return self.missing(part, &remark);
        }
        let known = list(reading);
        for id in ids {
            if !known.contains(&id) {
                known.push(id);
            }
        }
        reading.parts.push(part.to_owned());
    }

    fn rule(&mut self, number: usize, reading: &Reading) {
        let place = format!("rule {number}");
        let given = [
            ("groups", &reading.groups),
            ("licenses", &reading.licenses),
            ("access_packages", &reading.packages),
        ];
        let asks = given.iter().any(|(_, ids)| !ids.is_empty());
        let Ok(when) = reading.when.as_ref().map(String::as_str) else {
            return;
        };
        if asks {
            let id = self.id(&reading.name);
            self.draft.at(&place, "[[rule]]");
            self.draft.line(&format!("id = {}", quoted(&id)));
            self.draft.line(&format!("when = {}", quoted(when)));
            for (key, ids) in given {
                if !ids.is_empty() {
                    self.draft
                        .line(&format!("{key} = {}", list(ids.iter().map(String::as_str))));
                }
            }
        }
        for part in &reading.parts {
            let (fate, place, remark) = if asks {
                (
                    Fate::Mapped,
                    Some(place.as_str()),
                    "held as long as the condition holds",
                )
            } else {
                (Fate::Implied, None, "nothing of the workflow depends on it")
            };
            self.draft.remark(part, fate, place, remark);
        }
    }

    fn id(&mut self, name: &str) -> String {
        let letters = name.to_lowercase();
        let words = letters.split(|letter: char| !letter.is_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let name = if words.is_empty() {
            "workflow".to_owned()
        } else {
            words.join("-")
        };
        let mut id = name.clone();
        let mut number = 2;
        while id == super::rules::DEFAULTS || !self.ids.insert(id.clone()) {
            id = format!("{name}-{number}");
            number += 1;
        }
        id
    }
}

fn section(moment: Moment) -> &'static str {
    match moment {
        Moment::Joiner => "joiner",
        Moment::Mover => "mover",
        Moment::Leaver => "leaver",
    }
}

/// The ids of a list with commas, as references.
fn ids(list: Option<String>) -> Vec<String> {
    let list = list.unwrap_or_default();
    let ids = list.split(',').map(str::trim).filter(|id| !id.is_empty());
    ids.map(|id| format!("id:{id}")).collect()
}

#[cfg(test)]
mod tests;
