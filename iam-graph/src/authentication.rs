//! How users prove who they are, and temporary access passes for those who cannot yet.
//!
//! Source: Microsoft Learn, "Microsoft Entra authentication methods API overview", "List methods", "Create
//! temporaryAccessPassMethod".

use std::fmt;

use iam_core::http::{Method, Request};
use iam_core::{Error, ErrorKind, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{GraphClient, Root};
use crate::odata::segment;

/// A method that a user has registered. `Debug` prints the form and the id: phone numbers and addresses stand in
/// [`other`](Self::other).
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AuthenticationMethod {
    /// `#microsoft.graph.phoneAuthenticationMethod` and so on.
    #[serde(rename = "@odata.type", skip_serializing_if = "Option::is_none")]
    pub odata_type: Option<String>,
    /// The id, unique among the methods of the user.
    pub id: String,
    /// RFC 3339, UTC.
    pub created_date_time: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The forms of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Form {
    /// Cannot be deleted.
    Password,
    Phone,
    Email,
    Fido2,
    MicrosoftAuthenticator,
    SoftwareOath,
    WindowsHello,
    PlatformCredential,
    TemporaryAccessPass,
    /// One that this version does not know.
    Unknown,
}

impl Form {
    /// Type in Graph, and the collection that its methods stand in.
    const NAMES: [(Self, &'static str, &'static str); 9] = [
        (Self::Password, "passwordAuthenticationMethod", "passwordMethods"),
        (Self::Phone, "phoneAuthenticationMethod", "phoneMethods"),
        (Self::Email, "emailAuthenticationMethod", "emailMethods"),
        (Self::Fido2, "fido2AuthenticationMethod", "fido2Methods"),
        (
            Self::MicrosoftAuthenticator,
            "microsoftAuthenticatorAuthenticationMethod",
            "microsoftAuthenticatorMethods",
        ),
        (
            Self::SoftwareOath,
            "softwareOathAuthenticationMethod",
            "softwareOathMethods",
        ),
        (
            Self::WindowsHello,
            "windowsHelloForBusinessAuthenticationMethod",
            "windowsHelloForBusinessMethods",
        ),
        (
            Self::PlatformCredential,
            "platformCredentialAuthenticationMethod",
            "platformCredentialMethods",
        ),
        (
            Self::TemporaryAccessPass,
            "temporaryAccessPassAuthenticationMethod",
            "temporaryAccessPassMethods",
        ),
    ];
}

impl AuthenticationMethod {
    /// The form.
    pub fn form(&self) -> Form {
        let name = self.odata_type.as_deref().unwrap_or_default();
        let name = name.trim_start_matches("#microsoft.graph.");
        let known = Form::NAMES.iter().find(|(_, odata, _)| *odata == name);
        known.map_or(Form::Unknown, |(form, ..)| *form)
    }
}

impl fmt::Debug for AuthenticationMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthenticationMethod({:?}, {})", self.form(), self.id)
    }
}

/// What a new pass is to be like. What is not set follows the tenant's policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewAccessPass {
    /// How long it is good, 10 to 43,200 minutes (30 days).
    pub lifetime_in_minutes: Option<u32>,
    /// Whether it is used up by one sign-in.
    pub is_usable_once: Option<bool>,
    /// From when on it is good, RFC 3339; at once where it is not set.
    pub start_date_time: Option<String>,
}

impl NewAccessPass {
    /// A pass as the policy has it.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long it is good.
    #[must_use]
    pub fn minutes(mut self, minutes: u32) -> Self {
        self.lifetime_in_minutes = Some(minutes);
        self
    }

    /// Whether it is used up by one sign-in.
    #[must_use]
    pub fn once(mut self, once: bool) -> Self {
        self.is_usable_once = Some(once);
        self
    }

    /// From when on it is good, RFC 3339.
    #[must_use]
    pub fn starting(mut self, at: impl Into<String>) -> Self {
        self.start_date_time = Some(at.into());
        self
    }
}

