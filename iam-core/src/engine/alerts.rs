//! Alerts: what needs somebody to look is told to those whom the policy names (`notify` in `[guard]`), once, and not
//! again at every run. What was told is remembered in the journal; what could not be sent is told at the next occasion.
//!
//! Invariant: an alert never stops or delays the work, and names nobody but by worker id.

use std::collections::BTreeMap;

use super::report::{Ending, PersonRun, Preview};
use super::{Delivered, Engine};
use crate::entitlement::{Entitlement, Kind, TargetId, UNDECIDED};
use crate::error::{ErrorKind, Result};
use crate::event::EventId;
use crate::journal::audit::nobody;
use crate::journal::{LetterId, Message, Outcome};
use crate::notify;
use crate::person::{Language, Notice};
use crate::plan::{Action, IdempotencyKey, Step};

/// Under which name the journal remembers what was told.
const BOOKMARK: &str = "alerts";
/// How many are remembered; the oldest are forgotten first.
const MOST: usize = 2_000;
/// How many of a kind one message lists.
const LISTED: usize = 20;

/// A sort of thing that somebody should look at; one message each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Guard,
    Delivery,
    Seats,
    Aside,
    Undecided,
    Letter,
    Finding,
}

impl Sort {
    fn subject(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::German, Self::Guard) => "Die Schutzgrenze hat einen Plan angehalten",
            (Language::German, Self::Delivery) => "Eine Lieferung der Personaldaten wird zurückgehalten",
            (Language::German, Self::Seats) => "Es fehlen Lizenzen",
            (Language::German, Self::Aside) => "Ereignisse sind zur Seite gelegt",
            (Language::German, Self::Undecided) => "Ob Konten geschützt sind, lässt sich nicht sagen",
            (Language::German, Self::Letter) => "Nachrichten sind nicht zu verstehen",
            (Language::German, Self::Finding) => "Die Richtlinie nennt, was es im Mandanten nicht gibt",
            (_, Self::Guard) => "The guard has stopped a plan",
            (_, Self::Delivery) => "A delivery of HR data is held",
            (_, Self::Seats) => "Licence seats are missing",
            (_, Self::Aside) => "Events have been set aside",
            (_, Self::Undecided) => "Nobody can tell whether accounts are protected",
            (_, Self::Letter) => "Messages cannot be understood",
            (_, Self::Finding) => "The policy names what the tenant has not got",
        }
    }
}

/// One thing that somebody should look at: what tells it from others of its sort, and in words.
struct Alert {
    sort: Sort,
    key: String,
    text: String,
}

impl Engine {
    /// The guard has frozen the plan with this hash.
    pub(super) async fn alert_of_guard(&self, hash: &str, trips: &[String]) {
        let text = format!("{} (plan {hash})", trips.join("; "));
        self.alert(
            vec![Alert {
                sort: Sort::Guard,
                key: hash.to_owned(),
                text,
            }],
            &[],
        )
        .await;
    }

    pub(super) async fn alert_of_delivery(&self, source: &str, delivered: &Delivered) {
        let text = format!(
            "delivery {} of {source}: {}",
            delivered.id,
            delivered.findings.join("; ")
        );
        let key = delivered.id.to_string();
        self.alert(
            vec![Alert {
                sort: Sort::Delivery,
                key,
                text,
            }],
            &[],
        )
        .await;
    }

    /// What is about to be done shows too few seats, and names that the tenant does not know.
    pub(super) async fn alert_ahead(&self, preview: &Preview, findings: &[String]) {
        let mut alerts = Vec::new();
        let mut over = Vec::new();
        for need in &preview.seats {
            let (license, key) = (
                &need.license.name,
                format!("{}/{}", need.license.target, need.license.id),
            );
            if need.waiting == 0 {
                over.push((Sort::Seats, key));
                continue;
            }
            let (total, used, waiting) = (need.total, need.used, need.waiting);
            let text = format!("{license}: {waiting} wait, {used} of {total} seats are taken");
            alerts.push(Alert {
                sort: Sort::Seats,
                key,
                text,
            });
        }
        for finding in findings {
            let key = EventId::of(&[finding]).as_str().to_owned();
            alerts.push(Alert {
                sort: Sort::Finding,
                key,
                text: finding.clone(),
            });
        }
        self.alert(alerts, &over).await;
    }

    /// What was set aside by a run, and who was left alone because nobody can tell whether they are protected.
    pub(super) async fn alert_afterwards(&self, runs: impl Iterator<Item = &PersonRun>) {
        let aside = runs.filter_map(|run| {
            let (sort, why) = match &run.ending {
                Ending::Dead(why) | Ending::Held(why) => (Sort::Aside, why),
                // Who leaves is still let in: somebody has to see to it.
                Ending::Waiting(why) | Ending::Retry(_, why) if why.contains(UNDECIDED) => {
                    (Sort::Undecided, why)
                }
                _ => return None,
            };
            Some(Alert {
                sort,
                key: run.event.as_str().to_owned(),
                text: format!("{}: {why}", run.person),
            })
        });
        self.alert(aside.collect(), &[]).await;
    }

