//! The exam that every [`Store`] passes: run it on an empty store.

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::record::{Index, Key, Record};
use super::schema::Kind;
use super::store::{Membership, Store, StoreError};

/// Compares what the store did with what it has to do; the error says what was asked and what came back.
pub async fn exam(store: &dyn Store) -> Result<(), String> {
    versions(store).await?;
    keys(store).await?;
    order(store).await?;
    members(store).await
}

fn expect<T: PartialEq + Debug>(asked: &str, found: &T, due: &T) -> Result<(), String> {
    if found == due {
        Ok(())
    } else {
        Err(format!("{asked}: expected {due:?}, found {found:?}"))
    }
}

fn record(kind: Kind, id: &str, version: u64, body: Value) -> Arc<Record> {
    let body = match body {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    Arc::new(Record::from_parts(kind, id, version, body))
}

fn user(id: &str, version: u64, name: &str) -> Arc<Record> {
    let body =
        json!({"id": id, "userName": name, "externalId": "E", "emails": [{"value": format!("{name}@x")}]});
    record(Kind::User, id, version, body)
}

async fn get(store: &dyn Store, kind: Kind, id: &str) -> Result<Option<Arc<Record>>, String> {
    store.get(kind, id).await.map_err(|error| error.to_string())
}

async fn find(store: &dyn Store, kind: Kind, index: Index, value: &str) -> Result<Vec<String>, String> {
    let found = store.find(kind, &Key::new(index, value)).await;
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.iter().map(|record| record.id.clone()).collect())
}

async fn versions(store: &dyn Store) -> Result<(), String> {
    let first = user("u1", 1, "Ann");
    expect(
        "update what is not there",
        &store.put(first.clone(), Some(1)).await,
        &Err(StoreError::Stale),
    )?;
    expect("create", &store.put(first.clone(), None).await, &Ok(()))?;
    expect(
        "create again",
        &store.put(first.clone(), None).await,
        &Err(StoreError::Stale),
    )?;
    expect("read", &get(store, Kind::User, "u1").await?, &Some(first.clone()))?;
    expect("read another kind", &get(store, Kind::Group, "u1").await?, &None)?;
    expect(
        "update a stale version",
        &store.put(user("u1", 3, "Bea"), Some(2)).await,
        &Err(StoreError::Stale),
    )?;
    expect(
        "a stale update changes nothing",
        &get(store, Kind::User, "u1").await?,
        &Some(first),
    )?;
    expect("update", &store.put(user("u1", 2, "Bea"), Some(1)).await, &Ok(()))?;
    expect(
        "read the update",
        &get(store, Kind::User, "u1").await?,
        &Some(user("u1", 2, "Bea")),
    )?;
    expect(
        "delete a stale version",
        &store.delete(Kind::User, "u1", 1).await,
        &Err(StoreError::Stale),
    )?;
    expect(
        "delete what is not there",
        &store.delete(Kind::User, "u9", 1).await,
        &Err(StoreError::Stale),
    )?;
    expect("delete", &store.delete(Kind::User, "u1", 2).await, &Ok(()))?;
    expect(
        "read what is deleted",
        &get(store, Kind::User, "u1").await?,
        &None,
    )
}

async fn keys(store: &dyn Store) -> Result<(), String> {
    expect(
        "create Ann",
        &store.put(user("u2", 1, "Ann"), None).await,
        &Ok(()),
    )?;
    expect(
        "create Bea",
        &store.put(user("u3", 1, "Bea"), None).await,
        &Ok(()),
    )?;
    let taken = Err(StoreError::Taken(Index::UserName));
    expect(
        "a name in another case",
        &store.put(user("u4", 1, "ANN"), None).await,
        &taken,
    )?;
    expect(
        "a refused create leaves nothing",
        &get(store, Kind::User, "u4").await?,
        &None,
    )?;
    expect(
        "its keys neither",
        &find(store, Kind::User, Index::ExternalId, "E").await?,
        &ids(&["u2", "u3"]),
    )?;
    expect(
        "take a name",
        &store.put(user("u3", 2, "ann"), Some(1)).await,
        &taken,
    )?;
    expect(
        "find by name",
        &find(store, Kind::User, Index::UserName, "BEA").await?,
        &ids(&["u3"]),
    )?;
    expect(
        "find by address",
        &find(store, Kind::User, Index::Email, "Bea@X").await?,
        &ids(&["u3"]),
    )?;
    expect(
        "externalId has case",
        &find(store, Kind::User, Index::ExternalId, "e").await?,
        &ids(&[]),
    )?;
    expect(
        "change the case of a name",
        &store.put(user("u2", 2, "aNN"), Some(1)).await,
        &Ok(()),
    )?;
    expect("rename", &store.put(user("u3", 2, "Cid"), Some(1)).await, &Ok(()))?;
    expect(
        "the old name finds nobody",
        &find(store, Kind::User, Index::UserName, "bea").await?,
        &ids(&[]),
    )?;
    expect(
        "the old name is free",
        &store.put(user("u5", 1, "Bea"), None).await,
        &Ok(()),
    )?;
    expect("delete", &store.delete(Kind::User, "u5", 1).await, &Ok(()))?;
    expect(
        "the name of the deleted is free",
        &store.put(user("u6", 1, "Bea"), None).await,
        &Ok(()),
    )
}

async fn order(store: &dyn Store) -> Result<(), String> {
    // u2, u3 and u6 are there, in this order, whatever was updated last.
    for (offset, limit, due) in [
        (0, 10, &["u2", "u3", "u6"][..]),
        (1, 1, &["u3"]),
        (2, usize::MAX, &["u6"]),
        (3, 10, &[]),
        (0, 0, &[]),
    ] {
        let page = store
            .scan(Kind::User, offset, limit)
            .await
            .map_err(|error| error.to_string())?;
        let found: Vec<String> = page.records.iter().map(|record| record.id.clone()).collect();
        expect(&format!("scan {limit} from {offset}"), &found, &ids(due))?;
        expect("the total of a page", &page.total, &3)?;
    }
    Ok(())
}

async fn members(store: &dyn Store) -> Result<(), String> {
    let group = |id: &str, version, members: &[&str]| {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"id": id, "displayName": format!("Group {id}"), "members": members});
        record(Kind::Group, id, version, body)
    };
    expect(
        "create a group",
        &store.put(group("g1", 1, &["u2", "u3"]), None).await,
        &Ok(()),
    )?;
    expect(
        "create another",
        &store.put(group("g2", 1, &["u3"]), None).await,
        &Ok(()),
    )?;
    expect(
        "drop a member",
        &store.put(group("g1", 2, &["u3", "u2", "u9"]), Some(1)).await,
        &Ok(()),
    )?;
    expect(
        "find by member",
        &find(store, Kind::Group, Index::Member, "u3").await?,
        &ids(&["g1", "g2"]),
    )?;
    let one =
        |member: &str, group: &str| Membership::new(member.into(), group.into(), format!("Group {group}"));
    let found = store.memberships(&ids(&["u3", "u2", "u6"])).await;
    let due = vec![one("u3", "g1"), one("u3", "g2"), one("u2", "g1")];
    expect("memberships", &found, &Ok(due))?;
    expect(
        "delete a group",
        &store.delete(Kind::Group, "g1", 2).await,
        &Ok(()),
    )?;
    let found = store.memberships(&ids(&["u3", "u2"])).await;
    expect("memberships afterwards", &found, &Ok(vec![one("u3", "g2")]))
}

fn ids(all: &[&str]) -> Vec<String> {
    all.iter().map(|&id| id.to_owned()).collect()
}
