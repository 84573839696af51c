//! Mail through the tenant's mailboxes.

use iam_core::ErrorKind;
use iam_core::event::EventId;
use iam_core::notify::{Message, Notifier};
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::Target;
use iam_graph::GraphMail;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::json;

use super::tenant;

#[tokio::test]
async fn mail_leaves_once_and_not_at_all_when_refused() {
    let tenant = tenant().await;
    let message = Message {
        to: vec!["boss@contoso.example".into()],
        subject: "Hi".into(),
        body: "Text".into(),
    };
    let step = Step::new(
        tenant.target.id(),
        &PersonKey::new("W-5001"),
        None,
        Action::RevokeSessions,
        "",
    );
    let key = IdempotencyKey::of(&EventId::new("e1"), &step);
    let mail = GraphMail::new(tenant.client.clone(), "hr-robot@contoso.example");
    tenant.sandbox.fault(
        Fault::new(Effect::Throttle {
            retry_after: RetryAfter::Seconds(0),
        })
        .times(1),
    );
    mail.notify(&message, &key).await.unwrap();
    tenant.sandbox.fault(
        Fault::new(Effect::CutAfter)
            .on("POST", "/users/*/sendMail")
            .times(1),
    );
    let lost = mail.notify(&message, &key).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
    let mailbox = tenant.sandbox.state()["mailbox"].as_array().unwrap().clone();
    assert_eq!(mailbox.len(), 2);
    assert_eq!(
        (&mailbox[0]["to"][0], &mailbox[0]["saveToSentItems"]),
        (&json!("boss@contoso.example"), &json!(false))
    );
    let nobody = GraphMail::new(tenant.client.clone(), "break-glass@contoso.example");
    let error = nobody.notify(&message, &key).await.unwrap_err();
    assert!(error.to_string().contains("mailbox"), "{error}");
}
