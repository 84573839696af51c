//! Tokens that are in order, and every way in which one is not. The keys are real.

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

#[tokio::test]
async fn a_token_in_order_says_who_calls() {
    let world = World::new();
    let caller = world.validator.validate(&signed(&claims())).await.unwrap();
    assert_eq!(
        (
            caller.oid.as_str(),
            caller.sub.as_str(),
            caller.tid.as_str(),
            caller.client_id.as_str()
        ),
        ("o-1", "s-1", TENANT, "portal")
    );
    assert!(
        caller.has_role("IAM.Auditor") && !caller.has_role("iam.auditor") && !caller.has_role("IAM.Admin")
    );
    assert!(caller.has_scope("access_as_user") && caller.has_scope("audit") && !caller.has_scope("access"));
    assert_eq!(
        (
            caller.name(),
            caller.username(),
            caller.is_app(),
            caller.is_guest()
        ),
        (
            Some("Camila Rocha"),
            Some("camila.rocha@contoso.example"),
            false,
            false
        )
    );
    assert_eq!(caller.expires_at, world.clock.now() + Duration::from_hours(1));
    assert_eq!(caller.raw()["uti"], "u-1");
    let told = format!("{caller:?} {:?}", world.validator);
    assert!(
        told.contains("o-1") && !told.contains("Camila") && !told.contains("camila"),
        "{told}"
    );

    let first = json!({
        "iss": format!("https://sts.windows.net/{TENANT}/"), "ver": "1.0", "appid": "daemon",
        "aud": format!("api://{API}"), "upn": "u@contoso.example",
    });
    let caller = world.validator.validate(&signed(&with(first))).await.unwrap();
    assert_eq!(
        (caller.client_id.as_str(), caller.username()),
        ("daemon", Some("camila.rocha@contoso.example"))
    );
    let app = world.validator.validate(&signed(&without("scp"))).await.unwrap();
    assert!(app.is_app() && app.scopes.is_empty());
    let user = world
        .validator
        .validate(&signed(&with(json!({ "idtyp": "user" }))))
        .await
        .unwrap();
    assert!(!user.is_app());
}

#[tokio::test]
async fn every_claim_is_checked() {
    let world = World::new();
    let now = world.clock.now().as_second();
    let other = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (claims, reason) in [
        (claims(), "fine"),
        (
            with(json!({ "aud": "00000003-0000-0000-c000-000000000000" })),
            "wrong_audience",
        ),
        (with(json!({ "aud": [API] })), "malformed"),
        (with(json!({ "aud": API.to_uppercase() })), "wrong_audience"),
        (
            with(json!({ "iss": format!("https://login.microsoftonline.com/{other}/v2.0") })),
            "wrong_issuer",
        ),
        (
            with(json!({ "iss": format!("https://login.microsoftonline.com.evil/{TENANT}/v2.0") })),
            "wrong_issuer",
        ),
        (
            with(json!({ "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0/") })),
            "wrong_issuer",
        ),
        // The issuer of one version with the other's number.
        (with(json!({ "ver": "1.0" })), "wrong_issuer"),
        (
            with(json!({ "iss": format!("https://sts.windows.net/{TENANT}/") })),
            "wrong_issuer",
        ),
        (with(json!({ "ver": "3.0" })), "wrong_version"),
        (with(json!({ "tid": other })), "wrong_tenant"),
        // 60 seconds of leeway, and not one more.
        (with(json!({ "exp": now - 59 })), "fine"),
        (with(json!({ "exp": now - 60 })), "expired"),
        (with(json!({ "exp": i64::MIN })), "malformed"),
        (with(json!({ "nbf": now + 60 })), "fine"),
        (with(json!({ "nbf": now + 61 })), "not_yet_valid"),
        (with(json!({ "iat": now + 61 })), "not_yet_valid"),
        (with(json!({ "exp": "4102444800" })), "malformed"),
        (with(json!({ "exp": 1e300 })), "malformed"),
        (with(json!({ "roles": "IAM.Admin" })), "malformed"),
        (with(json!({ "roles": [1] })), "malformed"),
        (with(json!({ "scp": ["access_as_user"] })), "malformed"),
        (with(json!({ "oid": "" })), "malformed"),
    ] {
        assert_eq!(world.reason(&signed(&claims)).await, reason, "{claims}");
    }
    for name in [
        "aud", "iss", "tid", "ver", "exp", "nbf", "iat", "oid", "sub", "azp",
    ] {
        let error = world
            .validator
            .validate(&signed(&without(name)))
            .await
            .unwrap_err();
        assert_eq!(
            (error.reason(), error.property()),
            (Some("missing_claim"), Some(name))
        );
    }
    world.clock.advance(Duration::from_secs(3659));
    assert_eq!(world.reason(&signed(&claims())).await, "fine");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.reason(&signed(&claims())).await, "expired");
}

