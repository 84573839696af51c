//! Groups, their members and owners.

use iam_core::http::Method;

use super::query::{FULL, Names, Options, collections};
use super::{AsyncGraphClient, GraphClient, call, one};
use crate::convert::Json;
use crate::exchange::{Id, segment};
use crate::runtime::twin;

fn group(id: &str) -> String {
    format!("/groups/{}", segment(id))
}

twin! { GraphClient, AsyncGraphClient of iam_graph::GraphClient;
    #[pyo3(signature = (id, *, select = None, expand = None))]
    fn group(this, id: Id, select: Option<Names>, expand: Option<Names>) -> Json {
        let options = Options { select, expand, ..Options::default() };
        one(&this, &group(&id), options, "get group").await
    }

    fn create_group(this, properties: Json) -> Json {
        call(&this, Method::Post, "/groups", Some(&properties.0), "create group").await
    }

    fn update_group(this, id: Id, properties: Json) -> () {
        this.request(Method::Patch, &group(&id), Some(&properties.0), "update group").await.map(drop)
    }

    fn delete_group(this, id: Id) -> () {
        this.request(Method::Delete, &group(&id), None, "delete group").await.map(drop)
    }

    fn add_group_member(this, group: Id, member: Id) -> () { this.add_member(&group, &member).await }

    fn add_group_members(this, group: Id, members: Vec<Id>) -> () {
        let members: Vec<String> = members.into_iter().map(String::from).collect();
        this.add_members(&group, &members).await
    }

    fn remove_group_member(this, group: Id, member: Id) -> () { this.remove_member(&group, &member).await }

    fn add_group_owner(this, group: Id, owner: Id) -> () { this.add_owner(&group, &owner).await }

    fn remove_group_owner(this, group: Id, owner: Id) -> () { this.remove_owner(&group, &owner).await }

    #[pyo3(signature = (id, groups))]
    fn check_member_groups(this, id: Id, groups: Vec<String>) -> Vec<String> {
        this.check_member_groups(&id, &groups).await
    }
}

collections! {
    fn groups() { "/groups", "", FULL, "list groups" }
    fn group_members(id: Id) { format!("{}/members", group(&id)), "", FULL, "list group members" }
    fn transitive_group_members(id: Id) { format!("{}/transitiveMembers", group(&id)), "", FULL, "list group members" }
    fn group_owners(id: Id) { format!("{}/owners", group(&id)), "", FULL, "list group owners" }
    fn user_memberships(id: Id) { format!("/users/{}/memberOf", segment(&id)), "", FULL, "list memberships of a user" }
    fn transitive_user_memberships(id: Id) {
        format!("/users/{}/transitiveMemberOf", segment(&id)), "", FULL, "list memberships of a user"
    }
}
