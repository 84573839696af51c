//! What a mailbox is set to: its automatic replies, and what else Graph tells.
//!
//! Source: Microsoft Learn, "Get user mailbox settings", "Update user mailbox settings",
//! "automaticRepliesSetting resource type", "dateTimeTimeZone resource type".

use iam_core::Result;
use iam_core::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{GraphClient, Root};
use crate::odata::segment;

/// The code of a refusal because there is no mailbox in Exchange Online: none yet, none any more, or one on the
/// premises.
pub const NO_MAILBOX: &str = "MailboxNotEnabledForRESTAPI";

/// The settings of a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct MailboxSettings {
    /// Whether, when and what it answers by itself.
    pub automatic_replies_setting: AutomaticReplies,
    /// `user`, `shared`, `room` and so on.
    pub user_purpose: Option<String>,
    /// A Windows or IANA name.
    pub time_zone: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Whether, when and what a mailbox answers by itself. A field that is `None` is left as it is by an update.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AutomaticReplies {
    /// `disabled`, `alwaysEnabled` or `scheduled`, in whichever case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Who outside the organisation is answered: `none`, `contactsOnly` or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_audience: Option<String>,
    /// The answer to people of the organisation, in HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_reply_message: Option<String>,
    /// The answer to everybody else, in HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_reply_message: Option<String>,
    /// When a `scheduled` reply begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_start_date_time: Option<DateTimeTimeZone>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_end_date_time: Option<DateTimeTimeZone>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A local time, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct DateTimeTimeZone {
    /// `2026-11-24T18:00:00.0000000`, without an offset.
    pub date_time: String,
    /// `UTC`, or a Windows or IANA name.
    pub time_zone: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl DateTimeTimeZone {
    /// An instant, in UTC.
    pub fn utc(at: jiff::Timestamp) -> Self {
        Self {
            date_time: at.strftime("%Y-%m-%dT%H:%M:%S%.7f").to_string(),
            time_zone: Some("UTC".to_owned()),
            other: Map::new(),
        }
    }
}

impl AutomaticReplies {
    /// Answers everybody, inside and outside, from now on. `text` is plain: it is made HTML here.
    pub fn always(text: &str) -> Self {
        let html = html(text);
        Self {
            status: Some("alwaysEnabled".to_owned()),
            external_audience: Some("all".to_owned()),
            internal_reply_message: Some(html.clone()),
            external_reply_message: Some(html),
            ..Self::default()
        }
    }

    /// The same between two instants. Graph takes periods to come only.
    pub fn scheduled(text: &str, from: jiff::Timestamp, until: jiff::Timestamp) -> Self {
        Self {
            status: Some("scheduled".to_owned()),
            scheduled_start_date_time: Some(DateTimeTimeZone::utc(from)),
            scheduled_end_date_time: Some(DateTimeTimeZone::utc(until)),
            ..Self::always(text)
        }
    }

    /// Answers nobody. What was answered is kept.
    pub fn off() -> Self {
        Self {
            status: Some("disabled".to_owned()),
            ..Self::default()
        }
    }

    /// Whether somebody is answered, now or in the scheduled time.
    pub fn is_on(&self) -> bool {
        let off = |status: &str| status.eq_ignore_ascii_case("disabled");
        self.status.as_deref().is_some_and(|status| !off(status))
    }
}

/// Plain text as HTML.
fn html(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    escaped.lines().collect::<Vec<_>>().join("<br>")
}

impl Root {
    pub(crate) fn mailbox_settings(&self, user: &str) -> Request {
        self.get(
            &format!("/users/{}/mailboxSettings", segment(user)),
            "get mailbox settings",
        )
    }

    pub(crate) fn set_automatic_replies(&self, user: &str, replies: &AutomaticReplies) -> Result<Request> {
        let path = format!("/users/{}/mailboxSettings", segment(user));
        self.request(Method::Patch, &path, "set automatic replies")
            .json(&json!({ "automaticRepliesSetting": replies }))
    }
}

impl GraphClient {
    /// The settings of a user's mailbox.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) with the code [`NO_MAILBOX`] where there is no mailbox.
    pub async fn mailbox_settings(&self, user: &str) -> Result<MailboxSettings> {
        self.fetch(self.root.mailbox_settings(user)).await
    }

    /// Says whether, when and what a user's mailbox answers by itself. Repeating is harmless.
    ///
    /// # Errors
    /// [`NotFound`](iam_core::ErrorKind::NotFound) with the code [`NO_MAILBOX`] where there is no mailbox;
    /// [`Denied`](iam_core::ErrorKind::Denied) without the application permission `MailboxSettings.ReadWrite`,
    /// or where an application access policy in Exchange keeps the application out of the mailbox.
    pub async fn set_automatic_replies(&self, user: &str, replies: &AutomaticReplies) -> Result<()> {
        self.send(self.root.set_automatic_replies(user, replies)?)
            .await
            .map(drop)
    }
}

/// The words stay out of logs: people write what they like into them.
impl std::fmt::Debug for AutomaticReplies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AutomaticReplies")
            .field("status", &self.status)
            .field("external_audience", &self.external_audience)
            .field("scheduled_start_date_time", &self.scheduled_start_date_time)
            .field("scheduled_end_date_time", &self.scheduled_end_date_time)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{check, root};

    #[test]
    fn requests_are_as_documented() {
        check(
            root().mailbox_settings("a@x"),
            "GET",
            "/users/a%40x/mailboxSettings",
            Value::Null,
        );
        let on = AutomaticReplies::always("Gone & <away>.\nWrite to desk@x.example.");
        let text = "Gone &amp; &lt;away&gt;.<br>Write to desk@x.example.";
        let body = json!({"automaticRepliesSetting": {
            "status": "alwaysEnabled", "externalAudience": "all",
            "internalReplyMessage": text, "externalReplyMessage": text,
        }});
        let request = root().set_automatic_replies("u1", &on).unwrap();
        assert!(request.idempotent, "it names the state to reach");
        check(request, "PATCH", "/users/u1/mailboxSettings", body);
        let off = json!({"automaticRepliesSetting": {"status": "disabled"}});
        let request = root()
            .set_automatic_replies("u1", &AutomaticReplies::off())
            .unwrap();
        check(request, "PATCH", "/users/u1/mailboxSettings", off);
        let at = |text: &str| text.parse().unwrap();
        let week =
            AutomaticReplies::scheduled("Away", at("2026-12-01T08:00:00Z"), at("2026-12-08T08:00:00Z"));
        let body = serde_json::to_value(&week).unwrap();
        assert_eq!(
            body["scheduledEndDateTime"],
            json!({"dateTime": "2026-12-08T08:00:00.0000000", "timeZone": "UTC"})
        );
        assert_eq!(body["status"], "scheduled");
    }

    #[test]
    fn answers_keep_what_is_unknown_and_debug_keeps_the_words() {
        let text = json!({
            "@odata.context": "x", "userPurpose": "shared", "dateFormat": "dd/MM",
            "automaticRepliesSetting": {"status": "Scheduled", "internalReplyMessage": "My aunt is ill", "new": 1},
        });
        let settings: MailboxSettings = serde_json::from_value(text.clone()).unwrap();
        assert!(settings.automatic_replies_setting.is_on());
        assert!(!AutomaticReplies::off().is_on());
        assert!(!format!("{settings:?}").contains("aunt"));
        let back = serde_json::to_value(&settings).unwrap();
        for path in [
            "/dateFormat",
            "/userPurpose",
            "/automaticRepliesSetting/new",
            "/automaticRepliesSetting/status",
        ] {
            assert_eq!(back.pointer(path), text.pointer(path), "{path}");
        }
    }
}