#[tokio::test]
async fn only_rs256_by_a_key_of_the_tenant_counts() {
    let world = World::new();
    let good = signed(&claims());
    let [head, body, signature] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();

    // The header does not choose the algorithm.
    for alg in ["none", "None", "nOnE", ""] {
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT", "kid": "k1" }).to_string());
        for tail in ["", signature] {
            assert_eq!(
                world.reason(&format!("{head}.{body}.{tail}")).await,
                "algorithm",
                "{alg}"
            );
        }
    }
    for public in pairs()[0]
        .public
        .iter()
        .chain([&pairs()[0].n.clone().into_bytes()])
    {
        for alg in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = header("k1");
            header.alg = alg;
            let forged = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(public)).unwrap();
            assert_eq!(world.reason(&forged).await, "algorithm");
        }
    }
    for alg in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let mut header = header("k1");
        header.alg = alg;
        assert_eq!(
            world.reason(&sign(&header, &claims(), 0)).await,
            "algorithm",
            "{alg:?}"
        );
    }

    // Nor does it bring the key.
    let mut own = header("k1");
    own.jwk = Some(serde_json::from_value(jwk("k1", 2)).unwrap());
    own.jku = Some("https://evil.example/keys".to_owned());
    assert_eq!(world.reason(&sign(&own, &claims(), 2)).await, "signature");
    assert_eq!(
        world.reason(&sign(&header("k1"), &claims(), 2)).await,
        "signature"
    );
    let mut nameless = header("k1");
    nameless.kid = None;
    assert_eq!(world.reason(&sign(&nameless, &claims(), 0)).await, "unknown_key");
    assert_eq!(
        world.reason(&sign(&header(""), &claims(), 0)).await,
        "unknown_key"
    );
    assert_eq!(
        world.reason(&odd(&json!({ "alg": "RS256", "kid": "k1" }))).await,
        "fine"
    );
    for more in [
        json!({ "crit": ["exp"] }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "zip": "DEF" }),
    ] {
        let mut head = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
        head.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_eq!(world.reason(&odd(&head)).await, "malformed", "{head}");
    }

    // Changed, cut, swollen.
    let promoted = URL_SAFE_NO_PAD.encode(with(json!({ "roles": ["IAM.Admin"] })).to_string());
    assert_eq!(
        world.reason(&format!("{head}.{promoted}.{signature}")).await,
        "signature"
    );
    for end in 0..good.len() {
        assert_ne!(world.reason(&good[..end]).await, "fine", "{end}");
    }
    for bad in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d.e",
        " ",
        "Bearer",
        &format!("{good}."),
        &format!("{good}.x"),
    ] {
        assert_eq!(world.reason(bad).await, "malformed", "{bad}");
    }
    assert_eq!(world.reason(&format!("{good} ")).await, "malformed");
    let fits = signed(&with(json!({ "groups": "x".repeat(20_000) })));
    assert_eq!(world.reason(&fits).await, "fine");
    let huge = signed(&with(json!({ "groups": "x".repeat(30_000) })));
    assert_eq!(world.reason(&huge).await, "too_long");
    assert_eq!(world.reason(&"a".repeat(50 << 20)).await, "too_long");
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let world = World::new();
    let mut id_token = without("azp");
    for name in ["scp", "azpacr"] {
        id_token.as_object_mut().unwrap().remove(name);
    }
    id_token["nonce"] = "n-1".into();
    assert_eq!(world.reason(&signed(&id_token)).await, "missing_claim");
}

