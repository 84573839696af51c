//! Changing and deleting what is stored. A write that lost a race is tried again from the reading, unless the
//! request insists on a version.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::body;
use super::engine::{Answer, Engine, names_version, refused};
use super::exchange::{Method, Request, Response};
use super::patch;
use super::problem::Problem;
use super::projection::{Location, unlink, with_groups};
use super::record::{Index, Key, Record};
use super::schema::Kind;
use super::store::StoreError;

/// How often a write that lost a race is tried again.
const ATTEMPTS: usize = 16;

impl Engine {
    /// PUT and PATCH: what does not change anything keeps version and time.
    pub(crate) async fn change(&self, request: &Request, kind: Kind, id: &str) -> Answer {
        let body = request.json()?;
        let _turn = self.turns.turn(id).await;
        for _ in 0..ATTEMPTS {
            let record = self.matching(request, kind, id).await?;
            let mut attributes = if request.method == Method::Put {
                body::resource(kind, &body)?
            } else {
                self.patched(&record, &body).await?
            };
            unlink(kind, &mut attributes, &request.base);
            let record = if record.holds(&attributes) {
                record
            } else {
                let next = Arc::new(record.next(attributes, self.clock.now()));
                match self.store.put(next.clone(), Some(record.version)).await {
                    Err(StoreError::Stale) => continue,
                    other => other.map_err(refused)?,
                }
                next
            };
            // Entra ID prefers an answer without the members of a group.
            let asked = request
                .query
                .iter()
                .any(|(name, _)| name.to_ascii_lowercase().ends_with("attributes"));
            if request.method == Method::Patch && kind == Kind::Group && !asked {
                return Ok(Response {
                    etag: Some(record.tag()),
                    location: Some(Location::new(&request.base, kind, &record.id).to_string()),
                    ..Response::new(204)
                });
            }
            return self.answer(request, 200, &record).await;
        }
        Err(Problem::new(
            409,
            "other requests keep changing the resource; try again",
        ))
    }

    async fn patched(&self, record: &Record, body: &Value) -> Result<Map<String, Value>, Problem> {
        let mut attributes = record.body.clone();
        let groups = self.groups(std::slice::from_ref(&record.id), record.kind).await?;
        with_groups(&mut attributes, groups.iter());
        patch::apply(record.kind, &mut attributes, body)?;
        for name in ["schemas", "id", "meta"] {
            attributes.shift_remove(name);
        }
        if record.kind == Kind::User {
            attributes.shift_remove("groups");
        }
        Ok(attributes)
    }

    /// The memberships go first: cut short, the user has lost access, and the client asks again.
    pub(crate) async fn delete(&self, request: &Request, kind: Kind, id: &str) -> Answer {
        let _turn = self.turns.turn(id).await;
        for _ in 0..ATTEMPTS {
            let record = self.matching(request, kind, id).await?;
            self.leave_groups(id).await?;
            match self.store.delete(kind, id, record.version).await {
                Err(StoreError::Stale) => {}
                other => {
                    other.map_err(refused)?;
                    return Ok(Response::new(204));
                }
            }
        }
        Err(Problem::new(
            409,
            "other requests keep changing the resource; try again",
        ))
    }

    async fn leave_groups(&self, member: &str) -> Result<(), Problem> {
        let key = Key::new(Index::Member, member);
        for _ in 0..ATTEMPTS {
            let groups = self.store.find(Kind::Group, &key).await.map_err(refused)?;
            if groups.is_empty() {
                return Ok(());
            }
            for group in groups {
                let mut attributes = group.attributes();
                if let Some(members) = attributes.get_mut("members").and_then(Value::as_array_mut) {
                    members.retain(|one| one.get("value").and_then(Value::as_str) != Some(member));
                    if members.is_empty() {
                        attributes.shift_remove("members");
                    }
                }
                let next = group.next(attributes, self.clock.now());
                match self.store.put(Arc::new(next), Some(group.version)).await {
                    Ok(()) | Err(StoreError::Stale) => {}
                    Err(error) => return Err(refused(error)),
                }
            }
        }
        Err(Problem::new(
            409,
            "other requests keep changing the groups; try again",
        ))
    }

    /// The record, if it has the version that the request insists on.
    async fn matching(&self, request: &Request, kind: Kind, id: &str) -> Result<Arc<Record>, Problem> {
        let record = self.stored(kind, id).await?;
        match request.if_match.as_deref() {
            Some(wanted) if !names_version(wanted, &record) => Err(Problem::stale()),
            _ => Ok(record),
        }
    }
}
