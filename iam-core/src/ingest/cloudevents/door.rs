//! Who may send: the handshake, tokens and signatures.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::Response;
use super::envelope::header;
use crate::notify::verify;
use crate::secret::Secret;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    pub(super) token: Option<Secret>,
    pub(super) signature: Option<Secret>,
    pub(super) origins: Option<Vec<String>>,
}

/// How somebody came in.
pub(super) enum Passed {
    /// The token stood in the query: the answer is nobody else's.
    ByQuery,
    Otherwise,
}

impl Door {
    /// Whether the sender may deliver here ("HTTP 1.1 Web Hooks for Event Delivery", Abuse Protection). A callback that
    /// it names is never called: that would be a request of ours to wherever a stranger says.
    pub(super) fn handshake(&self, headers: &[(String, String)]) -> Response {
        let Some(origin) = header(headers, "webhook-request-origin") else {
            let detail = "expected the header WebHook-Request-Origin";
            return Response::problem(400, "No handshake", detail, None).header("allow", "POST, OPTIONS");
        };
        if !self.admits(origin) {
            let detail = "this origin may not deliver here";
            return Response::problem(403, "Forbidden", detail, None).header("allow", "POST, OPTIONS");
        }
        Response::new(200)
            .header("allow", "POST, OPTIONS")
            .header("webhook-allowed-origin", origin)
            .header("webhook-allowed-rate", "*")
    }

    fn admits(&self, origin: &str) -> bool {
        let known = self.origins.as_ref();
        known.is_none_or(|known| known.iter().any(|known| known.eq_ignore_ascii_case(origin)))
    }

    /// Lets a delivery in that carries what is asked for.
    pub(super) fn pass(
        &self,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Passed, Response> {
        let mut passed = Passed::Otherwise;
        if let Some(expected) = &self.token {
            let given = header(headers, "authorization").and_then(bearer);
            let queried = given.is_none().then(|| queried(target)).flatten();
            if queried.is_some() {
                passed = Passed::ByQuery;
            }
            let given = given.map(str::to_owned).or(queried);
            if !given.is_some_and(|given| same(expected, &given)) {
                return Err(refused("expected the bearer token that was agreed upon")
                    .header("www-authenticate", "Bearer"));
            }
        }
        if let Some(secret) = &self.signature {
            let of = |name| header(headers, name).unwrap_or_default();
            let (id, time) = (of("webhook-id"), of("webhook-timestamp"));
            if verify(secret, id, time, of("webhook-signature"), body, now).is_err() {
                return Err(refused(
                    "expected webhook-id, webhook-timestamp and a webhook-signature by the secret that was agreed upon",
                ));
            }
        }
        match header(headers, "webhook-request-origin") {
            Some(origin) if !self.admits(origin) => Err(Response::problem(
                403,
                "Forbidden",
                "this origin may not deliver here",
                None,
            )),
            _ => Ok(passed),
        }
    }
}

fn refused(detail: &str) -> Response {
    Response::problem(401, "Unauthorized", detail, None)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn queried(target: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == "access_token").then(|| value.into_owned()))
}

/// In the same time wherever they differ: two digests are compared, not two texts.
fn same(expected: &Secret, given: &str) -> bool {
    let digest = |text: &str| {
        // An HMAC takes keys of any length.
        let mac = Hmac::<Sha256>::new_from_slice(b"token").ok();
        mac.map(|mac| mac.chain_update(text.as_bytes()))
    };
    match (digest(expected.expose()), digest(given)) {
        (Some(expected), Some(given)) => expected.verify(&given.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}
