//! The gate before a delivery is believed.

use super::*;
use crate::error::Error;

/// A delivery of so many rows, each with a department.
fn delivery(rows: u32) -> Delivery {
    table("Employee ID,First Name,Department,Status", rows, |n| {
        format!("W-{n},Ada,Clinical,Active")
    })
}

fn table(header: &str, rows: u32, row: impl Fn(u32) -> String) -> Delivery {
    let text = format!(
        "{header}\n{}",
        (1..=rows).map(|n| row(n) + "\n").collect::<String>()
    );
    let mut delivery = Delivery::default();
    delivery.add(&words(&CsvIntake::new(), text.as_bytes()).1.unwrap());
    delivery
}

/// One page of an answer with so many workers.
fn page(number: u32, pages: u32, total: u32, workers: std::ops::Range<u32>, says: u32) -> Summary {
    let workers: Vec<String> = workers
        .map(|n| {
            format!(
                "<Worker><Worker_Data><Worker_ID>W-{n}</Worker_ID><Personal_Data><Name_Data><Legal_Name_Data>\
                 <Name_Detail_Data><First_Name>Ada</First_Name></Name_Detail_Data></Legal_Name_Data></Name_Data>\
                 </Personal_Data><Employment_Data><Worker_Status_Data><Active>1</Active></Worker_Status_Data>\
                 </Employment_Data></Worker_Data></Worker>"
            )
        })
        .collect();
    let answer = format!(
        "<Get_Workers_Response><Response_Results><Total_Results>{total}</Total_Results><Total_Pages>{pages}\
         </Total_Pages><Page_Results>{says}</Page_Results><Page>{number}</Page></Response_Results><Response_Data>\
         {}</Response_Data></Get_Workers_Response>",
        workers.concat()
    );
    words(&WorkdayXmlIntake::new(), answer.as_bytes()).1.unwrap()
}

#[track_caller]
fn held(last_good: Option<&Delivery>, present: &Delivery, expect: &[&str]) {
    let found = Gate::default().findings(last_good, present);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, expect);
}

#[test]
fn no_rows_are_never_believed() {
    let nothing = table("Employee ID,Status", 0, |_| String::new());
    held(None, &nothing, &["no rows"]);
    held(
        Some(&delivery(40)),
        &nothing,
        &["no rows, 40 in the last good delivery"],
    );
    held(None, &delivery(1), &[]);
}

#[test]
fn a_delivery_far_shorter_or_longer_is_held() {
    let good = delivery(1000);
    held(Some(&good), &delivery(900), &[]);
    held(
        Some(&good),
        &delivery(899),
        &["899 rows, 11 % fewer than the 1000 of the last good delivery (at most 10 %)"],
    );
    held(Some(&good), &delivery(1500), &[]);
    held(
        Some(&good),
        &delivery(1501),
        &["1501 rows, 51 % more than the 1000 of the last good delivery (at most 50 %)"],
    );
    // A small company is not in percent.
    held(Some(&delivery(10)), &delivery(5), &[]);
    assert_eq!(
        Gate::default().findings(Some(&delivery(10)), &delivery(4)).len(),
        1
    );
    // Limits can be set, and taken away for sources that deliver changes only.
    let mut gate = Gate {
        max_loss_percent: Some(40),
        ..Gate::default()
    };
    assert!(gate.findings(Some(&good), &delivery(600)).is_empty());
    assert_eq!(gate.findings(Some(&good), &delivery(599)).len(), 1);
    gate.max_loss_percent = None;
    assert!(gate.findings(Some(&good), &delivery(3)).is_empty());
}

#[test]
fn missing_columns_and_emptied_ones_are_held() {
    let good = delivery(100);
    let shorter = table("Employee ID,First Name,Status", 100, |n| {
        format!("W-{n},Ada,Active")
    });
    held(
        Some(&good),
        &shorter,
        &[
            "field department has no value in any row, it had one in 100 rows of the last good delivery",
            "the columns are others than those of the last good delivery",
        ],
    );
    let filled = |filled: u32| {
        table("Employee ID,First Name,Department,Status", 100, move |n| {
            format!("W-{n},Ada,{},Active", if n <= filled { "Clinical" } else { "" })
        })
    };
    held(Some(&good), &filled(50), &[]);
    held(
        Some(&good),
        &filled(49),
        &["field department has a value in 49 % of the rows, in the last good delivery in 100 %"],
    );
    // What few rows have comes and goes; the order of columns says nothing.
    held(Some(&filled(9)), &filled(0), &[]);
    let turned = table("status,department,first_name,employee_id", 100, |n| {
        format!("Active,Clinical,Ada,W-{n}")
    });
    held(Some(&good), &turned, &[]);
}

#[test]
fn many_refused_rows_are_held() {
    let bad = |bad: u32| {
        table("Employee ID,First Name,Department,Status", 100, move |n| {
            format!(
                "W-{n},Ada,Clinical,{}",
                if n <= bad { "Inactive" } else { "Active" }
            )
        })
    };
    held(None, &bad(10), &[]);
    held(
        None,
        &bad(11),
        &["11 of 100 rows were refused, 11 % (at most 10 %)"],
    );
}

#[test]
fn pages_must_add_up() {
    let of = |pages: &[Summary]| {
        let mut delivery = Delivery::default();
        for page in pages {
            delivery.add(page);
        }
        delivery
    };
    let (first, second) = (page(1, 2, 5, 1..4, 3), page(2, 2, 5, 4..6, 2));
    held(None, &of(&[first, second]), &[]);
    held(None, &of(&[second, first]), &[]);
    held(
        None,
        &of(&[first]),
        &[
            "1 of 2 pages came, the first one missing is page 2",
            "3 rows came, 5 were announced",
        ],
    );
    held(
        None,
        &of(&[first, first]),
        &[
            "page 1 came twice",
            "1 of 2 pages came, the first one missing is page 2",
            "6 rows came, 5 were announced",
        ],
    );
    held(
        None,
        &of(&[first, page(2, 2, 5, 4..5, 2)]),
        &[
            "page 2 holds 1 rows and announces 2",
            "4 rows came, 5 were announced",
        ],
    );
}

#[test]
fn a_reading_that_failed_is_never_believed() {
    let mut present = delivery(100);
    present.fail(&Error::new(ErrorKind::Invalid, "line 7: broken"));
    held(
        Some(&delivery(100)),
        &present,
        &["it could not be read to its end: line 7: broken"],
    );
}

#[test]
fn a_delivery_is_kept_as_json_and_read_back() {
    let mut present = delivery(100);
    present.add(&page(1, 2, 5, 1..4, 2));
    let kept = serde_json::to_string(&present).unwrap();
    assert_eq!(serde_json::from_str::<Delivery>(&kept).unwrap(), present);
    let gate: Gate = serde_json::from_str(r#"{"max_loss_percent": 3}"#).unwrap();
    assert_eq!((gate.max_loss_percent, gate.small), (Some(3), 5));
    assert!(serde_json::from_str::<Gate>(r#"{"max_los_percent": 3}"#).is_err());
}
