//! Collections and single resources, read from servers that differ: with filters or without, 404 for nothing
//! found, pages of any size.
//!
//! Invariant: "nothing found" is only said when the server said so. A 404 that does not come from the SCIM
//! service itself (a proxy, a wrong base URL) is an error, and so are pages that hold less than they should:
//! a leaver whose account is overlooked keeps access.

use std::collections::HashSet;
use std::time::Duration;

use iam_core::error::Retry;
use iam_core::http::Method;
use iam_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use crate::client::ScimClient;
use crate::error;
use crate::filter::Filter;
use crate::values::{attribute, encoded};

/// How many resources are asked for at once; servers may give fewer.
const PAGE: usize = 100;
/// How long is waited before a collection that changed is read again; as often it is read.
const WAITS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A resource as the server sent it.
pub(crate) type Resource = Map<String, Value>;

/// One kind of resource at one path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collection<'a> {
    pub(crate) path: &'a str,
    /// `list users`, for errors.
    pub(crate) operation: &'static str,
    /// An attribute that need not be sent.
    pub(crate) without: Option<&'static str>,
}

impl Collection<'_> {
    fn url(self, filter: Option<&Filter>) -> String {
        let mut url = format!("{}?startIndex=1&count={PAGE}", self.path);
        if let Some(without) = self.without {
            url.push_str("&excludedAttributes=");
            url.push_str(without);
        }
        if let Some(filter) = filter {
            url.push_str("&filter=");
            url.push_str(&encoded(&filter.to_string()));
        }
        url
    }
}

impl ScimClient {
    /// Every resource that passes the filter, evaluated by the server where it can, and here in any case.
    pub(crate) async fn found(&self, of: Collection<'_>, filter: Option<&Filter>) -> Result<Vec<Resource>> {
        let Some(filter) = filter else {
            return self.listed(of, None).await;
        };
        let mut resources = match self.asked(of, filter).await? {
            Some(resources) => resources,
            None => self.listed(of, None).await?,
        };
        // Servers that do not know the attribute, or the parameter, answer with everything.
        resources.retain(|resource| filter.matches(resource));
        Ok(resources)
    }

