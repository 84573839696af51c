//! The port [`Store`]: where resources live. The engine knows SCIM, a store knows none of it: it keeps records under
//! their keys, and refuses a write that is stale or takes a key that is another's.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::record::{Index, Key, Record};
use super::schema::Kind;

/// Why a store did not write or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// Another record of the kind has the value under a unique index.
    Taken(Index),
    /// The record has another version than expected, exists although none was expected, or is gone.
    Stale,
    /// The store does not take this content; the text is for the client, and names attributes, never values.
    Refused(String),
    /// The storage failed; the text is for the log.
    Failed(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken(index) => write!(f, "another record has the {}", index.name()),
            Self::Stale => f.write_str("the record has another version"),
            Self::Refused(reason) => f.write_str(reason),
            Self::Failed(reason) => write!(f, "the store failed: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Some of the records of a kind, in the order in which they were created.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// The records asked for.
    pub records: Vec<Arc<Record>>,
    /// How many there are in all.
    pub total: usize,
}

impl Page {
    /// A page of `total` records.
    pub fn new(records: Vec<Arc<Record>>, total: usize) -> Self {
        Self { records, total }
    }
}

/// One user or group in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Membership {
    /// The member's id.
    pub member: String,
    /// The group's id.
    pub group: String,
    /// The group's name.
    pub display: String,
}

impl Membership {
    /// A membership.
    pub fn new(member: String, group: String, display: String) -> Self {
        Self {
            member,
            group,
            display,
        }
    }
}

/// Keeps records. Every write is atomic: all keys change with their record or none does.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// The record of that id.
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Record>>, StoreError>;

    /// Writes the record if the stored one has the `expected` version; `None` expects that there is none.
    async fn put(&self, record: Arc<Record>, expected: Option<u64>) -> Result<(), StoreError>;

    /// Deletes the record if it has the `expected` version.
    async fn delete(&self, kind: Kind, id: &str, expected: u64) -> Result<(), StoreError>;

    /// The records under the key, in the order in which they were created.
    async fn find(&self, kind: Kind, key: &Key) -> Result<Vec<Arc<Record>>, StoreError>;

    /// `limit` records after the first `offset`, in the order in which they were created.
    async fn scan(&self, kind: Kind, offset: usize, limit: usize) -> Result<Page, StoreError>;

    /// The groups that name these ids as members.
    async fn memberships(&self, members: &[String]) -> Result<Vec<Membership>, StoreError>;
}
