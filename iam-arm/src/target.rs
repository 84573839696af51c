//! [`ArmTarget`]: Azure role assignments as a [`Target`].
//!
//! It decides nothing. It has no accounts: roles are given to the principals of the directory, whose account
//! ids it is handed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use iam_core::Result;
use iam_core::entitlement::{Account, Actual, Catalog, Kind, TargetId};
use iam_core::plan::{IdempotencyKey, Step};
use iam_core::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::catalog::Offer;
use crate::client::ArmClient;
use crate::scope::Scope;

/// How many principals or scopes are asked for at once.
const PARALLEL: usize = 16;
/// How old a catalogue may be that names what somebody holds.
const OLD: SignedDuration = SignedDuration::from_mins(10);
/// How old it must be before an unknown role has it read again.
const YOUNG: SignedDuration = SignedDuration::from_secs(30);

/// The offer, and when it was read.
type Kept = (Timestamp, Arc<Offer>);

/// Azure role assignments through Azure Resource Manager. Its id in plans and ledgers is `arm`; its
/// principals are the accounts of `graph`. Cheap to clone.
///
/// In a policy's words a role at a scope is `<role name> @ <scope>`, for example
/// `Reader @ /subscriptions/<id>/resourceGroups/siem`.
#[derive(Debug, Clone)]
pub struct ArmTarget {
    pub(crate) client: ArmClient,
    pub(crate) id: TargetId,
    /// What is offered.
    scopes: Arc<BTreeSet<Scope>>,
    /// Where to look for what is held: every subscription once.
    pub(crate) roots: Arc<BTreeSet<Scope>>,
    principals_of: TargetId,
    kept: Arc<Mutex<Option<Kept>>>,
}

impl ArmTarget {
    /// The target behind that client, for the scopes that the policy names: paths in any case. What is held
    /// is looked for in their whole subscriptions.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid), naming the scope that is none.
    pub fn new(client: ArmClient, scopes: impl IntoIterator<Item = String>) -> Result<Self> {
        let scopes: BTreeSet<Scope> = scopes
            .into_iter()
            .map(|scope| scope.parse())
            .collect::<Result<_>>()?;
        let roots = scopes.iter().map(Scope::root).collect();
        Ok(Self {
            client,
            id: TargetId::new("arm"),
            scopes: Arc::new(scopes),
            roots: Arc::new(roots),
            principals_of: TargetId::new("graph"),
            kept: Arc::default(),
        })
    }

    /// The target whose accounts are the principals (`graph`).
    #[must_use]
    pub fn principals_of(mut self, target: TargetId) -> Self {
        self.principals_of = target;
        self
    }

    /// What the scopes offer, perhaps as it was some minutes ago.
    pub(crate) async fn offer(&self) -> Result<Arc<Offer>> {
        self.offer_within(OLD).await
    }

    /// What the scopes offer, as it is, unless that was asked for a moment ago.
    pub(crate) async fn newer_offer(&self) -> Result<Arc<Offer>> {
        self.offer_within(YOUNG).await
    }

    async fn offer_within(&self, age: SignedDuration) -> Result<Arc<Offer>> {
        // Held while reading: those who come meanwhile share the answer.
        let mut kept = self.kept.lock().await;
        let now = self.client.clock().now();
        if let Some((read_at, offer)) = kept.as_ref()
            && now.duration_since(*read_at) < age
        {
            return Ok(offer.clone());
        }
        let offer = Arc::new(Offer::read(&self.client, &self.id, &self.scopes).await?);
        *kept = Some((now, offer.clone()));
        Ok(offer)
    }
}

/// Does the work of a list, some of it at the same time; answers in order, and ends at the first error.
pub(crate) async fn parallel<T, F: Future<Output = Result<T>>>(work: Vec<F>) -> Result<Vec<T>> {
    stream::iter(work).buffered(PARALLEL).try_collect().await
}

#[async_trait]
impl Target for ArmTarget {
    fn id(&self) -> &TargetId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            actions: BTreeMap::from([
                // The name of an assignment follows from what is assigned to whom.
                ("grant", EffectClass::Repeatable),
                ("revoke", EffectClass::Repeatable),
            ]),
            kinds: [Kind::Azure].into(),
            lengths: BTreeMap::new(),
            principals_of: Some(self.principals_of.clone()),
            provisions: false,
        }
    }

    /// Every role that can be assigned at the scopes; always read anew.
    async fn catalog(&self) -> Result<Catalog> {
        Ok(self.offer_within(SignedDuration::ZERO).await?.catalog.clone())
    }

    /// The account that is handed in; nothing is asked.
    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        let candidates = |key: &Keys| Candidates {
            active: key.account.iter().map(Account::principal).collect(),
            deleted: Vec::new(),
        };
        Ok(keys.iter().map(candidates).collect())
    }

    /// None: sign-in names are the directory's.
    async fn names_taken(&self, _names: &[String]) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::new())
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        self.observe_all(who).await
    }

    async fn apply(&self, step: &Step, _key: &IdempotencyKey) -> Result<Applied> {
        self.carry_out(step).await
    }
}
