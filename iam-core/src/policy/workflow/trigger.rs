//! For whom a workflow is and when it runs: scopes and triggers.
//!
//! Invariant: a workflow whose scope or trigger has no equivalent gives nothing to anybody.

use serde_json::{Map, Value};

use super::super::import::Fate;
use super::tasks::Moment;
use super::{Import, Reading, scope, text};

/// The name behind a type's last dot.
fn kind(of: &Map<String, Value>) -> &str {
    let kind = text(of, "@odata.type").unwrap_or_default();
    kind.rsplit('.').next().unwrap_or_default()
}

impl Import {
    pub(super) fn conditions(&mut self, part: &str, conditions: Option<&Value>, reading: &mut Reading) {
        let Some(conditions) = conditions.and_then(Value::as_object) else {
            return self.unclear(
                part,
                "it has no execution conditions: nobody can tell for whom it is",
                reading,
            );
        };
        if kind(conditions) == "onDemandExecutionOnly" {
            let remark =
                "it runs on demand only: the platform acts on what HR says, and on an urgent leave at once";
            return self.unclear(&format!("{part}: on demand"), remark, reading);
        }
        let scope = conditions.get("scope").and_then(Value::as_object);
        self.scope(&format!("{part}: scope"), scope, reading);
        let trigger = conditions.get("trigger").and_then(Value::as_object);
        self.trigger(&format!("{part}: trigger"), trigger, reading);
    }

    /// What cannot be said in a policy gives nothing.
    fn unclear(&mut self, part: &str, why: &str, reading: &mut Reading) {
        self.missing(part, why);
        reading.when = Err(why.to_owned());
    }

    fn scope(&mut self, part: &str, scope: Option<&Map<String, Value>>, reading: &mut Reading) {
        let Some(scope) = scope else {
            return self.unclear(part, "there is none: nobody can tell for whom it is", reading);
        };
        let Some(rule) = text(scope, "rule") else {
            let why = format!("a scope of type {:?}: conditions read what HR says", kind(scope));
            return self.unclear(part, &why, reading);
        };
        match scope::condition(rule) {
            Err(why) => self.unclear(part, &format!("the scope {rule:?}: {why}"), reading),
            Ok(_) if reading.category == Some(Moment::Leaver) => {
                let remark = "what happens to leavers happens to all of them";
                self.draft.remark(part, Fate::Partly, None, remark);
            }
            Ok(when) => {
                reading.when = Ok(when);
                reading.parts.push(part.to_owned());
            }
        }
    }

    fn trigger(&mut self, part: &str, trigger: Option<&Map<String, Value>>, reading: &mut Reading) {
        let Some(trigger) = trigger else {
            return self.unclear(part, "there is none: nobody can tell when it runs", reading);
        };
        let days = trigger.get("offsetInDays").and_then(Value::as_i64);
        let attribute = text(trigger, "timeBasedAttribute");
        match (kind(trigger), attribute, days, reading.category) {
            ("timeBasedAttributeTrigger", Some("employeeHireDate"), Some(days), Some(Moment::Joiner)) => {
                reading.after_hire = Some(days);
                self.hired(part, days);
            }
            (
                "timeBasedAttributeTrigger",
                Some("employeeLeaveDateTime"),
                Some(days),
                Some(Moment::Leaver),
            ) => {
                reading.after_leave = Some(days);
                let (fate, remark) = match days {
                    0 => (
                        Fate::Implied,
                        "the last day ends where the person works".to_owned(),
                    ),
                    ..0 => (
                        Fate::Partly,
                        "nothing is taken before the last day is over".to_owned(),
                    ),
                    _ => (
                        Fate::Partly,
                        format!(
                            "only the deletion waits {days} days: all else happens when the last day is over"
                        ),
                    ),
                };
                self.draft.remark(part, fate, None, remark);
            }
            ("userInactivityTrigger", ..) => {
                reading.idle = trigger.get("inactivityPeriodInDays").and_then(Value::as_u64);
                let remark =
                    "it starts a notice and nothing else: nobody is taken for a leaver because of silence";
                self.draft.remark(part, Fate::Partly, None, remark);
                reading.when = Err("it starts on silence, and silence gives nobody anything".to_owned());
            }
            ("attributeChangeTrigger", ..) => {
                let remark = "every change that HR tells is looked at";
                self.draft.remark(part, Fate::Implied, None, remark);
            }
            (kind, attribute, ..) => {
                let attribute = attribute.map(|attribute| format!(" on {attribute}"));
                let attribute = attribute.unwrap_or_default();
                let why = format!("a trigger of type {kind:?}{attribute} has no equivalent here");
                self.unclear(part, &why, reading);
            }
        }
    }

    fn hired(&mut self, part: &str, days: i64) {
        let place = Some("joiner.create_before");
        match days {
            ..0 => {
                self.create_before = self.create_before.max(days.unsigned_abs());
                let remark =
                    "the account is prepared so long before, and nobody signs in until the first day";
                self.draft.remark(part, Fate::Mapped, place, remark);
            }
            0 => {
                let remark = "the first day begins where the person works";
                self.draft.remark(part, Fate::Implied, None, remark);
            }
            _ => {
                let remark = format!("it waits {days} days from the first day on, and the rule does not");
                self.draft.remark(part, Fate::Partly, None, remark);
            }
        }
    }
}
