//! The answer sheet: what is true by HR.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::worker::{Status, Worker};
use super::{Company, Delivery};

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The first day is still to come where they work.
    ToCome,
    /// Within the first and the last day.
    AtWork,
    /// The same, and away for long.
    OnLeave,
    /// The last day is over where they worked, or the start was called off, or they are out at once.
    Left,
}

/// What is true of somebody under one worker id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The same number for all worker ids of one human being.
    pub human: usize,
    /// HR's record.
    pub worker: Worker,
    /// Where they stand.
    pub standing: Standing,
    /// Whether the manager's worker id leads to somebody else who is at work or on leave, and on to the head of the
    /// company. Of the head, too.
    pub manager_is_sound: bool,
}

impl Company {
    /// What is true at an instant for somebody who knows the exports up to `last`, by worker id.
    pub fn answers(&self, last: &Delivery<'_>, at: Timestamp) -> Vec<Answer> {
        let known = self.employments.iter().filter_map(|life| {
            let worker = life.record(last.number, last.day)?;
            let standing = standing(&worker, at);
            Some(Answer {
                human: life.human,
                worker,
                standing,
                manager_is_sound: false,
            })
        });
        let mut answers: Vec<Answer> = known.collect();
        for at in 0..answers.len() {
            answers[at].manager_is_sound = leads_to_the_head(&answers, at);
        }
        answers
    }
}

/// By the calendar on the wall of the office.
fn standing(worker: &Worker, at: Timestamp) -> Standing {
    let zone = TimeZone::get(&worker.time_zone).unwrap_or(TimeZone::UTC);
    let today = at.to_zoned_datetime(zone).date();
    let over = match worker.last_day {
        Some(last) => today > last,
        None => worker.status == Status::Terminated,
    };
    if over {
        Standing::Left
    } else if today < worker.hire_date {
        Standing::ToCome
    } else if worker.status == Status::OnLeave {
        Standing::OnLeave
    } else {
        Standing::AtWork
    }
}

fn leads_to_the_head(answers: &[Answer], from: usize) -> bool {
    let mut here = from;
    for _ in 0..answers.len() {
        let Some(manager) = &answers[here].worker.manager else {
            return true;
        };
        let found = answers.binary_search_by(|other| other.worker.worker_id.as_str().cmp(manager));
        match found {
            Ok(next) if matches!(answers[next].standing, Standing::AtWork | Standing::OnLeave) => here = next,
            _ => return false,
        }
    }
    false
}
