//! Opening the file: the lock, the mode, and whose journal it is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _, SqliteConnection, SqlitePool};

use super::TENANT;
use super::audit;
use super::fault::{Attempt, Fault, file, storage};
use super::row::signed;
use crate::error::{Error, Result};
use crate::journal::audit::Checkpoint;
use crate::journal::restore::gone_back;

/// Marks the file as ours in its header: "IAMJ".
pub(super) const APPLICATION_ID: i64 = 0x4941_4d4a;

/// The oldest SQLite that does not damage a file in WAL mode (sqlite.org/wal.html, "The WAL-Reset Bug").
const OLDEST: [u32; 3] = [3, 51, 3];

/// The schema that this version writes: the number of the last migration.
pub(super) const SCHEMA: i64 = 11;

/// Not `sqlx::migrate!`, which would bring the compile-time query macros along.
fn migrator() -> Migrator {
    let migration = |number, name: &'static str, sql: &'static str| {
        let sql = sql.into_sql_str();
        Migration::new(number, name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(vec![
        migration(1, "journal", include_str!("migrations/0001_journal.sql")),
        migration(2, "staging", include_str!("migrations/0002_staging.sql")),
        migration(3, "freeze", include_str!("migrations/0003_freeze.sql")),
        migration(4, "audit", include_str!("migrations/0004_audit.sql")),
        migration(
            5,
            "step instants",
            include_str!("migrations/0005_step_instants.sql"),
        ),
        migration(6, "fleet", include_str!("migrations/0006_fleet.sql")),
        migration(7, "exchange", include_str!("migrations/0007_exchange.sql")),
        migration(
            8,
            "policy in force",
            include_str!("migrations/0008_policy_in_force.sql"),
        ),
        migration(10, "archive", include_str!("migrations/0010_archive.sql")),
        migration(11, "survey", include_str!("migrations/0011_survey.sql")),
    ])
}

/// An open file. The lock outlives the connection: fields are dropped in this order.
pub(super) struct Opened {
    /// Whether something was moved to the archive.
    pub(super) archived: bool,
    /// One name for one file, whatever links led to it.
    pub(super) path: PathBuf,
    pub(super) conn: SqliteConnection,
    pub(super) options: SqliteConnectOptions,
    pub(super) readers: SqlitePool,
    pub(super) lock: File,
}

/// Opens or creates the journal of `tenant`, which must have been at the place `after`.
pub(super) async fn open(path: &Path, tenant: &str, after: &Checkpoint) -> Result<Opened> {
    let path = resolve(path).map_err(|error| file(path, error))?;
    if after.sequence > 0 && !path.exists() {
        return Err(gone_back(&Checkpoint::default(), after));
    }
    // First of all: closing a second handle on a database file would drop SQLite's own locks on it
    // (sqlite.org, "How To Corrupt An SQLite Database File", 2.2).
    let lock = lock(&path)?;
    claim_file(&path)?;
    let options = options(&path);
    let opened = connect(&path, tenant, &options, after).await;
    let (conn, archived) = opened.map_err(|fault| fault.during("open the journal"))?;
    let readers = readers(&options, 4);
    Ok(Opened {
        archived,
        path,
        conn,
        options,
        readers,
        lock,
    })
}

/// How every connection to a file of the journal is made.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        // 32 MiB: the pages that a large journal touches at random are not read again for each transaction.
        .pragma("cache_size", "-32768")
        // Who is erased does not stay behind on free pages.
        .pragma("secure_delete", "ON")
        .disable_statement_logging()
}

/// At most so many connections that only read, made when they are needed.
pub(super) fn readers(options: &SqliteConnectOptions, most: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(most)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone().pragma("query_only", "ON"))
}

/// One name for one file, whatever links lead to it.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(fs::canonicalize(folder.unwrap_or(Path::new(".")))?.join(name))
        }
        resolved => resolved,
    }
}

pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// The file beside the journal of that suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The process that has written its id into a lock.
pub(super) fn holder(lock: &mut File) -> Option<u32> {
    let mut holder = String::new();
    lock.rewind()
        .and_then(|()| lock.read_to_string(&mut holder))
        .ok()?;
    holder.parse().ok()
}

/// Takes the lock that makes this process the only one. It is a file of its own, because SQLite's locks on
/// the database must not be disturbed; the operating system drops it when the process ends, however it ends.
fn lock(path: &Path) -> Result<File> {
    let name = beside(path, ".lock");
    let mut lock = private(&mut OpenOptions::new())
        .open(&name)
        .map_err(|error| file(path, error))?;
    match lock.try_lock() {
        Ok(()) => {
            // Only for people; the lock itself is what counts.
            let _ = lock
                .set_len(0)
                .and_then(|()| write!(lock, "{}", std::process::id()));
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = holder(&mut lock).map_or(String::new(), |id| format!(" (process {id})"));
            Err(storage(format!(
                "journal {} is in use{holder}: an SQLite journal has one process and is opened once; stop the \
                 other one, or ask it instead",
                path.display()
            )))
        }
        Err(TryLockError::Error(error)) => Err(storage(format!(
            "journal {} cannot be locked: put it on a local disk, not on a network share",
            path.display()
        ))
        .with_source(error)),
    }
}

/// Creates the file for its owner only, or looks whether an existing one is a database at all.
pub(super) fn claim_file(path: &Path) -> Result<()> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let failed = |error| file(path, error);
    let existed = path.exists();
    let database = private(&mut OpenOptions::new()).open(path).map_err(failed)?;
    if !existed {
        database.sync_all().map_err(failed)?;
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            // The name is durable as well.
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)?;
        }
    }
    let mut magic = Vec::new();
    database.take(16).read_to_end(&mut magic).map_err(failed)?;
    if magic.is_empty() || magic == MAGIC {
        return Ok(());
    }
    Err(storage(format!(
        "{} is not an SQLite database: name another file for the journal",
        path.display()
    )))
}

