//! What HR enters about somebody, and what its export says after it.

use jiff::civil::Date;

use super::places::{Job, Place};
use super::worker::{Status, Worker};

/// What one entry changes.
#[derive(Debug, Clone)]
pub(super) enum What {
    Hire,
    /// A hire that is called off.
    RescindHire,
    /// The hire of the entry `of`, on another day.
    CorrectStart(Date),
    NoShow,
    Job(Job),
    Title(String),
    /// The title of the entry `of`, put right.
    CorrectTitle(String),
    Place(Place),
    FamilyName(String),
    WorkerType(&'static str),
    LeaveOfAbsence,
    Return,
    /// The last day; terminated from the export on that follows it.
    Leave {
        last_day: Date,
    },
    /// Out at once.
    Dismissal,
    /// The leave of the entry `of` is off.
    RescindLeave,
    Rehire(Date),
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    /// The export before which it is entered.
    pub(super) entered: usize,
    /// The first export that shows it.
    pub(super) shown: usize,
    /// The day from which it counts.
    pub(super) effective: Date,
    pub(super) what: What,
    /// The place of the entry that it rescinds or corrects.
    pub(super) of: Option<usize>,
}

/// Somebody under one worker id.
#[derive(Debug, Clone)]
pub(super) struct Employment {
    /// The same for all worker ids of one human being.
    pub(super) human: usize,
    /// As the first entry makes it.
    pub(super) first: Worker,
    pub(super) deeds: Vec<Deed>,
}

impl Employment {
    /// An employment that the export of that number is the first to show.
    pub(super) fn new(human: usize, first: Worker, shown: usize) -> Self {
        let hire = Deed {
            entered: shown,
            shown,
            effective: first.hire_date,
            what: What::Hire,
            of: None,
        };
        Self {
            human,
            first,
            deeds: vec![hire],
        }
    }

    /// Enters something that counts from the export's day on.
    pub(super) fn enter(&mut self, export: usize, day: Date, what: What) {
        self.enter_ahead(export, export, day, what);
    }

    /// Enters something before it counts.
    pub(super) fn enter_ahead(&mut self, entered: usize, shown: usize, effective: Date, what: What) {
        let of = match what {
            What::RescindHire | What::CorrectStart(_) => Some(0),
            What::CorrectTitle(_) | What::RescindLeave => self.deeds.len().checked_sub(1),
            _ => None,
        };
        self.deeds.push(Deed {
            entered,
            shown,
            effective,
            what,
            of,
        });
    }

    /// What the export of that number and day says; `None` before HR knows them.
    pub(super) fn record(&self, export: usize, day: Date) -> Option<Worker> {
        if self.deeds.first()?.shown > export {
            return None;
        }
        let mut worker = self.first.clone();
        let shown = self.deeds.iter().filter(|deed| deed.shown <= export);
        shown.for_each(|deed| apply(&mut worker, &deed.what));
        if worker.last_day.is_some_and(|last| last < day) {
            worker.status = Status::Terminated;
        }
        Some(worker)
    }
}

fn apply(worker: &mut Worker, what: &What) {
    match what {
        What::Hire => {}
        What::RescindHire | What::NoShow | What::Dismissal => worker.status = Status::Terminated,
        What::CorrectStart(day) => worker.hire_date = *day,
        What::Job(job) => {
            job.department.clone_into(&mut worker.department);
            job.cost_center.clone_into(&mut worker.cost_center);
            job.title.clone_into(&mut worker.job_title);
        }
        What::Title(title) | What::CorrectTitle(title) => worker.job_title.clone_from(title),
        What::Place(place) => settle(worker, *place),
        What::FamilyName(name) => worker.family_name.clone_from(name),
        What::WorkerType(kind) => (*kind).clone_into(&mut worker.worker_type),
        What::LeaveOfAbsence => worker.status = Status::OnLeave,
        What::Return => worker.status = Status::Active,
        What::Leave { last_day } => worker.last_day = Some(*last_day),
        What::RescindLeave => {
            worker.last_day = None;
            worker.status = Status::Active;
        }
        What::Rehire(day) => {
            worker.hire_date = *day;
            worker.last_day = None;
            worker.status = Status::Active;
        }
    }
}

/// Puts somebody into an office.
pub(super) fn settle(worker: &mut Worker, place: Place) {
    place.office.clone_into(&mut worker.location);
    place.country.clone_into(&mut worker.country);
    place.zone.clone_into(&mut worker.time_zone);
    place.company.clone_into(&mut worker.company);
}
