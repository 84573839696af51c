//! What must be true at every server.

use std::sync::Arc;

use iam_core::engine::Engine;
use iam_core::entitlement::{Attribute, Attributes, Entitlement, Kind};
use iam_core::event::EventId;
use iam_core::http::HttpTransport;
use iam_core::journal::MemoryJournal;
use iam_core::person::{Person, PersonKey, Status};
use iam_core::plan::{Action, Change, IdempotencyKey, Step};
use iam_core::policy::Document;
use iam_core::target::{Applied, Keys, PersonRef, Target};
use iam_core::testing::ManualClock;
use iam_core::{ErrorKind, Result};
use iam_scim::filter::Filter;
use iam_scim::groups::Group;
use iam_scim::patch::{Patch, Path};
use iam_scim::users::{ENTERPRISE, Enterprise, User};
use iam_scim::{Auth, ScimClient, ScimTarget};

use crate::process::{Peer, TOKEN};

/// A client of one peer, and names that no other test uses.
pub(crate) struct Place {
    client: ScimClient,
    target: ScimTarget,
    base_url: String,
    tag: String,
}

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };

impl Place {
    pub(crate) fn new(peer: &Peer, tag: &str) -> Self {
        let client = client(&peer.base_url, TOKEN);
        Self {
            target: ScimTarget::new("app", client.clone()),
            client,
            base_url: peer.base_url.clone(),
            tag: tag.replace('_', "-"),
        }
    }

    fn name(&self, who: &str) -> String {
        format!("{who}.{}@contoso.example", self.tag)
    }

    fn worker(&self, who: &str) -> PersonKey {
        PersonKey::new(format!("W-{who}-{}", self.tag))
    }

    fn keys(&self, who: &str) -> Keys {
        Keys {
            person: self.worker(who),
            account: None,
        }
    }

    async fn apply(&self, who: &str, account: Option<&str>, action: Action) -> Result<Applied> {
        let step = Step::new(self.target.id(), &self.worker(who), account, action, "test");
        let key = IdempotencyKey::of(&EventId::new("e1"), &step);
        self.target.apply(&step, &key).await
    }

    async fn join(&self, who: &str, attributes: &[(Attribute, &str)]) -> Result<Applied> {
        let attributes = values(attributes);
        let name = self.name(who);
        self.apply(who, None, Action::CreateAccount { name, attributes })
            .await
    }

    /// A new account's id.
    async fn joined(&self, who: &str) -> String {
        match self.join(who, &[(Attribute::DisplayName, who)]).await.unwrap() {
            Applied::Done { account: Some(id) } => id,
            other => panic!("{who} was not created: {other:?}"),
        }
    }

    async fn observed(&self, who: &str, account: &str) -> iam_core::entitlement::Actual {
        let person = PersonRef {
            person: self.worker(who),
            account: account.to_owned(),
        };
        self.target.observe(&[person]).await.unwrap().remove(0)
    }

    async fn group(&self, name: &str) -> Entitlement {
        let name = format!("{name} {}", self.tag);
        let group = self.client.create_group(&Group::new(&name)).await.unwrap();
        Entitlement {
            target: self.target.id().clone(),
            kind: Kind::App,
            id: group.id().to_owned(),
            name,
        }
    }
}

fn client(base_url: &str, token: &str) -> ScimClient {
    let transport = Arc::new(HttpTransport::new().unwrap());
    ScimClient::new(base_url, Auth::token(token), transport).unwrap()
}

fn values(of: &[(Attribute, &str)]) -> Attributes {
    of.iter()
        .map(|(name, text)| (*name, (*text).to_owned()))
        .collect()
}

fn update(changes: &[(Attribute, &str)]) -> Action {
    let change = |(name, after): &(Attribute, &str)| {
        let after = (*after).to_owned();
        (*name, Change { before: None, after })
    };
    Action::UpdateAccount {
        changes: changes.iter().map(change).collect(),
    }
}

fn revoke(entitlement: &Entitlement) -> Action {
    Action::Revoke {
        entitlement: entitlement.clone(),
        assignment: None,
    }
}

pub(crate) async fn discovery_says_what_the_server_can_do(at: Place) {
    let abilities = at.client.abilities().await.unwrap();
    assert!(abilities.patch && abilities.filter && abilities.unfilterable.is_empty());
    assert_eq!(
        (abilities.users.as_str(), abilities.groups.as_deref()),
        ("/Users", Some("/Groups"))
    );
    let schemas = at.client.schemas().await.unwrap();
    assert!(
        schemas.iter().any(|schema| schema.id == ENTERPRISE),
        "{schemas:?}"
    );
}

