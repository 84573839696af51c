//! [`DeltaLink`], and where it is kept between rounds.

use std::fmt::{self, Debug};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use iam_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Where the next round starts: an opaque URL of the service, good for seven days. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeltaLink(String);

impl DeltaLink {
    /// The link that was stored as this text.
    pub fn new(link: impl Into<String>) -> Self {
        Self(link.into())
    }

    /// Its text, for storing it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Debug for DeltaLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeltaLink(…)")
    }
}

/// Keeps the link of one list of changes. Both in one transaction with what the changes led to is best.
#[async_trait]
pub trait LinkStore: Debug + Send + Sync {
    /// The link that was saved last, if any.
    async fn load(&self) -> Result<Option<DeltaLink>>;
    /// Replaces it, durably.
    async fn save(&self, link: &DeltaLink) -> Result<()>;
}

/// Keeps the link in a file that only its owner can read, and replaces it as a whole.
#[derive(Debug, Clone)]
pub struct LinkFile(PathBuf);

impl LinkFile {
    /// The file at that path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&path))
            .await
            .map_err(std::io::Error::other);
        done.and_then(|outcome| outcome).map_err(|source| {
            let message = format!("the link file {} cannot be {what}", self.0.display());
            Error::new(ErrorKind::Storage, message).with_source(source)
        })
    }
}

#[async_trait]
impl LinkStore for LinkFile {
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the file is there and cannot be read.
    async fn load(&self) -> Result<Option<DeltaLink>> {
        let text = self.run("read", |path| match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            outcome => outcome,
        });
        let text = text.await?.trim().to_owned();
        Ok(Some(text).filter(|text| !text.is_empty()).map(DeltaLink))
    }

    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when it cannot be written; the link before is still there.
    async fn save(&self, link: &DeltaLink) -> Result<()> {
        let text = format!("{}\n", link.0);
        self.run("written", move |path| replace(path, text.as_bytes()))
            .await
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // What a process left behind that died may be open to others, or be somebody's link to elsewhere.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The new name itself is durable with its folder only.
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
