//! The workers of `Get_Workers` answers.

use super::*;

const EXAMPLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/data/get_workers.xml"
));

/// The people of an answer that has no rejects.
#[track_caller]
fn people_of(intake: &WorkdayXmlIntake, answer: &str) -> Vec<Person> {
    let mut people = Vec::new();
    let end = intake.read(&mut answer.as_bytes(), &mut |item| {
        match item {
            Item::Record(record) => people.push(record.person),
            other => panic!("{other:?}"),
        }
        ControlFlow::Continue(())
    });
    end.unwrap();
    people
}

/// An answer with these workers, of the day 2026-11-28.
pub(super) fn answer(workers: &str) -> String {
    format!(
        "<Get_Workers_Response xmlns='urn:com.workday/bsvc'><Response_Filter><As_Of_Effective_Date>2026-11-28-08:00\
         </As_Of_Effective_Date></Response_Filter><Response_Data>{workers}</Response_Data></Get_Workers_Response>"
    )
}

/// A good worker with so much in the employment data.
pub(super) fn worker(id: &str, employment: &str) -> String {
    worker_with(id, employment, "")
}

fn worker_with(id: &str, employment: &str, rest: &str) -> String {
    format!(
        "<Worker><Worker_Data><Worker_ID>{id}</Worker_ID><Personal_Data><Name_Data><Legal_Name_Data>\
         <Name_Detail_Data><First_Name>Ada</First_Name></Name_Detail_Data></Legal_Name_Data></Name_Data>\
         </Personal_Data><Employment_Data>{employment}</Employment_Data>{rest}</Worker_Data></Worker>"
    )
}

pub(super) const ACTIVE: &str =
    "<Worker_Status_Data><Active>1</Active><Terminated>0</Terminated></Worker_Status_Data>";

pub(super) fn status(elements: &str) -> String {
    format!("<Worker_Status_Data>{elements}</Worker_Status_Data>")
}

fn one(employment: &str) -> Person {
    one_with(employment, "")
}

fn one_with(employment: &str, rest: &str) -> Person {
    let mut people = people_of(
        &WorkdayXmlIntake::new(),
        &answer(&worker_with("W-1", employment, rest)),
    );
    assert_eq!(people.len(), 1);
    people.remove(0)
}

/// The only worker is refused, there and for this.
#[track_caller]
fn refused(employment: &str, rest: &str, field: &str, code: &str) {
    check(
        answer(&worker_with("W-1", employment, rest)),
        &[&format!("1 {field:?} {code}")],
    );
}

#[test]
fn the_example_answer() {
    let (found, end) = words(&FlatIntake::new(), EXAMPLE.as_bytes());
    assert_eq!(
        found,
        [
            "1 W-4001",
            "2 C-4002",
            "3 W-4003",
            "4 W-4004",
            "5 \"Worker_Data/Employment_Data/Worker_Status_Data/Hire_Date\" impossible_date",
            "6 W-4006",
        ]
    );
    let end = end.unwrap();
    assert_eq!(totals(&end), (6, 5, 1));
    let pages = Paging {
        total_results: Some(6),
        total_pages: Some(1),
        page_results: Some(6),
        page: Some(1),
    };
    assert_eq!(end.pages, Some(pages));
}

