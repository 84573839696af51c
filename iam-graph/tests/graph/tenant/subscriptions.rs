//! Subscriptions from their making to their end, with a receiver at the other end of the wire.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use iam_core::http::HttpTransport;
use iam_core::{Cloud, ErrorKind, Secret};
use iam_graph::GraphClient;
use iam_graph::notifications::{
    DecryptionKey, Incoming, LifecycleEvent, Notifications, Receiver, SigningKeys,
};
use iam_graph::subscriptions::{ChangeType, NewSubscription};
use iam_sandbox::Sandbox;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::{Tenant, tenant};

/// A notification URL that does what a handler should.
#[derive(Clone)]
struct Hook {
    receiver: Arc<Receiver>,
    inbox: Arc<Mutex<Vec<Notifications>>>,
}

impl Respond for Hook {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        match self
            .receiver
            .receive(request.url.query().unwrap_or_default(), &request.body)
        {
            Ok(Incoming::Handshake(token)) => ResponseTemplate::new(200).set_body_string(token),
            Ok(Incoming::Notifications(found)) => {
                self.inbox.lock().unwrap().push(found);
                ResponseTemplate::new(202)
            }
            _ => ResponseTemplate::new(202),
        }
    }
}

impl Hook {
    async fn start(receiver: Receiver) -> (Self, MockServer) {
        let hook = Self {
            receiver: Arc::new(receiver),
            inbox: Arc::default(),
        };
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(hook.clone()).mount(&server).await;
        (hook, server)
    }