#[tokio::test]
async fn guests_are_let_in_where_that_is_said() {
    let closed = World::new();
    let open = World::with(|builder| builder.audience(API).guests(true));
    let live = "https://sts.windows.net/9188040d-6c67-4c5b-b112-36a304b66dad/";
    for (marks, guest) in [
        (json!({}), false),
        (json!({ "acct": 0 }), false),
        (json!({ "acct": 1 }), true),
        (json!({ "acct": "1" }), true),
        (json!({ "idp": live }), true),
        (json!({ "idp": "live.com" }), true),
        (
            json!({ "idp": format!("https://sts.windows.net/{TENANT}/") }),
            false,
        ),
        // The tenant's own word counts more.
        (json!({ "acct": 0, "idp": live }), false),
    ] {
        let token = signed(&with(marks.clone()));
        assert_eq!(
            closed.reason(&token).await,
            if guest { "guest" } else { "fine" },
            "{marks}"
        );
        assert_eq!(
            open.validator.validate(&token).await.unwrap().is_guest(),
            guest,
            "{marks}"
        );
    }
}

#[tokio::test]
async fn callers_at_one_time_share_one_fetch() {
    let world = World::new();
    let token = signed(&claims());
    let all = (0..50).map(|_| world.validator.validate(&token));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(world.fake.sent().len(), 2);
    // And so do clones.
    assert!(world.validator.clone().validate(&token).await.is_ok());
    world.validator.ready().await.unwrap();
    assert_eq!(world.fake.sent().len(), 2);
}

#[tokio::test]
async fn invented_key_ids_cause_one_request_a_floor() {
    let world = World::new();
    world.validator.ready().await.unwrap();
    let flood = async || {
        let tokens: Vec<_> = (0..100)
            .map(|n| sign(&header(&format!("k-{n}")), &claims(), 2))
            .collect();
        let answers = tokens.iter().map(|token| world.reason(token));
        assert!(
            futures::future::join_all(answers)
                .await
                .iter()
                .all(|reason| *reason == "unknown_key")
        );
    };
    // The keys are new: nothing is asked for at all.
    flood().await;
    assert_eq!(world.fetches(), 1);
    world.clock.advance(FLOOR);
    flood().await;
    flood().await;
    assert_eq!(world.fetches(), 2);
    world.clock.advance(Duration::from_secs(299));
    flood().await;
    assert_eq!(world.fetches(), 2);
    world.clock.advance(Duration::from_secs(1));
    flood().await;
    assert_eq!(world.fetches(), 3);
    // The discovery document is not read again for them.
    assert_eq!(world.fake.sent().len(), 4);
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let world = World::new();
    let long = with(json!({ "exp": world.clock.now().as_second() + 400_000 }));
    let (old, new) = (sign(&header("k1"), &long, 0), sign(&header("k2"), &long, 1));
    assert_eq!(world.reason(&old).await, "fine");
    world.clock.advance(FLOOR);
    *world.keys.lock().unwrap() = vec![jwk("k1", 0), jwk("k2", 1)];
    assert_eq!(world.reason(&new).await, "fine");
    assert_eq!((world.reason(&old).await, world.fetches()), ("fine", 2));

    // A key that was withdrawn is gone within a day, without anybody asking for another.
    *world.keys.lock().unwrap() = vec![jwk("k2", 1)];
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(world.reason(&new).await, "fine");
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.fetches(), 3);
    assert_eq!(
        (world.reason(&old).await, world.reason(&new).await),
        ("unknown_key", "fine")
    );
}

