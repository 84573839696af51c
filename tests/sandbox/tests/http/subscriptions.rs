//! Subscriptions and change notifications ("Create subscription", "Receive change notifications through webhooks",
//! "Set up change notifications that include resource data").

use std::time::Duration;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use iam_sandbox::Sandbox;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::receiver::{Manner, Receiver, moment};
use crate::{Reply, Tenant};

async fn subscribe(tenant: &Tenant, receiver: &Receiver, more: Value) -> Reply {
    let until = tenant.sandbox.now() + Duration::from_hours(2);
    let mut body = json!({
        "changeType": "updated,deleted", "notificationUrl": receiver.url, "resource": "users",
        "expirationDateTime": until.to_string(), "clientState": "secret",
    });
    let map = body.as_object_mut().unwrap();
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        map.insert(name, value);
    }
    map.retain(|_, value| *value != json!("ABSENT"));
    tenant.send("POST", "/subscriptions", body).await
}

#[tokio::test]
async fn a_url_that_answers_is_told_of_changes() {
    let tenant = Tenant::start().await;
    let receiver = Receiver::start().await;
    let reply = subscribe(&tenant, &receiver, json!({})).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let id = reply.body["id"].as_str().unwrap().to_owned();
    assert!(reply.header("location").ends_with(&id));
    assert_eq!(reply.body["applicationId"], tenant.sandbox.client_id());
    assert_eq!(reply.body["latestSupportedTlsVersion"], "v1_2");
    let token = receiver.inbox.tokens.lock().unwrap()[0].clone();
    assert!(token.starts_with("Validation: Testing client"), "{token}");

    let ann = tenant.hire("ann", json!({})).await;
    let made = receiver.items(1).await;
    assert_eq!(made.len(), 1);
    let (made, data) = (&made[0], &made[0]["resourceData"]);
    // Without `created` in the change types a creation is an update.
    assert_eq!(
        (&made["changeType"], &made["clientState"]),
        (&json!("updated"), &json!("secret"))
    );
    assert_eq!((&made["subscriptionId"], &data["id"]), (&json!(id), &json!(ann)));
    assert_eq!(made["resource"], format!("Users/{ann}"));
    assert_eq!(data["@odata.type"], "#Microsoft.Graph.User");
    assert_eq!(made["tenantId"], tenant.sandbox.tenant_id());

    tenant
        .check(
            &format!("PATCH /users/{ann}"),
            json!({ "city": "Perth" }),
            204,
            "",
        )
        .await;
    assert_eq!(receiver.items(1).await[0]["changeType"], "updated");
    tenant
        .check(&format!("DELETE /users/{ann}"), Value::Null, 204, "")
        .await;
    assert_eq!(receiver.items(1).await[0]["changeType"], "updated", "restorable");
    tenant
        .check(
            &format!("DELETE /directory/deletedItems/{ann}"),
            Value::Null,
            204,
            "",
        )
        .await;
    assert_eq!(receiver.items(1).await[0]["changeType"], "deleted", "gone");
    // Reads, refusals and groups are nothing to tell; neither is anything after the end.
    tenant.get("/users").await;
    tenant
        .check(&format!("PATCH /users/{ann}"), json!({ "city": "X" }), 404, "")
        .await;
    tenant.security_group("ward", json!({})).await;
    tenant
        .check(&format!("DELETE /subscriptions/{id}"), Value::Null, 204, "")
        .await;
    tenant.hire("bob", json!({})).await;
    moment(150).await;
    assert!(receiver.inbox.bodies.lock().unwrap().is_empty());
    tenant
        .check(
            &format!("GET /subscriptions/{id}"),
            Value::Null,
            404,
            "ResourceNotFound",
        )
        .await;
}

