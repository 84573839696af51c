//! Commands beside the lanes: plans that the guard has refused, deliveries, messages.

use super::command::{Delivered, Exchanged, Guarded, Line};
use super::run::{Run, at, record, who};
use crate::event::{self, EventId, EventKind};
use crate::journal::{Burial, Frozen, Journal, Message, Observation, Release, Row, Staged};

impl Run {
    pub(super) async fn guard(&mut self, journal: &dyn Journal, guarded: &Guarded) {
        let actor = |number: u8| ["Ann", "Bo", " ann"][usize::from(number)].to_owned();
        match guarded {
            Guarded::Freeze(hash, by) => {
                let plan = Frozen::new(
                    &hash.to_string(),
                    vec!["too many".to_owned()],
                    &actor(*by),
                    at(self.now),
                );
                let answer = journal.freeze(&plan).await;
                self.note("freeze", answer, |()| "done".to_owned());
            }
            Guarded::Release(hash, by) => {
                let release = Release {
                    by: actor(*by),
                    reason: "a reason".to_owned(),
                    at: at(self.now),
                };
                let answer = journal.release(&hash.to_string(), &release).await;
                self.note("release", answer, |()| "done".to_owned());
            }
            Guarded::Spend(hash) => {
                let answer = journal.spend(&hash.to_string(), at(self.now)).await;
                self.note("spend", answer, |spent| spent.to_string());
            }
        }
    }

    pub(super) async fn deliver(&mut self, journal: &dyn Journal, delivered: &Delivered) {
        let unit = |()| "done".to_owned();
        if let Delivered::Open(source) = delivered {
            let id = journal.open_delivery(&format!("s{source}"), at(self.now)).await;
            self.deliveries.push(id.unwrap());
            return;
        }
        let (Delivered::Stage(back, _)
        | Delivered::Close(back, _)
        | Delivered::Release(back, _)
        | Delivered::Decide(back, _)) = delivered
        else {
            return;
        };
        let len = self.deliveries.len();
        if len == 0 {
            return;
        }
        let id = self.deliveries[len - 1 - back % len.min(3)];
        match delivered {
            Delivered::Stage(_, lines) => {
                let rows: Vec<Row> = lines.iter().map(|line| self.row(line)).collect();
                let answer = journal.stage(id, &rows).await;
                self.note("stage", answer, unit);
            }
            Delivered::Close(_, finding) => {
                let findings = if *finding {
                    vec!["odd".to_owned()]
                } else {
                    Vec::new()
                };
                let totals = serde_json::json!({ "at": self.now });
                let answer = journal.close_delivery(id, &totals, &findings).await;
                self.note("close", answer, unit);
            }
            Delivered::Release(_, max) => {
                let answer = journal.release_some(id, *max, at(self.now)).await;
                self.note("release some", answer, |released| format!("{released:?}"));
            }
            Delivered::Decide(_, release) => {
                let answer = journal.decide(id, *release, "somebody", "a reason").await;
                self.note("decide", answer, unit);
            }
            Delivered::Open(_) => {}
        }
        let delivery = journal.delivery(id).await;
        let told = |staged: Option<Staged>| {
            staged.map(|staged| {
                (
                    staged.source,
                    staged.state,
                    staged.rows,
                    staged.findings,
                    staged.decision,
                )
            })
        };
        self.note("delivery", delivery, |staged| format!("{:?}", told(staged)));
    }

    fn row(&self, line: &Line) -> Row {
        match line {
            Line::Record(person, department) => Row::Record {
                person: Box::new(record(*person, *department)),
            },
            Line::News(person, id, kind) => {
                let kind = if *kind == 0 {
                    EventKind::Suspend
                } else {
                    EventKind::Resume
                };
                let id = EventId::new(format!("told {id}"));
                Row::News {
                    news: Box::new(event::News::new(id, who(*person), kind, at(self.now))),
                }
            }
            Line::Withdrawn(person) => Row::Withdrawn { person: who(*person) },
        }
    }

    pub(super) async fn exchange(&mut self, journal: &dyn Journal, exchanged: &Exchanged) {
        match exchanged {
            Exchanged::Observe(seen) => {
                let seen = seen.iter().map(|(person, id, department, instant)| Observation {
                    id: EventId::new(format!("seen {id}")),
                    source: format!("s{}", id % 2),
                    at: instant.map(at),
                    person: record(*person, *department),
                });
                let seen: Vec<Observation> = seen.collect();
                let answer = journal.observe(&seen, at(self.now)).await;
                self.note("observe", answer, |appended| format!("{appended:?}"));
            }
            Exchanged::Bury(id, content) => {
                let mut message = Message::new("s0", id.to_string(), "kind");
                message.data = vec![*content];
                let person = who(*id);
                let burial = Burial {
                    message: &message,
                    person: (*content > 0).then_some(&person),
                    reason: "not JSON",
                    at: at(self.now),
                };
                let letter = journal.bury(burial).await.unwrap();
                let place = self.letters.iter().position(|known| *known == letter);
                if place.is_none() {
                    self.letters.push(letter);
                }
                self.answers.push(format!("bury: {place:?}"));
            }
            Exchanged::Close(back, accepted) => {
                let Some(letter) = self.letters.iter().rev().nth(*back).copied() else {
                    return;
                };
                let answer = journal
                    .close_letter(letter, *accepted, "somebody", "a reason")
                    .await;
                self.note("close letter", answer, |()| "done".to_owned());
            }
            Exchanged::Note(name, stale, value) => {
                let name = format!("n{name}");
                let known = journal.bookmark(&name).await.unwrap();
                self.answers.push(format!("bookmark: {known:?}"));
                let version = known.map_or(0, |(version, _)| version) + u64::from(*stale);
                let answer = journal
                    .set_bookmark(&name, version, &serde_json::json!(value))
                    .await;
                self.note("set bookmark", answer, |set| set.to_string());
            }
        }
    }
}
