//! Creating an account exactly once (effect class B).
//!
//! A user principal name is unique, and the worker id says whose an account is. So a refusal and a lost
//! answer are both settled by looking: an account with our worker id is adopted, a name that somebody else
//! has is reported, and only where there is nothing the request is repeated.

use futures::FutureExt;
use iam_core::entitlement::{Attribute, Attributes};
use iam_core::error::Retry;
use iam_core::person::{Person, PersonKey};
use iam_core::target::{Applied, Keys};
use iam_core::{Error, ErrorKind, Result};

use crate::account::{account, patch};
use crate::find::belongs;
use crate::fresh::WAITS;
use crate::password;
use crate::provisioning::{Admission, BulkUser};
use crate::query::Filter;
use crate::target::GraphTarget;
use crate::users::{NewUser, User, mail_nickname};

const OPERATION: &str = "create user";
/// How often the request is sent while its answers are lost.
const TRIES: usize = 3;

/// Who has a name or a worker id.
enum Holder {
    Ours(String),
    SomebodyElse,
    Nobody,
}

impl GraphTarget {
    pub(crate) async fn create(
        &self,
        person: &PersonKey,
        name: &str,
        attributes: &Attributes,
    ) -> Result<Applied> {
        let display_name = attributes
            .get(&Attribute::DisplayName)
            .filter(|text| !text.is_empty());
        let nickname = mail_nickname(name);
        if let Some(admission) = &self.admission {
            let display_name = display_name.unwrap_or(&nickname).as_str();
            let record = BulkUser::of(&described(person, attributes), name, display_name, false);
            return self.admitted(admission, record, attributes).await;
        }
        let mut new = NewUser {
            user_principal_name: name.to_owned(),
            display_name: display_name.cloned().unwrap_or_else(|| nickname.clone()),
            mail_nickname: nickname,
            employee_id: Some(person.as_str().to_owned()),
            account_enabled: false,
            password: password::random(),
            properties: patch(
                attributes
                    .iter()
                    .map(|(attribute, value)| (*attribute, value.as_str())),
            )?,
        };
        let mut lost: Option<Error> = None;
        for wait in &WAITS[..TRIES] {
            match self.client.create_user(&new).await {
                Ok(user) => return Ok(self.created(user.id)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return self.settle(person, name, error, lost.is_some()).await;
                }
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => lost = Some(error),
                // Among others a `Protocol` error: made, but the answer cannot be read.
                Err(error) if error.kind() == ErrorKind::Protocol => lost = Some(error),
                Err(error) => return Err(error),
            }
            tracing::warn!(%person, "the answer to creating an account was lost, looking for it");
            self.client.clock().sleep(*wait).await;
            if let Holder::Ours(id) = self.holder(person, name).await? {
                return Ok(self.created(id));
            }
            new.password = password::random();
        }
        let unknown = || Error::new(ErrorKind::OutcomeUnknown, "no answer").with_operation(OPERATION);
        Err(lost
            .unwrap_or_else(unknown)
            .with_kind(ErrorKind::OutcomeUnknown)
            .with_retry(Retry::Exhausted))
    }

    /// The account is made by inbound provisioning, unless it is there: perhaps by an earlier attempt, whose record was
    /// worked off late.
    async fn admitted(
        &self,
        admission: &Admission,
        record: BulkUser,
        attributes: &Attributes,
    ) -> Result<Applied> {
        match self.holder(record.key(), record.name()).await? {
            Holder::Ours(id) => {
                let user = self.client.user(&id).await?;
                self.complete(&user, attributes).await?;
                return Ok(Applied::AlreadySo { account: Some(id) });
            }
            Holder::SomebodyElse => {
                let message = "the sign-in name is somebody else's";
                return Err(Error::new(ErrorKind::AlreadyExists, message).with_operation(OPERATION));
            }
            Holder::Nobody => {}
        }
        let user = admission.admit(record).await?;
        self.fresh.note(&user.id);
        self.complete(&user, attributes).await?;
        if user.account_enabled == Some(true) {
            // A mapping of the job's own: nobody gets in before the plan says so.
            self.client
                .enable_user(&user.id, false)
                .await
                .map_err(incomplete)?;
        }
        Ok(Applied::Done {
            account: Some(user.id),
        })
    }

