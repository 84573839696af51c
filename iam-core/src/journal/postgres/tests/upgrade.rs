//! Journals of every schema that was released, each as `pg_dump` wrote it (`schemas/`, packed): they open, are brought up to
//! date, and what was begun in them ends.

use std::sync::Arc;

use super::Place;
use crate::journal::Journal;
use crate::journal::postgres::server::SCHEMA;
use crate::journal::tests::released::{unpacked, what_was_begun_ends};

/// Schema, and the journal of the tenant that the tests know, in a schema called `released`.
const JOURNALS: [(i64, &[u8]); 2] = [
    (1, include_bytes!("schemas/schema_1.sql.gz")),
    (2, include_bytes!("schemas/schema_2.sql.gz")),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_every_released_schema_opens_and_what_it_has_begun_ends() {
    for (schema, packed) in JOURNALS {
        let place = Place::new();
        let text = unpacked(packed).replace("released", &place.schema);
        place.restore(text.as_bytes()).await;
        let before = place.column::<i64>("SELECT schema FROM meta").await;
        assert_eq!(before, [schema]);
        let journal: Arc<dyn Journal> = Arc::new(place.open().await);
        let after = place.column::<i64>("SELECT schema FROM meta").await;
        assert_eq!(after, [SCHEMA]);
        what_was_begun_ends(&journal, &format!("schema {schema}")).await;
    }
}
