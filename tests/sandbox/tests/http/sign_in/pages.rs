//! The pages, and who gets through them.

use super::*;

#[tokio::test]
async fn who_may_not_come_in_is_told_why() {
    let mut browser = Browser::new().await;
    let right = Sandbox::user_password();
    let page = browser.authorize(&[]).await;
    for unknown in ["who@contoso.example", "<b>@x", "W-1010"] {
        let page = browser.fill(&page, &[("username", unknown)]).await;
        assert!(
            page.text.contains("AADSTS50034") && page.text.contains("role=\"alert\""),
            "{}",
            page.text
        );
        assert!(!page.text.contains("<b>"));
    }
    // Whether an account is blocked is told to those who know its password.
    let page = browser
        .password("portal.blocked@contoso.example", "wrong", &[])
        .await;
    assert!(page.text.contains("AADSTS50126"), "{}", page.text);
    let page = browser
        .password("portal.blocked@contoso.example", right, &[])
        .await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("AADSTS50057"), "{}", page.text);
    assert!(browser.cookie.is_empty());

    // Ten wrong passwords lock the account for a minute.
    let mut page = browser.password(AUDITOR, "wrong", &[]).await;
    for _ in 0..10 {
        assert!(page.text.contains("AADSTS50126"), "{}", page.text);
        page = browser.fill(&page, &[("password", "Wrong-1")]).await;
    }
    assert!(page.text.contains("AADSTS50053"), "{}", page.text);
    let page = browser.fill(&page, &[("password", right)]).await;
    assert!(
        page.text.contains("AADSTS50053"),
        "the right one does not help: {}",
        page.text
    );
    browser.sandbox.advance(Duration::from_mins(1));
    let page = browser.fill(&page, &[("password", right)]).await;
    assert_eq!(page.status, 302, "{}", page.text);

    let mut tenant = Tenant::with(browser.sandbox).await;
    tenant.sign_in().await;
    let logged = tenant
        .get("/auditLogs/signIns?$filter=status/errorCode eq 50057")
        .await;
    let all = tenant.get("/auditLogs/signIns").await;
    let blocked = all
        .values()
        .iter()
        .filter(|entry| entry["status"]["errorCode"] == 50057)
        .count();
    assert_eq!(blocked, 1, "{} {}", logged.text, all.text);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_where_there_is_one() {
    let mut browser = Browser::new().await;
    let admin = "portal.admin@contoso.example";
    let page = browser.password(admin, Sandbox::user_password(), &[]).await;
    assert!(
        page.text.contains("Enter code") && browser.cookie.is_empty(),
        "{}",
        page.text
    );
    let page = browser.fill(&page, &[("code", "000000")]).await;
    assert!(
        page.text.contains("AADSTS500121") && browser.cookie.is_empty(),
        "{}",
        page.text
    );
    let reply = browser.fill(&page, &[("code", Sandbox::mfa_code())]).await;
    let code = query(reply.header("location"))["code"].clone();
    let reply = browser.token(&[("code", &code)]).await;
    assert_eq!(claims(&reply.body["access_token"])["roles"], json!(["IAM.Admin"]));

    // The code does not stand for the password.
    let page = browser.authorize(&[("prompt", "login")]).await;
    let page = browser.fill(&page, &[("username", admin)]).await;
    let page = browser.fill(&page, &[("code", Sandbox::mfa_code())]).await;
    assert!(
        page.status == 200 && page.text.contains("Enter password"),
        "{}",
        page.text
    );

    // Somebody who registers one later is asked for it, signed in or not.
    let mut other = Browser::new().await;
    other.code(AUDITOR, &[]).await;
    let user = other.sandbox.user(AUDITOR).unwrap();
    let phone = json!({ "phoneNumber": "+61 412345678", "phoneType": "mobile" });
    let path = format!(
        "/users/{}/authentication/phoneMethods",
        user["id"].as_str().unwrap()
    );
    other.sandbox.act("POST", &path, Some(phone)).unwrap();
    let reply = other.authorize(&[("prompt", "none")]).await;
    let answer = query(reply.header("location"));
    assert_eq!(answer["error"], "interaction_required");
    assert!(
        answer["error_description"].starts_with("AADSTS50076: "),
        "{answer:?}"
    );
    let page = other.authorize(&[]).await;
    let reply = other.fill(&page, &[("code", Sandbox::mfa_code())]).await;
    assert!(query(reply.header("location")).contains_key("code"));
    assert_eq!(other.authorize(&[("prompt", "none")]).await.status, 302);
}

