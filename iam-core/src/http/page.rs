//! [`Pager`]: one collection, page by page, resumable in another process. OData pages name the next one
//! by a link; SCIM list answers count, and the link to the next is made from the first request's URL.
//!
//! Invariants: no link to another origin is ever followed; an empty page with a link is not the end;
//! the headers of the first request (ConsistencyLevel, Prefer) go with every page; what a page holds is handed
//! out before anything that is wrong with its link is reported.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Pipeline, Request, Response};
use crate::cloud::origin;
use crate::error::{Error, ErrorKind, Result};

/// Maps an answer that is not 2xx to an error, given the operation: each service spells its errors its
/// own way.
pub type ErrorMapper = fn(&Response, &'static str) -> Error;

/// One page, of JSON values unless it was read as items of another type.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T = Value> {
    /// The items, perhaps none.
    pub values: Vec<T>,
    /// How many items the collection has in all, where the service said so on this page.
    pub count: Option<u64>,
    /// Where the next round of a delta query starts (`@odata.deltaLink`): on the last page of a round only.
    pub delta: Option<String>,
}

/// Walks the pages of a collection. `Debug` shows no link: links hold filters.
pub struct Pager {
    pipeline: Pipeline,
    request: Request,
    origin: Option<String>,
    map_error: ErrorMapper,
    state: State,
    /// What was asked for, as hashes: a collection of any length takes few bytes.
    seen: HashSet<u64>,
    hasher: RandomState,
}

enum State {
    First,
    Link(String),
    /// The link of the last page leads back.
    Circle,
    Done,
}

#[derive(Deserialize)]
struct Body<T> {
    #[serde(alias = "Resources")]
    value: Option<Vec<T>>,
    #[serde(rename = "@odata.nextLink", alias = "nextLink")]
    next: Option<String>,
    /// A number; Azure Resource Manager also writes `{"type": "Total", "value": 1}`.
    #[serde(rename = "@odata.count", alias = "count")]
    count: Option<Value>,
    #[serde(rename = "startIndex")]
    start: Option<u64>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
    #[serde(rename = "totalResults")]
    total: Option<u64>,
}

impl Pager {
    /// A pager that starts with `first` and never leaves its origin.
    pub fn new(pipeline: Pipeline, first: Request, map_error: ErrorMapper) -> Self {
        let origin = origin(&first.url);
        Self {
            pipeline,
            request: first,
            origin,
            map_error,
            state: State::First,
            seen: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// Goes on at a link that [`link`](Self::link) returned earlier, perhaps in another process.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the link leads to another origin than the first request.
    pub fn resume(mut self, link: impl Into<String>) -> Result<Self> {
        let link = link.into();
        self.check(&link)?;
        self.state = State::Link(link);
        Ok(self)
    }

    /// Where the next page is, once a page has been read and while there is one: store it to
    /// [`resume`](Self::resume). It may hold personal data (a filter).
    pub fn link(&self) -> Option<&str> {
        match &self.state {
            State::Link(link) => Some(link),
            State::First | State::Circle | State::Done => None,
        }
    }

    /// The next page, or `None` after the last. After an error the same page is asked for again.
    ///
    /// # Errors
    /// What the error mapper makes of an answer that is not 2xx; [`ErrorKind::Denied`] for a link to
    /// another origin, which is not followed; [`ErrorKind::Protocol`] for a page without a `value` list, and in
    /// place of the page that a link which came before leads to.
    pub async fn next_page(&mut self) -> Result<Option<Page>> {
        self.next_page_of().await
    }

    /// [`next_page`](Self::next_page) with its items read as `T`, straight from the answer's bytes.
    ///
    /// # Errors
    /// As [`next_page`](Self::next_page); [`ErrorKind::Protocol`] also for a page with an item that is no `T`.
    pub async fn next_page_of<T: DeserializeOwned>(&mut self) -> Result<Option<Page<T>>> {
        let mut request = self.request.clone();
        match &self.state {
            State::First => {}
            State::Link(link) => {
                self.check(link)?;
                request.url.clone_from(link);
            }
            State::Circle => {
                let message = "the service's next link leads back to an earlier page";
                return Err(self.fail(ErrorKind::Protocol, message));
            }
            State::Done => return Ok(None),
        }
        let url = request.url.clone();
        self.seen.insert(self.hasher.hash_one(&url));
        let answer = self.pipeline.send(request).await?;
        if !answer.is_success() {
            return Err((self.map_error)(&answer, self.request.operation));
        }
        let body: Body<T> = answer
            .json()
            .map_err(|error| error.with_operation(self.request.operation))?;
        // A SCIM answer without matches may leave its list out.
        let values = match (body.value, body.total) {
            (None, None) => return Err(self.fail(ErrorKind::Protocol, "the page holds no list")),
            (values, _) => values.unwrap_or_default(),
        };
        let link = body.next.filter(|link| !link.is_empty());
        self.state = match link.or_else(|| following(&url, body.start, body.total?, values.len() as u64)) {
            None => State::Done,
            Some(link) if self.seen.contains(&self.hasher.hash_one(&link)) => State::Circle,
            Some(link) => State::Link(link),
        };
        let count = |count: Value| count.as_u64().or_else(|| count.get("value")?.as_u64());
        Ok(Some(Page {
            values,
            count: body.count.and_then(count).or(body.total),
            delta: body.delta,
        }))
    }

    fn check(&self, link: &str) -> Result<()> {
        if self.origin.is_some() && origin(link) == self.origin {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Denied,
            "the next link leads to another host, and was not followed",
        ))
    }

    fn fail(&self, kind: ErrorKind, message: &'static str) -> Error {
        Error::new(kind, message).with_operation(self.request.operation)
    }
}

/// The URL of the SCIM page after this one. The server may give fewer items than asked for, never none.
fn following(url: &str, start: Option<u64>, total: u64, got: u64) -> Option<String> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let asked = || {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("startIndex=")?.parse().ok())
    };
    let next = start.or_else(asked).unwrap_or(1).saturating_add(got);
    if got == 0 || next > total {
        return None;
    }
    let kept = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("startIndex="));
    let query = kept
        .map(str::to_owned)
        .chain([format!("startIndex={next}")])
        .collect::<Vec<_>>()
        .join("&");
    Some(format!("{path}?{query}"))
}

