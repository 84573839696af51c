//! Both stores pass the exam; what is special to the file.

use iam_scim::server::conformance::exam;
use iam_scim::server::{Engine, Kind, MemoryStore, Method, Request, SqliteStore, Store as _};
use serde_json::Value;

#[tokio::test]
async fn memory_passes() {
    exam(&MemoryStore::new()).await.unwrap();
}

#[tokio::test]
async fn sqlite_passes_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scim.sqlite");
    let store = SqliteStore::open(&path).await.unwrap();
    exam(&store).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.scan(Kind::User, 0, 10).await.unwrap().total, 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "this is no database, and long enough to tell").unwrap();
    let refused = SqliteStore::open(&path).await.unwrap_err().to_string();
    assert!(
        refused.contains("text") && refused.contains("not a database"),
        "{refused}"
    );
    let missing = SqliteStore::open(folder.path().join("no/such/folder")).await;
    assert!(missing.unwrap_err().to_string().contains("no/such/folder"));
}

/// Fifty clients change one user at once, as Entra ID does with a large group: every change arrives.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_are_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("scim.sqlite"))
        .await
        .unwrap();
    let engine = Engine::new(store);
    let mut create = Request::new(Method::Post, &["Users"], "http://x");
    let schema = crate::USER;
    create.body = format!(r#"{{"schemas":["{schema}"],"userName":"a"}}"#).into();
    let user = |text: Option<String>| serde_json::from_str::<Value>(&text.unwrap()).unwrap();
    let id = user(engine.handle(&create).await.body)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let change = |number: usize| {
        let (engine, id) = (engine.clone(), id.clone());
        tokio::spawn(async move {
            let mut request = Request::new(Method::Patch, &["Users", &id], "http://x");
            request.body = format!(
                r#"{{"Operations":[{{"op":"add","path":"roles","value":[{{"value":"r{number}"}}]}}]}}"#
            )
            .into();
            engine.handle(&request).await.status
        })
    };
    let all: Vec<_> = (0..50).map(change).collect();
    for one in all {
        assert_eq!(one.await.unwrap(), 200);
    }
    let read = Request::new(Method::Get, &["Users", &id], "http://x");
    let after = user(engine.handle(&read).await.body);
    assert_eq!(after["roles"].as_array().unwrap().len(), 50);
}