pub(crate) async fn a_user_is_created_read_changed_replaced_and_deleted(at: Place) {
    let mut new = User::new(at.name("ada")).with_enterprise(Enterprise::default());
    new.display_name = Some("Ada".to_owned());
    new.title = Some("Analyst".to_owned());
    let created = at.client.create_user(&new).await.unwrap();
    let id = created.id();
    assert_eq!(
        at.client.user(id).await.unwrap().title.as_deref(),
        Some("Analyst")
    );

    let department = || Path::new("department").within(ENTERPRISE);
    let patch = Patch::new()
        .set("name.familyName", "Lovelace")
        .set(department(), "Engines")
        .clear("title");
    at.client.patch_user(id, &patch).await.unwrap();
    let user = at.client.user(id).await.unwrap();
    assert_eq!(user.title, None);
    assert_eq!(user.name.unwrap().family_name.as_deref(), Some("Lovelace"));
    assert_eq!(user.enterprise.unwrap().department.as_deref(), Some("Engines"));

    let mut whole = User::new(at.name("ada"));
    whole.display_name = Some("Countess".to_owned());
    at.client.replace_user(id, &whole).await.unwrap();
    let user = at.client.user(id).await.unwrap();
    assert_eq!(user.display_name.as_deref(), Some("Countess"));

    at.client.delete_user(id).await.unwrap();
    assert_eq!(at.client.user(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(
        at.client.delete_user(id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

pub(crate) async fn a_filter_finds_exactly_what_it_names(at: Place) {
    for name in ["o'neil+x&y#z", "zoë"] {
        let name = at.name(name);
        let id = at.client.create_user(&User::new(&name)).await.unwrap().id;
        let found = at
            .client
            .list_users(Some(&Filter::eq("userName", name.as_str())))
            .await
            .unwrap();
        assert_eq!(
            found.iter().map(|user| &user.id).collect::<Vec<_>>(),
            [&id],
            "{name}"
        );
    }
    let nobody = at.name(r#"x" or userName pr or userName eq ""#);
    let found = at
        .client
        .list_users(Some(&Filter::eq("userName", nobody)))
        .await
        .unwrap();
    assert!(found.is_empty(), "{found:?}");
}

pub(crate) async fn more_than_a_page_is_read(at: Place) {
    for index in 0..103 {
        let user = User::new(format!("{}-{index}", at.tag));
        at.client.create_user(&user).await.unwrap();
    }
    let filter = Filter::sw("userName", at.tag.as_str());
    assert_eq!(at.client.list_users(Some(&filter)).await.unwrap().len(), 103);
}

pub(crate) async fn a_wrong_token_is_refused(at: Place) {
    let stranger = client(&at.base_url, "wrong");
    let error = stranger.list_users(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

pub(crate) async fn a_joiner_is_created_once_and_inactive(at: Place) {
    let id = at.joined("ada").await;
    let again = at.join("ada", &[]).await.unwrap();
    assert_eq!(
        again,
        Applied::AlreadySo {
            account: Some(id.clone())
        }
    );
    let user = at.client.user(&id).await.unwrap();
    assert_eq!(user.active, Some(false));
    assert_eq!(user.external_id.as_deref(), Some(at.worker("ada").as_str()));
}

pub(crate) async fn a_taken_name_is_reported(at: Place) {
    at.joined("ada").await;
    let other = Step::new(
        at.target.id(),
        &at.worker("grace"),
        None,
        Action::CreateAccount {
            name: at.name("ADA"),
            attributes: Attributes::new(),
        },
        "test",
    );
    let key = IdempotencyKey::of(&EventId::new("e1"), &other);
    let error = at.target.apply(&other, &key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    // The server itself says so too.
    let error = at
        .client
        .create_user(&User::new(at.name("ada")))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::AlreadyExists, Some("uniqueness"))
    );
}

pub(crate) async fn attributes_go_both_ways(at: Place) {
    let first = [
        (Attribute::DisplayName, "Ada Lovelace"),
        (Attribute::GivenName, "Ada"),
        (Attribute::FamilyName, "Lovelace"),
        (Attribute::JobTitle, "Analyst"),
        (Attribute::WorkerType, "Employee"),
        (Attribute::Department, "Engines"),
        (Attribute::CostCenter, "C-7"),
        (Attribute::Company, "Contoso"),
        (Attribute::Location, "Perth"),
        (Attribute::Country, "AU"),
    ];
    let Applied::Done { account: Some(id) } = at.join("ada", &first).await.unwrap() else {
        panic!("not created");
    };
    let seen = at.observed("ada", &id).await.account.unwrap().attributes;
    assert_eq!(seen, values(&first));

    let changes = [
        (Attribute::JobTitle, ""),
        (Attribute::FamilyName, "King"),
        (Attribute::Department, "Looms"),
        (Attribute::CostCenter, ""),
        (Attribute::Location, "Sydney"),
    ];
    assert_eq!(at.apply("ada", Some(&id), update(&changes)).await.unwrap(), DONE);
    let mut expect = values(&first);
    for (name, value) in changes {
        if value.is_empty() {
            expect.remove(&name);
        } else {
            expect.insert(name, value.to_owned());
        }
    }
    let seen = at.observed("ada", &id).await.account.unwrap().attributes;
    assert_eq!(seen, expect);
    assert_eq!(
        at.apply("ada", Some(&id), update(&changes)).await.unwrap(),
        ALREADY
    );
}

pub(crate) async fn accounts_are_found_by_worker_id(at: Place) {
    let id = at.joined("ada").await;
    let recorded = Keys {
        person: at.worker("grace"),
        account: Some(id.clone()),
    };
    let keys = [at.keys("nobody"), at.keys("ada"), recorded];
    let found = at.target.find(&keys).await.unwrap();
    let ids = |index: usize| {
        found[index]
            .active
            .iter()
            .map(|account| account.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!((ids(0), ids(1)), (vec![], vec![id]));
    // Recorded, but the account carries somebody else's worker id.
    assert_eq!(ids(2), Vec::<String>::new());
    assert!(!found[1].active[0].enabled && found.iter().all(|found| found.deleted.is_empty()));
}

pub(crate) async fn names_in_use_are_reported(at: Place) {
    let id = at.joined("ada").await;
    let taken = at
        .target
        .names_taken(&[at.name("Ada"), at.name("grace")])
        .await
        .unwrap();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), [(at.name("ada"), id)]);
}

pub(crate) async fn a_manager_is_linked_once(at: Place) {
    let (ada, grace) = (at.joined("ada").await, at.joined("grace").await);
    let link = || Action::SetManager {
        manager: at.worker("grace"),
        manager_account: grace.clone(),
    };
    assert_eq!(at.apply("ada", Some(&ada), link()).await.unwrap(), DONE);
    assert_eq!(at.apply("ada", Some(&ada), link()).await.unwrap(), ALREADY);
    let account = at.observed("ada", &ada).await.account.unwrap();
    assert_eq!(account.manager, Some(grace));
}

pub(crate) async fn sign_in_is_blocked_and_allowed(at: Place) {
    let id = at.joined("ada").await;
    let steps = [
        (Action::AllowSignIn, DONE, true),
        (Action::AllowSignIn, ALREADY, true),
        (Action::RevokeSessions, ALREADY, true),
        (Action::ResetPassword, ALREADY, true),
        (Action::BlockSignIn, DONE, false),
        (Action::BlockSignIn, ALREADY, false),
        (
            Action::RestoreAccount,
            Applied::Done {
                account: Some(id.clone()),
            },
            true,
        ),
    ];
    for (action, expect, enabled) in steps {
        let kind = action.kind();
        assert_eq!(
            at.apply("ada", Some(&id), action).await.unwrap(),
            expect,
            "{kind}"
        );
        let account = at.observed("ada", &id).await.account.unwrap();
        assert_eq!(account.enabled, enabled, "{kind}");
    }
}

pub(crate) async fn roles_are_groups_given_and_taken_once(at: Place) {
    let (ada, grace) = (at.joined("ada").await, at.joined("grace").await);
    let agents = at.group("agents").await;
    let catalog = at.target.catalog().await.unwrap();
    assert!(
        catalog
            .item(&agents)
            .is_some_and(|item| item.entitlement == agents)
    );

    let give = || Action::grant(agents.clone());
    assert_eq!(at.apply("grace", Some(&grace), give()).await.unwrap(), DONE);
    assert_eq!(at.apply("ada", Some(&ada), give()).await.unwrap(), DONE);
    assert_eq!(at.apply("ada", Some(&ada), give()).await.unwrap(), ALREADY);
    let held = at.observed("ada", &ada).await.held;
    assert_eq!(
        held.iter().map(|held| &held.entitlement).collect::<Vec<_>>(),
        [&agents]
    );

    assert_eq!(at.apply("ada", Some(&ada), revoke(&agents)).await.unwrap(), DONE);
    assert_eq!(
        at.apply("ada", Some(&ada), revoke(&agents)).await.unwrap(),
        ALREADY
    );
    assert!(at.observed("ada", &ada).await.held.is_empty());
    // Nobody else lost anything.
    assert!(at.observed("grace", &grace).await.holds(&agents));

    at.client.delete_group(&agents.id).await.unwrap();
    assert_eq!(
        at.apply("grace", Some(&grace), revoke(&agents)).await.unwrap(),
        ALREADY
    );
}

pub(crate) async fn a_deleted_account_is_gone_and_stays_so(at: Place) {
    let id = at.joined("ada").await;
    assert_eq!(
        at.apply("ada", Some(&id), Action::DeleteAccount).await.unwrap(),
        DONE
    );
    assert_eq!(
        at.apply("ada", Some(&id), Action::DeleteAccount).await.unwrap(),
        ALREADY
    );
    assert!(at.observed("ada", &id).await.account.is_none());
    let found = at.target.find(&[at.keys("ada")]).await.unwrap();
    assert!(found[0].active.is_empty());
}

pub(crate) async fn without_patch_and_filter_the_end_is_the_same(at: Place) {
    let mut abilities = (*at.client.abilities().await.unwrap()).clone();
    (abilities.patch, abilities.filter) = (false, false);
    at.client.assume(abilities).await;

    let ada = at.joined("ada").await;
    let agents = at.group("agents").await;
    let changes = [
        (Attribute::Department, "Looms"),
        (Attribute::JobTitle, "Analyst"),
        (Attribute::Country, "AU"),
    ];
    assert_eq!(at.apply("ada", Some(&ada), update(&changes)).await.unwrap(), DONE);
    assert_eq!(
        at.apply("ada", Some(&ada), Action::AllowSignIn).await.unwrap(),
        DONE
    );
    assert_eq!(
        at.apply("ada", Some(&ada), Action::grant(agents.clone()))
            .await
            .unwrap(),
        DONE
    );
    let actual = at.observed("ada", &ada).await;
    assert!(actual.holds(&agents));
    let account = actual.account.unwrap();
    assert!(account.enabled);
    for (name, value) in changes {
        assert_eq!(account.attributes.get(&name).map(String::as_str), Some(value));
    }
    assert_eq!(at.apply("ada", Some(&ada), revoke(&agents)).await.unwrap(), DONE);
    assert_eq!(
        at.apply("ada", Some(&ada), Action::BlockSignIn).await.unwrap(),
        DONE
    );
    let actual = at.observed("ada", &ada).await;
    assert!(actual.held.is_empty() && !actual.account.unwrap().enabled);
    let found = at.target.find(&[at.keys("ada")]).await.unwrap();
    assert_eq!(found[0].active[0].id, ada);
    assert_eq!(
        at.join("ada", &[]).await.unwrap(),
        Applied::AlreadySo { account: Some(ada) }
    );
}

/// The whole lifecycle, decided by the engine.
pub(crate) async fn a_person_joins_moves_and_leaves(at: Place) {
    let policy = r#"
        version = 1
        [tenant]
        domain = "contoso.example"
        [naming]
        upn = ["{given}.{family}"]
        display_name = "{given} {family}"
        [defaults]
        usage_location = "person.country"
    "#;
    let engine = Engine::builder(
        Arc::new(MemoryJournal::new()),
        Arc::new(Document::parse(policy).unwrap()),
    )
    .target(Arc::new(at.target.clone().with_domains(["contoso.example"])))
    .clock(Arc::new(ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap())))
    .build();
    let hear = async |change: fn(&mut Person)| {
        let mut person = Person::new(at.worker("mei"));
        (person.given_name, person.family_name) = (Some("Mei".into()), Some("Tanaka".into()));
        (person.department, person.country) = (Some("Sales".into()), Some("AU".into()));
        person.hire_date = "2026-11-01".parse().ok();
        change(&mut person);
        engine.accept([person]).await.unwrap();
        let report = engine.run(&|_| {}).await.unwrap();
        assert_eq!(report.totals().open, 0, "{report:?}");
        let mut found = at.target.find(&[at.keys("mei")]).await.unwrap();
        found.remove(0).active.remove(0)
    };
    let department =
        |account: &iam_core::entitlement::Account| account.attributes[&Attribute::Department].clone();

    let joined = hear(|_| {}).await;
    assert!(joined.enabled);
    assert_eq!(
        (joined.name.as_str(), department(&joined).as_str()),
        ("mei.tanaka@contoso.example", "Sales")
    );
    // Nothing is left to do: what SCIM has no place for is not asked for again.
    assert_eq!(engine.plan().await.unwrap().steps(), 0);

    let moved = hear(|person| person.department = Some("Security".into())).await;
    assert_eq!(
        (moved.id.as_str(), department(&moved).as_str()),
        (joined.id.as_str(), "Security")
    );

    let left = hear(|person| person.status = Status::Terminated).await;
    assert_eq!((left.id, left.enabled), (joined.id, false));
}
