//! Rounds of changes against a whole tenant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use iam_core::clock::SystemClock;
use iam_core::entitlement::Kind;
use iam_core::http::Method;
use iam_core::{ErrorKind, Result};
use iam_graph::delta::{Change, Changed, DeltaLink, DeltaQuery, LinkFile, LinkStore, Reason};
use iam_graph::groups::Group;
use iam_graph::users::{DirectoryObject, User};
use iam_sandbox::{Effect, Fault, Sandbox};
use serde_json::{Value, json};

use super::{Tenant, start, tenant};

const WEEK: Duration = Duration::from_hours(24 * 7 + 1);

impl Tenant {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) {
        self.client
            .request(method, path, body.as_ref(), "arrange")
            .await
            .unwrap();
    }

    /// All changes of a round of users, and the link of the next.
    async fn users(&self, query: &DeltaQuery) -> (Vec<Change<User>>, DeltaLink) {
        let mut round = self.client.user_changes(query).unwrap();
        (round.all().await.unwrap(), round.acknowledge().unwrap())
    }

    async fn groups(&self, query: &DeltaQuery) -> (Vec<Change<Group>>, DeltaLink) {
        let mut round = self.client.group_changes(query).unwrap();
        (round.all().await.unwrap(), round.acknowledge().unwrap())
    }

    fn how_many_users(&self) -> usize {
        self.sandbox.state()["users"].as_array().unwrap().len()
    }
}

fn of<'a, T>(changes: &'a [Change<T>], id: &str) -> &'a Changed<T> {
    let found = changes
        .iter()
        .filter(|change| change.id() == Some(id))
        .collect::<Vec<_>>();
    match found.as_slice() {
        [Change::Changed(object)] => object,
        _ => panic!("{} changes of {id}", found.len()),
    }
}

fn reason<T>(changes: &[Change<T>], id: &str) -> Reason {
    let removed = changes.iter().find_map(|change| match change {
        Change::Removed(removed) if removed.id == id => Some(removed.reason.clone()),
        _ => None,
    });
    removed.unwrap()
}

fn ids(objects: &[DirectoryObject]) -> BTreeSet<&str> {
    objects.iter().map(|object| object.id.as_str()).collect()
}

#[tokio::test]
async fn all_users_come_and_then_what_changes() {
    let tenant = start(Sandbox::builder().people(250), Arc::new(SystemClock)).await;
    let query = DeltaQuery::new().select(["displayName", "city", "manager"]);
    let (all, link) = tenant.users(&query).await;
    let unique: BTreeSet<_> = all.iter().filter_map(Change::id).collect();
    assert_eq!(
        (all.len(), unique.len()),
        (tenant.how_many_users(), tenant.how_many_users())
    );
    let (none, link) = tenant.users(&query.clone().since(&link)).await;
    assert!(none.is_empty(), "{none:?}");

    let (noah, camila, other) = (tenant.id("W-1009"), tenant.id("W-1010"), tenant.id("W-2044"));
    let user = |id: &str| format!("/users/{id}");
    tenant
        .send(Method::Patch, &user(&noah), Some(json!({"city": "Hobart"})))
        .await;
    tenant
        .send(
            Method::Patch,
            &user(&camila),
            Some(json!({"jobTitle": "not selected"})),
        )
        .await;
    tenant.client.set_manager(&noah, &camila).await.unwrap();
    tenant.client.delete_user(&other).await.unwrap();
    let (changes, after) = tenant.users(&query.clone().since(&link)).await;
    assert_eq!(changes.len(), 2, "{changes:?}");
    let user_now = of(&changes, &noah);
    assert_eq!(user_now.item.city.as_deref(), Some("Hobart"));
    assert!(
        user_now.item.display_name.is_some(),
        "the rest of the selection comes too"
    );
    assert_eq!(
        ids(&user_now.relations["manager"].added),
        BTreeSet::from([camila.as_str()])
    );
    assert_eq!(reason(&changes, &other), Reason::SoftDeleted);

    // The same link gives the same again; minimal, only what has changed.
    let (lean, _) = tenant.users(&query.clone().minimal().since(&link)).await;
    let user_now = of(&lean, &noah);
    assert_eq!(user_now.properties, BTreeSet::from(["city".to_owned()]));
    assert_eq!(user_now.item.display_name, None);

    // What has been cleared is told from what is not shown.
    tenant
        .send(Method::Patch, &user(&noah), Some(json!({"city": null})))
        .await;
    tenant
        .send(Method::Delete, &format!("/directory/deletedItems/{other}"), None)
        .await;
    let (changes, after) = tenant.users(&query.clone().minimal().since(&after)).await;
    let user_now = of(&changes, &noah);
    assert!(user_now.properties.contains("city") && user_now.item.city.is_none());
    assert_eq!(reason(&changes, &other), Reason::Purged);

    tenant.client.delete_user(&camila).await.unwrap();
    tenant.client.restore_user(&camila).await.unwrap();
    let (back, _) = tenant.users(&query.since(&after)).await;
    assert!(of(&back, &camila).item.display_name.is_some());
}

