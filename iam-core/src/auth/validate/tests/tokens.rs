//! Tokens that are in order, and every way in which one is not.

use super::*;

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
