//! The target's side of packages: who has which, and how one is given and taken.
//!
//! Invariants: nothing is asked for twice while a request is open; what has been asked for and is not yet so is never
//! reported as gone.

use std::time::Duration;

use iam_core::entitlement::{Entitlement, Held, Kind, Unread, Via};
use iam_core::error::Retry;
use iam_core::target::{Applied, PersonRef};
use iam_core::{Error, ErrorKind, Result};

use super::{PackageAssignment, PackageRequest, PackageSubject};
use crate::catalog::Offer;
use crate::fresh::WAITS;
use crate::query::{Filter, Query};
use crate::target::{GraphTarget, parallel};

/// What stands, with a colon, in front of the id of a package that somebody has asked for and that awaits a decision or
/// its time: no policy gives that, and every leaver loses it.
const REQUESTED: &str = "requested";
/// Front of what is noted as assignment where there is a request alone.
const REQUEST: &str = "request:";
/// Assignments in force, or becoming so.
const CURRENT: [&str; 3] = ["delivering", "delivered", "partiallyDelivered"];
/// Requests that are not decided, or not carried out.
const OPEN: [&str; 4] = ["submitted", "delivering", "pendingApproval", "scheduled"];
/// Up to how many accounts are asked for one by one.
const FEW: usize = 8;
/// How often what has become of a lost request is looked up, and when to come back for what is on its way.
const LOOKS: usize = 3;
const LATER: Duration = Duration::from_secs(30);

/// What is known of somebody's packages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parcel {
    assignments: Vec<PackageAssignment>,
    requests: Vec<PackageRequest>,
}

fn is_of(subject: Option<&PackageSubject>, account: &str) -> bool {
    let id = subject.and_then(|subject| subject.object_id.as_deref());
    id.is_some_and(|id| id.eq_ignore_ascii_case(account))
}

fn state_in(state: Option<&str>, states: &[&str]) -> bool {
    state.is_some_and(|state| states.iter().any(|known| known.eq_ignore_ascii_case(state)))
}

impl PackageAssignment {
    fn package(&self) -> &str {
        self.access_package.as_ref().map_or("", |package| &package.id)
    }
}

impl PackageRequest {
    fn package(&self) -> &str {
        self.access_package.as_ref().map_or("", |package| &package.id)
    }

    fn waits(&self) -> bool {
        state_in(self.state.as_deref(), &["pendingApproval", "scheduled"])
    }

    fn ends(&self, assignment: &PackageAssignment) -> bool {
        let named = self.assignment.as_ref().map(|named| &named.id);
        !self.adds() && named.is_some_and(|id| id.eq_ignore_ascii_case(&assignment.id))
    }
}

impl Parcel {
    /// Packages that are assigned.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &str> {
        self.assignments.iter().map(PackageAssignment::package)
    }

    /// The package that puts an account into a group, if one does.
    pub(crate) fn bringing(&self, group: &str, offer: &Offer) -> Option<&str> {
        self.packages()
            .find(|package| offer.packages.brings(package, group))
    }

    fn of(&self, package: &str) -> Self {
        let is = |id: &str| id.eq_ignore_ascii_case(package);
        let assignments = self.assignments.iter().filter(|held| is(held.package()));
        let requests = self.requests.iter().filter(|request| is(request.package()));
        Self {
            assignments: assignments.cloned().collect(),
            requests: requests.cloned().collect(),
        }
    }
}

impl GraphTarget {
    /// The packages of these accounts, in order, or why they are unread. Where they are not looked after, there are
    /// none.
    pub(crate) async fn parcels(&self, who: &[PersonRef]) -> Result<(Vec<Parcel>, Option<Unread>)> {
        let accounts: Vec<&str> = who.iter().map(|person| person.account.as_str()).collect();
        if self.packages.is_none() {
            return Ok((vec![Parcel::default(); who.len()], None));
        }
        match self.read_parcels(&accounts).await {
            Ok(read) => Ok((read, None)),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Err(error),
            Err(error) => {
                tracing::warn!(%error, "access packages are not told");
                let unread = Unread::all_of(Kind::Package, error.to_string());
                Ok((vec![Parcel::default(); who.len()], Some(unread)))
            }
        }
    }

    async fn read_parcels(&self, accounts: &[&str]) -> Result<Vec<Parcel>> {
        let requests = parallel(OPEN.map(|state| self.client.list_package_requests(state)).into());
        let assignments = async {
            if accounts.len() <= FEW {
                let own = accounts.iter().map(|id| self.client.package_assignments_of(id));
                return parallel(own.collect()).await;
            }
            let in_state = async |state: &str| {
                let query = Query::new().filter(Filter::eq("state", state));
                self.client.stream_package_assignments(query)?.all().await
            };
            parallel(CURRENT.iter().map(|state| in_state(state)).collect()).await
        };
        let (requests, assignments) = tokio::try_join!(requests, assignments)?;
        let requests: Vec<PackageRequest> = requests.into_iter().flatten().collect();
        let assignments: Vec<PackageAssignment> = assignments
            .into_iter()
            .flatten()
            .filter(|held: &PackageAssignment| state_in(held.state.as_deref(), &CURRENT))
            .collect();
        let parcel = |account: &&str| {
            let held = assignments
                .iter()
                .filter(|held| is_of(held.target.as_ref(), account));
            let assignments: Vec<PackageAssignment> = held.cloned().collect();
            // Who asked for an end is not always who loses it.
            let about = |request: &&PackageRequest| {
                is_of(request.requestor.as_ref(), account)
                    || assignments.iter().any(|held| request.ends(held))
            };
            Parcel {
                requests: requests.iter().filter(about).cloned().collect(),
                assignments,
            }
        };
        Ok(accounts.iter().map(parcel).collect())
    }

