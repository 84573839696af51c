//! What PostgreSQL says, as sentences with advice, and whether to try again.
//!
//! The server's own words may quote what was written: only its code goes on.

use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use crate::error::{Error, Retry};
pub(super) use crate::journal::fault::{Attempt, Fault, closed, storage};

/// Protocol violation: how a pooler says that it does not do what a session of the server does.
const MISFIT: &str = "08P01";

/// The commit was sent, and its answer never came.
pub(super) const COMMIT_UNKNOWN: &str = "commit_unknown";

/// The error for the caller.
pub(super) fn during(fault: Fault, operation: &'static str) -> Error {
    match fault {
        Fault::Refused(error) => error,
        Fault::Sql(error) => sql(&error).with_operation(operation),
    }
}

/// What became of a transaction whose commit failed. Unless the server itself refused, nobody knows: it may stand, and
/// doing the same again finds out.
pub(super) fn of_commit(error: sqlx::Error) -> Fault {
    if matches!(error, sqlx::Error::Database(_)) && !is_interrupted(&error) {
        return Fault::Sql(error);
    }
    let message = "the connection to PostgreSQL broke during the commit: whether it stands is not known; do the \
                   same again, which is harmless";
    let error = storage(message)
        .with_reason(COMMIT_UNKNOWN)
        .with_retry(Retry::After(Some(Duration::from_secs(1))));
    Fault::Refused(error)
}

/// Whether a transaction that has not been committed for this reason may simply be begun again.
pub(super) fn may_be_repeated(fault: &Fault) -> bool {
    let Fault::Sql(error) = fault else { return false };
    match error {
        sqlx::Error::Io(_) => true,
        // serialization failure, deadlock; somebody else inserted the same key in between
        _ => matches!(code(error), Some("40001" | "40P01" | "23505")) || is_interrupted(error),
    }
}

/// The server ended the connection, or does not take any just now: shutdown, crash, start-up.
fn is_interrupted(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| {
        matches!(code, "57P01" | "57P02" | "57P03") || (code.starts_with("08") && code != MISFIT)
    })
}

/// SQLSTATE (PostgreSQL documentation, appendix A).
pub(super) fn code(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?;
    Some(error.try_downcast_ref::<PgDatabaseError>()?.code())
}

/// The SQLSTATEs that have advice of their own.
pub(super) fn sql(error: &sqlx::Error) -> Error {
    let again = Retry::After(Some(Duration::from_secs(1)));
    let unreachable = |message: &'static str| storage(message).with_retry(again);
    match error {
        sqlx::Error::PoolClosed => return closed(),
        sqlx::Error::PoolTimedOut => {
            return unreachable(
                "no connection to PostgreSQL became free in time: the server is slow or cannot be reached, or the \
                 journal was opened with too few connections",
            );
        }
        sqlx::Error::Io(cause) => {
            let kind = cause.kind();
            return unreachable(
                "PostgreSQL cannot be reached: check that it runs, and the address and port of the journal's URL",
            )
            .with_source(std::io::Error::from(kind));
        }
        sqlx::Error::Tls(_) => {
            return storage(
                "PostgreSQL's certificate is not trusted, or it offers no TLS: give the root certificate as \
                 `sslrootcert` in the journal's URL, or choose another `sslmode`",
            );
        }
        _ => {}
    }
    let Some(code) = code(error) else {
        return storage("PostgreSQL gave an answer that the journal does not understand");
    };
    let message = match code {
        "28000" | "28P01" => "PostgreSQL refused the login: check user and password of the journal's URL",
        "3D000" => "the database of the journal's URL does not exist: create it first",
        "42501" => {
            "PostgreSQL denies the journal's role what it needs: grant it as the documentation of the journal says"
        }
        "53100" => "the disk of PostgreSQL is full: make room; nothing that was accepted is lost",
        "53200" => "there is not enough memory for PostgreSQL",
        "53300" => "PostgreSQL takes no more connections: raise `max_connections`, or use a pooler",
        "25006" => "this PostgreSQL server is a standby: the journal needs the address of the primary",
        "57014" | "55P03" => "PostgreSQL gave up waiting: a lock or a statement took too long",
        "22021" => "a key or text holds a character that PostgreSQL does not store (NUL)",
        MISFIT => {
            "what answers does not do what a session of PostgreSQL does: where it is a pooler in transaction mode, open the \
             journal as pooled"
        }
        "40001" | "40P01" => "PostgreSQL could not order the work of several writers: try again",
        _ if is_interrupted(error) => "PostgreSQL was shut down or is starting: try again",
        _ => "the journal's database refused",
    };
    let told = storage(message).with_code(code.to_owned());
    if is_interrupted(error) || matches!(code, "53300" | "57014" | "55P03" | "40001" | "40P01" | "53100") {
        return told.with_retry(again);
    }
    told
}
