//! What a look at the server and at its settings tells.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::Connection as _;

use super::fault::{Attempt, Fault, during};
use super::server::SCHEMA;
use super::work::Work;
use super::{Durability, PostgresJournal};
use crate::clock::{Clock as _, SystemClock};
use crate::error::Result;
use crate::journal::health::{About, Finding, Health, audit};
use crate::journal::row::instant;

/// Clocks that differ by less are taken for the same.
const SKEW: SignedDuration = SignedDuration::from_secs(2);
/// Whoever's clock differs by more starts people at a wrong time.
const WRONG: SignedDuration = SignedDuration::from_mins(1);
/// A transaction that lasts longer keeps dead rows alive, seconds.
const LONG: f64 = 600.0;

/// What the server says of itself.
#[allow(clippy::struct_excessive_bools)] // one column each
#[derive(sqlx::FromRow)]
struct Server {
    version: i32,
    shown: String,
    standby: bool,
    fsync: String,
    full_pages: String,
    checksums: String,
    commit: String,
    standbys: String,
    autovacuum: String,
    idle: String,
    superuser: bool,
    encrypted: bool,
    remote: bool,
    oldest: Option<f64>,
    schema: i64,
    invalid: i64,
    guarded: bool,
}

impl PostgresJournal {
    pub(super) async fn look_into(&self) -> Result<Vec<Finding>> {
        let looked = async {
            let sessions = self.sessions().await?;
            if sessions.as_ref().is_some_and(|found| found.health == Health::Bad) {
                // Nothing else can be relied on.
                return Ok((sessions.into_iter().collect(), false));
            }
            let mut found = self.server().await?.found(self.0.durability);
            found.push(self.clock().await?);
            found.extend(sessions);
            Ok((found, true))
        };
        let looked: Attempt<(Vec<Finding>, bool)> = looked.await;
        let (mut found, sound) = looked.map_err(|fault| during(fault, "look at the journal"))?;
        if sound {
            found.push(audit(self).await?);
        }
        Ok(found)
    }

    async fn server(&self) -> Attempt<Server> {
        let mut work = Work::look(&self.0.pool, &self.0.start).await?;
        let server = work.rows::<Server>(
            "SELECT current_setting('server_version_num')::integer AS version, \
                    current_setting('server_version') AS shown, pg_is_in_recovery() AS standby, \
                    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_pages, \
                    current_setting('data_checksums') AS checksums, \
                    current_setting('synchronous_commit') AS commit, \
                    current_setting('synchronous_standby_names') AS standbys, \
                    current_setting('autovacuum') AS autovacuum, \
                    (SELECT reset_val FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') AS idle, \
                    coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false) AS superuser, \
                    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted, \
                    coalesce(NOT inet_client_addr() <<= ANY (ARRAY['127.0.0.0/8', '::1/128']::inet[]), false) AS remote, \
                    (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL) AS oldest, \
                    (SELECT schema FROM meta) AS schema, \
                    (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                     WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready)) \
                     AS invalid, \
                    EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = 'audit'::regclass \
                            AND tgname = 'audit_is_not_changed' AND tgenabled IN ('O', 'A')) AS guarded \
             WHERE $1 = $1",
        );
        let server = server.fetch_one(work.conn()).await?;
        work.commit().await?;
        Ok(server)
    }

    /// The clock by which leases run against the one by which people begin and leave.
    async fn clock(&self) -> Attempt<Finding> {
        let mut work = Work::look(&self.0.pool, &self.0.start).await?;
        let before = SystemClock.now();
        let there = work.column::<i64>(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint WHERE $1 = $1",
        );
        let there = instant(there.fetch_one(work.conn()).await?);
        let after = SystemClock.now();
        work.commit().await?;
        Ok(skew(before, there, after))
    }

