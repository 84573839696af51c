//! The built-in tasks of Lifecycle Workflows, and what does the same here.
//!
//! Source: Microsoft Learn, "Lifecycle Workflow built-in tasks", "List taskDefinitions".

use super::super::import::Fate;

/// A built-in task of Entra's Lifecycle Workflows, and its equivalent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkflowTask {
    /// Its `taskDefinitionId`, lower case.
    pub id: &'static str,
    /// Its display name.
    pub name: &'static str,
    /// How far it is done here.
    pub fate: Fate,
    /// By what, or what is missing.
    pub equivalent: &'static str,
    pub(super) does: Does,
}

/// What the importer makes of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Gives what an argument lists: a rule does.
    Groups(&'static str),
    Licenses,
    Packages,
    /// Tells somebody when somebody starts, moves or leaves.
    Notify(Moment, &'static str),
    /// Happens by itself in workflows of this category.
    Always(&'static str),
    /// Takes something away that no rule asks for: from movers by itself, from leavers always.
    Takes,
    Delete,
    /// Tells somebody so many days before the last day.
    Remind,
    /// Tells somebody after so many days without a sign-in.
    Idle,
    /// Gives a pass for the first day.
    Pass,
    /// Hands sponsorships to the manager.
    Sponsorships,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    Joiner,
    Mover,
    Leaver,
}

const fn task(
    id: &'static str,
    name: &'static str,
    fate: Fate,
    does: Does,
    equivalent: &'static str,
) -> WorkflowTask {
    WorkflowTask {
        id,
        name,
        fate,
        equivalent,
        does,
    }
}

/// All of them, in the order of Microsoft's table.
pub(super) const TASKS: [WorkflowTask; 31] = [
    task(
        "70b29d51-b59a-4773-9280-8841dfd3f2ea",
        "Send welcome email to new hire",
        Fate::Mapped,
        Does::Notify(Moment::Joiner, "person"),
        "`[joiner] notify = [\"person\"]`, sent on the first day",
    ),
    task(
        "3c860712-2d37-42a4-928f-5c93935d26a1",
        "Send onboarding reminder email",
        Fate::Partly,
        Does::Notify(Moment::Joiner, "manager"),
        "`[joiner] notify = [\"manager\"]`, sent on the first day, not before",
    ),
    task(
        "1b555e50-7f65-41d5-b514-5894a026d10d",
        "Generate TAP and send email",
        Fate::Mapped,
        Does::Pass,
        "`[joiner] pass_before`: good for one sign-in from the first day on, mailed to the manager, HR or the private address",
    ),
    task(
        "aab41899-9972-422a-9d97-f626014578b7",
        "Send email to notify manager of user move",
        Fate::Mapped,
        Does::Notify(Moment::Mover, "manager"),
        "`[mover] notify = [\"manager\"]`",
    ),
    task(
        "c1ec1e76-f374-4375-aaa6-0bb6bd4c60be",
        "Request user access package assignment",
        Fate::Mapped,
        Does::Packages,
        "`access_packages` of a rule, as `id:<id>` or by name",
    ),
    task(
        "683c87a4-2ad4-420b-97d4-220d90afcd24",
        "Assign licenses to user",
        Fate::Mapped,
        Does::Licenses,
        "`licenses` of a rule: seats are counted, and they go when the rule stops asking",
    ),
    task(
        "22085229-5809-45e8-97fd-270d28d66910",
        "Add user to groups",
        Fate::Mapped,
        Does::Groups("groupID"),
        "`groups` of a rule, as `id:<id>` or by name",
    ),
    task(
        "e440ed8d-25a1-4618-84ce-091ed5be5594",
        "Add user to teams",
        Fate::Mapped,
        Does::Groups("teamID"),
        "`groups` of a rule: a team is its Microsoft 365 group",
    ),
    task(
        "2c8f4a1b-7d3e-4f9c-8a5b-6e1d2c3f4a5b",
        "Update user attributes",
        Fate::Partly,
        Does::Nothing,
        "attributes follow HR by themselves; values that HR does not say are nobody's",
    ),
    task(
        "6fc52c9d-398b-4305-9763-15f42c1676fc",
        "Enable user account",
        Fate::Implied,
        Does::Always("joiner"),
        "step `allow_sign_in`, at the start of the first day where the person works",
    ),
    task(
        "4262b724-8dba-4fad-afc3-43fcbb497a0e",
        "Run a custom task extension",
        Fate::Partly,
        Does::Nothing,
        "step `custom` (`Action::Custom`) of your own `Orchestrator`, carried out by a `Target` that names its kind",
    ),
    task(
        "1dfdfcc7-52fa-4c2e-bf3a-e3919cc12950",
        "Disable user account",
        Fate::Implied,
        Does::Always("leaver"),
        "step `block_sign_in`: the first of every leave",
    ),
    task(
        "1953a66c-751c-45e5-8bfe-01462c70da3c",
        "Remove user from selected groups",
        Fate::Implied,
        Does::Takes,
        "step `revoke`: what the platform gave and no rule asks for goes, after the rule's grace",
    ),
    task(
        "b3a31406-2a15-4c9a-b25b-a658fa5f07fc",
        "Remove user from all groups",
        Fate::Implied,
        Does::Takes,
        "step `revoke`: a leaver holds nothing; dynamic and synced groups are reported",
    ),
    task(
        "06aa7acb-01af-4824-8899-b14e5ed788d6",
        "Remove user from selected teams",
        Fate::Implied,
        Does::Takes,
        "step `revoke`, as for groups",
    ),
    task(
        "81f7b200-2816-4b3b-8c5d-dc556f07b024",
        "Remove user from all teams",
        Fate::Implied,
        Does::Takes,
        "step `revoke`, as for groups",
    ),
    task(
        "4a0b64f2-c7ec-46ba-b117-18f262946c50",
        "Remove access package assignment for user",
        Fate::Implied,
        Does::Takes,
        "step `revoke`: what the platform gave and no rule asks for goes, after the rule's grace",
    ),
    task(
        "42ae2956-193d-4f39-be06-691b8ac4fa1d",
        "Remove all access package assignments for user",
        Fate::Implied,
        Does::Takes,
        "step `revoke`: a leaver holds none, whoever gave it",
    ),
    task(
        "498770d9-bab7-4e4c-b73d-5ded82a1d0b3",
        "Cancel all pending access package assignment requests",
        Fate::Partly,
        Does::Takes,
        "step `revoke`, where an administrator is signed in: no application may cancel by itself, so that elsewhere each request is reported",
    ),
    task(
        "5fc402a8-daaf-4b7b-9203-da868b05fc5f",
        "Remove selected license assignments from user",
        Fate::Implied,
        Does::Takes,
        "step `revoke`: what the platform gave and no rule asks for goes, after the rule's grace",
    ),
    task(
        "509589a4-0466-4471-829e-49c5e502bdee",
        "Revoke all refresh tokens for user",
        Fate::Implied,
        Does::Always("leaver"),
        "step `revoke_sessions`: the second of every leave",
    ),
    task(
        "b8c4e1f9-3a7d-4b2e-9c5f-8d6a9b1c2e3f",
        "Email manager about sponsorship changes",
        Fate::Partly,
        Does::Nothing,
        "`[leaver] notify = [\"manager\"]` tells of the leave; what went with `sponsorships` stands in the plan and the outcomes, not in the mail",
    ),
    task(
        "ad3b85cd-75b1-43e7-b4b9-0e52faba3944",
        "Email co-sponsors about sponsor changes",
        Fate::Partly,
        Does::Nothing,
        "co-sponsors stay, and nobody writes to them: a `Publisher` of your own is told of the step `hand_over_sponsorships` by the outbox",
    ),
    task(
        "b8f4c3d5-9e7a-4b1c-8f2d-6a5e8b9c7f4a",
        "Transfer agent identity sponsorships to manager",
        Fate::Mapped,
        Does::Sponsorships,
        "`[leaver] sponsorships = \"manager\"`: of agent identities, agents' users and guests",
    ),
    task(
        "8fa97d28-3e52-4985-b3a9-a1126f9b8b4e",
        "Remove all license assignments from user",
        Fate::Implied,
        Does::Takes,
        "step `revoke`: a leaver holds none; those that come with a group go with it",
    ),
    task(
        "8d18588d-9ad3-4c0f-99d0-ec215f0e3dff",
        "Delete user account",
        Fate::Mapped,
        Does::Delete,
        "`[leaver] delete_after`: restorable until it is purged",
    ),
    task(
        "52853a3e-f4e5-4eb8-bb24-1ac09a1da935",
        "Send email before user's last day",
        Fate::Mapped,
        Does::Remind,
        "`[leaver] remind_before`, to the manager or whom `remind` names",
    ),
    task(
        "9c0a1eaf-5bda-4392-9d9e-6e155bb57411",
        "Send email on user's last day",
        Fate::Partly,
        Does::Notify(Moment::Leaver, "manager"),
        "`[leaver] notify = [\"manager\"]`, sent when access is gone",
    ),
    task(
        "6f22ddd4-b3a5-47a4-a846-0d7c201a49ce",
        "Send email after user's last day",
        Fate::Mapped,
        Does::Notify(Moment::Leaver, "manager"),
        "`[leaver] notify = [\"manager\"]`, sent when access is gone",
    ),
    task(
        "92f74cb4-f1b6-4ec0-b766-96210f56edc2",
        "Send email about user inactivity",
        Fate::Partly,
        Does::Idle,
        "`[inactivity] after`, to the manager or whom `notify` names; words and periods of more than one are not kept",
    ),
    task(
        "a8e4c7f2-9d1b-4a3e-b5c6-8f2e7a9d4c1b",
        "Send email about removal of unsponsored guests",
        Fate::Partly,
        Does::Nothing,
        "no guest is removed here, so that nobody is told of it; with `[leaver] sponsorships = \"manager\"` a leave leaves none without a sponsor",
    ),
];

/// The 31 built-in tasks of Lifecycle Workflows, in the order of Microsoft's table, and what does the same here.
pub fn workflow_tasks() -> &'static [WorkflowTask] {
    &TASKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_readme_has_every_task_with_what_becomes_of_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let rows: Vec<&str> = readme
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains("-4"))
            .collect();
        let expected: Vec<String> = TASKS
            .iter()
            .map(|task| {
                format!(
                    "| {} `{}` | {} | {} |",
                    task.name,
                    task.id,
                    task.fate.as_str(),
                    task.equivalent
                )
            })
            .collect();
        assert_eq!(rows, expected);
        let mut ids: Vec<&str> = TASKS.iter().map(|task| task.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 31);
        assert!(ids.iter().all(|id| id.len() == 36 && id.to_lowercase() == **id));
    }
}
