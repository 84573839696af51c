//! The store in a SQLite file. One row per record with its JSON, one row per key; the database itself keeps unique
//! keys unique.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::record::{Index, Key, Record};
use super::schema::Kind;
use super::store::{Membership, Page, Store, StoreError};

/// The layout that this version writes, in `user_version`.
const LAYOUT: i64 = 1;

/// Keeps everything in a SQLite file, in order of creation. A write that was answered has reached the disk.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<SqliteConnection>,
    readers: SqlitePool,
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}

type Row = (String, i64, String);

impl SqliteStore {
    /// Opens the file, or creates it readable by its owner only.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let mut file = OpenOptions::new();
        file.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        let opened = file.open(path);
        drop(opened.map_err(|error| failed(format!("cannot open {}: {error}", path.display())))?);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        let writer = prepare(&options).await;
        let writer = writer.map_err(|reason| failed(format!("cannot use {}: {reason}", path.display())))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self {
            writer: Mutex::new(writer),
            readers,
        })
    }
}

/// Connects, and lays out a new file; the error is for the reader of the log.
async fn prepare(options: &SqliteConnectOptions) -> Result<SqliteConnection, String> {
    let sql = |error: sqlx::Error| error.to_string();
    let mut writer = options.connect().await.map_err(sql)?;
    let layout: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut writer)
        .await
        .map_err(sql)?;
    match layout {
        0 => {
            let mut change = writer.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?;
            sqlx::raw_sql(include_str!("sqlite.sql"))
                .execute(&mut *change)
                .await
                .map_err(sql)?;
            sqlx::raw_sql("PRAGMA user_version = 1")
                .execute(&mut *change)
                .await
                .map_err(sql)?;
            change.commit().await.map_err(sql)?;
            Ok(writer)
        }
        LAYOUT => Ok(writer),
        other => Err(format!("it has layout {other}, and this version knows {LAYOUT}")),
    }
}

fn record(kind: Kind, (id, version, body): Row) -> Result<Arc<Record>, StoreError> {
    Ok(Arc::new(Record {
        kind,
        id,
        version: u64::try_from(version).map_err(failed)?,
        body: serde_json::from_str(&body).map_err(failed)?,
    }))
}

