//! Objects of any kind, and what they are members of.
//!
//! Source: Microsoft Learn, "Get directoryObject", "directoryObject: getByIds", "directoryObject: getMemberGroups",
//! "directoryObject: getMemberObjects", "directoryObject: checkMemberGroups", "directoryObject: checkMemberObjects", "List domainNameReferences".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::DirectoryObject;

/// How many ids one request may ask for.
const MOST_IDS: usize = 1_000;
/// How many memberships one request checks.
const MOST_CHECKED: usize = 20;

/// The answer of an action that gives a collection.
#[derive(Debug, Deserialize)]
struct Values<T> {
    value: Vec<T>,
}

impl Root {
    pub(crate) fn directory_object(&self, id: &str) -> Request {
        self.get(
            &format!("/directoryObjects/{}", segment(id)),
            "get directory object",
        )
    }

    pub(crate) fn objects_by_ids(&self, ids: &[String], types: &[&str]) -> Result<Request> {
        let body = json!({ "ids": ids, "types": types });
        self.ask("/directoryObjects/getByIds", "get directory objects", &body)
    }

    pub(crate) fn member_action(&self, id: &str, action: &str, body: &Value) -> Result<Request> {
        let path = format!("/directoryObjects/{}/{action}", segment(id));
        self.ask(&path, "look up memberships", body)
    }

    pub(crate) fn domain_references(&self, domain: &str, query: Query) -> Result<Request> {
        let path = format!("/domains/{}/domainNameReferences", segment(domain));
        self.list(&path, &query.or_default(""), "list uses of a domain")
    }

    /// A POST that only reads.
    fn ask(&self, path: &str, operation: &'static str, body: &Value) -> Result<Request> {
        self.request(Method::Post, path, operation)
            .idempotent(true)
            .json(body)
    }
}

impl GraphClient {
    /// One object of any kind, by id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when there is none, or it is soft-deleted.
    pub async fn directory_object(&self, id: &str) -> Result<DirectoryObject> {
        self.fetch(self.root.directory_object(id)).await
    }

    /// Objects by their ids, a thousand a request; ids that nothing has are left out. `types` limits the search
    /// (`user`, `group`, `servicePrincipal`, ...); without any all kinds are found.
    pub async fn objects_by_ids(&self, ids: &[String], types: &[&str]) -> Result<Vec<DirectoryObject>> {
        let types = if types.is_empty() {
            &["directoryObject"]
        } else {
            types
        };
        let mut found = Vec::new();
        for some in ids.chunks(MOST_IDS) {
            let answer: Values<DirectoryObject> = self.fetch(self.root.objects_by_ids(some, types)?).await?;
            found.extend(answer.value);
        }
        Ok(found)
    }

    /// The users and groups whose name or address is in a domain.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when the tenant has no such domain.
    pub async fn list_domain_references(&self, domain: &str) -> Result<Vec<DirectoryObject>> {
        self.stream_domain_references(domain, Query::new())?.all().await
    }

    /// The same page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_domain_references(&self, domain: &str, query: Query) -> Result<Listing<DirectoryObject>> {
        Ok(self.listing(self.root.domain_references(domain, query)?))
    }

    /// The ids of the groups that an object is a member of, directly or through other groups. Only security groups can
    /// be asked for of users and service principals alone.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) above 11,000 groups.
    pub async fn member_groups(&self, id: &str, security_only: bool) -> Result<Vec<String>> {
        let body = json!({ "securityEnabledOnly": security_only });
        self.memberships(id, "getMemberGroups", &body).await
    }

    /// The ids of the groups, administrative units and directory roles that an object is a member of, directly or
    /// through groups.
    ///
    /// # Errors
    /// As [`member_groups`](Self::member_groups).
    pub async fn member_objects(&self, id: &str) -> Result<Vec<String>> {
        let body = json!({ "securityEnabledOnly": false });
        self.memberships(id, "getMemberObjects", &body).await
    }

    /// Which of these groups an object is a member of, directly or through other groups; twenty are asked for at once.
    pub async fn check_member_groups(&self, id: &str, groups: &[String]) -> Result<Vec<String>> {
        self.checked(id, "checkMemberGroups", "groupIds", groups).await
    }

    /// The same for groups, administrative units and directory roles (by object id, not template id).
    pub async fn check_member_objects(&self, id: &str, objects: &[String]) -> Result<Vec<String>> {
        self.checked(id, "checkMemberObjects", "ids", objects).await
    }

    async fn checked(
        &self,
        id: &str,
        action: &str,
        parameter: &str,
        asked: &[String],
    ) -> Result<Vec<String>> {
        let mut held = Vec::new();
        for some in asked.chunks(MOST_CHECKED) {
            held.extend(self.memberships(id, action, &json!({ parameter: some })).await?);
        }
        Ok(held)
    }

    async fn memberships(&self, id: &str, action: &str, body: &Value) -> Result<Vec<String>> {
        let answer: Values<String> = self.fetch(self.root.member_action(id, action, body)?).await?;
        Ok(answer.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        check(
            root().directory_object("o/1"),
            "GET",
            "/directoryObjects/o%2F1",
            Value::Null,
        );
        let request = root().objects_by_ids(&["a".to_owned()], &["user"]).unwrap();
        assert!(request.idempotent, "it only reads");
        let body = json!({"ids": ["a"], "types": ["user"]});
        check(request, "POST", "/directoryObjects/getByIds", body);
        let path = "/domains/x.example/domainNameReferences?$top=999";
        let uses = root().domain_references("x.example", Query::new()).unwrap();
        check(uses, "GET", path, Value::Null);
        let body = json!({"securityEnabledOnly": true});
        let request = root().member_action("o1", "getMemberGroups", &body).unwrap();
        check(request, "POST", "/directoryObjects/o1/getMemberGroups", body);
    }
}
