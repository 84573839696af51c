//! The hand-over of a leaver's OneDrive.

use iam_core::ErrorKind;
use iam_graph::drive::{Invitation, ShareRole};
use iam_sandbox::{Effect, Fault};

use super::tenant;

#[tokio::test]
async fn a_manager_gets_at_the_files_and_can_be_sent_away() {
    let tenant = tenant().await;
    let id = |employee: &str| tenant.user(employee)["id"].as_str().unwrap().to_owned();
    let (leaver, boss) = (id("W-1010"), id("W-1009"));
    let drive = tenant.client.drive(&leaver).await.unwrap();
    assert_eq!(drive.drive_type.as_deref(), Some("business"));
    assert_eq!(drive.other["owner"]["user"]["id"], leaver);
    assert_eq!(
        tenant.client.drive_root(&leaver).await.unwrap().name.as_deref(),
        Some("root")
    );
    // A lost answer is asked for again; there is one permission, and nobody gets mail.
    tenant.sandbox.fault(
        Fault::new(Effect::CutAfter)
            .on("POST", "/users/*/drive/**")
            .times(1),
    );
    let quiet = Invitation::quiet(&[&boss], ShareRole::Write);
    let made = tenant.client.share_drive(&leaver, &quiet).await.unwrap();
    assert_eq!(made[0].roles, ["write"]);
    let with = made[0].granted_to_v2.clone().unwrap().user.unwrap();
    assert_eq!(with.id.as_deref(), Some(boss.as_str()));
    assert!(tenant.sandbox.state()["mailbox"].as_array().unwrap().is_empty());
    let loud = Invitation::quiet(&[&boss], ShareRole::Read).message("Yours now");
    tenant.client.share_drive(&leaver, &loud).await.unwrap();
    assert_eq!(
        tenant.sandbox.state()["mailbox"][0]["body"]["content"],
        "Yours now"
    );
    let all = tenant.client.drive_permissions(&leaver).await.unwrap();
    let roles: Vec<&str> = all.iter().map(|one| one.roles[0].as_str()).collect();
    assert_eq!(roles, ["owner", "read"]);
    tenant.client.unshare_drive(&leaver, &all[1].id).await.unwrap();
    let gone = tenant
        .client
        .unshare_drive(&leaver, &all[1].id)
        .await
        .unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(tenant.client.drive_permissions(&leaver).await.unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_licence_there_is_no_drive_and_no_stranger_is_let_in() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    assert_eq!(
        tenant.client.drive(&ada).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let leaver = tenant.user("W-1010")["id"].as_str().unwrap().to_owned();
    let stranger = Invitation::quiet(&["nobody"], ShareRole::Read);
    let error = tenant.client.share_drive(&leaver, &stranger).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
