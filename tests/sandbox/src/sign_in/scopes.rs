//! Scopes ("Scopes and permissions in the Microsoft identity platform"): those of OpenID Connect, and those of one API.

use super::application::{Resource, offered, resource};
use crate::directory::Directory;
use crate::oauth::{GRAPH_APP, Refusal, refuse};
use crate::tokens::GRAPH;

/// What an application asks for.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // four scopes of OpenID Connect, each asked for or not
pub(crate) struct Scopes {
    pub(crate) openid: bool,
    pub(crate) profile: bool,
    pub(crate) email: bool,
    pub(crate) offline: bool,
    /// Each API with the scopes asked of it, and as they were written.
    of: Vec<(Resource, Vec<(String, String)>)>,
}

impl Scopes {
    /// Reads a `scope`. It may name several APIs; a token is for one.
    pub(crate) fn read(directory: &Directory, app: &str, text: &str) -> Result<Self, Refusal> {
        let mut scopes = Self::default();
        for scope in text.split_whitespace() {
            match scope {
                "openid" => scopes.openid = true,
                "profile" => scopes.profile = true,
                "email" => scopes.email = true,
                "offline_access" => scopes.offline = true,
                _ => scopes.add(directory, app, scope)?,
            }
        }
        Ok(scopes)
    }

    fn add(&mut self, directory: &Directory, app: &str, scope: &str) -> Result<(), Refusal> {
        let graph = Resource {
            app: String::new(),
            audience: GRAPH.to_owned(),
            first_version: true,
        };
        let (resource, values) = match scope.rsplit_once('/') {
            None if is_name(scope) => (graph, vec![scope.to_owned()]),
            Some((GRAPH | GRAPH_APP, value)) if is_name(value) => (graph, vec![value.to_owned()]),
            Some((name, value)) if !name.is_empty() => {
                let resource = resource(directory, name).ok_or_else(|| unknown_resource(name))?;
                let offered = offered(directory, &resource);
                let values = match value {
                    ".default" => offered,
                    _ if offered.iter().any(|known| known == value) => vec![value.to_owned()],
                    _ => {
                        let message = format!(
                            "The application '{app}' asked for scope '{value}' that doesn't exist on the resource '{}'.",
                            resource.app
                        );
                        return Err(refuse(400, "invalid_client", 650_053, message));
                    }
                };
                (resource, values)
            }
            _ => {
                let message = format!(
                    "The provided value for the input parameter 'scope' is not valid. The scope '{scope}' does not exist."
                );
                return Err(refuse(400, "invalid_scope", 70011, message));
            }
        };
        let written = values.into_iter().map(|value| {
            let prefix = scope.rsplit_once('/').map_or("", |(name, _)| name);
            let whole = if prefix.is_empty() {
                value.clone()
            } else {
                format!("{prefix}/{value}")
            };
            (value, whole)
        });
        match self.of.iter_mut().find(|(known, _)| *known == resource) {
            Some((_, held)) => held.extend(written),
            None => self.of.push((resource, written.collect())),
        }
        Ok(())
    }

    /// The API of the token: the one that `scope` of the token request names, or the first that was asked for.
    pub(crate) fn narrowed(&self, now: Option<Self>) -> Result<Self, Refusal> {
        let Some(now) = now.filter(|now| !now.of.is_empty()) else {
            let mut first = self.clone();
            first.of.truncate(1);
            return Ok(first);
        };
        if now.of.len() > 1 {
            let message = "Provided value for the input parameter scope is not valid because it contains more than one \
                           resource.";
            return Err(refuse(400, "invalid_request", 28000, message));
        }
        Ok(Self {
            of: now.of,
            ..self.clone()
        })
    }

    /// The API that a token is for; nothing where it is Microsoft Graph.
    pub(crate) fn api(&self) -> Option<&Resource> {
        self.of
            .first()
            .map(|(resource, _)| resource)
            .filter(|resource| !resource.app.is_empty())
    }

    /// `scp` of the token.
    pub(crate) fn claim(&self) -> String {
        let values = self.of.iter().flat_map(|(_, values)| values);
        let values = values.map(|(value, _)| value.as_str());
        if self.api().is_some() {
            return values.collect::<Vec<_>>().join(" ");
        }
        self.of_openid().chain(values).collect::<Vec<_>>().join(" ")
    }

    /// `scope` of the answer: what the token is good for.
    pub(crate) fn granted(&self) -> String {
        let values = self.of.iter().flat_map(|(_, values)| values);
        let values = values.map(|(_, written)| written.as_str());
        if self.api().is_some() {
            return values.collect::<Vec<_>>().join(" ");
        }
        self.of_openid().chain(values).collect::<Vec<_>>().join(" ")
    }

    fn of_openid(&self) -> impl Iterator<Item = &str> {
        [
            (self.openid, "openid"),
            (self.profile, "profile"),
            (self.email, "email"),
        ]
        .into_iter()
        .filter_map(|(asked, name)| asked.then_some(name))
    }
}

fn is_name(scope: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    !scope.is_empty() && scope.chars().all(fits)
}

fn unknown_resource(name: &str) -> Refusal {
    let message = format!(
        "The resource principal named {name} was not found in the tenant. This can happen if the application has not been \
         installed by the administrator of the tenant or consented to by any user in the tenant."
    );
    refuse(400, "invalid_resource", 500_011, message)
}
