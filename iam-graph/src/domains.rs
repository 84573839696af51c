//! Domains that sign-in names may end in.
//!
//! Source: Microsoft Learn, "domain resource type".

use iam_core::Result;
use iam_core::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
use crate::listing::Listing;
use crate::odata::segment;
use crate::query::Query;
use crate::users::or_empty;

/// A domain of the tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Domain {
    /// The name.
    pub id: String,
    /// Only verified domains can be used.
    pub is_verified: bool,
    /// Where names of new users end.
    pub is_default: Option<bool>,
    /// The one that ends in `onmicrosoft.com`.
    pub is_initial: Option<bool>,
    /// `Managed`, or `Federated` where another identity provider signs in.
    pub authentication_type: Option<String>,
    /// `Email`, `OfficeCommunicationsOnline` and so on.
    #[serde(deserialize_with = "or_empty")]
    pub supported_services: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Root {
    fn list_domains(&self, query: Query) -> Result<Request> {
        self.list("/domains", &query.or_select(""), "list domains")
    }

    fn domain(&self, name: &str) -> Request {
        self.get(&format!("/domains/{}", segment(name)), "list domains")
    }
}

impl GraphClient {
    /// The domains of the tenant, verified or not.
    pub async fn list_domains(&self) -> Result<Vec<Domain>> {
        self.stream_domains(Query::new())?.all().await
    }

    /// The domains that a query describes, page by page.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_domains(&self, query: Query) -> Result<Listing<Domain>> {
        Ok(self.listing(self.root.list_domains(query)?))
    }

    /// One domain, by name.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) when it is none of the tenant's.
    pub async fn domain(&self, name: &str) -> Result<Domain> {
        self.fetch(self.root.domain(name)).await
    }
}
