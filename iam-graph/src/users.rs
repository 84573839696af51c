//! Users: accounts that people sign in to.
//!
//! Source: Microsoft Learn, "user resource type", "Create User", "Update user", "Assign manager".

use std::fmt;

use iam_core::http::{Method, Request};
use iam_core::{Result, Secret};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::licenses::{AssignedLicense, LicenseAssignmentState};
use crate::listing::Listing;
use crate::odata::{self, segment};
use crate::password;
use crate::query::{Filter, Query};
pub use crate::user_patch::{EmployeeOrgPatch, ExtensionAttributesPatch, UserPatch};

/// What is read of a user unless a query says otherwise (`$select`): everything that [`User`] names.
pub const SELECT: &str = "id,userPrincipalName,accountEnabled,displayName,givenName,surname,department,jobTitle,officeLocation,country,usageLocation,companyName,employeeId,employeeType,employeeHireDate,employeeOrgData,mail,proxyAddresses,onPremisesSyncEnabled,deletedDateTime,assignedLicenses,licenseAssignmentStates";
const EXPAND_MANAGER: (&str, &str) = ("$expand", "manager($select=id)");

/// A user. Fields that Graph did not send are `None` or empty; fields unknown here are in
/// [`other`](Self::other). `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct User {
    pub id: String,
    pub user_principal_name: Option<String>,
    pub account_enabled: Option<bool>,
    pub display_name: Option<String>,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    pub department: Option<String>,
    pub job_title: Option<String>,
    pub office_location: Option<String>,
    pub country: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub usage_location: Option<String>,
    pub company_name: Option<String>,
    /// The worker id.
    pub employee_id: Option<String>,
    pub employee_type: Option<String>,
    /// RFC 3339, UTC.
    pub employee_hire_date: Option<String>,
    /// RFC 3339, UTC; needs `User-LifeCycleInfo.Read.All` to be read.
    pub employee_leave_date_time: Option<String>,
    pub employee_org_data: Option<EmployeeOrgData>,
    pub on_premises_extension_attributes: Option<ExtensionAttributes>,
    /// Only where it was asked for, and only of who has signed in: [`sign_in_activity`](GraphClient::sign_in_activity).
    pub sign_in_activity: Option<SignInActivity>,
    /// `Member` or `Guest`.
    pub user_type: Option<String>,
    pub city: Option<String>,
    pub mobile_phone: Option<String>,
    pub mail: Option<String>,
    /// `SMTP:` marks the primary address, `smtp:` an alias.
    #[serde(deserialize_with = "or_empty")]
    pub proxy_addresses: Vec<String>,
    pub on_premises_sync_enabled: Option<bool>,
    /// RFC 3339; set once soft-deleted.
    pub deleted_date_time: Option<String>,
    #[serde(deserialize_with = "or_empty")]
    pub assigned_licenses: Vec<AssignedLicense>,
    #[serde(deserialize_with = "or_empty")]
    pub license_assignment_states: Vec<LicenseAssignmentState>,
    /// Only where it was asked for.
    pub manager: Option<DirectoryObject>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where a user stands in the organisation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct EmployeeOrgData {
    pub cost_center: Option<String>,
    pub division: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The fifteen attributes of Exchange. `Debug` prints no values.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExtensionAttributes(Map<String, Value>);

impl ExtensionAttributes {
    /// The attribute of that number, from 1 to 15.
    pub fn get(&self, number: u8) -> Option<&str> {
        self.0.get(&format!("extensionAttribute{number}"))?.as_str()
    }
}

/// When a user has signed in last. Instants are RFC 3339, UTC.
///
/// Source: Microsoft Learn, "signInActivity resource type".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SignInActivity {
    /// The last interactive attempt, successful or not.
    pub last_sign_in_date_time: Option<String>,
    /// The last attempt of a client on behalf of the user.
    pub last_non_interactive_sign_in_date_time: Option<String>,
    /// The last success of either kind.
    pub last_successful_sign_in_date_time: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl SignInActivity {
    /// The last success, interactive or not. Successes are told apart since December 2023; what came before is an
    /// attempt, which is all that is known of it. A later attempt without a success may be somebody else's.
    pub fn last_success(&self) -> Option<Timestamp> {
        let instant = |text: &Option<String>| text.as_ref()?.parse::<Timestamp>().ok();
        let attempts = [
            &self.last_sign_in_date_time,
            &self.last_non_interactive_sign_in_date_time,
        ];
        let attempt = attempts.into_iter().filter_map(instant);
        instant(&self.last_successful_sign_in_date_time)
            .or_else(|| attempt.filter(|at| at.as_second() < SUCCESSES_SINCE).max())
    }
}

/// 2023-12-01, in seconds of Unix time: since when `lastSuccessfulSignInDateTime` is kept, as documented.
const SUCCESSES_SINCE: i64 = 1_701_388_800;

/// A reference to any directory object. `Debug` prints the id alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DirectoryObject {
    /// The object id.
    pub id: String,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl DirectoryObject {
    /// What it is, for example `#microsoft.graph.user`; where Graph says it.
    pub fn odata_type(&self) -> Option<&str> {
        self.other.get("@odata.type")?.as_str()
    }

    /// Its display name, where it has one and it was read.
    pub fn display_name(&self) -> Option<&str> {
        self.other.get("displayName")?.as_str()
    }
}

/// What a new user needs. `Debug` prints nothing personal.
#[derive(Clone)]
pub struct NewUser {
    /// The sign-in name, in a verified domain.
    pub user_principal_name: String,
    /// The mail alias: see [`mail_nickname`].
    pub mail_nickname: String,
    /// The name that people see.
    pub display_name: String,
    /// The worker id.
    pub employee_id: Option<String>,
    /// Whether sign-in is allowed from the start.
    pub account_enabled: bool,
    /// The first password, which has to be changed at the first sign-in.
    pub password: Secret,
    /// Further properties.
    pub properties: UserPatch,
}

/// The mail alias for a sign-in name: its local part without the characters that Graph refuses in
/// `mailNickname` (anything outside ASCII and `@ () \ / [] ' ; : <> ,` and space), at most 64 long.
pub fn mail_nickname(name: &str) -> String {
    let local = name.split('@').next().unwrap_or_default();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "._-!#^~".contains(*c);
    let kept: String = local.chars().filter(allowed).take(64).collect();
    let kept = kept.trim_matches('.').to_owned();
    if kept.is_empty() { "user".to_owned() } else { kept }
}

/// A password that nobody knows, for [`NewUser::password`]: 32 characters of four classes, from a cryptographic
/// generator. People get in by a temporary access pass.
pub fn random_password() -> Secret {
    password::random()
}

impl Root {
    pub(crate) fn user(&self, id: &str) -> Request {
        let path = odata::query(
            &format!("/users/{}", segment(id)),
            &[("$select", SELECT), EXPAND_MANAGER],
        );
        self.get(&path, "get user")
    }

    pub(crate) fn find_users(&self, filter: &Filter) -> Result<Request> {
        let mut query = Query::new().filter(filter.clone());
        // Advanced queries have no managers.
        if !query.is_advanced("/users") {
            query = query.expand("manager", ["id"]);
        }
        self.list("/users", &query.or_default(SELECT), "find users")
    }

    pub(crate) fn list_users(&self, query: Query) -> Result<Request> {
        self.list("/users", &query.or_default(SELECT), "list users")
    }

    pub(crate) fn create_user(&self, new: &NewUser) -> Result<Request> {
        let mut body = new.properties.body();
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("accountEnabled", new.account_enabled.into());
        set("userPrincipalName", new.user_principal_name.as_str().into());
        set("mailNickname", new.mail_nickname.as_str().into());
        set("displayName", new.display_name.as_str().into());
        set("passwordProfile", password_profile(&new.password));
        if let Some(id) = &new.employee_id {
            set("employeeId", id.as_str().into());
        }
        body.retain(|_, value| !value.is_null());
        self.request(Method::Post, "/users", "create user").json(&body)
    }

    pub(crate) fn update_user(&self, id: &str, patch: &UserPatch) -> Result<Request> {
        self.request(Method::Patch, &format!("/users/{}", segment(id)), "update user")
            .json(patch)
    }

    pub(crate) fn enable_user(&self, id: &str, enabled: bool) -> Result<Request> {
        let path = format!("/users/{}", segment(id));
        let body = json!({ "accountEnabled": enabled });
        self.request(Method::Patch, &path, "block or allow sign-in")
            .json(&body)
    }

    pub(crate) fn reset_password(&self, id: &str, password: &Secret) -> Result<Request> {
        let path = format!("/users/{}", segment(id));
        let body = json!({ "passwordProfile": password_profile(password) });
        self.request(Method::Patch, &path, "reset password").json(&body)
    }

    pub(crate) fn revoke_sessions(&self, id: &str) -> Request {
        let path = format!("/users/{}/revokeSignInSessions", segment(id));
        self.request(Method::Post, &path, "revoke sessions")
            .idempotent(true)
    }

    pub(crate) fn user_with(&self, id: &str, properties: &[&str]) -> Request {
        let select = properties.join(",");
        let path = odata::query(&format!("/users/{}", segment(id)), &[("$select", &select)]);
        self.get(&path, "get user")
    }

    fn sign_in_activity(&self, id: &str) -> Request {
        let path = format!("/users/{}?$select=id,signInActivity", segment(id));
        self.get(&path, "read sign-in activity")
    }

    pub(crate) fn set_manager(&self, id: &str, manager: &str) -> Result<Request> {
        let path = format!("/users/{}/manager/$ref", segment(id));
        self.request(Method::Put, &path, "set manager")
            .json(&self.link("users", manager))
    }

    pub(crate) fn delete_user(&self, id: &str) -> Request {
        self.request(Method::Delete, &format!("/users/{}", segment(id)), "delete user")
    }
}

impl GraphClient {
    /// One user, by id or user principal name, with the manager's id.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound), also for a user that is soft-deleted.
    pub async fn user(&self, id: &str) -> Result<User> {
        self.fetch(self.root.user(id)).await
    }

    /// The users that a filter describes, with their managers' ids unless it takes an advanced query
    /// ([`Query::is_advanced`]).
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a filter that Graph would refuse.
    pub async fn find_users(&self, filter: &Filter) -> Result<Vec<User>> {
        self.all(self.root.find_users(filter)?).await
    }

    /// One user with properties of your choice, by their names in Graph: what [`user`](Self::user) does not read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a property that does not exist.
    pub async fn user_with(&self, id: &str, properties: &[&str]) -> Result<User> {
        self.fetch(self.root.user_with(id, properties)).await
    }

    /// When a user has signed in last, by object id (no sign-in name); `None` for who never has. Needs the permission
    /// `AuditLog.Read.All` beside `User.Read.All`, and Entra ID P1.
    ///
    /// # Errors
    /// [`Denied`](iam_core::ErrorKind::Denied) without the permission or the licence.
    pub async fn sign_in_activity(&self, id: &str) -> Result<Option<SignInActivity>> {
        let user: User = self.fetch(self.root.sign_in_activity(id)).await?;
        Ok(user.sign_in_activity)
    }

    /// Every user of the tenant, without managers. [`stream_users`](Self::stream_users) holds a page of them only.
    pub async fn list_users(&self) -> Result<Vec<User>> {
        self.stream_users(Query::new())?.all().await
    }

    /// The users that a query describes, page by page. Where it selects nothing, all that [`User`] names is read.
    ///
    /// # Errors
    /// [`Invalid`](iam_core::ErrorKind::Invalid) for a query that Graph would refuse.
    pub fn stream_users(&self, query: Query) -> Result<Listing<User>> {
        Ok(self.listing(self.root.list_users(query)?))
    }

    /// Creates a user. Not idempotent: after [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) look
    /// the user up before repeating.
    ///
    /// # Errors
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists) names the property that collides.
    pub async fn create_user(&self, new: &NewUser) -> Result<User> {
        self.fetch(self.root.create_user(new)?).await
    }

    /// Sets and clears properties.
    pub async fn update_user(&self, id: &str, patch: &UserPatch) -> Result<()> {
        self.send(self.root.update_user(id, patch)?).await.map(drop)
    }

    /// Allows or blocks sign-in. Sessions that exist go on until they are revoked.
    pub async fn enable_user(&self, id: &str, enabled: bool) -> Result<()> {
        self.send(self.root.enable_user(id, enabled)?).await.map(drop)
    }

    /// Replaces the password; it has to be changed at the next sign-in.
    pub async fn reset_password(&self, id: &str, password: &Secret) -> Result<()> {
        self.send(self.root.reset_password(id, password)?).await.map(drop)
    }

    /// Ends all sessions and refresh tokens; takes effect within minutes.
    pub async fn revoke_sessions(&self, id: &str) -> Result<()> {
        self.send(self.root.revoke_sessions(id)).await.map(drop)
    }

    /// Links the manager, by object id.
    pub async fn set_manager(&self, id: &str, manager: &str) -> Result<()> {
        self.send(self.root.set_manager(id, manager)?).await.map(drop)
    }

    /// Soft-deletes a user: restorable for 30 days.
    pub async fn delete_user(&self, id: &str) -> Result<()> {
        self.send(self.root.delete_user(id)).await.map(drop)
    }
}

