//! Whether those whom the engine was given can run the errands that the policy asks for.

use crate::notify::Notifier;
use crate::policy::{Legacy, Settings};
use crate::target::Target;

/// What the policy asks for and nobody can do, one clause each.
pub(super) fn unserved(
    settings: &Settings,
    directory: &dyn Target,
    notifier: Option<&dyn Notifier>,
) -> Vec<String> {
    let takes = |legacy| settings.manager_takes.contains(&legacy);
    let asked = [
        (
            settings.automatic_reply.is_some(),
            "set_automatic_reply",
            "mailbox in [leaver]",
            "set automatic replies",
        ),
        (
            settings.pass.is_some(),
            "issue_pass",
            "pass_before in [joiner]",
            "issue passes",
        ),
        (
            takes(Legacy::Drive),
            "share_drive",
            "onedrive in [leaver]",
            "share drives",
        ),
        (
            takes(Legacy::Groups),
            "hand_over_groups",
            "owned_groups in [leaver]",
            "hand groups over",
        ),
        (
            takes(Legacy::Sponsorships),
            "hand_over_sponsorships",
            "sponsorships in [leaver]",
            "hand sponsorships over",
        ),
        (
            takes(Legacy::Mail),
            "forward_mail",
            "forward in mailbox of [leaver]",
            "forward mail",
        ),
    ];
    let able = directory.capabilities().actions;
    let asked = asked
        .into_iter()
        .filter(|(wanted, kind, ..)| *wanted && !able.contains_key(kind));
    let mut problems: Vec<String> = asked
        .map(|(_, _, key, what)| format!("{key}: {} cannot {what}", directory.id()))
        .collect();
    if settings.pass.is_some() && !notifier.is_some_and(Notifier::takes_passes) {
        problems.push("pass_before in [joiner]: no notifier is configured that takes passes".to_owned());
    }
    if !settings.alert.is_empty() && notifier.is_none() {
        problems.push("notify in [guard]: no notifier is configured".to_owned());
    }
    let looks = [
        (settings.no_show_after.is_some(), "no_show_after in [joiner]"),
        (settings.idle_after.is_some(), "after in [inactivity]"),
    ];
    for (_, key) in looks
        .into_iter()
        .filter(|(wanted, _)| *wanted && !directory.tells_sign_ins())
    {
        problems.push(format!("{key}: {} does not tell sign-ins", directory.id()));
    }
    problems
}
