//! A database that was put back from a dump, with processes that had it open.

use std::process::{Command, Stdio};

use super::{ACME, LEASE, Place, at, join};
use crate::error::{Error, ErrorKind};
use crate::journal::audit::{Checkpoint, Deed, Verifier};
use crate::journal::tests::released::unpacked;
use crate::journal::{Journal, PostgresJournal};
use crate::plan::Plan;
use crate::testing::PostgresServer;

fn gone_back(error: &Error) {
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Storage, Some("gone_back")),
        "{error}"
    );
}

impl Place {
    /// The schema as `pg_dump` writes it.
    pub(super) fn dump(&self) -> Vec<u8> {
        let dump = Command::new(PostgresServer::program("pg_dump"))
            .args(["--dbname", &self.url, "--schema", &self.schema])
            .output()
            .unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        dump.stdout
    }

    /// Puts the schema back.
    pub(super) async fn restore(&self, dump: &[u8]) {
        self.run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema))
            .await;
        let mut psql = Command::new(PostgresServer::program("psql"))
            .args(["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", &self.url])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(psql.stdin.as_mut().unwrap(), dump).unwrap();
        drop(psql.stdin.take());
        assert!(psql.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_that_went_back_in_time_is_refused_before_it_is_brought_up_to_date() {
    let place = Place::new();
    let released = unpacked(include_bytes!("schemas/schema_1.sql.gz"));
    place
        .restore(released.replace("released", &place.schema).as_bytes())
        .await;
    let sequence = place.column::<i64>("SELECT sequence FROM audit_head").await[0];
    let place_of = Checkpoint {
        sequence: sequence.try_into().unwrap(),
        hash: place.column::<String>("SELECT hash FROM audit_head").await[0].clone(),
    };
    let open = |after: Checkpoint| {
        let journal = PostgresJournal::builder(&place.url, ACME).schema(&place.schema);
        journal.after(after).open()
    };
    let wrong = Checkpoint {
        sequence: 9,
        hash: "0".repeat(64),
    };
    gone_back(&open(wrong).await.unwrap_err());
    assert_eq!(
        place.column::<i64>("SELECT schema FROM meta").await,
        [1],
        "nothing was changed"
    );
    let journal = open(place_of.clone()).await.unwrap();
    assert_eq!(journal.audit_head().await.unwrap(), place_of);
    // Where there is no journal at all, none is made.
    let none = Place::new();
    let error = PostgresJournal::builder(&none.url, ACME)
        .schema(&none.schema)
        .after(place_of);
    gone_back(&error.open().await.unwrap_err());
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'event'";
    assert_eq!(none.column::<i64>(tables).await, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_went_back_in_time_is_refused_until_somebody_adopts_it() {
    let place = Place::new();
    let (journal, other) = (place.open().await, place.open().await);
    journal.append(&[join("p", 0), join("r", 0)]).await.unwrap();
    other.append(&[join("s", 0)]).await.unwrap();
    let dump = place.dump();
    journal.append(&[join("q", 0)]).await.unwrap();
    let now = journal.audit_head().await.unwrap();
    let after = async |place: &Place| {
        let journal = PostgresJournal::builder(&place.url, ACME).schema(&place.schema);
        journal.after(now.clone()).open().await
    };
    after(&place).await.unwrap();
    place.restore(&dump).await;

    // Whoever starts with the checkpoint is refused, and so is whoever has been there: before anything takes effect.
    gone_back(&after(&place).await.unwrap_err());
    gone_back(&journal.append(&[join("t", 0)]).await.unwrap_err());
    let claim = journal.claim(1, at(0), LEASE).await.unwrap().remove(0);
    gone_back(
        &journal
            .plan(&claim, &Plan::empty(&claim.event.person))
            .await
            .unwrap_err(),
    );
    // Who has never been further notices nothing, until somebody decides.
    assert!(other.append(&[join("u", 0)]).await.is_ok());

    let back = place.open().await;
    let adopted = back.adopt("ann", "the backup is of Monday").await.unwrap();
    gone_back(&other.append(&[join("v", 0)]).await.unwrap_err());
    gone_back(&journal.append(&[join("v", 0)]).await.unwrap_err());
    back.append(&[join("v", 0)]).await.unwrap();
    let again = PostgresJournal::builder(&place.url, ACME)
        .schema(&place.schema)
        .after(adopted);
    let again = again.open().await.unwrap();
    let mut verifier = Verifier::default();
    let audit = again.audit(0, 100).await.unwrap();
    for (entry, _) in &audit {
        verifier.next(entry).unwrap();
    }
    let adoption = audit.iter().find(|(entry, _)| entry.deed == Deed::Adopted);
    assert_eq!(adoption.unwrap().0.actor.as_deref(), Some("ann"));
    // What came after the dump is delivered again, and is new.
    again.append(&[join("q", 0)]).await.unwrap();
}
