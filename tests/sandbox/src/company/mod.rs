//! A generated company: people of many languages in offices around the world, what HR enters about them in the course
//! of time, and the exports in which a platform gets to know it.
//!
//! The same for the same numbers. It knows no clock and no tenant: a [`Delivery`] is text in the formats of HR systems,
//! and the [answers](Company::answers) say what is true by HR at an instant, to judge by.

mod answers;
mod delivery;
mod history;
mod notices;
mod people;
mod places;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests;
mod turns;
mod workday;
mod worker;

use jiff::ToSpan;
use jiff::civil::{Date, date};

pub use answers::{Answer, Standing};
pub use delivery::Delivery;
pub use turns::Turn;
pub use worker::{Status, Worker};

use history::Employment;

/// What a company is made with.
#[derive(Debug, Clone)]
pub struct Builder {
    people: usize,
    seed: u64,
    deliveries: usize,
    from: Date,
    every_days: i32,
    turns: Vec<Turn>,
    staying: usize,
    odd_managers: bool,
    leavers: usize,
    privileged: usize,
}

impl Builder {
    /// Who meets which turn, and when, depends on this number. Default 1.
    #[must_use]
    pub fn seed(mut self, number: u64) -> Self {
        self.seed = number;
        self
    }

    /// How many exports there are. Default 10, at least 1.
    #[must_use]
    pub fn deliveries(mut self, count: usize) -> Self {
        self.deliveries = count.max(1);
        self
    }

    /// The day of the first export. Default 2027-03-01.
    #[must_use]
    pub fn from(mut self, day: Date) -> Self {
        self.from = day;
        self
    }

    /// The days from one export to the next. Default 7, at least 1.
    #[must_use]
    pub fn every_days(mut self, days: u16) -> Self {
        self.every_days = i32::from(days.max(1));
        self
    }

    /// The turns that people may meet; whoever is dealt another one stays. Default: [all](Turn::ALL).
    #[must_use]
    pub fn turns(mut self, turns: &[Turn]) -> Self {
        self.turns = turns.to_vec();
        self
    }

    /// The turns are dealt to forty people, and so many more stay as they are. Default 0, which is a lively company: two
    /// of three meet something in the course of the history.
    #[must_use]
    pub fn staying(mut self, count: usize) -> Self {
        self.staying = count;
        self
    }

    /// HR's mistakes about managers: the head reports to themselves, two team leads to each other, some people to
    /// somebody whom no export lists; and the last lead of a team is dismissed half-way, and stays its manager. Off by
    /// default.
    #[must_use]
    pub fn odd_managers(mut self, on: bool) -> Self {
        self.odd_managers = on;
        self
    }

    /// At most so many leave by one export, and never more than a tenth of the people (one of fewer than ten).
    /// Default 20.
    #[must_use]
    pub fn leavers_at_most(mut self, count: usize) -> Self {
        self.leavers = count;
        self
    }

    /// At most so many join the service desk by one export. Default 5.
    #[must_use]
    pub fn privileged_at_most(mut self, count: usize) -> Self {
        self.privileged = count;
        self
    }

    /// Nothing happens that waits for somebody's decision, or gives an old person a new worker id; and few enough people
    /// leave or rise for a guard to let it pass.
    #[must_use]
    pub fn calm(self) -> Self {
        self.turns(Turn::CALM).staying(40)
    }

    /// The company.
    pub fn build(self) -> Company {
        let day = |number: usize| {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            self.from
                .saturating_add(number.saturating_mul(self.every_days).days())
        };
        let days: Vec<Date> = (0..self.deliveries).map(day).collect();
        let mut employments = people::employ(&self, &days);
        employments.sort_by(|a, b| a.first.worker_id.cmp(&b.first.worker_id));
        Company {
            people: self.people,
            days,
            employments,
        }
    }
}

/// A company with its history.
#[derive(Debug, Clone)]
pub struct Company {
    people: usize,
    days: Vec<Date>,
    /// By worker id.
    employments: Vec<Employment>,
}

impl Company {
    /// A company of that many people.
    ///
    /// ```
    /// use iam_sandbox::company::Company;
    ///
    /// let company = Company::of(60).build();
    /// let first = company.deliveries().next().unwrap();
    /// assert!(first.csv().starts_with("Employee ID,First Name"));
    /// ```
    pub fn of(people: usize) -> Builder {
        Builder {
            people,
            seed: 1,
            deliveries: 10,
            from: date(2027, 3, 1),
            every_days: 7,
            turns: Turn::ALL.to_vec(),
            staying: 0,
            odd_managers: false,
            leavers: 20,
            privileged: 5,
        }
    }

    /// How many human beings there are in the course of the history.
    pub fn people(&self) -> usize {
        self.people
    }

    /// The exports, in order.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery<'_>> {
        let days = self.days.iter().enumerate();
        days.map(|(number, day)| Delivery {
            company: self,
            number,
            day: *day,
        })
    }
}
