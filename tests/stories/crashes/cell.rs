//! One story of the crash matrix: worker processes that are struck and started again until everything is done, and what
//! they have left behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use iam_core::journal::audit::{AuditEntry, Kept};
use iam_core::journal::{HistoryQuery, Journal, SqliteJournal};
use iam_core::person::PersonKey;
use iam_core::testing::ManualClock;
use iam_sandbox::Sandbox;
use serde_json::{Value, json};
use std::sync::Arc;

use super::course::{DAYS, LIVES, ORDER, Order, Strike, instant, policy, says};
use super::history::{Left, Seen};
use crate::world;

/// A tenant for many stories, with what a life without a crash looks like there.
pub struct Tenant {
    pub sandbox: Sandbox,
    people: usize,
    /// How often the journal is written in a life without a crash.
    pub writes: usize,
    expected: Vec<Vec<String>>,
    expected_mails: Vec<String>,
}

/// How a story went.
pub struct Story {
    pub left: Left,
    /// How often a worker did not end well.
    pub deaths: usize,
    /// How often the one that did has written.
    pub writes: usize,
}

impl Tenant {
    /// Makes a tenant and lives one life in it. What that leaves is what [`LIVES`] says, or the test fails.
    pub async fn start(people: usize) -> Self {
        let sandbox = Sandbox::builder()
            .seats("SPE_E3", 10_000)
            .seats("POWER_BI_PRO", 10_000);
        let sandbox = sandbox.start().await.unwrap();
        for name in ["Everybody", "st-security", "st-sales", "st-heads"] {
            let nickname: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            let group = json!({"displayName": name, "mailNickname": nickname, "mailEnabled": false, "securityEnabled": true});
            sandbox.act("POST", "/groups", Some(group)).unwrap();
        }
        let mut tenant = Self {
            sandbox,
            people,
            writes: 0,
            expected: vec![Vec::new(); people],
            expected_mails: Vec::new(),
        };
        let quiet = tenant.live("calm", 1, None).await;
        assert_eq!(quiet.deaths, 0);
        tenant.writes = quiet.writes;
        tenant.expected_mails = quiet.left.mails;
        for (life, seen) in quiet.left.people.into_iter().enumerate() {
            assert_eq!(seen.looks, seen.expected);
            tenant.expected[life] = seen.deeds;
        }
        tenant
    }

    /// One story: lives on a journal of their own, a worker with so many tasks, perhaps a strike.
    pub async fn live(&self, story: &str, tasks: usize, strike: Option<Strike>) -> Story {
        self.live_with(story, tasks, strike, false).await
    }

    /// The same with a journal that may forget intents.
    pub async fn live_with(
        &self,
        story: &str,
        tasks: usize,
        strike: Option<Strike>,
        forgetful: bool,
    ) -> Story {
        let folder = tempfile::tempdir().unwrap();
        let mut order = self.order(story, folder.path());
        (order.tasks, order.strike, order.forgetful) = (tasks, strike, forgetful);
        let mut deaths = 0;
        while !worker(&order).await {
            deaths += 1;
            order.strike = None;
            assert!(deaths < 3, "{story}: a worker that nothing strikes dies");
        }
        let journal = SqliteJournal::open(order.journal(), &order.tenant).await;
        Story {
            left: self.look(&order, Arc::new(journal.unwrap())).await,
            deaths,
            writes: order.writes(),
        }
    }

    /// What a worker of a story is told that nothing strikes.
    pub fn order(&self, story: &str, folder: &Path) -> Order {
        Order {
            authority: self.sandbox.authority().to_owned(),
            graph: self.sandbox.graph().to_owned(),
            tenant: self.sandbox.tenant_id().to_owned(),
            client_id: self.sandbox.client_id().to_owned(),
            secret: self.sandbox.client_secret().to_owned(),
            folder: folder.to_owned(),
            story: story.to_owned(),
            people: self.people,
            tasks: 1,
            strike: None,
            forgetful: false,
            server: None,
        }
    }

