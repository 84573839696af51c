//! [`Listing`]: the objects of a collection as a stream, one page of them in memory.
//!
//! Invariants: an object is handed out before anything that is wrong behind it is reported; a link to another host
//! is an error, and no token leaves for it; the headers of the first page go with every page.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use iam_core::http::{Page, Pager, Request};
use iam_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use crate::client::GraphClient;
use crate::query::{Filter, Query};

/// The objects that a query describes: a [`Stream`] of `Result<T>`, also without the trait by
/// [`next`](Self::next) and [`try_next`](Self::try_next). One page of them is in memory. `Debug` shows no link.
///
/// After an error the page that failed is asked for again. Dropping it between two objects loses nothing but them:
/// [`link`](Self::link) says where to go on.
///
/// ```no_run
/// # async fn example(client: iam_graph::GraphClient) -> iam_core::Result<()> {
/// use iam_graph::query::{Filter, Query};
///
/// let query = Query::new().filter(Filter::starts_with("displayName", "A"));
/// let mut users = client.stream_users(query)?;
/// while let Some(user) = users.try_next().await? {
///     println!("{}", user.id);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing unless it is read"]
pub struct Listing<T> {
    state: State<T>,
    held: VecDeque<T>,
    /// Where the page is that `held` came from.
    here: Option<String>,
    /// Where the next page is.
    next: Option<String>,
    count: Option<u64>,
}

enum State<T> {
    Idle(Box<Pager>),
    Reading(BoxFuture<'static, Read<T>>),
    Done,
}

type Read<T> = (Box<Pager>, Result<Option<Page<T>>>);

impl<T: DeserializeOwned + Send + 'static> Listing<T> {
    pub(crate) fn new(pager: Pager, first: String) -> Self {
        Self {
            state: State::Idle(Box::new(pager)),
            held: VecDeque::new(),
            here: None,
            next: Some(first),
            count: None,
        }
    }

    /// Goes on at a [`link`](Self::link) from earlier, perhaps of another process. The query must be the same: its
    /// headers go with every page.
    ///
    /// # Errors
    /// [`Denied`](ErrorKind::Denied) when the link leads to another host than the client's;
    /// [`Conflict`](ErrorKind::Conflict) for a stream that is being read or at its end.
    pub fn resume(mut self, link: &str) -> Result<Self> {
        let State::Idle(pager) = self.state else {
            return Err(Error::new(
                ErrorKind::Conflict,
                "a stream that is being read, or at its end, cannot be resumed",
            ));
        };
        self.state = State::Idle(Box::new(pager.resume(link)?));
        self.held.clear();
        self.next = Some(link.to_owned());
        Ok(self)
    }

    /// Where to [`resume`](Self::resume) without losing anything: the page whose objects are being handed out, and
    /// the next one once they all have been. Objects may come twice that way, none is left out. `None` at the end.
    /// It may hold personal data (a filter).
    pub fn link(&self) -> Option<&str> {
        if self.held.is_empty() {
            self.next.as_deref()
        } else {
            self.here.as_deref()
        }
    }

    /// How many objects there are in all, once the first page has been read: for a query with
    /// [`count`](Query::count).
    pub fn count(&self) -> Option<u64> {
        self.count
    }

    /// The next object.
    pub async fn next(&mut self) -> Option<Result<T>> {
        StreamExt::next(self).await
    }

    /// The next object, or `None` after the last.
    ///
    /// # Errors
    /// By meaning, as [`GraphClient::send`]; [`Denied`](ErrorKind::Denied) for a link to another host,
    /// [`Protocol`](ErrorKind::Protocol) for one that leads back, and for an object that is no `T`.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        self.next().await.transpose()
    }

    /// All of them, in memory.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub async fn all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.try_next().await? {
            all.push(item);
            all.extend(self.held.drain(..));
        }
        Ok(all)
    }
}

impl<T: DeserializeOwned + Send + 'static> Stream for Listing<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(item) = this.held.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match std::mem::replace(&mut this.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Idle(mut pager) => {
                    this.state = State::Reading(Box::pin(async move {
                        let page = pager.next_page_of().await;
                        (pager, page)
                    }));
                }
                State::Reading(mut reading) => {
                    let Poll::Ready((pager, page)) = reading.as_mut().poll(context) else {
                        this.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    match page {
                        Ok(None) => this.next = None,
                        Ok(Some(page)) => {
                            this.held = page.values.into();
                            this.count = this.count.or(page.count);
                            this.here = std::mem::replace(&mut this.next, pager.link().map(str::to_owned));
                            this.state = State::Idle(pager);
                        }
                        Err(error) => {
                            this.state = State::Idle(pager);
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
            }
        }
    }
}

impl<T> Unpin for Listing<T> {}

impl GraphClient {
    /// The objects of any collection, for example `/servicePrincipals`. The path must not hold query options, and
    /// ids in it must be percent-encoded; a full URL is accepted as long as it stays on the cloud's Graph host.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a query that Graph would refuse: see [`Query::path`].
    pub fn stream<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        query: &Query,
        operation: &'static str,
    ) -> Result<Listing<T>> {
        let request = self.root.list(path, query, operation)?;
        Ok(self.listing(request))
    }

    /// The collection that starts with this page.
    pub(crate) fn listing<T: DeserializeOwned + Send + 'static>(&self, first: Request) -> Listing<T> {
        let url = first.url.clone();
        Listing::new(self.pages(first), url)
    }

    /// How many objects of a collection (`/users`) satisfy a filter: one request, whatever their number.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`Invalid`](ErrorKind::Invalid) for a filter that Graph would refuse;
    /// [`Protocol`](ErrorKind::Protocol) for an answer that is no number.
    pub async fn count(&self, path: &str, filter: Option<Filter>, operation: &'static str) -> Result<u64> {
        let query = match filter {
            Some(filter) => Query::new().filter(filter),
            None => Query::new(),
        };
        let answer = self.send(self.root.count(path, &query, operation)?).await?;
        // Plain text, with a byte order mark in front.
        let text = String::from_utf8_lossy(&answer.body);
        text.trim_start_matches('\u{feff}').trim().parse().map_err(|_| {
            Error::new(ErrorKind::Protocol, "the answer to a count is no number").with_operation(operation)
        })
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("held", &self.held.len())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
