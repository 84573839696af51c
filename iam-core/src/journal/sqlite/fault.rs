//! What SQLite and the file system say, as sentences with advice.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Retry};
pub(super) use crate::journal::fault::{Attempt, Fault, closed, storage};

impl Fault {
    /// The error for the caller.
    pub(super) fn during(self, operation: &'static str) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) => sql(error).with_operation(operation),
        }
    }
}

/// A failure of the file system, with advice.
pub(super) fn file(path: &Path, error: io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "its folder does not exist: create it first",
        io::ErrorKind::PermissionDenied => "permission denied: run as the file's owner",
        io::ErrorKind::StorageFull => "the disk is full: make room",
        io::ErrorKind::IsADirectory => "it is a folder: name a file",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: choose another place",
        _ => "it cannot be used",
    };
    storage(format!("journal {}: {advice}", path.display())).with_source(error)
}

/// The primary result codes that have advice of their own (sqlite.org, "Result and Error Codes").
fn sql(error: sqlx::Error) -> Error {
    if matches!(error, sqlx::Error::PoolClosed) {
        return closed();
    }
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let primary = code
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff);
    let message = match primary {
        Some(3 | 14 | 23) => {
            "the journal file cannot be opened: check the permissions of the file and its folder"
        }
        Some(5 | 6) => {
            "another program holds a lock on the journal file: close it; an SQLite journal has one process"
        }
        Some(7) => "there is not enough memory for the journal",
        Some(8) => "the journal file is read-only: check the permissions of the file and its folder",
        Some(10) => "reading or writing the journal file failed: check the disk; it must be a local one",
        Some(11) => "the journal file is damaged: restore it from a backup",
        Some(13) => "the disk is full: make room; nothing that was accepted is lost",
        Some(26) => "the journal file is not an SQLite database: name another file",
        _ => "the journal's database refused",
    };
    let busy = matches!(primary, Some(5 | 6));
    let error = storage(message).with_source(error);
    if busy {
        return error.with_retry(Retry::After(Some(Duration::from_secs(1))));
    }
    error
}
