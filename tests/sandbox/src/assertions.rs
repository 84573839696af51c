//! An application's signed word instead of a secret ("Microsoft identity platform application authentication certificate
//! credentials"): by the key of a certificate among the `keyCredentials` of its registration or service principal.

use aws_lc_rs::digest::{Algorithm as Hash, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use x509_parser::parse_x509_certificate;

use crate::oauth::{Refusal, refuse};
use crate::schema::Kind;
use crate::state::State;

fn invalid(number: u32, message: impl Into<String>) -> Refusal {
    refuse(401, "invalid_client", number, message)
}

/// Checks the `client_assertion` of a token request to that tenant.
pub(crate) fn check(state: &State, app: &str, tenant: &str, assertion: &str) -> Result<(), Refusal> {
    let malformed = || invalid(50027, "JWT token is invalid or malformed.");
    let header = jsonwebtoken::decode_header(assertion).map_err(|_| malformed())?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::PS256) {
        return Err(malformed());
    }
    let unsigned = |reason: &str| {
        invalid(
            700_027,
            format!("Client assertion contains an invalid signature. [Reason - {reason}]"),
        )
    };
    let certificate = certificates(state, app)
        .find(|der| {
            let is = |named: &Option<String>, hash: &'static Hash| {
                named
                    .as_ref()
                    .is_some_and(|named| *named == thumbprint(hash, der))
            };
            is(&header.x5t_s256, &SHA256)
                || is(&header.x5t, &SHA1_FOR_LEGACY_USE_ONLY)
                || is(&header.kid, &SHA1_FOR_LEGACY_USE_ONLY)
        })
        .ok_or_else(|| unsigned("The key was not found."))?;
    let (_, parsed) = parse_x509_certificate(&certificate).map_err(|_| unsigned("The key was not found."))?;
    let now = state.clock.now().as_second();
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() || now > validity.not_after.timestamp() {
        let message = "The provided certificate is not within its specified validity period.";
        return Err(invalid(1_000_502, message));
    }
    let key = DecodingKey::from_rsa_der(&parsed.public_key().subject_public_key.data);
    let mut rules = Validation::new(header.alg);
    (rules.validate_exp, rules.validate_aud) = (false, false);
    rules.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Value>(assertion, &key, &rules)
        .map_err(|_| unsigned("The key was found, but use of the key to verify the signature failed."))?
        .claims;
    let issuer = format!("{}/{tenant}", state.authority);
    let audiences = [format!("{issuer}/oauth2/v2.0/token"), format!("{issuer}/v2.0")];
    if !audiences
        .iter()
        .any(|audience| claims["aud"] == audience.as_str())
    {
        let message = "Client assertion audience claim does not match Realm issuer.";
        return Err(invalid(700_023, message));
    }
    if ["iss", "sub"].iter().any(|name| claims[*name] != app) {
        let message = "Client assertion application identifier doesn't match 'client_id' parameter.";
        return Err(invalid(700_021, message));
    }
    // Five minutes of leeway, as everywhere.
    let second = |name: &str| claims[name].as_i64();
    let over = second("exp").is_none_or(|exp| exp + 300 <= now);
    if over || second("nbf").is_some_and(|nbf| nbf > now + 300) {
        let message = "Client assertion is not within its valid time range.";
        return Err(invalid(700_024, message));
    }
    Ok(())
}

fn thumbprint(hash: &'static Hash, der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(hash, der).as_ref())
}

/// The certificates of an application.
fn certificates<'a>(state: &'a State, app: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
    let objects = [Kind::Application, Kind::ServicePrincipal]
        .into_iter()
        .flat_map(|kind| state.directory.all(kind))
        .filter(move |object| object.text("appId") == Some(app));
    objects
        .filter_map(|object| object.props.get("keyCredentials")?.as_array())
        .flatten()
        .filter(|credential| credential["type"] == "AsymmetricX509Cert" && credential["usage"] == "Verify")
        .filter_map(|credential| STANDARD.decode(credential["key"].as_str()?).ok())
}
