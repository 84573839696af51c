//! A copy of the journal while it is worked on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _};

use super::SqliteJournal;
use super::archive::SUFFIX;
use super::fault::{Attempt, Fault, file, storage};
use super::file::{beside, options, private, resolve};
use super::group;
use crate::error::Result;
use crate::journal::audit::Checkpoint;

/// A copy that is not complete. It goes when it is given up.
struct Part {
    path: PathBuf,
    kept: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            for suffix in ["", "-journal"] {
                // Where it cannot be removed it is refused the next time, with advice.
                let _ = fs::remove_file(beside(&self.path, suffix));
            }
        }
    }
}

impl SqliteJournal {
    /// Writes a copy of the journal to `path`, readable by its owner only (mode 0600): everything that was accepted before,
    /// as it stood at one moment, while workers go on. The copy is compact, has been read to the end and found whole, and
    /// is flushed to the disk before it has its name. An [archive](Self::archive) is copied beside it. Gives back the end of the
    /// copy's audit, to be kept elsewhere ([`open_after`](Self::open_after)).
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage): there is a file of that name already, or it cannot be written or is not whole. Nothing is left behind.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        let target = resolve(path).map_err(|error| file(path, error))?;
        // What others write together is flushed first: whoever waits for it is told, and it is part of the copy.
        drop(group::end(self.turn().await).await?);
        let copied = async {
            let archived = beside(&target, SUFFIX);
            free(&target)?;
            free(&archived)?;
            let copy = copied(&self.0.path, &target).await?;
            // Afterwards: what is in both is the journal's, and what left the journal meanwhile is in the first copy.
            let archive = match self.0.archive.readers()? {
                Some(_) => Some(copied(&self.0.archive.path, &archived).await?),
                None => None,
            };
            let end = whole(&copy.path).await?;
            if let Some(archive) = archive {
                whole_pages(&archive.path).await?;
                named(archive, &archived)?;
            }
            named(copy, &target)?;
            Ok(end)
        };
        copied
            .await
            .map_err(|fault: Fault| fault.during("back the journal up"))
    }
}

/// Nothing is written over.
fn free(target: &Path) -> Result<()> {
    if target.exists() {
        return Err(storage(format!(
            "{} exists: a backup is a file of its own, name another one or remove it",
            target.display()
        )));
    }
    Ok(())
}

/// Copies a database, at one moment, under a name that nobody takes for a whole one.
async fn copied(from: &Path, target: &Path) -> Attempt<Part> {
    let path = beside(target, ".part");
    let mut new = OpenOptions::new();
    let created = private(&mut new).create(false).create_new(true).open(&path);
    created.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => storage(format!(
            "{} was left by a backup that was cut off, or belongs to one that is under way: remove it",
            path.display()
        )),
        _ => file(&path, error),
    })?;
    let part = Part { path, kept: false };
    let name = part.path.to_str().ok_or_else(|| {
        storage(format!(
            "{} cannot be named to SQLite: choose a path in UTF-8",
            target.display()
        ))
    })?;
    let mut conn = options(from).connect().await?;
    sqlx::query("VACUUM INTO ?1")
        .bind(name)
        .execute(&mut conn)
        .await?;
    conn.close().await?;
    Ok(part)
}

/// The end of the audit of a copy in which nothing is missing.
async fn whole(copy: &Path) -> Attempt<Checkpoint> {
    whole_pages(copy).await?;
    let mut conn = options(copy).pragma("query_only", "ON").connect().await?;
    let end = super::audit::head(&mut conn).await?;
    conn.close().await?;
    Ok(end)
}

async fn whole_pages(copy: &Path) -> Attempt<()> {
    let mut conn = options(copy).pragma("query_only", "ON").connect().await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut conn)
        .await?;
    conn.close().await?;
    if found == "ok" {
        return Ok(());
    }
    Err(Fault::Refused(storage(format!(
        "the copy is not whole ({found}), and was discarded: check the disks, and the journal itself"
    ))))
}

/// Gives a flushed copy its name.
fn named(mut part: Part, target: &Path) -> Result<()> {
    let failed = |error| file(target, error);
    File::open(&part.path)
        .and_then(|copy| copy.sync_all())
        .map_err(failed)?;
    free(target)?;
    fs::rename(&part.path, target).map_err(failed)?;
    part.kept = true;
    #[cfg(unix)]
    if let Some(folder) = target.parent() {
        // The name is durable as well.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
    }
    Ok(())
}
