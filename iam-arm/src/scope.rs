//! [`Scope`]: where in Azure a role holds.
//!
//! Source: Microsoft Learn, "Understand scope for Azure RBAC". Azure compares paths without regard to case
//! and writes `resourceGroups` in either: two spellings are one scope.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use iam_core::{Error, ErrorKind};

use crate::odata;

/// A path of Azure Resource Manager: a subscription, a resource group, a resource or a management group.
/// Compared without regard to case; printed as it was written, without its last slash.
#[derive(Debug, Clone)]
pub struct Scope {
    written: String,
    lower: String,
}

impl Scope {
    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The path in lower case: the one spelling that ids use.
    pub fn lower(&self) -> &str {
        &self.lower
    }

    /// The id of the subscription that the scope is in, or is; `None` for management groups and the root.
    pub fn subscription(&self) -> Option<&str> {
        let rest = self.lower.strip_prefix("/subscriptions/")?;
        rest.split('/').next()
    }

    /// The scope that tells of everything held in its subscription: the subscription, or the scope itself.
    pub(crate) fn root(&self) -> Self {
        match self.subscription() {
            Some(id) => Self::trusted(&format!("/subscriptions/{id}")),
            None => self.clone(),
        }
    }

    /// A scope that the service itself named, the root (`/`) included.
    pub(crate) fn trusted(path: &str) -> Self {
        let trimmed = path.trim().trim_end_matches('/');
        let written = if trimmed.is_empty() { "/" } else { trimmed };
        Self {
            written: written.to_owned(),
            lower: written.to_lowercase(),
        }
    }

    /// The path of something that `Microsoft.Authorization` keeps at this scope, escaped for a URL.
    pub(crate) fn authorization(&self, what: &str) -> String {
        let scope = odata::path(self.written.trim_end_matches('/'));
        format!("{scope}/providers/Microsoft.Authorization/{what}")
    }
}

impl FromStr for Scope {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Invalid`] for anything but `/subscriptions/<id>…` and
    /// `/providers/Microsoft.Management/managementGroups/<id>`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let scope = Self::trusted(text);
        let segments: Vec<&str> = scope.lower.split('/').skip(1).collect();
        let whole = segments
            .iter()
            .all(|name| !name.is_empty() && !matches!(*name, "." | "..") && !name.contains(is_foreign));
        let known = match segments.as_slice() {
            ["subscriptions", _]
            | ["subscriptions", _, "resourcegroups", _]
            | ["providers", "microsoft.management", "managementgroups", _] => true,
            ["subscriptions", _, "providers", rest @ ..]
            | ["subscriptions", _, "resourcegroups", _, "providers", rest @ ..] => rest.len() >= 3,
            _ => false,
        };
        if scope.written.starts_with('/') && whole && known {
            return Ok(scope);
        }
        let message = format!(
            "{text:?} is no Azure scope: expected /subscriptions/<id>, /subscriptions/<id>/resourceGroups/<name>, a resource's id or /providers/Microsoft.Management/managementGroups/<id>"
        );
        Err(Error::new(ErrorKind::Invalid, message))
    }
}

fn is_foreign(c: char) -> bool {
    c.is_control() || matches!(c, '?' | '#' | '\\' | '%' | '<' | '>' | '"')
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.lower == other.lower
    }
}

impl Eq for Scope {}

impl PartialOrd for Scope {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scope {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.lower.cmp(&other.lower)
    }
}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_paths_in_any_case() {
        let check = |text: &str, written: &str, subscription: Option<&str>| {
            let scope: Scope = text.parse().unwrap();
            assert_eq!((scope.as_str(), scope.subscription()), (written, subscription));
            assert_eq!(scope, text.to_uppercase().parse().unwrap());
        };
        check("/subscriptions/S1/", "/subscriptions/S1", Some("s1"));
        check(
            " /subscriptions/s1/resourceGroups/SIEM ",
            "/subscriptions/s1/resourceGroups/SIEM",
            Some("s1"),
        );
        let vault = "/subscriptions/s1/resourceGroups/a/providers/Microsoft.KeyVault/vaults/v";
        check(vault, vault, Some("s1"));
        let management = "/providers/Microsoft.Management/managementGroups/mg1";
        check(management, management, None);
    }

    #[test]
    fn anything_else_is_refused_with_advice() {
        for text in [
            "",
            "/",
            "Reader",
            "subscriptions/s1",
            "/subscriptions",
            "/subscriptions//resourceGroups/a",
            "/subscriptions/s1/resourceGroups",
            "/subscriptions/s1/../s2",
            "/subscriptions/s1?x=1",
            "/subscriptions/s1/resourceGroups/a/providers/Microsoft.KeyVault",
            "https://management.azure.com/subscriptions/s1",
        ] {
            let error = text.parse::<Scope>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(
                error.to_string().contains("expected /subscriptions/<id>"),
                "{error}"
            );
        }
    }
}
