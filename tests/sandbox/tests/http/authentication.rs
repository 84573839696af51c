//! Authentication methods and temporary access passes.

use std::time::Duration;

use iam_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::Tenant;

const PASSWORD: &str = "28c10230-6103-485e-b985-444c60001490";
const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";

#[tokio::test]
async fn methods_are_listed_and_each_form_is_deleted_under_its_own_name() {
    let tenant = Tenant::start().await;
    let state = tenant.sandbox.state();
    let users = state["users"].as_array().unwrap();
    let veteran = users
        .iter()
        .find(|user| !user["authenticationMethods"].as_array().unwrap().is_empty())
        .unwrap();
    let id = veteran["id"].as_str().unwrap();
    let at = format!("/users/{id}/authentication");
    let all = tenant.get(&format!("{at}/methods")).await;
    assert_eq!(
        all.column("@odata.type"),
        [
            "#microsoft.graph.passwordAuthenticationMethod",
            "#microsoft.graph.phoneAuthenticationMethod",
            "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod",
            "#microsoft.graph.fido2AuthenticationMethod",
            "#microsoft.graph.softwareOathAuthenticationMethod",
            "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod",
        ]
    );
    let one = tenant.get(&format!("{at}/methods/{MOBILE}")).await;
    assert_eq!(one.body["phoneType"], "mobile");
    tenant
        .check(&format!("DELETE {at}/methods/{MOBILE}"), Value::Null, 405, "")
        .await;
    tenant
        .check(
            &format!("DELETE {at}/passwordMethods/{PASSWORD}"),
            Value::Null,
            405,
            "",
        )
        .await;
    tenant
        .check(
            &format!("DELETE {at}/fido2Methods/{MOBILE}"),
            Value::Null,
            404,
            MOBILE,
        )
        .await;
    // What sign-in asks for first goes last.
    let refused = tenant
        .check(
            &format!("DELETE {at}/phoneMethods/{MOBILE}"),
            Value::Null,
            400,
            "default authentication method",
        )
        .await;
    assert_eq!(refused.code(), "badRequest");
    for form in [
        "microsoftAuthenticatorMethods",
        "softwareOathMethods",
        "fido2Methods",
        "windowsHelloForBusinessMethods",
        "phoneMethods",
    ] {
        let found = tenant.get(&format!("{at}/{form}")).await;
        let key = found.values()[0]["id"].as_str().unwrap();
        tenant
            .check(&format!("DELETE {at}/{form}/{key}"), Value::Null, 204, "")
            .await;
        tenant
            .check(&format!("GET {at}/{form}/{key}"), Value::Null, 404, "")
            .await;
    }
    assert_eq!(
        tenant.get(&format!("{at}/methods")).await.column("id"),
        [PASSWORD]
    );
    tenant
        .check(&format!("GET {at}/palmMethods"), Value::Null, 400, "palmMethods")
        .await;
    tenant
        .check("GET /users/nobody/authentication/methods", Value::Null, 404, "")
        .await;
}

#[tokio::test]
async fn numbers_and_addresses_are_registered_once() {
    let tenant = Tenant::empty().await;
    tenant.hire("ann", json!({})).await;
    let at = "/users/ann@contoso.example/authentication";
    let phone = json!({ "phoneNumber": "+61 412345678", "phoneType": "mobile" });
    let post = format!("POST {at}/phoneMethods");
    let made = tenant.check(&post, phone.clone(), 201, "").await;
    assert_eq!(made.body["id"], MOBILE);
    tenant.check(&post, phone, 400, "already").await;
    for bad in [
        json!({ "phoneNumber": "0412345678", "phoneType": "mobile" }),
        json!({ "phoneNumber": "+61 412345678", "phoneType": "fax" }),
        json!({ "phoneType": "mobile" }),
    ] {
        tenant.check(&post, bad, 400, "phone").await;
    }
    let change = json!({ "phoneNumber": "+61 487654321" });
    tenant
        .check(&format!("PATCH {at}/phoneMethods/{MOBILE}"), change, 204, "")
        .await;
    let seen = tenant.get(&format!("{at}/phoneMethods")).await;
    assert_eq!(seen.column("phoneNumber"), ["+61 487654321"]);
    let mail = json!({ "emailAddress": "ann@home.example" });
    tenant
        .check(&format!("POST {at}/emailMethods"), mail, 201, "ann@home.example")
        .await;
    tenant
        .check(&format!("POST {at}/fido2Methods"), json!({}), 405, "")
        .await;
}

