//! Which server and schema is taken, and which is refused.

use super::{ACME, Place, at, join};
use crate::error::{Error, ErrorKind};
use crate::journal::postgres::work::Work;
use crate::journal::{Appended, Durability, HistoryQuery, Journal, PostgresJournal};
use crate::testing::PostgresServer;

async fn refusal(url: &str, schema: &str) -> Error {
    let journal = PostgresJournal::builder(url, ACME).schema(schema);
    journal.open().await.unwrap_err()
}

/// Eight processes start on an empty database at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn many_may_start_at_the_same_time_on_nothing() {
    let place = Place::new();
    let opened = futures::future::join_all((0..8).map(|_| place.open())).await;
    let events: Vec<_> = (0..8).map(|n| join(&format!("p{n}"), 0)).collect();
    for (journal, event) in opened.iter().zip(&events) {
        let appended = journal.append(std::slice::from_ref(event)).await.unwrap();
        assert_eq!(appended, [Appended::New]);
    }
    let all = opened[0].history(&HistoryQuery::default()).await.unwrap();
    assert_eq!(all.len(), 8, "all of them write to one journal");
    let versions: Vec<i64> = place.column("SELECT schema FROM meta").await;
    assert_eq!(versions, [super::super::server::SCHEMA]);
    let tenants: Vec<i64> = place.column("SELECT count(*) FROM tenant").await;
    assert_eq!(tenants, [1]);
}

#[tokio::test]
async fn what_cannot_be_a_journal_is_refused_with_advice() {
    let place = Place::new();
    place.open().await.close().await;
    place.run("UPDATE meta SET schema = 99").await;
    let port = crate::testing::free_port();
    for (url, schema, kind, expected) in [
        ("mysql://a/b", "iam", ErrorKind::Invalid, "URL is not understood"),
        (
            "postgres://u:hunter2@[::/x",
            "iam",
            ErrorKind::Invalid,
            "URL is not understood",
        ),
        (&place.url, "Iam", ErrorKind::Invalid, "no schema for a journal"),
        (
            &place.url,
            "x\"; DROP",
            ErrorKind::Invalid,
            "no schema for a journal",
        ),
        (
            &format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            "iam",
            ErrorKind::Storage,
            "PostgreSQL cannot be reached",
        ),
        (
            &place.url,
            &place.schema,
            ErrorKind::Storage,
            "newer version (schema 99, this one knows",
        ),
        (
            &place.other_database("nowhere"),
            "iam",
            ErrorKind::Storage,
            "does not exist: create it first",
        ),
    ] {
        let error = refusal(url, schema).await;
        assert_eq!(error.kind(), kind, "{url} {schema}: {error}");
        assert!(error.to_string().contains(expected), "{url} {schema}: {error}");
        assert!(!format!("{error:?} {}", error.chain()).contains("hunter2"));
    }
    let journal = PostgresJournal::builder(&place.url, " ").open().await;
    assert_eq!(journal.unwrap_err().kind(), ErrorKind::Invalid);
    let journal = PostgresJournal::builder(&place.url, ACME).durability(Durability::MultiNode);
    let error = journal.open().await.unwrap_err();
    assert!(
        error.to_string().contains("synchronous_standby_names is empty"),
        "{error}"
    );
}

/// A role whose commits do not wait for the disk gets ones that do.
#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_default_is() {
    let place = Place::new();
    for (default, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let option = format!("?options=-c%20synchronous_commit%3D{default}");
        let url = format!("{}{option}", place.url);
        let journal = PostgresJournal::builder(&url, ACME)
            .schema(&place.schema)
            .open()
            .await
            .unwrap();
        let mut work = Work::write(&journal.0.pool, &journal.0.start).await.unwrap();
        let seen: String = sqlx::query_scalar("SHOW synchronous_commit")
            .fetch_one(work.conn())
            .await
            .unwrap();
        assert_eq!(seen, expected, "where the default is {default}");
    }
}