/// A temporary access pass, without the pass itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct AccessPass {
    pub id: String,
    pub lifetime_in_minutes: Option<u32>,
    pub is_usable_once: Option<bool>,
    /// Whether it opens the account now.
    pub is_usable: Option<bool>,
    /// `EnabledByPolicy`, `DisabledByPolicy`, `Expired`, `NotYetValid` or `OneTimeUsed`.
    pub method_usability_reason: Option<String>,
    /// RFC 3339, UTC.
    pub start_date_time: Option<String>,
    /// RFC 3339, UTC.
    pub created_date_time: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A pass that was made just now. The secret is told this once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedPass {
    /// What goes to the person, by a way that nobody else reads.
    pub secret: Secret,
    /// Everything about it but the secret.
    pub pass: AccessPass,
}

/// The answer that makes a pass: the secret is taken out of it before anything else sees it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    temporary_access_pass: String,
    #[serde(flatten)]
    pass: AccessPass,
}

fn below(user: &str, collection: &str) -> String {
    format!("/users/{}/authentication/{collection}", segment(user))
}

const PASSES: &str = "temporaryAccessPassMethods";

impl Root {
    pub(crate) fn authentication_methods(&self, user: &str) -> Request {
        self.get(&below(user, "methods"), "list authentication methods")
    }

    pub(crate) fn delete_authentication_method(
        &self,
        user: &str,
        method: &AuthenticationMethod,
    ) -> Result<Request> {
        let form = method.form();
        let found = Form::NAMES
            .iter()
            .find(|(known, ..)| *known == form && form != Form::Password);
        let (_, _, collection) = found.ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                format!(
                    "{method:?} cannot be deleted: it is a password, or of a form that is not known here"
                ),
            )
            .with_operation("delete authentication method")
        })?;
        let path = format!("{}/{}", below(user, collection), segment(&method.id));
        Ok(self.request(Method::Delete, &path, "delete authentication method"))
    }

    pub(crate) fn create_access_pass(&self, user: &str, wish: &NewAccessPass) -> Result<Request> {
        if wish
            .lifetime_in_minutes
            .is_some_and(|minutes| !(10..=43_200).contains(&minutes))
        {
            let message = "a temporary access pass is good for 10 to 43200 minutes";
            return Err(Error::new(ErrorKind::Invalid, message).with_operation("create access pass"));
        }
        let values = [
            ("startDateTime", wish.start_date_time.as_deref().map(Value::from)),
            ("lifetimeInMinutes", wish.lifetime_in_minutes.map(Value::from)),
            ("isUsableOnce", wish.is_usable_once.map(Value::from)),
        ];
        let given = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
        let body: Map<String, Value> = values.into_iter().filter_map(given).collect();
        // Repeating is harmless: a new pass takes the place of the one before.
        self.request(Method::Post, &below(user, PASSES), "create access pass")
            .idempotent(true)
            .json(&body)
    }

    pub(crate) fn access_passes(&self, user: &str) -> Request {
        self.get(&below(user, PASSES), "list access passes")
    }

    pub(crate) fn access_pass(&self, user: &str, id: &str) -> Request {
        let path = format!("{}/{}", below(user, PASSES), segment(id));
        self.get(&path, "list access passes")
    }

    pub(crate) fn delete_access_pass(&self, user: &str, id: &str) -> Request {
        let path = format!("{}/{}", below(user, PASSES), segment(id));
        self.request(Method::Delete, &path, "delete access pass")
    }
}

impl GraphClient {
    /// What a user has registered, the password and a temporary access pass among it.
    pub async fn authentication_methods(&self, user: &str) -> Result<Vec<AuthenticationMethod>> {
        self.all(self.root.authentication_methods(user)).await
    }

