//! What happens to the people of a crash story, and what a worker process is told. Shared with the worker.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use iam_core::person::Person;
use iam_core::policy::Document;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::world;

/// The days on which HR speaks, counted from [`world::NOW`]; on the last one only timers come due. None is the day of
/// somebody's timer: who is quicker then is chance.
pub const DAYS: [i64; 6] = [0, 10, 30, 38, 60, 80];

/// What HR says of one person on each day, and how the tenant has them in the end. `ID` is the story's name.
pub struct Life {
    says: [&'static str; 5],
    pub ends: &'static str,
}

pub const LIVES: [Life; 4] = [
    Life {
        says: [
            "ID-0 Mei Tanaka-ID Security manager=ID-1",
            "ID-0 Mei Tanaka-ID Sales manager=ID-1",
            "ID-0 Mei Tanaka-ID Sales manager=ID-1 status=gone",
            "ID-0 Mei Tanaka-ID Sales manager=ID-1",
            "",
        ],
        ends: "mei.tanaka-ID enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / ",
    },
    Life {
        says: [
            "ID-1 Bo Ek-ID Sales title=Head_of_sales",
            "",
            "ID-1 Bo Ek-ID Security",
            "ID-1 Bo Ek-ID Security status=gone",
            "",
        ],
        ends: "deleted",
    },
    Life {
        says: [
            "ID-2 Ada Ng-ID Security",
            "ID-2 Ada Ng-ID Security status=gone",
            "",
            "ID-2 Ada Ng-ID Sales title=Head_of_things",
            "ID-2 Ada Ng-ID Security",
        ],
        ends: "ada.ng-ID enabled: Everybody, st-security / SPE_E3 / Security Reader",
    },
    Life {
        says: [
            "",
            "ID-3 Ken Ito-ID Sales manager=ID-2",
            "ID-3 Ken Ito-ID Security manager=ID-0",
            "ID-3 Ken Ito-ID Sales manager=ID-0",
            "",
        ],
        ends: "ken.ito-ID enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / ",
    },
];

/// What HR says on a day, of the first `people`.
pub fn says(story: &str, people: usize, day: usize) -> Vec<Person> {
    let lives = LIVES.iter().take(people);
    let texts = lives.filter_map(|life| life.says.get(day).filter(|text| !text.is_empty()));
    texts
        .map(|text| world::person(&text.replace("ID", story)))
        .collect()
}

/// The stories' policy, but that no manager is told: whether they have an account already when somebody joins depends on
/// who is quicker.
pub fn policy() -> Document {
    let text = world::POLICY.replace(r#"notify = ["manager", "hr"]"#, r#"notify = ["hr"]"#);
    assert_ne!(text, world::POLICY);
    Document::parse(&text).unwrap()
}

/// The instant of a day.
pub fn instant(day: usize) -> Timestamp {
    let now: Timestamp = world::NOW.parse().unwrap();
    now.saturating_add(SignedDuration::from_hours(24 * DAYS[day]))
        .unwrap()
}

/// What strikes a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blow {
    /// The process aborts.
    Abort,
    /// The process is killed by signal 9.
    Kill,
    /// From then on the journal's disk is full.
    Full,
    /// The clock jumps an hour ahead.
    Ahead,
    /// The clock jumps an hour back.
    Behind,
    /// The process is stopped for longer than its leases last.
    Stop,
    /// The journal's server is stopped as by a power cut, and started again.
    Server,
    /// The connection is cut after a commit has been sent: nobody hears of it.
    Cut,
}

/// Around which write of its journal a worker is struck.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Strike {
    pub write: usize,
    pub after: bool,
    pub by: Blow,
}

/// What a worker process is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub authority: String,
    pub graph: String,
    pub tenant: String,
    pub client_id: String,
    pub secret: String,
    /// Of the journal and of what the workers tell of themselves.
    pub folder: PathBuf,
    pub story: String,
    pub people: usize,
    /// How many tasks work at the same time.
    pub tasks: usize,
    pub strike: Option<Strike>,
    /// The journal forgets intents: for the proof that the checker sees it.
    pub forgetful: bool,
    /// Where the journal is on a server: then this process is one of several.
    pub server: Option<Server>,
}

/// A journal that several processes share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    pub url: String,
    pub schema: String,
    /// Which process this is. The first one hears what HR says.
    pub process: usize,
}

/// How long the lanes of a fleet are held without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(4);

/// The variable that an [`Order`] travels in. Its secret is the sandbox's, which is nobody's.
pub const ORDER: &str = "CRASH_WORKER";

impl Order {
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal.sqlite")
    }

    fn day_file(&self) -> PathBuf {
        self.folder.join("day")
    }

    /// The day that the workers have come to.
    pub fn day(&self) -> usize {
        let text = fs::read_to_string(self.day_file());
        text.map_or(0, |day| day.parse().unwrap())
    }

    pub fn set_day(&self, day: usize) {
        let new = self.folder.join("day.new");
        fs::write(&new, day.to_string()).unwrap();
        fs::rename(new, self.day_file()).unwrap();
    }

    /// Notes that the records of a day are accepted: from now on they must not be lost.
    pub fn acknowledge(&self, day: usize) {
        let path = self.folder.join(format!("accepted-{day}"));
        fs::write(path, "").unwrap();
    }

    pub fn is_acknowledged(&self, day: usize) -> bool {
        self.folder.join(format!("accepted-{day}")).exists()
    }

    /// Notes how often a worker that came to the end has written.
    pub fn tell_writes(&self, writes: usize) {
        fs::write(self.folder.join("writes"), writes.to_string()).unwrap();
    }

    pub fn writes(&self) -> usize {
        let text = fs::read_to_string(self.folder.join("writes"));
        text.unwrap().parse().unwrap()
    }

    /// Asks for something that only the test can do, and whether it was asked for; then whether it was done.
    pub fn call(&self) {
        fs::write(self.folder.join("called"), "").unwrap();
    }

    pub fn is_called(&self) -> bool {
        self.folder.join("called").exists() && !self.is_answered()
    }

    pub fn answer(&self) {
        fs::write(self.folder.join("answered"), "").unwrap();
    }

    pub fn is_answered(&self) -> bool {
        self.folder.join("answered").exists()
    }
}
