//! Users, their sessions and passes, and those that are deleted.

use iam_core::http::Method;
use iam_core::{Error, ErrorKind, Result, Secret};
use iam_graph::users::{SELECT, mail_nickname, random_password};
use serde_json::{Map, Value, json};

use super::query::{FULL, Names, Options, collections};
use super::{AsyncGraphClient, GraphClient, call, one};
use crate::convert::Json;
use crate::exchange::{Id, segment};
use crate::runtime::twin;

fn user(id: &str) -> String {
    format!("/users/{}", segment(id))
}

/// A selection of one object's properties.
fn shown(select: Option<Names>, expand: Option<Names>) -> Options {
    Options {
        select,
        expand,
        ..Options::default()
    }
}

fn object(given: Json, what: &'static str) -> Result<Map<String, Value>> {
    match given.0 {
        Value::Object(object) => Ok(object),
        _ => Err(Error::new(
            ErrorKind::Invalid,
            format!("{what}: an object with properties is expected"),
        )),
    }
}

/// The body of a user to create: a mail alias and a password that nobody knows where there are none.
fn new_user(given: Json) -> Result<Value> {
    let mut user = object(given, "create user")?;
    if !user.contains_key("mailNickname")
        && let Some(name) = user.get("userPrincipalName").and_then(Value::as_str)
    {
        let alias = mail_nickname(name);
        user.insert("mailNickname".to_owned(), alias.into());
    }
    if !user.contains_key("passwordProfile") {
        let profile =
            json!({ "password": random_password().expose(), "forceChangePasswordNextSignIn": true });
        user.insert("passwordProfile".to_owned(), profile);
    }
    Ok(Value::Object(user))
}

/// Properties of a new temporary access pass.
fn pass(minutes: Option<u32>, once: Option<bool>, start: Option<String>) -> Value {
    let mut pass = Map::new();
    if let Some(minutes) = minutes {
        pass.insert("lifetimeInMinutes".to_owned(), minutes.into());
    }
    if let Some(once) = once {
        pass.insert("isUsableOnce".to_owned(), once.into());
    }
    if let Some(start) = start {
        pass.insert("startDateTime".to_owned(), start.into());
    }
    Value::Object(pass)
}

twin! { GraphClient, AsyncGraphClient of iam_graph::GraphClient;
    #[pyo3(signature = (id, *, select = None, expand = None))]
    fn user(this, id: Id, select: Option<Names>, expand: Option<Names>) -> Json {
        let select = select.unwrap_or_else(|| Names::from(SELECT));
        one(&this, &user(&id), shown(Some(select), expand), "get user").await
    }

    fn create_user(this, properties: Json) -> Json {
        call(&this, Method::Post, "/users", Some(&new_user(properties)?), "create user").await
    }

    fn update_user(this, id: Id, properties: Json) -> () {
        let properties = Value::Object(object(properties, "update user")?);
        this.request(Method::Patch, &user(&id), Some(&properties), "update user").await.map(drop)
    }

    fn enable_user(this, id: Id) -> () { this.enable_user(&id, true).await }

    fn disable_user(this, id: Id) -> () { this.enable_user(&id, false).await }

    fn delete_user(this, id: Id) -> () { this.delete_user(&id).await }

    #[pyo3(signature = (id, *, select = None))]
    fn manager(this, id: Id, select: Option<Names>) -> Json {
        one(&this, &format!("{}/manager", user(&id)), shown(select, None), "get manager").await
    }

    fn set_manager(this, id: Id, manager: Id) -> () { this.set_manager(&id, &manager).await }

    fn remove_manager(this, id: Id) -> () {
        let path = format!("{}/manager/$ref", user(&id));
        this.request(Method::Delete, &path, None, "remove manager").await.map(drop)
    }

    #[pyo3(signature = (id, password = None))]
    fn reset_password(this, id: Id, password: Option<String>) -> () {
        let password = password.map_or_else(random_password, Secret::new);
        this.reset_password(&id, &password).await
    }

    fn revoke_sessions(this, id: Id) -> () { this.revoke_sessions(&id).await }

    #[pyo3(signature = (id, *, minutes = None, once = None, start = None))]
    fn create_access_pass(this, id: Id, minutes: Option<u32>, once: Option<bool>, start: Option<String>) -> Json {
        let path = format!("{}/authentication/temporaryAccessPassMethods", user(&id));
        let body = pass(minutes, once, start);
        call(&this, Method::Post, &path, Some(&body), "create temporary access pass").await
    }

    fn delete_access_pass(this, id: Id, access_pass: Id) -> () {
        this.delete_access_pass(&id, &access_pass).await
    }

    fn restore(this, id: Id) -> Json {
        let path = format!("/directory/deletedItems/{}/restore", segment(&id));
        call(&this, Method::Post, &path, None, "restore").await
    }

    fn purge(this, id: Id) -> () { this.purge(&id).await }
}

collections! {
    fn users() { "/users", SELECT, FULL, "list users" }
    fn direct_reports(id: Id) { format!("{}/directReports", user(&id)), "", None, "list direct reports" }
    fn authentication_methods(id: Id) { format!("{}/authentication/methods", user(&id)), "", None, "list authentication methods" }
    fn access_passes(id: Id) { format!("{}/authentication/temporaryAccessPassMethods", user(&id)), "", None, "list temporary access passes" }
    fn deleted_users() { "/directory/deletedItems/microsoft.graph.user", SELECT, FULL, "list deleted users" }
    fn deleted_groups() { "/directory/deletedItems/microsoft.graph.group", "", FULL, "list deleted groups" }
    fn directory_audits() { "/auditLogs/directoryAudits", "", FULL, "list directory audits" }
    fn sign_ins() { "/auditLogs/signIns", "", FULL, "list sign-ins" }
    fn domains() { "/domains", "", None, "list domains" }
    fn list(path: String) { path, "", None, "list" }
}