#[tokio::test]
async fn members_and_single_objects_are_watched() {
    let tenant = Tenant::start().await;
    let (all, one) = (Receiver::start().await, Receiver::start().await);
    let ward = tenant.security_group("ward", json!({})).await;
    let other = tenant.security_group("other", json!({})).await;
    let camila = tenant.user_id("W-1010").await;
    let wish = json!({ "resource": "/groups", "changeType": "created,updated,deleted" });
    assert_eq!(subscribe(&tenant, &all, wish).await.status, 201);
    let wish = json!({ "resource": format!("groups/{ward}/members") });
    assert_eq!(subscribe(&tenant, &one, wish).await.status, 201);
    for group in [&other, &ward] {
        let path = format!("POST /groups/{group}/members/$ref");
        tenant.check(&path, tenant.link(&camila), 204, "").await;
    }
    let path = format!("DELETE /groups/{ward}/members/{camila}/$ref");
    tenant.check(&path, Value::Null, 204, "").await;
    let told = one.items(2).await;
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[0]["resourceData"]["members@delta"],
        json!([{ "id": camila }])
    );
    assert_eq!(told[1]["resourceData"]["members@delta"][0]["@removed"], "deleted");
    all.items(3).await;
    let new = tenant.security_group("new", json!({})).await;
    let told = all.items(1).await;
    assert_eq!(
        (&told[0]["changeType"], &told[0]["resourceData"]["id"]),
        (&json!("created"), &json!(new))
    );
    // A security group is not restorable.
    tenant
        .check(&format!("DELETE /groups/{new}"), Value::Null, 204, "")
        .await;
    assert_eq!(all.items(1).await[0]["changeType"], "deleted");
}