    /// The server's answer to the filter as it is, or `None` where it does not take this filter.
    pub(crate) async fn asked(&self, of: Collection<'_>, filter: &Filter) -> Result<Option<Vec<Resource>>> {
        let abilities = self.abilities().await?;
        let names = filter.attributes();
        if !abilities.filter || names.iter().any(|name| abilities.unfilterable.contains(name)) {
            return Ok(None);
        }
        match self.listed(of, Some(filter)).await {
            Ok(resources) => Ok(Some(resources)),
            Err(error) if error.code() == Some("tooMany") => Ok(None),
            Err(error) if matches!(error.status(), Some(400 | 405 | 501)) => {
                tracing::debug!(
                    operation = of.operation,
                    ?filter,
                    "the server does not take the filter"
                );
                // A refused value says nothing about the next one.
                if matches!(error.code(), None | Some("invalidFilter" | "invalidPath")) {
                    self.learn(|abilities| abilities.unfilterable.extend(names)).await;
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All pages. A collection that loses resources while it is read shifts the others past the reader: it is
    /// read again then.
    async fn listed(&self, of: Collection<'_>, filter: Option<&Filter>) -> Result<Vec<Resource>> {
        for wait in WAITS {
            match self.walked(of, filter).await? {
                Some(resources) => return Ok(resources),
                None => self.clock().sleep(wait).await,
            }
        }
        let message = "the pages hold fewer resources than they should: the server ignores startIndex, or they changed while they were read";
        let error = Error::new(ErrorKind::Protocol, message).with_operation(of.operation);
        Err(error.with_retry(Retry::Exhausted))
    }

    /// All pages, or `None` when some resources may be missing.
    async fn walked(&self, of: Collection<'_>, filter: Option<&Filter>) -> Result<Option<Vec<Resource>>> {
        let mut pager = self.pages(self.root.get(&of.url(filter), of.operation));
        let (mut resources, mut seen, mut total) = (Vec::new(), HashSet::new(), None);
        loop {
            let page = match pager.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if error.status() == Some(404) && resources.is_empty() && filter.is_some() => {
                    return self.nothing(of, error).await.map(Some);
                }
                Err(error) => return Err(error),
            };
            if let (Some(before), Some(now)) = (total, page.count)
                && now < before
            {
                return Ok(None);
            }
            total = page.count.or(total);
            for value in page.values {
                let resource: Resource = error::read(value, of.operation)?;
                let id = attribute(&resource, "id").map(ToString::to_string);
                if id.is_none_or(|id| seen.insert(id)) {
                    resources.push(resource);
                }
            }
        }
        let complete = total.is_none_or(|total| resources.len() as u64 >= total);
        Ok(complete.then_some(resources))
    }

    /// Whether a 404 for a filter means that nothing matches: if the whole collection is there.
    async fn nothing(&self, of: Collection<'_>, refusal: Error) -> Result<Vec<Resource>> {
        if self.is_there(of.path, of.operation).await? {
            Ok(Vec::new())
        } else {
            Err(lost(&refusal, of.operation))
        }
    }

    /// One resource by its id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub(crate) async fn one(
        &self,
        collection: &str,
        id: &str,
        query: &str,
        operation: &'static str,
    ) -> Result<Resource> {
        let path = format!("{}{query}", member(collection, id)?);
        let request = self.root.get(&path, operation);
        let answer = self.exchange(request).await?;
        if answer.is_success() {
            return answer.json().map_err(|error| error.with_operation(operation));
        }
        let refusal = error::of(&answer, operation);
        if refusal.kind() != ErrorKind::NotFound
            || error::is_scim(&answer)
            || self.is_there(collection, operation).await?
        {
            Err(refusal)
        } else {
            Err(lost(&refusal, operation))
        }
    }

    /// Deletes one resource.
    pub(crate) async fn delete(&self, collection: &str, id: &str, operation: &'static str) -> Result<()> {
        let path = member(collection, id)?;
        let answer = self
            .exchange(self.root.request(Method::Delete, &path, operation))
            .await?;
        if answer.is_success() {
            return Ok(());
        }
        let refusal = error::of(&answer, operation);
        if refusal.kind() == ErrorKind::NotFound
            && !error::is_scim(&answer)
            && !self.is_there(collection, operation).await?
        {
            return Err(lost(&refusal, operation));
        }
        Err(refusal)
    }

    async fn is_there(&self, collection: &str, operation: &'static str) -> Result<bool> {
        let probe = self
            .root
            .get(&format!("{collection}?startIndex=1&count=1"), operation);
        let answer = self.exchange(probe).await?;
        // An empty collection is a 404 at some servers, in a document of theirs.
        if answer.is_success() || answer.status == 404 && error::is_scim(&answer) {
            return Ok(true);
        }
        match error::of(&answer, operation) {
            error if error.kind() == ErrorKind::NotFound => Ok(false),
            error => Err(error),
        }
    }
}

/// The path of one resource.
///
/// # Errors
/// [`ErrorKind::Invalid`] for an empty id, whose path would be the collection's.
pub(crate) fn member(collection: &str, id: &str) -> Result<String> {
    if id.is_empty() || id == "." || id == ".." {
        return Err(Error::new(
            ErrorKind::Invalid,
            "a resource's id must not be empty",
        ));
    }
    Ok(format!("{collection}/{}", encoded(id)))
}

fn lost(refusal: &Error, operation: &'static str) -> Error {
    let message = "404, and not from the SCIM service: check the base URL and proxies";
    let error = Error::new(ErrorKind::Protocol, message).with_operation(operation);
    match refusal.status() {
        Some(status) => error.with_status(status),
        None => error,
    }
}
