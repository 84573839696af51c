//! A directory, an application and Azure: what hangs together, and what one of them that is down must not stop.

use super::*;
use crate::plan::Plan;

pub(super) const THREE: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}"]
[defaults]
groups = ["All Staff"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
roles = ["Security Reader"]
azure = [{ role = "Reader", scope = "/subscriptions/s/resourceGroups/siem/" }]
apps = [{ scim = "ticketing", roles = ["agent"] }]
[[rule]]
id = "desk"
when = 'person.department == "Desk"'
apps = [{ scim = "ticketing", roles = ["agent", "supervisor"] }]
grace = "7d"
[leaver]
delete_after = "30d"
"#;

pub(super) struct Three {
    pub(super) engine: Engine,
    graph: MemoryTarget,
    pub(super) app: MemoryTarget,
    azure: MemoryTarget,
    clock: ManualClock,
}

fn item(target: &str, kind: Kind, name: &str, privileged: bool) -> Item {
    Item {
        entitlement: Entitlement {
            target: TargetId::new(target),
            kind,
            id: format!("id of {name}"),
            name: name.to_owned(),
        },
        class: Class::Assignable,
        privileged,
        seats: None,
        carries: Vec::new(),
    }
}

fn three() -> Three {
    three_of(THREE)
}

/// The engine's policy may protect somebody; what is planned never knows.
fn three_of(policy: &str) -> Three {
    three_planned(policy, THREE)
}

/// The engine's policy, and the one that is planned by.
pub(super) fn three_planned(policy: &str, planned: &str) -> Three {
    let catalog = |items: Vec<Item>| Catalog {
        items,
        domains: ["contoso.example".to_owned()].into(),
        ..Catalog::default()
    };
    let graph = MemoryTarget::new(
        "graph",
        catalog(vec![
            item("graph", Kind::Group, "All Staff", false),
            item("graph", Kind::Role, "Security Reader", true),
        ]),
    );
    let roles = ["agent", "supervisor", "by hand"].map(|name| item("ticketing", Kind::App, name, false));
    let app = MemoryTarget::new("ticketing", catalog(roles.into())).offering([Kind::App]);
    let reader = item(
        "arm",
        Kind::Azure,
        "Reader @ /subscriptions/s/resourceGroups/siem",
        false,
    );
    let azure = MemoryTarget::new("arm", catalog(vec![reader]))
        .offering([Kind::Azure])
        .principals_of("graph");
    let clock = ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap());
    let careless = Lifecycle::new(Arc::new(Document::parse(planned).unwrap()));
    let policy = Arc::new(Document::parse(policy).unwrap());
    let engine = Engine::builder(Arc::new(MemoryJournal::new()), policy)
        .target(Arc::new(graph.clone()))
        .target(Arc::new(azure.clone()))
        .target(Arc::new(app.clone()))
        .orchestrator(Arc::new(careless))
        .clock(Arc::new(clock.clone()))
        .build();
    Three {
        engine,
        graph,
        app,
        azure,
        clock,
    }
}

impl Three {
    pub(super) async fn hear(&self, people: &[&str]) -> RunReport {
        self.engine
            .accept(people.iter().map(|text| person(text)))
            .await
            .unwrap();
        self.engine.run(&|_| {}).await.unwrap()
    }

    pub(super) async fn at(&self, instant: &str) -> RunReport {
        self.clock.set(instant.parse().unwrap());
        self.engine.run(&|_| {}).await.unwrap()
    }

    /// `graph | azure | app`, each `state: what is held`.
    pub(super) fn look(&self, id: &str) -> String {
        let key = PersonKey::new(id);
        let one = |target: &MemoryTarget| {
            let mine = target
                .accounts()
                .into_iter()
                .filter(|actual| actual.person == key);
            let mine = mine.map(|actual| {
                let account = actual.account.unwrap();
                let mut held: Vec<_> = actual
                    .held
                    .iter()
                    .map(|held| held.entitlement.name.clone())
                    .collect();
                held.sort();
                let state = match (account.deleted, account.enabled) {
                    (true, _) => "deleted",
                    (_, true) => "enabled",
                    (_, false) => "blocked",
                };
                format!("{state}: {}", held.join(", "))
            });
            mine.collect::<Vec<_>>().join(" + ")
        };
        [&self.graph, &self.azure, &self.app].map(one).join(" | ")
    }
}

