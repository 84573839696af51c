//! Text for people: a diff per person, with the reason of each line.

use std::path::PathBuf;

use console::{Style, Term};
use iam_core::engine::{PersonPlan, Preview};
use iam_core::entitlement::Kind;
use iam_core::event::Timer;
use iam_core::person::PersonKey;
use iam_core::plan::{Action, Step};

use crate::report::Story;

/// Where text goes. Colours only on a terminal (and not with `NO_COLOR`).
pub(crate) struct Screen {
    term: Term,
    json: bool,
}

/// Width of the columns before the reason.
const WHAT: usize = 12;
const WHICH: usize = 46;

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            term: Term::stdout(),
            json,
        }
    }

    /// Whether text is shown while the work goes on.
    pub(crate) fn is_live(&self) -> bool {
        !self.json
    }

    fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            // Whoever closed the pipe does not want to read on.
            let _ = self.term.write_line(text.as_ref());
        }
    }

    fn title(&self, text: &str) {
        self.line("");
        self.line(Style::new().bold().apply_to(text).to_string());
    }

    pub(crate) fn opening(&self, story: &Story, rounds: &[Vec<PathBuf>]) {
        let feeds = rounds.iter().flatten();
        let feeds: Vec<String> = feeds.map(|feed| feed.display().to_string()).collect();
        self.line(format!("Tenant {} at {}", story.tenant, story.graph));
        self.line(format!("As of {:.0}, from {}", story.now, feeds.join(", ")));
    }

    /// The files that were read last, so many of them.
    pub(crate) fn rejects(&self, story: &Story, files: usize) {
        self.title("HR");
        let latest = &story.readings[story.readings.len().saturating_sub(files)..];
        for (file, reading, _) in latest {
            let summary = &reading.totals;
            self.line(format!(
                "{file}: {} rows, {} records ({} new, {} unchanged), {} rejected",
                summary.rows,
                summary.records,
                reading.accepted.events,
                reading.accepted.unchanged,
                summary.rejects
            ));
        }
        let red = Style::new().red();
        let rejects = latest
            .iter()
            .flat_map(|(file, _, rejects)| rejects.iter().map(move |reject| (file, reject)));
        for (file, reject) in rejects {
            let person = reject
                .person
                .as_deref()
                .map(|id| format!(" ({id})"))
                .unwrap_or_default();
            self.line(format!("  {} {file}{person} {reject}", red.apply_to("✗")));
        }
    }

    pub(crate) fn plan(&self, preview: &Preview) {
        let mut people: Vec<(&PersonKey, Vec<&PersonPlan>)> = Vec::new();
        for plan in &preview.people {
            match people.iter_mut().find(|(key, _)| **key == plan.person) {
                Some((_, plans)) => plans.push(plan),
                None => people.push((&plan.person, vec![plan])),
            }
        }
        let (busy, quiet): (Vec<_>, Vec<_>) = people.into_iter().partition(|(_, plans)| !is_quiet(plans));
        let steps =
            |plans: &&(&PersonKey, Vec<&PersonPlan>)| plans.1.iter().any(|plan| !plan.plan.steps.is_empty());
        let moving = busy.iter().filter(steps).count();
        self.title(&format!("Plan: {} steps for {moving} people", preview.steps()));
        for (_, plans) in &busy {
            self.person(plans);
        }
        if !quiet.is_empty() {
            let keys: Vec<&str> = quiet.iter().map(|(key, _)| key.as_str()).collect();
            self.line("");
            self.line(format!("Nothing to do for {}", keys.join(", ")));
        }
        self.whole(preview);
    }

    /// What an approval would look at: the plan's hash, its risk, seats, and what the guard says.
    fn whole(&self, preview: &Preview) {
        self.line("");
        self.line(format!("Hash   {}", preview.hash()));
        let risks = preview.by_risk();
        let risks: Vec<String> = risks
            .iter()
            .rev()
            .map(|(risk, steps)| format!("{steps} {}", risk.as_str()))
            .collect();
        if !risks.is_empty() {
            self.line(format!("Risk   {}", risks.join(", ")));
        }
        for need in &preview.seats {
            let (free, license) = (need.total.saturating_sub(need.used), &need.license.name);
            let waiting = match need.waiting {
                0 => String::new(),
                waiting => format!(", {waiting} wait"),
            };
            self.line(format!(
                "Seats  {license}: {} needed, {free} free, {} freed by leavers{waiting}",
                need.needed, need.freed
            ));
        }
        for finding in &preview.findings {
            let finding = format!("Policy {finding}");
            self.line(Style::new().yellow().apply_to(finding).to_string());
        }
        if preview.guard.is_empty() {
            self.line("Guard  lets it pass");
        }
        for trip in &preview.guard {
            let trip = format!("Guard  refuses: {trip}");
            self.line(Style::new().red().apply_to(trip).to_string());
        }
    }

    /// Everything about one person: what their event leads to, and what becomes possible by others' events.
    fn person(&self, plans: &[&PersonPlan]) {
        let Some(first) = plans.first() else { return };
        let record = first.record.as_ref();
        let given = record.and_then(|record| record.preferred_name.as_ref().or(record.given_name.as_ref()));
        let family = record.and_then(|record| record.family_name.as_ref());
        let name: Vec<&str> = [given, family]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let head = format!("{} {} · {}", first.person, name.join(" "), first.kind.as_str());
        self.line("");
        self.line(Style::new().bold().apply_to(head).to_string());
        for step in plans.iter().flat_map(|plan| &plan.plan.steps) {
            self.step(step);
        }
        let yellow = Style::new().yellow();
        let last = plans
            .last()
            .map(|plan| plan.plan.notes.as_slice())
            .unwrap_or_default();
        let mut notes: Vec<&String> = Vec::new();
        for note in plans.iter().flat_map(|plan| &plan.plan.notes) {
            // A missing account that a later plan no longer misses is there by then.
            let settled = note.contains("has no account yet") && !last.contains(note);
            if !settled && !notes.contains(&note) {
                notes.push(note);
            }
        }
        for note in notes {
            self.line(format!("  {} {note}", yellow.apply_to("!")));
        }
        for why in plans.iter().flat_map(|plan| &plan.waiting) {
            self.line(format!("  {} {why}", yellow.apply_to("…")));
        }
        for plan in plans {
            if let Some(why) = plan.hold.as_ref().or(plan.plan.refused.as_ref()) {
                self.line(format!("  {} {why}", Style::new().red().apply_to("✗")));
            }
        }
        if let Some((timer, at)) = plans
            .last()
            .and_then(|plan| plan.next)
            .filter(|(timer, _)| *timer != Timer::Review)
        {
            self.line(format!(
                "  {} next: {} at {at:.0}",
                yellow.apply_to("·"),
                timer.as_str()
            ));
        }
    }

    fn step(&self, step: &Step) {
        let (add, change, remove) = (Style::new().green(), Style::new().yellow(), Style::new().red());
        let why = Style::new().dim();
        if let Action::UpdateAccount { changes } = &step.action {
            for (attribute, values) in changes {
                let before = values.before.as_deref().unwrap_or("(empty)");
                let after = Some(values.after.as_str())
                    .filter(|text| !text.is_empty())
                    .unwrap_or("(empty)");
                let which = format!("{before} → {after}");
                self.row(&change, "~", attribute.as_str(), &which, &why, &step.why);
            }
            return;
        }
        let (style, sign, what, which) = match &step.action {
            Action::CreateAccount { name, attributes } => {
                self.row(&add, "+", "account", &at(step, name), &why, &step.why);
                let values: Vec<&str> = attributes.values().map(String::as_str).collect();
                self.row(&add, "+", "attributes", &values.join(" · "), &why, "");
                return;
            }
            Action::RestoreAccount => (&add, "+", "account", "restored from the deleted items".to_owned()),
            Action::SetManager {
                manager,
                manager_account,
                ..
            } => {
                let manager = manager
                    .as_ref()
                    .map_or(manager_account.as_str(), PersonKey::as_str);
                (&change, "~", "manager", manager.to_owned())
            }
            Action::AllowSignIn => (&add, "+", "sign-in", "allowed".to_owned()),
            Action::BlockSignIn => (&remove, "-", "sign-in", "blocked".to_owned()),
            Action::RevokeSessions => (&remove, "-", "sessions", "revoked".to_owned()),
            Action::ResetPassword => (&change, "~", "password", "reset to a random one".to_owned()),
            Action::Grant { entitlement, .. } => {
                (&add, "+", entitlement.kind.as_str(), entitlement.name.clone())
            }
            Action::Revoke { entitlement, .. } => {
                (&remove, "-", entitlement.kind.as_str(), entitlement.name.clone())
            }
            Action::SetAutomaticReply { .. } => (&change, "~", "mailbox", "answers by itself".to_owned()),
            Action::EndAutomaticReply => (&change, "~", "mailbox", "answers by itself no more".to_owned()),
            Action::DeleteAccount => (
                &remove,
                "-",
                "account",
                "deleted, restorable for 30 days".to_owned(),
            ),
            Action::Notify { to, .. } => {
                let to: Vec<String> = to.iter().map(|to| format!("{to:?}").to_lowercase()).collect();
                (&change, "@", "notice", format!("to {}", to.join(", ")))
            }
            other => (&change, "~", other.kind(), String::new()),
        };
        self.row(style, sign, what, &at(step, &which), &why, &step.why);
    }

    fn row(&self, style: &Style, sign: &str, what: &str, which: &str, dim: &Style, why: &str) {
        let which = console::pad_str(which, WHICH, console::Alignment::Left, None);
        self.line(format!(
            "  {} {which} {}",
            style.apply_to(format!("{sign} {what:WHAT$}")),
            dim.apply_to(why)
        ));
    }

    pub(crate) fn dry_run(&self, story: &Story, rounds: usize) {
        self.title("Dry run");
        self.line(format!(
            "{} steps were planned, nothing was changed.",
            story.planned_steps
        ));
        if rounds > 1 {
            self.line("The next export is planned for when this one has been carried out.");
        }
    }

    pub(crate) fn summary(&self, story: &Story) {
        let totals = story.totals();
        self.title("Summary");
        self.line(format!("{:>6} people worked on", totals.people));
        self.line(format!("{:>6} steps carried out", totals.done));
        self.line(format!("{:>6} already so", totals.already_so));
        if totals.not_applicable > 0 {
            self.line(format!("{:>6} with nothing to be done to", totals.not_applicable));
        }
        self.line(format!("{:>6} failed", totals.failed));
        self.line(format!("{:>6} of unknown outcome", totals.unknown));
        self.line(format!("{:>6} rejected rows", story.rejects().count()));
        let red = Style::new().red();
        for (person, why) in story.open().chain(story.failures()) {
            self.line(format!("  {} {person}: {why}", red.apply_to("✗")));
        }
        for (person, why) in story.in_vain() {
            self.line(format!(
                "  {} {person}: {why}",
                Style::new().yellow().apply_to("!")
            ));
        }
    }

    pub(crate) fn proof(&self, story: &Story) {
        let Some(proof) = &story.proof else { return };
        self.title("Read back from the tenant");
        let (good, bad) = (Style::new().green(), Style::new().red());
        for row in &proof.rows {
            let of = |kind| -> Vec<&str> {
                let held = row.held.iter().filter(|(held, _)| *held == kind);
                held.map(|(_, name)| name.as_str()).collect()
            };
            let kinds = [
                Kind::Group,
                Kind::Package,
                Kind::License,
                Kind::Role,
                Kind::Azure,
                Kind::App,
            ]
            .map(of);
            let held: Vec<String> = kinds
                .iter()
                .filter(|names| !names.is_empty())
                .map(|names| names.join(", "))
                .collect();
            let mark = if row.differs.is_empty() {
                good.apply_to("✓")
            } else {
                bad.apply_to("✗")
            };
            let account = console::pad_str(&row.name, 44, console::Alignment::Left, None);
            self.line(format!(
                "  {mark} {:7} {account} {:10} {}",
                row.person,
                row.state,
                held.join(" · ")
            ));
            for difference in &row.differs {
                self.line(format!("      {}", bad.apply_to(difference)));
            }
        }
        self.line(format!(
            "{} people read back, {} differences from HR and policy",
            proof.rows.len(),
            proof.differences()
        ));
    }

    pub(crate) fn finish(&self, story: &Story) {
        if self.json {
            let _ = self.term.write_line(&format!("{:#}", story.to_json()));
            return;
        }
        if let Some(steps) = story.second_plan {
            self.title("Planned again");
            self.line(format!("{steps} steps"));
        }
    }
}

/// What a step is about, and where, if it is not the directory.
fn at(step: &Step, which: &str) -> String {
    match step.target.as_str() {
        "graph" | "arm" => which.to_owned(),
        other => format!("{which} at {other}"),
    }
}

fn is_quiet(plans: &[&PersonPlan]) -> bool {
    plans.iter().all(|person| {
        let plan = &person.plan;
        let timed = person.next.is_some_and(|(timer, _)| timer != Timer::Review);
        plan.steps.is_empty()
            && plan.notes.is_empty()
            && plan.refused.is_none()
            && person.hold.is_none()
            && person.waiting.is_empty()
            && !timed
    })
}
