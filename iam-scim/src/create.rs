//! Creating an account exactly once (effect class B).
//!
//! Not every server keeps names unique, and answers get lost. So the account is looked for before and after:
//! one with our worker id is adopted, a name that somebody else has is reported, and only where there is
//! nothing the request is sent, or sent again.

use std::time::Duration;

use iam_core::entitlement::Attributes;
use iam_core::error::Retry;
use iam_core::person::PersonKey;
use iam_core::target::{Applied, Keys};
use iam_core::{Error, ErrorKind, Result};

use crate::attributes::fill;
use crate::filter::Filter;
use crate::find::belongs;
use crate::target::ScimTarget;
use crate::users::{Entry, User};

const OPERATION: &str = "create user";
/// How long is waited before looking for an account whose answer was lost; as often it is sent.
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Who has a name or a worker id.
enum Holder {
    Ours(Box<User>),
    SomebodyElse,
    Nobody,
}

impl ScimTarget {
    pub(crate) async fn create(
        &self,
        person: &PersonKey,
        name: &str,
        attributes: &Attributes,
    ) -> Result<Applied> {
        match self.holder(person, name).await? {
            Holder::Ours(user) => return Ok(Applied::AlreadySo { account: user.id }),
            Holder::SomebodyElse => return Err(taken()),
            Holder::Nobody => {}
        }
        let new = new_user(person, name, attributes);
        let mut lost: Option<Error> = None;
        for wait in WAITS {
            match self.client.create_user(&new).await {
                Ok(user) => return self.created(user).await,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return match self.holder(person, name).await? {
                        Holder::Ours(user) => self.created(*user).await,
                        _ => Err(error),
                    };
                }
                // Among others a `Protocol` error: made, but the answer cannot be read.
                Err(error) if matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Protocol) => {
                    lost = Some(error);
                }
                Err(error) => return Err(error),
            }
            tracing::warn!(%person, "the answer to creating an account was lost, looking for it");
            self.client.clock().sleep(wait).await;
            if let Holder::Ours(user) = self.holder(person, name).await? {
                return self.created(*user).await;
            }
        }
        let unknown = || Error::new(ErrorKind::OutcomeUnknown, "no answer").with_operation(OPERATION);
        Err(lost
            .unwrap_or_else(unknown)
            .with_kind(ErrorKind::OutcomeUnknown)
            .with_retry(Retry::Exhausted))
    }

    /// Ours by now. A server that makes every new account active is corrected: nobody has access before
    /// their start.
    async fn created(&self, user: User) -> Result<Applied> {
        if user.active == Some(true) {
            self.activate(user.id(), false).await?;
        }
        Ok(Applied::Done { account: user.id })
    }

    async fn holder(&self, person: &PersonKey, name: &str) -> Result<Holder> {
        let key = Keys {
            person: person.clone(),
            account: None,
        };
        let by_key = Filter::eq("externalId", person.as_str());
        let by_name = Filter::eq("userName", name);
        let abilities = self.client.abilities().await?;
        let users = if abilities.filter && abilities.unfilterable.is_empty() {
            // One after the other: the first may show that the server cannot filter so.
            let mut users = self.client.list_users(Some(&by_key)).await?;
            users.extend(self.client.list_users(Some(&by_name)).await?);
            users
        } else {
            self.client.list_users(None).await?
        };
        let mut ours: Vec<&User> = users.iter().filter(|user| belongs(user, &key)).collect();
        ours.sort_by_key(|user| user.id());
        ours.dedup_by_key(|user| user.id());
        let named = |user: &User| {
            user.user_name
                .as_deref()
                .is_some_and(|text| text.to_lowercase() == name.to_lowercase())
        };
        match ours.as_slice() {
            [one] => Ok(Holder::Ours(Box::new((*one).clone()))),
            [] if users.iter().any(named) => Ok(Holder::SomebodyElse),
            [] => Ok(Holder::Nobody),
            _ => {
                let message =
                    format!("more than one account carries the worker id {person}: a person must decide");
                Err(Error::new(ErrorKind::Conflict, message).with_operation(OPERATION))
            }
        }
    }
}

fn new_user(person: &PersonKey, name: &str, attributes: &Attributes) -> User {
    let mut user = User::new(name);
    let mut enterprise = fill(&mut user, attributes);
    enterprise.employee_number = Some(person.as_str().to_owned());
    user.external_id = Some(person.as_str().to_owned());
    user.active = Some(false);
    if user.display_name.is_none() {
        user.display_name = Some(name.split('@').next().unwrap_or(name).to_owned());
    }
    // Sign-in names of Entra are addresses, and many applications insist on one.
    if name.contains('@') {
        user.emails = vec![Entry {
            kind: Some("work".to_owned()),
            primary: Some(true),
            ..Entry::new(name)
        }];
    }
    user.with_enterprise(enterprise)
}

fn taken() -> Error {
    Error::new(ErrorKind::AlreadyExists, "another account has the same userName").with_operation(OPERATION)
}
