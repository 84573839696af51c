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

mod lifecycle;
pub(crate) use lifecycle::*;

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
