//! Correlation: accounts by immutable keys, and who uses a sign-in name.

use std::collections::{BTreeMap, BTreeSet};

use iam_core::Result;
use iam_core::entitlement::Account;
use iam_core::target::{Candidates, Keys};

use crate::account::{account, deleted_account};
use crate::deleted::{fits, name_before};
use crate::odata::CLAUSES;
use crate::query::{ELEMENT, Filter};
use crate::target::{GraphTarget, parallel};
use crate::users::User;

impl GraphTarget {
    pub(crate) async fn find_all(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        let workers: BTreeSet<&str> = keys
            .iter()
            .map(|key| key.person.as_str())
            .filter(|id| !id.is_empty())
            .collect();
        let by_worker = filters("employeeId", &workers);
        let workers: Vec<&str> = workers.into_iter().collect();
        let deleted = short_enough(&workers, &|ids| Filter::one_of("employeeId", ids));
        let (mut live, gone) = tokio::try_join!(self.live(&by_worker), self.gone(&deleted))?;
        // Recorded accounts that no longer carry a worker id that was asked for.
        let recorded: BTreeSet<&str> = keys
            .iter()
            .filter_map(|key| key.account.as_deref())
            .filter(|id| !live.iter().any(|user| user.id.eq_ignore_ascii_case(id)))
            .collect();
        live.extend(self.live(&filters("id", &recorded)).await?);
        let mine = |users: &[User], key: &Keys, read: fn(&User) -> Account| {
            let users = users.iter().filter(|user| belongs(user, key));
            let unique: BTreeMap<&str, &User> = users.map(|user| (user.id.as_str(), user)).collect();
            unique.into_values().map(read).collect()
        };
        let candidates = |key| Candidates {
            active: mine(&live, key, account),
            deleted: mine(&gone, key, deleted_account),
        };
        Ok(keys.iter().map(candidates).collect())
    }

    pub(crate) async fn names_in_use(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        let asked: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        // Three clauses for each name: as sign-in name, as mail address, as alias.
        let live: Vec<Filter> = asked
            .chunks(CLAUSES / 3)
            .map(|names| {
                let list = |property| Filter::one_of(property, names);
                let alias =
                    |name: &&str| Filter::any("proxyAddresses", Filter::eq(ELEMENT, format!("smtp:{name}")));
                let lists = ["userPrincipalName", "mail"].map(list);
                Filter::either(lists.into_iter().chain(names.iter().map(alias)))
            })
            .collect();
        // A deleted user's name has its object id in front.
        let gone = short_enough(&asked, &|names| {
            Filter::either(
                names
                    .iter()
                    .map(|name| Filter::ends_with("userPrincipalName", name)),
            )
        });
        let (live, gone) = tokio::try_join!(self.live(&live), self.gone(&gone))?;
        let mut taken = BTreeMap::new();
        let mut take = |name: &str, id: &str| {
            let name = name.to_lowercase();
            if asked.binary_search(&name.as_str()).is_ok() {
                taken.entry(name).or_insert_with(|| id.to_owned());
            }
        };
        for user in &live {
            let names = [&user.user_principal_name, &user.mail]
                .into_iter()
                .flatten()
                .map(String::as_str);
            let aliases = user
                .proxy_addresses
                .iter()
                .filter_map(|address| address.split_once(':'))
                .map(|(_, name)| name);
            names.chain(aliases).for_each(|name| take(name, &user.id));
        }
        for user in &gone {
            take(name_before(user), &user.id);
        }
        Ok(taken)
    }

    async fn live(&self, filters: &[Filter]) -> Result<Vec<User>> {
        let searches = filters.iter().map(|filter| self.client.find_users(filter));
        Ok(parallel(searches.collect())
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn gone(&self, filters: &[Filter]) -> Result<Vec<User>> {
        let searches = filters
            .iter()
            .map(|filter| self.client.find_deleted_users(filter));
        Ok(parallel(searches.collect())
            .await?
            .into_iter()
            .flatten()
            .collect())
    }
}

fn filters(property: &str, values: &BTreeSet<&str>) -> Vec<Filter> {
    let values: Vec<&str> = values.iter().copied().collect();
    values
        .chunks(CLAUSES)
        .map(|chunk| Filter::one_of(property, chunk))
        .collect()
}

/// Filters over these values for searches of the deleted, which may be of a certain length only.
fn short_enough(values: &[&str], filter: &dyn Fn(&[&str]) -> Filter) -> Vec<Filter> {
    let mut filters = Vec::new();
    let mut left: Vec<&[&str]> = values.chunks(CLAUSES).rev().collect();
    while let Some(values) = left.pop() {
        let whole = filter(values);
        let (first, second) = values.split_at(values.len() / 2);
        if first.is_empty() || fits(&whole) {
            filters.push(whole);
        } else {
            left.extend([second, first]);
        }
    }
    filters
}

/// Whether an account is a person's: it carries the worker id, or it is the recorded one and carries none.
pub(crate) fn belongs(user: &User, key: &Keys) -> bool {
    match user
        .employee_id
        .as_deref()
        .map(str::trim)
        .filter(|id| !id.is_empty())
    {
        // Graph compares without regard to case, so that two ids which differ in case only cannot be told apart.
        Some(id) => id.eq_ignore_ascii_case(key.person.as_str()),
        None => key
            .account
            .as_deref()
            .is_some_and(|id| id.eq_ignore_ascii_case(&user.id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_of_the_deleted_are_short_enough_and_leave_nobody_out() {
        let ends = |names: &[&str]| Filter::either(names.iter().map(|name| Filter::ends_with("mail", name)));
        let count = |length: usize, names: usize| {
            let names: Vec<String> = (0..names)
                .map(|n| format!("{n:03}{}", "'".repeat(length)))
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let filters = short_enough(&names, &ends);
            assert!(filters.iter().all(fits));
            let text: String = filters.iter().map(ToString::to_string).collect();
            assert!(names.iter().all(|name| text.contains(&name[..3])));
            filters.len()
        };
        assert_eq!((count(5, 0), count(5, 15), count(5, 16)), (0, 1, 2));
        // The longest names there are, of the signs that take most room.
        assert_eq!(count(110, 15), 8);
    }
}
