//! A tenant's authority with real keys, and tokens to show.

mod keys;
mod tokens;

use std::sync::Mutex;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::http::Response;
use crate::http::tests::{Fake, FakeClock, answer};

const TENANT: &str = "2f5b1c3e-0000-4000-8000-000000000001";
const API: &str = "6a1d0c52-0000-4000-8000-000000000002";
const FLOOR: Duration = Duration::from_mins(5);

struct Pair {
    private: EncodingKey,
    /// What somebody who knows the public key could use as a secret.
    public: [Vec<u8>; 2],
    n: String,
    e: String,
}

/// Two keys of the tenant, and one of somebody else.
fn pairs() -> &'static [Pair; 3] {
    static PAIRS: OnceLock<[Pair; 3]> = OnceLock::new();
    PAIRS.get_or_init(|| {
        [(); 3].map(|()| {
            let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
            let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
            let pem = |kind: &str, der: &[u8]| {
                let text = STANDARD.encode(der);
                let lines: Vec<&str> = (0..text.len())
                    .step_by(64)
                    .map(|at| &text[at..text.len().min(at + 64)])
                    .collect();
                format!(
                    "-----BEGIN {kind} KEY-----\n{}\n-----END {kind} KEY-----\n",
                    lines.join("\n")
                )
            };
            let public = pair.public_key();
            let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = public.as_der().unwrap();
            Pair {
                private: EncodingKey::from_rsa_pem(pem("PRIVATE", der.as_ref()).as_bytes()).unwrap(),
                public: [pem("PUBLIC", spki.as_ref()).into_bytes(), spki.as_ref().to_vec()],
                n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            }
        })
    })
}

fn jwk(kid: &str, pair: usize) -> Value {
    let issuer = "https://login.microsoftonline.com/{tenantid}/v2.0";
    json!({ "kty": "RSA", "use": "sig", "kid": kid, "x5t": kid, "n": pairs()[pair].n, "e": pairs()[pair].e,
        "issuer": issuer })
}

fn discovery() -> String {
    let base = format!("https://login.microsoftonline.com/{TENANT}");
    json!({ "issuer": format!("{base}/v2.0"), "jwks_uri": format!("{base}/discovery/v2.0/keys") }).to_string()
}

fn claims() -> Value {
    let now = FakeClock::new().now().as_second();
    json!({
        "aud": API, "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "tid": TENANT, "ver": "2.0",
        "iat": now, "nbf": now, "exp": now + 3600, "oid": "o-1", "sub": "s-1", "azp": "portal", "azpacr": "1",
        "scp": "access_as_user audit", "roles": ["IAM.Auditor"], "name": "Camila Rocha",
        "preferred_username": "camila.rocha@contoso.example", "uti": "u-1",
    })
}

#[allow(clippy::needless_pass_by_value)] // it reads better where it is called
fn with(changes: Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().unwrap() {
        all[name.as_str()] = value.clone();
    }
    all
}

fn without(name: &str) -> Value {
    let mut all = claims();
    all.as_object_mut().unwrap().remove(name);
    all
}

fn header(kid: &str) -> Header {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(kid.to_owned());
    header
}

fn signed(claims: &Value) -> String {
    sign(&header("k1"), claims, 0)
}

fn sign(header: &Header, claims: &Value, pair: usize) -> String {
    jsonwebtoken::encode(header, claims, &pairs()[pair].private).unwrap()
}

/// A token with that header, with the signature of the first key over it.
fn odd(header: &Value) -> String {
    let message = [header, &claims()]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &pairs()[0].private, Algorithm::RS256).unwrap();
    format!("{message}.{signature}")
}

/// The authority, with the keys that it publishes; whatever fails in `down`.
struct World {
    clock: Arc<FakeClock>,
    fake: Arc<Fake>,
    keys: Arc<Mutex<Vec<Value>>>,
    down: Arc<Mutex<Option<u16>>>,
    validator: TokenValidator,
}

impl World {
    fn new() -> Self {
        Self::with(|builder| builder.audience(API))
    }

    fn with(settings: impl FnOnce(TokenValidatorBuilder) -> TokenValidatorBuilder) -> Self {
        let keys = Arc::new(Mutex::new(vec![jwk("k1", 0)]));
        let down = Arc::new(Mutex::new(None));
        let (published, broken) = (keys.clone(), down.clone());
        let fake = Fake::new(move |request, _| {
            if let Some(status) = *broken.lock().unwrap() {
                return Ok(answer(status, &[], "busy"));
            }
            Ok(Response::new(
                200,
                Vec::new(),
                match request.url.rsplit('/').next() {
                    Some("openid-configuration") => discovery(),
                    Some("keys") => json!({ "keys": *published.lock().unwrap() }).to_string(),
                    other => panic!("{other:?}"),
                },
            ))
        });
        let clock = FakeClock::new();
        let builder = TokenValidator::builder(&Cloud::public(), TENANT);
        let validator = settings(builder).build(fake.clone(), clock.clone()).unwrap();
        Self {
            clock,
            fake,
            keys,
            down,
            validator,
        }
    }

    async fn reason(&self, token: &str) -> &'static str {
        match self.validator.validate(token).await {
            Ok(_) => "fine",
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
                let told = format!("{error} {error:?} {}", error.chain());
                for part in token.split('.').filter(|part| part.len() > 8) {
                    assert!(!told.contains(part), "{told}");
                }
                error.reason().unwrap()
            }
        }
    }

    /// How many requests were sent for keys.
    fn fetches(&self) -> usize {
        let sent = self.fake.sent();
        sent.iter()
            .filter(|request| request.url.ends_with("/keys"))
            .count()
    }
}
