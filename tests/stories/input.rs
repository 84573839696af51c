//! What is wrong with what comes in: rows, policies, evaluation.

use iam_core::ErrorKind;
use iam_core::engine::Ending;
use iam_core::policy::Document;

use crate::world::{POLICY, World};

#[tokio::test]
async fn bad_rows_are_rejected_with_row_and_reason_while_the_rest_goes_through() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hr.csv");
    let rows = "Employee ID;First Name;Last Name;Department;Country;Status;Job Title\n\
                W-1;Mei;Tanaka;Security;AU;Active;Clerk\n\
                W-2;Bo;Ek;Sales;Sweden;Active;Clerk\n\
                ;No;Body;Sales;AU;Active;Clerk\n\
                W-4;Ada;Ng;Sales;AU;Away;Clerk\n\
                W-5;Cy;Om;Sales;AU;Active;Clerk\n";
    std::fs::write(&path, rows).unwrap();
    let rejects = world.read(&path).await.unwrap();
    let told: Vec<_> = rejects
        .iter()
        .map(|reject| (reject.row, reject.field.as_str(), reject.code))
        .collect();
    assert_eq!(
        told,
        [
            (3, "Country", "not_a_country"),
            (4, "Employee ID", "missing_key"),
            (5, "Status", "unknown_status")
        ]
    );
    world.run().await;
    assert!(world.look("W-1").await.starts_with("mei.tanaka enabled"));
    assert!(world.look("W-5").await.starts_with("cy.om enabled"));
    for refused in ["W-2", "W-4"] {
        assert_eq!(world.look(refused).await, "nothing");
    }
}

/// Workday's own formats, one after the other: workers, then what happened to them.
#[tokio::test]
async fn workdays_answer_is_read_and_a_termination_it_reports_takes_effect() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let worker = |id: &str, first: &str, last: &str| {
        format!(
            "<wd:Worker><wd:Worker_Data><wd:Worker_ID>{id}</wd:Worker_ID><wd:Personal_Data><wd:Name_Data>\
             <wd:Legal_Name_Data><wd:Name_Detail_Data><wd:First_Name>{first}</wd:First_Name><wd:Last_Name>{last}\
             </wd:Last_Name></wd:Name_Detail_Data></wd:Legal_Name_Data></wd:Name_Data></wd:Personal_Data>\
             <wd:Employment_Data><wd:Worker_Job_Data wd:Primary_Job=\"1\"><wd:Position_Data><wd:Business_Title>Clerk\
             </wd:Business_Title></wd:Position_Data></wd:Worker_Job_Data><wd:Worker_Status_Data><wd:Active>1</wd:Active>\
             <wd:Terminated>0</wd:Terminated></wd:Worker_Status_Data></wd:Employment_Data></wd:Worker_Data></wd:Worker>"
        )
    };
    let answer = file(
        "answer.xml",
        &format!(
            "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body><wd:Get_Workers_Response \
             xmlns:wd=\"urn:com.workday/bsvc\"><wd:Response_Data>{}{}</wd:Response_Data></wd:Get_Workers_Response>\
             </env:Body></env:Envelope>",
            worker("W-1", "Mei", "Tanaka"),
            worker("W-2", "Bo", "Ek")
        ),
    );
    assert!(world.read(&answer).await.unwrap().is_empty());
    world.run().await;
    for (id, name) in [("W-1", "mei.tanaka"), ("W-2", "bo.ek")] {
        let found = world.look(id).await;
        assert!(found.starts_with(&format!("{name} enabled")), "{found}");
    }

    let events = file(
        "events.json",
        r#"[{"eventName": "Terminate Employee", "workerId": "W-1", "immediate": true, "eventId": "e-1"},
            {"eventName": "Change Job", "workerId": "W-2", "eventId": "e-2"},
            {"eventName": "Terminate Employee", "workerId": "W-9", "eventId": "e-3"}]"#,
    );
    // A change says that there is something to read. Who is terminated is looked for, known or not.
    let told = world.read(&events).await.unwrap();
    let told: Vec<_> = told.iter().map(|reject| (reject.row, reject.code)).collect();
    assert_eq!(told, [(2, "record_needed")]);
    world.run().await;
    assert!(world.look("W-1").await.starts_with("mei.tanaka blocked"));
    assert!(world.look("W-2").await.starts_with("bo.ek enabled"));
    assert_eq!(world.look("W-9").await, "nothing");
}

#[test]
fn a_policy_with_a_typo_in_a_field_name_is_refused_at_load() {
    let typo = POLICY.replace("person.department == \"Sales\"", "person.departmnt == \"Sales\"");
    let error = Document::parse(&typo).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    for word in ["line 21", "column", "departmnt", "did you mean \"department\"?"] {
        assert!(text.contains(word), "{word:?} is missing in {text:?}");
    }
}

#[tokio::test]
async fn a_policy_that_does_not_fit_the_tenant_gives_what_there_is_and_says_what_there_is_not() {
    let world = World::with_policy(POLICY).await; // its groups have not been made
    let policy = Document::parse(POLICY).unwrap();
    let target = iam_graph::GraphTarget::new(crate::world::client(&world.sandbox));
    let catalog = iam_core::target::Target::catalog(&target).await.unwrap();
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        report.findings,
        policy.check(&catalog),
        "whoever edits the policy sees the same"
    );
    assert!(report.findings[1].contains("line 16, column 11: the tenant has no group \"st-security\""));
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled:  / SPE_E3 / Security Reader"
    );
    for name in ["Everybody", "st-security", "st-sales", "st-heads"] {
        world.make_group(name).await;
    }
    world.at("2026-11-24T10:00:01Z").await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader",
        "what was accepted is not lost"
    );
}

#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_holds_the_person_and_removes_nothing() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let before = world.look("W-1").await;
    // Rule titled calls a function of the title, and there is none.
    let report = world
        .hear(&["W-1 Mei Tanaka Sales title=none", "W-2 Bo Ek Sales"])
        .await;
    let ending = |id: &str| {
        &report
            .people
            .iter()
            .find(|run| run.person.as_str() == id)
            .unwrap()
            .ending
    };
    assert!(
        matches!(ending("W-1"), Ending::Held(why) if why.contains("rule titled")),
        "{report:?}"
    );
    assert_eq!(*ending("W-2"), Ending::Done);
    assert_eq!(world.look("W-1").await, before);
    // A leave needs no policy, and passes.
    world.hear(&["W-1 Mei Tanaka Sales title=none status=gone"]).await;
    assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
}

#[tokio::test]
async fn an_event_that_was_held_goes_on_when_somebody_has_looked() {
    let world = World::new().await;
    let report = world.hear(&["W-1 Mei Tanaka Sales title=none"]).await;
    let held = &report.people[0];
    assert!(matches!(held.ending, Ending::Held(_)));
    assert_eq!(world.look("W-1").await, "nothing");
    // HR mends the record; the held event is brought back, and the mended one follows.
    world
        .engine
        .accept([crate::world::person("W-1 Mei Tanaka Sales")])
        .await
        .unwrap();
    world
        .engine
        .requeue(&held.event, "ada", "HR has mended the title")
        .await
        .unwrap();
    world.run().await;
    assert!(
        world.look("W-1").await.starts_with("mei.tanaka enabled"),
        "{}",
        world.look("W-1").await
    );
}
