//! What the tenant refuses, by meaning, and calls that are given up.

use std::sync::Arc;
use std::time::Duration;

use iam_core::auth::ClientSecret;
use iam_core::clock::SystemClock;
use iam_core::entitlement::Kind;
use iam_core::http::{HttpTransport, Method, RetryPolicy};
use iam_core::{Cloud, Error, ErrorKind};
use iam_graph::GraphClient;
use iam_graph::cost::Limits;
use iam_graph::error::{Meaning, meaning};
use iam_graph::query::Query;
use iam_graph::users::{NewUser, UserPatch, mail_nickname};
use iam_sandbox::{Effect, Fault, Sandbox};

use super::{start, tenant};

fn new_user(local: &str, password: &str) -> NewUser {
    let name = format!("{local}@contoso.example");
    NewUser {
        mail_nickname: mail_nickname(&name),
        user_principal_name: name,
        display_name: local.to_owned(),
        employee_id: None,
        account_enabled: false,
        password: password.into(),
        properties: UserPatch::new(),
    }
}

const PASSWORD: &str = "xK9-fw2p!QzT";

#[tokio::test]
async fn each_refusal_has_its_meaning_and_names_both_ids() {
    let tenant = start(Sandbox::builder().seats("SPE_E5", 0), Arc::new(SystemClock)).await;
    let client = &tenant.client;
    let group = async |name: &str| tenant.what(Kind::Group, name).await.id;
    let (security, dynamic, mail) = (
        group("sg-security").await,
        group("Sydney Everyone").await,
        group("All Mail").await,
    );
    let sku = tenant.what(Kind::License, "SPE_E5").await.id;
    let noah = tenant.user("W-1009")["id"].as_str().unwrap().to_owned();
    let bob = client.create_user(&new_user("bob", PASSWORD)).await.unwrap().id;
    client.add_member(&security, &bob).await.unwrap();
    let check = |error: Error, expect: Meaning, property: Option<&str>| {
        assert_eq!((meaning(&error), error.property()), (expect, property), "{error}");
        let line = error.to_string();
        let ids = [
            error.request_id().unwrap(),
            error.client_request_id().unwrap(),
            error.code().unwrap(),
        ];
        assert!(
            ids.iter().all(|id| line.contains(id)) && !line.contains('\n'),
            "{line}"
        );
        assert!(!line.contains("noah") && !line.contains(PASSWORD), "{line}");
    };
    let twice = client
        .create_user(&new_user("noah.fischer", PASSWORD))
        .await
        .unwrap_err();
    check(twice, Meaning::Conflict, Some("userPrincipalName"));
    check(
        client.create_user(&new_user("eve", "short")).await.unwrap_err(),
        Meaning::PasswordRefused,
        None,
    );
    check(
        client.add_member(&security, &bob).await.unwrap_err(),
        Meaning::AlreadyMember,
        None,
    );
    check(
        client.remove_member(&security, &noah).await.unwrap_err(),
        Meaning::NotMember,
        None,
    );
    check(
        client.add_member(&dynamic, &bob).await.unwrap_err(),
        Meaning::PrivilegeMissing,
        None,
    );
    check(
        client.add_member(&mail, &bob).await.unwrap_err(),
        Meaning::MasteredElsewhere,
        None,
    );
    check(
        client.assign_license(&bob, &[&sku], &[]).await.unwrap_err(),
        Meaning::UsageLocationMissing,
        None,
    );
    check(
        client.assign_license(&noah, &[&sku], &[]).await.unwrap_err(),
        Meaning::LicenseExhausted,
        None,
    );
    check(
        client.assign_license(&bob, &[], &[&sku]).await.unwrap_err(),
        Meaning::LicenseNotHeld,
        None,
    );
    check(
        client.user("nobody@contoso.example").await.unwrap_err(),
        Meaning::NotFound,
        None,
    );
    let raw = client
        .request(
            Method::Get,
            "/users?$filter=endsWith(mail,'x')",
            None,
            "find users",
        )
        .await;
    check(raw.unwrap_err(), Meaning::UnsupportedQuery, None);
    let role = tenant.what(Kind::Role, "Security Reader").await.id;
    client.assign_role(&bob, &role, "/").await.unwrap();
    check(
        client.assign_role(&bob, &role, "/").await.unwrap_err(),
        Meaning::Conflict,
        None,
    );
}

