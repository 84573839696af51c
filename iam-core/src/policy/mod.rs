//! What a person should have: the port [`AccessPolicy`], and the TOML document behind the standard one.
//!
//! Invariant: when in doubt, hold. A condition that cannot be evaluated is a [`PolicyProblems`], never
//! "not entitled".

mod clause;
mod conflict;
mod courses;
mod coverage;
mod document;
mod explain;
mod expression;
mod functions;
mod impact;
mod import;
mod index;
mod limits;
mod memo;
mod naming;
mod patterns;
mod rules;
mod schema;
mod sections;
mod source;
mod spelling;
mod template;
mod test;
mod words;
mod workflow;

pub use conflict::{Conflict, Resolve};
pub use coverage::Coverage;
pub use document::Document;
pub(crate) use document::unassignable;
pub use explain::{Asked, Clause, Explanation, Gap, Verdict};
pub use impact::{Delta, Edit, Impact, RuleEdits, diff};
pub use import::{Fate, Imported, Remark, import_config};
pub use naming::Naming;
pub use test::{CaseReport, TestReport};
pub use workflow::{WorkflowTask, import_workflows, workflow_tasks};

use std::collections::BTreeSet;
use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;

use crate::entitlement::{Desired, Reference};
use crate::person::{Person, Recipient, Words};

/// Who policy is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The person.
    pub person: &'a Person,
    /// The manager, if HR names one that is known.
    pub manager: Option<&'a Person>,
}

/// Why a person's policy could not be evaluated: one clause per rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblems(pub Vec<String>);

impl fmt::Display for PolicyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for PolicyProblems {}

/// Decides what people should have. Pure: the same subject and day give the same answer.
pub trait AccessPolicy: fmt::Debug + Send + Sync {
    /// What `subject` should have while at work on the day `today` (a civil date where they work).
    ///
    /// # Errors
    /// Every rule that could not be evaluated. The engine then holds the person and removes nothing.
    fn desired(&self, subject: &Subject<'_>, today: Date) -> Result<Desired, PolicyProblems>;

    /// What `subject` must not hold together on the day `today`; nothing, unless the policy says so.
    ///
    /// # Errors
    /// Every conflict whose exception could not be evaluated. The engine then holds the person.
    fn conflicts(&self, subject: &Subject<'_>, today: Date) -> Result<Vec<Conflict>, PolicyProblems> {
        let _ = (subject, today);
        Ok(Vec::new())
    }

    /// The version of the policy, which the ledger remembers of what was granted under it: the first 16 digits of
    /// [`Document::fingerprint`] for a document. Empty where the policy has none.
    fn version(&self) -> String {
        String::new()
    }

    /// Whether the answer may differ from day to day for the same subject. A policy that says no is not asked
    /// about days to come.
    fn depends_on_date(&self) -> bool;

    /// The first of the `days` days after `today` on which the answer for the same subject differs from today's.
    fn next_change(&self, subject: &Subject<'_>, today: Date, days: u16) -> Option<Date> {
        let says = |day| (self.desired(subject, day).ok(), self.conflicts(subject, day).ok());
        let now = says(today);
        let mut to_come = (1..=days).filter_map(|days| today.checked_add(i64::from(days).days()).ok());
        to_come.find(|day| says(*day) != now)
    }
}

/// Who makes new accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub enum Authority {
    /// The platform itself, at the directory (`authority = "graph"`).
    #[default]
    #[serde(rename = "graph")]
    Directory,
    /// The directory's inbound provisioning, which is sent records and works them off later (`authority = "scim"`).
    /// The platform waits for the account and goes on from there.
    #[serde(rename = "scim")]
    Provisioning,
}

/// The temporary access pass with which somebody signs in for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pass {
    /// How many days before the first day it is handed out.
    pub before: u32,
    /// How many minutes it is good from the beginning of the first day on: 10 to 43,200, and no longer than the
    /// tenant's policy of authentication methods allows (480, which is what tenants allow by default).
    pub minutes: u32,
    /// Who is given it (the manager).
    pub to: Vec<Recipient>,
}