#[tokio::test]
async fn a_subscription_is_renewed_warned_of_its_end_and_ends() {
    let tenant = Tenant::start().await;
    let receiver = Receiver::start().await;
    let reply = subscribe(
        &tenant,
        &receiver,
        json!({ "lifecycleNotificationUrl": receiver.url }),
    )
    .await;
    let id = reply.body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        receiver.inbox.tokens.lock().unwrap().len(),
        2,
        "both URLs are asked"
    );
    let listed = tenant.get("/subscriptions").await;
    assert_eq!(listed.column("id"), [id.as_str()]);
    let in_minutes = |minutes: u64| (tenant.sandbox.now() + Duration::from_secs(minutes * 60)).to_string();
    let path = format!("PATCH /subscriptions/{id}");
    let renew = async |minutes: u64, status: u16, says: &str| {
        let body = json!({ "expirationDateTime": in_minutes(minutes) });
        tenant.check(&path, body, status, says).await
    };
    renew(41_765, 400, "41760 minutes in the future").await;
    renew(41_760, 200, &id).await;
    // Less than 45 minutes become 45.
    let least = renew(1, 200, &id).await;
    let until: jiff::Timestamp = least.body["expirationDateTime"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let minutes = until.duration_since(tenant.sandbox.now()).as_mins();
    assert!((44..=45).contains(&minutes), "{minutes}");
    tenant
        .check(&path, json!({ "resource": "groups" }), 400, "cannot be changed")
        .await;
    tenant
        .check(
            &path,
            json!({ "expirationDateTime": "2001-01-01T00:00:00Z" }),
            400,
            "past",
        )
        .await;
    let again = format!("POST /subscriptions/{id}/reauthorize");
    tenant.check(&again, Value::Null, 204, "").await;

    tenant.sandbox.advance(Duration::from_mins(31));
    let warning = receiver.items(1).await;
    assert_eq!(warning[0]["lifecycleEvent"], "reauthorizationRequired");
    assert_eq!(
        (&warning[0]["subscriptionId"], &warning[0]["clientState"]),
        (&json!(id), &json!("secret"))
    );
    tenant.sandbox.advance(Duration::from_mins(15));
    tenant
        .check(&format!("GET /subscriptions/{id}"), Value::Null, 404, "")
        .await;
    tenant.hire("ann", json!({})).await;
    moment(100).await;
    assert!(receiver.inbox.bodies.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again() {
    let tenant = Tenant::start().await;
    let receiver = Receiver::start().await;
    assert_eq!(subscribe(&tenant, &receiver, json!({})).await.status, 201);
    *receiver.inbox.failures.lock().unwrap() = 2;
    let ann = tenant.hire("ann", json!({})).await;
    for left in [1, 0] {
        for _ in 0..200 {
            if *receiver.inbox.failures.lock().unwrap() == left {
                break;
            }
            moment(10).await;
        }
        assert_eq!(*receiver.inbox.failures.lock().unwrap(), left);
        assert!(receiver.inbox.bodies.lock().unwrap().is_empty());
        moment(50).await;
        tenant.sandbox.advance(Duration::from_secs(25));
    }
    assert_eq!(receiver.items(1).await[0]["resourceData"]["id"], ann);
}

#[tokio::test]
async fn what_no_subscription_can_be_made_of_is_refused() {
    let tenant = Tenant::start().await;
    let receiver = Receiver::start().await;
    let many = "x".repeat(129);
    for (more, says) in [
        (json!({ "resource": "ABSENT" }), "resource"),
        (json!({ "resource": "teams" }), "not supported"),
        (json!({ "resource": "users?$filter=a eq 'b'" }), "not supported"),
        (json!({ "changeType": "changed" }), "change type"),
        (json!({ "changeType": "ABSENT" }), "changeType"),
        (json!({ "notificationUrl": "ABSENT" }), "notificationUrl"),
        (json!({ "notificationUrl": "ftp://127.0.0.1/x" }), "https"),
        (
            json!({ "notificationUrl": "https://webhook.example/x" }),
            "loopback",
        ),
        (json!({ "clientState": many }), "128"),
        (json!({ "expirationDateTime": "ABSENT" }), "expirationDateTime"),
        (json!({ "expirationDateTime": "soon" }), "instant"),
        (json!({ "nope": 1 }), "nope"),
        (
            json!({ "includeResourceData": true }),
            "not supported for the resource",
        ),
    ] {
        let reply = subscribe(&tenant, &receiver, more.clone()).await;
        assert_eq!(reply.status, 400, "{more}: {}", reply.text);
        assert!(reply.message().contains(says), "{more}: {}", reply.text);
    }
    let gone = subscribe(&tenant, &receiver, json!({ "resource": "users/nobody" })).await;
    assert_eq!(gone.status, 404, "{}", gone.text);
    assert!(
        receiver.inbox.tokens.lock().unwrap().is_empty(),
        "nobody was asked"
    );
    for manner in [Manner::WrongKind, Manner::WrongToken, Manner::Missing] {
        *receiver.inbox.manner.lock().unwrap() = manner;
        let reply = subscribe(&tenant, &receiver, json!({})).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, "ValidationError"),
            "{manner:?}: {}",
            reply.text
        );
        assert!(reply.message().contains("validation"), "{}", reply.text);
        assert!(!reply.header("request-id").is_empty() && !reply.header("x-ms-resource-unit").is_empty());
    }
    let closed = json!({ "notificationUrl": "http://127.0.0.1:9/hook" });
    assert_eq!(
        subscribe(&tenant, &receiver, closed).await.code(),
        "ValidationError"
    );
    assert!(tenant.get("/subscriptions").await.values().is_empty());

    let strict = Sandbox::builder()
        .https_notifications(true)
        .start()
        .await
        .unwrap();
    let strict = Tenant::with(strict).await;
    let reply = subscribe(&strict, &receiver, json!({})).await;
    assert!(
        reply.status == 400 && reply.message().contains("https"),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn resource_data_comes_encrypted_with_proof_of_origin() {
    let tenant = Tenant::start().await;
    let receiver = Receiver::start().await;
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::default().self_signed(&pair).unwrap();
    let mut wish = json!({
        "changeType": "created", "includeResourceData": true,
        "resource": "users/hr@contoso.example/messages?$select=subject,from",
        "encryptionCertificate": STANDARD.encode(certificate.der()), "encryptionCertificateId": "key-1",
    });
    for (name, value, says) in [
        ("encryptionCertificate", json!("bm90"), "X.509"),
        ("encryptionCertificate", json!("ABSENT"), "required"),
        (
            "encryptionCertificateId",
            json!("ABSENT"),
            "encryptionCertificateId",
        ),
        ("resource", json!("users/hr@contoso.example/messages"), "$select"),
    ] {
        let mut bad = wish.clone();
        bad[name] = value;
        let reply = subscribe(&tenant, &receiver, bad).await;
        assert!(
            reply.status == 400 && reply.message().contains(says),
            "{name}: {}",
            reply.text
        );
    }
    let day = (tenant.sandbox.now() + Duration::from_hours(25)).to_string();
    wish["expirationDateTime"] = day.into();
    let reply = subscribe(&tenant, &receiver, wish.clone()).await;
    assert!(reply.message().contains("1440 minutes"), "{}", reply.text);
    wish.as_object_mut().unwrap().remove("expirationDateTime");
    let reply = subscribe(&tenant, &receiver, wish).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert!(
        reply.body["encryptionCertificate"].is_null() && reply.body["encryptionCertificateId"] == "key-1"
    );

    let mail = json!({ "message": {
        "subject": "Hush", "body": { "contentType": "Text", "content": "Nothing to select" },
        "toRecipients": [{ "emailAddress": { "address": "hr@contoso.example" } }],
    } });
    tenant
        .check("POST /users/hr-robot@contoso.example/sendMail", mail, 202, "")
        .await;
    let body = loop {
        if let Some(body) = receiver.inbox.bodies.lock().unwrap().pop() {
            break body;
        }
        moment(10).await;
    };
    assert!(!body.to_string().contains("Hush"));
    let item = &body["value"][0];
    let content = &item["encryptedContent"];
    let bytes = |name: &str| STANDARD.decode(content[name].as_str().unwrap()).unwrap();
    let private = PrivateDecryptingKey::from_pkcs8(&pair.serialize_der()).unwrap();
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    let mut out = vec![0; private.min_output_size()];
    let key = private
        .decrypt(&OAEP_SHA1_MGF1SHA1, &bytes("dataKey"), &mut out, None)
        .unwrap();
    let mut data = bytes("data");
    hmac::verify(
        &hmac::Key::new(hmac::HMAC_SHA256, key),
        &data,
        &bytes("dataSignature"),
    )
    .unwrap();
    let vector: [u8; 16] = key[..16].try_into().unwrap();
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key).unwrap()).unwrap();
    let vector = DecryptionContext::Iv128(FixedLength::from(vector));
    let plain: Value = serde_json::from_slice(cipher.decrypt(&mut data, vector).unwrap()).unwrap();
    assert_eq!(plain["subject"], "Hush");
    assert_eq!(
        plain["from"]["emailAddress"]["address"],
        "hr-robot@contoso.example"
    );
    assert!(plain.get("body").is_none(), "not selected");
    assert_eq!(content["encryptionCertificateId"], "key-1");
    let token = body["validationTokens"][0].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["aud"], tenant.sandbox.client_id());
    assert_eq!(claims["appid"], "0bf30f3b-4a52-48df-9a82-234910c4a086");
    assert_eq!(
        claims["iss"],
        format!("https://sts.windows.net/{}/", tenant.sandbox.tenant_id())
    );
    // The message is there to be read, in full.
    let id = item["resourceData"]["id"].as_str().unwrap();
    let read = tenant
        .get(&format!("/users/hr@contoso.example/messages/{id}"))
        .await;
    assert_eq!(read.body["body"]["content"], "Nothing to select", "{}", read.text);
    let sent = tenant
        .get("/users/hr-robot@contoso.example/mailFolders/sentitems/messages?$select=subject")
        .await;
    assert_eq!(sent.column("subject"), ["Hush"]);
    tenant
        .check(
            "GET /users/hr@contoso.example/messages/x",
            Value::Null,
            404,
            "ErrorItemNotFound",
        )
        .await;
    tenant
        .check(
            "GET /users/break-glass@contoso.example/messages",
            Value::Null,
            404,
            "MailboxNot",
        )
        .await;
}
