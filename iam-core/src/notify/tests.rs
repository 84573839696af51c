//! Notices: their words, who gets them, and what a webhook's receiver sees.

use std::sync::Mutex;

use super::*;
use crate::person::{Language, Notice, Person, Text};

fn mei() -> Person {
    let mut mei = Person::new(PersonKey::new("W-1"));
    (mei.given_name, mei.family_name) = (Some("Mei".into()), Some("{worker}".into()));
    mei
}

fn addressees() -> Addressees {
    Addressees {
        person: Some("mei@contoso.example".into()),
        manager: Some("boss@contoso.example".into()),
        ..Addressees::default()
    }
}

fn told(notice: Notice, words: &Words) -> Message {
    compose(notice, Some(&mei()), &addressees(), &[Recipient::Manager], words).unwrap()
}

#[test]
fn texts_speak_the_language_or_are_one_s_own_and_values_are_no_places() {
    let english = told(Notice::Left, &Words::default());
    assert_eq!(english.subject, "Mei {worker} has left");
    assert!(
        english.body.contains("(mei@contoso.example), worker W-1,"),
        "{}",
        english.body
    );
    let mut words = Words {
        language: Language::German,
        ..Words::default()
    };
    // An alert is about nobody.
    for notice in Notice::ALL.into_iter().filter(|notice| *notice != Notice::Alert) {
        let (message, other) = (told(notice, &words), told(notice, &Words::default()));
        assert!(
            message.subject.contains("Mei") && message.subject != other.subject,
            "{}",
            message.subject
        );
        let open = ["{name}", "{account}", "{day}"];
        assert!(
            !open.iter().any(|place| message.body.contains(place)),
            "{}",
            message.body
        );
    }
    let to = ["watch@contoso.example".to_owned()];
    let alert = crate::notify::alert(&to, "A plan stands", "3 of {5}", &words);
    assert_eq!(
        (alert.subject.as_str(), alert.body.as_str(), alert.to.as_slice()),
        ("A plan stands", "3 of {5}", to.as_slice())
    );
    let own = Text {
        subject: "{what}!".into(),
        body: "Look: {more}".into(),
    };
    words.texts.insert(Notice::Alert, own);
    let alert = crate::notify::alert(&to, "A plan stands", "3", &words);
    assert_eq!(
        (alert.subject.as_str(), alert.body.as_str()),
        ("A plan stands!", "Look: 3")
    );
    let own = Text {
        subject: "Bye {name}".into(),
        body: "{worker} is gone {for good}".into(),
    };
    words.texts.insert(Notice::Left, own);
    let message = told(Notice::Left, &words);
    assert_eq!(
        (message.subject.as_str(), message.body.as_str()),
        ("Bye Mei {worker}", "W-1 is gone {for good}")
    );
}

#[test]
fn a_pass_stands_in_the_text_alone_and_only_when_it_is_sent() {
    let starts = "2026-12-01T00:00:00Z".parse().unwrap();
    for language in [Language::English, Language::German] {
        let words = Words {
            language,
            ..Words::default()
        };
        let message = told(Notice::Pass, &words).with_pass(Secret::new("Xy7+pass"), starts, 240);
        assert!(!format!("{message:?}{}{}", message.subject, message.body).contains("Xy7"));
        let text = message.text();
        for part in ["Xy7+pass", "240", "2026-12-01 00:00 UTC"] {
            assert!(text.expose().contains(part), "{part}");
        }
    }
}

#[derive(Debug, Default)]
struct Pigeonhole {
    got: Mutex<Vec<String>>,
    fails: bool,
    private: bool,
}

#[async_trait]
impl Notifier for Pigeonhole {
    async fn notify(&self, message: &Message, _: &IdempotencyKey) -> Result<()> {
        self.got.lock().unwrap().push(message.subject.clone());
        if self.fails {
            return Err(Error::new(ErrorKind::Unavailable, "no"));
        }
        Ok(())
    }

    fn takes_passes(&self) -> bool {
        self.private
    }
}

fn key() -> IdempotencyKey {
    let (target, person) = (crate::entitlement::TargetId::new("t"), PersonKey::new("W-1"));
    let step = crate::plan::Step::new(&target, &person, None, crate::plan::Action::BlockSignIn, "x");
    IdempotencyKey::of(&crate::event::EventId::new("e"), &step)
}