#[tokio::test]
async fn a_first_password_must_be_changed() {
    let mut browser = Browser::new().await;
    let new = json!({
        "accountEnabled": true, "displayName": "Ann", "mailNickname": "ann", "userPrincipalName": "ann@contoso.example",
        "passwordProfile": { "password": "First-Pass-123", "forceChangePasswordNextSignIn": true },
    });
    browser.sandbox.act("POST", "/users", Some(new)).unwrap();
    let page = browser
        .password("ann@contoso.example", Sandbox::user_password(), &[])
        .await;
    assert!(
        page.text.contains("AADSTS50126"),
        "the password of the seed is not everybody's"
    );
    let page = browser.fill(&page, &[("password", "First-Pass-123")]).await;
    assert!(page.text.contains("Update your password"), "{}", page.text);
    for (old, new, again, problem) in [
        (
            "First-Pass-124",
            "Second-Pass-123",
            "Second-Pass-123",
            "AADSTS50126",
        ),
        (
            "First-Pass-123",
            "Second-Pass-123",
            "Second-Pass-124",
            "do not match",
        ),
        (
            "First-Pass-123",
            "First-Pass-123",
            "First-Pass-123",
            "not used before",
        ),
        ("First-Pass-123", "short", "short", "harder to guess"),
    ] {
        let form = [("password", old), ("new_password", new), ("confirm", again)];
        let page = browser.fill(&page, &form).await;
        assert!(
            page.status == 200 && page.text.contains(problem),
            "{problem}: {}",
            page.text
        );
    }
    let form = [
        ("password", "First-Pass-123"),
        ("new_password", "Second-Pass-123"),
        ("confirm", "Second-Pass-123"),
    ];
    let reply = browser.fill(&page, &form).await;
    assert_eq!(reply.status, 302, "{}", reply.text);
    assert_eq!(
        browser.sandbox.user("ann@contoso.example").unwrap()["passwordVersion"],
        2
    );
    browser.cookie.clear();
    assert!(
        browser
            .password("ann@contoso.example", "First-Pass-123", &[])
            .await
            .text
            .contains("AADSTS50126")
    );
    assert_eq!(
        browser
            .password("ann@contoso.example", "Second-Pass-123", &[])
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn whoever_is_signed_in_is_not_asked_again_unless_the_application_wants_it() {
    let mut browser = Browser::new().await;
    let reply = browser.authorize(&[("prompt", "none")]).await;
    let answer = query(reply.header("location"));
    assert_eq!(
        (answer["error"].as_str(), answer["state"].as_str()),
        ("login_required", "s&1")
    );
    assert!(
        answer["error_description"].starts_with("AADSTS50058: "),
        "{answer:?}"
    );

    browser.code(AUDITOR, &[]).await;
    for silent in ["", "none"] {
        let reply = browser.authorize(&[("prompt", silent)]).await;
        assert!(
            query(reply.header("location")).contains_key("code"),
            "{}",
            reply.text
        );
    }
    let page = browser
        .authorize(&[("prompt", "login"), ("login_hint", AUDITOR)])
        .await;
    assert!(
        page.text.contains("Enter password") && page.text.contains(AUDITOR),
        "{}",
        page.text
    );
    let page = browser.authorize(&[("prompt", "select_account")]).await;
    assert!(
        page.text.contains("Pick an account") && page.text.contains("Portal Auditor"),
        "{}",
        page.text
    );
    let id = browser.sandbox.user(AUDITOR).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reply = browser.fill(&page, &[("account", &id)]).await;
    assert!(query(reply.header("location")).contains_key("code"));
    // Somebody who is not signed in here cannot be picked.
    let page = browser.authorize(&[("prompt", "select_account")]).await;
    let helpdesk = "portal.helpdesk@contoso.example";
    let other = browser.sandbox.user(helpdesk).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reply = browser.fill(&page, &[("account", &other)]).await;
    assert!(
        reply.status == 200 && reply.text.contains("Email or user name"),
        "{}",
        reply.text
    );

    // A second account beside the first.
    let page = browser.fill(&page, &[("other", "1")]).await;
    let page = browser.fill(&page, &[("username", helpdesk)]).await;
    assert_eq!(
        browser
            .fill(&page, &[("password", Sandbox::user_password())])
            .await
            .status,
        302
    );
    let page = browser.authorize(&[]).await;
    assert!(
        page.text.contains("Portal Auditor") && page.text.contains("Portal Helpdesk"),
        "{}",
        page.text
    );
    let reply = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(query(reply.header("location"))["error"], "interaction_required");
    let reply = browser
        .authorize(&[("prompt", "none"), ("login_hint", helpdesk)])
        .await;
    assert!(query(reply.header("location")).contains_key("code"));

    // Revoked, blocked, another password: the browser does not help any more.
    browser
        .sandbox
        .act("POST", &format!("/users/{other}/revokeSignInSessions"), None)
        .unwrap();
    let reply = browser
        .authorize(&[("prompt", "none"), ("login_hint", helpdesk)])
        .await;
    assert_eq!(query(reply.header("location"))["error"], "login_required");
    browser
        .sandbox
        .act(
            "PATCH",
            &format!("/users/{id}"),
            Some(json!({ "accountEnabled": false })),
        )
        .unwrap();
    let reply = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(query(reply.header("location"))["error"], "login_required");
}
