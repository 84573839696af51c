//! What lies between a journal and its server: poolers, cut connections, hints.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;

use super::cutter::Cutter;
use super::{ACME, LEASE, Place, at, join};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{ErrorKind, Retry};
use crate::journal::{Appended, EventState, HistoryQuery, Journal, PostgresJournal, conformance};
use crate::testing::free_port;

/// `PgBouncer` in transaction mode before the shared server, gone with the test.
pub(super) struct Pooler {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pooler {
    pub(super) async fn start(server: &str) -> Self {
        Self::start_with(server, "").await
    }

    /// With more settings.
    pub(super) async fn start_with(server: &str, more: &str) -> Self {
        let program = [
            "/usr/sbin/pgbouncer",
            "/usr/bin/pgbouncer",
            "/opt/homebrew/bin/pgbouncer",
        ];
        let program = program
            .into_iter()
            .find(|program| std::path::Path::new(program).exists());
        let program = program.expect("PgBouncer is not installed: apt-get install pgbouncer");
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let server = server.rsplit_once('@').unwrap().1.split_once('/').unwrap().0;
        let (host, server_port) = server.rsplit_once(':').unwrap();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={server_port} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 3\nmax_client_conn = 200\n{more}"
        );
        std::fs::write(&settings, text).unwrap();
        // It does not run as root, and neither do those who are not root need another user.
        let mut command = Command::new(program);
        if Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0" {
            use std::os::unix::fs::PermissionsExt as _;
            let readable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.path(), readable).unwrap();
            command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "--",
                program,
            ]);
        }
        command
            .arg("-q")
            .arg(&settings)
            .stderr(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
        Self {
            child,
            port,
            _folder: folder,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

/// Three sessions of the server for all transactions of all journals: nothing may be left in a session, and nothing
/// expected there.
#[tokio::test(flavor = "multi_thread")]
async fn passes_the_exam_through_a_pooler_in_transaction_mode() {
    let place = Place::new();
    let pooler = Pooler::start(&place.url).await;
    let number = std::cell::Cell::new(0);
    conformance::exam(async || {
        number.set(number.get() + 1);
        let tenant = format!("tenant {}", number.get());
        let journal = PostgresJournal::builder(&pooler.url(), &tenant)
            .schema(&place.schema)
            .pooled(true);
        journal.open().await.unwrap()
    })
    .await;
}

/// Many start at once on nothing, and each finds its own schema whatever session it is given.
#[tokio::test(flavor = "multi_thread")]
async fn journals_of_different_schemas_share_a_poolers_sessions() {
    let places: Vec<Place> = (0..6).map(|_| Place::new()).collect();
    let pooler = Pooler::start(&places[0].url).await;
    let url = pooler.url();
    let worked = places.iter().enumerate().map(|(n, place)| {
        let url = &url;
        async move {
            let journal = PostgresJournal::builder(url, ACME)
                .schema(&place.schema)
                .pooled(true);
            let journal = journal.open().await.unwrap();
            for event in 0..=n {
                journal.append(&[join(&format!("p{event}"), 0)]).await.unwrap();
            }
            let claims = journal.claim(99, at(0), LEASE).await.unwrap();
            assert_eq!(claims.len(), n + 1);
        }
    });
    futures::future::join_all(worked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_told_and_may_be_repeated() {
    let place = Place::new();
    let cutter = Cutter::before(&place.url).await;
    let journal = PostgresJournal::builder(&cutter.url, ACME)
        .schema(&place.schema)
        .open()
        .await
        .unwrap();
    // Appending finds out by itself, and the event is new: it was not there before the call.
    journal.append(&[join("q", 90)]).await.unwrap();
    cutter.armed.store(true, Ordering::SeqCst);
    let batch = [join("p", 0), join("q", 90)];
    let appended = journal.append(&batch).await.unwrap();
    assert!(!cutter.armed.load(Ordering::SeqCst), "a commit was cut");
    assert_eq!(appended, [Appended::New, Appended::Duplicate]);
    assert_eq!(journal.append(&batch).await.unwrap(), [Appended::Duplicate; 2]);

    let claim = journal.claim(1, at(5), LEASE).await.unwrap().remove(0);
    cutter.armed.store(true, Ordering::SeqCst);
    let error = journal.complete(&claim, &claim.state, &[]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Storage, Some("commit_unknown"))
    );
    assert!(matches!(error.retry(), Retry::After(Some(_))), "{error:?}");
    // Repeating it is refused, because it stands: the holder drops the work, and it is done.
    let again = journal.complete(&claim, &claim.state, &[]).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Fenced);
    let done = HistoryQuery {
        state: Some(EventState::Done),
        ..HistoryQuery::default()
    };
    assert_eq!(journal.history(&done).await.unwrap().len(), 1);
}

/// The server ends every connection; whoever works does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn dead_connections_are_replaced_without_a_word() {
    let place = Place::new();
    let journal = place.open().await;
    let events: Vec<_> = (0..8).map(|n| join(&format!("p{n}"), 0)).collect();
    let many = || async {
        let appends = events
            .iter()
            .map(|event| journal.append(std::slice::from_ref(event)));
        futures::future::join_all(appends).await
    };
    for answer in many().await {
        assert_eq!(answer.unwrap(), [Appended::New]);
    }
    terminate(&journal, &place).await;
    for answer in many().await {
        assert_eq!(answer.unwrap(), [Appended::Duplicate]);
    }
}

/// Ends the server's sessions of this journal, and no others.
async fn terminate(journal: &PostgresJournal, place: &Place) {
    let mut pids = Vec::new();
    let mut held = Vec::new();
    // One that was just used comes back a moment later.
    let mut next = journal.0.pool.acquire().await.ok();
    while let Some(mut conn) = next {
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        pids.push(pid);
        held.push(conn);
        next = journal.0.pool.try_acquire();
    }
    assert!(!pids.is_empty());
    drop(held);
    for pid in pids {
        let end = sqlx::query("SELECT pg_terminate_backend($1, 5000)").bind(pid);
        end.execute(&mut place.conn().await).await.unwrap();
    }
}

/// A hint reaches another process long before it would have asked, and none comes without a reason.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_is_told_that_there_is_work() {
    let place = Place::new();
    let (worker, other) = (place.open().await, place.open().await);
    assert!(worker.claim(1, at(5), LEASE).await.unwrap().is_empty());
    // The connection that listens begins with what may have been told before.
    worker.hint().await;
    assert!(worker.claim(1, at(5), LEASE).await.unwrap().is_empty());
    let hint = tokio::time::timeout(Duration::from_millis(300), worker.hint()).await;
    assert!(hint.is_err(), "nothing has happened");
    let waiting = tokio::spawn({
        let worker = worker.clone();
        async move { worker.hint().await }
    });
    other.append(&[join("p", 0)]).await.unwrap();
    waiting.await.unwrap();
    let claim = worker.claim(1, at(5), LEASE).await.unwrap().remove(0);
    // What happens in this process is known at once, whoever else is told.
    worker
        .complete(&claim, &claim.state, &[join("q", 0)])
        .await
        .unwrap();
    worker.hint().await;
    assert_eq!(worker.claim(1, at(5), LEASE).await.unwrap().len(), 1);
}
