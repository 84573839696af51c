//! What principals hold: one read for each principal and subscription, many at once.

use std::collections::BTreeMap;

use iam_core::entitlement::{Account, Actual, Held, Kind, Unread, Via};
use iam_core::target::PersonRef;
use iam_core::{ErrorKind, Result};

use crate::assignments::RoleAssignment;
use crate::catalog::{Offer, entitlement};
use crate::scope::Scope;
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
            .map(|(person, root)| self.look(root, &person.account));
        let mut seen = parallel(reads.collect()).await?.into_iter();
        let mut people = Vec::new();
        for _ in who {
            // What lies above two subscriptions is seen from both.
            let (mut unique, mut unread) = (BTreeMap::new(), Vec::new());
            for (held, why) in seen.by_ref().take(self.roots.len()) {
                unique.extend(held.into_iter().map(|held| (held.id.to_lowercase(), held)));
                unread.extend(why);
            }
            people.push((unique.into_values().collect::<Vec<_>>(), unread));
        }
        let named = !offer.is_unread();
        if named
            && people
                .iter()
                .flat_map(|(held, _)| held)
                .any(|held| offer.name_of(&held.role()).is_none())
        {
            offer = self.newer_offer().await?;
        }
        let actual = |(person, (held, unread)): (&PersonRef, (Vec<RoleAssignment>, Vec<Unread>))| Actual {
            person: person.person.clone(),
            account: Some(Account::principal(&person.account)),
            held: held.iter().map(|held| self.held(held, &offer)).collect(),
            unread,
        };
        Ok(who.iter().zip(people).map(actual).collect())
    }

    /// What a principal holds in one subscription, or why it is unread: what is held in the others goes without it.
    async fn look(&self, root: &Scope, principal: &str) -> Result<(Vec<RoleAssignment>, Option<Unread>)> {
        match self.client.assignments_of(root, principal).await {
            Ok(held) => Ok((held, None)),
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unavailable) => {
                let unread = Unread::all_of(Kind::Azure, format!("in {root}: {error}"));
                Ok((Vec::new(), Some(unread)))
            }
            Err(error) => Err(error),
        }
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
