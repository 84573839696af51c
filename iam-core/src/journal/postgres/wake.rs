//! The hint that something may have become claimable: at most one `NOTIFY` in 100 ms, on a connection of its own and
//! never in a transaction that writes (its commit would wait for every other notifying one). Hints may be lost: whoever
//! waits asks again after a while all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor as _, PgPool};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::clock::{Clock as _, SystemClock};

/// The least time between two hints of one process.
const BETWEEN: Duration = Duration::from_millis(100);
/// How long to wait after a connection that listens was lost.
const AGAIN: Duration = Duration::from_secs(1);

/// Gives hints and takes them.
pub(super) struct Wake {
    channel: String,
    pool: PgPool,
    /// Where to listen; `None` where only a pooler can be reached.
    listen: Option<PgConnectOptions>,
    changes: watch::Sender<u64>,
    /// The change that the latest claim has seen.
    claimed: AtomicU64,
    tell: Arc<Notify>,
    told: AtomicBool,
    heard: AtomicBool,
    tasks: std::sync::Mutex<Vec<AbortHandle>>,
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Wake {
    pub(super) fn new(channel: String, pool: PgPool, listen: Option<PgConnectOptions>) -> Self {
        Self {
            channel,
            pool,
            listen,
            changes: watch::Sender::new(0),
            claimed: AtomicU64::new(0),
            tell: Arc::new(Notify::new()),
            told: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            tasks: std::sync::Mutex::default(),
        }
    }

    pub(super) fn stop(&self) {
        let mut tasks = self
            .tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }

    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(task).abort_handle();
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(task);
    }

    /// A lane may have something to do: tells this process at once, and the others soon.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|change| *change += 1);
        if !self.told.swap(true, Ordering::SeqCst) {
            let (tell, pool, channel) = (self.tell.clone(), self.pool.clone(), self.channel.clone());
            self.run(async move {
                loop {
                    tell.notified().await;
                    // One message, which any pooler passes on. Whoever is not told asks in a while.
                    let notify = sqlx::AssertSqlSafe(format!("NOTIFY \"{channel}\""));
                    let _ = pool.execute(notify).await;
                    SystemClock.sleep(BETWEEN).await;
                }
            });
        }
        self.tell.notify_one();
    }

    /// A claim begins: what changed until now, it will see.
    pub(super) fn claims(&self) {
        self.claimed.store(*self.changes.borrow(), Ordering::SeqCst);
    }

    /// Waits for a change after the latest claim.
    pub(super) async fn wait(&self) {
        if let Some(options) = self
            .listen
            .clone()
            .filter(|_| !self.heard.swap(true, Ordering::SeqCst))
        {
            self.run(listen(options, self.channel.clone(), self.changes.clone()));
        }
        let claimed = self.claimed.load(Ordering::SeqCst);
        // It fails when nobody can send any more, and this one can.
        let _ = self
            .changes
            .subscribe()
            .wait_for(|change| *change != claimed)
            .await;
    }
}

/// Listens for as long as the journal is open.
async fn listen(options: PgConnectOptions, channel: String, changes: watch::Sender<u64>) {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = pool.connect_lazy_with(options);
    loop {
        let heard = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(&channel).await?;
            // What was told while nobody listened.
            changes.send_modify(|change| *change += 1);
            while listener.try_recv().await?.is_some() {
                changes.send_modify(|change| *change += 1);
            }
            Ok::<(), sqlx::Error>(())
        };
        let _ = heard.await;
        SystemClock.sleep(AGAIN).await;
    }
}
