//! Journals of every schema that was released (`schemas/`, as SQL, packed): they open, are brought up to date, and what was
//! begun in them ends.

use std::sync::Arc;

use super::*;
use crate::journal::tests::released::{unpacked, what_was_begun_ends};
use crate::journal::{About, Health};

/// Schema, the version of its plans, and the journal.
const JOURNALS: [(i64, u32, &[u8]); 5] = [
    (1, 1, include_bytes!("schemas/schema_1.sql.gz")),
    (2, 2, include_bytes!("schemas/schema_2.sql.gz")),
    (4, 3, include_bytes!("schemas/schema_4.sql.gz")),
    (5, 3, include_bytes!("schemas/schema_5.sql.gz")),
    (7, 3, include_bytes!("schemas/schema_7.sql.gz")),
];

async fn restored(path: &Path, text: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(false);
    let mut conn = options.connect().await.unwrap();
    let text = sqlx::AssertSqlSafe(text.to_owned());
    sqlx::raw_sql(text).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test]
async fn an_older_file_that_went_back_in_time_is_refused_before_it_is_brought_up_to_date() {
    for (schema, _, packed) in JOURNALS {
        let (_folder, path) = in_folder();
        restored(&path, &unpacked(packed)).await;
        let before = fs::read(&path).unwrap();
        let place = Checkpoint {
            sequence: 1_000_000,
            hash: "0".repeat(64),
        };
        let error = SqliteJournal::open_after(&path, ACME, &place).await.unwrap_err();
        assert_eq!(error.reason(), Some("gone_back"), "schema {schema}");
        assert!(fs::read(&path).unwrap() == before, "schema {schema} was changed");
        let found = SqliteJournal::examine(&path).await.unwrap();
        let schema_found = found
            .iter()
            .find(|finding| finding.about == About::Schema)
            .unwrap();
        assert_eq!(schema_found.health, Health::Doubtful, "{schema_found}");
    }
}

#[tokio::test]
async fn a_journal_of_every_released_schema_opens_and_what_it_has_begun_ends() {
    for (schema, plans, packed) in JOURNALS {
        let text = unpacked(packed);
        let (_folder, path) = in_folder();
        restored(&path, &text).await;
        let journal = open(&path).await;
        let (now,): (i64,) = sqlx::query_as("SELECT schema FROM meta")
            .fetch_one(&journal.0.readers)
            .await
            .unwrap();
        assert_eq!(now, file::SCHEMA, "schema {schema}");
        assert!(
            text.contains(&format!("{{\"version\":{plans},")),
            "schema {schema}"
        );
        let journal: Arc<dyn Journal> = Arc::new(journal);
        what_was_begun_ends(&journal, &format!("schema {schema}")).await;
    }
}
