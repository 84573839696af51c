//! Correlation: accounts by immutable keys, and who uses a sign-in name.

use std::collections::{BTreeMap, BTreeSet};

use iam_core::target::{Candidates, Keys};
use iam_core::{ErrorKind, Result};

use crate::attributes::account;
use crate::filter::Filter;
use crate::target::{ScimTarget, parallel};
use crate::users::User;

impl ScimTarget {
    pub(crate) async fn find_all(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // The first question shows whether the server takes it; then either all are asked, or all users read.
        let first = self.by_worker(&keys[0]).await?;
        let found = if self.filters("externalid").await? {
            let rest = parallel(keys[1..].iter().map(|key| self.by_worker(key)).collect()).await?;
            std::iter::once(first).chain(rest).collect()
        } else {
            let everybody = self.client.list_users(None).await?;
            let mine = |key: &Keys| {
                everybody
                    .iter()
                    .filter(|user| belongs(user, key))
                    .cloned()
                    .collect()
            };
            keys.iter().map(mine).collect::<Vec<Vec<User>>>()
        };
        let with_recorded = found
            .into_iter()
            .zip(keys)
            .map(|(users, key)| self.with_recorded(users, key));
        let users = parallel(with_recorded.collect()).await?;
        let candidates = |users: Vec<User>| Candidates {
            active: users.iter().map(account).collect(),
            deleted: Vec::new(),
        };
        Ok(users.into_iter().map(candidates).collect())
    }

    /// Adds the account that an earlier event recorded, if it is not somebody else's by now.
    async fn with_recorded(&self, mut users: Vec<User>, key: &Keys) -> Result<Vec<User>> {
        let known = |users: &[User], id: &str| users.iter().any(|user| user.id() == id);
        if let Some(id) = key
            .account
            .as_deref()
            .filter(|id| !id.is_empty() && !known(&users, id))
        {
            match self.client.user(id).await {
                Ok(user) if belongs(&user, key) => users.push(user),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(users)
    }

    async fn by_worker(&self, key: &Keys) -> Result<Vec<User>> {
        if key.person.as_str().is_empty() {
            return Ok(Vec::new());
        }
        let filter = Filter::eq("externalId", key.person.as_str());
        self.client.list_users(Some(&filter)).await
    }

    async fn filters(&self, attribute: &str) -> Result<bool> {
        let abilities = self.client.abilities().await?;
        Ok(abilities.filter && !abilities.unfilterable.contains(attribute))
    }

    pub(crate) async fn names_in_use(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        // As given and in lower case: some servers compare exactly, though names are not case-exact.
        let lower = names.iter().map(|name| name.to_lowercase());
        let spellings: BTreeSet<String> = names.iter().cloned().chain(lower).collect();
        let mut spellings = spellings.into_iter();
        let Some(first) = spellings.next() else {
            return Ok(BTreeMap::new());
        };
        let ask = |name: String| async move {
            let filter = Filter::eq("userName", name);
            self.client.list_users(Some(&filter)).await
        };
        let mut users = ask(first).await?;
        if self.filters("username").await? {
            let found = parallel(spellings.map(ask).collect()).await?;
            users.extend(found.into_iter().flatten());
        } else {
            users = self.client.list_users(None).await?;
        }
        let asked: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let taken = users.iter().filter_map(|user| {
            let name = user.user_name.as_deref()?.to_lowercase();
            asked.contains(&name).then(|| (name, user.id().to_owned()))
        });
        Ok(taken.collect())
    }
}

/// Whether an account is the person's: it carries the worker id, or it is the recorded one and carries none.
pub(crate) fn belongs(user: &User, key: &Keys) -> bool {
    let filled = |text: &Option<String>| {
        text.clone()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let number = || {
        user.enterprise
            .as_ref()
            .and_then(|enterprise| filled(&enterprise.employee_number))
    };
    match filled(&user.external_id).or_else(number) {
        Some(worker) => worker == key.person.as_str(),
        None => key
            .account
            .as_deref()
            .is_some_and(|id| !id.is_empty() && id == user.id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::ENTERPRISE;
    use iam_core::person::PersonKey;
    use serde_json::json;

    #[test]
    fn an_account_belongs_by_worker_id_and_never_by_name() {
        let check = |user: serde_json::Value, recorded: Option<&str>, expect: bool| {
            let user: User = serde_json::from_value(user).unwrap();
            let key = Keys {
                person: PersonKey::new("W-1"),
                account: recorded.map(str::to_owned),
            };
            assert_eq!(belongs(&user, &key), expect);
        };
        check(json!({ "id": "7", "externalId": "W-1" }), None, true);
        check(json!({ "id": "7", "externalId": "W-2" }), Some("7"), false);
        check(json!({ "id": "7", "userName": "W-1" }), None, false);
        check(json!({ "id": "7" }), Some("7"), true);
        check(json!({ "id": "7", "externalId": " " }), Some("8"), false);
        check(
            json!({ "id": "7", ENTERPRISE: { "employeeNumber": "W-1" } }),
            None,
            true,
        );
        check(
            json!({ "id": "7", ENTERPRISE: { "employeeNumber": "W-2" } }),
            Some("7"),
            false,
        );
    }
}