#[tokio::test]
async fn a_group_of_many_pages_comes_once_with_all_its_members() {
    let tenant = start(Sandbox::builder().people(450), Arc::new(SystemClock)).await;
    let staff = tenant.what(Kind::Group, "All Staff").await.id;
    let members = |tenant: &Tenant| {
        let state = tenant.sandbox.state();
        let group = state["groups"]
            .as_array()
            .unwrap()
            .iter()
            .find(|group| group["id"] == staff.as_str())
            .cloned();
        group.unwrap()["members"].as_array().unwrap().len()
    };
    assert!(members(&tenant) > 450);
    let before = tenant.sandbox.requests();
    let (all, link) = tenant.groups(&DeltaQuery::new()).await;
    assert!(
        tenant.sandbox.requests() - before >= 3,
        "the group takes several pages"
    );
    assert_eq!(
        ids(&of(&all, &staff).members().unwrap().added).len(),
        members(&tenant)
    );
    // Streamed, parts that come in a row are one change.
    let round = tenant.client.group_changes(&DeltaQuery::new()).unwrap();
    let streamed: Vec<Change<Group>> = round.try_collect().await.unwrap();
    assert_eq!(streamed, all);

    let (noah, camila) = (tenant.id("W-1009"), tenant.id("W-1010"));
    let security = tenant.what(Kind::Group, "sg-security").await.id;
    tenant.client.add_member(&security, &noah).await.unwrap();
    tenant.client.add_member(&security, &camila).await.unwrap();
    tenant.client.remove_member(&security, &camila).await.unwrap();
    tenant.client.remove_member(&staff, &noah).await.unwrap();
    let (changes, after) = tenant.groups(&DeltaQuery::new().since(&link)).await;
    let links = of(&changes, &security).members().unwrap();
    assert_eq!(ids(&links.added), BTreeSet::from([noah.as_str()]));
    assert!(!ids(&links.added).contains(camila.as_str()));
    assert_eq!(links.added[0].other["@odata.type"], "#microsoft.graph.user");
    let links = of(&changes, &staff).members().unwrap();
    assert_eq!(
        (links.added.len(), ids(&links.removed)),
        (0, BTreeSet::from([noah.as_str()]))
    );

    tenant
        .send(Method::Delete, &format!("/groups/{security}"), None)
        .await;
    let (changes, _) = tenant.groups(&DeltaQuery::new().since(&after)).await;
    assert_eq!(
        reason(&changes, &security),
        Reason::Purged,
        "security groups cannot be restored"
    );
    let (names, _) = tenant.groups(&DeltaQuery::new().select(["displayName"])).await;
    assert!(of(&names, &staff).members().is_none());
}

