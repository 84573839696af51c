//! Reports: `{"Report_Entry": [{…}, …]}`.

use super::*;
use crate::person::Person;

/// One record with these fields besides the key and the status.
fn report(fields: &str) -> String {
    format!(r#"{{"Report_Entry": [{{"Employee_ID": "W-1", "Worker_Status": "Active", {fields}}}]}}"#)
}

/// What a person of one record is, or the field and code of its reject.
fn person(fields: &str) -> std::result::Result<Person, String> {
    let (mut found, input) = (None, report(fields));
    let summary = FlatIntake::new()
        .read(&mut input.as_bytes(), &mut |item| {
            found = Some(match item {
                Item::Record(record) => Ok(record.person),
                Item::Reject(reject) => Err(format!("{} {}", reject.field, reject.code)),
                Item::Notice(notice) => Err(format!("{notice:?}")),
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(summary.rows, 1);
    found.unwrap()
}

/// The given, family and preferred name, `-` for none, or the reject.
#[track_caller]
fn check_name(fields: &str, expect: &str) {
    let found = match person(fields) {
        Ok(person) => {
            let names = [&person.given_name, &person.family_name, &person.preferred_name];
            names.map(|name| name.as_deref().unwrap_or("-")).join("|")
        }
        Err(reject) => reject,
    };
    assert_eq!(found, expect, "{fields}");
}

#[test]
fn names() {
    let parts = r#""First_Name": "Asha", "Last_Name": "Rao""#;
    for (more, expect) in [
        ("", "Asha|Rao|-"),
        (
            r#", "Legal_Name": "Asha Rao", "Preferred_Name": "Asha Rao""#,
            "Asha|Rao|-",
        ),
        (r#", "Preferred_Name": "Ash Rao""#, "Asha|Rao|Ash"),
        (r#", "Preferred_Name": "Rao Ash""#, "Asha|Rao|Ash"),
        (r#", "Preferred_Name": " Ash ""#, "Asha|Rao|Ash"),
        (r#", "Preferred_Name": null, "Legal_Name": """#, "Asha|Rao|-"),
        (
            r#", "Preferred_Name": "Ash Varao""#,
            "Preferred_Name unsplit_name",
        ),
        (r#", "Preferred_Name": "Rao""#, "Asha|Rao|-"),
        (
            r#", "Preferred_First_Name": "Ash", "Preferred_Name": "Ash Varao""#,
            "Asha|Rao|Ash",
        ),
        (r#", "Preferred_Name": true"#, "Preferred_Name wrong_type"),
        (
            r#", "Preferred_Name": "A\u0000 Rao""#,
            "Preferred_Name control_character",
        ),
        (
            r#", "Legal_Name": "A", "LegalName": "B""#,
            "LegalName duplicate_field",
        ),
    ] {
        check_name(&format!("{parts}{more}"), expect);
    }
    for (fields, expect) in [
        (r#""Legal_Name": "Sukarno""#, "Sukarno|-|-"),
        (
            r#""Legal_Name": "Sukarno", "Preferred_Name": "Karno""#,
            "Sukarno|-|Karno",
        ),
        (r#""Preferred_Name": "Sukarno""#, "Sukarno|-|-"),
        (r#""Legal_Name": "Ada Lovelace""#, "Legal_Name unsplit_name"),
        (
            r#""Preferred_Name": "Ada Lovelace""#,
            "Preferred_Name unsplit_name",
        ),
        (
            r#""First_Name": null, "Last_Name": " ", "Legal_Name": "Ada Lovelace""#,
            "Legal_Name unsplit_name",
        ),
        (r#""Legal_Name": " ""#, "firstName, lastName missing_name"),
        (
            r#""Last_Name": "Strauß", "Preferred_Name": "Hanna Strauß""#,
            "-|Strauß|Hanna",
        ),
        // Composed and decomposed letters are one name.
        (
            "\"First_Name\": \"A\", \"Last_Name\": \"Be\u{301}land\", \"Preferred_Name\": \"Al B\u{e9}land\"",
            "A|Béland|Al",
        ),
    ] {
        check_name(fields, expect);
    }
}

#[test]
fn fields_of_a_report() {
    let person = person(
        r#""First_Name": "Asha", "Work_Email": "asha.rao@contoso.example", "Manager_Email": "x@contoso.example",
           "Hire_Date": "2020-08-29-07:00", "Termination_Date": "2026-06-06", "Worker_Type": "Employee",
           "Supervisory_Organization": "President's Office - JM (Jane Doe)", "businessTitle": "Nurse",
           "Country": "India", "Time_Zone": "Asia/Kolkata", "Manager_ID": "W-2", "isNewHire": "0", "isUpdated": "1",
           "CF_Superior_Org_Level_05_ID": [{"a": 1}], "Job_Profile": null, "Cost_Center": null"#,
    )
    .unwrap();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!(text(&person.email), "asha.rao@contoso.example");
    assert_eq!(text(&person.job_title), "Nurse");
    assert_eq!(text(&person.country), "IN");
    assert_eq!(text(&person.time_zone), "Asia/Kolkata");
    assert_eq!(person.hire_date, Some(jiff::civil::date(2020, 8, 29)));
    assert_eq!(person.last_day, Some(jiff::civil::date(2026, 6, 6)));
    assert_eq!(person.manager_id.unwrap().to_string(), "W-2");
    assert_eq!(person.cost_center, None);
}

#[test]
fn countries_by_name() {
    let mut wrong = Vec::new();
    for (name, expect) in [
        ("India", "IN"),
        ("united kingdom", "GB"),
        ("United States of America", "US"),
        ("United States", "US"),
        ("Australia", "AU"),
        ("Samoa", "WS"),
        ("Korea", ""),
        ("Côte d'Ivoire", "CI"),
        ("Türkiye", "TR"),
        ("Ireland", "IE"),
        ("South Africa", "ZA"),
        ("New Zealand", "NZ"),
        ("The Netherlands", "NL"),
        ("Netherlands", "NL"),
        ("South Korea", "KR"),
        ("Hong Kong", "HK"),
        ("Brazil", "BR"),
        ("Japan", "JP"),
        ("Poland", "PL"),
        ("Germany", "DE"),
        ("Czech Republic", "CZ"),
        ("Viet Nam", "VN"),
        ("DEU", "DE"),
        ("IN", "IN"),
        ("UK", ""),
        ("USA", "US"),
        ("Atlantis", ""),
    ] {
        let found = person(&format!(r#""First_Name": "A", "Country": "{name}""#));
        let found = found.map(|person| person.country.unwrap());
        let expect = match expect {
            "" => Err("Country not_a_country".to_owned()),
            code => Ok(code.to_owned()),
        };
        if found != expect {
            wrong.push((name, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn records_of_a_report() {
    check(
        r#" { "Report_Entry" : [
            {"Employee_ID": "E-1", "Worker_ID": "W-1", "First_Name": "A", "Worker_Status": "Active"},
            {"Employee_ID": null, "Worker_ID": "W-2", "First_Name": "B", "Worker_Status": "Active"},
            {"First_Name": "C", "Worker_Status": "Active"},
            {"Employee_ID": "E-1", "Worker_Status": "Active"},
            {"Employee_ID": "E-4", "First_Name": "D", "Worker_Status": "On Leave"},
            {"Employee_ID": "E-5", "First_Name": "D", "Worker_Active": "1"},
            {"Employee_ID": "E-6", "First_Name": "D", "Worker_Status": "Active", "Shoe_Size": 43},
            {"Employee_ID": "E-7", "Employee ID": "E-7", "First_Name": "D", "Worker_Status": "Active"},
            null,
            {"Employee_ID": 8, "First_Name": "D", "Worker_Status": "Terminated", "Termination_Date": "2026-06-06"}
        ], "total": 10, "Paging": {"next": null}}"#,
        &[
            "1 E-1",
            "2 \"Worker_ID\" other_key",
            "3 \"employeeId\" missing_key",
            "4 \"Employee_ID\" duplicate_key",
            "5 E-4",
            "6 E-5",
            "7 \"Shoe_Size\" unknown_field",
            "8 \"Employee ID\" duplicate_field",
            "9 \"\" wrong_type",
            "10 8",
        ],
    );
    let other = r#"{"Report_Entry": [{"Employee_Number": 7, "Shoe_Size": 4, "Last_Name": "A", "Worker_Status": "A"}]}"#;
    check_with(&RaasIntake::new().ignore_unknown_fields(true), other, &["1 7"]);
    check_with(&FlatIntake::new().ignore(["shoe-size"]), other, &["1 7"]);
    check(r#"{"Report_Entry": []}"#, &[]);
}

#[test]
fn what_is_no_report_says_so() {
    let one = r#"{"Employee_ID": "W-1", "Last_Name": "A", "Worker_Status": "A"}"#;
    for (input, before, says) in [
        (
            r#"{"Report_Entry": 7}"#.to_owned(),
            &[][..],
            "an object with one array",
        ),
        (r#"{"x": "\"Report_Entry\""}"#.to_owned(), &[], "array of objects"),
        (
            format!(r#"{{"Report_Entry": [{one}"#),
            &["1 W-1"],
            "ends in the middle",
        ),
        (
            format!(r#"{{"Report_Entry": [{one}]}} x"#),
            &["1 W-1"],
            "not JSON",
        ),
        (
            format!(r#"{{"Report_Entry": [{one}], "Report_Entry": [{one}]}}"#),
            &["1 W-1"],
            "Report_Entry",
        ),
        (
            format!(r#"{{"Paging": {{"next": "https://x"}}, "Report_Entry": [{one}]}}"#),
            &["1 W-1"],
            "another page",
        ),
    ] {
        check_error(input, before, &[says]);
    }
    let (_, end) = words(&RaasIntake::new(), br#"[{"Employee_ID": "W-1"}]"#);
    assert!(end.unwrap_err().message().contains("an object with one array"));
}

#[test]
fn a_report_as_a_table_says_the_same() {
    let table = "Employee_ID,Worker_ID,Legal_Name,First_Name,Last_Name,Preferred_Name,Worker_Status,Country,CF_Level\n\
                 W-1,X-1,Asha Rao,Asha,Rao,Ash Rao,Active,India,5\n\
                 W-2,X-2,Sukarno,,,,Active,,\n\
                 W-3,X-3,Bo van Ek,,,,Active,,\n\
                 ,X-4,Ada,,,,Active,,\n\
                 W-5,,Ada,,,,,,\n";
    let expect = [
        "2 W-1",
        "3 W-2",
        "4 \"Legal_Name\" unsplit_name",
        "5 \"Worker_ID\" other_key",
        "6 \"status\" missing_status",
    ];
    check(table, &expect);
    check_with(&CsvIntake::of_report(), table, &expect);
    let mut people = Vec::new();
    FlatIntake::new()
        .read(&mut table.as_bytes(), &mut |item| {
            if let Item::Record(record) = item {
                people.push(record.person);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(people[0].preferred_name.as_deref(), Some("Ash"));
    assert_eq!(people[0].country.as_deref(), Some("IN"));
    assert_eq!(people[1].given_name.as_deref(), Some("Sukarno"));
    // What neither knows is refused, and a table that is no report is not read as one.
    check_error(
        "Employee_ID,Legal_Name,Shoe_Size\nW-1,Ada,41\n",
        &[],
        &["not known", "Shoe_Size"],
    );
    check_error(
        "Worker_ID,Employee_ID,Status\n1,2,A\n",
        &[],
        &["two columns mean the same"],
    );
    check(
        "Employee ID,First Name,Preferred Name,Status\nW-1,Asha,Ash Rao,Active\n",
        &["2 W-1"],
    );
}