    /// Takes one method away.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a password, for a form that is not known here, and for the one that sign-in
    /// asks for first while others of its kind are left; [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn delete_authentication_method(
        &self,
        user: &str,
        method: &AuthenticationMethod,
    ) -> Result<()> {
        self.send(self.root.delete_authentication_method(user, method)?)
            .await
            .map(drop)
    }

    /// Takes every method away but the password, so that the user has to register anew. The one that sign-in asks for
    /// first goes last, as Graph demands. Gives what is left: the password, and forms that are not known here.
    ///
    /// # Errors
    /// The first refusal that is not about the order.
    pub async fn clear_authentication_methods(&self, user: &str) -> Result<Vec<AuthenticationMethod>> {
        let (mut kept, mut to_go) = (Vec::new(), Vec::new());
        for method in self.authentication_methods(user).await? {
            match method.form() {
                Form::Password | Form::Unknown => kept.push(method),
                _ => to_go.push(method),
            }
        }
        while !to_go.is_empty() {
            let mut refused = Vec::new();
            let (before, mut why) = (to_go.len(), None);
            for method in to_go {
                match self.delete_authentication_method(user, &method).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) if error.kind() == ErrorKind::Invalid => {
                        refused.push(method);
                        why = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if let Some(error) = why.filter(|_| refused.len() == before) {
                return Err(error);
            }
            to_go = refused;
        }
        Ok(kept)
    }

    /// Makes a temporary access pass, in the place of the one that the user may have.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a lifetime that Graph or the tenant's policy does not allow, and for guests
    /// from other tenants.
    pub async fn create_access_pass(&self, user: &str, wish: &NewAccessPass) -> Result<IssuedPass> {
        let issued: Issued = self.fetch(self.root.create_access_pass(user, wish)?).await?;
        Ok(IssuedPass {
            secret: Secret::new(issued.temporary_access_pass),
            pass: issued.pass,
        })
    }

    /// The passes of a user: one at most, used up and expired ones too.
    pub async fn access_passes(&self, user: &str) -> Result<Vec<AccessPass>> {
        self.all(self.root.access_passes(user)).await
    }

    /// One pass, by id.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when another has taken its place, or it was deleted.
    pub async fn access_pass(&self, user: &str, id: &str) -> Result<AccessPass> {
        self.fetch(self.root.access_pass(user, id)).await
    }

    /// Takes a pass away.
    ///
    /// # Errors
    /// As [`access_pass`](Self::access_pass).
    pub async fn delete_access_pass(&self, user: &str, id: &str) -> Result<()> {
        self.send(self.root.delete_access_pass(user, id)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};
    use serde_json::json;

    fn method(odata: &str) -> AuthenticationMethod {
        let read = json!({"@odata.type": odata, "id": "m/1", "phoneNumber": "+61 412345678"});
        serde_json::from_value(read).unwrap()
    }

    #[test]
    fn methods_are_deleted_under_their_forms() {
        for (form, odata, collection) in Form::NAMES {
            let found = method(&format!("#microsoft.graph.{odata}"));
            assert_eq!(found.form(), form);
            let built = root().delete_authentication_method("u1", &found);
            if form == Form::Password {
                assert_eq!(built.unwrap_err().kind(), ErrorKind::Invalid);
            } else {
                let path = format!("/users/u1/authentication/{collection}/m%2F1");
                check(built.unwrap(), "DELETE", &path, Value::Null);
            }
        }
        let strange = method("#microsoft.graph.palmAuthenticationMethod");
        assert!(root().delete_authentication_method("u1", &strange).is_err());
        assert!(!format!("{strange:?}").contains("412345678"));
    }

    #[test]
    fn passes_are_asked_for_within_the_limits() {
        let path = "/users/u1/authentication/temporaryAccessPassMethods";
        let wish = NewAccessPass::new()
            .minutes(60)
            .once(true)
            .starting("2026-11-30T08:00:00Z");
        let body =
            json!({"startDateTime": "2026-11-30T08:00:00Z", "lifetimeInMinutes": 60, "isUsableOnce": true});
        check(
            root().create_access_pass("u1", &wish).unwrap(),
            "POST",
            path,
            body,
        );
        let plain = root().create_access_pass("u1", &NewAccessPass::new()).unwrap();
        check(plain, "POST", path, json!({}));
        for (minutes, fits) in [(9, false), (10, true), (43_200, true), (43_201, false)] {
            let built = root().create_access_pass("u1", &NewAccessPass::new().minutes(minutes));
            assert_eq!(built.is_ok(), fits, "{minutes}");
        }
    }

    #[test]
    fn the_secret_is_nowhere_but_in_the_secret() {
        let answer = json!({
            "@odata.context": "c", "id": "p1", "temporaryAccessPass": "s3cr+t##", "lifetimeInMinutes": 60,
            "isUsableOnce": true, "isUsable": true, "extra": 1,
        });
        let issued: Issued = serde_json::from_value(answer).unwrap();
        assert_eq!(issued.pass.other["extra"], 1);
        let issued = IssuedPass {
            secret: Secret::new(issued.temporary_access_pass),
            pass: issued.pass,
        };
        assert!(!format!("{issued:?}").contains("s3cr"));
        assert!(!serde_json::to_string(&issued.pass).unwrap().contains("s3cr"));
        assert_eq!(issued.secret.expose(), "s3cr+t##");
    }
}
