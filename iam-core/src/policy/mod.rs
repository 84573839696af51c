//! What a person should have: the port [`AccessPolicy`], and the TOML document behind the standard one.
//!
//! Invariant: when in doubt, hold. A condition that cannot be evaluated is a [`PolicyProblems`], never
//! "not entitled".

use std::fmt;

use jiff::civil::Date;

use crate::entitlement::Desired;
use crate::person::Person;

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
}