    /// Sets what the job does not map.
    async fn complete(&self, user: &User, attributes: &Attributes) -> Result<()> {
        let known = account(user).attributes;
        let missing = attributes
            .iter()
            .filter(|(attribute, value)| known.get(attribute) != Some(value))
            .map(|(attribute, value)| (*attribute, value.as_str()));
        let missing: Vec<_> = missing.collect();
        if missing.is_empty() {
            return Ok(());
        }
        let patch = patch(missing).map_err(incomplete)?;
        let attempt = || self.client.update_user(&user.id, &patch).boxed();
        let done = self.fresh.settled(&[&user.id], attempt).await;
        done.map_err(incomplete)
    }

    /// The name is taken. `sent` says that an earlier request of ours may have taken it.
    async fn settle(&self, person: &PersonKey, name: &str, refusal: Error, sent: bool) -> Result<Applied> {
        for wait in WAITS {
            match self.holder(person, name).await? {
                Holder::Ours(id) if sent => return Ok(self.created(id)),
                Holder::Ours(id) => return Ok(Applied::AlreadySo { account: Some(id) }),
                Holder::SomebodyElse => return Err(refusal),
                // An alias of a group or a contact; no user has it.
                Holder::Nobody if refusal.property() == Some("proxyAddresses") => return Err(refusal),
                Holder::Nobody => self.client.clock().sleep(wait).await,
            }
        }
        // Moving on to another name now could make a second account for the same person.
        let message = "the name is taken by an account that is not visible yet";
        let error = Error::new(ErrorKind::NotYetReplicated, message).with_source(refusal);
        Err(error.with_operation(OPERATION).with_retry(Retry::Exhausted))
    }

    async fn holder(&self, person: &PersonKey, name: &str) -> Result<Holder> {
        let key = Keys {
            person: person.clone(),
            account: None,
        };
        let filter = Filter::eq("employeeId", person.as_str());
        let (by_key, by_name) = tokio::join!(self.client.find_users(&filter), self.client.user(name));
        let by_name = match by_name {
            Ok(user) => Some(user),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut ours: Vec<String> = by_key?
            .iter()
            .chain(&by_name)
            .filter(|user| belongs(user, &key))
            .map(|user| user.id.clone())
            .collect();
        ours.sort();
        ours.dedup();
        match (ours.pop(), by_name) {
            (Some(_), _) if !ours.is_empty() => {
                let message =
                    format!("more than one account carries the worker id {person}: a person must decide");
                Err(Error::new(ErrorKind::Conflict, message).with_operation(OPERATION))
            }
            (Some(id), _) => Ok(Holder::Ours(id)),
            (None, Some(_)) => Ok(Holder::SomebodyElse),
            (None, None) => Ok(Holder::Nobody),
        }
    }

    fn created(&self, id: String) -> Applied {
        self.fresh.note(&id);
        Applied::Done { account: Some(id) }
    }
}

/// The person as far as a step knows them.
fn described(person: &PersonKey, attributes: &Attributes) -> Person {
    let value = |attribute| attributes.get(&attribute).cloned();
    Person {
        given_name: value(Attribute::GivenName),
        family_name: value(Attribute::FamilyName),
        department: value(Attribute::Department),
        job_title: value(Attribute::JobTitle),
        location: value(Attribute::Location),
        country: value(Attribute::Country),
        company: value(Attribute::Company),
        cost_center: value(Attribute::CostCenter),
        worker_type: value(Attribute::WorkerType),
        ..Person::new(person.clone())
    }
}

/// The account is there and not as it is to be: what the next attempt sees, it mends.
fn incomplete(error: Error) -> Error {
    let retry = match error.retry() {
        Retry::Never => Retry::Exhausted,
        retry => retry,
    };
    error.with_kind(ErrorKind::OutcomeUnknown).with_retry(retry)
}
