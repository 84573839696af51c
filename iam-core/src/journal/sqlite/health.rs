//! What a look at the file and at what it stands on tells.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::archive::SUFFIX;
use super::fault::{Attempt, Fault, file, storage};
use super::file::{APPLICATION_ID, SCHEMA, beside, holder, is_sound, options, resolve};
use super::{SqliteJournal, TENANT};
use crate::error::Result;
use crate::journal::health::{About, Finding, audit};

/// Less room than this, in bytes, may be used up before anybody looks.
const LITTLE: u64 = 256 * 1024 * 1024;
/// A write-ahead log of more than this, in bytes, is not moved into the database as it should be.
const LONG_LOG: u64 = 512 * 1024 * 1024;

impl SqliteJournal {
    /// Looks at a journal's file without opening it as its process: also while another one works with it, and whichever
    /// version wrote it. Nothing is changed. The audit's chain is verified by [`check`](crate::journal::Journal::check)
    /// of whoever has it open.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) where there is no such file, or it is no journal.
    pub async fn examine(path: impl AsRef<Path>) -> Result<Vec<Finding>> {
        let path = path.as_ref();
        let path = resolve(path).map_err(|error| file(path, error))?;
        if !path.is_file() {
            return Err(storage(format!("there is no journal {}", path.display())));
        }
        let looked = async {
            // First of all, as when it is opened.
            let lock = lock_of(&path);
            let mut conn = options(&path).pragma("query_only", "ON").connect().await?;
            let ours: i64 = sqlx::query_scalar("PRAGMA application_id")
                .fetch_one(&mut conn)
                .await?;
            if ours != APPLICATION_ID {
                return Err(Fault::Refused(storage(format!(
                    "{} is no journal, or was never opened as one",
                    path.display()
                ))));
            }
            let mut found = database(&mut conn).await?;
            let archived = "SELECT count(*) FROM sqlite_schema WHERE name = 'archived'";
            let archived: i64 = sqlx::query_scalar(archived).fetch_one(&mut conn).await?;
            if archived != 0 {
                found.extend(archive(&mut conn, &path).await?);
            }
            conn.close().await?;
            found.push(lock);
            found.extend(files(&path));
            Ok(found)
        };
        let looked: Attempt<Vec<Finding>> = looked.await;
        looked.map_err(|fault| fault.during("look at the journal"))
    }

    pub(super) async fn look(&self) -> Result<Vec<Finding>> {
        let path = &self.0.path;
        let looked = async {
            let mut conn = self.0.readers.acquire().await?;
            let mut found = database(&mut conn).await?;
            found.extend(archive(&mut conn, path).await?);
            Ok(found)
        };
        let looked: Attempt<Vec<Finding>> = looked.await;
        let mut found = looked.map_err(|fault| fault.during("look at the journal"))?;
        found.push(self.flushes().await?);
        let id = std::process::id();
        found.push(Finding::good(
            About::Lock,
            format!("this process ({id}) has it open, and no other one can"),
        ));
        found.extend(files(path));
        found.push(audit(self).await?);
        Ok(found)
    }

    /// What is set for the connection that writes.
    async fn flushes(&self) -> Result<Finding> {
        let mut writer = self.writer().await?;
        let set = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&mut writer.conn)
            .await;
        let set: i64 = writer.told("look at the journal", set.map_err(Fault::Sql))?;
        Ok(if set >= 2 {
            Finding::good(
                About::Flush,
                "every commit waits for the disk (synchronous = FULL)",
            )
        } else {
            Finding::bad(
                About::Flush,
                "commits do not wait for the disk, and a power failure may lose what was accepted: open it anew",
            )
        })
    }
}