const IN_SECURITY: &str = "enabled: All Staff, Security Reader | \
                           enabled: Reader @ /subscriptions/s/resourceGroups/siem | enabled: agent";

pub(super) fn order(report: &RunReport) -> Vec<String> {
    let outcomes = report.people.iter().flat_map(|run| &run.outcomes);
    outcomes
        .map(|(step, _)| format!("{}/{}", step.target, step.action.kind()))
        .collect()
}

#[tokio::test]
async fn a_joiner_is_let_in_when_everything_is_there() {
    let three = three();
    let report = three.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(three.look("W-1"), IN_SECURITY);
    let order = order(&report);
    assert_eq!(
        order.last().map(String::as_str),
        Some("graph/allow_sign_in"),
        "{order:?}"
    );
    assert_eq!(three.engine.plan().await.unwrap().steps(), 0);
    let names: Vec<_> = three
        .app
        .accounts()
        .into_iter()
        .map(|actual| actual.account.unwrap().name)
        .collect();
    assert_eq!(names, ["mei.tanaka@contoso.example"], "one name everywhere");
    // Whom no rule sends to the application has no account there.
    three.hear(&["W-2 Bo Ek Sales"]).await;
    assert_eq!(three.look("W-2"), "enabled: All Staff |  | ");
}

#[tokio::test]
async fn a_mover_leaves_the_application_after_the_grace_and_azure_at_once() {
    let three = three();
    three.hear(&["W-1 Mei Tanaka Desk"]).await;
    assert_eq!(
        three.look("W-1"),
        "enabled: All Staff |  | enabled: agent, supervisor"
    );
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    let both = "enabled: All Staff, Security Reader | \
                enabled: Reader @ /subscriptions/s/resourceGroups/siem | enabled: agent, supervisor";
    assert_eq!(three.look("W-1"), both);
    three.at("2026-12-01T09:00:00Z").await;
    assert_eq!(three.look("W-1"), IN_SECURITY);
    three.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(three.look("W-1"), "enabled: All Staff | enabled:  | blocked: ");
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(three.look("W-1"), IN_SECURITY);
}

#[tokio::test]
async fn a_leaver_loses_power_first_and_everything_everywhere_and_comes_back_clean() {
    let three = three();
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    let report = three.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(three.look("W-1"), "blocked:  | enabled:  | blocked: ");
    assert_eq!(
        order(&report),
        [
            "graph/block_sign_in",
            "graph/revoke_sessions",
            "graph/reset_password",
            "graph/revoke",
            "arm/revoke",
            "ticketing/block_sign_in",
            "ticketing/revoke",
            "graph/revoke",
        ]
    );
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(three.look("W-1"), IN_SECURITY);
    three.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    three.at("2026-12-24T09:00:00Z").await;
    assert_eq!(three.look("W-1"), "deleted:  | enabled:  | blocked: ");
}

