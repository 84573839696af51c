//! SCIM users and bulk requests.

use super::*;

const URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The payload of Microsoft's documentation for API-driven provisioning, in the shape it has there.
fn documented() -> serde_json::Value {
    serde_json::json!({
        "schemas": [URN, ENTERPRISE, "urn:ietf:params:scim:schemas:extension:workday:1.0:User"],
        "externalId": "701984",
        "userName": "bjensen@example.com",
        "name": {
            "formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara",
            "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III"
        },
        "displayName": "Babs Jensen",
        "nickName": "Babs",
        "emails": [
            { "value": "bjensen@example.com", "type": "work", "primary": true },
            { "value": "babs@jensen.example", "type": "home" }
        ],
        "addresses": [
            { "type": "home", "locality": "Elsewhere", "country": "CAN" },
            { "type": "work", "streetAddress": "234300 Universal City Plaza", "locality": "Hollywood", "region": "CA",
              "postalCode": "91608", "country": "USA", "primary": true }
        ],
        "phoneNumbers": [{ "value": "555-555-5555", "type": "work" }],
        "userType": "Employee",
        "title": "Tour Guide",
        "preferredLanguage": "en-US",
        "locale": "en-US",
        "timezone": "America/Los_Angeles",
        "active": true,
        ENTERPRISE: {
            "employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios",
            "division": "Theme Park", "department": "Tour Operations",
            "manager": { "value": "89607", "$ref": "../Users/26118915-6090-4610-87e4-49d8ca9f808d",
                         "displayName": "John Smith" }
        },
        "urn:ietf:params:scim:schemas:extension:workday:1.0:User": {
            "HireDate": "2021-05-01T00:00:00-05:00", "TerminationDate": null, "LastDayOfWork": null,
            "WorkerType": "Regular", "JobCode": "TG-1001", "PositionID": "P-1", "OnLeave": false
        }
    })
}

/// The documented user, changed.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> serde_json::Value {
    let mut user = documented();
    change(&mut user);
    user
}

fn without(name: &str) -> serde_json::Value {
    changed(|user| {
        user.as_object_mut().unwrap().remove(name);
    })
}

fn operation(bulk_id: &str, data: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({ "method": "POST", "bulkId": bulk_id, "path": "/Users", "data": data })
}

fn bulk(operations: &[serde_json::Value]) -> String {
    serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
        "failOnErrors": null
    })
    .to_string()
}

