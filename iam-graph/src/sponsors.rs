//! Sponsors: who answers for a guest, an agent's user or an agent identity.
//!
//! Source: Microsoft Learn, "user resource type" (`sponsors`, `sponsorOf`), "Add sponsor", "Remove sponsor",
//! "Add agentIdentity sponsors", "Add agentIdentityBlueprintPrincipal sponsors".

use iam_core::Result;
use iam_core::http::Request;

use crate::client::{GraphClient, Root};
use crate::odata::segment;
use crate::query::Query;
use crate::users::DirectoryObject;

/// Something that has sponsors, by object id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sponsored<'a> {
    /// A user: a guest, or the user of an agent.
    User(&'a str),
    /// An agent identity. Its sponsors take `AgentIdentity.ReadWrite.All`.
    AgentIdentity(&'a str),
    /// The principal of an agent identity blueprint. Its sponsors take `AgentIdentityBlueprintPrincipal.ReadWrite.All`.
    BlueprintPrincipal(&'a str),
}

impl<'a> Sponsored<'a> {
    /// What a directory object is; nothing for what has no sponsors here.
    pub fn of(object: &'a DirectoryObject) -> Option<Self> {
        let name = object.odata_type()?.rsplit('.').next()?;
        let id = object.id.as_str();
        Some(match name {
            "user" | "agentUser" => Self::User(id),
            "agentIdentity" => Self::AgentIdentity(id),
            "agentIdentityBlueprintPrincipal" => Self::BlueprintPrincipal(id),
            _ => return None,
        })
    }

    fn relation(self) -> String {
        let agent = |id, cast| {
            format!(
                "/servicePrincipals/{}/microsoft.graph.{cast}/sponsors",
                segment(id)
            )
        };
        match self {
            Self::User(id) => format!("/users/{}/sponsors", segment(id)),
            Self::AgentIdentity(id) => agent(id, "agentIdentity"),
            Self::BlueprintPrincipal(id) => agent(id, "agentIdentityBlueprintPrincipal"),
        }
    }
}

impl Root {
    fn sponsored_by(&self, user: &str) -> Result<Request> {
        let path = format!("/users/{}/sponsorOf", segment(user));
        let query = Query::new().or_default("id,displayName");
        self.list(&path, &query, "list sponsorships")
    }

    fn sponsors(&self, of: Sponsored<'_>) -> Result<Request> {
        let query = Query::new().or_default("id,displayName");
        self.list(&of.relation(), &query, "list sponsors")
    }

    fn add_sponsor(&self, of: Sponsored<'_>, sponsor: &str) -> Result<Request> {
        self.add_link(&of.relation(), sponsor, "add sponsor")
    }

    fn remove_sponsor(&self, of: Sponsored<'_>, sponsor: &str) -> Request {
        self.remove_link(&of.relation(), sponsor, "remove sponsor")
    }
}

impl GraphClient {
    /// Whatever a user is a sponsor of: see [`Sponsored::of`].
    pub async fn sponsored_by(&self, user: &str) -> Result<Vec<DirectoryObject>> {
        self.listing(self.root.sponsored_by(user)?).all().await
    }

    /// The users and groups that answer for something.
    pub async fn sponsors(&self, of: Sponsored<'_>) -> Result<Vec<DirectoryObject>> {
        self.listing(self.root.sponsors(of)?).all().await
    }

    /// Makes a user or a group a sponsor.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) when it is one.
    pub async fn add_sponsor(&self, of: Sponsored<'_>, sponsor: &str) -> Result<()> {
        self.send(self.root.add_sponsor(of, sponsor)?).await.map(drop)
    }

    /// Removes a sponsor. Graph leaves the object without one where it was the last.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is none.
    pub async fn remove_sponsor(&self, of: Sponsored<'_>, sponsor: &str) -> Result<()> {
        self.send(self.root.remove_sponsor(of, sponsor)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let path = "/users/u1/sponsorOf?$select=id,displayName&$top=999";
        check(root().sponsored_by("u1").unwrap(), "GET", path, Value::Null);
        let relations = [
            (Sponsored::User("g1"), "/users/g1/sponsors"),
            (
                Sponsored::AgentIdentity("a1"),
                "/servicePrincipals/a1/microsoft.graph.agentIdentity/sponsors",
            ),
            (
                Sponsored::BlueprintPrincipal("b1"),
                "/servicePrincipals/b1/microsoft.graph.agentIdentityBlueprintPrincipal/sponsors",
            ),
        ];
        for (of, relation) in relations {
            let list = format!("{relation}?$select=id,displayName&$top=999");
            check(root().sponsors(of).unwrap(), "GET", &list, Value::Null);
            let body = root().link("directoryObjects", "u1");
            let add = format!("{relation}/$ref");
            check(root().add_sponsor(of, "u1").unwrap(), "POST", &add, body);
            let remove = format!("{relation}/u1/$ref");
            check(root().remove_sponsor(of, "u1"), "DELETE", &remove, Value::Null);
        }
    }

    #[test]
    fn only_what_has_sponsors_is_sponsored() {
        let object = |name: &str| {
            let object = json!({"@odata.type": format!("#microsoft.graph.{name}"), "id": "o1"});
            serde_json::from_value::<DirectoryObject>(object).unwrap()
        };
        assert_eq!(Sponsored::of(&object("user")), Some(Sponsored::User("o1")));
        let agent = object("agentIdentity");
        assert_eq!(Sponsored::of(&agent), Some(Sponsored::AgentIdentity("o1")));
        assert_eq!(Sponsored::of(&object("group")), None);
    }
}
