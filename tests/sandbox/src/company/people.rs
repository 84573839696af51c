//! Who works there, and what becomes of them.

use std::collections::HashMap;

use jiff::ToSpan;
use jiff::civil::Date;

use super::Builder;
use super::history::{Employment, What, settle};
use super::places::{JOBS, Job, PLACES, Place, SERVICE_DESK, day_without_midnight};
use super::turns::{Dealer, Turn};
use super::worker::{Status, Worker};
use crate::names::NAMES;

/// How many people report to one.
const SPAN: usize = 8;
/// A worker id that no export lists.
const NOBODY: &str = "N-999999";
/// Longer than what most systems take of a name.
const LONG: &str = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh-Cholmondeley-Majoribanks";

/// Everybody, with their histories.
pub(super) fn employ(wish: &Builder, days: &[Date]) -> Vec<Employment> {
    let mut office = Office {
        wish,
        days,
        dealer: Dealer::new(wish.seed, wish.staying),
        leavers: HashMap::new(),
        privileged: HashMap::new(),
        ids: wish.people,
        done: Vec::with_capacity(wish.people + wish.people / 20),
    };
    // Whoever others report to stays.
    let leads = wish.people.saturating_sub(1) / SPAN;
    for number in 0..wish.people {
        let (turn, at) = if number <= leads {
            (Turn::Stays, 1)
        } else {
            office.deal()
        };
        office.live(number, turn, at);
    }
    if wish.odd_managers {
        office.confuse(leads);
    }
    office.done
}

struct Office<'a> {
    wish: &'a Builder,
    days: &'a [Date],
    dealer: Dealer,
    /// How many leave by which export.
    leavers: HashMap<usize, usize>,
    privileged: HashMap<usize, usize>,
    /// The last worker id that was given out.
    ids: usize,
    done: Vec<Employment>,
}

impl Office<'_> {
    /// The turn of the next one, and the export by which it comes.
    fn deal(&mut self) -> (Turn, usize) {
        let turn = self.dealer.deal();
        let at = 1 + self.dealer.below(self.days.len().saturating_sub(1));
        if !self.wish.turns.contains(&turn) {
            return (Turn::Stays, at);
        }
        if let Some(later) = turn.leaves_after() {
            let most = self.wish.leavers.min((self.wish.people / 10).max(1));
            let leavers = self.leavers.entry(at + later).or_default();
            if *leavers >= most {
                return (Turn::Stays, at);
            }
            *leavers += 1;
        }
        if turn == Turn::JoinsServiceDesk {
            let agents = self.privileged.entry(at).or_default();
            if *agents >= self.wish.privileged {
                return (Turn::Stays, at);
            }
            *agents += 1;
        }
        (turn, at)
    }

    /// The day of an export; also of one after the last.
    fn day(&self, number: usize) -> Date {
        let ahead = i32::try_from(number).unwrap_or(i32::MAX);
        let ahead = ahead.saturating_mul(self.wish.every_days);
        self.wish.from.saturating_add(ahead.days())
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        id(self.ids - 1)
    }

    /// One life.
    fn live(&mut self, number: usize, turn: Turn, at: usize) {
        let (day, before) = (self.day(at), self.day(at - 1));
        let ahead = i32::try_from(self.dealer.below(13)).unwrap_or_default();
        let mut worker = worker(number, self.wish.seed, self.wish.from);
        if matches!(turn, Turn::Converts | Turn::ConvertsAnew) {
            "Contractor".clone_into(&mut worker.worker_type);
        }
        let without_midnight = PLACES
            .iter()
            .find_map(|place| Some((*place, day_without_midnight(place.zone, day)?)));
        if let (Turn::BeginsLater, Some((place, _))) = (turn, without_midnight) {
            settle(&mut worker, place);
        }
        let hired_on = |mut worker: Worker, day: Date, shown: usize| {
            worker.hire_date = day;
            Employment::new(number, worker, shown)
        };
        let mut again = None;
        let mut life = match turn {
            Turn::BeginsSoon | Turn::BeginsLater | Turn::BeginsToday | Turn::BeganUnannounced => {
                let first = match turn {
                    Turn::BeginsSoon => day.saturating_add((1 + ahead).days()),
                    Turn::BeginsLater => without_midnight
                        .map_or_else(|| day.saturating_add((20 + 3 * ahead).days()), |(_, first)| first),
                    Turn::BeginsToday => day,
                    _ => day.saturating_sub(9.days()),
                };
                hired_on(worker, first, at)
            }
            Turn::HireRescinded | Turn::StartCorrected => {
                hired_on(worker, day.saturating_add((2 + ahead).days()), at - 1)
            }
            Turn::NoShow => hired_on(worker, day.saturating_sub(2.days()).max(before), at - 1),
            Turn::HadLeft | Turn::ReturnsAnew => {
                worker.last_day = Some(self.wish.from.saturating_sub((10 + 3 * ahead).days()));
                worker.hire_date = self.wish.from.saturating_sub(900.days());
                worker.status = Status::Terminated;
                Employment::new(number, worker, 0)
            }
            _ => Employment::new(number, worker, 0),
        };
        let yesterday = What::Leave {
            last_day: day.saturating_sub(1.days()),
        };
        match turn {
            Turn::HireRescinded => life.enter(at, day, What::RescindHire),
            Turn::StartCorrected => {
                let later = life.first.hire_date.saturating_add(9.days());
                life.enter(at, day, What::CorrectStart(later));
            }
            Turn::NoShow => life.enter(at, day, What::NoShow),
            // Known before it counts.
            Turn::Moves => life.enter_ahead(at - 1, at, day, What::Job(pick(&JOBS, number + 3))),
            Turn::JoinsServiceDesk => life.enter(at, day, What::Job(SERVICE_DESK)),
            Turn::Rises => {
                let title = format!("Head of {}", life.first.department);
                life.enter(at, day, What::Title(title));
            }
            Turn::Relocates => life.enter(at, day, What::Place(pick(&PLACES, number / 3 + 4))),
            Turn::Marries => {
                let name = names(number + NAMES.len() * 3, self.wish.seed).1;
                life.enter(at, day, What::FamilyName(name.to_owned()));
            }
            Turn::TitleCorrected => {
                let right = life.first.job_title.clone();
                life.enter(at, day, What::Title(format!("Chief {right}")));
                life.enter(at + 1, day, What::CorrectTitle(right));
            }
            Turn::Converts => life.enter(at, day, What::WorkerType("Employee")),
            Turn::ConvertsAnew => {
                life.enter(at, day, yesterday);
                again = Some((day, "Employee"));
            }
            Turn::ReturnsAnew => again = Some((day, "Employee")),
            Turn::TakesLeave => {
                life.enter(at, day, What::LeaveOfAbsence);
                let back = self.day(at + 2);
                life.enter(at + 2, back, What::Return);
            }
            Turn::GivesNotice => {
                let last_day = self.day(at + 2).saturating_sub(1.days());
                life.enter(at, last_day, What::Leave { last_day });
            }
            Turn::WithdrawsNotice => {
                let last_day = self.day(at + 2);
                life.enter(at - 1, last_day, What::Leave { last_day });
                life.enter(at, day, What::RescindLeave);
            }
            Turn::LeftYesterday => life.enter(at, day, yesterday),
            Turn::Dismissed => life.enter(at, day, What::Dismissal),
            Turn::TerminationRescinded => {
                life.enter(at, day, yesterday);
                let next = self.day(at + 1);
                life.enter(at + 1, next, What::RescindLeave);
            }
            Turn::Rehired => {
                life.enter(at, day, yesterday);
                let back = self.day(at + 2);
                life.enter(at + 2, back, What::Rehire(back));
            }
            _ => {}
        }
        let again = again.map(|(first, kind)| {
            let mut worker = Worker {
                worker_id: self.next_id(),
                last_day: None,
                status: Status::Active,
                ..life.first.clone()
            };
            kind.clone_into(&mut worker.worker_type);
            hired_on(worker, first, at)
        });
        self.done.push(life);
        self.done.extend(again);
    }

    /// What HR gets wrong about managers.
    fn confuse(&mut self, leads: usize) {
        let half = self.days.len() / 2;
        let (day, enough) = (self.day(half), leads >= 3);
        for life in &mut self.done {
            match life.human {
                0 => life.first.manager = Some(id(0)),
                1 if enough => life.first.manager = Some(id(2)),
                2 if enough => life.first.manager = Some(id(1)),
                lead if lead == leads && enough => life.enter(half, day, What::Dismissal),
                other if other > leads && other % 23 == 0 => {
                    life.first.manager = Some(NOBODY.to_owned());
                }
                _ => {}
            }
        }
    }
}

