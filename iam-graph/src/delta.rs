//! Changes of users, groups and other directory objects, round by round.
//!
//! A [`Round`] starts at a [`DeltaLink`] (or with everything), streams what has changed since, and gives the link of
//! the next round to whoever [`acknowledge`](Round::acknowledge)s that all of it has been dealt with. A round that is
//! dropped gives nothing: the next one starts at the old link again, and the same changes come again.
//!
//! The service may repeat changes, give one object several times and show a large group's members in parts. A round as
//! a [`Stream`] has one page in memory and joins what comes in a row; [`Round::all`] reads to the end and gives each
//! object once.
//!
//! Source: Microsoft Learn, "Use delta query to track changes in Microsoft Graph data", "user: delta", "group: delta",
//! "Get incremental changes for groups".

mod link;
mod row;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use iam_core::http::{Method, Page, Pager, Request};
use iam_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use crate::client::GraphClient;
use crate::groups::Group;
use crate::odata;
use crate::query::Filter;
use crate::users::User;
use row::Row;

pub use link::{DeltaLink, LinkFile, LinkStore};
pub use row::{Change, Changed, Links, Reason, Removed};

/// The most objects that one query follows by id.
const MOST_IDS: usize = 50;

/// What is followed, and from when on.
///
/// ```no_run
/// # async fn example(client: iam_graph::GraphClient) -> iam_core::Result<()> {
/// use iam_graph::delta::{Change, DeltaQuery, LinkFile};
///
/// let store = LinkFile::new("users.link");
/// let query = DeltaQuery::new().select(["displayName", "manager"]).since_stored(&store).await?;
/// let mut round = client.user_changes(&query)?;
/// while let Some(change) = round.try_next().await? {
///     match change {
///         Change::Changed(user) => println!("{} has changed {:?}", user.id, user.properties),
///         Change::Removed(gone) => println!("{} is gone: {:?}", gone.id, gone.reason),
///         Change::Restarted => println!("what does not come in this round no longer exists"),
///         _ => {}
///     }
/// }
/// round.acknowledge_to(&store).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct DeltaQuery {
    select: Vec<String>,
    ids: Vec<String>,
    minimal: bool,
    resync: bool,
    start: Start,
}

#[derive(Debug, Clone, Default)]
enum Start {
    #[default]
    Everything,
    Now,
    Link(DeltaLink),
}

impl DeltaQuery {
    /// Everything that there is, then what changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only changes of these properties; `manager` (users) and `members` (groups) are among them. A link remembers
    /// its selection: give the same one with it, for the case that everything has to be read anew.
    #[must_use]
    pub fn select<S: Into<String>>(mut self, properties: impl IntoIterator<Item = S>) -> Self {
        self.select.extend(properties.into_iter().map(Into::into));
        self
    }

    /// Only these objects, at most 50.
    #[must_use]
    pub fn ids<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.ids.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Of a changed object only the properties that have changed, where Graph otherwise shows all
    /// (`Prefer: return=minimal`).
    #[must_use]
    pub fn minimal(mut self) -> Self {
        self.minimal = true;
        self
    }

    /// Nothing of what there is: the round is empty, and gives the link from which on changes come.
    #[must_use]
    pub fn from_now(mut self) -> Self {
        self.start = Start::Now;
        self
    }

    /// What has changed since that link was given.
    #[must_use]
    pub fn since(mut self, link: &DeltaLink) -> Self {
        self.start = Start::Link(link.clone());
        self
    }

