//! A generated company through its exports, judged by its answer sheet.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use iam_core::engine::{Ending, RunReport};
use iam_core::intake::{FlatIntake, Intake, Item, Process, WorkdayXmlIntake};
use iam_core::person::{Person, Status};
use iam_sandbox::company::{Answer, Company, Delivery, Standing};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::world::World;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
authority = "graph"
[naming]
upn = ["{given}.{family}", "{given}.{middle_initial}.{family}", "{given}.{family}{n}"]
display_name = "{preferred} {family}"
[defaults]
usage_location = "person.country"
groups = ["Everybody"]
licenses = ["SPE_E3"]
[[rule]]
id = "clinical"
when = 'person.department == "Clinical"'
groups = ["st-clinical"]
[[rule]]
id = "finance"
when = 'person.department == "Finance"'
groups = ["st-finance"]
licenses = ["POWER_BI_PRO"]
grace = "14d"
[[rule]]
id = "service-desk"
when = 'person.department == "IT"'
roles = ["Helpdesk Administrator"]
[[rule]]
id = "heads"
when = 'person.job_title.startsWith("Head of ")'
groups = ["st-heads"]
[[rule]]
id = "contractors"
when = 'person.worker_type == "Contractor"'
groups = ["st-contractors"]
[[rule]]
id = "beirut"
when = 'person.location == "Beirut"'
groups = ["st-beirut"]
[joiner]
create_before = "14d"
[leaver]
password = "reset"
delete_after = "30d"
[guard]
protected = ["break-glass@contoso.example", "role:Global Administrator"]
"#;

/// What the policy gives, worked out by hand: groups, licences, roles.
type Held = (BTreeSet<String>, BTreeSet<String>, BTreeSet<String>);

fn wanted(answer: &Answer) -> Held {
    let worker = &answer.worker;
    let when = |yes: bool, name: &'static str| yes.then_some(name);
    let finance = worker.department == "Finance";
    let set = |names: &[Option<&str>]| names.iter().flatten().map(|name| (*name).to_owned()).collect();
    (
        set(&[
            Some("Everybody"),
            when(worker.department == "Clinical", "st-clinical"),
            when(finance, "st-finance"),
            when(worker.job_title.starts_with("Head of "), "st-heads"),
            when(worker.worker_type == "Contractor", "st-contractors"),
            when(worker.location == "Beirut", "st-beirut"),
        ]),
        set(&[Some("SPE_E3"), when(finance, "POWER_BI_PRO")]),
        set(&[when(worker.department == "IT", "Helpdesk Administrator")]),
    )
}

/// The tenant's live accounts, seen from inside the tenant.
struct Tenant {
    users: Vec<Value>,
    /// Names of groups whose members nobody can choose.
    dynamic: BTreeSet<String>,
}

impl Tenant {
    fn of(world: &World) -> Self {
        let state = world.sandbox.state();
        let groups = state["groups"].as_array().unwrap().iter();
        let dynamic = groups.filter(|group| !group["membershipRule"].is_null());
        Self {
            users: state["users"].as_array().unwrap().clone(),
            dynamic: dynamic
                .map(|group| group["displayName"].as_str().unwrap().to_owned())
                .collect(),
        }
    }

    fn accounts(&self, worker: &str) -> Vec<&Value> {
        self.users
            .iter()
            .filter(|user| user["employeeId"] == worker)
            .collect()
    }

    /// The worker id of the account's manager.
    fn manager(&self, account: &Value) -> Option<&str> {
        let id = account["managerId"].as_str()?;
        self.users.iter().find(|user| user["id"] == id)?["employeeId"].as_str()
    }

