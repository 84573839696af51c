//! The SCIM 2.0 service provider: Users with the enterprise extension and Groups over a [`Store`], by RFC 7643 and
//! RFC 7644, mountable in axum under any prefix. It never decides what a user may do: it keeps what clients send.
//!
//! ```text
//! router ─► Engine ─► filter · path ─► matching · patch ─► record ─► Store (MemoryStore, SqliteStore)
//!  (HTTP)   (SCIM)     (text → tree)    (tree × JSON)       (keys, versions)
//! ```
//!
//! ```
//! use iam_core::secret::Secret;
//! use iam_scim::server::{Auth, Engine, MemoryStore, Method, Request, router};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let engine = Engine::new(MemoryStore::new());
//! let mut request = Request::new(Method::Post, &["Users"], "https://app.example/scim/v2");
//! request.body = br#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann"}"#.to_vec();
//! assert_eq!(engine.handle(&request).await.status, 201);
//!
//! let routes = router(engine, Auth::bearer(&Secret::new("token")));
//! let app: axum::Router = axum::Router::new().nest_service("/scim/v2", routes);
//! # }
//! ```
//!
//! Where the RFC leaves room, or clients need more than it gives:
//! - `null`, `""`, `[]` and `{}` mean unassigned; unknown attributes are ignored, but an unknown PATCH path is
//!   `invalidPath` and an unknown name in a filter `invalidFilter`, so that no typing error selects everybody.
//! - Entra ID: `op` in any case, `"False"` for false, dotted and URN keys without a path, members removed by a list
//!   of values, `emails[type eq "work"].value` makes the element that it does not find, a bare string as `manager`.
//! - Okta: an attribute that cannot be written may be sent back unchanged.
//! - A member who is gone already may be taken out again; any other filter without a match is `noTarget`.
//! - `password` is accepted and not kept: this service provider signs nobody in.
//! - `userName` and a group's `displayName` are unique whatever their case; `externalId` is its client's own.

mod body;
mod change;
pub mod conformance;
mod discovery;
mod element;
mod engine;
mod exchange;
mod filter;
mod http;
mod list;
mod matching;
mod memory;
mod patch;
mod path;
mod problem;
mod projection;
mod query;
mod record;
mod schema;
mod schemas;
mod single;
#[cfg(feature = "server-sqlite")]
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod turns;

pub use engine::{Engine, Settings};
pub use exchange::{Method, Request, Response};
pub use filter::Filter;
pub use http::{Auth, router};
pub use memory::MemoryStore;
pub use path::Path;
pub use problem::Problem;
pub use record::{Index, Key, Record};
pub use schema::Kind;
#[cfg(feature = "server-sqlite")]
pub use sqlite::SqliteStore;
pub use store::{Membership, Page, Store, StoreError};
