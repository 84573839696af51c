//! Deliveries.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;

use super::Inner;
use crate::error::Result;
use crate::event::{Event, News};
use crate::journal::stage::{elsewhere, overtaken, unknown};
use crate::journal::{Appended, DeliveryId, DeliveryState, Released, Row, Staged};
use crate::person::{Person, PersonKey};

/// Every delivery, and what is remembered of each source.
#[derive(Debug, Default)]
pub(super) struct Desk {
    deliveries: BTreeMap<DeliveryId, Delivery>,
    good: HashMap<String, serde_json::Value>,
}

#[derive(Debug)]
struct Delivery {
    staged: Staged,
    /// Those that are to be accepted yet.
    rows: VecDeque<Row>,
    totals: serde_json::Value,
}

impl Delivery {
    fn discard(&mut self) {
        self.staged.state = DeliveryState::Discarded;
        self.staged.rows = 0;
        self.rows.clear();
    }
}

impl Desk {
    pub(super) fn open(&mut self, source: &str, at: Timestamp) -> DeliveryId {
        for delivery in self.deliveries.values_mut() {
            if delivery.staged.source == source && delivery.staged.state == DeliveryState::Open {
                delivery.discard();
            }
        }
        let last = self.deliveries.keys().next_back().map_or(0, |id| id.0);
        let id = DeliveryId(last + 1);
        let delivery = Delivery {
            staged: Staged::new(id, source, at),
            rows: VecDeque::new(),
            totals: serde_json::Value::Null,
        };
        self.deliveries.insert(id, delivery);
        id
    }

    fn of(&mut self, id: DeliveryId, state: DeliveryState) -> Result<&mut Delivery> {
        let delivery = self.deliveries.get_mut(&id).ok_or_else(|| unknown(id))?;
        if delivery.staged.state == state {
            Ok(delivery)
        } else {
            Err(elsewhere(id, delivery.staged.state))
        }
    }

    pub(super) fn stage(&mut self, id: DeliveryId, rows: &[Row]) -> Result<()> {
        let delivery = self.of(id, DeliveryState::Open)?;
        for row in rows {
            if let Row::Withdrawn { person } = row {
                delivery.rows.retain(|staged| staged.person() != person);
            } else {
                delivery.rows.push_back(row.clone());
            }
        }
        delivery.staged.rows = delivery.rows.len() as u64;
        Ok(())
    }

    pub(super) fn close(
        &mut self,
        id: DeliveryId,
        totals: &serde_json::Value,
        findings: &[String],
    ) -> Result<()> {
        let delivery = self.of(id, DeliveryState::Open)?;
        delivery.totals = totals.clone();
        delivery.staged.findings = findings.to_vec();
        if findings.is_empty() {
            self.believe(id);
        } else {
            delivery.staged.state = DeliveryState::Held;
        }
        Ok(())
    }

    fn believe(&mut self, id: DeliveryId) {
        if let Some(delivery) = self.deliveries.get_mut(&id) {
            delivery.staged.state = DeliveryState::Releasing;
            self.good
                .insert(delivery.staged.source.clone(), delivery.totals.clone());
        }
    }

    pub(super) fn decide(&mut self, id: DeliveryId, release: bool, decision: String) -> Result<()> {
        let delivery = self.of(id, DeliveryState::Held)?;
        let source = delivery.staged.source.clone();
        let believed = [DeliveryState::Releasing, DeliveryState::Released];
        let newer = self
            .deliveries
            .range(id..)
            .any(|(_, other)| other.staged.source == source && believed.contains(&other.staged.state));
        if release && newer {
            return Err(overtaken(id));
        }
        let delivery = self.of(id, DeliveryState::Held)?;
        delivery.staged.decision = Some(decision);
        if release {
            self.believe(id);
        } else {
            delivery.discard();
        }
        Ok(())
    }

    /// Nothing of this person is kept.
    pub(super) fn forget(&mut self, person: &PersonKey) {
        for delivery in self.deliveries.values_mut() {
            delivery.rows.retain(|row| row.person() != person);
        }
    }

    pub(super) fn staged(&self) -> Vec<Staged> {
        let all = self.deliveries.values().map(|delivery| &delivery.staged);
        let over = [DeliveryState::Released, DeliveryState::Discarded];
        all.filter(|staged| !over.contains(&staged.state))
            .cloned()
            .collect()
    }

    pub(super) fn delivery(&self, id: DeliveryId) -> Option<Staged> {
        self.deliveries.get(&id).map(|delivery| delivery.staged.clone())
    }

    pub(super) fn last_good(&self, source: &str) -> Option<serde_json::Value> {
        self.good.get(source).cloned()
    }
}

impl Inner {
    pub(super) fn release_some(&mut self, id: DeliveryId, max: usize, now: Timestamp) -> Result<Released> {
        let delivery = self.desk.of(id, DeliveryState::Releasing)?;
        let many = delivery.rows.len().min(max);
        let rows: Vec<Row> = delivery.rows.drain(..many).collect();
        let mut released = Released {
            over: rows.len() < max,
            ..Released::default()
        };
        delivery.staged.rows = delivery.rows.len() as u64;
        if released.over {
            delivery.staged.state = DeliveryState::Released;
        }
        for row in rows {
            match self.accept(row, now) {
                Some(Appended::New) => released.events += 1,
                Some(Appended::Conflict) => released.quarantined += 1,
                _ => released.unchanged += 1,
            }
        }
        Ok(released)
    }

    fn accept(&mut self, row: Row, now: Timestamp) -> Option<Appended> {
        let event = match row {
            Row::Record { person } => self.observed(&person, now)?,
            Row::News { news } => Event::told(News {
                heard_at: now,
                ..*news
            }),
            Row::Withdrawn { .. } => return None,
        };
        Some(self.append_noted(&event))
    }

    fn observed(&self, person: &Person, now: Timestamp) -> Option<Event> {
        let lane = self.lanes.get(&person.key);
        Event::observed(lane.and_then(|lane| lane.accepted.as_ref()), person, now)
    }

    pub(super) fn successor_of(&self, person: &PersonKey) -> Option<PersonKey> {
        let named = |accepted: &crate::event::Accepted| accepted.previous_id() == Some(person);
        let mut lanes = self.lanes.iter();
        lanes
            .find(|(_, lane)| lane.accepted.as_ref().is_some_and(named))
            .map(|(key, _)| key.clone())
    }
}