    /// What has changed since the link that the store keeps; everything (or [`from_now`](Self::from_now)) where it
    /// keeps none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn since_stored(self, store: &dyn LinkStore) -> Result<Self> {
        Ok(match store.load().await? {
            Some(link) => self.since(&link),
            None => self,
        })
    }

    /// Reads everything anew when the link is too old (it lives for seven days), and says so by
    /// [`Change::Restarted`]. Without it a round ends with
    /// [`ResyncNeeded`](iam_core::ErrorKind::ResyncNeeded).
    #[must_use]
    pub fn resync_when_expired(mut self) -> Self {
        self.resync = true;
        self
    }

    /// The URL's options, for a round without a link.
    fn options(&self) -> Result<Vec<(&'static str, String)>> {
        if self.ids.len() > MOST_IDS {
            let message = format!(
                "{} objects are to be followed by id: Graph takes {MOST_IDS}",
                self.ids.len()
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.select
            .iter()
            .try_for_each(|name| crate::filter::property(name))?;
        let mut options = Vec::new();
        if !self.select.is_empty() {
            options.push(("$select", self.select.join(",")));
        }
        if !self.ids.is_empty() {
            let ids = self.ids.iter().map(|id| Filter::eq("id", id));
            options.push(("$filter", Filter::either(ids).to_string()));
        }
        if matches!(self.start, Start::Now) {
            options.push(("$deltatoken", "latest".to_owned()));
        }
        Ok(options)
    }
}

/// The changes of one round: a [`Stream`] of `Result<Change<T>>`, also without the trait by [`next`](Self::next) and
/// [`try_next`](Self::try_next). `Debug` shows no link.
///
/// One object may come several times in a round, its later state last. After an error the page that failed is asked
/// for again.
#[must_use = "a round does nothing unless it is read"]
pub struct Round<T> {
    state: State,
    /// Starts with everything, where that is wanted once the link has expired.
    again: Option<Box<Pager>>,
    rows: VecDeque<Row>,
    /// The last row of a page waits for the first of the next, which may go on with it.
    more: bool,
    restarted: bool,
    link: Option<DeltaLink>,
    operation: &'static str,
    item: PhantomData<fn() -> T>,
}

enum State {
    Idle(Box<Pager>),
    Reading(BoxFuture<'static, Read>),
    Done,
}

type Read = (Box<Pager>, Result<Option<Page<Row>>>);

impl GraphClient {
    /// One round of changes of users.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn user_changes(&self, query: &DeltaQuery) -> Result<Round<User>> {
        self.changes("/users/delta", query, "list changes of users")
    }

    /// One round of changes of groups, with their members unless a selection leaves them out.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn group_changes(&self, query: &DeltaQuery) -> Result<Round<Group>> {
        self.changes("/groups/delta", query, "list changes of groups")
    }

    /// One round of changes of any collection that has a delta function, for example `/servicePrincipals/delta`.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for more than 50 ids and for a selection that names no properties;
    /// [`Denied`](ErrorKind::Denied) for a link to another host than the client's.
    pub fn changes<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &DeltaQuery,
        operation: &'static str,
    ) -> Result<Round<T>> {
        let named = |error: Error| error.with_operation(operation);
        let everything = |options: &[(&'static str, String)]| {
            let options: Vec<_> = options
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            self.pages(self.delta(&odata::query(path, &options), query.minimal, operation))
        };
        let options = query.options().map_err(named)?;
        let (pager, again) = match &query.start {
            Start::Link(link) => {
                let pager = everything(&options).resume(link.as_str())?;
                (pager, query.resync.then(|| Box::new(everything(&options))))
            }
            Start::Everything | Start::Now => (everything(&options), None),
        };
        Ok(Round {
            state: State::Idle(Box::new(pager)),
            again,
            rows: VecDeque::new(),
            more: true,
            restarted: false,
            link: None,
            operation,
            item: PhantomData,
        })
    }

    fn delta(&self, path: &str, minimal: bool, operation: &'static str) -> Request {
        let request = self.build(Method::Get, path, operation);
        if minimal {
            request.header("Prefer", "return=minimal")
        } else {
            request
        }
    }
}

impl<T: DeserializeOwned> Round<T> {
    /// The next change.
    pub async fn next(&mut self) -> Option<Result<Change<T>>> {
        StreamExt::next(self).await
    }

    /// The next change, or `None` after the last.
    ///
    /// # Errors
    /// By meaning, as [`GraphClient::send`]; [`ResyncNeeded`](ErrorKind::ResyncNeeded) when the link is too old,
    /// [`Denied`](ErrorKind::Denied) for a link to another host, [`Protocol`](ErrorKind::Protocol) for an object
    /// that is no `T` and for a round that ends without a link.
    pub async fn try_next(&mut self) -> Result<Option<Change<T>>> {
        self.next().await.transpose()
    }