#[tokio::test]
async fn a_query_starts_from_now_and_follows_some() {
    let tenant = tenant().await;
    let (none, now) = tenant.users(&DeltaQuery::new().from_now()).await;
    assert!(none.is_empty(), "{none:?}");
    let followed = [tenant.id("W-1009"), tenant.id("W-1010")];
    let some = DeltaQuery::new().ids(followed.clone());
    let (two, link) = tenant.users(&some).await;
    assert_eq!(two.len(), 2);
    let ada = tenant.ada().await;
    tenant.client.enable_user(&followed[0], false).await.unwrap();
    let (new, _) = tenant.users(&DeltaQuery::new().since(&now)).await;
    assert_eq!(
        of(&new, &ada).item.user_principal_name.as_deref(),
        Some("ada.lovelace@contoso.example")
    );
    let (few, _) = tenant.users(&some.since(&link)).await;
    assert!(
        few.iter().all(|change| change.id() == Some(followed[0].as_str())),
        "{few:?}"
    );
    let many = DeltaQuery::new().ids((0..51).map(|n| n.to_string()));
    assert_eq!(
        tenant.client.user_changes(&many).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_round_that_is_not_acknowledged_comes_again() -> Result<()> {
    let tenant = tenant().await;
    let folder = std::env::temp_dir().join(format!("iam-graph-delta-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = LinkFile::new(folder.join("users.link"));
    let query = async || DeltaQuery::new().since_stored(&store).await;
    let mut round = tenant.client.user_changes(&query().await?)?;
    round.all().await?;
    round.acknowledge_to(&store).await?;

    let ada = tenant.ada().await;
    // Read, and lost: the process died.
    let mut lost = tenant.client.user_changes(&query().await?)?;
    assert_eq!(lost.try_next().await?.unwrap().id(), Some(ada.as_str()));
    drop(lost);
    // Not read to the end: not to be acknowledged.
    let early = tenant.client.user_changes(&query().await?)?;
    assert_eq!(early.acknowledge().unwrap_err().kind(), ErrorKind::Conflict);
    // The link still leads to the same.
    let mut round = tenant.client.user_changes(&query().await?)?;
    let changes = round.all().await?;
    assert_eq!(
        changes.iter().filter_map(Change::id).collect::<Vec<_>>(),
        [ada.as_str()]
    );
    round.acknowledge_to(&store).await?;
    let mut after = tenant.client.user_changes(&query().await?)?;
    assert!(after.try_next().await?.is_none());

    let link = store.load().await?.unwrap();
    assert!(!format!("{link:?}{store:?}").contains("deltatoken"));
    #[cfg(unix)]
    {
        let file = std::fs::metadata(folder.join("users.link")).unwrap();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777,
            0o600
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(store.load().await?.is_none());
    let nowhere = store.save(&link).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Storage);
    Ok(())
}

#[tokio::test]
async fn an_expired_link_is_an_error_or_starts_again() {
    let tenant = tenant().await;
    let query = DeltaQuery::new().select(["displayName"]);
    let (_, link) = tenant.users(&query).await;
    tenant.sandbox.advance(WEEK);
    let mut refused = tenant.client.user_changes(&query.clone().since(&link)).unwrap();
    let error = refused.try_next().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::ResyncNeeded, Some(410))
    );
    assert_eq!(refused.acknowledge().unwrap_err().kind(), ErrorKind::Conflict);

    let again = query.clone().since(&link).resync_when_expired();
    let mut round = tenant.client.user_changes(&again).unwrap();
    let first = round.try_next().await.unwrap().unwrap();
    assert!(
        matches!(first, Change::Restarted) && round.is_restarted(),
        "{first:?}"
    );
    let rest = round.all().await.unwrap();
    let users = rest.iter().filter_map(Change::id).count();
    assert_eq!(users, tenant.how_many_users());
    let Some(Change::Changed(user)) = rest.last() else {
        panic!("{rest:?}")
    };
    assert!(user.item.user_principal_name.is_none(), "the selection is kept");
    // The new link is good.
    let (none, _) = tenant.users(&query.since(&round.acknowledge().unwrap())).await;
    assert!(none.is_empty());
}

#[tokio::test]
async fn what_lags_comes_in_a_later_round_and_a_revoked_token_is_replaced() {
    let tenant = start(Sandbox::builder().people(150), Arc::new(SystemClock)).await;
    let (_, link) = tenant.users(&DeltaQuery::new()).await;
    tenant
        .sandbox
        .fault(Fault::new(Effect::Lag { millis: 30_000 }).on("GET", "/users/delta"));
    let ada = tenant.ada().await;
    let (none, link) = tenant.users(&DeltaQuery::new().since(&link)).await;
    assert!(none.is_empty(), "{none:?}");
    tenant.sandbox.advance(Duration::from_secs(31));
    let (late, _) = tenant.users(&DeltaQuery::new().since(&link)).await;
    assert_eq!(late[0].id(), Some(ada.as_str()));
    tenant.sandbox.clear_faults();
    tenant.sandbox.fault(
        Fault::new(Effect::RevokeTokens)
            .on("GET", "/users/delta")
            .nth(2)
            .times(1),
    );
    let (all, _) = tenant.users(&DeltaQuery::new()).await;
    assert_eq!(all.len(), tenant.how_many_users());
    assert_eq!(tenant.sandbox.faults()[0].fired(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_its_owners_alone_whatever_was_left_behind() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = std::env::temp_dir().join(format!("iam-graph-link-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, beside, elsewhere) = (
        folder.join("users.link"),
        folder.join("users.link.new"),
        folder.join("elsewhere"),
    );
    let store = LinkFile::new(&path);
    let check = async |link: &str| {
        store.save(&DeltaLink::new(link)).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{link}");
        assert_eq!(store.load().await.unwrap().unwrap().as_str(), link);
        assert!(!beside.exists(), "{link}");
    };
    check("https://graph/1").await;
    // A process died between writing and renaming, under another umask.
    std::fs::write(&beside, "https://graph/half").unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o666)).unwrap();
    check("https://graph/2").await;
    // Or somebody laid it.
    std::fs::write(&elsewhere, "kept").unwrap();
    symlink(&elsewhere, &beside).unwrap();
    check("https://graph/3").await;
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "kept");
    std::fs::remove_dir_all(&folder).unwrap();
}