fn records(kind: Kind, rows: Vec<Row>) -> Result<Vec<Arc<Record>>, StoreError> {
    rows.into_iter().map(|row| record(kind, row)).collect()
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The row with the version expected, to be changed; nothing where none is expected and there is none.
async fn current(
    conn: &mut SqliteConnection,
    kind: Kind,
    id: &str,
    expected: Option<u64>,
) -> Result<Option<(i64, Arc<Record>)>, StoreError> {
    let row: Option<(i64, String, i64, String)> =
        sqlx::query_as("SELECT seq, id, version, body FROM scim_resource WHERE kind = ? AND id = ?")
            .bind(kind.name())
            .bind(id)
            .fetch_optional(conn)
            .await
            .map_err(failed)?;
    let row = match row {
        Some((seq, id, version, body)) => Some((seq, record(kind, (id, version, body))?)),
        None => None,
    };
    if row.as_ref().map(|(_, record)| record.version) == expected {
        Ok(row)
    } else {
        Err(StoreError::Stale)
    }
}

/// Writes the row itself; its sequence number.
async fn write(conn: &mut SqliteConnection, record: &Record) -> Result<i64, StoreError> {
    let display = record
        .body
        .get("displayName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let version = i64::try_from(record.version).map_err(failed)?;
    let body = serde_json::to_string(&record.body).map_err(failed)?;
    sqlx::query_scalar(
        "INSERT INTO scim_resource (kind, id, version, display, body) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, display = excluded.display, \
         body = excluded.body RETURNING seq",
    )
    .bind(record.kind.name())
    .bind(&record.id)
    .bind(version)
    .bind(display)
    .bind(body)
    .fetch_one(conn)
    .await
    .map_err(failed)
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Record>>, StoreError> {
        let row: Option<Row> =
            sqlx::query_as("SELECT id, version, body FROM scim_resource WHERE kind = ? AND id = ?")
                .bind(kind.name())
                .bind(id)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed)?;
        row.map(|row| record(kind, row)).transpose()
    }

    async fn put(&self, record: Arc<Record>, expected: Option<u64>) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        let mut change = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let old = current(&mut change, record.kind, &record.id, expected).await?;
        let old = old.map(|(_, record)| record.keys()).unwrap_or_default();
        let new = record.keys();
        let seq = write(&mut change, &record).await?;
        let kept: HashSet<&Key> = new.iter().collect();
        for key in old.iter().filter(|key| !kept.contains(key)) {
            sqlx::query("DELETE FROM scim_key WHERE kind = ? AND name = ? AND value = ? AND seq = ?")
                .bind(record.kind.name())
                .bind(key.index.name())
                .bind(&key.value)
                .bind(seq)
                .execute(&mut *change)
                .await
                .map_err(failed)?;
        }
        let had: HashSet<&Key> = old.iter().collect();
        for key in new.iter().filter(|key| !had.contains(key)) {
            let done =
                sqlx::query("INSERT INTO scim_key (seq, kind, name, value, single) VALUES (?, ?, ?, ?, ?)")
                    .bind(seq)
                    .bind(record.kind.name())
                    .bind(key.index.name())
                    .bind(&key.value)
                    .bind(key.index.unique())
                    .execute(&mut *change)
                    .await;
            match done {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    return Err(StoreError::Taken(key.index));
                }
                other => {
                    other.map_err(failed)?;
                }
            }
        }
        change.commit().await.map_err(failed)
    }

    async fn delete(&self, kind: Kind, id: &str, expected: u64) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        let mut change = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let Some((seq, _)) = current(&mut change, kind, id, Some(expected)).await? else {
            return Err(StoreError::Stale);
        };
        sqlx::query("DELETE FROM scim_resource WHERE seq = ?")
            .bind(seq)
            .execute(&mut *change)
            .await
            .map_err(failed)?;
        change.commit().await.map_err(failed)
    }

    async fn find(&self, kind: Kind, key: &Key) -> Result<Vec<Arc<Record>>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT r.id, r.version, r.body FROM scim_key k JOIN scim_resource r ON r.seq = k.seq \
             WHERE k.kind = ? AND k.name = ? AND k.value = ? ORDER BY k.seq",
        )
        .bind(kind.name())
        .bind(key.index.name())
        .bind(&key.value)
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        records(kind, rows)
    }

    async fn scan(&self, kind: Kind, offset: usize, limit: usize) -> Result<Page, StoreError> {
        // One transaction, so that the total is that of the page.
        let mut read = self.readers.begin().await.map_err(failed)?;
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM scim_resource WHERE kind = ?")
            .bind(kind.name())
            .fetch_one(&mut *read)
            .await
            .map_err(failed)?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, version, body FROM scim_resource WHERE kind = ? ORDER BY seq LIMIT ? OFFSET ?",
        )
        .bind(kind.name())
        .bind(whole(limit))
        .bind(whole(offset))
        .fetch_all(&mut *read)
        .await
        .map_err(failed)?;
        let total = usize::try_from(total).map_err(failed)?;
        Ok(Page::new(records(kind, rows)?, total))
    }

    async fn memberships(&self, members: &[String]) -> Result<Vec<Membership>, StoreError> {
        let wanted = serde_json::to_string(members).map_err(failed)?;
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT k.value, r.id, r.display FROM json_each(?) m \
             JOIN scim_key k ON k.kind = 'Group' AND k.name = ? AND k.value = m.value \
             JOIN scim_resource r ON r.seq = k.seq ORDER BY m.key, k.seq",
        )
        .bind(wanted)
        .bind(Index::Member.name())
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        let membership = |(member, group, display)| Membership::new(member, group, display);
        Ok(rows.into_iter().map(membership).collect())
    }
}