/// What the manager of somebody who has left may take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Legacy {
    /// The files of the drive: the manager is let at them.
    Drive,
    /// The groups that the leaver owned.
    Groups,
    /// The guests and agent identities whose sponsor the leaver was.
    Sponsorships,
    /// Those who reported to the leaver: they are linked to the next one up who has not left, until HR names another.
    Reports,
    /// What is written to the leaver: it is sent on.
    Mail,
}

/// What happens around joining, moving and leaving. Durations are whole days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Who makes new accounts (the platform).
    pub authority: Authority,
    /// The IANA time zone of people whose record has none (`UTC`).
    pub time_zone: String,
    /// How many days before the first day the account may be created, with sign-in blocked (0).
    pub create_before: u32,
    /// Whether sign-in is blocked for as long as somebody is on a leave of absence (yes). What they have is kept in
    /// either case.
    pub leave_blocks_sign_in: bool,
    /// The temporary access pass of somebody who starts; `None` issues none.
    pub pass: Option<Pass>,
    /// Whether a leaver's password is replaced by a random one (yes).
    pub reset_password: bool,
    /// What the mailbox of somebody who has left answers, in plain text; `None` leaves it alone.
    pub automatic_reply: Option<String>,
    /// What the manager of somebody who has left takes over (nothing).
    pub manager_takes: BTreeSet<Legacy>,
    /// The group of those whose mailboxes are on litigation hold, and whose licences are kept until their accounts are
    /// deleted; `None` when nobody says.
    pub held_mailboxes: Option<Reference>,
    /// Days from losing access to deletion of the account; `None` keeps it.
    pub delete_after: Option<u32>,
    /// Who is told that somebody starts.
    pub joiner_notify: Vec<Recipient>,
    /// How many days after the first day it is told that somebody who started has not signed in; `None` looks for
    /// nobody. Nothing but the notice follows.
    pub no_show_after: Option<u32>,
    /// Who is told (HR).
    pub no_show: Vec<Recipient>,
    /// After how many days without a sign-in somebody is told of it; `None` looks for nobody. Nothing but the notice
    /// follows.
    pub idle_after: Option<u32>,
    /// Who is told (the manager).
    pub idle: Vec<Recipient>,
    /// Who is told that somebody's access changed.
    pub mover_notify: Vec<Recipient>,
    /// How many days before the last day somebody is told that it is near; `None` tells nobody.
    pub remind_before: Option<u32>,
    /// Who is told (the manager).
    pub remind: Vec<Recipient>,
    /// Who is told that somebody has left.
    pub leaver_notify: Vec<Recipient>,
    /// The mailboxes that are told, once each, when the guard stops a plan, a delivery is held, seats are missing, an
    /// event is set aside, a message cannot be understood, or the policy names what the tenant has not got (none).
    pub alert: Vec<String>,
    /// Whether sign-in of leavers is blocked, and their sessions ended, though their roles cannot be read and a role
    /// may protect them (no: they are left alone, and it is told). Who is protected by name or id is left alone in
    /// either case.
    pub block_undecided_leavers: bool,
    /// The mailbox that notices are sent from; `None` sends none.
    pub notify_from: Option<String>,
    /// The mailbox of HR.
    pub hr_mail: Option<String>,
    /// How notices are worded (the standard texts, in English).
    pub words: Words,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            authority: Authority::default(),
            time_zone: "UTC".to_owned(),
            create_before: 0,
            leave_blocks_sign_in: true,
            pass: None,
            reset_password: true,
            automatic_reply: None,
            manager_takes: BTreeSet::new(),
            held_mailboxes: None,
            delete_after: None,
            joiner_notify: Vec::new(),
            no_show_after: None,
            no_show: Vec::new(),
            idle_after: None,
            idle: Vec::new(),
            mover_notify: Vec::new(),
            remind_before: None,
            remind: Vec::new(),
            leaver_notify: Vec::new(),
            alert: Vec::new(),
            block_undecided_leavers: false,
            notify_from: None,
            hr_mail: None,
            words: Words::default(),
        }
    }
}

/// So many cases for each property, or as many as the nightly run asks for.
#[cfg(test)]
pub(crate) fn cases(least: u32) -> proptest::prelude::ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    proptest::prelude::ProptestConfig::with_cases(asked.and_then(|asked| asked.parse().ok()).unwrap_or(least))
}
