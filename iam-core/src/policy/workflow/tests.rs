//! Exported workflows in, a policy and its remarks out.

use super::*;
use crate::entitlement::Reference;
use crate::person::{Person, PersonKey, Recipient};
use crate::policy::{AccessPolicy, Document, Subject};

/// As `GET …/lifecycleWorkflows/workflows?$expand=tasks` answers.
const EXPORT: &str = r##"{
  "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#identityGovernance/lifecycleWorkflows/workflows",
  "value": [
    {
      "category": "joiner", "displayName": "Onboard: marketing!", "description": "x", "id": "1", "version": 2,
      "isEnabled": true, "isSchedulingEnabled": true, "createdDateTime": "2026-01-01T00:00:00Z",
      "executionConditions": {
        "@odata.type": "#microsoft.graph.identityGovernance.triggerAndScopeBasedConditions",
        "scope": { "@odata.type": "#microsoft.graph.identityGovernance.ruleBasedSubjectSet", "rule": "(department eq 'Marketing')" },
        "trigger": { "@odata.type": "#microsoft.graph.identityGovernance.timeBasedAttributeTrigger", "timeBasedAttribute": "employeeHireDate", "offsetInDays": -7 }
      },
      "tasks": [
        { "taskDefinitionId": "22085229-5809-45e8-97fd-270d28d66910", "displayName": "Add user to groups", "isEnabled": true, "continueOnError": false,
          "arguments": [{ "name": "groupID", "value": "aaaa, bbbb" }] },
        { "taskDefinitionId": "683C87A4-2AD4-420B-97D4-220D90AFCD24", "displayName": "Assign licenses", "isEnabled": true,
          "arguments": [{ "name": "licenses", "value": "cccc" }] },
        { "taskDefinitionId": "1b555e50-7f65-41d5-b514-5894a026d10d", "displayName": "TAP", "isEnabled": true,
          "arguments": [{ "name": "tapLifetimeMinutes", "value": "480" }] },
        { "taskDefinitionId": "70b29d51-b59a-4773-9280-8841dfd3f2ea", "displayName": "Welcome", "isEnabled": true,
          "arguments": [{ "name": "customSubject", "value": "Hello\n[guard]" }, { "name": "cc", "value": "" }] },
        { "taskDefinitionId": "6fc52c9d-398b-4305-9763-15f42c1676fc", "isEnabled": true, "arguments": [] },
        { "taskDefinitionId": "4262b724-8dba-4fad-afc3-43fcbb497a0e", "displayName": "Badge", "isEnabled": false },
        { "taskDefinitionId": "00000000-0000-0000-0000-000000000000", "displayName": "Tomorrow's", "isEnabled": true }
      ]
    },
    {
      "category": "mover", "displayName": "Onboard marketing", "isEnabled": true,
      "executionConditions": {
        "@odata.type": "#microsoft.graph.identityGovernance.triggerAndScopeBasedConditions",
        "scope": { "@odata.type": "#microsoft.graph.identityGovernance.ruleBasedSubjectSet", "rule": "city eq 'Oslo'" },
        "trigger": { "@odata.type": "#microsoft.graph.identityGovernance.attributeChangeTrigger", "triggerAttributes": [{ "name": "department" }] }
      },
      "tasks": [
        { "taskDefinitionId": "e440ed8d-25a1-4618-84ce-091ed5be5594", "displayName": "Team", "isEnabled": true, "arguments": [{ "name": "teamID", "value": "dddd" }] },
        { "taskDefinitionId": "aab41899-9972-422a-9d97-f626014578b7", "displayName": "Tell", "isEnabled": true }
      ]
    },
    {
      "category": "leaver", "displayName": "Offboard", "isEnabled": true,
      "executionConditions": {
        "@odata.type": "#microsoft.graph.identityGovernance.triggerAndScopeBasedConditions",
        "scope": { "@odata.type": "#microsoft.graph.identityGovernance.ruleBasedSubjectSet", "rule": "department eq 'Marketing'" },
        "trigger": { "@odata.type": "#microsoft.graph.identityGovernance.timeBasedAttributeTrigger", "timeBasedAttribute": "employeeLeaveDateTime", "offsetInDays": 30 }
      },
      "tasks": [
        { "taskDefinitionId": "1dfdfcc7-52fa-4c2e-bf3a-e3919cc12950", "displayName": "Disable", "isEnabled": true, "arguments": [{ "name": "disableOnPremisesAccount", "value": "true" }] },
        { "taskDefinitionId": "b3a31406-2a15-4c9a-b25b-a658fa5f07fc", "displayName": "Groups", "isEnabled": true },
        { "taskDefinitionId": "8d18588d-9ad3-4c0f-99d0-ec215f0e3dff", "displayName": "Delete", "isEnabled": true },
        { "taskDefinitionId": "22085229-5809-45e8-97fd-270d28d66910", "displayName": "Alumni", "isEnabled": true, "arguments": [{ "name": "groupID", "value": "eeee" }] }
      ],
      "administrationScopeTargets": [{ "id": "x" }]
    },
    { "category": "leaver", "displayName": "Off", "isEnabled": false }
  ]
}"##;