/// Somebody at work for long, or as long as they are.
fn worker(number: usize, seed: u64, from: Date) -> Worker {
    // Namesakes: another person of the same name.
    let named = if number % 31 == 17 { number - 1 } else { number };
    let (given, family) = names(named, seed);
    let (mut given, mut family) = (given.to_owned(), family.to_owned());
    let mut preferred = String::new();
    match number % 29 {
        // One name is all they have.
        8 if number.is_multiple_of(2) => given.clear(),
        8 => family.clear(),
        11 => format!("{family}-{LONG}").clone_into(&mut family),
        14 | 20 => names(number + 5 * NAMES.len(), seed).0.clone_into(&mut preferred),
        _ => {}
    }
    let email = if number % 4 == 1 {
        format!("{}@home.example", id(number).to_lowercase())
    } else {
        String::new()
    };
    let Job {
        department,
        cost_center,
        title,
    } = pick(&JOBS, number);
    let kind = if number % 12 == 10 {
        "Contractor"
    } else {
        "Employee"
    };
    // Over ten years, so that most are past their probation.
    let days = i32::try_from(number % 3650).unwrap_or_default() * 37 % 3650;
    let mut worker = Worker {
        worker_id: id(number),
        given_name: given,
        middle_name: pick(&["", "Ann", "", "Lee", "Maria"], number / 7).to_owned(),
        family_name: family,
        preferred_name: preferred,
        email,
        department: department.to_owned(),
        cost_center: cost_center.to_owned(),
        job_title: title.to_owned(),
        location: String::new(),
        country: String::new(),
        time_zone: String::new(),
        company: String::new(),
        worker_type: kind.to_owned(),
        manager: number.checked_sub(1).map(|before| id(before / SPAN)),
        hire_date: from.saturating_sub((1 + days).days()),
        last_day: None,
        status: Status::Active,
    };
    let place: Place = pick(&PLACES, number / 3);
    settle(&mut worker, place);
    worker
}

/// A given and a family name of one language. Each language's pairs are all used before one comes again.
fn names(number: usize, seed: u64) -> (&'static str, &'static str) {
    let shift = usize::try_from(seed % 64).unwrap_or_default();
    let (given, family) = NAMES[number % NAMES.len()];
    let turn = number / NAMES.len() + shift;
    let nth = |names: &'static str, at: usize| names.split(", ").nth(at % 8).unwrap_or_default();
    (nth(given, turn), nth(family, turn + turn / 8))
}

fn id(number: usize) -> String {
    format!("N-{:06}", number + 1)
}

fn pick<T: Copy, const N: usize>(from: &[T; N], at: usize) -> T {
    from[at % N]
}