    /// The next delivery.
    async fn next(&self) -> Notifications {
        for _ in 0..500 {
            if let Some(found) = self.inbox.lock().unwrap().pop() {
                return found;
            }
            #[allow(clippy::disallowed_methods)] // the other end is another task on the machine's time
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing came");
    }
}

#[tokio::test]
async fn users_are_watched_renewed_and_left() {
    let tenant = tenant().await;
    let (hook, server) = Hook::start(Receiver::new("s3cret".into())).await;
    let url = format!("{}/hook?tenant=1", server.uri());
    let both = [ChangeType::Updated, ChangeType::Deleted];
    let new = NewSubscription::new("users", &both, &url, "s3cret".into())
        .lifetime(Duration::from_hours(1))
        .lifecycle_url(&url);
    let made = tenant.client.create_subscription(&new).await.unwrap();
    assert!(!format!("{made:?} {new:?}").contains("s3cret"));
    let id = tenant.user("W-1009")["id"].as_str().unwrap().to_owned();
    tenant.client.enable_user(&id, false).await.unwrap();
    let told = hook.next().await;
    assert_eq!((told.changes.len(), told.rejected), (1, 0));
    let change = &told.changes[0];
    assert_eq!(
        (change.change_type.as_str(), change.object_id()),
        ("updated", Some(id.as_str()))
    );
    assert_eq!(change.subscription_id, made.id);
    assert!(!change.has_resource_data());

    let now = tenant.sandbox.now();
    let advice = made.renewal(now);
    assert_eq!(advice.at, now, "an hour is little of what it may have");
    let renewed = tenant
        .client
        .renew_subscription(&made.id, advice.until)
        .await
        .unwrap();
    assert!(renewed.expiration_date_time > made.expiration_date_time);
    let soon = now + Duration::from_mins(50);
    tenant.client.renew_subscription(&made.id, soon).await.unwrap();
    tenant.sandbox.advance(Duration::from_mins(40));
    let told = hook.next().await;
    assert_eq!(told.lifecycle[0].event, LifecycleEvent::ReauthorizationRequired);
    assert_eq!(told.lifecycle[0].subscription_id, made.id);
    tenant.client.reauthorize_subscription(&made.id).await.unwrap();
    assert_eq!(tenant.client.list_subscriptions().await.unwrap().len(), 1);
    assert_eq!(
        tenant.client.subscription(&made.id).await.unwrap().resource,
        "users"
    );
    tenant.client.delete_subscription(&made.id).await.unwrap();
    let gone = tenant
        .client
        .renew_subscription(&made.id, soon)
        .await
        .unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_cannot_be_subscribed_says_why() {
    let tenant = tenant().await;
    let silent = MockServer::start().await;
    let new =
        |resource: &str| NewSubscription::new(resource, &[ChangeType::Updated], &silent.uri(), "s".into());
    let error = tenant
        .client
        .create_subscription(&new("users"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Invalid, Some("ValidationError"))
    );
    let rich = new("users").encrypted_for("bm90", "key");
    let error = tenant.client.create_subscription(&rich).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let long = new("users").lifetime(Duration::from_hours(40 * 24));
    let error = tenant.client.create_subscription(&long).await.unwrap_err();
    assert!(error.to_string().contains("41760 minutes"), "{error}");
    assert!(tenant.client.list_subscriptions().await.unwrap().is_empty());
}

/// A delivery of one message, its receiver, the keys that prove it.
struct Delivery {
    tenant: Tenant,
    receiver: Arc<Receiver>,
    /// As it came.
    body: Value,
    keys: SigningKeys,
    pem: String,
}

fn cloud(sandbox: &Sandbox) -> Cloud {
    Cloud::custom(sandbox.authority(), sandbox.graph()).unwrap()
}

async fn subscribe_messages(client: &GraphClient, url: &str, certificate: &str) {
    let resource = "users/hr@contoso.example/messages?$select=subject";
    let new = NewSubscription::new(resource, &[ChangeType::Created], url, "s".into())
        .encrypted_for(certificate, "key-1");
    let made = client.create_subscription(&new).await.unwrap();
    assert_eq!(made.encryption_certificate_id.as_deref(), Some("key-1"));
}

async fn delivery() -> Delivery {
    let tenant = tenant().await;
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::default().self_signed(&pair).unwrap();
    let lines = certificate.pem();
    let bare: String = lines.lines().filter(|line| !line.starts_with('-')).collect();
    let pem = pair.serialize_pem();
    let key = DecryptionKey::from_pem("key-1", &Secret::from(pem.as_str())).unwrap();
    let (hook, server) = Hook::start(Receiver::new("s".into()).key(key)).await;
    subscribe_messages(&tenant.client, &server.uri(), &bare).await;
    let mail = json!({ "message": {
        "subject": "Hush", "body": { "contentType": "Text", "content": "x" },
        "toRecipients": [{ "emailAddress": { "address": "hr@contoso.example" } }],
    } });
    let path = "/users/hr-robot@contoso.example/sendMail";
    tenant.sandbox.act("POST", path, Some(mail)).unwrap();
    hook.next().await;
    let requests = server.received_requests().await.unwrap();
    let body = serde_json::from_slice(&requests.last().unwrap().body).unwrap();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let keys = SigningKeys::fetch(&cloud(&tenant.sandbox), tenant.sandbox.tenant_id(), transport)
        .await
        .unwrap();
    Delivery {
        receiver: hook.receiver.clone(),
        tenant,
        body,
        keys,
        pem,
    }
}

impl Delivery {
    fn read(&self, body: &Value) -> Notifications {
        match self.receiver.receive("", body.to_string().as_bytes()).unwrap() {
            Incoming::Notifications(found) => found,
            other => panic!("{other:?}"),
        }
    }

    /// What becomes of a delivery that was changed on its way.
    fn outcome(&self, change: impl FnOnce(&mut Value)) -> Result<Option<Value>, ErrorKind> {
        let mut body = self.body.clone();
        change(&mut body);
        let found = self.read(&body);
        let app = self.tenant.sandbox.client_id();
        let proof = self
            .keys
            .prove(&found, &[app], self.tenant.sandbox.now())
            .map_err(|error| error.kind())?;
        self.receiver
            .decrypt(&found.changes[0], &proof)
            .map_err(|error| error.kind())
    }
}

#[tokio::test]
async fn resource_data_is_decrypted_only_when_it_is_graphs_and_whole() {
    let delivery = delivery().await;
    let plain = delivery.outcome(|_| {}).unwrap().unwrap();
    assert_eq!(plain["subject"], "Hush");
    let content = "/value/0/encryptedContent";
    let flipped = |text: &Value| {
        let text = text.as_str().unwrap();
        let first = if text.starts_with('A') { 'B' } else { 'A' };
        Value::from(format!("{first}{}", &text[1..]))
    };
    for part in ["data", "dataSignature", "dataKey"] {
        let outcome = delivery.outcome(|body| {
            let value = body.pointer_mut(&format!("{content}/{part}")).unwrap();
            *value = flipped(value);
        });
        assert_eq!(outcome, Err(ErrorKind::Denied), "{part}");
    }
    let set = |path: &'static str, value: Value| {
        delivery.outcome(move |body| *body.pointer_mut(path).unwrap() = value)
    };
    assert_eq!(
        set(
            "/value/0/encryptedContent/encryptionCertificateId",
            json!("key-2")
        ),
        Err(ErrorKind::NotFound)
    );
    assert_eq!(
        set("/value/0/encryptedContent/data", json!("%")),
        Err(ErrorKind::Invalid)
    );
    assert_eq!(set("/value/0/tenantId", json!("another")), Err(ErrorKind::Denied));
    assert_eq!(set("/validationTokens", json!([])), Err(ErrorKind::Denied));
    assert_eq!(set("/validationTokens", json!(["a.b.c"])), Err(ErrorKind::Denied));
    assert_eq!(set("/value/0/encryptedContent", Value::Null), Ok(None));
    // One good token does not cover for a bad one.
    let two = delivery.outcome(|body| body["validationTokens"].as_array_mut().unwrap().push(json!("x")));
    assert_eq!(two, Err(ErrorKind::Denied));
}

#[tokio::test]
async fn a_validation_token_must_be_graphs_for_us_and_in_force() {
    let delivery = delivery().await;
    let found = delivery.read(&delivery.body);
    let (app, now) = (delivery.tenant.sandbox.client_id(), delivery.tenant.sandbox.now());
    let kind = |apps: &[&str], hours: i64| {
        let at = now + jiff::SignedDuration::from_hours(hours);
        delivery
            .keys
            .prove(&found, apps, at)
            .map(drop)
            .map_err(|error| error.kind())
    };
    assert_eq!(kind(&["other", app], 0), Ok(()));
    assert_eq!(kind(&["other"], 0), Err(ErrorKind::Denied));
    assert_eq!(kind(&[app], 2), Err(ErrorKind::Denied), "expired");
    assert_eq!(kind(&[app], -1), Err(ErrorKind::Denied), "not yet");
    // A token that the same platform made for the same application, but not for Graph's publisher.
    let url = format!("{}/_sandbox/tokens", delivery.tenant.sandbox.authority());
    let body = json!({ "audience": app }).to_string();
    let mut request = iam_core::http::Request::new(iam_core::http::Method::Post, url, "mint");
    request.body = Some(body.into_bytes());
    let transport = HttpTransport::new().unwrap();
    let answer = iam_core::http::Transport::send(&transport, request)
        .await
        .unwrap();
    let minted: Value = answer.json().unwrap();
    let mut forged = delivery.body.clone();
    forged["validationTokens"] = json!([minted["access_token"]]);
    let error = delivery
        .keys
        .prove(&delivery.read(&forged), &[app], now)
        .unwrap_err();
    assert!(error.to_string().contains("not Graph's"), "{error}");
    // Keys of another platform know nothing of it.
    let jwks = br#"{"keys":[{"kty":"RSA","kid":"other","n":"AQAB","e":"AQAB"}]}"#;
    let others = SigningKeys::read(&cloud(&delivery.tenant.sandbox), jwks).unwrap();
    assert_eq!(
        others.prove(&found, &[app], now).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(SigningKeys::read(&Cloud::public(), b"{\"keys\":[]}").is_err());
}

#[tokio::test]
async fn private_keys_are_read_in_both_forms_and_never_shown() {
    let delivery = delivery().await;
    let pkcs8 = pem_bytes(&delivery.pem);
    let key = DecryptionKey::from_pem("key-1", &Secret::from(delivery.pem.as_str())).unwrap();
    assert_eq!(format!("{key:?}"), "DecryptionKey(key-1)");
    // PKCS #1 is what stands inside PKCS #8 behind its header of 26 bytes.
    let inner = base64_lines(&pkcs8[26..]);
    let pkcs1 = format!("-----BEGIN RSA PRIVATE KEY-----\n{inner}\n-----END RSA PRIVATE KEY-----\n");
    let old = DecryptionKey::from_pem("key-1", &Secret::from(pkcs1)).unwrap();
    let receiver = Receiver::new("s".into()).key(old);
    let found = delivery.read(&delivery.body);
    let app = delivery.tenant.sandbox.client_id();
    let proof = delivery
        .keys
        .prove(&found, &[app], delivery.tenant.sandbox.now())
        .unwrap();
    assert_eq!(
        receiver.decrypt(&found.changes[0], &proof).unwrap().unwrap()["subject"],
        "Hush"
    );
    for bad in [
        "",
        "not a key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let error = DecryptionKey::from_pem("k", &Secret::from(bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

fn pem_bytes(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(lines).unwrap()
}

fn base64_lines(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join("\n")
}