#[test]
fn an_export_becomes_a_policy_and_every_part_is_accounted_for_with_its_line() {
    let imported = import_workflows(EXPORT, "contoso.example").unwrap();
    let document = Document::parse(&imported.policy).unwrap();
    let settings = document.settings();
    assert_eq!((settings.create_before, settings.delete_after), (7, Some(30)));
    assert_eq!(settings.joiner_notify, [Recipient::Person]);
    assert_eq!(settings.mover_notify, [Recipient::Manager]);
    let given = |department: &str| {
        let mut person = Person::new(PersonKey::new("W-1"));
        person.department = Some(department.to_owned());
        let subject = Subject {
            person: &person,
            manager: None,
        };
        let desired = document.desired(&subject, jiff::civil::date(2026, 1, 1)).unwrap();
        desired
            .grants
            .into_iter()
            .map(|grant| grant.what)
            .map(|what: Reference| what.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(
        given("Marketing"),
        "group \"id:aaaa\", group \"id:bbbb\", licence \"id:cccc\""
    );
    assert_eq!(given("marketing"), "", "compared with case, as Entra does");

    // With a mailbox to send from, the passes may come.
    let sending = imported
        .policy
        .replace("# pass", "pass")
        .replace("# [notify]", "[notify]")
        .replace("# from", "from");
    let pass = Document::parse(&sending)
        .unwrap()
        .settings()
        .pass
        .clone()
        .unwrap();
    assert_eq!((pass.before, pass.minutes), (7, 480));

    let lines: Vec<&str> = imported.policy.lines().collect();
    let told: Vec<String> = imported
        .remarks
        .iter()
        .map(|remark| {
            let line = remark.line.map_or("", |line| lines[line - 1]);
            let line: String = line.chars().take(24).collect();
            format!("{} {} -> {line}", remark.fate.as_str(), remark.part)
        })
        .collect();
    let expected = [
        "mapped workflow \"Onboard: marketing!\": trigger -> create_before = \"7d\"",
        "partly workflow \"Onboard: marketing!\": task \"TAP\" -> # pass_before = \"7d\"",
        "partly workflow \"Onboard: marketing!\": task \"Welcome\" -> notify = [\"person\"]",
        "missing workflow \"Onboard: marketing!\": task \"Welcome\": argument customSubject -> # not mapped: workflow \"",
        "implied workflow \"Onboard: marketing!\": task \"Enable user account\" -> ",
        "missing workflow \"Onboard: marketing!\": task \"Badge\" -> # not mapped: workflow \"",
        "missing workflow \"Onboard: marketing!\": task \"Tomorrow's\" -> # not mapped: workflow \"",
        "mapped workflow \"Onboard: marketing!\": scope -> [[rule]]",
        "mapped workflow \"Onboard: marketing!\": task \"Add user to groups\" -> [[rule]]",
        "mapped workflow \"Onboard: marketing!\": task \"Assign licenses\" -> [[rule]]",
        "missing workflow \"Onboard marketing\": scope -> # not mapped: workflow \"",
        "implied workflow \"Onboard marketing\": trigger -> ",
        "missing workflow \"Onboard marketing\": task \"Team\" -> # not mapped: workflow \"",
        "partly workflow \"Onboard marketing\": task \"Tell\" -> notify = [\"manager\"]",
        "partly workflow \"Offboard\": scope -> ",
        "partly workflow \"Offboard\": trigger -> ",
        "missing workflow \"Offboard\": administrationScopeTargets -> # not mapped: workflow \"",
        "implied workflow \"Offboard\": task \"Disable\" -> ",
        "missing workflow \"Offboard\": task \"Disable\": argument disableOnPremisesAccount -> # not mapped: workflow \"",
        "implied workflow \"Offboard\": task \"Groups\" -> ",
        "mapped workflow \"Offboard\": task \"Delete\" -> delete_after = \"30d\"",
        "missing workflow \"Offboard\": task \"Alumni\" -> # not mapped: workflow \"",
        "missing workflow \"Off\" -> # not mapped: workflow \"",
    ];
    for expected in expected {
        assert!(
            told.iter().any(|told| told == expected),
            "{expected}\nnot in {told:#?}"
        );
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    assert_eq!(imported.missing().count(), 9);
    assert!(
        imported.policy.contains("would give id:dddd: the scope"),
        "{}",
        imported.policy
    );
}

/// A workflow with one task of every definition, in a category that takes it.
fn with_task(id: &str, category: &str) -> String {
    let trigger = match category {
        "leaver" => {
            "timeBasedAttributeTrigger\", \"timeBasedAttribute\": \"employeeLeaveDateTime\", \"offsetInDays\": 3"
        }
        "leaving" => {
            "timeBasedAttributeTrigger\", \"timeBasedAttribute\": \"employeeLeaveDateTime\", \"offsetInDays\": -7"
        }
        "silent" => "userInactivityTrigger\", \"inactivityPeriodInDays\": 90",
        "joiner" => {
            "timeBasedAttributeTrigger\", \"timeBasedAttribute\": \"employeeHireDate\", \"offsetInDays\": -3"
        }
        _ => "attributeChangeTrigger\"",
    };
    let category = if ["leaving", "silent"].contains(&category) {
        "leaver"
    } else {
        category
    };
    format!(
        r##"{{"category": "{category}", "displayName": "W", "isEnabled": true, "tasks": [
            {{"taskDefinitionId": "{id}", "displayName": "T", "isEnabled": true, "arguments": [
              {{"name": "groupID", "value": "g"}}, {{"name": "teamID", "value": "t"}}, {{"name": "licenses", "value": "l"}},
              {{"name": "accessPackageId", "value": "p"}}, {{"name": "assignmentPolicyId", "value": "q"}}]}}],
            "executionConditions": {{"scope": {{"rule": "department eq 'a'"}}, "trigger":
              {{"@odata.type": "#microsoft.graph.identityGovernance.{trigger}}}}}}}"##
    )
}

#[test]
fn every_built_in_task_is_known_and_told_of() {
    assert_eq!(workflow_tasks().len(), 31);
    for task in workflow_tasks() {
        let fates: Vec<Fate> = ["joiner", "mover", "leaver", "leaving", "silent"]
            .iter()
            .map(|category| {
                let imported = import_workflows(&with_task(task.id, category), "contoso.example").unwrap();
                let remarks: Vec<_> = imported
                    .remarks
                    .iter()
                    .filter(|remark| remark.part.ends_with("task \"T\""))
                    .collect();
                let [remark] = remarks.as_slice() else {
                    panic!("{}: {imported}", task.name)
                };
                assert!(
                    !remark.remark.contains("unknown"),
                    "{}: {}",
                    task.name,
                    remark.remark
                );
                remark.fate
            })
            .collect();
        // In one category at least it is what the table says; mails are the platform's own words.
        let table = task.fate;
        let words = matches!(task.does, Does::Notify(..) | Does::Pass | Does::Remind)
            .then_some(Fate::Partly)
            .unwrap_or(table);
        assert!(fates.contains(&words), "{}: {fates:?}, not {words:?}", task.name);
    }
}

#[test]
fn tasks_of_access_packages_become_rules_and_revocations() {
    let [asks, one, all, cancel] = [
        "c1ec1e76-f374-4375-aaa6-0bb6bd4c60be",
        "4a0b64f2-c7ec-46ba-b117-18f262946c50",
        "42ae2956-193d-4f39-be06-691b8ac4fa1d",
        "498770d9-bab7-4e4c-b73d-5ded82a1d0b3",
    ]
    .map(|id| move |category: &str| import_workflows(&with_task(id, category), "contoso.example").unwrap());
    let imported = asks("joiner");
    assert!(
        imported.policy.contains("access_packages = [\"id:p\"]"),
        "{}",
        imported.policy
    );
    assert!(
        imported.policy.contains("assigned by policy q"),
        "{}",
        imported.policy
    );
    let mut person = Person::new(PersonKey::new("W-1"));
    person.department = Some("a".to_owned());
    let subject = Subject {
        person: &person,
        manager: None,
    };
    let document = Document::parse(&imported.policy).unwrap();
    let desired = document.desired(&subject, jiff::civil::date(2026, 1, 1)).unwrap();
    let given: Vec<String> = desired
        .grants
        .iter()
        .map(|grant| grant.what.to_string())
        .collect();
    assert_eq!(given, ["access package \"id:p\""]);
    assert!(
        !asks("leaver").policy.contains("[[rule]]"),
        "nothing is given to a leaver"
    );
    let fate = |imported: &Imported| {
        let mut of_it = imported
            .remarks
            .iter()
            .filter(|remark| remark.part.contains("task \"T\""));
        of_it.next().map(|remark| remark.fate)
    };
    assert_eq!(fate(&one("mover")), Some(Fate::Implied));
    assert_eq!(fate(&all("leaver")), Some(Fate::Implied));
    assert_eq!(fate(&cancel("leaver")), Some(Fate::Partly));
}

#[test]
fn a_mail_before_the_last_day_is_sent_as_many_days_before() {
    let remind = with_task("52853a3e-f4e5-4eb8-bb24-1ac09a1da935", "leaving");
    let document = Document::parse(&import_workflows(&remind, "contoso.example").unwrap().policy).unwrap();
    let settings = document.settings();
    assert_eq!((settings.remind_before, settings.remind.len()), (Some(7), 1));
}

#[test]
fn a_mail_about_silence_is_proposed_and_sends_nobody_away() {
    let text = with_task("92f74cb4-f1b6-4ec0-b766-96210f56edc2", "silent");
    let imported = import_workflows(&text, "contoso.example").unwrap();
    for line in ["# [inactivity]", "# after = \"90d\""] {
        assert!(
            imported.policy.lines().any(|known| known == line),
            "{}",
            imported.policy
        );
    }
    let fate = |part: &str| {
        imported
            .remarks
            .iter()
            .find(|remark| remark.part.contains(part))
            .map(|remark| remark.fate)
    };
    assert_eq!(
        (fate("task \"T\""), fate("trigger")),
        (Some(Fate::Partly), Some(Fate::Partly))
    );
    // With the # away and a mailbox, it is what it says.
    let policy = imported
        .policy
        .replace("# [inactivity]", "[inactivity]")
        .replace("# after", "after");
    let policy = policy.replace("# [notify]", "[notify]").replace("# from", "from");
    let document = Document::parse(&policy).unwrap();
    assert_eq!(
        (document.settings().idle_after, document.settings().delete_after),
        (Some(90), None)
    );
}

#[test]
fn a_workflow_that_nobody_can_tell_for_whom_or_when_gives_nothing_and_deletes_nobody() {
    let groups = with_task("22085229-5809-45e8-97fd-270d28d66910", "joiner");
    let document =
        |text: &str| Document::parse(&import_workflows(text, "contoso.example").unwrap().policy).unwrap();
    assert_eq!(document(&groups).rule_ids(), ["w"]);
    for (from, to) in [
        ("timeBasedAttributeTrigger", "membershipChangeTrigger"),
        ("\"trigger\"", "\"other\""),
        ("\"scope\"", "\"other\""),
        ("\"rule\"", "\"group\""),
        (
            "\"executionConditions\": {",
            "\"executionConditions\": {\"@odata.type\": \"#x.onDemandExecutionOnly\",",
        ),
        ("\"executionConditions\"", "\"conditions\""),
    ] {
        let text = groups.replace(from, to);
        assert!(text != groups && document(&text).rule_ids().is_empty(), "{to}");
    }
    let delete = with_task("8d18588d-9ad3-4c0f-99d0-ec215f0e3dff", "leaver");
    assert_eq!(document(&delete).settings().delete_after, Some(3));
    for (from, to) in [
        ("timeBasedAttributeTrigger", "userInactivityTrigger"),
        ("employeeLeaveDateTime", "createdDateTime"),
        (
            "\"executionConditions\": {",
            "\"executionConditions\": {\"@odata.type\": \"#x.onDemandExecutionOnly\",",
        ),
    ] {
        let text = delete.replace(from, to);
        assert!(
            text != delete && document(&text).settings().delete_after.is_none(),
            "{to}"
        );
    }
}

#[test]
fn what_is_no_workflow_is_refused_and_what_is_strange_never_panics() {
    for (text, message) in [
        ("", "workflows: not JSON, line 1, column 0"),
        ("5", "workflows: expected a workflow, or a list of them"),
        (
            r#"{"value": 5}"#,
            "workflows: expected a workflow, or a list of them",
        ),
        ("[5]", "workflows: workflow 1: expected an object"),
        (
            r#"[{"category": "joiner", "tasks": [5]}]"#,
            "workflows: workflow \"1\": expected an object for each task",
        ),
    ] {
        let error = import_workflows(text, "contoso.example").unwrap_err();
        assert_eq!(error.message(), message, "{text}");
    }
    for text in [
        "[]",
        r#"{"category": "joiner"}"#,
        r#"{"category": "x", "displayName": "\n\u0000[[rule]]\"'"}"#,
        r#"{"category": "mover", "displayName": "\"\"\"\\", "executionConditions": {"scope": {}, "trigger": {}}, "tasks": [{}]}"#,
        r#"{"category": "leaver", "tasks": [{"taskDefinitionId": "8d18588d-9ad3-4c0f-99d0-ec215f0e3dff"}],
            "executionConditions": {"trigger": {"@odata.type": "timeBasedAttributeTrigger", "timeBasedAttribute": "employeeLeaveDateTime", "offsetInDays": -9000000000000000000}}}"#,
    ] {
        import_workflows(text, "contoso.example").unwrap();
    }
    assert_eq!(
        import_workflows(
            &EXPORT.replace("\"offsetInDays\": 30", "\"offsetInDays\": 99999"),
            "contoso.example"
        )
        .unwrap_err()
        .message()
        .split(':')
        .next(),
        Some("the policy made of it does not load")
    );
}
