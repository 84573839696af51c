//! What principals hold: one read for each principal and subscription, many at once.

use std::collections::BTreeMap;

use iam_core::Result;
use iam_core::entitlement::{Account, Actual, Attributes, Held, Via};
use iam_core::target::PersonRef;

use crate::assignments::RoleAssignment;
use crate::catalog::{Offer, entitlement};
use crate::target::{ArmTarget, parallel};

impl ArmTarget {
    pub(crate) async fn observe_all(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        if who.is_empty() {
            return Ok(Vec::new());
        }
        let mut offer = self.offer().await?;
        let pairs: Vec<_> = who
            .iter()
            .flat_map(|person| self.roots.iter().map(move |root| (person, root)))
            .collect();
        let reads = pairs
            .iter()
            .map(|(person, root)| self.client.assignments_of(root, &person.account));
        let mut seen = parallel(reads.collect()).await?.into_iter();
        let mut people = Vec::new();
        for _ in who {
            // What lies above two subscriptions is seen from both.
            let mut unique = BTreeMap::new();
            for held in seen.by_ref().take(self.roots.len()).flatten() {
                unique.insert(held.id.to_lowercase(), held);
            }
            people.push(unique.into_values().collect::<Vec<_>>());
        }
        if people
            .iter()
            .flatten()
            .any(|held| offer.name_of(&held.role()).is_none())
        {
            offer = self.newer_offer().await?;
        }
        let actual = |(person, held): (&PersonRef, Vec<RoleAssignment>)| Actual {
            person: person.person.clone(),
            account: Some(account(&person.account)),
            held: held.iter().map(|held| self.held(held, &offer)).collect(),
        };
        Ok(who.iter().zip(people).map(actual).collect())
    }

    fn held(&self, assignment: &RoleAssignment, offer: &Offer) -> Held {
        let role = assignment.role();
        let name = offer.name_of(&role).unwrap_or(&role);
        Held {
            entitlement: entitlement(&self.id, &role, name, &assignment.scope()),
            via: Via::Direct,
            assignment: Some(assignment.id.clone()),
        }
    }
}

/// The principal: Azure keeps nothing of it but its id.
pub(crate) fn account(id: &str) -> Account {
    Account {
        id: id.to_owned(),
        name: String::new(),
        enabled: true,
        deleted: false,
        synced: false,
        attributes: Attributes::new(),
        manager: None,
    }
}
