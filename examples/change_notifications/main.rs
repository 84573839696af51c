//! Graph tells a URL of changes: a receiver on axum that subscribes, echoes the handshake, checks who sends, decrypts, and
//! renews. The tenant is a sandbox on loopback, with people who change.
//!
//! ```text
//! cargo run --example change_notifications
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that talks to its user

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Parser;
use iam_core::auth::ClientSecret;
use iam_core::clock::SystemClock;
use iam_core::http::HttpTransport;
use iam_core::{Cloud, Secret};
use iam_graph::GraphClient;
use iam_graph::notifications::{DecryptionKey, Incoming, Notifications, Receiver, SigningKeys};
use iam_graph::subscriptions::{ChangeType, NewSubscription};
use iam_graph::users::UserPatch;
use iam_sandbox::Sandbox;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Receive Graph's change notifications of a sandbox tenant.
#[derive(Debug, Parser)]
struct Options {
    /// The port that the receiver listens on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How long to wait for a notification, in seconds
    #[arg(long, default_value_t = 10)]
    patience: u64,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the web handler needs: who may send, and where work is done.
#[derive(Debug)]
struct Hook {
    receiver: Receiver,
    work: mpsc::Sender<Notifications>,
}

/// The notification URL. Graph waits three seconds for the answer, so nothing is worked off here.
async fn hook(State(hook): State<Arc<Hook>>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    match hook.receiver.receive(&query.unwrap_or_default(), &body) {
        Ok(Incoming::Handshake(token)) => ([(header::CONTENT_TYPE, "text/plain")], token).into_response(),
        Ok(Incoming::Notifications(found)) => match hook.work.try_send(found) {
            Ok(()) => StatusCode::ACCEPTED.into_response(),
            // Graph sends it again.
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
        // Nobody learns from the answer what was wrong.
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

async fn run(options: Options) -> Result<(), Failure> {
    // A tenant on loopback. Against a real one: `Cloud::public()`, your tenant, client id and secret, and an https URL
    // that Graph can reach.
    let tenant = Sandbox::start().await?;
    let cloud = Cloud::custom(tenant.authority(), tenant.graph())?;
    let transport = Arc::new(HttpTransport::new()?);
    let (id, secret) = (tenant.client_id(), tenant.client_secret().into());
    let clock = Arc::new(SystemClock);
    let credential = ClientSecret::new(&cloud, tenant.tenant_id(), id, secret, transport.clone(), clock)?;
    let client = GraphClient::new(cloud.clone(), Arc::new(credential), transport.clone());

    // The certificate that resource data is encrypted for. A real one is kept where secrets are.
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let certificate = CertificateParams::default().self_signed(&pair)?.pem();
    let certificate: String = certificate
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let key = DecryptionKey::from_pem("example-1", &Secret::new(pair.serialize_pem()))?;

    // The receiver listens before it subscribes: the handshake comes while the subscription is made.
    let client_state = Secret::new(uuid::Uuid::new_v4().to_string());
    let (work, mut arrived) = mpsc::channel(64);
    let receiver = Arc::new(Hook {
        receiver: Receiver::new(client_state.clone()).key(key),
        work,
    });
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    let url = format!("http://{}/notifications", listener.local_addr()?);
    let app = Router::new()
        .route("/notifications", post(hook))
        .with_state(Arc::clone(&receiver));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    println!("receiver: {url}");

    // Basic notifications of users, and rich ones of HR's mail.
    let both = [ChangeType::Updated, ChangeType::Deleted];
    let users = NewSubscription::new("users", &both, &url, client_state.clone())
        .lifetime(Duration::from_hours(1))
        .lifecycle_url(&url);
    let users = client.create_subscription(&users).await?;
    println!("subscribed: users until {}", shown(users.expiration_date_time));
    let mail = "users/hr@contoso.example/messages?$select=subject";
    let mail = NewSubscription::new(mail, &[ChangeType::Created], &url, client_state)
        .encrypted_for(&certificate, "example-1");
    let mail = client.create_subscription(&mail).await?;
    println!("subscribed: messages of hr@contoso.example with resource data");

    // Something happens in the tenant.
    let noah = client.user("noah.fischer@contoso.example").await?;
    let moved = UserPatch::new().set("department", "Security");
    client.update_user(&noah.id, &moved).await?;
    let change = next(&mut arrived, &options).await?;
    let change = change.changes.first().ok_or("the notification is empty")?;
    let now = client.user(change.object_id().unwrap_or_default()).await?;
    let department = now.department.unwrap_or_default();
    println!(
        "notified: {} {}, department is {department}",
        change.change_type, change.resource
    );

    let message = json!({ "message": {
        "subject": "Start date moved", "body": { "contentType": "Text", "content": "See the file." },
        "toRecipients": [{ "emailAddress": { "address": "hr@contoso.example" } }],
    } });
    tenant.act("POST", "/users/hr-robot@contoso.example/sendMail", Some(message))?;
    let delivery = next(&mut arrived, &options).await?;
    // Resource data counts only with proof that it is from Graph.
    let keys = SigningKeys::fetch(&cloud, tenant.tenant_id(), transport).await?;
    let proof = keys.prove(&delivery, &[tenant.client_id()], tenant.now())?;
    let change = delivery.changes.first().ok_or("the notification is empty")?;
    let message = receiver
        .receiver
        .decrypt(change, &proof)?
        .ok_or("there is no resource data")?;
    println!("decrypted: subject is {}", message["subject"]);

    // Renewal, when it is time for it.
    let advice = users.renewal(tenant.now());
    let renewed = client.renew_subscription(&users.id, advice.until).await?;
    println!("renewed: users until {}", shown(renewed.expiration_date_time));
    println!("next renewal: {}", renewed.renewal(tenant.now()).at);
    for subscription in [&users, &mail] {
        client.delete_subscription(&subscription.id).await?;
    }
    println!("left: {} subscriptions", client.list_subscriptions().await?.len());
    server.abort();
    Ok(())
}

fn shown(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string())
}

async fn next(
    arrived: &mut mpsc::Receiver<Notifications>,
    options: &Options,
) -> Result<Notifications, Failure> {
    let wait = tokio::time::timeout(Duration::from_secs(options.patience), arrived.recv());
    let found = wait.await.map_err(|_| "no notification came in time")?;
    Ok(found.ok_or("the receiver has ended")?)
}
