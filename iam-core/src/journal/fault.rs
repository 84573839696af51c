//! [`Fault`]: what can go wrong inside a journal that keeps its tables in a database, until it becomes the caller's
//! [`Error`] with advice.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};

/// The result of a piece of work on the database.
pub(super) type Attempt<T> = std::result::Result<T, Fault>;

/// Why a piece of work was given up.
#[derive(Debug)]
pub(super) enum Fault {
    /// By the database.
    Sql(sqlx::Error),
    /// By us, for the caller as it is.
    Refused(Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Fault {
    /// What is stored cannot be understood. The parser's own words may quote personal data: they stay out.
    pub(super) fn unreadable(what: &str, of: &str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::Refused(storage(format!(
            "the journal's {what} of {of} cannot be understood (line {line}, column {column}): it was changed \
             by hand or written by another version; restore the journal from a backup or open it with that version"
        )))
    }
}

/// An error of kind `Storage`.
pub(super) fn storage(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Storage, message)
}

/// The journal was closed by its owner.
pub(super) fn closed() -> Error {
    storage("the journal has been closed: open it again")
}