/// Only the owner may read what is in it; SQLite gives the files beside it the mode of the database.
#[cfg(unix)]
pub(super) fn close_to_others(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for suffix in ["", "-wal", "-shm"] {
        match fs::set_permissions(beside(path, suffix), fs::Permissions::from_mode(0o600)) {
            Err(error) if suffix.is_empty() || error.kind() != io::ErrorKind::NotFound => {
                return Err(file(path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn close_to_others(_: &Path) -> Result<()> {
    Ok(())
}

/// What tells whose file it is: the application's id, and how many tables and indexes there are.
pub(super) async fn marks(conn: &mut SqliteConnection) -> Attempt<(i64, i64)> {
    let application = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *conn)
        .await?;
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(conn)
        .await?;
    Ok((application, tables))
}

/// Connects, and refuses what is not this tenant's journal before anything is changed.
async fn connect(
    path: &Path,
    tenant: &str,
    options: &SqliteConnectOptions,
    after: &Checkpoint,
) -> Attempt<(SqliteConnection, bool)> {
    let mut conn = options.connect().await?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut conn)
        .await?;
    if !is_sound(&version) {
        return Err(Fault::Refused(storage(format!(
            "SQLite {version} may damage the journal (WAL-reset bug): build with 3.51.3 or newer"
        ))));
    }
    let (ours, tables) = marks(&mut conn).await?;
    if ours != APPLICATION_ID && (ours != 0 || tables != 0) {
        return Err(Fault::Refused(storage(format!(
            "{} is a database of another program: name another file for the journal",
            path.display()
        ))));
    }
    belongs(path, tenant, &mut conn).await?;
    has_been_at(&mut conn, after).await?;
    close_to_others(path)?;
    if ours == 0 {
        sqlx::query("PRAGMA application_id = 0x49414d4a")
            .execute(&mut conn)
            .await?;
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL")
        .fetch_one(&mut conn)
        .await?;
    if mode != "wal" {
        return Err(Fault::Refused(storage(format!(
            "journal {} cannot use a write-ahead log here: put it on a local disk",
            path.display()
        ))));
    }
    migrate(path, tenant, &mut conn).await?;
    let archived: i64 = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM archived)")
        .fetch_one(&mut conn)
        .await?;
    Ok((conn, archived != 0))
}

/// Whether the `sqlite_version()` is free of known damage.
pub(super) fn is_sound(version: &str) -> bool {
    let parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    parts.collect::<Vec<u32>>() >= OLDEST.to_vec()
}

fn newer(path: &Path, schema: i64) -> Error {
    storage(format!(
        "journal {} was written by a newer version (schema {schema}, this one knows {SCHEMA}): upgrade this program",
        path.display()
    ))
}

async fn has_table(conn: &mut SqliteConnection, name: &str) -> Attempt<bool> {
    let known = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let known: i64 = sqlx::query_scalar(known).bind(name).fetch_one(conn).await?;
    Ok(known != 0)
}

/// Refuses a file whose audit never led to this place.
async fn has_been_at(conn: &mut SqliteConnection, place: &Checkpoint) -> Attempt<()> {
    if place.sequence == 0 {
        return Ok(());
    }
    if !has_table(conn, "audit_head").await? {
        return Err(gone_back(&Checkpoint::default(), place).into());
    }
    let hash: Option<String> =
        sqlx::query_scalar("SELECT hash FROM audit WHERE tenant = ?1 AND sequence = ?2")
            .bind(TENANT)
            .bind(signed(place.sequence))
            .fetch_optional(&mut *conn)
            .await?;
    if hash.as_ref() == Some(&place.hash) {
        return Ok(());
    }
    Err(gone_back(&audit::head(conn).await?, place).into())
}

/// Refuses a newer schema and another tenant.
async fn belongs(path: &Path, tenant: &str, conn: &mut SqliteConnection) -> Attempt<()> {
    if !has_table(conn, "meta").await? {
        return Ok(());
    }
    let meta: Option<(i64, String)> = sqlx::query_as("SELECT schema, tenant_id FROM meta WHERE tenant = ?1")
        .bind(TENANT)
        .fetch_optional(conn)
        .await?;
    match meta {
        Some((schema, _)) if schema > SCHEMA => Err(newer(path, schema).into()),
        Some((_, owner)) if !owner.eq_ignore_ascii_case(tenant) => Err(Fault::Refused(storage(format!(
            "journal {} belongs to tenant {owner}, not to {tenant}: name another file, or check the tenant id",
            path.display()
        )))),
        _ => Ok(()),
    }
}

async fn migrate(path: &Path, tenant: &str, conn: &mut SqliteConnection) -> Attempt<()> {
    migrator().run(&mut *conn).await.map_err(|error| match error {
        MigrateError::VersionMissing(schema) => newer(path, schema),
        error => storage(format!(
            "journal {} cannot be brought to schema {SCHEMA}: restore it from a backup",
            path.display()
        ))
        .with_source(error),
    })?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let meta = "INSERT INTO meta (tenant, tenant_id, epoch, schema) VALUES (?1, ?2, ?3, ?4) \
                ON CONFLICT (tenant) DO UPDATE SET schema = excluded.schema WHERE schema <> excluded.schema";
    sqlx::query(meta)
        .bind(TENANT)
        .bind(tenant)
        .bind(uuid::Uuid::new_v4().to_string())
        .bind(SCHEMA)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_sound;

    #[test]
    fn versions_with_the_wal_reset_bug_are_refused() {
        for (version, expected) in [
            ("3.51.3", true),
            ("3.51.2", false),
            ("3.9.9", false),
            ("3.52.0", true),
            ("4.0", true),
            ("", false),
        ] {
            assert_eq!(is_sound(version), expected, "{version}");
        }
    }
}