    /// What is left when a story is over.
    pub async fn look(&self, order: &Order, journal: Arc<dyn Journal>) -> Left {
        let now = instant(DAYS.len() - 1);
        let entries = journal.history(&HistoryQuery::default()).await.unwrap();
        let audit = audit(journal.as_ref()).await;
        let head = journal.audit_head().await.unwrap();
        let mut acknowledged = BTreeMap::<PersonKey, Vec<_>>::new();
        for day in (0..DAYS.len()).filter(|day| order.is_acknowledged(*day)) {
            for person in says(&order.story, order.people, day) {
                acknowledged.entry(person.key.clone()).or_default().push(person);
            }
        }
        let engine = world::engine(&self.sandbox, journal, policy(), &ManualClock::at(now));
        let open_steps = engine.plan().await.unwrap().steps();
        let state = self.sandbox.state();
        let lives = LIVES.iter().zip(&self.expected).enumerate();
        let people = lives.map(|(number, (life, expected_deeds))| {
            let person = format!("{}-{number}", order.story);
            let deeds = deeds(&self.sandbox, &state, &person);
            Seen {
                looks: look(&state, &person),
                expected: life.ends.replace("ID", &order.story),
                deeds: deeds
                    .iter()
                    .map(|deed| deed.replace(&order.story, "ID"))
                    .collect(),
                expected_deeds: expected_deeds.clone(),
                person: PersonKey::new(person),
            }
        });
        let mails = world::mails(&self.sandbox).into_iter();
        let ours = mails.filter(|subject| subject.contains(&order.story));
        Left {
            now,
            acknowledged,
            entries,
            audit,
            head,
            people: people.collect(),
            open_steps,
            mails: ours.map(|subject| subject.replace(&order.story, "ID")).collect(),
            expected_mails: self.expected_mails.clone(),
        }
    }
}

/// Runs one worker; whether it ended well. One that fails otherwise than by being struck fails the test.
async fn worker(order: &Order) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crash-worker"));
    command.env(ORDER, serde_json::to_string(order).unwrap());
    command.stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let struck = order.strike.is_some();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || struck && has_died(output.status),
        "{:?}: {}: {text}",
        order.strike,
        output.status
    );
    output.status.success()
}

/// By a signal, or because its disk was full.
fn has_died(status: ExitStatus) -> bool {
    status.code().is_none_or(|code| code == 1)
}

pub async fn audit(journal: &dyn Journal) -> Vec<(AuditEntry, Kept)> {
    let mut entries: Vec<(AuditEntry, Kept)> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |(entry, _)| entry.sequence);
        let page = journal.audit(after, 1000).await.unwrap();
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

fn texts(value: &Value) -> String {
    let list = value.as_array().into_iter().flatten();
    let mut texts: Vec<&str> = list.filter_map(Value::as_str).collect();
    texts.sort_unstable();
    texts.join(", ")
}

/// `name enabled|blocked: groups / licences / roles`, `deleted`, or how many accounts there are.
fn look(state: &Value, person: &str) -> String {
    let accounts = accounts(state, person);
    let [account] = accounts.as_slice() else {
        return format!("{} accounts", accounts.len());
    };
    let deleted = state["deleted"].as_array().into_iter().flatten();
    if deleted.into_iter().any(|gone| gone["id"] == account["id"]) {
        return "deleted".to_owned();
    }
    let enabled = if account["accountEnabled"] == true {
        "enabled"
    } else {
        "blocked"
    };
    let principal = account["userPrincipalName"].as_str().unwrap();
    let name = principal.split('@').next().unwrap();
    let [groups, licenses, roles] = ["groups", "licenses", "roles"].map(|field| texts(&account[field]));
    format!("{name} {enabled}: {groups} / {licenses} / {roles}")
}

/// Live and deleted.
fn accounts<'a>(state: &'a Value, person: &str) -> Vec<&'a Value> {
    let lists = ["users", "deleted"].map(|list| state[list].as_array().into_iter().flatten());
    let all = lists.into_iter().flatten();
    all.filter(|user| user["employeeId"] == person).collect()
}

/// What the tenant's own log says was changed about somebody. That sessions were revoked stands there only where it was
/// in another second than the last time.
fn deeds(sandbox: &Sandbox, state: &Value, person: &str) -> Vec<String> {
    let mut deeds = Vec::new();
    for account in accounts(state, person) {
        let id = account["id"].as_str().unwrap();
        let path =
            format!("/auditLogs/directoryAudits?$filter=targetResources/any(t:t/id eq '{id}')&$top=999");
        let log = sandbox.act("GET", &path, None).unwrap();
        let entries = log["value"].as_array().unwrap().iter();
        let own = entries.filter(|entry| entry["targetResources"][0]["id"] == id);
        let sessions = "Update StsRefreshTokenValidFrom Timestamp";
        for entry in own.filter(|entry| entry["activityDisplayName"] != sessions) {
            let resource = &entry["targetResources"][0];
            let changed = resource["modifiedProperties"].as_array().into_iter().flatten();
            let names = changed.filter(|property| {
                let name = property["displayName"].as_str().unwrap_or_default();
                name.ends_with(".DisplayName") || name == "Included Updated Properties"
            });
            let mut deed = entry["activityDisplayName"].as_str().unwrap().to_owned();
            for name in names {
                let value = [&name["newValue"], &name["oldValue"]]
                    .into_iter()
                    .find_map(Value::as_str);
                deed.push(' ');
                deed.push_str(value.unwrap_or_default());
            }
            deeds.push(deed);
        }
    }
    deeds.sort();
    deeds
}