    /// Whether two transactions of one connection are two of one session. Another connection is kept busy in between, so
    /// that a pooler has to choose again.
    async fn sessions(&self) -> Attempt<Option<Finding>> {
        if self.0.pooled {
            let message = "nothing depends on a session: a pooler in transaction mode may stand in between";
            return Ok(Some(Finding::good(About::Sessions, message)));
        }
        let two = async {
            let mut first = self.0.pool.acquire().await?;
            let pid = "SELECT pg_backend_pid()";
            let ask = || sqlx::query_scalar::<_, i32>(pid).persistent(false);
            let before = ask().fetch_one(&mut *first).await?;
            let mut second = self.0.pool.acquire().await?;
            let mut other = second.begin().await?;
            ask().fetch_one(&mut *other).await?;
            let after = ask().fetch_one(&mut *first).await?;
            other.rollback().await?;
            Ok::<_, sqlx::Error>(before == after)
        };
        // A journal with one connection, or a busy one, is not kept from its work.
        let Ok(same) = tokio::time::timeout(Duration::from_secs(5), two).await else {
            return Ok(None);
        };
        Ok(Some(if same.map_err(Fault::Sql)? {
            Finding::good(About::Sessions, "connections are the server's own sessions")
        } else {
            let message = "a pooler in transaction mode stands in between, and the journal was not told: open it as pooled";
            Finding::bad(About::Sessions, message)
        }))
    }
}

impl Server {
    fn found(&self, durability: Durability) -> Vec<Finding> {
        let mut found = vec![self.version(), self.schema()];
        found.extend(self.flush());
        found.push(self.standbys(durability));
        found.extend(self.settings());
        if self.superuser {
            let message = "the journal's role is a superuser: give it a role of its own that is not";
            found.push(Finding::doubtful(About::Privacy, message));
        }
        if self.remote && !self.encrypted {
            let message = "personal data travels to another machine without TLS: use sslmode=verify-full";
            found.push(Finding::bad(About::Privacy, message));
        }
        found
    }

    fn version(&self) -> Finding {
        if self.standby {
            let message = "this server is a standby now: connect to the primary";
            return Finding::bad(About::Version, message);
        }
        if self.version < 150_000 {
            let message = format!("PostgreSQL {} is too old: 15 or newer is needed", self.shown);
            return Finding::bad(About::Version, message);
        }
        Finding::good(About::Version, format!("PostgreSQL {}", self.shown))
    }

    fn schema(&self) -> Finding {
        match self.schema {
            SCHEMA if self.invalid == 0 => Finding::good(About::Schema, format!("schema {SCHEMA}")),
            SCHEMA => {
                let message = format!("{} indexes are not valid: REINDEX SCHEMA", self.invalid);
                Finding::bad(About::Schema, message)
            }
            other => {
                let message = format!(
                    "schema {other}, and this program knows {SCHEMA}: another version has changed it meanwhile; upgrade \
                     this program and start it again"
                );
                Finding::bad(About::Schema, message)
            }
        }
    }

    fn flush(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.fsync == "on" && self.full_pages == "on" {
            let message = match self.commit.as_str() {
                "on" | "remote_apply" => "every commit waits for the disk".to_owned(),
                less => format!(
                    "every commit waits for the disk (synchronous_commit is {less}, and is raised by the journal)"
                ),
            };
            found.push(Finding::good(About::Flush, message));
        } else {
            let message = format!(
                "fsync is {}, full_page_writes is {}: a power failure may lose what was accepted; set both to on",
                self.fsync, self.full_pages
            );
            found.push(Finding::bad(About::Flush, message));
        }
        if self.checksums != "on" {
            let message =
                "the server's pages have no checksums (data_checksums), so that a bad disk is found late";
            found.push(Finding::doubtful(About::Integrity, message));
        }
        if !self.guarded {
            let message =
                "the trigger that keeps the audit from being changed is gone or disabled: ask who did that";
            found.push(Finding::bad(About::Audit, message));
        }
        found
    }

    fn standbys(&self, durability: Durability) -> Finding {
        let none = self.standbys.trim().is_empty();
        match durability {
            Durability::MultiNode if none => Finding::bad(
                About::Durability,
                "no standby confirms commits any more (synchronous_standby_names is empty): a failover may lose what was \
                 accepted",
            ),
            Durability::SingleNode if none => Finding::good(
                About::Durability,
                "one node: what was accepted survives a crash, and the loss of the machine only from a backup",
            ),
            _ => Finding::good(About::Durability, "a standby confirms every commit"),
        }
    }

    fn settings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.autovacuum != "on" {
            let message = "autovacuum is off: lanes and steps grow without end; set it to on";
            found.push(Finding::bad(About::Settings, message));
        }
        if self.idle == "0" {
            let message = "idle_in_transaction_session_timeout is not set: other programs may keep dead rows alive for ever";
            found.push(Finding::doubtful(About::Settings, message));
        }
        if let Some(oldest) = self.oldest.filter(|oldest| *oldest > LONG) {
            let message = format!(
                "a transaction in this database is {:.0} minutes old and keeps dead rows alive: end it (pg_stat_activity)",
                oldest / 60.0
            );
            found.push(Finding::doubtful(About::Settings, message));
        }
        if found.is_empty() {
            found.push(Finding::good(About::Settings, "nothing keeps dead rows alive"));
        }
        found
    }
}

