//! Mail is never sent twice.

use iam_core::ErrorKind;
use iam_core::notify::{Message, Notifier};
use iam_core::person::PersonKey;
use iam_core::plan::{Action, Notice, Step};
use iam_core::target::Target;
use iam_graph::GraphMail;
use serde_json::Value;

use super::{failure, graph, key};

#[tokio::test]
async fn mail_is_sent_at_most_once() {
    async fn check(first: (u16, Value), expect: Option<ErrorKind>, requests: usize) {
        let graph = graph(move |_, before| {
            if before == 0 {
                first.clone()
            } else {
                (202, Value::Null)
            }
        })
        .await;
        let mail = GraphMail::new(graph.client.clone(), "hr@x.example");
        let to = vec!["a@x.example".to_owned()];
        let message = Message::new(Notice::Joined, PersonKey::new("W-1"), to, "s", "b");
        let step = Step::new(
            graph.target.id(),
            &PersonKey::new("W-1"),
            None,
            Action::RevokeSessions,
            "",
        );
        let outcome = mail.notify(&message, &key(&step)).await;
        assert_eq!(outcome.err().map(|error| error.kind()), expect);
        assert_eq!(
            graph.sent().await,
            vec!["POST /users/hr%40x.example/sendMail"; requests]
        );
    }
    check((202, Value::Null), None, 1).await;
    check(failure(429, "TooManyRequests", ""), None, 2).await;
    check(
        failure(503, "serviceNotAvailable", ""),
        Some(ErrorKind::OutcomeUnknown),
        1,
    )
    .await;
    check(failure(403, "ErrorAccessDenied", ""), Some(ErrorKind::Denied), 1).await;
}
