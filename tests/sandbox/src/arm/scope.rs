//! Scopes of Azure RBAC ("Understand scope for Azure RBAC"): the tenant, its root management group, the
//! subscription, a resource group, a resource.

use super::failure::ArmFail;
use super::{Account, Part};

/// A scope that exists, as Azure writes it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `/`, or `/subscriptions/…`; without a slash at the end.
    pub(crate) text: String,
    /// Below the subscription, or the subscription itself.
    pub(crate) in_subscription: bool,
}

impl Scope {
    /// Whether a scope is this one or above it. Paths have no letter case.
    pub(crate) fn is_within(&self, above: &str) -> bool {
        within(&self.text, above)
    }

    /// Where a role definition's id is written from: the subscription, or nowhere.
    pub(crate) fn prefix(&self, account: &Account) -> String {
        if self.in_subscription {
            format!("/subscriptions/{}", account.subscription)
        } else {
            String::new()
        }
    }
}

/// Whether `below` is `above` or lies under it. The tenant's root management group holds the subscription.
pub(crate) fn within(below: &str, above: &str) -> bool {
    let (below, above) = (below.to_lowercase(), above.to_lowercase());
    if above == "/" || below == above {
        return true;
    }
    if above.starts_with("/providers/microsoft.management/") {
        return below.starts_with("/subscriptions/");
    }
    below
        .strip_prefix(&above)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Reads a scope from the parts of a path and checks that it exists.
pub(crate) fn read(account: &Account, parts: &[Part], tenant: &str) -> Result<Scope, ArmFail> {
    let keys: Vec<&str> = parts.iter().map(|part| part.key.as_str()).collect();
    match keys.as_slice() {
        [] => Ok(Scope {
            text: "/".to_owned(),
            in_subscription: false,
        }),
        ["providers", "microsoft.management", "managementgroups", name] => {
            if *name != tenant {
                return Err(ArmFail::new(
                    403,
                    "AuthorizationFailed",
                    format!(
                        "The client does not have authorization to perform the action over scope \
                         '/providers/Microsoft.Management/managementGroups/{name}' or the scope is invalid."
                    ),
                ));
            }
            Ok(Scope {
                text: format!("/providers/Microsoft.Management/managementGroups/{name}"),
                in_subscription: false,
            })
        }
        ["subscriptions", id] => {
            account.known(id)?;
            Ok(Scope {
                text: format!("/subscriptions/{id}"),
                in_subscription: true,
            })
        }
        ["subscriptions", id, "resourcegroups", group] => {
            account.known(id)?;
            Ok(Scope {
                text: account.group(group, &parts[3].text)?.id.clone(),
                in_subscription: true,
            })
        }
        [
            "subscriptions",
            id,
            "resourcegroups",
            group,
            "providers",
            names @ ..,
        ] if names.len() >= 3 && names.len() % 2 == 1 => {
            account.known(id)?;
            let group = account.group(group, &parts[3].text)?;
            let rest: String = parts[4..].iter().flat_map(|part| ["/", &part.text]).collect();
            Ok(Scope {
                text: format!("{}{rest}", group.id),
                in_subscription: true,
            })
        }
        _ => {
            let path: String = parts.iter().flat_map(|part| ["/", &part.text]).collect();
            Err(ArmFail::nowhere(&path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn scopes_hold_what_is_below_them() {
        let check = |below: &str, above: &str, expect: bool| {
            assert_eq!(within(below, above), expect, "{below} in {above}");
        };
        check("/subscriptions/1/resourceGroups/siem", "/subscriptions/1", true);
        check(
            "/subscriptions/1/resourcegroups/SIEM",
            "/SUBSCRIPTIONS/1/resourceGroups/siem",
            true,
        );
        check(
            "/subscriptions/1/resourceGroups/siem-2",
            "/subscriptions/1/resourceGroups/siem",
            false,
        );
        check("/subscriptions/1", "/subscriptions/1/resourceGroups/siem", false);
        check(
            "/subscriptions/1",
            "/providers/Microsoft.Management/managementGroups/t",
            true,
        );
        check("/subscriptions/1", "/", true);
    }
}
