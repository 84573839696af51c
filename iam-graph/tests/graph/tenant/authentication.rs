//! Authentication methods and temporary access passes, through the typed client.

use iam_core::ErrorKind;
use iam_graph::authentication::{AuthenticationMethod, Form, NewAccessPass};
use serde_json::{Value, json};

use super::tenant;

#[tokio::test]
async fn methods_are_cleared_and_the_password_stays() {
    let tenant = tenant().await;
    let state = tenant.sandbox.state();
    let users = state["users"].as_array().unwrap();
    let registered = |user: &&Value| !user["authenticationMethods"].as_array().unwrap().is_empty();
    let veteran = users.iter().find(registered).unwrap()["id"].as_str().unwrap();
    let before = tenant.client.authentication_methods(veteran).await.unwrap();
    let forms: Vec<Form> = before.iter().map(AuthenticationMethod::form).collect();
    let expect = [
        Form::Password,
        Form::Phone,
        Form::MicrosoftAuthenticator,
        Form::Fido2,
        Form::SoftwareOath,
        Form::WindowsHello,
    ];
    assert_eq!(forms, expect);
    // The number is what sign-in asks for first, and the authenticator behind it is still there.
    let refused = tenant
        .client
        .delete_authentication_method(veteran, &before[1])
        .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    let kept = tenant.client.clear_authentication_methods(veteran).await.unwrap();
    assert_eq!(kept, before[..1]);
    assert_eq!(tenant.user(veteran)["authenticationMethods"], json!([]));
    let gone = tenant
        .client
        .delete_authentication_method(veteran, &before[1])
        .await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_pass_is_issued_once_and_replaced() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let wish = NewAccessPass::new().minutes(90).once(true);
    let issued = tenant.client.create_access_pass(&ada, &wish).await.unwrap();
    assert_eq!(issued.secret.expose().len(), 8);
    assert_eq!(
        (issued.pass.lifetime_in_minutes, issued.pass.is_usable),
        (Some(90), Some(true))
    );
    let read = tenant.client.access_pass(&ada, &issued.pass.id).await.unwrap();
    assert_eq!(read.other["temporaryAccessPass"], Value::Null);
    let second = tenant
        .client
        .create_access_pass(&ada, &NewAccessPass::new())
        .await
        .unwrap();
    assert_ne!(second.secret.expose(), issued.secret.expose());
    let passes = tenant.client.access_passes(&ada).await.unwrap();
    assert_eq!(
        passes.iter().map(|pass| &pass.id).collect::<Vec<_>>(),
        [&second.pass.id]
    );
    let old = tenant
        .client
        .access_pass(&ada, &issued.pass.id)
        .await
        .unwrap_err();
    assert_eq!(old.kind(), ErrorKind::NotFound);
    tenant
        .client
        .delete_access_pass(&ada, &second.pass.id)
        .await
        .unwrap();
    assert!(tenant.client.access_passes(&ada).await.unwrap().is_empty());
    let late = NewAccessPass::new().starting("next Monday");
    let refused = tenant.client.create_access_pass(&ada, &late).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_pass_whose_answer_was_lost_is_made_again_and_the_last_one_counts() {
    use iam_sandbox::{Effect, Fault};
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let path = "/users/*/authentication/temporaryAccessPassMethods";
    let cut = Fault::new(Effect::CutAfter).on("POST", path).times(1);
    tenant.sandbox.fault(cut);
    let issued = tenant
        .client
        .create_access_pass(&ada, &NewAccessPass::new())
        .await
        .unwrap();
    let passes = tenant.client.access_passes(&ada).await.unwrap();
    assert_eq!(
        passes.iter().map(|pass| &pass.id).collect::<Vec<_>>(),
        [&issued.pass.id]
    );
}
