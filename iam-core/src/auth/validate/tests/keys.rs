//! Where the keys come from, how long they are kept, and how often they are asked for.

use super::*;

const PAUSE: Duration = Duration::from_secs(10);

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
