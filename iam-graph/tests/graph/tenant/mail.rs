//! Mail through the tenant's mailboxes.

use iam_core::ErrorKind;
use iam_core::entitlement::Kind;
use iam_core::event::EventId;
use iam_core::notify::{Message, Notifier};
use iam_core::person::PersonKey;
use iam_core::plan::{Action, IdempotencyKey, Notice, Step};
use iam_core::target::{Applied, Target};
use iam_graph::GraphMail;
use iam_graph::mailbox::{AutomaticReplies, NO_MAILBOX};
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::json;

use super::{DONE, tenant};

#[tokio::test]
async fn mail_leaves_once_and_not_at_all_when_refused() {
    let tenant = tenant().await;
    let to = vec!["boss@contoso.example".to_owned()];
    let message = Message::new(Notice::Joined, PersonKey::new("W-1"), to, "Hi", "Text");
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

#[tokio::test]
async fn a_mailbox_answers_until_it_is_told_not_to() {
    let tenant = tenant().await;
    let ada = tenant.ada().await;
    let set = || Action::SetAutomaticReply {
        text: "Gone <for good>".to_owned(),
    };
    // Fresh as the account is, that there is no mailbox is an answer, not a matter of waiting.
    let none = tenant.apply(&ada, set()).await.unwrap();
    assert!(
        matches!(&none, Applied::NotApplicable { why } if why.contains("no mailbox")),
        "{none:?}"
    );
    let end = tenant.apply(&ada, Action::EndAutomaticReply).await.unwrap_err();
    assert_eq!((end.kind(), end.code()), (ErrorKind::NotFound, Some(NO_MAILBOX)));
    tenant.grant(&ada, Kind::License, "SPE_E3").await.unwrap();
    assert_eq!(tenant.apply(&ada, set()).await.unwrap(), DONE);
    let settings = tenant.client.mailbox_settings(&ada).await.unwrap();
    let replies = settings.automatic_replies_setting;
    assert!(replies.is_on());
    assert_eq!(
        replies.external_reply_message.as_deref(),
        Some("Gone &lt;for good&gt;")
    );
    assert_eq!(tenant.apply(&ada, Action::EndAutomaticReply).await.unwrap(), DONE);
    assert_eq!(tenant.user(&ada)["automaticReplies"]["status"], "disabled");
    let at = |text: &str| text.parse().unwrap();
    let week = AutomaticReplies::scheduled("Away", at("2999-12-01T08:00:00Z"), at("2999-12-08T08:00:00Z"));
    tenant.client.set_automatic_replies(&ada, &week).await.unwrap();
    let settings = tenant.client.mailbox_settings(&ada).await.unwrap();
    assert_eq!(
        settings.automatic_replies_setting.status.as_deref(),
        Some("scheduled")
    );
    assert_eq!(settings.user_purpose.as_deref(), Some("user"));
}
