//! What is no event, and who may not send any.

use super::*;
use crate::secret::Secret;

#[tokio::test]
async fn what_is_no_event_is_refused_by_the_name_of_the_attribute() {
    let world = world();
    let door = world.door();
    let good = event("1", RECORD, None, &mei("Sales"));
    let without = |name: &str| {
        let mut event = good.clone();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let with = |name: &str, value: Value| {
        let mut event = good.clone();
        event[name] = value;
        event
    };
    for (event, attribute) in [
        (without("id"), "id"),
        (without("source"), "source"),
        (without("type"), "type"),
        (without("specversion"), "specversion"),
        (with("specversion", json!("0.3")), "specversion"),
        (with("id", json!(7)), "id"),
        (with("id", json!(" ")), "id"),
        (with("source", json!("x".repeat(1025))), "source"),
        (with("time", json!("yesterday")), "time"),
        (with("data_base64", json!("AAAA")), "data_base64"),
        (json!([good]), "(all)"),
    ] {
        let answer = post(&door, "application/cloudevents+json", &event.to_string()).await;
        assert_eq!(answer.status, 400, "{event}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["attribute"], attribute, "{body}");
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
        assert!(!text(&answer).contains("Tanaka"));
    }
    let headers = [
        ("ce-id", "1"),
        ("ce-source", "/hr"),
        ("ce-type", RECORD),
        ("content-type", "application/json"),
    ];
    let answer = door.receive("POST", "/", headers, b"{}").await;
    assert_eq!(
        (answer.status, text(&answer).contains("specversion")),
        (400, true)
    );
    for (content_type, status) in [
        ("application/json", 415),
        ("application/cloudevents+xml", 415),
        ("application/cloudevents+json; charset=utf-16", 415),
        ("", 415),
        ("application/cloudevents-batch+json", 400),
    ] {
        let answer = post(&door, content_type, &good.to_string()).await;
        assert_eq!(answer.status, status, "{content_type}: {}", text(&answer));
    }
    let small = door.clone().body_limit(10);
    assert_eq!(small.reads_at_most(), 11);
    assert_eq!(told_status(&small, &good).await, 413);
    let nothing: [(&str, &str); 0] = [];
    let answer = door.receive("GET", "/", nothing, b"").await;
    assert_eq!(
        (answer.status, header(&answer, "allow")),
        (405, Some("POST, OPTIONS"))
    );
    assert_eq!(world.events().await, 0);
    assert!(world.engine.dead_letters(None, 1).await.unwrap().is_empty());
}

async fn told_status(door: &CloudEvents, event: &Value) -> u16 {
    post(door, "application/cloudevents+json", &event.to_string())
        .await
        .status
}

#[tokio::test]
async fn nobody_comes_in_without_token_signature_and_origin() {
    let world = world();
    let secret = Secret::new("a secret of twenty-four bytes or more");
    let body = event("1", RECORD, None, &mei("Sales")).to_string();
    let json = ("content-type", "application/cloudevents+json");
    let bearer = world.door().bearer(Secret::new("sesame"));
    for (target, given, status) in [
        ("/hr", None, 401),
        ("/hr", Some("Bearer sesam"), 401),
        ("/hr", Some("Basic sesame"), 401),
        ("/hr?access_token=wrong", None, 401),
        // A token in the header counts, whatever the query says.
        ("/hr?access_token=sesame", Some("Bearer wrong"), 401),
        ("/hr", Some("bearer sesame"), 202),
        ("/hr?x=1&access_token=sesame", None, 202),
    ] {
        let headers = [Some(json), given.map(|given| ("authorization", given))];
        let answer = bearer
            .receive("POST", target, headers.into_iter().flatten(), body.as_bytes())
            .await;
        assert_eq!(answer.status, status, "{target} {given:?}");
        let private = status == 202 && target.contains("access_token");
        assert_eq!(header(&answer, "cache-control"), private.then_some("private"));
        assert!(!text(&answer).contains("sesame"));
    }
    let signed = world.door().signed(secret.clone());
    let stamp = now().as_second().to_string();
    let signature = crate::notify::signature(&secret, "m-1", &stamp, body.as_bytes()).unwrap();
    for (id, signature, status) in [
        ("m-1", signature.as_str(), 202),
        ("m-2", &signature, 401),
        ("m-1", "v1,", 401),
    ] {
        let headers = [
            json,
            ("webhook-id", id),
            ("webhook-timestamp", &stamp),
            ("webhook-signature", signature),
        ];
        let answer = signed.receive("POST", "/", headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{id} {signature}");
    }
    let known = world.door().origins(["EventGrid.azure.net"]);
    for (method, origin, status) in [
        ("OPTIONS", "eventgrid.azure.net", 200),
        ("OPTIONS", "evil.example", 403),
        ("POST", "eventgrid.azure.net", 202),
        ("POST", "evil.example", 403),
    ] {
        let headers = [
            json,
            ("WebHook-Request-Origin", origin),
            ("WebHook-Request-Rate", "120"),
        ];
        let answer = known.receive(method, "/", headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{method} {origin}");
        let allowed = header(&answer, "webhook-allowed-origin");
        assert_eq!(allowed, (method == "OPTIONS" && status == 200).then_some(origin));
        assert_eq!(
            header(&answer, "webhook-allowed-rate").is_some(),
            allowed.is_some()
        );
    }
    // Whoever asks without a token is told all the same: the handshake is no credential.
    let answer = bearer
        .receive("OPTIONS", "/", [("webhook-request-origin", "a.example")], b"")
        .await;
    assert_eq!(
        (answer.status, header(&answer, "webhook-allowed-origin")),
        (200, Some("a.example"))
    );
    let answer = bearer.receive("OPTIONS", "/", [json], b"").await;
    assert_eq!(
        (answer.status, header(&answer, "webhook-allowed-origin")),
        (400, None)
    );
}
