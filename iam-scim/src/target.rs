//! [`ScimTarget`]: an application with a SCIM 2.0 service provider as a [`Target`].
//!
//! It decides nothing. Every answer says what is, what was done, or that it was so already.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use iam_core::Result;
use iam_core::entitlement::{Actual, Catalog, Kind, TargetId};
use iam_core::plan::{IdempotencyKey, Step};
use iam_core::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};

use crate::attributes::NOWHERE;
use crate::client::ScimClient;

/// How many resources are asked for at once.
const PARALLEL: usize = 8;

/// One application behind SCIM. Cheap to clone.
///
/// - Accounts are correlated by `externalId`, which holds the worker id (`employeeNumber` of the enterprise
///   extension where the server does not keep `externalId`).
/// - A role of the application ([`Kind::App`]) is membership of the SCIM group of that `displayName`. Where
///   the server has no groups it is a value in the user's `roles`; those that can be given are the
///   `canonicalValues` of its schema and [those named here](Self::with_roles).
/// - SCIM has no soft delete: nobody is found deleted, and somebody deactivated is an account that cannot sign
///   in. Restoring is activating.
/// - SCIM knows neither sessions nor an administrator's password reset that every server has. Those two steps
///   say [`AlreadySo`](Applied::AlreadySo): deactivating and removing roles is what ends access here.
#[derive(Debug, Clone)]
pub struct ScimTarget {
    pub(crate) client: ScimClient,
    pub(crate) id: TargetId,
    pub(crate) roles: Arc<[String]>,
    pub(crate) domains: Arc<[String]>,
}

impl ScimTarget {
    /// The application behind that client; `id` is its name in policies, plans and ledgers (`ticketing`).
    pub fn new(id: &str, client: ScimClient) -> Self {
        Self {
            client,
            id: TargetId::new(id),
            roles: Arc::new([]),
            domains: Arc::new([]),
        }
    }

    /// Names roles that can be given at a server without groups, whose schema does not list them.
    #[must_use]
    pub fn with_roles<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Names the domains that sign-in names may end in: SCIM does not tell, and an engine without a directory
    /// beside this application compares the policy's domain with them.
    #[must_use]
    pub fn with_domains<S: AsRef<str>>(mut self, domains: impl IntoIterator<Item = S>) -> Self {
        self.domains = domains
            .into_iter()
            .map(|domain| domain.as_ref().to_lowercase())
            .collect();
        self
    }

    /// The client, for what has no step.
    pub fn client(&self) -> &ScimClient {
        &self.client
    }
}

/// Does the work of a list, some of it at the same time; answers in order, and ends at the first error.
pub(crate) async fn parallel<T, F: Future<Output = Result<T>>>(work: Vec<F>) -> Result<Vec<T>> {
    stream::iter(work).buffered(PARALLEL).try_collect().await
}

#[async_trait]
impl Target for ScimTarget {
    fn id(&self) -> &TargetId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        use EffectClass::{Repeatable, UniqueKey};
        Capabilities {
            actions: BTreeMap::from([
                ("create_account", UniqueKey),
                ("restore_account", Repeatable),
                ("update_account", Repeatable),
                ("set_manager", Repeatable),
                ("allow_sign_in", Repeatable),
                ("block_sign_in", Repeatable),
                ("revoke_sessions", Repeatable),
                ("reset_password", Repeatable),
                // Membership is looked up before it is changed.
                ("grant", Repeatable),
                ("revoke", Repeatable),
                ("delete_account", Repeatable),
            ]),
            kinds: [Kind::App].into(),
            principals_of: None,
            lengths: NOWHERE.map(|attribute| (attribute, 0)).into(),
            provisions: false,
        }
    }

    /// Always read anew.
    async fn catalog(&self) -> Result<Catalog> {
        self.offer().await
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.find_all(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        self.names_in_use(names).await
    }

    /// Reads all groups with their members once, however many people are asked for.
    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        self.observe_all(who).await
    }

    async fn apply(&self, step: &Step, _key: &IdempotencyKey) -> Result<Applied> {
        self.carry_out(step).await
    }
}