    /// What an account holds of packages.
    pub(crate) fn unpacked(&self, parcel: &Parcel) -> Vec<Held> {
        let entitlement = |id: &str, name: &str| Entitlement {
            target: self.id.clone(),
            kind: Kind::Package,
            id: id.to_owned(),
            name: if name.is_empty() { id } else { name }.to_owned(),
        };
        let mut held: Vec<Held> = Vec::new();
        for assignment in &parcel.assignments {
            let policy = assignment.assignment_policy.as_ref();
            let automatic = policy.is_some_and(super::AssignmentPolicy::is_automatic);
            let package = assignment.access_package.clone().unwrap_or_default();
            held.push(Held {
                entitlement: entitlement(&package.id, &package.display_name),
                via: if automatic { Via::Dynamic } else { Via::Direct },
                assignment: Some(assignment.id.clone()),
            });
        }
        for request in parcel.requests.iter().filter(|request| request.adds()) {
            let package = request.access_package.clone().unwrap_or_default();
            let entitlement = if request.waits() {
                let id = format!("{REQUESTED}:{}", package.id);
                entitlement(&id, &format!("{} ({REQUESTED})", package.display_name))
            } else {
                entitlement(&package.id, &package.display_name)
            };
            if !held.iter().any(|known| known.entitlement.id == entitlement.id) {
                held.push(Held {
                    entitlement,
                    via: Via::Direct,
                    assignment: Some(format!("{REQUEST}{}", request.id)),
                });
            }
        }
        held
    }

    async fn parcel_of(&self, account: &str, package: &str) -> Result<Parcel> {
        let mut parcels = self.read_parcels(&[account]).await?;
        Ok(parcels.pop().unwrap_or_default().of(package))
    }

    /// Asks for a package, unless that has been done. It is there minutes later, and counts as held until then.
    pub(crate) async fn give_package(&self, account: &str, what: &Entitlement) -> Result<Applied> {
        let offer = self.offer().await?;
        let choices = self.packages.clone().unwrap_or_default();
        let policy = offer.packages.policy(&what.id, &choices)?;
        let mut lost = None;
        for wait in &WAITS[..LOOKS] {
            let parcel = self.parcel_of(account, &what.id).await?;
            let ending = |held: &PackageAssignment| parcel.requests.iter().any(|request| request.ends(held));
            if parcel.assignments.iter().any(ending) {
                let why = format!("{what} is being taken away: it can be given once that is done");
                return Err(
                    Error::new(ErrorKind::NotYetReplicated, why).with_retry(Retry::After(Some(LATER)))
                );
            }
            let coming = parcel
                .requests
                .iter()
                .any(|request| request.adds() && !request.waits());
            if coming || !parcel.assignments.is_empty() {
                return Ok(if lost.is_some() {
                    Applied::Done { account: None }
                } else {
                    Applied::AlreadySo { account: None }
                });
            }
            if parcel.requests.iter().any(PackageRequest::waits) {
                let why = format!(
                    "there is a request for {what} that awaits a decision: it can be given after that"
                );
                return Err(Error::new(ErrorKind::Conflict, why).with_retry(Retry::After(None)));
            }
            match self.client.assign_package(account, &what.id, &policy).await {
                Ok(_) => return Ok(Applied::Done { account: None }),
                // Whether it has been taken is looked up before it is asked for once more.
                Err(error) if matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Protocol) => {
                    lost = Some(error);
                    self.client.clock().sleep(*wait).await;
                }
                Err(error) => return Err(error),
            }
        }
        let unknown = || Error::new(ErrorKind::OutcomeUnknown, "no answer");
        Err(lost.unwrap_or_else(unknown).with_kind(ErrorKind::OutcomeUnknown))
    }

    /// Takes requests back, and asks for the end of assignments. What has not ended is unknown, and looked at again.
    pub(crate) async fn take_package(&self, account: &str, what: &Entitlement) -> Result<Applied> {
        let package = what
            .id
            .strip_prefix(REQUESTED)
            .and_then(|id| id.strip_prefix(':'));
        let parcel = self.parcel_of(account, package.unwrap_or(&what.id)).await?;
        let on_its_way =
            |why: String| Error::new(ErrorKind::OutcomeUnknown, why).with_retry(Retry::After(Some(LATER)));
        for held in &parcel.assignments {
            if parcel.requests.iter().any(|request| request.ends(held)) {
                continue;
            }
            match self.client.remove_package(&held.id).await {
                // Somebody asks for the same.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                asked => drop(asked?),
            }
        }
        let mut canceled = false;
        for request in parcel
            .requests
            .iter()
            .filter(|request| request.adds() && request.waits())
        {
            self.client.cancel_package_request(&request.id).await?;
            canceled = true;
        }
        if !parcel.assignments.is_empty() {
            return Err(on_its_way(format!(
                "the end of {what} has been asked for, and is on its way"
            )));
        }
        if parcel
            .requests
            .iter()
            .any(|request| request.adds() && !request.waits())
        {
            let why = format!("{what} is on its way: it is taken away once it is there");
            return Err(on_its_way(why));
        }
        Ok(if canceled {
            Applied::Done { account: None }
        } else {
            Applied::AlreadySo { account: None }
        })
    }
}
