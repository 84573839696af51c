//! What the stories share: a tenant on loopback, an engine over a SQLite journal, and eyes on the tenant
//! that use none of the engine's memory.

use std::path::PathBuf;
use std::sync::Arc;

use iam_arm::{ArmClient, ArmTarget};
use iam_core::auth::ClientSecret;
use iam_core::clock::SystemClock;
use iam_core::engine::{Engine, RunReport};
use iam_core::http::{HttpTransport, Method};
use iam_core::intake::{FlatIntake, Reject};
use iam_core::journal::{Journal, SqliteJournal};
use iam_core::person::{Person, PersonKey, Status};
use iam_core::policy::Document;
use iam_core::target::Target;
use iam_core::testing::ManualClock;
use iam_core::{Cloud, Result};
use iam_graph::{GraphClient, GraphMail, GraphTarget};
use iam_sandbox::Sandbox;
use iam_scim::{ScimClient, ScimTarget};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The day around which the example data speaks.
pub const NOW: &str = "2026-11-24T09:00:00Z";

/// A policy that is easy to follow. The groups are made by [`World::new`].
pub const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
authority = "graph"
[naming]
upn = ["{given}.{family}", "{given}.{middle_initial}.{family}", "{given}.{family}{n}"]
display_name = "{preferred} {family}"
[defaults]
usage_location = "person.country"
groups = ["Everybody"]
licenses = ["SPE_E3"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
groups = ["st-security"]
roles = ["Security Reader"]
grace = "14d"
[[rule]]
id = "sales"
when = 'person.department == "Sales"'
groups = ["st-sales"]
licenses = ["POWER_BI_PRO"]
[[rule]]
id = "titled"
when = 'person.job_title.startsWith("Head")'
groups = ["st-heads"]
[joiner]
create_before = "14d"
notify = ["manager", "hr"]
[leaver]
password = "reset"
mailbox = "auto-reply"
delete_after = "30d"
notify = ["hr"]
[notify]
from = "hr-robot@contoso.example"
hr = "hr@contoso.example"
[guard]
protected = ["break-glass@contoso.example", "role:Global Administrator"]
"#;

/// The world of one story.
pub struct World {
    pub sandbox: Sandbox,
    pub clock: ManualClock,
    pub engine: Engine,
    eyes: GraphClient,
    folder: TempDir,
}

pub fn data(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data")).join(file)
}

pub fn client(sandbox: &Sandbox) -> GraphClient {
    client_with_secret(sandbox, sandbox.client_secret())
}

pub fn client_with_secret(sandbox: &Sandbox, secret: &str) -> GraphClient {
    client_of(
        sandbox.authority(),
        sandbox.graph(),
        sandbox.tenant_id(),
        sandbox.client_id(),
        secret,
    )
}

pub fn client_of(authority: &str, graph: &str, tenant: &str, client_id: &str, secret: &str) -> GraphClient {
    let cloud = Cloud::custom(authority, graph).unwrap();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let clock = Arc::new(SystemClock);
    let credential = ClientSecret::new(&cloud, tenant, client_id, secret.into(), transport.clone(), clock);
    GraphClient::new(cloud, Arc::new(credential.unwrap()), transport)
}

/// An engine over that tenant and journal.
pub fn engine(sandbox: &Sandbox, journal: Arc<dyn Journal>, policy: Document, clock: &ManualClock) -> Engine {
    engine_of(client(sandbox), journal, policy, clock)
}

pub fn engine_of(
    client: GraphClient,
    journal: Arc<dyn Journal>,
    policy: Document,
    clock: &ManualClock,
) -> Engine {
    engine_with(client, Vec::new(), journal, policy, clock)
}

/// The targets that the policy names behind the directory.
pub fn targets(sandbox: &Sandbox, policy: &Document) -> Vec<Arc<dyn Target>> {
    let mut targets: Vec<Arc<dyn Target>> = Vec::new();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let scopes = policy.azure_scopes();
    if !scopes.is_empty() {
        let cloud = Cloud::custom(sandbox.authority(), sandbox.graph()).unwrap();
        let cloud = cloud.with_arm(sandbox.arm()).unwrap();
        let (id, secret) = (sandbox.client_id(), sandbox.client_secret().into());
        let clock = Arc::new(SystemClock);
        let secret =
            ClientSecret::new(&cloud, sandbox.tenant_id(), id, secret, transport.clone(), clock).unwrap();
        let client = ArmClient::new(cloud, Arc::new(secret), transport.clone()).unwrap();
        targets.push(Arc::new(ArmTarget::new(client, scopes).unwrap()));
    }
    for app in policy.apps() {
        let token: iam_core::Secret = sandbox.scim_token().into();
        let client = ScimClient::new(sandbox.scim(), token, transport.clone()).unwrap();
        targets.push(Arc::new(ScimTarget::new(app.as_str(), client)));
    }
    targets
}

/// The same with more targets behind the directory.
pub fn engine_with(
    client: GraphClient,
    targets: Vec<Arc<dyn Target>>,
    journal: Arc<dyn Journal>,
    policy: Document,
    clock: &ManualClock,
) -> Engine {
    let from = policy.settings().notify_from.clone();
    let mut engine = Engine::builder(journal, Arc::new(policy))
        .target(Arc::new(GraphTarget::new(client.clone())))
        .clock(Arc::new(clock.clone()));
    for target in targets {
        engine = engine.target(target);
    }
    if let Some(from) = from {
        engine = engine.notifier(Arc::new(GraphMail::new(client, &from)));
    }
    engine.build()
}

impl World {
    /// The seeded tenant with the groups of [`POLICY`].
    pub async fn new() -> Self {
        let world = Self::with_policy(POLICY).await;
        for name in ["Everybody", "st-security", "st-sales", "st-heads", "st-by-hand"] {
            world.make_group(name).await;
        }
        world
    }

    /// The seeded tenant, with Azure and the application connected where the policy names them. `SUB` in the policy
    /// is the tenant's subscription.
    pub async fn with_policy(policy: &str) -> Self {
        Self::with_targets(policy, targets).await
    }

    /// The same with other targets behind the directory.
    pub async fn with_targets(
        policy: &str,
        behind: impl FnOnce(&Sandbox, &Document) -> Vec<Arc<dyn Target>>,
    ) -> Self {
        let sandbox = Sandbox::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let journal = Arc::new(SqliteJournal::open(&path, sandbox.tenant_id()).await.unwrap());
        let clock = ManualClock::at(NOW.parse().unwrap());
        let policy = Document::parse(&policy.replace("SUB", sandbox.subscription())).unwrap();
        let behind = behind(&sandbox, &policy);
        let engine = engine_with(client(&sandbox), behind, journal, policy, &clock);
        Self {
            eyes: client(&sandbox),
            sandbox,
            clock,
            engine,
            folder,
        }
    }

    /// HR says so, and everything due is done.
    pub async fn hear(&self, people: &[&str]) -> RunReport {
        self.engine
            .accept(people.iter().map(|text| person(text)))
            .await
            .unwrap();
        self.run().await
    }

    /// The same of one record.
    pub async fn hear_of(&self, person: Person) -> RunReport {
        self.engine.accept([person]).await.unwrap();
        self.run().await
    }

    pub async fn run(&self) -> RunReport {
        self.engine.run(&|_| {}).await.unwrap()
    }

    pub async fn at(&self, instant: &str) -> RunReport {
        self.clock.set(instant.parse().unwrap());
        self.run().await
    }

    /// Reads a file of the example data, or any other.
    pub async fn read(&self, path: &std::path::Path) -> Result<Vec<Reject>> {
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        let mut rejects = Vec::new();
        self.engine
            .accept_from(Box::new(FlatIntake::new()), file, |reject| rejects.push(reject))
            .await?;
        Ok(rejects)
    }

    /// Every byte that the journal has on disk.
    pub fn journal_on_disk(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    // --- the tenant, seen from outside ---------------------------------------------------------

    pub async fn get(&self, path: &str) -> Value {
        self.eyes
            .request(Method::Get, path, None, "look")
            .await
            .unwrap()
            .json()
            .unwrap()
    }

    pub async fn change(&self, method: Method, path: &str, body: Value) {
        self.eyes
            .request(method, path, Some(&body), "change")
            .await
            .unwrap();
    }

    pub async fn delete(&self, path: &str) {
        self.eyes
            .request(Method::Delete, path, None, "delete")
            .await
            .unwrap();
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).await["value"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    pub async fn make_group(&self, name: &str) -> String {
        let nickname: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let body = json!({"displayName": name, "mailNickname": nickname, "mailEnabled": false, "securityEnabled": true});
        let answer = self
            .eyes
            .request(Method::Post, "/groups", Some(&body), "make")
            .await
            .unwrap();
        answer.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned()
    }

    pub async fn group_id(&self, name: &str) -> String {
        let found = self
            .list(&format!(
                "/groups?$filter=displayName%20eq%20'{}'",
                name.replace(' ', "%20")
            ))
            .await;
        found[0]["id"].as_str().unwrap().to_owned()
    }

    /// Gives a membership by hand, behind the platform's back.
    pub async fn put_into(&self, person: &str, group: &str) {
        let (user, group) = (self.id(person).await, self.group_id(group).await);
        let graph = self.sandbox.graph().to_owned();
        let body = json!({"@odata.id": format!("{graph}/directoryObjects/{user}")});
        self.change(Method::Post, &format!("/groups/{group}/members/$ref"), body)
            .await;
    }

    /// The live accounts that carry a worker id.
    pub async fn accounts(&self, person: &str) -> Vec<Value> {
        let select = "id,userPrincipalName,displayName,accountEnabled,department,usageLocation,employeeId";
        self.list(&format!(
            "/users?$filter=employeeId%20eq%20'{person}'&$select={select}&$expand=manager"
        ))
        .await
    }

    pub async fn account(&self, person: &str) -> Value {
        let mut accounts = self.accounts(person).await;
        assert_eq!(accounts.len(), 1, "accounts of {person}");
        accounts.remove(0)
    }

    pub async fn id(&self, person: &str) -> String {
        self.account(person).await["id"].as_str().unwrap().to_owned()
    }

    pub async fn manager(&self, person: &str) -> Option<String> {
        let account = self.account(person).await;
        account["manager"]["id"].as_str().map(str::to_owned)
    }

    /// `name enabled|blocked: groups / licences / roles`, or `nothing`.
    pub async fn look(&self, person: &str) -> String {
        let accounts = self.accounts(person).await;
        let [account] = accounts.as_slice() else {
            return if accounts.is_empty() {
                "nothing".to_owned()
            } else {
                format!("{} accounts", accounts.len())
            };
        };
        let id = account["id"].as_str().unwrap();
        let names = |values: Vec<Value>, field: &str| {
            let mut names: Vec<String> = values
                .iter()
                .filter_map(|value| value[field].as_str())
                .map(str::to_owned)
                .collect();
            names.sort();
            names.join(", ")
        };
        let member_of = self.list(&format!("/users/{id}/memberOf")).await;
        let groups: Vec<Value> = member_of
            .into_iter()
            .filter(|value| value["@odata.type"] == "#microsoft.graph.group")
            .collect();
        let licenses = self.list(&format!("/users/{id}/licenseDetails")).await;
        let assignments =
            format!("/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'{id}'");
        let roles = self.list(&format!("{assignments}&$expand=roleDefinition")).await;
        let roles = roles
            .into_iter()
            .map(|value| value["roleDefinition"].clone())
            .collect();
        let state = if account["accountEnabled"] == true {
            "enabled"
        } else {
            "blocked"
        };
        let name = account["userPrincipalName"]
            .as_str()
            .unwrap()
            .split('@')
            .next()
            .unwrap()
            .to_owned();
        let (groups, licenses) = (names(groups, "displayName"), names(licenses, "skuPartNumber"));
        format!(
            "{name} {state}: {groups} / {licenses} / {}",
            names(roles, "displayName")
        )
    }

    pub async fn deleted(&self, person: &str) -> usize {
        let deleted = self
            .list("/directory/deletedItems/microsoft.graph.user?$select=id,employeeId")
            .await;
        deleted.iter().filter(|user| user["employeeId"] == person).count()
    }

    /// Subjects of the mails that were sent.
    pub fn mails(&self) -> Vec<String> {
        mails(&self.sandbox)
    }
}

pub fn mails(sandbox: &Sandbox) -> Vec<String> {
    let state = sandbox.state();
    let mails = state["mailbox"].as_array().cloned().unwrap_or_default();
    mails
        .iter()
        .map(|mail| mail["subject"].as_str().unwrap().to_owned())
        .collect()
}

/// `id given family department [field=value …]`, `_` for a blank.
pub fn person(text: &str) -> Person {
    let mut words = text.split(' ');
    let mut next = || {
        words
            .next()
            .filter(|word| *word != "_")
            .map(|word| word.replace('_', " "))
    };
    let mut person = Person::new(PersonKey::new(next().unwrap()));
    (person.given_name, person.family_name, person.department) = (next(), next(), next());
    person.job_title = Some("Clerk".to_owned());
    person.country = Some("AU".to_owned());
    for pair in words {
        let (field, value) = pair.split_once('=').unwrap();
        let text = Some(value.replace('_', " "));
        match field {
            "manager" => person.manager_id = Some(PersonKey::new(value)),
            "middle" => person.middle_name = text,
            "title" => person.job_title = text.filter(|title| title != "none"),
            "country" => person.country = text,
            "location" => person.location = text,
            "hire" => person.hire_date = value.parse().ok(),
            "last" => person.last_day = value.parse().ok(),
            "zone" => person.time_zone = text,
            "mail" => person.email = text,
            "status" => {
                person.status = if value == "gone" {
                    Status::Terminated
                } else {
                    Status::Active
                }
            }
            _ => unreachable!("{field}"),
        }
    }
    person
}
