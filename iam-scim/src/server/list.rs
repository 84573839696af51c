//! Answering a list: candidates by the cheapest way, the filter over each, the order, the page.

use std::sync::Arc;

use super::engine::{Engine, by_member, refused};
use super::exchange::{Request, Response};
use super::matching::Bound;
use super::problem::Problem;
use super::projection::{Shape, Shown, with_groups};
use super::query::{Door, Query, Rank, compare, door, order, rank};
use super::record::Record;
use super::schema::Kind;

/// A record that passed, with what it is sorted by.
struct Hit {
    record: Arc<Record>,
    rank: Rank,
}

impl Engine {
    pub(crate) async fn list(
        &self,
        request: &Request,
        kinds: &[Kind],
        query: Query,
    ) -> Result<Response, Problem> {
        let count = query
            .count
            .unwrap_or(self.settings.page)
            .min(self.settings.max_page);
        let (total, records) = match kinds {
            [kind] if query.filter.is_none() && query.sort_by.is_none() => {
                let page = self
                    .store
                    .scan(*kind, query.start - 1, count)
                    .await
                    .map_err(refused)?;
                (page.total, page.records)
            }
            _ => {
                let hits = self.hits(kinds, &query).await?;
                let total = hits.len();
                let page = hits.into_iter().skip(query.start - 1).take(count);
                (total, page.map(|hit| hit.record).collect())
            }
        };
        let mut resources = Vec::with_capacity(records.len());
        let shapes: Vec<Shape> = Kind::ALL
            .iter()
            .map(|kind| Shape::new(*kind, &query.attributes, &query.excluded))
            .collect();
        let users = records.iter().filter(|record| record.kind == Kind::User);
        let ids: Vec<String> = users.map(|record| record.id.clone()).collect();
        let grouped = shapes.first().is_some_and(|shape| shape.shows("groups"));
        let memberships = if grouped {
            self.groups(&ids, Kind::User).await?
        } else {
            Vec::new()
        };
        let memberships = by_member(&memberships);
        for record in &records {
            let shape = Kind::ALL
                .iter()
                .zip(&shapes)
                .find(|(kind, _)| **kind == record.kind);
            let Some((_, shape)) = shape else { continue };
            let groups = memberships
                .get(record.id.as_str())
                .filter(|_| record.kind == Kind::User);
            let groups = groups.into_iter().flatten().copied();
            resources.push(Shown::new(record, groups, &request.base, shape));
        }
        Response::list(total, query.start, &resources)
    }

    /// All that pass the filter, in the order asked for. A name that only one of the resource types has matches
    /// nothing of the others.
    async fn hits(&self, kinds: &[Kind], query: &Query) -> Result<Vec<Hit>, Problem> {
        let mut hits = Vec::new();
        let mut refusal = None;
        let mut understood = false;
        for kind in kinds {
            match self.hits_of(*kind, query).await {
                Ok(found) => {
                    understood = true;
                    hits.extend(found);
                }
                Err(problem) if problem.status() == 400 => refusal = Some(problem),
                Err(problem) => return Err(problem),
            }
        }
        if let (Some(problem), false) = (refusal, understood) {
            return Err(problem);
        }
        if query.sort_by.is_some() {
            hits.sort_by(|left, right| {
                let order = compare(&left.rank, &right.rank);
                if query.descending { order.reverse() } else { order }
            });
        }
        Ok(hits)
    }

    async fn hits_of(&self, kind: Kind, query: &Query) -> Result<Vec<Hit>, Problem> {
        let filter = query
            .filter
            .as_ref()
            .map(|filter| filter.bind(kind))
            .transpose()?;
        let by = query.sort_by.as_ref().map(|path| order(kind, path)).transpose()?;
        let records = self.candidates(kind, filter.as_ref()).await?;
        let derived = filter.as_ref().is_some_and(|filter| filter.mentions("groups"));
        let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
        let memberships = if derived {
            self.groups(&ids, kind).await?
        } else {
            Vec::new()
        };
        let memberships = by_member(&memberships);
        let passes = |record: &Record| {
            let Some(filter) = &filter else { return true };
            match memberships.get(record.id.as_str()) {
                None => filter.matches(&record.body),
                Some(groups) => {
                    let mut body = record.body.clone();
                    with_groups(&mut body, groups.iter().copied());
                    filter.matches(&body)
                }
            }
        };
        let hit = |record: Arc<Record>| Hit {
            rank: by.as_ref().map_or(Rank::Absent, |spot| rank(spot, &record.body)),
            record,
        };
        Ok(records
            .into_iter()
            .filter(|record| passes(record))
            .map(hit)
            .collect())
    }

    async fn candidates(&self, kind: Kind, filter: Option<&Bound>) -> Result<Vec<Arc<Record>>, Problem> {
        match filter.map_or(Door::Scan, |filter| door(kind, filter)) {
            Door::Id(id) => {
                let found = self.store.get(kind, &id).await.map_err(refused)?;
                Ok(found.into_iter().collect())
            }
            Door::Key(key) => self.store.find(kind, &key).await.map_err(refused),
            Door::Scan => {
                let page = self.store.scan(kind, 0, usize::MAX).await.map_err(refused)?;
                Ok(page.records)
            }
        }
    }
}