#[tokio::test]
async fn keys_are_kept_for_a_time_while_they_cannot_be_fetched() {
    let world = World::new();
    let long = with(json!({ "exp": world.clock.now().as_second() + 400_000 }));
    let token = sign(&header("k1"), &long, 0);
    assert_eq!(world.reason(&token).await, "fine");
    *world.down.lock().unwrap() = Some(503);
    world.clock.advance(Duration::from_hours(47));
    for _ in 0..3 {
        assert_eq!(world.reason(&token).await, "fine");
        tokio::task::yield_now().await;
    }
    // Whether a key that is not known exists, nobody can tell: that is no fault of the caller.
    let stranger = sign(&header("k2"), &long, 1);
    for _ in 0..2 {
        let error = world.validator.validate(&stranger).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Unavailable, Some(503)),
            "{error}"
        );
    }
    world.clock.advance(Duration::from_hours(1));
    for _ in 0..2 {
        let error = world.validator.validate(&token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(
            world.validator.ready().await.unwrap_err().kind(),
            ErrorKind::Unavailable
        );
    }
    *world.down.lock().unwrap() = None;
    world.clock.advance(PAUSE);
    assert_eq!(world.reason(&token).await, "fine");
}

const PAUSE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_authority_that_is_down_is_not_asked_for_each_caller() {
    let world = World::new();
    *world.down.lock().unwrap() = Some(404);
    let token = signed(&claims());
    for _ in 0..20 {
        let error = world.validator.validate(&token).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(404)));
        assert!(error.to_string().contains("check IAM_TENANT_ID"), "{error}");
    }
    assert_eq!(world.fake.sent().len(), 1);
    *world.down.lock().unwrap() = None;
    world.clock.advance(PAUSE);
    assert_eq!(world.reason(&token).await, "fine");
}

#[tokio::test]
async fn only_keys_that_sign_this_tenants_tokens_are_taken() {
    let foreign = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    for (name, value, reason) in [
        (
            "issuer",
            json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
            "fine",
        ),
        ("issuer", Value::Null, "fine"),
        ("issuer", json!(foreign), "unknown_key"),
        ("use", json!("enc"), "unknown_key"),
        ("kty", json!("oct"), "unknown_key"),
        ("alg", json!("RS512"), "unknown_key"),
        ("n", json!("%%%"), "unknown_key"),
    ] {
        let world = World::new();
        let mut key = jwk("k1", 0);
        key[name] = value.clone();
        let odd = json!({ "kty": "EC", "crv": "P-256", "kid": "k1" });
        *world.keys.lock().unwrap() = vec![odd, key, jwk("k9", 1)];
        assert_eq!(world.reason(&signed(&claims())).await, reason, "{name} {value}");
    }
    // A set without any is no set.
    let world = World::new();
    world.keys.lock().unwrap().clear();
    assert_eq!(
        world.validator.ready().await.unwrap_err().kind(),
        ErrorKind::Protocol
    );
}

