//! [`GraphTarget`]: Microsoft Entra ID as a [`Target`].
//!
//! It decides nothing. Every answer says what is, what was done, or that it was so already; passwords are
//! made for one request and never leave it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use iam_core::Result;
use iam_core::entitlement::{Actual, Attribute, Catalog, Kind, TargetId};
use iam_core::person::PersonKey;
use iam_core::plan::{IdempotencyKey, Step};
use iam_core::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, OnceCell};

use crate::access_packages::Choices;
use crate::catalog::Offer;
use crate::client::GraphClient;
use crate::fresh::Fresh;
use crate::provisioning::Admission;

/// How many accounts, or batches of keys, are asked for at once: what they ask shares HTTP requests.
const PARALLEL: usize = 64;
/// How long somebody counts as being worked on after a step.
const LATELY: SignedDuration = SignedDuration::from_secs(1);
/// How old a catalogue may be that names what somebody holds.
const OLD: SignedDuration = SignedDuration::from_mins(10);
/// How old it must be before an unknown id has it read again.
const YOUNG: SignedDuration = SignedDuration::from_secs(30);

/// The offer, and when it was read.
type Kept = (Timestamp, Arc<Offer>);

/// Microsoft Entra ID through Microsoft Graph. Its id in plans and ledgers is `graph`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GraphTarget {
    pub(crate) client: GraphClient,
    pub(crate) id: TargetId,
    pub(crate) fresh: Arc<Fresh>,
    /// Where new accounts are made, if not by this target.
    pub(crate) admission: Option<Admission>,
    /// Whether access packages are looked after, and by which policies they are given.
    pub(crate) packages: Option<Choices>,
    /// Whether sign-ins are told.
    sign_ins: bool,
    crowd: Arc<Crowd>,
    kept: Arc<Mutex<Option<Kept>>>,
    /// The user who is signed in, once that is known.
    pub(crate) signed_in: Arc<OnceCell<Option<String>>>,
    pub(crate) runs_as: BTreeSet<String>,
}

impl GraphTarget {
    /// The target behind that client. What is read and applied at the same time joins batches, so that many people at
    /// once take few HTTP requests; a call that is alone is sent as it is.
    #[allow(clippy::needless_pass_by_value)] // a target keeps its client
    pub fn new(client: GraphClient) -> Self {
        let client = client.joining();
        let fresh = Arc::new(Fresh::new(client.clock().clone()));
        Self {
            client,
            id: TargetId::new("graph"),
            fresh,
            admission: None,
            packages: None,
            sign_ins: false,
            crowd: Arc::default(),
            kept: Arc::default(),
            signed_in: Arc::default(),
            runs_as: BTreeSet::new(),
        }
    }

    /// The same, with new accounts made by API-driven inbound provisioning: for a policy of `authority = "scim"`.
    /// `principal` is the object id of the provisioning application's service principal, `job` the id of its job.
    ///
    /// Whoever is created at the same time shares requests of up to fifty. Sign-in is blocked in each record; the
    /// account is waited for ([20 seconds](Self::provisioning_deadline)), and completed through Graph with what the
    /// job does not map. An account that is not there in time has an unknown outcome: the engine tries again later,
    /// looks for it first, and the record is not sent again within an hour.
    #[must_use]
    pub fn provisioned_by(mut self, principal: &str, job: &str) -> Self {
        let job = self.client.provisioning_job(principal, job);
        self.admission = Some(Admission::new(job));
        self
    }

    /// How long one step waits for an account of inbound provisioning (20 seconds). Others may wait behind it, so that
    /// it should stay far below a worker's lease of five minutes; what takes longer is found by a later attempt.
    #[must_use]
    pub fn provisioning_deadline(mut self, deadline: Duration) -> Self {
        self.admission = self.admission.map(|admission| admission.within(deadline));
        self
    }

    /// The same, with access packages looked after: read of everybody, given and taken as the policy says, taken from
    /// leavers. It costs some reads for every observation, and needs Entra ID Governance and the permission
    /// `EntitlementManagement.ReadWrite.All`.
    ///
    /// A package is asked for, and counts as held from then on, though Entra delivers it minutes later. Its end is asked
    /// for likewise, and looked at again until it has come: the outcome is unknown until then. A group that a package
    /// brings is inherited from it. A request that awaits a decision is held as `requested:<package>`; only a signed-in
    /// administrator can take it back, and for an application the step is refused and reported.
    #[must_use]
    pub fn access_packages(mut self) -> Self {
        self.packages = Some(self.packages.unwrap_or_default());
        self
    }

    /// The same, telling when somebody signed in last, for a policy that wants to know (`no_show_after`,
    /// `[inactivity]`): one read for each person for whom it is time. It needs the permission `AuditLog.Read.All` and
    /// Entra ID P1.
    #[must_use]
    pub fn sign_ins(mut self) -> Self {
        self.sign_ins = true;
        self
    }