impl std::fmt::Debug for Pager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pager")
            .field("request", &self.request)
            .field("pages", &self.seen.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::http::tests::{Fake, answer};
    use crate::http::{Method, RetryPolicy};

    fn failed(response: &Response, operation: &'static str) -> Error {
        Error::new(ErrorKind::NotFound, "mapped")
            .with_operation(operation)
            .with_status(response.status)
    }

    fn pager(pages: &'static [&'static str]) -> (Pager, Arc<Fake>) {
        let fake =
            Fake::new(move |_, n| Ok(answer(if pages[n].is_empty() { 404 } else { 200 }, &[], pages[n])));
        let pipeline = Pipeline::builder(fake.clone()).retry(RetryPolicy::none()).build();
        let first = Request::new(Method::Get, "https://graph.example/v1.0/users", "list users")
            .header("ConsistencyLevel", "eventual");
        (Pager::new(pipeline, first, failed), fake)
    }

    #[tokio::test]
    async fn an_empty_page_with_a_link_goes_on_and_headers_are_resent() {
        let (mut pager, fake) = pager(&[
            r#"{"@odata.count":2,"value":[],"@odata.nextLink":"https://GRAPH.example:443/v1.0/users?p=2"}"#,
            r#"{"value":[{"id":"1"}],"nextLink":"https://graph.example/v1.0/users?p=3"}"#,
            r#"{"value":[{"id":"2"}]}"#,
        ]);
        let first = pager.next_page().await.unwrap().unwrap();
        assert_eq!((first.values.len(), first.count), (0, Some(2)));
        assert_eq!(pager.next_page().await.unwrap().unwrap().values[0]["id"], "1");
        assert_eq!(pager.link(), Some("https://graph.example/v1.0/users?p=3"));
        assert!(pager.next_page().await.unwrap().is_some());
        assert!(pager.next_page().await.unwrap().is_none() && pager.link().is_none());
        assert_eq!(fake.sent().len(), 3);
        for request in fake.sent() {
            assert_eq!(request.headers[0].1, "eventual");
        }
    }

    #[tokio::test]
    async fn items_are_read_as_their_type_and_a_misfit_is_named() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Item {
            id: u8,
        }
        let (mut pager, fake) = pager(&[
            r#"{"value":[{"id":1},{"id":2}],"nextLink":"https://graph.example/2"}"#,
            r#"{"value":[{"id":3},{"id":"four"}]}"#,
            r#"{"value":[{"id":3},{"id":4}]}"#,
        ]);
        let first = pager.next_page_of::<Item>().await.unwrap().unwrap();
        assert_eq!(first.values, [Item { id: 1 }, Item { id: 2 }]);
        let error = pager.next_page_of::<Item>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("value[1].id"), "{error}");
        // The page that did not fit is asked for again, not passed over.
        let again = pager.next_page_of::<Item>().await.unwrap().unwrap();
        assert_eq!(again.values, [Item { id: 3 }, Item { id: 4 }]);
        assert_eq!(fake.sent()[2].url, fake.sent()[1].url);
    }

    #[tokio::test]
    async fn a_link_to_another_host_is_not_followed() {
        let (mut pager, fake) = pager(&[r#"{"value":[1],"@odata.nextLink":"https://graph.example.evil/x"}"#]);
        assert_eq!(pager.next_page().await.unwrap().unwrap().values.len(), 1);
        assert_eq!(pager.next_page().await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(fake.sent().len(), 1);
        assert_eq!(
            pager.resume("http://graph.example/x").unwrap_err().kind(),
            ErrorKind::Denied
        );
    }

    #[tokio::test]
    async fn a_circle_is_a_protocol_error() {
        let (mut pager, fake) = pager(&[
            r#"{"value":[1],"nextLink":"https://graph.example/2"}"#,
            r#"{"value":[2],"nextLink":"https://graph.example/2"}"#,
        ]);
        pager.next_page().await.unwrap();
        // What the page holds comes first.
        assert_eq!(pager.next_page().await.unwrap().unwrap().values, [2]);
        for _ in 0..2 {
            assert_eq!(pager.next_page().await.unwrap_err().kind(), ErrorKind::Protocol);
        }
        assert_eq!(fake.sent().len(), 2);
    }

    #[tokio::test]
    async fn resumes_elsewhere_and_maps_errors() {
        let (pager, fake) = pager(&["", "{}"]);
        let mut pager = pager.resume("https://graph.example/v1.0/users?p=7").unwrap();
        let error = pager.next_page().await.unwrap_err();
        assert_eq!(
            (error.status(), error.operation()),
            (Some(404), Some("list users"))
        );
        assert!(pager.link().is_some());
        assert_eq!(pager.next_page().await.unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(fake.sent()[0].url, "https://graph.example/v1.0/users?p=7");
    }

    #[tokio::test]
    async fn a_count_is_read_in_every_form_and_never_in_the_way() {
        async fn check(body: &'static [&'static str], expect: Option<u64>) {
            let page = pager(body).0.next_page().await.unwrap().unwrap();
            assert_eq!((page.values.len(), page.count), (1, expect), "{body:?}");
        }
        check(&[r#"{"value":[1],"count":7}"#], Some(7)).await;
        check(&[r#"{"value":[1],"count":{"type":"Total","value":7}}"#], Some(7)).await;
        check(&[r#"{"value":[1],"@odata.count":"many"}"#], None).await;
        check(&[r#"{"value":[1],"count":null}"#], None).await;
    }

    #[tokio::test]
    async fn scim_pages_are_counted() {
        let (pager, fake) = pager(&[
            r#"{"totalResults":3,"startIndex":1,"itemsPerPage":2,"Resources":[{"id":"1"},{"id":"2"}]}"#,
            r#"{"totalResults":3,"startIndex":3,"itemsPerPage":1,"Resources":[{"id":"3"}]}"#,
        ]);
        let mut pager = pager
            .resume("https://graph.example/Users?startIndex=1&count=2")
            .unwrap();
        assert_eq!(pager.next_page().await.unwrap().unwrap().count, Some(3));
        assert_eq!(pager.next_page().await.unwrap().unwrap().values.len(), 1);
        assert!(pager.next_page().await.unwrap().is_none());
        assert_eq!(
            fake.sent()[1].url,
            "https://graph.example/Users?count=2&startIndex=3"
        );
        assert_eq!(following("https://h/Users", None, 0, 0), None);
        // A server that does not say where its page starts is taken by its word: where it was asked to.
        assert_eq!(
            following("https://h/Users?startIndex=3", None, 9, 2).as_deref(),
            Some("https://h/Users?startIndex=5")
        );
    }
}