    /// What a batch of a fleet has shown: what was set aside, and licences without a seat, because it looks at no whole
    /// before.
    pub(super) async fn alert_of_batch(&self, runs: &[Result<PersonRun>]) {
        self.alert_afterwards(runs.iter().flatten()).await;
        let runs = runs.iter().flatten();
        let mut alerts = Vec::new();
        let mut licenses: BTreeMap<String, (&Entitlement, usize)> = BTreeMap::new();
        for run in runs {
            for (step, outcome) in &run.outcomes {
                let Action::Grant { entitlement, .. } = &step.action else {
                    continue;
                };
                let missing = match outcome {
                    Outcome::Failed { kind, .. } => kind == ErrorKind::LicenseExhausted.as_str(),
                    Outcome::Done { .. } => false,
                    _ => continue,
                };
                if entitlement.kind == Kind::License {
                    let key = format!("{}/{}", entitlement.target, entitlement.id);
                    licenses.entry(key).or_insert((entitlement, 0)).1 += usize::from(missing);
                }
            }
        }
        let mut over = Vec::new();
        for (key, (license, waiting)) in licenses {
            if waiting == 0 {
                over.push((Sort::Seats, key));
                continue;
            }
            alerts.push(Alert {
                sort: Sort::Seats,
                key,
                text: format!("{}: no seat is left, and {waiting} wait", license.name),
            });
        }
        self.alert(alerts, &over).await;
    }

    /// A message could not be understood, and is a dead letter.
    pub(super) async fn alert_of_letter(&self, letter: LetterId, message: &Message, reason: &str) {
        let text = format!("dead letter {letter} of {}: {reason}", message.source);
        self.alert(
            vec![Alert {
                sort: Sort::Letter,
                key: letter.to_string(),
                text,
            }],
            &[],
        )
        .await;
    }

    /// Tells what was not told yet. `over` is what may be told again should it come again.
    async fn alert(&self, alerts: Vec<Alert>, over: &[(Sort, String)]) {
        if self.policy.settings().alert.is_empty() || (alerts.is_empty() && over.is_empty()) {
            return;
        }
        if let Err(error) = self.tell_once(alerts, over).await {
            tracing::warn!(%error, "an alert could not be noted");
        }
    }

    async fn tell_once(&self, alerts: Vec<Alert>, over: &[(Sort, String)]) -> Result<()> {
        let Some(notifier) = &self.notifier else {
            return Ok(());
        };
        let settings = self.policy.settings();
        let (version, value) = self.journal.bookmark(BOOKMARK).await?.unwrap_or_default();
        let mut told: BTreeMap<String, i64> = serde_json::from_value(value).unwrap_or_default();
        let before = told.clone();
        let name = |sort: Sort, key: &str| format!("{sort:?}:{key}");
        for (sort, key) in over {
            told.remove(&name(*sort, key));
        }
        let mut new: BTreeMap<Sort, Vec<Alert>> = BTreeMap::new();
        for alert in alerts {
            if !told.contains_key(&name(alert.sort, &alert.key)) {
                new.entry(alert.sort).or_default().push(alert);
            }
        }
        for (sort, alerts) in new {
            let mut lines: Vec<&str> = alerts
                .iter()
                .take(LISTED)
                .map(|alert| alert.text.as_str())
                .collect();
            let more = format!("… + {}", alerts.len().saturating_sub(LISTED));
            if alerts.len() > LISTED {
                lines.push(&more);
            }
            let subject = sort.subject(settings.words.language);
            let message = notify::alert(&settings.alert, subject, &lines.join("\n"), &settings.words);
            let keys: Vec<&str> = alerts.iter().map(|alert| alert.key.as_str()).collect();
            // A receiver knows one that is sent again after a crash by its key.
            match notifier.notify(&message, &key(&keys)).await {
                Ok(()) => {
                    let now = self.clock.now().as_second();
                    told.extend(alerts.iter().map(|alert| (name(alert.sort, &alert.key), now)));
                }
                Err(error) => tracing::warn!(%error, ?sort, "an alert could not be sent"),
            }
        }
        while told.len() > MOST {
            let oldest = told
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(name, _)| name.clone());
            oldest.map(|name| told.remove(&name));
        }
        if told != before {
            let value = serde_json::to_value(&told).unwrap_or_default();
            // Somebody else may have told the same: then it was told twice, rather than never.
            self.journal.set_bookmark(BOOKMARK, version, &value).await?;
        }
        Ok(())
    }
}

fn key(alerts: &[&str]) -> IdempotencyKey {
    let action = Action::Notify {
        notice: Notice::Alert,
        to: Vec::new(),
    };
    let step = Step::new(&TargetId::new("alert"), &nobody(), None, action, "alert");
    IdempotencyKey::of(&EventId::of(alerts), &step)
}
