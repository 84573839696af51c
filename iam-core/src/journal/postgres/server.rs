//! Reaching the server: whether it can be trusted with a journal, and bringing its schema up to date.

use std::fmt::Write as _;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqlSafeStr as _};

use super::Durability;
use super::fault::{Attempt, Fault, code, storage};
use super::row::{signed, unsigned};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::audit::Checkpoint;
use crate::journal::restore::gone_back;

/// The schema that this version writes: the number of the last migration.
pub(super) const SCHEMA: i64 = 4;

/// Not `sqlx::migrate!`, which would bring the compile-time query macros along.
fn migrator() -> Migrator {
    let migration = |number, name: &'static str, sql: &'static str| {
        let sql = sql.into_sql_str();
        Migration::new(number, name.into(), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(vec![
        migration(1, "journal", include_str!("migrations/0001_journal.sql")),
        migration(
            2,
            "policy in force",
            include_str!("migrations/0002_policy_in_force.sql"),
        ),
        migration(
            3,
            "plans without statistics",
            include_str!("migrations/0003_plans_without_statistics.sql"),
        ),
        migration(4, "survey", include_str!("migrations/0004_survey.sql")),
    ]);
    // Its lock is an advisory one, which not every pooler and PostgreSQL-like server has: ours is a row of `meta`.
    migrator.set_locking(false);
    migrator
}

/// Understands the URL. What leaves the machine is encrypted to a server whose name is checked, unless the URL says
/// otherwise.
pub(super) fn options(url: &str, pooled: bool) -> Result<PgConnectOptions> {
    let wrong = || {
        // The URL holds a password: it is not repeated.
        let message =
            "the journal's URL is not understood: postgres://USER:PASSWORD@HOST:PORT/DATABASE is expected";
        Error::new(ErrorKind::Invalid, message)
    };
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(wrong());
    }
    let mut options = PgConnectOptions::from_str(url)
        .map_err(|_| wrong())?
        .disable_statement_logging();
    let host = options.get_host();
    let here = host.starts_with('/')
        || options.get_socket().is_some()
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|host: std::net::IpAddr| host.is_loopback());
    if !here && !url.contains("sslmode=") && !url.contains("ssl-mode=") {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    if options.get_application_name().is_none() {
        options = options.application_name("iam-journal");
    }
    if pooled {
        // A pooler knows no sessions: nothing may be left in one.
        options = options.statement_cache_capacity(0).extra_float_digits(None);
    }
    Ok(options)
}

/// The name of a schema, which stands in statements as it is.
pub(super) fn schema_name(name: &str) -> Result<&str> {
    let mut letters = name.chars();
    let first = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_');
    let rest = letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if first && rest && name.len() <= 40 && !name.starts_with("pg_") {
        return Ok(name);
    }
    let message = format!(
        "{name:?} is no schema for a journal: lower-case letters, digits and underscores, at most 40, and not pg_…"
    );
    Err(Error::new(ErrorKind::Invalid, message))
}

/// What the server's settings must be, and whether a transaction has to raise one of them itself.
pub(super) async fn check(conn: &mut PgConnection, durability: Durability) -> Attempt<bool> {
    type Settings = (i32, bool, String, String, String, String);
    // In a transaction like everything else: a pooler may give the next statement to another session.
    let mut tx = conn.begin().await?;
    let settings: Settings = sqlx::query_as(
        "SELECT current_setting('server_version_num')::integer, pg_is_in_recovery(), current_setting('fsync'), \
         current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), \
         current_setting('server_encoding')",
    )
    .persistent(false)
    .fetch_one(&mut *tx)
    .await?;
    tx.rollback().await?;
    let (version, standby, fsync, commit, standbys, encoding) = settings;
    let refuse = |message: String| Err(Fault::Refused(storage(message)));
    if version < 150_000 {
        return refuse(format!(
            "PostgreSQL {} is too old for a journal: 15 or newer is needed",
            version / 10_000
        ));
    }
    if standby {
        return refuse(
            "this PostgreSQL server is a standby: the journal needs the address of the primary (`target_session_attrs` \
             of other clients, the writer endpoint of a managed service)"
                .to_owned(),
        );
    }
    if fsync != "on" {
        return refuse(
            "this PostgreSQL server runs with fsync = off, and may lose what was accepted: set it to on"
                .to_owned(),
        );
    }
    if encoding != "UTF8" {
        return refuse(format!(
            "the database's encoding is {encoding}: a journal needs UTF8"
        ));
    }
    let waits = matches!(commit.as_str(), "on" | "remote_apply");
    if durability == Durability::MultiNode {
        if standbys.trim().is_empty() {
            return refuse(
                "no standby confirms commits (synchronous_standby_names is empty), so a failover may lose what was \
                 accepted: name at least one, or open the journal for a single node"
                    .to_owned(),
            );
        }
        if !waits {
            return refuse(format!(
                "synchronous_commit is {commit}: for more than one node the journal needs on or remote_apply"
            ));
        }
    }
    Ok(!waits)
}

/// How transactions begin, and what a session is told first.
pub(super) struct Begin {
    pub(super) writing: String,
    pub(super) looking: String,
    /// Nothing where a pooler gives each transaction another session: then each is told for itself.
    pub(super) session: String,
}

/// The statements that begin transactions.
pub(super) fn begin(schema: &str, raise_commit: bool, pooled: bool) -> Begin {
    let set = if pooled { "SET LOCAL" } else { "SET" };
    let commit = if raise_commit {
        format!("; {set} synchronous_commit TO on")
    } else {
        String::new()
    };
    // A process that dies between two statements without closing its connection must not hold its locks for long.
    let mut told = format!(
        "{set} search_path TO \"{schema}\"; {set} idle_in_transaction_session_timeout TO '60s'{commit}"
    );
    // Statements find their rows by an index, a few at a time. One that is planned while its tables are small, and kept,
    // must not read the whole of them when they are large. So each of its tables is limited by what was asked for, in
    // whatever order they are joined, and the indexes leave no wrong choice.
    for way in ["seqscan", "bitmapscan", "hashjoin", "mergejoin"] {
        let _ = write!(told, "; {set} enable_{way} TO off");
    }
    let _ = write!(told, "; {set} jit TO off");
    let writing = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    let looking = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    if pooled {
        return Begin {
            writing: format!("{writing}; {told}"),
            looking: format!("{looking}; {told}"),
            session: String::new(),
        };
    }
    Begin {
        writing: writing.to_owned(),
        looking: looking.to_owned(),
        session: told,
    }
}

/// Brings the schema up to date. Any number of processes may do so at the same time.
pub(super) async fn migrate(conn: &mut PgConnection, schema: &str, begin: &str) -> Attempt<()> {
    let mut tries = 0;
    loop {
        let known = known(conn, begin).await;
        let known = match known {
            Ok(SCHEMA) => return Ok(()),
            Ok(newer) if newer > SCHEMA => return Err(refuse_newer(newer)),
            Ok(known) => known,
            Err(Fault::Sql(error)) if matches!(code(&error), Some("42P01" | "3F000")) => 0,
            Err(fault) => return Err(fault),
        };
        let done = bring_up(conn, schema, begin, known).await;
        // Two that create the same thing at the same time: one of them is told in one of these ways.
        let met = |fault: &Fault| match fault {
            Fault::Sql(error) => {
                matches!(
                    code(error),
                    Some("23505" | "42P06" | "42P07" | "40P01" | "40001" | "XX000")
                )
            }
            Fault::Refused(_) => false,
        };
        match done {
            Err(fault) if tries < 20 && met(&fault) => {
                tries += 1;
                SystemClock.sleep(Duration::from_millis(25 * tries)).await;
            }
            done => return done,
        }
    }
}

/// Refuses an older schema whose audit never led to this place, before it is brought up to date. The current one is asked
/// when it is open.
pub(super) async fn has_been_at(
    conn: &mut PgConnection,
    begin: &str,
    tenant: &str,
    place: &Checkpoint,
) -> Attempt<()> {
    if place.sequence == 0 {
        return Ok(());
    }
    let known = match known(conn, begin).await {
        Err(Fault::Sql(error)) if matches!(code(&error), Some("42P01" | "3F000")) => 0,
        known => known?,
    };
    if known >= SCHEMA {
        return Ok(());
    }
    let nothing = || Err(gone_back(&Checkpoint::default(), place).into());
    if known == 0 {
        return nothing();
    }
    let mut tx = conn.begin_with(sqlx::AssertSqlSafe(begin.to_owned())).await?;
    let found: Option<(i64, String, Option<String>)> = sqlx::query_as(
        "SELECT h.sequence, h.hash, a.hash FROM audit_head h JOIN tenant t ON t.tenant = h.tenant \
         LEFT JOIN audit a ON a.tenant = h.tenant AND a.sequence = $2 WHERE lower(t.tenant_id) = lower($1)",
    )
    .persistent(false)
    .bind(tenant)
    .bind(signed(place.sequence))
    .fetch_optional(&mut *tx)
    .await?;
    tx.rollback().await?;
    match found {
        Some((_, _, Some(hash))) if hash == place.hash => Ok(()),
        Some((sequence, hash, _)) => {
            let sequence = unsigned(sequence);
            Err(gone_back(&Checkpoint { sequence, hash }, place).into())
        }
        None => nothing(),
    }
}

fn refuse_newer(schema: i64) -> Fault {
    Fault::Refused(storage(format!(
        "the journal was written by a newer version (schema {schema}, this one knows {SCHEMA}): upgrade this program"
    )))
}

/// The number of the schema, without any lock.
async fn known(conn: &mut PgConnection, begin: &str) -> Attempt<i64> {
    let mut tx = conn.begin_with(sqlx::AssertSqlSafe(begin.to_owned())).await?;
    let known: i64 = sqlx::query_scalar("SELECT schema FROM meta")
        .persistent(false)
        .fetch_one(&mut *tx)
        .await?;
    tx.rollback().await?;
    Ok(known)
}

async fn bring_up(conn: &mut PgConnection, schema: &str, begin: &str, known: i64) -> Attempt<()> {
    if known == 0 {
        // Committed before anything else, so that there is a row that everybody can lock.
        let meta = format!(
            "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; \
             CREATE TABLE IF NOT EXISTS \"{schema}\".meta ( \
                 single boolean PRIMARY KEY DEFAULT true CHECK (single), schema bigint NOT NULL); \
             INSERT INTO \"{schema}\".meta (schema) VALUES (0) ON CONFLICT DO NOTHING"
        );
        conn.execute(sqlx::AssertSqlSafe(meta)).await?;
    }
    let mut tx = conn.begin_with(sqlx::AssertSqlSafe(begin.to_owned())).await?;
    let known: i64 = sqlx::query_scalar("SELECT schema FROM meta FOR UPDATE")
        .persistent(false)
        .fetch_one(&mut *tx)
        .await?;
    if known > SCHEMA {
        return Err(refuse_newer(known));
    }
    if known < SCHEMA {
        // The migrator names its statements, which a pooler hands to the next one that uses the session.
        tx.execute("DEALLOCATE ALL").await?;
        migrator().run(&mut *tx).await.map_err(refused)?;
        tx.execute("DEALLOCATE ALL").await?;
        let update = sqlx::query("UPDATE meta SET schema = $1")
            .persistent(false)
            .bind(SCHEMA);
        update.execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

fn refused(error: MigrateError) -> Fault {
    match error {
        MigrateError::VersionMissing(schema) => refuse_newer(schema),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
            if matches!(code(&error), Some("42501")) =>
        {
            Fault::Refused(storage(format!(
                "the journal's schema has to be brought to {SCHEMA}, and its role may not: open it once with a role \
                 that owns the schema"
            )))
        }
        MigrateError::Execute(error) => Fault::Sql(error),
        error => Fault::Refused(
            storage(format!(
                "the journal's schema cannot be brought to {SCHEMA}: restore it from a backup"
            ))
            .with_source(error),
        ),
    }
}

/// The number of the tenant, made when it is new.
pub(super) async fn tenant(conn: &mut PgConnection, begin: &str, tenant: &str) -> Attempt<i64> {
    let mut tx = conn.begin_with(sqlx::AssertSqlSafe(begin.to_owned())).await?;
    let known = "SELECT tenant FROM tenant WHERE lower(tenant_id) = lower($1)";
    let find = || sqlx::query_scalar(known).persistent(false).bind(tenant);
    let found: Option<i64> = find().fetch_optional(&mut *tx).await?;
    let number = if let Some(number) = found {
        number
    } else {
        let make = sqlx::query("INSERT INTO tenant (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING");
        make.persistent(false).bind(tenant).execute(&mut *tx).await?;
        let number: i64 = find().fetch_one(&mut *tx).await?;
        let start = crate::journal::audit::Checkpoint::default();
        let head = sqlx::query(
            "INSERT INTO audit_head (tenant, sequence, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
        );
        head.persistent(false)
            .bind(number)
            .bind(start.hash)
            .execute(&mut *tx)
            .await?;
        number
    };
    tx.commit().await?;
    Ok(number)
}
