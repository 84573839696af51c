//! The blast-radius guard: how much a whole set of plans would change, against the policy's
//! [`Limits`]. It is asked before the first write; over a limit, nothing is done at all.

use crate::entitlement::Limits;

use super::{Action, Plan, Step};

/// The smallest number of leavers that a percentage applies to: one leaver of three people is no incident.
const FEWEST: u32 = 5;

/// What plans would change, and what has been changed within the window already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// People who lose their access by these plans.
    pub leavers: u32,
    /// Roles given or taken by these plans. A leaver's are not counted: taking power from somebody who has
    /// left is never what a guard should stop.
    pub privileged: u32,
    /// People who lost their access within the window before.
    pub leavers_before: u32,
    /// Roles given within the window before.
    pub privileged_before: u32,
    /// Everybody at work.
    pub at_work: u32,
}

impl Tally {
    /// Counts one person's plan.
    pub fn add(&mut self, plan: &Plan) {
        let has = |action: &Action| plan.steps.iter().any(|step| step.action == *action);
        if leaves(plan) {
            self.leavers += 1;
        } else if has(&Action::RevokeSessions) || has(&Action::DeleteAccount) {
            // The rest of a leave: sign-in has been blocked before.
        } else {
            let privileged = plan.steps.iter().filter(|step: &&Step| step.privileged).count();
            self.privileged += u32::try_from(privileged).unwrap_or(u32::MAX);
        }
    }
}

/// Whether the plan takes somebody's access away for good: it blocks sign-in, and not only until a restored account
/// has been looked at.
pub fn leaves(plan: &Plan) -> bool {
    let has = |action: &Action| plan.steps.iter().any(|step| step.action == *action);
    has(&Action::BlockSignIn) && !has(&Action::RestoreAccount)
}

/// Every limit that the tally exceeds, one clause each; empty means go.
pub fn check(limits: &Limits, tally: &Tally) -> Vec<String> {
    let mut trips = Vec::new();
    let hours = limits.window_hours;
    let leavers = tally.leavers + tally.leavers_before;
    if let Some(most) = limits
        .max_leavers
        .filter(|most| tally.leavers > 0 && leavers > *most)
    {
        trips.push(format!(
            "{leavers} people would lose their access within {hours} hours, max_leavers is {most}"
        ));
    }
    let share = u64::from(leavers) * 100;
    let over = |percent: &u32| share > u64::from(*percent) * u64::from(tally.at_work);
    if let Some(percent) = limits
        .max_leavers_percent
        .filter(|percent| tally.leavers > 0 && leavers >= FEWEST && over(percent))
    {
        trips.push(format!(
            "{leavers} of {} people at work would lose their access within {hours} hours, max_leavers_percent is {percent}",
            tally.at_work
        ));
    }
    let privileged = tally.privileged + tally.privileged_before;
    if let Some(most) = limits
        .max_privileged_changes
        .filter(|most| tally.privileged > 0 && privileged > *most)
    {
        trips.push(format!(
            "{privileged} administrative roles would be given or taken within {hours} hours, max_privileged_changes is {most}"
        ));
    }
    trips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_the_window_and_let_small_numbers_pass() {
        let limits = Limits {
            max_leavers: Some(25),
            max_leavers_percent: Some(20),
            max_privileged_changes: Some(3),
            window_hours: 24,
        };
        let check = |leavers, before, at_work, privileged, expect: &[&str]| {
            let tally = Tally {
                leavers,
                leavers_before: before,
                at_work,
                privileged,
                privileged_before: 1,
            };
            let trips = super::check(&limits, &tally);
            assert_eq!(trips.len(), expect.len(), "{trips:?}");
            for (trip, word) in trips.iter().zip(expect) {
                assert!(trip.contains(word), "{trip}");
            }
        };
        check(25, 0, 1000, 0, &[]);
        check(25, 1, 1000, 2, &["max_leavers is 25"]);
        check(4, 0, 6, 0, &[]);
        check(5, 0, 24, 0, &["max_leavers_percent is 20"]);
        check(5, 0, 25, 3, &["max_privileged_changes is 3"]);
        check(0, 99, 100, 0, &[]);
    }
}