#[test]
fn a_worker_is_the_same_person_as_in_the_flat_shape() {
    let mut people = Vec::new();
    let intake = WorkdayXmlIntake::new()
        .time_zone("Sydney", "Australia/Sydney")
        .time_zone("LON", "Europe/London");
    intake
        .read(&mut EXAMPLE.as_bytes(), &mut |item| {
            if let Item::Record(record) = item {
                people.push(record.person);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let csv = "employeeId,firstName,middleName,lastName,preferredName,department,jobTitle,location,country,timeZone,\
               workerType,costCenter,company,email,managerId,hireDate,lastDay,status\n\
               W-4001,Asha,K.,Raman,Ash,Security,Security & Privacy Analyst,Sydney,AU,Australia/Sydney,Regular,IT-410,\
               Contoso Health Pty Ltd,asha@raman.example,W-1001,2021-05-01,,Active\n\
               C-4002,Sófía,,O'Brien,,,Contract Developer,,,,Contractor,,,,,2026-01-12,2031-06-30,Active\n\
               W-4003,,,Sukarno,,,Nurse,,,,,,,,,2031-03-03,,Active\n\
               W-4004,Bo,,van Ek,,,,,,,,,,,,2019-02-04,2026-10-30,Terminated\n\
               W-4006,Eva,,,,,,,,,,,,,,2020-08-29,,On Leave\n";
    let mut expect = Vec::new();
    CsvIntake::new()
        .read(&mut csv.as_bytes(), &mut |item| {
            if let Item::Record(record) = item {
                expect.push(record.person);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(people.len(), 5);
    for (found, expect) in people.iter().zip(&expect) {
        assert_eq!(serde_json::json!(found), serde_json::json!(expect));
    }
}

#[test]
fn any_prefix_and_no_envelope_say_the_same() {
    let read = |answer: &str| words(&FlatIntake::new(), answer.as_bytes());
    let expect = read(EXAMPLE).0;
    for (prefix, soap) in [("bsvc:", "soap:"), ("", "SOAP-ENV:"), ("ns0:", "")] {
        let other = EXAMPLE
            .replace("xmlns:wd=", if prefix.is_empty() { "xmlns=" } else { "xmlns:x=" })
            .replace("wd:", prefix)
            .replace("env:", soap);
        assert_eq!(read(&other).0, expect, "{prefix}");
    }
    let (start, end) = (
        EXAMPLE.find("<wd:Get_Workers").unwrap(),
        EXAMPLE.find("</env:Body>").unwrap(),
    );
    assert_eq!(read(&EXAMPLE[start..end]).0, expect);
}

#[test]
fn version_21_has_its_position_outside_a_job() {
    let position = "<Position_Data><Business_Title>Nurse</Business_Title><Worker_Type_Reference Descriptor='Regular'/>\
                    <Business_Site_Summary_Data><Location_Reference Descriptor='Perth'><ID type='WID'>1</ID>\
                    </Location_Reference><Address_Data><Country_Reference><ID type='ISO_3166-1_Numeric-3_Code'>036</ID>\
                    <ID type='ISO_3166-1_Alpha-3_Code'>AUS</ID></Country_Reference></Address_Data>\
                    </Business_Site_Summary_Data></Position_Data>";
    let person = one(&format!("{position}{ACTIVE}"));
    assert_eq!(person.job_title.as_deref(), Some("Nurse"));
    assert_eq!(person.worker_type.as_deref(), Some("Regular"));
    assert_eq!(person.location.as_deref(), Some("Perth"));
    assert_eq!(person.country.as_deref(), Some("AU"));
}

#[test]
fn ids_are_told_by_their_type_wherever_they_stand() {
    let reference = |ids: &str| {
        format!(
            "<Worker><Worker_Reference>{ids}</Worker_Reference><Worker_Data><Personal_Data><Name_Data>\
             <Legal_Name_Data><Name_Detail_Data><First_Name>Ada</First_Name></Name_Detail_Data></Legal_Name_Data>\
             </Name_Data></Personal_Data><Employment_Data>{ACTIVE}</Employment_Data></Worker_Data></Worker>"
        )
    };
    for (ids, expect) in [
        ("<ID type='WID'>aa</ID><ID type='Employee_ID'>7</ID>", "1 7"),
        ("<ID type='Employee_ID'>7</ID><ID type='WID'>aa</ID>", "1 7"),
        (
            "<ID type='Contingent_Worker_ID'>C</ID><ID type='Employee_ID'>7</ID>",
            "1 7",
        ),
        (
            "<ID type='WID'>aa</ID><ID type='Contingent_Worker_ID'>C</ID>",
            "1 C",
        ),
        ("<ID type='WID'>aa</ID>", "1 \"employeeId\" missing_key"),
        ("<ID>7</ID>", "1 \"employeeId\" missing_key"),
        (
            "<ID type='Employee_ID'>7</ID><ID type='Employee_ID'>8</ID>",
            "1 \"Worker_Reference/ID\" duplicate_field",
        ),
    ] {
        check(answer(&reference(ids)), &[expect]);
    }
    // A worker id that is none of the reference's is in doubt.
    let both = reference("<ID type='Employee_ID'>8</ID>")
        .replace("<Worker_Data>", "<Worker_Data><Worker_ID>7</Worker_ID>");
    check(answer(&both), &["1 \"Worker_Data/Worker_ID\" contradiction"]);
}

#[test]
fn the_primary_job_counts_and_no_other() {
    let job = |primary: &str, title: &str| {
        format!(
            "<Worker_Job_Data{primary}><Position_Data><Business_Title>{title}</Business_Title></Position_Data>\
             </Worker_Job_Data>"
        )
    };
    let (yes, no) = (" Primary_Job='1'", " Primary_Job='0'");
    let title = |jobs: &[String]| one(&format!("{}{ACTIVE}", jobs.concat())).job_title;
    assert_eq!(title(&[job(no, "A"), job(yes, "B")]).as_deref(), Some("B"));
    assert_eq!(title(&[job(yes, "B"), job(no, "A")]).as_deref(), Some("B"));
    assert_eq!(title(&[job(" Primary_Job='true'", "B")]).as_deref(), Some("B"));
    assert_eq!(title(&[job("", "only")]).as_deref(), Some("only"));
    assert_eq!(title(&[]), None);
    let jobs = "Worker_Data/Employment_Data/Worker_Job_Data";
    for (two, field, code) in [
        ([job("", "A"), job("", "B")], jobs, "no_primary_job"),
        ([job(no, "A"), job(no, "B")], jobs, "no_primary_job"),
        (
            [job(yes, "A"), job(yes, "B")],
            &format!("{jobs}/@Primary_Job"),
            "no_primary_job",
        ),
        (
            [job(" Primary_Job='x'", "A"), job(yes, "B")],
            &format!("{jobs}/@Primary_Job"),
            "not_a_flag",
        ),
    ] {
        refused(&format!("{}{ACTIVE}", two.concat()), "", field, code);
    }
    // Whoever has left may have lost the primary job.
    let left = status("<Active>0</Active><Terminated>1</Terminated>");
    assert_eq!(one(&format!("{}{left}", job(no, "A"))).job_title, None);
}

#[test]
fn a_leave_of_absence_that_is_on_counts_with_its_dates() {
    use crate::person::Status;
    let leave = |on: u8, end: &str| {
        format!(
            "<Leave_Status_Data><On_Leave>{on}</On_Leave><Leave_Start_Date>2026-11-02</Leave_Start_Date>{end}\
             </Leave_Status_Data>"
        )
    };
    let estimate = "<Estimated_Leave_End_Date>2027-01-15</Estimated_Leave_End_Date>";
    let of = |elements: &str| {
        let person = one(&status(elements));
        (person.status, person.leave_from, person.leave_until)
    };
    let day = |text: &str| text.parse().ok();
    let expect = (Status::OnLeave, day("2026-11-02"), day("2027-01-15"));
    let over = leave(0, "<Leave_End_Date>2026-11-03</Leave_End_Date>");
    assert_eq!(
        of(&format!("<Active>1</Active>{over}{}", leave(1, estimate))),
        expect
    );
    assert_eq!(of(&format!("<Active>0</Active>{}", leave(1, estimate))), expect);
    assert_eq!(
        of(&format!("<Active>1</Active>{over}")),
        (Status::Active, None, None)
    );
    let gone = format!("<Active>0</Active><Terminated>1</Terminated>{}", leave(1, ""));
    assert_eq!(of(&gone).0, Status::Terminated);
}

#[test]
fn the_status_is_never_guessed() {
    use crate::person::Status;
    let of = |elements: &str| one(&status(elements)).status;
    assert_eq!(of("<Active>1</Active>"), Status::Active);
    assert_eq!(
        of("<Active>0</Active><Terminated>1</Terminated>"),
        Status::Terminated
    );
    assert_eq!(of("<Terminated>1</Terminated>"), Status::Terminated);
    let nested = "<Active>0</Active><Termination_Status_Data><Terminated>1</Terminated><Termination_Date>2026-10-01\
                  </Termination_Date></Termination_Status_Data>";
    let person = one(&status(nested));
    assert_eq!(
        (person.status, person.last_day),
        (Status::Terminated, "2026-10-01".parse().ok())
    );
    assert_eq!(
        of("<Active>0</Active><Hire_Date>2026-11-29</Hire_Date>"),
        Status::Active
    );

    let data = "Worker_Data/Employment_Data/Worker_Status_Data";
    for (elements, field, code) in [
        ("", "", "missing_status"),
        ("<Active/>", "", "missing_status"),
        ("<Terminated>0</Terminated>", "/Terminated", "missing_status"),
        ("<Active>0</Active>", "/Active", "unknown_status"),
        (
            "<Active>0</Active><Hire_Date>2026-11-28</Hire_Date>",
            "/Active",
            "unknown_status",
        ),
        ("<Active>2</Active>", "/Active", "not_a_flag"),
        (
            "<Active>1</Active><Terminated>1</Terminated>",
            "",
            "contradiction",
        ),
        (
            "<Active>1</Active><Active>0</Active>",
            "/Active",
            "duplicate_field",
        ),
        ("<Active><x>1</x></Active>", "/Active", "wrong_type"),
    ] {
        refused(&status(elements), "", &format!("{data}{field}"), code);
    }
    // Without the day that the answer describes, a hire to come cannot be told from a leave.
    let dateless = answer(&worker(
        "W-1",
        &status("<Active>0</Active><Hire_Date>2099-01-01</Hire_Date>"),
    ))
    .replace("2026-11-28-08:00", "");
    check(dateless, &[&format!("1 \"{data}/Active\" unknown_status")]);
}

#[test]
fn dates_stay_what_they_are() {
    for (text, expect) in [
        ("2021-05-01-07:00", "2021-05-01"),
        ("2021-05-01+14:00", "2021-05-01"),
        ("2021-05-01Z", "2021-05-01"),
        ("2021-05-01T23:59:59.999-12:00", "2021-05-01"),
        ("\n  2021-05-01\n", "2021-05-01"),
    ] {
        let employment = status(&format!("<Active>1</Active><Hire_Date>{text}</Hire_Date>"));
        assert_eq!(one(&employment).hire_date, expect.parse().ok(), "{text}");
    }
    let ends = "<Active>1</Active><End_Employment_Date>2026-12-31</End_Employment_Date>\
                <Termination_Date>2026-12-24</Termination_Date>\
                <Termination_Last_Day_of_Work>2026-12-23-08:00</Termination_Last_Day_of_Work>";
    assert_eq!(one(&status(ends)).last_day, "2026-12-23".parse().ok());
}

#[test]
fn the_manager_is_the_last_of_the_chain_who_is_somebody_else() {
    let entry = |ids: &str| {
        format!("<Management_Chain_Data><Manager_Reference>{ids}</Manager_Reference></Management_Chain_Data>")
    };
    let chain = |entries: &[String]| {
        format!(
            "<Management_Chain_Data><Worker_Supervisory_Management_Chain_Data>{}\
             </Worker_Supervisory_Management_Chain_Data></Management_Chain_Data>",
            entries.concat()
        )
    };
    let employee = |id: &str| {
        entry(&format!(
            "<ID type='WID'>x{id}</ID><ID type='Employee_ID'>{id}</ID>"
        ))
    };
    let manager = |rest: &str| one_with(ACTIVE, rest).manager_id.map(|id| id.to_string());
    assert_eq!(
        manager(&chain(&[employee("1"), employee("2")])).as_deref(),
        Some("2")
    );
    assert_eq!(
        manager(&chain(&[employee("1"), employee("W-1")])).as_deref(),
        Some("1")
    );
    assert_eq!(manager(&chain(&[employee("W-1")])), None);
    assert_eq!(manager(&chain(&[employee("1"), entry("")])).as_deref(), Some("1"));
    let contingent = entry("<ID type='Contingent_Worker_ID'>C-1</ID>");
    assert_eq!(manager(&chain(&[contingent])).as_deref(), Some("C-1"));
    refused(
        ACTIVE,
        &chain(&[entry("<ID type='WID'>aa</ID>")]),
        "Worker_Data/Management_Chain_Data/Worker_Supervisory_Management_Chain_Data/Management_Chain_Data/\
         Manager_Reference/ID",
        "unresolved_reference",
    );
    let position = "<Worker_Job_Data Primary_Job='1'><Position_Data>\
                    <Manager_as_of_last_detected_manager_change_Reference><ID type='Employee_ID'>9</ID>\
                    </Manager_as_of_last_detected_manager_change_Reference></Position_Data></Worker_Job_Data>";
    let of_position = one(&format!("{position}{ACTIVE}")).manager_id;
    assert_eq!(of_position.map(|id| id.to_string()).as_deref(), Some("9"));
}

#[test]
fn organisations_are_told_by_type_and_those_of_the_job_come_first() {
    let organisation = |entry: &str, kind: &str, name: &str| {
        format!(
            "<{entry}><Organization_Data><Organization_Name>{name}</Organization_Name><Organization_Type_Reference>\
             <ID type='Organization_Type_ID'>{kind}</ID></Organization_Type_Reference></Organization_Data></{entry}>"
        )
    };
    let of_worker = |kind: &str, name: &str| organisation("Worker_Organization_Data", kind, name);
    let all = |list: &[String]| format!("<Organization_Data>{}</Organization_Data>", list.concat());
    let two = all(&[of_worker("supervisory", "A"), of_worker("SUPERVISORY", "B")]);
    refused(
        ACTIVE,
        &two,
        "Worker_Data/Organization_Data/Worker_Organization_Data/Organization_Data/Organization_Name",
        "duplicate_field",
    );
    let job = format!(
        "<Worker_Job_Data Primary_Job='1'><Position_Organizations_Data>{}</Position_Organizations_Data>\
         </Worker_Job_Data>{ACTIVE}",
        organisation("Position_Organization_Data", "Supervisory", "B")
    );
    assert_eq!(one_with(&job, &two).department.as_deref(), Some("B"));
    let custom = WorkdayXmlIntake::new().department_from("Business_Unit");
    let units = all(&[
        of_worker("SUPERVISORY", "A"),
        of_worker("BUSINESS_UNIT", "Clinics"),
    ]);
    let people = people_of(&custom, &answer(&worker_with("W-1", ACTIVE, &units)));
    assert_eq!(people[0].department.as_deref(), Some("Clinics"));
}