    /// All changes that are left of the round, each object once with its last state, in the order in which they came
    /// first; members that were added and removed are merged, the last word counts. In memory.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub async fn all(&mut self) -> Result<Vec<Change<T>>> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut rows: Vec<Row> = Vec::new();
        loop {
            while let Some(row) = self.rows.pop_front() {
                let known = places.get(row.id()).and_then(|place| rows.get_mut(*place));
                if let Some(known) = known {
                    known.merge(row);
                } else {
                    places.insert(row.id().to_owned(), rows.len());
                    rows.push(row);
                }
            }
            let page = std::future::poll_fn(|context| self.read(context)).await;
            match page {
                // What came before the link was found to be too old counts no more.
                Ok(Some(Event::Restarted)) => (places, rows) = (HashMap::new(), Vec::new()),
                Ok(Some(Event::Page)) => {}
                Ok(None) => break,
                Err(error) => {
                    // Nothing that has been read is lost.
                    self.rows = rows.into();
                    return Err(error);
                }
            }
        }
        let restarted = self.restarted.then_some(Ok(Change::Restarted));
        restarted
            .into_iter()
            .chain(rows.into_iter().map(|row| row.change(self.operation)))
            .collect()
    }

    /// Says that every change of the round has been dealt with, and gives the link of the next one: store it.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when the round has not been read to its end.
    pub fn acknowledge(self) -> Result<DeltaLink> {
        match self.link {
            Some(link) if self.rows.is_empty() => Ok(link),
            _ => {
                let message = "the round has not been read to its end: what is left would be lost";
                Err(Error::new(ErrorKind::Conflict, message).with_operation(self.operation))
            }
        }
    }

    /// [`acknowledge`](Self::acknowledge)s the round, and has the link stored.
    ///
    /// # Errors
    /// As [`acknowledge`](Self::acknowledge), and those of the store: then the round comes again.
    pub async fn acknowledge_to(self, store: &dyn LinkStore) -> Result<()> {
        store.save(&self.acknowledge()?).await
    }

    /// Whether the link was too old, so that everything was read anew.
    pub fn is_restarted(&self) -> bool {
        self.restarted
    }

    /// Reads the next page into `rows`.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Event>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(Ok(None)),
                State::Idle(mut pager) => {
                    self.state = State::Reading(Box::pin(async move {
                        let page = pager.next_page_of().await;
                        (pager, page)
                    }));
                }
                State::Reading(mut reading) => {
                    let Poll::Ready((pager, page)) = reading.as_mut().poll(context) else {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    let event = self.take(pager, page);
                    return Poll::Ready(event.map(Some));
                }
            }
        }
    }

    fn take(&mut self, pager: Box<Pager>, page: Result<Option<Page<Row>>>) -> Result<Event> {
        match page {
            Ok(None) => Ok(Event::Page), // the pager was at its end
            Ok(Some(page)) => {
                for row in page.values {
                    match self.rows.back_mut() {
                        Some(last) if last.id() == row.id() => last.merge(row),
                        _ => self.rows.push_back(row),
                    }
                }
                self.more = pager.link().is_some();
                match (self.more, page.delta) {
                    (true, _) => self.state = State::Idle(pager),
                    (false, Some(link)) => {
                        // Refused here rather than in the next round: a token of this one must not go there.
                        pager.resume(link.as_str())?;
                        self.link = Some(DeltaLink::new(link));
                    }
                    (false, None) => {
                        let message = "the round ends without a link to the next one";
                        return Err(Error::new(ErrorKind::Protocol, message).with_operation(self.operation));
                    }
                }
                Ok(Event::Page)
            }
            Err(error) => {
                let expired = error.kind() == ErrorKind::ResyncNeeded;
                let Some(again) = self.again.take_if(|_| expired) else {
                    self.state = State::Idle(pager);
                    return Err(error);
                };
                tracing::info!(
                    operation = self.operation,
                    "the link is too old, everything is read anew"
                );
                self.rows.clear();
                self.state = State::Idle(again);
                self.restarted = true;
                Ok(Event::Restarted)
            }
        }
    }
}

enum Event {
    Page,
    Restarted,
}

impl<T: DeserializeOwned> Stream for Round<T> {
    type Item = Result<Change<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let ready = this.rows.len() > usize::from(this.more);
            if ready && let Some(row) = this.rows.pop_front() {
                return Poll::Ready(Some(row.change(this.operation)));
            }
            match this.read(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(Event::Page))) => {}
                Poll::Ready(Ok(Some(Event::Restarted))) => return Poll::Ready(Some(Ok(Change::Restarted))),
                Poll::Ready(Ok(None)) => return Poll::Ready(None),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl<T> Unpin for Round<T> {}

impl<T> fmt::Debug for Round<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Round")
            .field("operation", &self.operation)
            .field("held", &self.rows.len())
            .field("restarted", &self.restarted)
            .finish_non_exhaustive()
    }
}