#[tokio::test]
async fn each_of_several_is_told_and_passes_reach_those_alone_that_take_them() {
    let (failing, open, closed) = (
        Arc::new(Pigeonhole {
            fails: true,
            ..Pigeonhole::default()
        }),
        Arc::new(Pigeonhole::default()),
        Arc::new(Pigeonhole {
            private: true,
            ..Pigeonhole::default()
        }),
    );
    let all: [Arc<dyn Notifier>; 3] = [failing.clone(), open.clone(), closed.clone()];
    let all = Notifiers::new(all);
    let count = |of: &Pigeonhole| of.got.lock().unwrap().len();
    let message = told(Notice::Left, &Words::default());
    assert_eq!(
        all.notify(&message, &key()).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!((count(&failing), count(&open), count(&closed)), (1, 1, 1));
    let pass = told(Notice::Pass, &Words::default()).with_pass(Secret::new("p"), Timestamp::UNIX_EPOCH, 60);
    assert!(all.takes_passes());
    all.notify(&pass, &key()).await.unwrap();
    assert_eq!((count(&failing), count(&open), count(&closed)), (1, 1, 2));
    let none = Notifiers::new([open as Arc<dyn Notifier>]);
    assert!(!none.takes_passes() && none.notify(&pass, &key()).await.is_err());
}

#[cfg(feature = "http")]
mod http {
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::{Webhook, verify};
    use super::*;
    use crate::http::HttpTransport;
    use crate::testing::ManualClock;

    const SECRET: &str = "a secret of twenty-four bytes";

    #[tokio::test]
    async fn a_receiver_sees_a_signed_cloud_event_and_nobody_s_name() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(202))
            .mount(&server)
            .await;
        let now: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        let transport = Arc::new(HttpTransport::new().unwrap());
        let hook = Webhook::new(
            transport,
            server.uri(),
            "https://iam.contoso.example",
            SECRET.into(),
        )
        .unwrap();
        let hook = hook.clock(Arc::new(ManualClock::at(now)));
        let message = told(Notice::Left, &Words::default());
        hook.notify(&message, &key()).await.unwrap();
        hook.clone().with_text().notify(&message, &key()).await.unwrap();
        let pass = told(Notice::Pass, &Words::default()).with_pass(Secret::new("p4ss"), now, 60);
        assert_eq!(
            hook.notify(&pass, &key()).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
        assert!(!hook.takes_passes() && !format!("{hook:?}").contains("127.0.0.1"));
        let seen = server.received_requests().await.unwrap();
        let [plain, worded] = seen.as_slice() else {
            panic!("{}", seen.len())
        };
        let event: serde_json::Value = serde_json::from_slice(&plain.body).unwrap();
        let expected = serde_json::json!({
            "specversion": "1.0", "id": key().as_str(), "source": "https://iam.contoso.example",
            "type": "iam-platform.notice.left", "subject": "W-1", "time": "2026-11-24T09:00:00Z",
            "datacontenttype": "application/json", "data": {"notice": "left", "person": "W-1"},
        });
        assert_eq!(event, expected);
        assert!(String::from_utf8_lossy(&worded.body).contains("has left"));
        let header = |name: &str| plain.headers[name].to_str().unwrap();
        assert_eq!(
            header("content-type"),
            "application/cloudevents+json; charset=utf-8"
        );
        let (id, at, signed) = (
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
        );
        let check = |secret: &str, id: &str, at: &str, signed: &str, body: &[u8], now: &str| {
            verify(&secret.into(), id, at, signed, body, now.parse().unwrap()).is_ok()
        };
        let soon = "2026-11-24T09:05:00Z";
        assert!(check(SECRET, id, at, signed, &plain.body, soon));
        let rolled = format!("v1,AAAA {signed}");
        assert!(
            check(SECRET, id, at, &rolled, &plain.body, soon),
            "one of several suffices"
        );
        let other = "another secret of many bytes";
        assert!(!check(other, id, at, signed, &plain.body, soon));
        assert!(!check(SECRET, "x", at, signed, &plain.body, soon));
        assert!(!check(SECRET, id, "1795510801", signed, &plain.body, soon));
        assert!(!check(SECRET, id, at, signed, &worded.body, soon));
        assert!(!check(SECRET, id, at, "v1,", &plain.body, soon));
        assert!(
            !check(SECRET, id, at, signed, &plain.body, "2026-11-24T09:05:01Z"),
            "too old"
        );
    }

    #[tokio::test]
    async fn refusals_are_errors_and_bad_settings_are_found_at_once() {
        let transport = Arc::new(HttpTransport::new().unwrap());
        for (status, kind) in [
            (500, ErrorKind::Unavailable),
            (429, ErrorKind::Unavailable),
            (404, ErrorKind::Denied),
        ] {
            let server = MockServer::start().await;
            Mock::given(method("POST"))
                .respond_with(ResponseTemplate::new(status))
                .mount(&server)
                .await;
            let hook = Webhook::new(transport.clone(), server.uri(), "x", SECRET.into()).unwrap();
            let error = hook
                .notify(&told(Notice::Left, &Words::default()), &key())
                .await
                .unwrap_err();
            assert_eq!(error.kind(), kind);
        }
        for (url, secret) in [
            ("http://hooks.example/x", SECRET),
            ("https://hooks.example/x", "short"),
            ("https://hooks.example/x", "whsec_!"),
            ("nowhere", SECRET),
        ] {
            let refused = Webhook::new(transport.clone(), url, "x", secret.into()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{url}");
        }
    }
}
