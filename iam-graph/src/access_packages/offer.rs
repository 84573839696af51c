//! Which packages the tenant offers, by which policies, and what they bring.

use std::collections::{BTreeMap, HashMap};

use iam_core::entitlement::Class;
use iam_core::{Error, ErrorKind, Result};

use super::{AccessPackage, AssignmentPolicy};
use crate::catalog::is_refused;
use crate::client::GraphClient;
use crate::target::parallel;

/// Which policy gives a package, where somebody has chosen one: by ids in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices(pub(crate) BTreeMap<String, String>);

/// What is known of the tenant's packages, by their ids in lower case.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    pub(crate) all: Vec<AccessPackage>,
    policies: HashMap<String, Vec<AssignmentPolicy>>,
    /// The groups of those packages of which it is told what they hold.
    groups: HashMap<String, Vec<String>>,
}

impl Packages {
    pub(crate) async fn read(client: &GraphClient) -> Result<Self> {
        let (all, policies) =
            tokio::try_join!(client.list_access_packages(), client.list_assignment_policies())?;
        let whole = async |id: &str| match client.access_package(id).await {
            // What it brings counts as given by somebody else then.
            Err(error) if is_refused(&error) || error.kind() == ErrorKind::NotFound => {
                tracing::warn!(%error, package = id, "what an access package holds is not told");
                Ok(None)
            }
            read => read.map(Some),
        };
        let read = parallel(all.iter().map(|package| whole(&package.id)).collect()).await?;
        let held = |package: AccessPackage| {
            let groups = package.groups().map(str::to_lowercase).collect();
            (package.id.to_lowercase(), groups)
        };
        let mut packages = Self {
            groups: read.into_iter().flatten().map(held).collect(),
            all,
            policies: HashMap::new(),
        };
        for policy in policies {
            let of = policy
                .access_package
                .as_ref()
                .map(|package| package.id.to_lowercase());
            packages
                .policies
                .entry(of.unwrap_or_default())
                .or_default()
                .push(policy);
        }
        Ok(packages)
    }

    fn policies(&self, package: &str) -> &[AssignmentPolicy] {
        let found = self.policies.get(&package.to_lowercase());
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// A package that is given by rules alone follows from attributes.
    pub(crate) fn class(&self, package: &str) -> Class {
        let policies = self.policies(package);
        if !policies.is_empty() && policies.iter().all(AssignmentPolicy::is_automatic) {
            Class::Dynamic
        } else {
            Class::Assignable
        }
    }

    /// Whether a package puts people into that group.
    pub(crate) fn brings(&self, package: &str, group: &str) -> bool {
        let groups = self.groups.get(&package.to_lowercase());
        groups.is_some_and(|groups| groups.iter().any(|held| held.eq_ignore_ascii_case(group)))
    }

    /// The policy to assign a package by: the one that was chosen, the first for administrators alone, the first that
    /// is not automatic.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when there is none.
    pub(crate) fn policy(&self, package: &str, choices: &Choices) -> Result<String> {
        let policies = self.policies(package);
        let chosen = choices.0.get(&package.to_lowercase());
        let fitting = || policies.iter().filter(|policy| !policy.is_automatic());
        let found = match chosen {
            Some(id) => fitting().find(|policy| policy.id.eq_ignore_ascii_case(id)),
            None => fitting()
                .find(|policy| policy.is_direct())
                .or_else(|| fitting().next()),
        };
        let found = found.map(|policy| policy.id.clone());
        found.ok_or_else(|| {
            let which = chosen.map_or_else(String::new, |id| format!(" of the id {id}"));
            let message =
                format!("access package {package} has no policy{which} by which it can be assigned");
            Error::new(ErrorKind::Invalid, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn packages(policies: serde_json::Value) -> Packages {
        let policies: Vec<AssignmentPolicy> = serde_json::from_value(policies).unwrap();
        Packages {
            policies: HashMap::from([("a1".to_owned(), policies)]),
            ..Packages::default()
        }
    }

    #[test]
    fn the_policy_is_the_chosen_one_then_that_of_administrators_then_the_first() {
        let none = Choices::default();
        let chosen = |id: &str| Choices(BTreeMap::from([("a1".to_owned(), id.to_owned())]));
        let auto =
            json!({"id": "auto", "automaticRequestSettings": {"requestAccessForAllowedTargets": true}});
        let users = json!({"id": "users", "allowedTargetScope": "allMemberUsers"});
        let direct = json!({"id": "direct", "allowedTargetScope": "notSpecified"});
        let all = packages(json!([auto, users, direct]));
        assert_eq!(all.policy("A1", &none).unwrap(), "direct");
        assert_eq!(all.policy("a1", &chosen("USERS")).unwrap(), "users");
        assert_eq!(all.class("a1"), Class::Assignable);
        let error = all.policy("a1", &chosen("auto")).unwrap_err();
        assert!(error.message().contains("of the id auto"), "{error}");
        assert_eq!(
            packages(json!([auto, users])).policy("a1", &none).unwrap(),
            "users"
        );
        let by_rule = packages(json!([auto]));
        assert_eq!(by_rule.class("a1"), Class::Dynamic);
        assert_eq!(
            by_rule.policy("a1", &none).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        assert_eq!(packages(json!([])).class("a1"), Class::Assignable);
    }
}