#[tokio::test]
async fn a_post_whose_answer_is_cut_off_is_unknown_and_not_repeated() {
    let tenant = tenant().await;
    for (effect, made) in [(Effect::CutAfter, 1), (Effect::CutBefore, 0)] {
        tenant.sandbox.clear_faults();
        tenant.sandbox.fault(Fault::new(effect).on("POST", "/users"));
        let local = format!("cut{made}");
        let error = tenant
            .client
            .create_user(&new_user(&local, PASSWORD))
            .await
            .unwrap_err();
        assert_eq!(
            (meaning(&error), error.kind()),
            (Meaning::OutcomeUnknown, ErrorKind::OutcomeUnknown)
        );
        assert!(
            error.client_request_id().is_some() && error.to_string().contains("unknown"),
            "{error}"
        );
        let users = tenant.sandbox.state()["users"].as_array().unwrap().clone();
        let found = users
            .iter()
            .filter(|user| user["displayName"] == local.as_str())
            .count();
        assert_eq!((found, tenant.sandbox.faults()[0].fired()), (made, 1));
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_stuck() {
    let tenant = tenant().await;
    let short = Duration::from_millis(100);
    // While the answer is on its way; also a stream's, which goes on where it was.
    tenant.sandbox.fault(
        Fault::new(Effect::Slow { millis: 800 })
            .on("GET", "/users")
            .times(1),
    );
    let mut users = tenant.client.stream_users(Query::new().top(5)).unwrap();
    assert!(tokio::time::timeout(short, users.try_next()).await.is_err());
    assert!(tenant.client.user("noah.fischer@contoso.example").await.is_ok());
    let before = tenant.sandbox.requests();
    let first = users.try_next().await.unwrap().unwrap();
    assert_eq!(
        tenant.sandbox.requests(),
        before,
        "the request under way is waited for, not sent again"
    );
    let rest = users.all().await.unwrap();
    let all = tenant.sandbox.state()["users"].as_array().unwrap().len();
    assert!(rest.len() + 1 == all && rest.iter().all(|user| user.id != first.id));

    // While a hundred wait for the rate budget: those who stay get their turn.
    let cloud = Cloud::custom(tenant.sandbox.authority(), tenant.sandbox.graph()).unwrap();
    let transport = Arc::new(HttpTransport::new().unwrap());
    let (id, secret) = (tenant.sandbox.client_id(), tenant.sandbox.client_secret().into());
    let clock = Arc::new(SystemClock);
    let credential = ClientSecret::new(
        &cloud,
        tenant.sandbox.tenant_id(),
        id,
        secret,
        transport.clone(),
        clock,
    );
    let narrow = GraphClient::builder(cloud, Arc::new(credential.unwrap()), transport)
        .limits(Some(Limits::new(50, 3_000))) // five a second
        .retry(RetryPolicy::none())
        .build();
    let ask = || {
        let client = narrow.clone();
        tokio::spawn(async move {
            client
                .request(Method::Get, "/organization", None, "probe")
                .await
                .map(drop)
        })
    };
    let mut tasks: Vec<_> = (0..150).map(|_| ask()).collect();
    tokio::time::timeout(Duration::from_secs(5), &mut tasks[0])
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let stays = ask();
    tasks.drain(1..).for_each(|task| task.abort());
    tokio::time::timeout(Duration::from_secs(5), stays)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_ca_of_ones_own_is_trusted_when_named_and_only_then() {
    let sandbox = Sandbox::builder().tls().start().await.unwrap();
    let client = |transport: HttpTransport| {
        let transport = Arc::new(transport);
        let cloud = Cloud::custom(sandbox.authority(), sandbox.graph()).unwrap();
        let (id, secret) = (sandbox.client_id(), sandbox.client_secret().into());
        let clock = Arc::new(SystemClock);
        let credential = ClientSecret::new(&cloud, sandbox.tenant_id(), id, secret, transport.clone(), clock);
        GraphClient::builder(cloud, Arc::new(credential.unwrap()), transport)
            .retry(RetryPolicy::none())
            .build()
    };
    let trusting = HttpTransport::builder()
        .ca_bundle_file(sandbox.ca_file().unwrap())
        .unwrap()
        .build()
        .unwrap();
    let user = client(trusting)
        .user("noah.fischer@contoso.example")
        .await
        .unwrap();
    assert_eq!(user.employee_id.as_deref(), Some("W-1009"));
    let error = client(HttpTransport::new().unwrap()).user("x").await.unwrap_err();
    assert!(error.to_string().contains("add the issuing CA"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
