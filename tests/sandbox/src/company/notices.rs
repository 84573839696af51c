//! What HR enters, as the events of business processes.

use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::Company;
use super::history::{Deed, Employment, What};

/// `{"Report_Entry": [..]}` with what was entered before the export of that number.
pub(super) fn report(company: &Company, number: usize, day: Date) -> Value {
    let mut entries = Vec::new();
    for life in company.employments.iter().filter(|_| number > 0) {
        for (at, deed) in life.deeds.iter().enumerate() {
            if deed.entered == number {
                entries.push(event(life, at, deed, day));
            }
        }
    }
    json!({ "Report_Entry": entries })
}

/// The id of an entry.
fn event_id(life: &Employment, at: usize) -> String {
    format!("e-{}-{at}", life.first.worker_id)
}

fn event(life: &Employment, at: usize, deed: &Deed, day: Date) -> Value {
    let contractor = life.first.worker_type == "Contractor";
    let (hire, end) = if contractor {
        ("Contract Contingent Worker", "End Contingent Worker Contract")
    } else {
        ("Hire Employee", "Terminate Employee")
    };
    let (name, process) = match &deed.what {
        What::Hire | What::Rehire(_) => (hire, hire),
        What::RescindHire => ("Rescind", hire),
        What::CorrectStart(_) => ("Correct", hire),
        What::NoShow | What::Leave { .. } | What::Dismissal => (end, end),
        What::Job(_) => ("Change Job", "Transfer Employee"),
        What::Title(_) => ("Change Job", "Promote Employee"),
        What::CorrectTitle(_) => ("Correct", "Promote Employee"),
        What::Place(_) => ("Change Job", "Change Location"),
        What::FamilyName(_) => ("Change Legal Name", "Legal Name Change Event"),
        What::WorkerType(_) => ("Change Job", "Convert Contingent Worker to Employee"),
        What::LeaveOfAbsence => ("Request Leave of Absence", "Request Leave of Absence"),
        What::Return => (
            "Return Worker from Leave of Absence",
            "Return Worker from Leave of Absence",
        ),
        What::RescindLeave => ("Rescind", end),
    };
    let mut event = json!({
        "eventId": event_id(life, at),
        "eventName": name,
        "businessProcess": process,
        // Entered the evening before.
        "eventTime": format!("{}T17:00:00Z", day.saturating_sub(1.days())),
        "workerId": life.first.worker_id,
    });
    let mut put = |name: &str, value: Value| event[name] = value;
    match &deed.what {
        What::Leave { last_day } => {
            put("terminationDate", last_day.to_string().into());
            put("lastDayOfWork", last_day.to_string().into());
        }
        What::NoShow => {
            put("terminationDate", deed.effective.to_string().into());
            put("reason", "No Show".into());
            put("urgent", true.into());
        }
        What::Dismissal => {
            put("terminationDate", deed.effective.to_string().into());
            put("urgent", true.into());
        }
        What::Hire => put("hireDate", deed.effective.to_string().into()),
        What::Rehire(first) | What::CorrectStart(first) => put("hireDate", first.to_string().into()),
        _ => put("effectiveDate", deed.effective.to_string().into()),
    }
    if let Some(of) = deed.of {
        put("originalEventId", event_id(life, of).into());
    }
    event
}
