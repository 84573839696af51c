//! Reads what a policy document says of the courses of joiners, movers and leavers, and of who is told.

use crate::entitlement::{Kind, Reference};
use crate::person::Recipient;

use super::source::{Position, Section, Source};
use super::{Legacy, Pass, Settings, words};

/// What a mailbox answers whose policy has no words of its own: nothing about the person, not even that they
/// have left.
const STANDARD_REPLY: &str = "This mailbox is no longer in use, and your message will not be read.";
/// How many minutes a pass is good where the policy does not say: the longest that tenants allow by default.
const STANDARD_LIFETIME: u32 = 480;
/// The longest reply, in characters.
const LONGEST_REPLY: usize = 2_000;

/// `[joiner]`, `[mover]`, `[inactivity]`, `[leave_of_absence]`, `[leaver]` and `[notify]`; and what they name of the tenant, with
/// the key and the place.
pub(super) fn lifecycle(
    top: &Section<'_, '_>,
    settings: &mut Settings,
    source: &mut Source<'_>,
) -> Vec<(&'static str, Reference, Position)> {
    let (mut hr_is_told, mut passes, mut named) = (None, None, Vec::new());
    let mut looks: Vec<(&'static str, usize)> = Vec::new();
    let mut recipients = |section: &Section<'_, '_>, key: &str, source: &mut Source<'_>| {
        let mut recipients = Vec::new();
        for written in section.texts(key, source) {
            recipients.push(match written.value {
                "person" => Recipient::Person,
                "manager" => Recipient::Manager,
                "hr" => {
                    hr_is_told.get_or_insert(written.span.start);
                    Recipient::Hr
                }
                _ => {
                    section.refuse(
                        key,
                        written.span.start,
                        "\"person\", \"manager\" or \"hr\"",
                        source,
                    );
                    continue;
                }
            });
        }
        recipients
    };
    if let Some(joiner) = top.child(
        "joiner",
        "[joiner]",
        &[
            "create_before",
            "notify",
            "pass_before",
            "pass_lifetime",
            "pass_to",
            "no_show_after",
            "no_show",
        ],
        &[],
        source,
    ) {
        settings.create_before = joiner.days("create_before", source).unwrap_or(0);
        settings.joiner_notify = recipients(&joiner, "notify", source);
        settings.no_show_after = joiner.days("no_show_after", source);
        settings.no_show = recipients(&joiner, "no_show", source);
        if joiner.has("no_show_after") {
            looks.push(("no_show_after in [joiner]", joiner.at_key("no_show_after")));
        } else if joiner.has("no_show") {
            let message = "no_show in [joiner] says who is told, and without no_show_after nobody is";
            source.refuse(joiner.at_key("no_show"), message);
        }
        if settings.no_show_after == Some(0) {
            joiner.refuse(
                "no_show_after",
                joiner.at_key("no_show_after"),
                "at least \"1d\"",
                source,
            );
        }
        settings.pass = pass(&joiner, settings.create_before, source);
        passes = settings
            .pass
            .as_ref()
            .map(|pass| (joiner.at_key("pass_before"), pass.to.contains(&Recipient::Hr)));
    }
    if let Some(mover) = top.child("mover", "[mover]", &["notify"], &[], source) {
        settings.mover_notify = recipients(&mover, "notify", source);
    }
    if let Some(inactivity) = top.child("inactivity", "[inactivity]", &["after", "notify"], &[], source) {
        settings.idle_after = inactivity.days("after", source);
        settings.idle = recipients(&inactivity, "notify", source);
        if settings.idle.is_empty() {
            settings.idle.push(Recipient::Manager);
        }
        looks.push(("after in [inactivity]", inactivity.at_key("after")));
        if settings.idle_after.is_none_or(|days| days == 0) {
            inactivity.refuse("after", inactivity.at_key("after"), "at least \"1d\"", source);
        }
    }
    let leave = top.child(
        "leave_of_absence",
        "[leave_of_absence]",
        &["sign_in"],
        &[],
        source,
    );
    if let Some(leave) = leave
        && let Some(sign_in) = leave.text("sign_in", source)
    {
        settings.leave_blocks_sign_in = sign_in.value != "keep";
        if !["block", "keep"].contains(&sign_in.value) {
            leave.refuse("sign_in", sign_in.span.start, "\"block\" or \"keep\"", source);
        }
    }
    let known = [
        "password",
        "mailbox",
        "onedrive",
        "owned_groups",
        "sponsorships",
        "direct_reports",
        "held_mailboxes",
        "delete_after",
        "notify",
        "remind_before",
        "remind",
    ];
    if let Some(leaver) = top.child("leaver", "[leaver]", &known, &[], source) {
        if let Some(password) = leaver.text("password", source) {
            settings.reset_password = password.value != "keep";
            if !["reset", "keep"].contains(&password.value) {
                leaver.refuse("password", password.span.start, "\"reset\" or \"keep\"", source);
            }
        }
        let (reply, forward) = replies(&leaver, source);
        settings.automatic_reply = reply;
        let taken = [
            (Legacy::Drive, to_manager(&leaver, "onedrive", source)),
            (Legacy::Groups, to_manager(&leaver, "owned_groups", source)),
            (Legacy::Sponsorships, to_manager(&leaver, "sponsorships", source)),
            (Legacy::Reports, to_manager(&leaver, "direct_reports", source)),
            (Legacy::Mail, forward),
        ];
        let taken = taken.into_iter().filter(|(_, taken)| *taken);
        settings.manager_takes = taken.map(|(legacy, _)| legacy).collect();
        if let Some(written) = leaver.text("held_mailboxes", source) {
            let reference = Reference::new(Kind::Group, written.value.trim());
            settings.held_mailboxes = Some(reference.clone());
            named.push(("held_mailboxes", reference, source.position(written.span.start)));
        }
        settings.delete_after = leaver.days("delete_after", source);
        settings.remind_before = leaver.days("remind_before", source);
        settings.remind = recipients(&leaver, "remind", source);
        if leaver.has("remind") && !leaver.has("remind_before") {
            let message = "remind in [leaver] says who is told, and without remind_before nobody is";
            source.refuse(leaver.at_key("remind"), message);
        } else if settings.remind_before.is_some() && settings.remind.is_empty() {
            settings.remind.push(Recipient::Manager);
        }
        settings.leaver_notify = recipients(&leaver, "notify", source);
    }
    if settings.no_show_after.is_some() && settings.no_show.is_empty() {
        settings.no_show.push(Recipient::Hr);
        hr_is_told = hr_is_told.or(looks.first().map(|(_, at)| *at));
    }
    if let Some(notify) = top.child(
        "notify",
        "[notify]",
        &["from", "hr", "language", "text"],
        &[],
        source,
    ) {
        settings.words = words::words(&notify, source);
        settings.notify_from = mailbox(&notify, "from", source);
        settings.hr_mail = mailbox(&notify, "hr", source);
        if let (Some(at), true, false) = (hr_is_told, notify.has("from"), notify.has("hr")) {
            source.refuse(at, "\"hr\" is to be told, but [notify] names no hr mailbox");
        }
    }
    for (key, at) in looks.into_iter().filter(|_| settings.notify_from.is_none()) {
        source.refuse(
            at,
            format!("{key} tells people by mail, but [notify] names no mailbox to send from"),
        );
    }
    let Some((at, to_hr)) = passes else { return named };
    if settings.notify_from.is_none() {
        source.refuse(
            at,
            "passes are sent by mail, but [notify] names no mailbox to send from",
        );
    } else if to_hr && settings.hr_mail.is_none() {
        source.refuse(at, "\"hr\" is to get passes, but [notify] names no hr mailbox");
    }
    named
}

