//! Commands of workers that share a journal: questions, decisions about what was set aside, budgets.

use std::time::Duration;

use super::command::{Crewed, PEOPLE};
use super::run::{Run, at, step, who};
use crate::journal::{Answer, Ask, Draw, Journal, Standing, Waiting};
use crate::plan::{Action, Plan};

impl Run {
    pub(super) async fn crew(&mut self, journal: &dyn Journal, crewed: &Crewed) {
        let unit = |()| "done".to_owned();
        let now = at(self.now);
        match crewed {
            Crewed::Draw(bucket, least, urgent) => {
                let draw = Draw {
                    target: format!("b{bucket}"),
                    capacity: 10.0,
                    window: Duration::from_secs(10),
                    reserved: 0.25,
                    least: f64::from(*least),
                    wanted: f64::from(*least) + 1.0,
                    urgent: *urgent,
                };
                let drawn = journal.take_budget(&draw, now).await;
                self.note("draw", drawn, |drawn| format!("{drawn:?}"));
            }
            Crewed::Block(bucket, until) => {
                let until = at(self.now + until);
                let blocked = journal.block_target(&format!("b{bucket}"), until, now).await;
                self.note("block", blocked, unit);
            }
            Crewed::PutBack(back, _)
            | Crewed::Ask(back, _)
            | Crewed::Answer(back, ..)
            | Crewed::Skip(back)
            | Crewed::Resolve(back, ..) => {
                let Some(claim) = self.claim(*back) else { return };
                let event = &claim.event.id;
                match crewed {
                    Crewed::PutBack(_, later) => {
                        let answer = journal.put_back(&claim, at(self.now + later), "not now").await;
                        self.note("put back", answer, unit);
                    }
                    Crewed::Ask(_, org) => {
                        let plan = Plan::empty(&claim.event.person);
                        let organisation = Some(if *org { "Bank" } else { "Shop" }.to_owned());
                        let ask = Ask::new(&claim.event, organisation, plan, now);
                        let answer = journal.ask(&claim, &ask, now).await;
                        self.note("ask", answer, unit);
                    }
                    Crewed::Answer(_, old, yes) => {
                        let asked = journal.asked(event).await.unwrap();
                        self.answers.push(format!("asked: {asked:?}"));
                        let version = asked.map_or(1, |asked| asked.version);
                        let answer = Answer {
                            event: event.clone(),
                            version: version.saturating_sub(u64::from(*old)),
                            standing: if *yes {
                                Standing::Granted
                            } else {
                                Standing::Refused { why: "no".to_owned() }
                            },
                        };
                        let answered = journal.answer(&[answer], now).await;
                        self.note("answer", answered, |answered| answered.to_string());
                    }
                    Crewed::Skip(_) => {
                        let answer = journal.skip(event, "somebody", "a reason").await;
                        self.note("skip", answer, unit);
                    }
                    Crewed::Resolve(_, which, happened) => {
                        let actions = [Action::BlockSignIn, Action::RevokeSessions, Action::ResetPassword];
                        let (step, _) = step(&claim.event.person, actions[*which].clone());
                        let answer = journal
                            .resolve(event, &step.id, *happened, "somebody", "a reason")
                            .await;
                        self.note("resolve", answer, unit);
                    }
                    _ => {}
                }
            }
        }
    }

    /// What waits for what, and what was asked.
    pub(super) async fn crew_ends(&mut self, journal: &dyn Journal) {
        let now = at(self.now);
        for person in (0..PEOPLE).map(who) {
            let waiting = journal.waiting(&person, now).await;
            // By the journal's own clock, and by the name of its process.
            let waiting = waiting.map(|waiting| match waiting {
                Waiting::Parked { event, why, .. } => format!("{event} parks: {why}"),
                Waiting::Claimed { event, since, .. } => format!("{event} is claimed since {since}"),
                other => format!("{other:?}"),
            });
            self.note("waiting", waiting, |waiting| waiting);
        }
        let stalled = journal.stalled(now).await;
        self.note("stalled", stalled, |stalled| format!("{stalled:?}"));
        let asks = journal.asks(now).await;
        self.note("asks", asks, |asks| format!("{asks:?}"));
    }
}
