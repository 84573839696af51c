//! Who is in a group, and who owns it.
//!
//! Source: Microsoft Learn, "Add members", "Remove member", "List group members", "List group transitive members", "Add
//! owners", "Remove group owner", "List group owners".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde_json::json;

use crate::client::{GraphClient, Root};
use crate::group_patch::MOST_BOUND;
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::{DirectoryObject, SELECT, User};

/// What is read of a linked object where nothing else is asked for.
const LINKED: &str = "id,displayName";

impl Root {
    /// `relation` is `members`, `transitiveMembers` or `owners`.
    pub(crate) fn linked(
        &self,
        group: &str,
        relation: &str,
        query: Query,
        operation: &'static str,
    ) -> Result<Request> {
        let path = format!("/groups/{}/{relation}", segment(group));
        self.list(&path, &query.or_default(LINKED), operation)
    }

    pub(crate) fn member_users(&self, group: &str, query: Query) -> Result<Request> {
        let path = format!("/groups/{}/members/microsoft.graph.user", segment(group));
        self.list(&path, &query.or_default(SELECT), "list group members")
    }

    pub(crate) fn add_member(&self, group: &str, member: &str) -> Result<Request> {
        let relation = format!("/groups/{}/members", segment(group));
        self.add_link(&relation, member, "add group member")
    }

    pub(crate) fn add_members(&self, group: &str, members: &[String]) -> Result<Request> {
        let path = format!("/groups/{}", segment(group));
        let body = json!({ "members@odata.bind": self.addresses(members) });
        self.request(Method::Patch, &path, "add group member").json(&body)
    }

    pub(crate) fn remove_member(&self, group: &str, member: &str) -> Request {
        let relation = format!("/groups/{}/members", segment(group));
        self.remove_link(&relation, member, "remove group member")
    }

    pub(crate) fn add_owner(&self, group: &str, owner: &str) -> Result<Request> {
        let relation = format!("/groups/{}/owners", segment(group));
        self.add_link(&relation, owner, "add group owner")
    }

    pub(crate) fn remove_owner(&self, group: &str, owner: &str) -> Request {
        let relation = format!("/groups/{}/owners", segment(group));
        self.remove_link(&relation, owner, "remove group owner")
    }
}

impl GraphClient {
    /// The direct members of a group: users, groups, devices, service principals.
    pub async fn list_members(&self, group: &str) -> Result<Vec<DirectoryObject>> {
        self.stream_members(group, Query::new())?.all().await
    }

    /// The direct members of a group, page by page: users, groups, devices and applications, told apart by
    /// `@odata.type` in [`DirectoryObject::other`]. Where the query selects nothing, ids and display names are read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse; while reading,
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is no such group.
    pub fn stream_members(&self, group: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        let request = self.root.linked(group, "members", query, "list group members")?;
        Ok(self.listing(request))
    }

    /// The direct members of a group that are users.
    pub async fn list_member_users(&self, group: &str) -> Result<Vec<User>> {
        self.stream_member_users(group, Query::new())?.all().await
    }

    /// The direct members of a group that are users, page by page. Where the query selects nothing, all that [`User`]
    /// names is read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_member_users(&self, group: &str, query: Query) -> Result<Listing<User>> {
        Ok(self.listing(self.root.member_users(group, query)?))
    }

    /// Everything in a group, groups in groups opened; those groups are listed too.
    pub async fn list_transitive_members(&self, group: &str) -> Result<Vec<DirectoryObject>> {
        self.stream_transitive_members(group, Query::new())?.all().await
    }

    /// The same page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_transitive_members(&self, group: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        let operation = "list group members";
        let request = self.root.linked(group, "transitiveMembers", query, operation)?;
        Ok(self.listing(request))
    }

    /// Adds a member.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is one;
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when group or member does not exist, or not everywhere yet;
    /// [`Denied`](iam_core::ErrorKind::Denied) for a group with a rule, and for a mail-enabled one.
    pub async fn add_member(&self, group: &str, member: &str) -> Result<()> {
        self.send(self.root.add_member(group, member)?).await.map(drop)
    }

    /// Adds members, twenty a request. Each twenty are added together or not at all.
    ///
    /// # Errors
    /// As [`add_member`](Self::add_member); one who is a member already lets the twenty fail. Those before are added.
    pub async fn add_members(&self, group: &str, members: &[String]) -> Result<()> {
        for some in members.chunks(MOST_BOUND) {
            self.send(self.root.add_members(group, some)?).await?;
        }
        Ok(())
    }

    /// Removes a member.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is none.
    pub async fn remove_member(&self, group: &str, member: &str) -> Result<()> {
        self.send(self.root.remove_member(group, member)).await.map(drop)
    }

    /// Who may change a group.
    pub async fn list_owners(&self, group: &str) -> Result<Vec<DirectoryObject>> {
        self.stream_owners(group, Query::new())?.all().await
    }

    /// Who may change a group, page by page. Where the query selects nothing, ids and display names are read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_owners(&self, group: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        let request = self.root.linked(group, "owners", query, "list group owners")?;
        Ok(self.listing(request))
    }

    /// Adds an owner: a user, or a service principal where the group is no Microsoft 365 group.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is one.
    pub async fn add_owner(&self, group: &str, owner: &str) -> Result<()> {
        self.send(self.root.add_owner(group, owner)?).await.map(drop)
    }

    /// Removes an owner.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is none; [`Invalid`](iam_core::ErrorKind::Invalid) when it is
    /// the last user among the owners: add another first.
    pub async fn remove_owner(&self, group: &str, owner: &str) -> Result<()> {
        self.send(self.root.remove_owner(group, owner)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::Value;

    #[test]
    fn requests_are_as_documented() {
        let link = json!({"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/u1"});
        let add = root().add_member("g1", "u1").unwrap();
        assert!(add.idempotent);
        check(add, "POST", "/groups/g1/members/$ref", link.clone());
        check(
            root().remove_member("g1", "u1"),
            "DELETE",
            "/groups/g1/members/u1/$ref",
            Value::Null,
        );
        let bind = json!({"members@odata.bind": ["https://graph.microsoft.com/v1.0/directoryObjects/u1"]});
        check(
            root().add_members("g1", &["u1".to_owned()]).unwrap(),
            "PATCH",
            "/groups/g1",
            bind,
        );
        check(
            root().add_owner("g1", "u1").unwrap(),
            "POST",
            "/groups/g1/owners/$ref",
            link,
        );
        check(
            root().remove_owner("g1", "u1"),
            "DELETE",
            "/groups/g1/owners/u1/$ref",
            Value::Null,
        );
        let path = "/groups/g1/owners?$select=id,displayName&$top=999";
        let owners = root().linked("g1", "owners", Query::new(), "x").unwrap();
        check(owners, "GET", path, Value::Null);
        let path = format!("/groups/g1/members/microsoft.graph.user?$select={SELECT}&$top=999");
        let users = root().member_users("g1", Query::new()).unwrap();
        check(users, "GET", &path, Value::Null);
        let query = Query::new().select(["id"]).top(5);
        let some = root().linked("g/1", "transitiveMembers", query, "x").unwrap();
        let path = "/groups/g%2F1/transitiveMembers?$select=id&$top=5";
        check(some, "GET", path, Value::Null);
    }
}
