//! What only a server can promise: many processes, many tenants, one truth.

mod claim;
mod cost;
mod cutter;
mod health;
mod plans;
mod restore;
mod server;
#[cfg(feature = "sqlite")]
mod upgrade;
mod wire;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, FromRow, PgConnection};

use crate::event::{Event, EventId, EventKind};
use crate::journal::{PostgresJournal, conformance};
use crate::person::{Person, PersonKey};
use crate::testing::PostgresServer;

const ACME: &str = "6f1c9d5e-0000-4000-8000-000000000001";
const LEASE: Duration = Duration::from_mins(10);

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn join(person: &str, second: i64) -> Event {
    Event {
        id: EventId::new(format!("{person}/1")),
        person: PersonKey::new(person),
        kind: EventKind::Join,
        due_at: at(second),
        entered_at: at(0),
        record: Some(Person::new(PersonKey::new(person))),
        version: 1,
        news: None,
    }
}

/// A schema of one's own on the shared server.
struct Place {
    url: String,
    schema: String,
}

impl Place {
    fn new() -> Self {
        let server = PostgresServer::shared();
        Self {
            url: server.url().to_owned(),
            schema: server.fresh_schema(),
        }
    }

    /// A journal on it, as another process would open it.
    async fn open(&self) -> PostgresJournal {
        self.open_for(ACME).await
    }

    /// Another database of the same server.
    fn other_database(&self, name: &str) -> String {
        let (server, _) = self.url.rsplit_once('/').unwrap();
        format!("{server}/{name}")
    }

    async fn conn(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = options.options([("search_path", &self.schema)]);
        options.connect().await.unwrap()
    }

    /// Runs statements on the schema, as an administrator does.
    async fn run(&self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        self.conn().await.execute(statements).await.unwrap();
    }

    async fn column<T>(&self, statement: &'static str) -> Vec<T>
    where
        T: Send + Unpin,
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        let column = sqlx::query_scalar(statement);
        column.fetch_all(&mut self.conn().await).await.unwrap()
    }

    async fn open_for(&self, tenant: &str) -> PostgresJournal {
        let journal = PostgresJournal::builder(&self.url, tenant).schema(&self.schema);
        journal.open().await.unwrap()
    }
}

/// Every check gets a tenant of its own in one schema: what tenants share must not show.
#[tokio::test(flavor = "multi_thread")]
async fn passes_the_exam() {
    let place = Place::new();
    let number = std::cell::Cell::new(0);
    conformance::exam(async || {
        number.set(number.get() + 1);
        place.open_for(&format!("tenant {}", number.get())).await
    })
    .await;
}