#[tokio::test]
async fn a_pass_is_shown_once_and_a_new_one_takes_its_place() {
    let mut tenant = Tenant::empty().await;
    tenant.sandbox.set_token_lifetime(Duration::from_hours(7 * 24));
    tenant.sign_in().await;
    let ann = tenant.hire("ann", json!({})).await;
    let at = format!("/users/{ann}/authentication/temporaryAccessPassMethods");
    let post = format!("POST {at}");
    let wish = json!({ "lifetimeInMinutes": 90, "isUsableOnce": true });
    let made = tenant.check(&post, wish, 201, "").await;
    let (id, pass) = (
        made.body["id"].as_str().unwrap(),
        made.body["temporaryAccessPass"].as_str().unwrap(),
    );
    assert_eq!((pass.len(), &made.body["lifetimeInMinutes"]), (8, &json!(90)));
    assert_eq!(
        (&made.body["isUsable"], &made.body["isUsableOnce"]),
        (&json!(true), &json!(true))
    );
    for path in [
        at.clone(),
        format!("{at}/{id}"),
        format!("/users/{ann}/authentication/methods"),
    ] {
        let seen = tenant.get(&path).await;
        assert!(seen.text.contains(id) && !seen.text.contains(pass), "{path}");
    }
    assert!(!tenant.sandbox.state().to_string().contains(pass));

    let tomorrow = tenant.sandbox.now() + Duration::from_hours(24);
    let later = json!({ "startDateTime": tomorrow.to_string(), "lifetimeInMinutes": 60 });
    let second = tenant.check(&post, later, 201, "NotYetValid").await;
    assert_eq!(
        tenant.get(&at).await.column("id"),
        [second.body["id"].as_str().unwrap()]
    );
    tenant
        .check(&format!("DELETE {at}/{id}"), Value::Null, 404, "")
        .await;
    let reason = async || {
        let seen = tenant.get(&at).await;
        seen.values()[0]["methodUsabilityReason"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    tenant.sandbox.advance(Duration::from_mins(24 * 60 + 1));
    assert_eq!(reason().await, "EnabledByPolicy");
    tenant.sandbox.advance(Duration::from_hours(1));
    assert_eq!(reason().await, "Expired");
    let key = second.body["id"].as_str().unwrap();
    tenant
        .check(&format!("DELETE {at}/{key}"), Value::Null, 204, "")
        .await;
    assert!(tenant.get(&at).await.values().is_empty());
}

#[tokio::test]
async fn passes_outside_the_policy_are_refused() {
    let tenant = Tenant::empty().await;
    tenant.hire("ann", json!({})).await;
    let post = "POST /users/ann@contoso.example/authentication/temporaryAccessPassMethods";
    for minutes in [json!(9), json!(43_201), json!("60"), json!(-1)] {
        let refused = tenant
            .check(post, json!({ "lifetimeInMinutes": minutes }), 400, "10 and 43200")
            .await;
        assert_eq!(refused.code(), "badRequest");
    }
    tenant
        .check(post, json!({ "startDateTime": "soon" }), 400, "startDateTime")
        .await;
    tenant
        .check(post, json!({ "isUsableOnce": "yes" }), 400, "isUsableOnce")
        .await;
    tenant
        .check(
            post,
            json!({ "temporaryAccessPass": "mine" }),
            400,
            "temporaryAccessPass",
        )
        .await;
    for minutes in [10, 43_200] {
        tenant
            .check(post, json!({ "lifetimeInMinutes": minutes }), 201, "")
            .await;
    }
    assert_eq!(
        tenant.check(post, Value::Null, 201, "").await.body["lifetimeInMinutes"],
        60
    );
    tenant
        .hire(
            "guest",
            json!({ "userPrincipalName": "g_home.example#EXT#@contoso.example" }),
        )
        .await;
    let guest =
        "POST /users/g_home.example%23EXT%23%40contoso.example/authentication/temporaryAccessPassMethods";
    tenant.check(guest, json!({}), 400, "external guest user").await;
}

#[tokio::test]
async fn a_recording_has_no_pass() {
    let name = format!("iam-sandbox-passes-{}.jsonl", std::process::id());
    let file = std::env::temp_dir().join(name);
    let tenant = Tenant::with(Sandbox::builder().empty().record(&file).start().await.unwrap()).await;
    tenant.hire("ann", json!({})).await;
    let post = "POST /users/ann@contoso.example/authentication/temporaryAccessPassMethods";
    let made = tenant.check(post, json!({}), 201, "").await;
    let pass = made.body["temporaryAccessPass"].as_str().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(text.contains("temporaryAccessPass") && !text.contains(pass));
}