    /// Names the policy by which an access package is given, by their ids. Without, it is the package's first policy
    /// for direct assignment alone, or the first that is not automatic. Looks after [access
    /// packages](Self::access_packages) too.
    #[must_use]
    pub fn assigning_by(mut self, package: &str, policy: &str) -> Self {
        let mut choices = self.packages.take().unwrap_or_default();
        choices.0.insert(package.to_lowercase(), policy.to_lowercase());
        self.packages = Some(choices);
        self
    }

    /// Names the object id of the service principal (or account) that the platform runs as: no step touches it. A
    /// user who is signed in is known without.
    #[must_use]
    pub fn running_as(mut self, id: &str) -> Self {
        self.runs_as.insert(id.to_lowercase());
        self
    }

    /// What the tenant offers, perhaps as it was some minutes ago.
    pub(crate) async fn offer(&self) -> Result<Arc<Offer>> {
        self.offer_within(OLD).await
    }

    /// What the tenant offers, as it is, unless that was asked for a moment ago.
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
        let offer = Arc::new(Offer::read(&self.client, &self.id, self.packages.is_some()).await?);
        *kept = Some((now, offer.clone()));
        Ok(offer)
    }
}

/// Whose steps are being carried out side by side: a next step of each follows soon.
#[derive(Debug, Default)]
struct Crowd(std::sync::Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    last: Option<PersonKey>,
    /// When everybody had a step lately, and whether it came behind somebody else's: who is worked on alone, one
    /// person after the other, never does.
    people: HashMap<PersonKey, (Timestamp, bool)>,
}

impl Crowd {
    /// Notes a step, and says how many people have theirs side by side.
    fn note(&self, person: &PersonKey, now: Timestamp) -> usize {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = steps.last.as_ref() != Some(person);
        steps.last = Some(person.clone());
        let before = steps.people.get(person).map(|(_, side_by_side)| *side_by_side);
        let side_by_side = before.is_some_and(|already| already || behind);
        steps.people.insert(person.clone(), (now, side_by_side));
        steps.people.retain(|_, (at, _)| now.duration_since(*at) < LATELY);
        steps
            .people
            .values()
            .filter(|(_, side_by_side)| *side_by_side)
            .count()
    }
}

/// Does the work of a list, some of it at the same time; answers in order, and ends at the first error.
pub(crate) async fn parallel<T, F: Future<Output = Result<T>>>(work: Vec<F>) -> Result<Vec<T>> {
    stream::iter(work).buffered(PARALLEL).try_collect().await
}

#[async_trait]
impl Target for GraphTarget {
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
                ("grant", Repeatable),
                ("revoke", Repeatable),
                ("set_automatic_reply", Repeatable),
                ("end_automatic_reply", Repeatable),
                // A new pass takes the place of the one before: there never are two.
                ("issue_pass", Repeatable),
                ("withdraw_pass", Repeatable),
                ("share_drive", Repeatable),
                ("unshare_drive", Repeatable),
                ("hand_over_groups", Repeatable),
                ("hand_over_sponsorships", Repeatable),
                // The rule is looked for by its name first.
                ("forward_mail", Repeatable),
                ("end_forwarding", Repeatable),
                ("delete_account", Repeatable),
            ]),
            kinds: [Kind::Group, Kind::License, Kind::Role, Kind::App]
                .into_iter()
                .chain(self.packages.is_some().then_some(Kind::Package))
                .collect(),
            // Microsoft Learn, "user resource type": maximum lengths of the properties.
            lengths: [
                (Attribute::DisplayName, 256),
                (Attribute::GivenName, 64),
                (Attribute::FamilyName, 64),
                (Attribute::Department, 64),
                (Attribute::JobTitle, 128),
                (Attribute::Location, 128),
                (Attribute::Country, 128),
                (Attribute::Company, 64),
            ]
            .into(),
            principals_of: None,
            provisions: self.admission.is_some(),
        }
    }

    /// Always read anew.
    async fn catalog(&self) -> Result<Catalog> {
        let offer = self.offer_within(SignedDuration::ZERO).await?;
        let mut catalog = offer.catalog.clone();
        (catalog.keep, catalog.own) = tokio::try_join!(self.keep(&offer), self.own())?;
        Ok(catalog)
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.find_all(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        self.names_in_use(names).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        self.observe_all(who).await
    }

    fn tells_sign_ins(&self) -> bool {
        self.sign_ins
    }

    async fn last_sign_in(&self, account: &str) -> Result<Option<Timestamp>> {
        let activity = self.client.sign_in_activity(account).await?;
        Ok(activity.and_then(|activity| activity.last_success()))
    }

    async fn apply(&self, step: &Step, _key: &IdempotencyKey) -> Result<Applied> {
        let at_work = self.crowd.note(&step.person, self.client.clock().now());
        self.client.queue.expect(at_work);
        // A leaver's licences come right behind the errands.
        let leaves = step.action.removes_access() || step.action.errand().is_some();
        if !leaves {
            return self.carry_out(step).await;
        }
        let urgent = Self {
            client: self.client.urgent(),
            ..self.clone()
        };
        urgent.carry_out(step).await
    }
}