#[tokio::test]
async fn an_application_that_is_down_stops_nobody_and_is_seen_to_later() {
    let three = three();
    three.hear(&["W-9 Old Hand Security"]).await;
    three.app.set_down(true);
    let report = three
        .hear(&[
            "W-1 Mei Tanaka Security",
            "W-2 Bo Ek Sales",
            "W-9 Old Hand Security status=gone",
        ])
        .await;
    let ending = |id: &str| {
        report
            .people
            .iter()
            .find(|run| run.person.as_str() == id)
            .unwrap()
            .ending
            .clone()
    };
    assert!(
        matches!(ending("W-1"), Ending::Retry(_, why) if why.contains("ticketing cannot be read")),
        "{report:?}"
    );
    assert_eq!(ending("W-2"), Ending::Done, "it does not matter to everybody");
    let without =
        "enabled: All Staff, Security Reader | enabled: Reader @ /subscriptions/s/resourceGroups/siem | ";
    assert_eq!(three.look("W-1"), without);
    assert_eq!(three.look("W-9"), "blocked:  | enabled:  | enabled: agent");
    three.at("2026-11-24T09:30:00Z").await;
    three.app.set_down(false);
    three.at("2026-11-24T10:30:00Z").await;
    assert_eq!(three.look("W-1"), IN_SECURITY);
    assert_eq!(three.look("W-9"), "blocked:  | enabled:  | blocked: ");
    assert_eq!(three.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn whatever_is_planned_a_protected_account_is_touched_nowhere() {
    let three = three_of(&format!(
        "{THREE}[guard]\nprotected = [\"mei.tanaka@contoso.example\"]\n"
    ));
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(three.look("W-1"), IN_SECURITY);
    let report = three.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert!(matches!(report.people[0].ending, Ending::Dead(_)), "{report:?}");
    assert_eq!(three.look("W-1"), IN_SECURITY);
}

#[tokio::test]
async fn nothing_is_planned_without_the_directory() {
    let three = three();
    three.hear(&["W-1 Mei Tanaka Security"]).await;
    three.graph.set_down(true);
    three
        .engine
        .accept([person("W-1 Mei Tanaka Sales")])
        .await
        .unwrap();
    assert_eq!(
        three.engine.run(&|_| {}).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    three.graph.set_down(false);
    assert_eq!(three.look("W-1"), IN_SECURITY);
}

#[tokio::test]
async fn a_preview_over_three_targets_shows_what_the_run_does() {
    let three = three();
    three.hear(&["W-9 Old Hand Desk"]).await;
    let people = ["W-1 Mei Tanaka Security", "W-9 Old Hand Security status=gone"];
    three
        .engine
        .accept(people.iter().map(|text| person(text)))
        .await
        .unwrap();
    let planned = |plan: &Plan| {
        plan.steps
            .iter()
            .map(|step| format!("{} {} {}", step.person, step.target, step.id))
            .collect::<Vec<_>>()
    };
    let mut planned: Vec<String> = three
        .engine
        .plan()
        .await
        .unwrap()
        .people
        .iter()
        .flat_map(|person| planned(&person.plan))
        .collect();
    let report = three.engine.run(&|_| {}).await.unwrap();
    let outcomes = report.people.iter().flat_map(|run| &run.outcomes);
    let mut done: Vec<String> = outcomes
        .map(|(step, _)| format!("{} {} {}", step.person, step.target, step.id))
        .collect();
    planned.sort();
    done.sort();
    assert_eq!(planned, done);
}

#[test]
fn a_policy_names_targets_that_are_connected() {
    let policy = Document::parse(THREE).unwrap();
    let graph = (
        TargetId::new("graph"),
        [Kind::Group, Kind::License, Kind::Role].into(),
    );
    let problems = policy.unserved(&[graph]);
    assert!(
        problems.iter().any(|problem| problem.contains("ticketing")),
        "{problems:?}"
    );
    assert_eq!(policy.azure_scopes(), ["/subscriptions/s/resourceGroups/siem"]);
    for (wrong, word) in [
        (
            "scope = \"/subscriptions/s/resourceGroups/siem/\"",
            "scope = \"siem\"",
        ),
        ("roles = [\"agent\"] }", "roles = [] }"),
        (
            "scim = \"ticketing\", roles = [\"agent\"]",
            "skim = \"ticketing\", roles = [\"agent\"]",
        ),
    ] {
        assert!(THREE.contains(wrong));
        let error = Document::parse(&THREE.replacen(wrong, word, 1)).unwrap_err();
        assert!(error.to_string().contains("line"), "{error}");
    }
}