/// What the database tells of itself.
async fn database(conn: &mut SqliteConnection) -> Attempt<Vec<Finding>> {
    let mut found = Vec::new();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut *conn)
        .await?;
    found.push(if is_sound(&version) {
        Finding::good(About::Version, format!("SQLite {version}"))
    } else {
        let message =
            format!("SQLite {version} may damage the journal (WAL-reset bug): build with 3.51.3 or newer");
        Finding::bad(About::Version, message)
    });
    let meta: Option<(i64, String)> = sqlx::query_as("SELECT schema, tenant_id FROM meta WHERE tenant = ?1")
        .bind(TENANT)
        .fetch_optional(&mut *conn)
        .await?;
    found.extend(meta.map_or_else(
        || {
            vec![Finding::bad(
                About::Schema,
                "it was never opened to the end: open it once",
            )]
        },
        |(schema, tenant)| {
            let schema = match schema {
                SCHEMA => Finding::good(About::Schema, format!("schema {schema}")),
                newer if newer > SCHEMA => Finding::bad(
                    About::Schema,
                    format!("schema {schema} is newer than this program, which knows {SCHEMA}: upgrade it"),
                ),
                _ => Finding::doubtful(
                    About::Schema,
                    format!("schema {schema} becomes {SCHEMA} when this version opens it: back it up before"),
                ),
            };
            vec![schema, Finding::good(About::Tenant, tenant)]
        },
    ));
    let wrong: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
        .fetch_all(&mut *conn)
        .await?;
    found.push(if wrong == ["ok"] {
        Finding::good(About::Integrity, "every page and every index is whole")
    } else {
        let first = wrong.first().map_or("nothing was answered", String::as_str);
        let message = format!(
            "{} findings, the first is {first:?}: stop the program, keep a copy of the files, and restore a backup",
            wrong.len()
        );
        Finding::bad(About::Integrity, message)
    });
    let astray = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut *conn)
        .await?;
    found.push(if astray.is_empty() {
        Finding::good(About::References, "every row that another one names is there")
    } else {
        let message = format!(
            "{} rows name others that are not there: the file was changed by hand; restore a backup",
            astray.len()
        );
        Finding::bad(About::References, message)
    });
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *conn)
        .await?;
    found.push(if mode == "wal" {
        Finding::good(About::Flush, "a write-ahead log is kept")
    } else {
        let message =
            format!("the log is kept as {mode:?}: another program has changed the file; open it once");
        Finding::bad(About::Flush, message)
    });
    let (pages, free): (i64, i64) = (
        sqlx::query_scalar("PRAGMA page_count")
            .fetch_one(&mut *conn)
            .await?,
        sqlx::query_scalar("PRAGMA freelist_count")
            .fetch_one(&mut *conn)
            .await?,
    );
    if free > 10_000 && free > pages / 2 {
        let message = format!("{free} of the file's {pages} pages are not used: compact it in a quiet hour");
        found.push(Finding::doubtful(About::Space, message));
    }
    Ok(found)
}

/// What was moved out of the file.
async fn archive(conn: &mut SqliteConnection, path: &Path) -> Attempt<Option<Finding>> {
    let gone: i64 = sqlx::query_scalar("SELECT count(*) FROM archived WHERE tenant = ?1")
        .bind(TENANT)
        .fetch_one(&mut *conn)
        .await?;
    if gone == 0 {
        return Ok(None);
    }
    let path = beside(path, SUFFIX);
    if !path.is_file() {
        let message = format!(
            "{} is missing, and {gone} events cannot be told: put it back beside the journal",
            path.display()
        );
        return Ok(Some(Finding::bad(About::Archive, message)));
    }
    let mut conn = options(&path).pragma("query_only", "ON").connect().await?;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM event")
        .fetch_one(&mut conn)
        .await?;
    let whole: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut conn)
        .await?;
    conn.close().await?;
    Ok(Some(if whole != "ok" {
        Finding::bad(
            About::Archive,
            format!("it is damaged ({whole}): put the last backup of it back"),
        )
    } else if kept < gone {
        let message = format!(
            "{gone} events were moved to it, and it has {kept}: it is an older copy; put the newest back"
        );
        Finding::bad(About::Archive, message)
    } else {
        Finding::good(About::Archive, format!("{kept} events are in it"))
    }))
}