fn password_profile(password: &Secret) -> Value {
    json!({ "password": password.expose(), "forceChangePasswordNextSignIn": true })
}

/// Graph writes `null` for some empty lists.
pub(crate) fn or_empty<'de, T, D>(value: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(value)?.unwrap_or_default())
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.id)
    }
}

impl fmt::Debug for ExtensionAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for DirectoryObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectoryObject({})", self.id)
    }
}

/// `Debug` of what holds personal data: the named fields and no others.
macro_rules! prints_only {
    ($($name:ident: $($field:ident),+;)+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))+
                    .finish_non_exhaustive()
            }
        }
    )+};
}
pub(crate) use prints_only;

prints_only! { NewUser: employee_id; }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        let new = NewUser {
            user_principal_name: "tim.o'neil@x.example".into(),
            mail_nickname: mail_nickname("tim.o'neil@x.example"),
            display_name: "Tim O'Neil".into(),
            employee_id: Some("W-1".into()),
            account_enabled: false,
            password: "pw".into(),
            properties: UserPatch::new().set("department", "IT").set("jobTitle", ""),
        };
        let profile = json!({"password": "pw", "forceChangePasswordNextSignIn": true});
        let body = json!({
            "department": "IT", "accountEnabled": false, "userPrincipalName": "tim.o'neil@x.example",
            "mailNickname": "tim.oneil", "displayName": "Tim O'Neil", "passwordProfile": profile,
            "employeeId": "W-1",
        });
        assert!(!root().create_user(&new).unwrap().idempotent);
        check(root().create_user(&new).unwrap(), "POST", "/users", body);
        let patch = UserPatch::new()
            .set("jobTitle", "")
            .set("city", "Perth")
            .clear("mobilePhone");
        check(
            root().update_user("u1", &patch).unwrap(),
            "PATCH",
            "/users/u1",
            json!({"jobTitle": null, "city": "Perth", "mobilePhone": null}),
        );
        check(
            root().enable_user("u1", true).unwrap(),
            "PATCH",
            "/users/u1",
            json!({"accountEnabled": true}),
        );
        let reset = root().reset_password("u1", &"pw".into()).unwrap();
        check(reset, "PATCH", "/users/u1", json!({"passwordProfile": profile}));
        let link = json!({"@odata.id": "https://graph.microsoft.com/v1.0/users/m1"});
        check(
            root().set_manager("u1", "m1").unwrap(),
            "PUT",
            "/users/u1/manager/$ref",
            link,
        );
        check(
            root().revoke_sessions("u1"),
            "POST",
            "/users/u1/revokeSignInSessions",
            Value::Null,
        );
        check(root().delete_user("u1"), "DELETE", "/users/u1", Value::Null);
        let filter = "$filter=employeeId%20eq%20%27W-1%27";
        let found = format!("/users?$select={SELECT}&$top=999&$expand=manager($select=id)&{filter}");
        let by_id = root().find_users(&Filter::eq("employeeId", "W-1")).unwrap();
        assert!(by_id.headers.is_empty());
        check(by_id, "GET", &found, Value::Null);
        let elsewhere = root().find_users(&Filter::ne("usageLocation", "AU")).unwrap();
        assert!(!elsewhere.url.contains("$expand") && elsewhere.url.contains("$count=true"));
        let listed = format!("/users?$select={SELECT}&$top=999");
        check(
            root().list_users(Query::new()).unwrap(),
            "GET",
            &listed,
            Value::Null,
        );
        let few = Query::new().select(["id"]).top(5);
        check(
            root().list_users(few).unwrap(),
            "GET",
            "/users?$select=id&$top=5",
            Value::Null,
        );
        let with = root().user_with("u1", &["id", "skills"]);
        check(with, "GET", "/users/u1?$select=id,skills", Value::Null);
        let told = |text: &str| SignInActivity {
            last_sign_in_date_time: Some(text.to_owned()),
            ..SignInActivity::default()
        };
        assert_eq!(
            told("2026-05-01T00:00:00Z").last_success(),
            None,
            "a mere attempt"
        );
        assert!(
            told("2023-05-01T00:00:00Z").last_success().is_some(),
            "all that is known of then"
        );
        let activity = root().sign_in_activity("u1");
        check(
            activity,
            "GET",
            "/users/u1?$select=id,signInActivity",
            Value::Null,
        );
        let user = format!("/users/a%23b%40x?$select={SELECT}&$expand=manager($select=id)");
        check(root().user("a#b@x"), "GET", &user, Value::Null);
    }

    #[test]
    fn unknown_fields_survive_and_debug_is_silent() {
        let text = json!({"id": "1", "displayName": "Ada", "proxyAddresses": null, "x": {"y": [1]}});
        let user: User = serde_json::from_value(text).unwrap();
        assert_eq!(user.other["x"], json!({"y": [1]}));
        assert_eq!(format!("{user:?}"), "User(1)");
        let text = json!({"id": "1", "onPremisesExtensionAttributes": {"extensionAttribute7": "x"}});
        let with: User = serde_json::from_value(text).unwrap();
        let attributes = with.on_premises_extension_attributes.unwrap();
        assert_eq!((attributes.get(7), attributes.get(8)), (Some("x"), None));
        assert_eq!(format!("{attributes:?}"), "{\"extensionAttribute7\"}");
        assert_eq!(serde_json::to_value(&user).unwrap()["x"], json!({"y": [1]}));
        assert_eq!(
            format!("{:?}", UserPatch::new().set("city", "Perth")),
            "{\"city\"}"
        );
    }

    #[test]
    fn nicknames_hold_what_graph_accepts() {
        for (name, expect) in [
            ("a.b@x", "a.b"),
            ("o'neil@x", "oneil"),
            ("zoë@x", "zo"),
            ("李@x", "user"),
            (".a.@x", "a"),
        ] {
            assert_eq!(mail_nickname(name), expect);
        }
    }
}