/// What one tenant does, no other one sees; its id may be written in any case.
#[tokio::test]
async fn tenants_share_a_schema_and_nothing_else() {
    let place = Place::new();
    let (acme, other) = (place.open().await, place.open_for("other").await);
    acme.append(&[join("p", 0)]).await.unwrap();
    assert_eq!(other.append(&[join("p", 5)]).await.unwrap(), [Appended::New]);
    assert!(other.claim(9, at(4), super::LEASE).await.unwrap().is_empty());
    let claims = other.claim(9, at(5), super::LEASE).await.unwrap();
    assert_eq!(claims[0].event.due_at, at(5));
    assert_eq!(acme.claim(9, at(0), super::LEASE).await.unwrap().len(), 1);
    let same = place.open_for(&ACME.to_uppercase()).await;
    assert_eq!(same.history(&HistoryQuery::default()).await.unwrap().len(), 1);
    assert_eq!(
        same.claim(9, at(9), super::LEASE).await.unwrap().len(),
        0,
        "it is held"
    );
}

/// The server is killed without a chance to flush anything; what was told to be accepted is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_the_servers_crash() {
    let server = PostgresServer::start();
    let journal = PostgresJournal::open(server.url(), ACME).await.unwrap();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let writing = tokio::spawn({
        let journal = journal.clone();
        async move {
            for n in 0.. {
                let event = join(&format!("p{n}"), 0);
                // The server is gone for a while: again, until it answers.
                while journal.append(std::slice::from_ref(&event)).await.is_err() {}
                if told.send(event).is_err() {
                    break;
                }
            }
        }
    });
    let mut accepted = Vec::new();
    for _ in 0..2 {
        for _ in 0..40 {
            accepted.push(heard.recv().await.unwrap());
        }
        server.crash();
        server.start_again();
    }
    for _ in 0..20 {
        accepted.push(heard.recv().await.unwrap());
    }
    drop(heard);
    writing.await.unwrap();
    let again = journal.append(&accepted).await.unwrap();
    assert_eq!(again, vec![Appended::Duplicate; accepted.len()]);
    let claims = journal.claim(1000, at(0), super::LEASE).await.unwrap();
    assert!(claims.len() >= accepted.len());
}

/// The grants of the documentation are enough for a worker, and leave it no way to change the audit or the schema.
#[tokio::test]
async fn a_worker_needs_no_more_than_the_documentation_grants() {
    let place = Place::new();
    place.open().await.close().await;
    let role = format!("worker_{}", place.schema);
    let documentation = include_str!("../../guarantees.md");
    let (_, grants) = documentation.split_once("```sql\n").unwrap();
    let (grants, _) = grants.split_once("```").unwrap();
    let grants = grants.replace("iam_worker", &role);
    let grants = grants.replace("SCHEMA iam ", &format!("SCHEMA {} ", place.schema));
    let grants = grants.replace(" iam.", &format!(" {}.", place.schema));
    place.run(&format!("CREATE ROLE {role} LOGIN; {grants}")).await;
    let url = place.url.replace("postgres@", &format!("{role}@"));
    let worker = PostgresJournal::builder(&url, "another tenant").schema(&place.schema);
    let worker = worker.open().await.unwrap();
    worker.append(&[join("p", 0)]).await.unwrap();
    let claim = worker.claim(1, at(0), super::LEASE).await.unwrap().remove(0);
    worker
        .complete(&claim, &claim.state, &[join("q", 0)])
        .await
        .unwrap();
    let conn: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut conn = sqlx::ConnectOptions::connect(&conn).await.unwrap();
    for forbidden in [
        format!("UPDATE {}.audit SET detail = ''", place.schema),
        format!("DELETE FROM {}.audit", place.schema),
        format!("UPDATE {}.meta SET schema = 0", place.schema),
        format!("DROP TABLE {}.event", place.schema),
    ] {
        let answer = sqlx::query(sqlx::AssertSqlSafe(forbidden))
            .execute(&mut conn)
            .await;
        let error = answer.unwrap_err();
        assert_eq!(
            crate::journal::postgres::fault::code(&error),
            Some("42501"),
            "{error}"
        );
    }
    worker.close().await;
    place
        .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}
