//! [`Operations`]: the requests of the client's typed methods, not sent.

use iam_core::Result;
use serde_json::Value;

use super::Operation;
use crate::client::Root;
use crate::query::Query;
use crate::users::{NewUser, UserPatch};

/// Builds operations for a [`Batch`](super::Batch) without I/O. Ids are as for the client's method of the same name.
#[derive(Debug, Clone)]
pub struct Operations {
    root: Root,
}

impl Operations {
    pub(super) fn new(root: Root) -> Self {
        Self { root }
    }

    /// Creates a user. Where the user has a worker id, a lost answer is looked up by the sign-in name, and an account
    /// with the same worker id is adopted.
    pub fn create_user(&self, new: &NewUser) -> Result<Operation> {
        let operation = Operation::from(self.root.create_user(new)?);
        let Some(worker) = new.employee_id.clone() else {
            return Ok(operation);
        };
        let read = self.root.user(&new.user_principal_name);
        let ours = move |user: &Value| {
            let id = user["employeeId"].as_str().unwrap_or_default().trim();
            !id.is_empty() && id.eq_ignore_ascii_case(worker.trim())
        };
        Ok(operation.look_up(read, ours))
    }

    /// Reads a user, by id or sign-in name.
    pub fn user(&self, id: &str) -> Operation {
        self.root.user(id).into()
    }

    /// Sets and clears properties.
    pub fn update_user(&self, id: &str, patch: &UserPatch) -> Result<Operation> {
        self.root.update_user(id, patch).map(Operation::from)
    }

    /// Allows or blocks sign-in.
    pub fn enable_user(&self, id: &str, enabled: bool) -> Result<Operation> {
        self.root.enable_user(id, enabled).map(Operation::from)
    }

    /// Ends all sessions and refresh tokens.
    pub fn revoke_sessions(&self, id: &str) -> Operation {
        self.root.revoke_sessions(id).into()
    }

    /// Links the manager, by object id.
    pub fn set_manager(&self, id: &str, manager: &str) -> Result<Operation> {
        self.root.set_manager(id, manager).map(Operation::from)
    }

    /// Soft-deletes a user.
    pub fn delete_user(&self, id: &str) -> Operation {
        self.root.delete_user(id).into()
    }

    /// The first page (999) of the groups that a user is a direct member of.
    pub fn groups_of(&self, user: &str) -> Result<Operation> {
        self.root.groups_of(user, Query::new()).map(Operation::from)
    }

    /// Adds a member to a group.
    pub fn add_member(&self, group: &str, member: &str) -> Result<Operation> {
        self.root.add_member(group, member).map(Operation::from)
    }

    /// Removes a member from a group.
    pub fn remove_member(&self, group: &str, member: &str) -> Operation {
        self.root.remove_member(group, member).into()
    }

    /// Gives and takes licences by SKU id.
    pub fn assign_license(&self, user: &str, add: &[&str], remove: &[&str]) -> Result<Operation> {
        self.root.assign_license(user, add, remove).map(Operation::from)
    }

    /// Assigns a directory role in a scope ([`TENANT`](crate::roles::TENANT)).
    pub fn assign_role(&self, principal: &str, role: &str, scope: &str) -> Result<Operation> {
        self.root.assign_role(principal, role, scope).map(Operation::from)
    }

    /// Removes a role assignment by its id.
    pub fn remove_role(&self, assignment: &str) -> Operation {
        self.root.remove_role(assignment).into()
    }
}
