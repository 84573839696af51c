//! Random commands to a journal: every method of the port that writes.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(super) enum Command {
    Append(Vec<News>),
    Tick(i64),
    Claim { max: usize, lapse: bool },
    Heartbeat(usize),
    Plan(usize, String),
    Intend(usize, usize),
    Settle(usize, usize, usize),
    Complete(usize, Vec<Wake>, Option<u8>),
    Retry(usize, i64),
    Dead(usize, Vec<Wake>, bool),
    Requeue(usize, Option<(u8, u8)>),
    Reserve(usize, u8),
    Erase(u8),
    Crew(Crewed),
    Guard(Guarded),
    Deliver(Delivered),
    Exchange(Exchanged),
    Reopen,
}

/// What workers that share a journal do beside the work.
#[derive(Debug, Clone)]
pub(super) enum Crewed {
    PutBack(usize, i64),
    Ask(usize, bool),
    /// The answer to the latest question, or to one before it.
    Answer(usize, bool, bool),
    Skip(usize),
    Resolve(usize, usize, bool),
    /// Bucket, how much is needed, whether urgent.
    Draw(u8, u8, bool),
    Block(u8, i64),
}

/// What becomes of plans that the guard has refused: by hash and actor.
#[derive(Debug, Clone)]
pub(super) enum Guarded {
    Freeze(u8, u8),
    Release(u8, u8),
    Spend(u8),
}

/// What becomes of deliveries; one of the latest, counted back.
#[derive(Debug, Clone)]
pub(super) enum Delivered {
    Open(u8),
    Stage(usize, Vec<Line>),
    Close(usize, bool),
    Release(usize, usize),
    Decide(usize, bool),
}

/// One row of a delivery.
#[derive(Debug, Clone)]
pub(super) enum Line {
    Record(u8, u8),
    News(u8, u8, u8),
    Withdrawn(u8),
}

/// What becomes of messages.
#[derive(Debug, Clone)]
pub(super) enum Exchanged {
    /// Records with ids of their own: person, id, department, instant at the source.
    Observe(Vec<(u8, u8, u8, Option<i64>)>),
    Bury(u8, u8),
    Close(usize, bool),
    Note(u8, bool, u8),
}

#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) person: u8,
    pub(super) id: u8,
    pub(super) kind: usize,
    pub(super) due: i64,
    pub(super) version: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Wake {
    pub(super) person: Option<u8>,
    pub(super) timer: usize,
    pub(super) due: i64,
}

pub(super) const PEOPLE: u8 = 4;

fn crewed() -> impl Strategy<Value = Crewed> {
    let claim = 0..6_usize;
    prop_oneof![
        2 => (claim.clone(), -5..30_i64).prop_map(|(claim, later)| Crewed::PutBack(claim, later)),
        3 => (claim.clone(), any::<bool>()).prop_map(|(claim, leave)| Crewed::Ask(claim, leave)),
        3 => (claim.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(claim, old, yes)| Crewed::Answer(claim, old, yes)),
        2 => claim.clone().prop_map(Crewed::Skip),
        3 => (claim, 0..3_usize, any::<bool>()).prop_map(|(claim, step, did)| Crewed::Resolve(claim, step, did)),
        2 => (0..2_u8, 0..12_u8, any::<bool>()).prop_map(|(bucket, least, urgent)| Crewed::Draw(bucket, least, urgent)),
        1 => (0..2_u8, 0..30_i64).prop_map(|(bucket, until)| Crewed::Block(bucket, until)),
    ]
}

fn guarded() -> impl Strategy<Value = Guarded> {
    let (hash, actor) = (0..3_u8, 0..3_u8);
    prop_oneof![
        2 => (hash.clone(), actor.clone()).prop_map(|(hash, by)| Guarded::Freeze(hash, by)),
        2 => (hash.clone(), actor).prop_map(|(hash, by)| Guarded::Release(hash, by)),
        1 => hash.prop_map(Guarded::Spend),
    ]
}