#[tokio::test]
async fn a_discovery_document_that_leads_astray_is_refused() {
    let own = format!("https://login.microsoftonline.com/{TENANT}");
    for (issuer, keys) in [
        (format!("{own}/v2.0"), "http://login.example/keys".to_owned()),
        (format!("{own}/v2.0"), "file:///etc/passwd".to_owned()),
        (
            "https://login.microsoftonline.com/common/v2.0".to_owned(),
            format!("{own}/keys"),
        ),
    ] {
        let document = json!({ "issuer": issuer, "jwks_uri": keys }).to_string();
        let fake = Fake::new(move |_, _| Ok(answer(200, &[], &document)));
        let builder = TokenValidator::builder(&Cloud::public(), TENANT).audience(API);
        let validator = builder.build(fake.clone(), FakeClock::new()).unwrap();
        let error = validator.ready().await.unwrap_err();
        assert_eq!(
            (error.kind(), fake.sent().len()),
            (ErrorKind::Protocol, 1),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_audience_is_named_in_either_form() {
    let uri = format!("api://{API}");
    for named in [API, uri.as_str(), &API.to_uppercase()] {
        let world = World::with(|builder| builder.audience(named));
        for (audience, reason) in [
            (API, "fine"),
            (uri.as_str(), "fine"),
            ("api://else", "wrong_audience"),
        ] {
            assert_eq!(
                world.reason(&signed(&with(json!({ "aud": audience })))).await,
                reason
            );
        }
    }
    let world = World::with(|builder| builder.audience("api://iam.contoso.example").audience(API));
    for audience in ["api://iam.contoso.example", API] {
        assert_eq!(
            world.reason(&signed(&with(json!({ "aud": audience })))).await,
            "fine"
        );
    }
    let loose = World::with(|builder| builder.audience(API).leeway(Duration::from_hours(9)));
    let late = |seconds| with(json!({ "exp": FakeClock::new().now().as_second() - seconds }));
    assert_eq!(loose.reason(&signed(&late(299))).await, "fine");
    assert_eq!(loose.reason(&signed(&late(300))).await, "expired");
}

#[test]
fn wrong_settings_are_refused_before_anything_is_fetched() {
    let fake = Fake::new(|_, _| Ok(answer(500, &[], "")));
    let build = |tenant: &str, audiences: &[&str]| {
        let builder = TokenValidator::builder(&Cloud::public(), tenant);
        let builder = audiences
            .iter()
            .fold(builder, |builder, one| builder.audience(one));
        builder.build(fake.clone(), FakeClock::new()).map(drop)
    };
    assert!(build(&TENANT.to_uppercase(), &[API]).is_ok());
    for (tenant, audiences) in [
        ("common", &[API][..]),
        ("contoso.example", &[API]),
        ("", &[API]),
        (TENANT, &[]),
        (TENANT, &[" "]),
    ] {
        let error = build(tenant, audiences).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{tenant} {audiences:?}");
    }
    assert!(fake.sent().is_empty());
}

#[tokio::test]
async fn each_cloud_has_its_issuers() {
    for (cloud, first) in [
        (Cloud::us_government(), "https://sts.windows.net"),
        (Cloud::china(), "https://sts.chinacloudapi.cn"),
    ] {
        let base = format!("{}/{TENANT}", cloud.authority());
        let issuer = format!("{base}/v2.0");
        let (told, place) = (issuer.clone(), base.clone());
        let fake = Fake::new(move |request, _| {
            let mut key = jwk("k1", 0);
            key["issuer"] = told.clone().into();
            Ok(answer(
                200,
                &[],
                &if request.url == format!("{place}/discovery/v2.0/keys") {
                    json!({ "keys": [key] }).to_string()
                } else {
                    assert_eq!(
                        request.url,
                        format!("{place}/v2.0/.well-known/openid-configuration")
                    );
                    json!({ "issuer": told, "jwks_uri": format!("{place}/discovery/v2.0/keys") }).to_string()
                },
            ))
        });
        let validator = TokenValidator::builder(&cloud, TENANT)
            .audience(API)
            .build(fake, FakeClock::new())
            .unwrap();
        for (claims, good) in [
            (with(json!({ "iss": issuer })), true),
            (
                with(json!({ "iss": format!("{first}/{TENANT}/"), "ver": "1.0" })),
                true,
            ),
            (claims(), false),
        ] {
            assert_eq!(
                validator.validate(&signed(&claims)).await.is_ok(),
                good,
                "{claims}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_let_in_or_panics(text in any::<String>(), parts in proptest::array::uniform3(any::<Vec<u8>>())) {
        let encoded = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        for token in [text, encoded] {
            let error = key_id(&token).unwrap_err();
            prop_assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        }
    }
}