/// Who has the lock.
fn lock_of(path: &Path) -> Finding {
    let nobody = || Finding::good(About::Lock, "no process has it open");
    let mut ask = OpenOptions::new();
    let Ok(mut lock) = ask.read(true).open(beside(path, ".lock")) else {
        return nobody();
    };
    match lock.try_lock_shared() {
        Ok(()) => nobody(),
        Err(TryLockError::WouldBlock) => {
            let by = holder(&mut lock).map_or("another process".to_owned(), |id| format!("process {id}"));
            Finding::good(About::Lock, format!("{by} has it open"))
        }
        Err(TryLockError::Error(_)) => Finding::bad(
            About::Lock,
            "it cannot be locked: put it on a local disk, not on a network share",
        ),
    }
}

/// The files, and the disk that they are on.
fn files(path: &Path) -> Vec<Finding> {
    let mut found = vec![privacy(path)];
    let length = |suffix: &str| fs::metadata(beside(path, suffix)).map_or(0, |known| known.len());
    let log = length("-wal");
    if log > LONG_LOG {
        let message = format!(
            "the write-ahead log has {} MB: somebody reads for very long (a backup, another program), and it cannot be emptied",
            log >> 20
        );
        found.push(Finding::doubtful(About::Space, message));
    }
    found.extend(room(path, length("")));
    found
}

#[cfg(unix)]
fn privacy(path: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt as _;
    let names = ["", "-wal", "-shm", ".lock", SUFFIX].map(|suffix| beside(path, suffix));
    let open =
        |name: &&PathBuf| fs::metadata(name).is_ok_and(|known| known.permissions().mode() & 0o077 != 0);
    let open: Vec<String> = names
        .iter()
        .filter(open)
        .map(|name| name.display().to_string())
        .collect();
    if open.is_empty() {
        return Finding::good(About::Privacy, "the files are for their owner alone");
    }
    let message = format!(
        "others on this machine may read personal data in {}: chmod 600",
        open.join(", ")
    );
    Finding::bad(About::Privacy, message)
}

#[cfg(not(unix))]
fn privacy(_: &Path) -> Finding {
    let message =
        "who may read the files is not known here: give their folder to the program's account alone";
    Finding::doubtful(About::Privacy, message)
}

/// Room on the disk, where it can be known.
#[cfg(unix)]
fn room(path: &Path, file: u64) -> Option<Finding> {
    let disk = File::open(path.parent()?)
        .and_then(|folder| Ok(rustix::fs::fstatvfs(folder)?))
        .ok()?;
    let (free, whole) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    Some(judged(free, whole, file))
}

#[cfg(not(unix))]
fn room(_: &Path, _: u64) -> Option<Finding> {
    None
}

/// A file of that length on a disk of that size.
#[cfg(unix)]
fn judged(free: u64, whole: u64, file: u64) -> Finding {
    let told = format!("{} MB of {} MB are free on its disk", free >> 20, whole >> 20);
    if free < LITTLE {
        let message = format!("{told}: make room; a full disk accepts nothing, and loses nothing");
        return Finding::bad(About::Space, message);
    }
    if free < whole / 5 || free < file {
        let message = format!("{told}: make room before it is needed, also for a backup and for compacting");
        return Finding::doubtful(About::Space, message);
    }
    Finding::good(About::Space, told)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::judged;
    use crate::journal::Health;

    #[test]
    fn room_is_judged_by_the_disk_and_by_the_file() {
        const GB: u64 = 1 << 30;
        for (free, whole, file, expected) in [
            (50 * GB, 100 * GB, GB, Health::Good),
            (19 * GB, 100 * GB, GB, Health::Doubtful),
            (50 * GB, 100 * GB, 60 * GB, Health::Doubtful),
            (GB / 8, GB / 4, 0, Health::Bad),
        ] {
            assert_eq!(
                judged(free, whole, file).health,
                expected,
                "{free} {whole} {file}"
            );
        }
    }
}