/// `pass_before`, `pass_lifetime` and `pass_to` of `[joiner]`.
fn pass(joiner: &Section<'_, '_>, create_before: u32, source: &mut Source<'_>) -> Option<Pass> {
    let mut to = Vec::new();
    for written in joiner.texts("pass_to", source) {
        to.push(match written.value {
            "manager" => Recipient::Manager,
            "hr" => Recipient::Hr,
            "private" => Recipient::Private,
            _ => {
                let expected = "\"manager\", \"hr\" or \"private\" (the address that HR has): the new mailbox \
                                cannot be opened without the pass";
                joiner.refuse("pass_to", written.span.start, expected, source);
                continue;
            }
        });
    }
    if to.is_empty() {
        to.push(Recipient::Manager);
    }
    let minutes = joiner.minutes("pass_lifetime", 10..=43_200, source);
    if !joiner.has("pass_before") {
        for key in ["pass_lifetime", "pass_to"] {
            if joiner.has(key) {
                let message =
                    format!("{key} in [joiner] says how passes are, and without pass_before there are none");
                source.refuse(joiner.at_key(key), message);
            }
        }
        return None;
    }
    let before = joiner.days("pass_before", source)?;
    if before > create_before {
        let expected = format!("at most create_before ({create_before}d): there is no account before that");
        joiner.refuse("pass_before", joiner.at_key("pass_before"), &expected, source);
    }
    Some(Pass {
        before,
        minutes: minutes.unwrap_or(STANDARD_LIFETIME),
        to,
    })
}

