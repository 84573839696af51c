//! The end, read back: from the tenant, that everybody is there once and holds what they should, and from the journal, that
//! every event ended once.

use std::collections::{BTreeMap, BTreeSet};

use iam_core::http::Method;
use iam_core::journal::{EventState, HistoryQuery, Journal};
use iam_core::person::{Person, PersonKey};
use iam_core::{Error, ErrorKind, Result};
use iam_graph::GraphClient;
use jiff::Timestamp;
use serde_json::Value;

/// Person number so-and-so, as HR sees them.
pub(crate) fn person(number: usize, department: &str) -> Person {
    let mut person = Person::new(PersonKey::new(id(number)));
    person.given_name = Some("Ann".to_owned());
    person.family_name = Some(format!("Nr{number}"));
    person.department = Some(department.to_owned());
    person.country = Some("AU".to_owned());
    person
}

fn id(number: usize) -> String {
    format!("F-{number:06}")
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    people: usize,
    events: usize,
    missing: usize,
    twice: usize,
    differ: usize,
    done: usize,
    open: usize,
    ended_twice: usize,
}

impl Proof {
    /// Whether nothing was lost and nothing done twice.
    pub(crate) fn holds(&self) -> bool {
        let wrong = self.missing + self.twice + self.differ + self.open + self.ended_twice;
        wrong == 0 && self.done >= self.events
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let Self {
            people,
            events,
            missing,
            twice,
            differ,
            done,
            open,
            ended_twice,
        } = self;
        vec![
            format!(
                "tenant:  {people} people, {missing} missing, {twice} there twice, {differ} not as planned"
            ),
            format!("journal: {events} events accepted, {done} done, {open} open, {ended_twice} ended twice"),
            if self.holds() {
                "nothing was lost, and nothing was done twice".to_owned()
            } else {
                "this is not as it should be".to_owned()
            },
        ]
    }
}

/// How many events are due and not over.
pub(crate) async fn pending(journal: &dyn Journal, now: Timestamp) -> Result<usize> {
    let query = HistoryQuery {
        state: Some(EventState::Pending),
        due: Some(now),
        limit: 1,
        ..HistoryQuery::default()
    };
    Ok(journal.history(&query).await?.len())
}

/// Reads everybody and every event back.
pub(crate) async fn read_back(
    client: &GraphClient,
    journal: &dyn Journal,
    people: usize,
    events: usize,
) -> Result<Proof> {
    let mut proof = Proof {
        people,
        events,
        ..Proof::default()
    };
    let members = [
        members(client, "All Staff").await?,
        members(client, "sg-finance").await?,
    ];
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for user in all(
        client,
        "/users?$select=id,employeeId,department,accountEnabled&$top=999",
    )
    .await?
    {
        if let Some(id) = user["employeeId"].as_str() {
            found.entry(id.to_owned()).or_default().push(user);
        }
    }
    for number in 0..people {
        match found.get(&id(number)).map(Vec::as_slice) {
            None | Some([]) => proof.missing += 1,
            Some([user]) => {
                let account = user["id"].as_str().unwrap_or_default();
                let as_planned = user["accountEnabled"] == true
                    && user["department"] == "Finance"
                    && members.iter().all(|members| members.contains(account));
                proof.differ += usize::from(!as_planned);
            }
            Some(_) => proof.twice += 1,
        }
    }
    let ended = ended(journal).await?;
    proof.done = ended.len();
    proof.ended_twice = ended.values().filter(|times| **times > 1).count();
    for state in [EventState::Dead, EventState::Pending] {
        let query = HistoryQuery {
            state: Some(state),
            ..HistoryQuery::default()
        };
        let entries = journal.history(&query).await?;
        // A grace that ends in two weeks is not late.
        let late = entries
            .iter()
            .filter(|entry| entry.state == EventState::Dead || entry.attempts > 0);
        proof.open += late.count();
    }
    Ok(proof)
}

/// How often each event was completed, by the audit.
async fn ended(journal: &dyn Journal) -> Result<BTreeMap<String, usize>> {
    let mut ended: BTreeMap<String, usize> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = journal.audit(after, 5_000).await?;
        let Some((last, _)) = page.last() else {
            return Ok(ended);
        };
        after = last.sequence;
        for (entry, _) in page
            .iter()
            .filter(|(entry, _)| entry.deed.as_str() == "completed")
        {
            if let Some(event) = &entry.event {
                *ended.entry(event.to_string()).or_default() += 1;
            }
        }
    }
}

/// The ids of a group's members.
async fn members(client: &GraphClient, group: &str) -> Result<BTreeSet<String>> {
    let path = format!("/groups?$filter=displayName eq '{group}'&$select=id");
    let groups = all(client, &path).await?;
    let id = groups.first().and_then(|group| group["id"].as_str());
    let id = id.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("the tenant has no group {group}")))?;
    let members = all(client, &format!("/groups/{id}/members?$select=id&$top=999")).await?;
    Ok(members
        .iter()
        .filter_map(|member| member["id"].as_str().map(str::to_owned))
        .collect())
}

/// Every page of a list.
async fn all(client: &GraphClient, path: &str) -> Result<Vec<Value>> {
    let mut next = Some(path.replace(' ', "%20"));
    let mut found = Vec::new();
    while let Some(path) = next {
        let page: Value = client
            .request(Method::Get, &path, None, "read back")
            .await?
            .json()?;
        found.extend(page["value"].as_array().cloned().unwrap_or_default());
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    Ok(found)
}