    fn held(&self, account: &Value) -> Held {
        let names = |field: &str| -> BTreeSet<String> {
            let names = account[field].as_array().unwrap().iter();
            names.map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        (
            &names("groups") - &self.dynamic,
            names("licenses"),
            names("roles"),
        )
    }
}

/// What is wrong in the tenant by HR's answers. People whose grace may still run keep what finance had.
fn judge(
    world: &World,
    company: &Company,
    export: &Delivery<'_>,
    at: Timestamp,
    seen: &mut Seen,
) -> Vec<String> {
    let tenant = Tenant::of(world);
    let mut wrong = Vec::new();
    let mut enabled: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for answer in company.answers(export, at) {
        let worker = &answer.worker;
        let id = worker.worker_id.as_str();
        let mut blame = |what: String| wrong.push(format!("{at} {id} {:?}: {what}", answer.standing));
        let accounts = tenant.accounts(id);
        let [account] = accounts.as_slice() else {
            if !accounts.is_empty() {
                blame(format!("{} accounts", accounts.len()));
            } else if matches!(answer.standing, Standing::AtWork | Standing::OnLeave) {
                blame("no account".to_owned());
            }
            continue;
        };
        let open = account["accountEnabled"] == true;
        if open {
            enabled.entry(answer.human).or_default().push(id.to_owned());
        }
        let (groups, licenses, roles) = tenant.held(account);
        let held = (groups.clone(), licenses.clone(), roles.clone());
        match answer.standing {
            // On leave nobody signs in, and everything else is kept.
            Standing::AtWork | Standing::OnLeave => {
                let at_work = answer.standing == Standing::AtWork;
                let met = if at_work {
                    &mut seen.at_work
                } else {
                    &mut seen.on_leave
                };
                met.insert(id.to_owned());
                let mut expected = wanted(&answer);
                if seen.finance.contains(id) && worker.department != "Finance" {
                    // Within two weeks of the move.
                    expected
                        .0
                        .extend(groups.iter().filter(|name| *name == "st-finance").cloned());
                    expected
                        .1
                        .extend(licenses.iter().filter(|name| *name == "POWER_BI_PRO").cloned());
                } else if worker.department == "Finance" {
                    seen.finance.insert(id.to_owned());
                }
                if open != at_work {
                    blame(if open { "open" } else { "blocked" }.to_owned());
                }
                if held != expected {
                    blame(format!("holds {held:?} instead of {expected:?}"));
                }
                for (property, value) in [
                    ("department", &worker.department),
                    ("jobTitle", &worker.job_title),
                    ("usageLocation", &worker.country),
                ] {
                    if account[property] != value.as_str() {
                        blame(format!("{property} is {}", account[property]));
                    }
                }
                if answer.manager_is_sound && tenant.manager(account) != worker.manager.as_deref() {
                    blame(format!("manager is {:?}", tenant.manager(account)));
                }
            }
            Standing::ToCome => {
                seen.to_come.insert(id.to_owned());
                if open || !roles.is_empty() {
                    blame(format!("has access: {held:?}"));
                }
            }
            Standing::Left => {
                seen.left.insert(id.to_owned());
                if open || !(groups.is_empty() && licenses.is_empty() && roles.is_empty()) {
                    blame(format!("has access: {held:?}"));
                }
            }
            other => unreachable!("{other:?}"),
        }
    }
    let twice = enabled.values().filter(|ids| ids.len() > 1);
    wrong.extend(twice.map(|ids| format!("{at} one person has {ids:?}")));
    wrong
}

/// Whom the judge met in which standing, so that it cannot pass for want of cases.
#[derive(Default)]
struct Seen {
    at_work: BTreeSet<String>,
    on_leave: BTreeSet<String>,
    to_come: BTreeSet<String>,
    left: BTreeSet<String>,
    finance: BTreeSet<String>,
}

fn set_aside(report: &RunReport) -> Vec<String> {
    let ended = report.people.iter();
    let aside =
        ended.filter(|run| matches!(run.ending, Ending::Dead(_) | Ending::Held(_) | Ending::Refused(_)));
    aside.map(|run| format!("{:?}", run.ending)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_of_sixty_lives_through_ten_exports_and_the_tenant_is_as_its_answer_sheet_says() {
    let company = Company::of(60).odd_managers(true).build();
    let world = World::with_policy(POLICY).await;
    for name in [
        "Everybody",
        "st-clinical",
        "st-finance",
        "st-heads",
        "st-contractors",
        "st-beirut",
    ] {
        world.make_group(name).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.csv");
    let exports: Vec<Delivery<'_>> = company.deliveries().collect();
    let mut seen = Seen::default();
    let mut looks = 0;
    for export in &exports {
        // At night in the Pacific, in the afternoon of New Zealand.
        let mut now = TimeZone::UTC.to_timestamp(export.day().at(5, 0, 0, 0)).unwrap();
        let next = now.checked_add((7 * 24).hours()).unwrap();
        world.clock.set(now);
        std::fs::write(&file, export.csv()).unwrap();
        let rejects = world.read(&file).await.unwrap();
        assert!(rejects.is_empty(), "{rejects:?}");
        // Until the next export, whenever something is due.
        loop {
            let report = world.run().await;
            assert_eq!(set_aside(&report), Vec::<String>::new(), "{now}");
            let wrong = judge(&world, &company, export, now, &mut seen);
            assert!(wrong.is_empty(), "export {}: {wrong:#?}", export.number());
            looks += 1;
            match world.engine.next_due().await.unwrap() {
                Some(due) if due < next => now = due.max(now.checked_add(1.second()).unwrap()),
                _ => break,
            }
            world.clock.set(now);
        }
    }
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    assert!(
        seen.at_work.len() > 50 && looks > 20,
        "{} in {looks} looks",
        seen.at_work.len()
    );
    for (what, ids) in [
        ("on leave", &seen.on_leave),
        ("to come", &seen.to_come),
        ("left", &seen.left),
    ] {
        assert!(!ids.is_empty(), "nobody is {what}");
    }
}

/// The people of an input, and who was refused.
fn read(intake: &dyn Intake, text: &str, people: &mut BTreeMap<String, Person>) -> Vec<String> {
    let mut refused = Vec::new();
    intake
        .read(&mut text.as_bytes(), &mut |item| {
            match item {
                Item::Record(record) => drop(people.insert(record.person.key.to_string(), record.person)),
                Item::Reject(reject) => refused.push(reject.person.unwrap_or_default()),
                other => panic!("{other:?}"),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    refused
}

#[test]
fn table_json_and_get_workers_say_the_same_of_everybody() {
    let company = Company::of(150).build();
    for export in company.deliveries() {
        let mut xml = WorkdayXmlIntake::new();
        for (location, zone) in export.zones() {
            xml = xml.time_zone(location, zone);
        }
        let (mut table, mut json, mut workers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let not_in_table = read(&FlatIntake::new(), &export.csv(), &mut table);
        let not_in_json = read(&FlatIntake::new(), &export.json(), &mut json);
        for page in export.get_workers(40) {
            let refused = read(&xml, &page, &mut workers);
            assert!(refused.is_empty(), "{refused:?}");
        }
        let listed: BTreeSet<String> = export
            .workers()
            .into_iter()
            .map(|worker| worker.worker_id)
            .collect();
        assert_eq!(workers.keys().cloned().collect::<BTreeSet<_>>(), listed);
        assert_eq!(not_in_table, not_in_json);
        assert!(not_in_table.is_empty(), "{not_in_table:?}");
        let away: BTreeSet<String> = export
            .workers()
            .into_iter()
            .filter(|worker| worker.status == iam_sandbox::company::Status::OnLeave)
            .map(|worker| worker.worker_id)
            .collect();
        for id in &away {
            assert_eq!(json[id].status, Status::OnLeave, "{id}");
            assert_eq!(workers[id].status, Status::OnLeave, "{id}");
        }
        // Of those who are away Workday says the dates as well.
        for id in listed.difference(&away) {
            assert_eq!(json.get(id).map(Whole), table.get(id).map(Whole));
            assert_eq!(workers.get(id).map(Whole), table.get(id).map(Whole));
        }
    }
}

/// A made-up person, shown whole where two differ.
#[derive(PartialEq)]
struct Whole<'a>(&'a Person);

impl std::fmt::Debug for Whole<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self.0).unwrap_or_default())
    }
}

#[test]
fn what_hr_enters_is_read_as_notices_of_every_kind() {
    let company = Company::of(150).build();
    let mut kinds = BTreeSet::new();
    let mut rescinds = 0;
    for export in company.deliveries() {
        let mut notices = Vec::new();
        FlatIntake::new()
            .read(&mut export.notices().as_bytes(), &mut |item| {
                match item {
                    Item::Notice(notice) => notices.push(notice),
                    other => panic!("{other:?}"),
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(notices.is_empty(), export.number() == 0);
        for notice in notices {
            kinds.insert(notice.process.as_str());
            rescinds += usize::from(notice.process == Process::Retract && notice.of.is_some());
            assert!(notice.effective.is_some(), "{notice:?}");
        }
    }
    let all = [
        "amend", "join", "leave", "move", "rename", "resume", "retract", "suspend",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
    assert!(rescinds > 0);
}