/// A key whose only value is `"manager"`.
fn to_manager(section: &Section<'_, '_>, key: &str, source: &mut Source<'_>) -> bool {
    let Some(written) = section.text(key, source) else {
        return false;
    };
    if written.value != "manager" {
        section.refuse(key, written.span.start, "\"manager\"", source);
    }
    true
}

/// `mailbox = "auto-reply"`, or a table with the words of the reply, or whom to write to instead, or both; and whether
/// the mail is sent on to the manager.
fn replies(leaver: &Section<'_, '_>, source: &mut Source<'_>) -> (Option<String>, bool) {
    let Some((span, value)) = leaver.value("mailbox") else {
        return (None, false);
    };
    if value.as_table().is_none() {
        if value.as_str() == Some("auto-reply") {
            return (Some(STANDARD_REPLY.to_owned()), false);
        }
        let expected =
            "\"auto-reply\", or a table such as { auto_reply = \"…\", contact = \"desk@contoso.example\" }";
        leaver.refuse("mailbox", span.start, expected, source);
        return (None, false);
    }
    let keys = ["auto_reply", "contact", "forward"];
    let Some(table) = leaver.child("mailbox", "mailbox of [leaver]", &keys, &[], source) else {
        return (None, false);
    };
    if !keys.iter().any(|key| table.has(key)) {
        let message = "mailbox of [leaver] says nothing: name auto_reply, contact, forward or some of them";
        source.refuse(span.start, message);
    }
    let forward = to_manager(&table, "forward", source);
    if !table.has("auto_reply") && !table.has("contact") {
        return (None, forward);
    }
    let words = table.text("auto_reply", source);
    if let Some(words) = &words
        && words.value.chars().count() > LONGEST_REPLY
    {
        let expected = format!("at most {LONGEST_REPLY} characters");
        table.refuse("auto_reply", words.span.start, &expected, source);
    }
    let words = words.map_or(STANDARD_REPLY, |words| words.value.trim());
    let words = match mailbox(&table, "contact", source) {
        Some(contact) => format!("{words} Please write to {contact} instead."),
        None => words.to_owned(),
    };
    (Some(words), forward)
}

fn mailbox(section: &Section<'_, '_>, key: &str, source: &mut Source<'_>) -> Option<String> {
    let written = section.text(key, source)?;
    if !is_address(written.value) {
        section.refuse(key, written.span.start, "a mail address", source);
    }
    Some(written.value.to_owned())
}

pub(super) fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !text.contains(char::is_whitespace)
    })
}
