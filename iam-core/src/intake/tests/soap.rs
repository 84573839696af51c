//! `Get_Workers` answers as documents: faults, damage, bounds.

use super::xml::{ACTIVE, answer, status, worker};
use super::*;

#[test]
fn a_fault_is_an_error_that_says_what_workday_said() {
    let fault = |inner: &str| {
        format!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><e:Fault>{inner}</e:Fault>\
             </e:Body></e:Envelope>"
        )
    };
    for (inner, kind, says) in [
        (
            "<faultcode>SOAP-ENV:Client.authenticationError</faultcode><faultstring>invalid username or password\
             </faultstring>",
            ErrorKind::Unauthenticated,
            "invalid username or password",
        ),
        (
            "<faultcode>SOAP-ENV:Client.validationError</faultcode><faultstring>Validation error occurred.\
             </faultstring><detail><wd:Validation_Fault xmlns:wd='urn:com.workday/bsvc'><wd:Validation_Error>\
             <wd:Message>Invalid Page</wd:Message></wd:Validation_Error></wd:Validation_Fault></detail>",
            ErrorKind::Invalid,
            "Validation error occurred.: Invalid Page",
        ),
        (
            "<faultcode>SOAP-ENV:Client</faultcode><faultstring>The task submitted is not authorized.</faultstring>",
            ErrorKind::Denied,
            "not authorized",
        ),
        (
            "<Code><Value>env:Receiver</Value></Code><Reason><Text>Processing error</Text></Reason>",
            ErrorKind::Unavailable,
            "Processing error",
        ),
    ] {
        let (found, end) = words(&FlatIntake::new(), fault(inner).as_bytes());
        let error = end.unwrap_err();
        assert_eq!((found.len(), error.kind()), (0, kind), "{error}");
        assert!(error.message().contains(says), "{error}");
        assert!(error.code().is_some());
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (input, says) in [
        (
            "<html><body>Sign in</body></html>",
            "found html: a sign-in or error page",
        ),
        ("<Envelope><Body/></Envelope>", "found none"),
        ("<Envelope><Body><Other/></Body></Envelope>", "found none"),
        ("<!-- nothing -->", "found none"),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?><Get_Workers_Response/>",
            "encoding other than UTF-8",
        ),
        (
            "<Get_Workers_Response/><Get_Workers_Response/>",
            "a second answer begins",
        ),
    ] {
        check_error(input, &[], &[says]);
    }
    check("<Get_Workers_Response/>", &[]);
}

#[test]
fn an_answer_that_breaks_off_says_where_and_keeps_what_came_before() {
    let all = answer(&[worker("W-1", ACTIVE), worker("W-2", ACTIVE)].concat());
    let second = all.find("W-2").unwrap();
    let cut = &all[..=second];
    check_error(
        cut,
        &["1 W-1"],
        &[
            "Get_Workers_Response/Response_Data/Worker/Worker_Data/Worker_ID",
            "1 workers before it",
        ],
    );
    check_error(
        all.replace("W-2</Worker_ID>", "W-2</Worker>"),
        &["1 W-1"],
        &["end tag", "Worker_Data"],
    );
    check_error(all.replace("W-2<", "W-2 & co<"), &["1 W-1"], &["&amp;"]);
    check_error(all.replace("W-2<", "W-2&nbsp;<"), &["1 W-1"], &["entity"]);
    let mut bytes = all.into_bytes();
    bytes[second] = 0xFF;
    check_error(&bytes, &[], &["not UTF-8"]);
}

#[test]
fn one_bad_worker_stops_nobody_else() {
    let bad = worker(
        "W-2",
        &status("<Active>1</Active><Hire_Date>01/05/2021</Hire_Date>"),
    );
    let torn = "<Worker/>";
    let good = worker("W-1", ACTIVE);
    let all = answer(&[good.as_str(), &bad, torn, &worker("W-4", ACTIVE), &good].concat());
    check(
        all,
        &[
            "1 W-1",
            "2 \"Worker_Data/Employment_Data/Worker_Status_Data/Hire_Date\" not_a_date",
            "3 \"employeeId\" missing_key",
            "4 W-4",
            "5 \"Worker_Data/Worker_ID\" duplicate_row",
        ],
    );
}

#[test]
fn entities_and_depth_are_bounded() {
    let bomb = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>\
                <Get_Workers_Response>&b;</Get_Workers_Response>";
    check_error(bomb, &[], &["document type declaration"]);
    let file = "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><Get_Workers_Response/>";
    check_error(file, &[], &["document type declaration"]);
    let deep = format!("<Get_Workers_Response>{}", "<a>".repeat(100_000));
    check_error(deep, &[], &["more than 64 deep"]);
    let long = answer(&worker(&"9".repeat(5_000), ACTIVE));
    check(long, &["1 \"Worker_Data/Worker_ID\" too_long"]);
    let entity = answer(&worker("W-1", ACTIVE)).replace("<Worker_ID>", "<Worker_ID x='&a;'>");
    check(entity, &["1 W-1"]);
    let entity = answer(&worker("W-1", "<Worker_Job_Data Primary_Job='&a;'/>"));
    check_error(entity, &[], &["entity"]);
}

#[test]
fn a_worker_without_end_is_stopped() {
    let start = answer("").replace("</Response_Data></Get_Workers_Response>", "<Worker><Photo>");
    let mut input = std::io::BufReader::new(std::io::Read::chain(start.as_bytes(), std::io::repeat(b'x')));
    let error = FlatIntake::new()
        .read(&mut input, &mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(
        error.message().contains("worker 1 is longer than 16 MiB"),
        "{error}"
    );
}