fn person_of(input: &str) -> Person {
    let mut people = Vec::new();
    FlatIntake::new()
        .read(&mut input.as_bytes(), &mut |item| {
            match item {
                Item::Record(record) => people.push(record.person),
                other => panic!("{other:?}"),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(people.len(), 1);
    people.remove(0)
}

#[track_caller]
fn refused(user: &serde_json::Value, field: &str, code: &str) {
    check(user.to_string(), &[&format!("1 {field:?} {code}")]);
    check(
        bulk(&[operation("1", user)]),
        &[&format!("1 {:?} {code}", format!("data.{field}"))],
    );
}

#[test]
fn a_user_is_the_same_person_as_in_the_flat_shape() {
    let csv = "employeeId,firstName,middleName,lastName,preferredName,department,jobTitle,location,country,timeZone,\
               workerType,costCenter,company,email,managerId,hireDate,status\n\
               701984,Barbara,Jane,Jensen,Babs,Tour Operations,Tour Guide,Hollywood,US,America/Los_Angeles,Employee,\
               4130,Universal Studios,babs@jensen.example,89607,2021-05-01,Active\n";
    let expect = serde_json::json!(person_of(csv));
    let user = documented();
    let list = serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 1, "Resources": [user]
    });
    for input in [
        user.to_string(),
        serde_json::json!([user]).to_string(),
        list.to_string(),
        bulk(&[operation("701984", &user)]),
    ] {
        assert_eq!(serde_json::json!(person_of(&input)), expect);
    }
    // Names count in any letter case.
    let shouted = user
        .to_string()
        .replace("\"givenName\"", "\"GIVENNAME\"")
        .replace("\"active\"", "\"Active\"");
    assert_eq!(serde_json::json!(person_of(&shouted)), expect);
}

#[test]
fn active_is_never_assumed() {
    refused(&without("active"), "active", "missing_status");
    refused(
        &changed(|user| user["active"] = serde_json::Value::Null),
        "active",
        "missing_status",
    );
    refused(
        &changed(|user| user["active"] = "gone".into()),
        "active",
        "not_a_flag",
    );
    refused(
        &changed(|user| user["active"] = serde_json::json!([true])),
        "active",
        "wrong_type",
    );
    // Not active may be a leave.
    refused(
        &changed(|user| user["active"] = false.into()),
        "active",
        "unknown_status",
    );
    let workday = "urn:ietf:params:scim:schemas:extension:workday:1.0:User";
    let left = changed(|user| {
        user["active"] = false.into();
        user[workday]["TerminationDate"] = "2026-06-30T00:00:00+10:00".into();
        user[workday]["LastDayOfWork"] = "2026-06-26T23:30:00-12:00".into();
    });
    let person = person_of(&left.to_string());
    assert_eq!(person.status, crate::person::Status::Terminated);
    assert_eq!(person.last_day, "2026-06-26".parse().ok());
    // Words of Entra.
    assert!(
        person_of(&changed(|user| user["active"] = "True".into()).to_string())
            .key
            .as_str()
            == "701984"
    );
}

#[test]
fn values_are_judged_like_any_other() {
    refused(
        &changed(|user| user["timezone"] = "Pacific Standard Time".into()),
        "timezone",
        "unknown_time_zone",
    );
    refused(
        &changed(|user| user["title"] = serde_json::json!({})),
        "title",
        "wrong_type",
    );
    refused(
        &changed(|user| user["name"] = "Babs".into()),
        "name",
        "wrong_type",
    );
    refused(
        &changed(|user| user["emails"] = "a@b.example".into()),
        "emails",
        "wrong_type",
    );
    refused(
        &changed(|user| user["emails"] = serde_json::json!([{ "value": "nowhere" }])),
        "emails[0].value",
        "not_an_email",
    );
    refused(
        &changed(|user| user["schemas"] = serde_json::json!(["urn:ietf:params:scim:schemas:core:2.0:Group"])),
        "schemas",
        "not_a_user",
    );
    let numbered = changed(|user| user["externalId"] = 701_984.into());
    assert_eq!(person_of(&numbered.to_string()).key.as_str(), "701984");
    let number = person_of(&without("externalId").to_string());
    assert_eq!(number.key.as_str(), "701984");
    let twice = documented().to_string().replacen('{', "{\"active\": false,", 1);
    check(twice, &["1 \"active\" duplicate_field"]);
}

#[test]
fn one_bad_operation_stops_nobody_else() {
    let with = |id: &str, change: &str, value: serde_json::Value| {
        let mut operation = operation(id, &changed(|user| user["externalId"] = id.into()));
        operation[change] = value;
        operation
    };
    let good = |id: &str| with(id, "method", "post".into());
    check(
        bulk(&[
            good("1"),
            with("2", "method", "DELETE".into()),
            with("3", "method", "PATCH".into()),
            with("4", "path", "/Groups".into()),
            with("5", "data", serde_json::Value::Null),
            good("1"),
            with("6", "bulkId", "1".into()),
            serde_json::json!(7),
            good("8"),
        ]),
        &[
            "1 1",
            "2 \"method\" unsupported_operation",
            "3 \"method\" unsupported_operation",
            "4 \"path\" unsupported_operation",
            "5 \"data\" wrong_type",
            "6 \"bulkId\" duplicate_bulk_id",
            "7 \"bulkId\" duplicate_bulk_id",
            "8 \"\" wrong_type",
            "9 8",
        ],
    );
    // The same person under two bulk ids, as in the documentation's own sample.
    check(
        bulk(&[operation("1", &documented()), operation("2", &documented())]),
        &["1 701984", "2 \"data.externalId\" duplicate_row"],
    );
    // One key for all: the first user decides where it stands.
    let other = changed(|user| {
        user.as_object_mut().unwrap().remove("externalId");
        user[ENTERPRISE]["employeeNumber"] = "9".into();
    });
    check(
        serde_json::json!([documented(), other]).to_string(),
        &[
            "1 701984",
            &format!("2 {:?} other_key", format!("{ENTERPRISE}:employeeNumber")),
        ],
    );
}

#[test]
fn lists_say_which_page_they_are() {
    let list = serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 7, "itemsPerPage": 1, "startIndex": 3, "Resources": [documented()]
    });
    let (_, end) = words(&FlatIntake::new(), list.to_string().as_bytes());
    let pages = end.unwrap().pages.unwrap();
    assert_eq!(
        (pages.total_results, pages.page_results, pages.page),
        (Some(7), Some(1), Some(3))
    );
}

#[test]
fn what_is_no_payload_says_what_was_expected() {
    check_error(
        "{\"Operations\": 7, \"x\": \"urn:ietf:params:scim:\"}",
        &[],
        &["bulk request"],
    );
    let cut = bulk(&[operation("1", &documented()), operation("2", &documented())]);
    let cut = &cut[..cut.rfind("\"bulkId\"").unwrap()];
    check_error(cut, &["1 701984"], &["ends in the middle", "1 records before it"]);
}