/// How far the database's clock is from the time between two readings of this machine's.
fn skew(before: Timestamp, there: Timestamp, after: Timestamp) -> Finding {
    let ahead = before.duration_since(there);
    let behind = there.duration_since(after);
    let skew = ahead.max(behind).max(SignedDuration::ZERO);
    let seconds = skew.as_secs_f64();
    if skew > WRONG {
        let message = format!(
            "this machine's clock and the database's differ by {seconds:.0} s: people begin and leave at the wrong time; set \
             the clocks"
        );
        return Finding::bad(About::Clock, message);
    }
    if skew > SKEW {
        let message = format!(
            "this machine's clock and the database's differ by {seconds:.0} s: let both be kept by NTP"
        );
        return Finding::doubtful(About::Clock, message);
    }
    Finding::good(About::Clock, "this machine's clock and the database's agree")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_cannot_be_the_way_there_and_back() {
        let at = |millis: i64| Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap();
        for (before, there, after, expected) in [
            (0, 5, 10, Health::Good),
            // A slow answer is no skew.
            (0, 50_000, 90_000, Health::Good),
            (0, -3_000, 10, Health::Doubtful),
            (0, 3_000, 10, Health::Doubtful),
            (0, 3_600_000, 10, Health::Bad),
            (0, -3_600_000, 10, Health::Bad),
        ] {
            assert_eq!(skew(at(before), at(there), at(after)).health, expected, "{there}");
        }
    }

    fn server() -> Server {
        Server {
            version: 150_018,
            shown: "15.18".into(),
            standby: false,
            fsync: "on".into(),
            full_pages: "on".into(),
            checksums: "on".into(),
            commit: "on".into(),
            standbys: String::new(),
            autovacuum: "on".into(),
            idle: "60000".into(),
            superuser: false,
            encrypted: false,
            remote: false,
            oldest: None,
            schema: SCHEMA,
            invalid: 0,
            guarded: true,
        }
    }

    #[test]
    fn what_is_wrong_with_a_server_is_told() {
        let told = |server: &Server, durability| {
            let found = server.found(durability).into_iter();
            let wrong = found.filter(|finding| finding.health != Health::Good);
            wrong
                .map(|finding| (finding.about, finding.health))
                .collect::<Vec<_>>()
        };
        let single = |change: fn(&mut Server)| {
            let mut server = server();
            change(&mut server);
            told(&server, Durability::SingleNode)
        };
        assert_eq!(single(|_| {}), []);
        let (bad, doubtful) = (Health::Bad, Health::Doubtful);
        assert_eq!(single(|server| server.standby = true), [(About::Version, bad)]);
        assert_eq!(single(|server| server.version = 140_009), [(About::Version, bad)]);
        assert_eq!(single(|server| server.schema += 1), [(About::Schema, bad)]);
        assert_eq!(single(|server| server.invalid = 1), [(About::Schema, bad)]);
        assert_eq!(
            single(|server| server.fsync = "off".into()),
            [(About::Flush, bad)]
        );
        assert_eq!(
            single(|server| server.full_pages = "off".into()),
            [(About::Flush, bad)]
        );
        assert_eq!(
            single(|server| server.checksums = "off".into()),
            [(About::Integrity, doubtful)]
        );
        assert_eq!(single(|server| server.guarded = false), [(About::Audit, bad)]);
        assert_eq!(
            single(|server| server.autovacuum = "off".into()),
            [(About::Settings, bad)]
        );
        assert_eq!(
            single(|server| server.idle = "0".into()),
            [(About::Settings, doubtful)]
        );
        assert_eq!(
            single(|server| server.oldest = Some(4_000.0)),
            [(About::Settings, doubtful)]
        );
        assert_eq!(
            single(|server| server.superuser = true),
            [(About::Privacy, doubtful)]
        );
        assert_eq!(single(|server| server.remote = true), [(About::Privacy, bad)]);
        assert_eq!(single(|server| server.commit = "local".into()), []);
        assert_eq!(told(&server(), Durability::MultiNode), [(About::Durability, bad)]);
    }
}