fn delivered() -> impl Strategy<Value = Delivered> {
    let line = prop_oneof![
        4 => (0..PEOPLE, 0..3_u8).prop_map(|(person, department)| Line::Record(person, department)),
        2 => (0..PEOPLE, 0..6_u8, 0..2_u8).prop_map(|(person, id, kind)| Line::News(person, id, kind)),
        1 => (0..PEOPLE).prop_map(Line::Withdrawn),
    ];
    let lines = prop::collection::vec(line, 0..5);
    prop_oneof![
        2 => (0..2_u8).prop_map(Delivered::Open),
        4 => (0..2_usize, lines).prop_map(|(back, lines)| Delivered::Stage(back, lines)),
        3 => (0..2_usize, any::<bool>()).prop_map(|(back, finding)| Delivered::Close(back, finding)),
        4 => (0..3_usize, 0..5_usize).prop_map(|(back, max)| Delivered::Release(back, max)),
        2 => (0..3_usize, any::<bool>()).prop_map(|(back, release)| Delivered::Decide(back, release)),
    ]
}

fn exchanged() -> impl Strategy<Value = Exchanged> {
    let instant = prop::option::of(0..20_i64);
    let seen = (0..PEOPLE, 0..6_u8, 0..3_u8, instant);
    prop_oneof![
        4 => prop::collection::vec(seen, 1..3).prop_map(Exchanged::Observe),
        2 => (0..3_u8, 0..3_u8).prop_map(|(id, content)| Exchanged::Bury(id, content)),
        2 => (0..3_usize, any::<bool>()).prop_map(|(back, accepted)| Exchanged::Close(back, accepted)),
        2 => (0..2_u8, any::<bool>(), any::<u8>()).prop_map(|(name, stale, value)| Exchanged::Note(name, stale, value)),
    ]
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let person = 0..PEOPLE;
    let news = (
        person.clone(),
        0..9_u8,
        0..6_usize,
        -20..20_i64,
        prop::option::weighted(0.1, 0..4_u64),
    );
    let news = news.prop_map(|(person, id, kind, due, version)| News {
        person,
        id,
        kind,
        due,
        version,
    });
    let wake = (
        prop::option::weighted(0.2, person.clone()),
        0..4_usize,
        -5..30_i64,
    );
    let wake = wake.prop_map(|(person, timer, due)| Wake { person, timer, due });
    let wakes = prop::collection::vec(wake, 0..3);
    prop_oneof![
        6 => prop::collection::vec(news, 1..4).prop_map(Command::Append),
        3 => (0..15_i64).prop_map(Command::Tick),
        8 => (0..4_usize, any::<bool>()).prop_map(|(max, lapse)| Command::Claim { max, lapse }),
        1 => (0..6_usize).prop_map(Command::Heartbeat),
        1 => (0..6_usize, "[a-zß\"]{0,5}").prop_map(|(claim, note)| Command::Plan(claim, note)),
        2 => (0..6_usize, 0..3_usize).prop_map(|(claim, step)| Command::Intend(claim, step)),
        2 => (0..6_usize, 0..3_usize, 0..3_usize).prop_map(|(claim, step, how)| Command::Settle(claim, step, how)),
        5 => (0..6_usize, wakes.clone(), prop::option::of(person.clone()))
            .prop_map(|(claim, wakes, waits)| Command::Complete(claim, wakes, waits)),
        3 => (0..6_usize, -5..30_i64).prop_map(|(claim, later)| Command::Retry(claim, later)),
        2 => (0..6_usize, wakes, any::<bool>()).prop_map(|(claim, wakes, park)| Command::Dead(claim, wakes, park)),
        3 => (0..6_usize, prop::option::weighted(0.3, (person.clone(), 0..9_u8)))
            .prop_map(|(claim, other)| Command::Requeue(claim, other)),
        1 => (0..4_usize, person).prop_map(|(name, person)| Command::Reserve(name, person)),
        1 => (0..PEOPLE).prop_map(Command::Erase),
        6 => crewed().prop_map(Command::Crew),
        2 => guarded().prop_map(Command::Guard),
        5 => delivered().prop_map(Command::Deliver),
        4 => exchanged().prop_map(Command::Exchange),
        1 => Just(Command::Reopen),
    ]
}
