//! What a registration says about signing in: redirect URIs ("Redirect URI (reply URL) best practices and limitations"),
//! scopes, the version of tokens.

use serde_json::Value;
use url::Url;

use crate::directory::{Directory, Object};
use crate::schema::Kind;
use crate::service_principals;

/// The kind of client that a redirect URI is registered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Web,
    Spa,
    Public,
}

const PLATFORMS: [(&str, Platform); 3] = [
    ("web", Platform::Web),
    ("spa", Platform::Spa),
    ("publicClient", Platform::Public),
];

/// The registration of an application.
pub(crate) fn registration<'a>(directory: &'a Directory, app: &str) -> Option<&'a Object> {
    let same = |object: &&Object| {
        object
            .text("appId")
            .is_some_and(|held| held.eq_ignore_ascii_case(app))
    };
    directory.all(Kind::Application).find(same)
}

fn redirects(application: &Object) -> impl Iterator<Item = (&str, Platform)> {
    PLATFORMS.into_iter().flat_map(|(name, platform)| {
        let uris = application
            .props
            .get(name)
            .and_then(|part| part["redirectUris"].as_array());
        let uris = uris.into_iter().flatten().filter_map(Value::as_str);
        uris.map(move |uri| (uri, platform))
    })
}

/// The platform that a redirect URI is registered for. The port of a loopback address does not count.
pub(crate) fn platform(application: &Object, uri: &str) -> Option<Platform> {
    redirects(application)
        .find(|(registered, _)| *registered == uri || same_but_for_port(registered, uri))
        .map(|(_, platform)| platform)
}

/// The one that is meant where none is said.
pub(crate) fn only_redirect(application: &Object) -> Option<&str> {
    redirects(application).next().map(|(uri, _)| uri)
}

fn same_but_for_port(registered: &str, uri: &str) -> bool {
    let parts = |text: &str| {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?.to_owned();
        let local = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        (local && url.username().is_empty() && url.fragment().is_none()).then(|| {
            let query = url.query().map(str::to_owned);
            (url.scheme().to_owned(), host, url.path().to_owned(), query)
        })
    };
    parts(registered).is_some_and(|registered| Some(registered) == parts(uri))
}

/// An API that scopes and tokens are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Client id of its registration; empty for Microsoft Graph.
    pub(crate) app: String,
    /// What stands in `aud`.
    pub(crate) audience: String,
    /// Its tokens are of version 1.0.
    pub(crate) first_version: bool,
}

/// The API behind an application ID URI or a client id.
pub(crate) fn resource(directory: &Directory, name: &str) -> Option<Resource> {
    let by_uri = || {
        directory
            .all(Kind::Application)
            .find(|application| application.has_text("identifierUris", name))
    };
    let application = registration(directory, name).or_else(by_uri)?;
    let app = application.text("appId")?.to_owned();
    service_principals::of(directory, &app)?;
    let version = application
        .props
        .get("api")
        .map(|api| &api["requestedAccessTokenVersion"]);
    let second = version.and_then(Value::as_i64) == Some(2);
    Some(Resource {
        audience: if second { app.clone() } else { name.to_owned() },
        first_version: !second,
        app,
    })
}

/// The `aud` of a token for what a caller names so, and whether it is of version 1.0.
pub(crate) fn audience(directory: &Directory, name: &str) -> (String, bool) {
    match resource(directory, name) {
        Some(resource) => (resource.audience, resource.first_version),
        // Microsoft's own APIs.
        None => (name.to_owned(), name.starts_with("https://")),
    }
}

/// The client id of an API that is registered here, by that or by an application ID URI.
pub(crate) fn registered<'a>(directory: &'a Directory, name: &str) -> Option<&'a str> {
    let app = resource(directory, name)?.app;
    registration(directory, &app)?.text("appId")
}

/// The scopes that an API offers to applications that act for a user.
pub(crate) fn offered(directory: &Directory, resource: &Resource) -> Vec<String> {
    let application = registration(directory, &resource.app);
    let api = application.and_then(|application| application.props.get("api"));
    let scopes = api.and_then(|api| api["oauth2PermissionScopes"].as_array());
    let scopes = scopes.into_iter().flatten();
    scopes
        .filter(|scope| scope["isEnabled"] != false)
        .filter_map(|scope| scope["value"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::same_but_for_port;

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let check = |registered: &str, uri: &str, expect: bool| {
            assert_eq!(same_but_for_port(registered, uri), expect, "{registered} {uri}");
        };
        check("http://localhost/back", "http://localhost:8501/back", true);
        check("http://127.0.0.1/back", "http://127.0.0.1:8501/back", true);
        check("http://localhost", "http://localhost:8501/", true);
        check("http://localhost/back", "http://127.0.0.1:8501/back", false);
        check("http://localhost/back", "https://localhost:8501/back", false);
        check("http://localhost/back", "http://localhost:8501/Back", false);
        check("http://localhost/back", "http://localhost:8501/back/", false);
        check("http://localhost/back", "http://localhost:8501/back?x=1", false);
        check("http://localhost/back", "http://localhost:8501/back#x", false);
        check("http://localhost/back", "http://u@localhost:8501/back", false);
        check("http://localhost/back", "http://localhost.evil/back", false);
        check(
            "https://portal.example/back",
            "https://portal.example:8501/back",
            false,
        );
    }
}
