//! The journal's protocol as a model whose every course is walked: two workers, two people, three events, with crashes,
//! pauses, leases that run out and commits that nobody heard of.
//!
//! It shows which guard keeps which promise: each is taken away once, and the walk finds what goes wrong then. The claim
//! is modelled with its trap (one statement that locks a lane and reads its head from an older snapshot, as PostgreSQL
//! does at READ COMMITTED) and without (two statements).

use stateright::{Checker, HasDiscoveries, Model, Property};

/// Person 0 has two events, person 1 has one.
const PERSON: [usize; 3] = [0, 0, 1];
const WORKERS: usize = 2;

/// What is modelled.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each guard is there or not")]
struct Protocol {
    /// The lane is locked and its head read in two statements.
    two_statements: bool,
    /// Writes carry a fence.
    fences: bool,
    /// A lane is held by one worker.
    lane_lock: bool,
    /// The head is the first event of the lane.
    lane_sequence: bool,
    /// A call may outlive the lease that it was made under.
    overrun: bool,
    /// How much goes wrong at most.
    mishaps: u8,
}

const SOUND: Protocol = Protocol {
    two_statements: true,
    fences: true,
    lane_lock: true,
    lane_sequence: true,
    overrun: false,
    mishaps: 3,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    done: [bool; 3],
    /// Of each event's one step: intended, settled.
    intended: [bool; 3],
    settled: [bool; 3],
    fences: [u8; 2],
    leased: [bool; 2],
    workers: [Worker; WORKERS],
    /// The changes that the target has seen, by person. A repeated one changes nothing: classes A and B.
    changes: [Vec<usize>; 2],
    ended: Vec<usize>,
    mishaps: u8,
    /// The newest fence by which was written, and whether an older one was accepted after it.
    written: [u8; 2],
    went_back: bool,
    /// Somebody was given an event that was over.
    stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    /// One statement: it has begun, and sees the events as they were then.
    Seeing {
        done: [bool; 3],
    },
    /// Two statements: the lane is locked, the head not read yet.
    Locked {
        lane: usize,
        fence: u8,
    },
    Working {
        event: usize,
        fence: u8,
        at: Stage,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    /// Claimed.
    Claimed,
    /// The intent is written, the call not made yet.
    Intended,
    /// The call is on its way.
    Calling,
    /// The target has answered.
    Answered,
    /// The outcome is written.
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Act {
    /// A worker begins to look for work.
    Look(usize),
    /// It takes a lane.
    Take(usize, usize),
    /// It reads the head of the lane that it has locked.
    Read(usize),
    /// It goes on by one write or one call.
    Go(usize),
    /// Its write is committed, and it does not hear of that.
    Unheard(usize),
    /// It dies, and another one starts in its place.
    Crash(usize),
    /// A lease runs out: of a worker that is gone, or of one that pauses.
    Expire(usize),
}

impl World {
    /// The event that a lane is claimed for.
    fn head(done: [bool; 3], lane: usize, protocol: Protocol) -> Option<usize> {
        let mut open = (0..3).filter(|event| PERSON[*event] == lane && !done[*event]);
        if protocol.lane_sequence {
            open.next()
        } else {
            open.next_back()
        }
    }

    fn free(&self, lane: usize, protocol: Protocol) -> bool {
        !self.leased[lane] || !protocol.lane_lock
    }

    /// The worker, if any, whose claim on the lane is the latest one.
    fn holder(&self, lane: usize) -> Option<(usize, Worker)> {
        let workers = self.workers.iter().copied().enumerate();
        let mut on_lane = workers.filter(|(_, worker)| match worker {
            Worker::Locked { lane: held, fence } => *held == lane && *fence == self.fences[lane],
            Worker::Working { event, fence, .. } => PERSON[*event] == lane && *fence == self.fences[lane],
            _ => false,
        });
        on_lane.next()
    }

    /// Whether a write of this claim is accepted. It repeats its whole precondition.
    fn accepts(&mut self, event: usize, fence: u8, protocol: Protocol) -> bool {
        let lane = PERSON[event];
        let held = fence == self.fences[lane] || !protocol.fences;
        let accepted = held && !self.done[event];
        if accepted {
            self.went_back |= fence < self.written[lane];
            self.written[lane] = self.written[lane].max(fence);
        }
        accepted
    }

    fn give(&mut self, worker: usize, event: Option<usize>, fence: u8) {
        self.workers[worker] = match event {
            Some(event) => {
                self.stale |= self.done[event];
                let at = Stage::Claimed;
                Worker::Working { event, fence, at }
            }
            None => Worker::Idle,
        };
    }

    fn take(&mut self, worker: usize, lane: usize, protocol: Protocol) {
        self.fences[lane] += 1;
        self.leased[lane] = true;
        let fence = self.fences[lane];
        match self.workers[worker] {
            // The row that was locked is read anew, everything else as it was when the statement began.
            Worker::Seeing { done } => self.give(worker, Self::head(done, lane, protocol), fence),
            _ => self.workers[worker] = Worker::Locked { lane, fence },
        }
    }

    /// The next write or call; whether it was a write that was accepted.
    fn go(&mut self, worker: usize, protocol: Protocol) -> bool {
        let Worker::Working { event, fence, at } = self.workers[worker] else {
            return false;
        };
        let lane = PERSON[event];
        let next = match at {
            Stage::Claimed | Stage::Answered | Stage::Settled if !self.accepts(event, fence, protocol) => {
                None
            }
            // A step that was settled before is not repeated.
            Stage::Claimed if self.settled[event] => Some(Stage::Settled),
            Stage::Claimed => {
                self.intended[event] = true;
                Some(Stage::Intended)
            }
            // Whoever has paused until the lease was over makes no call any more.
            Stage::Intended if fence != self.fences[lane] || !self.leased[lane] => {
                let believes = !protocol.fences || !protocol.lane_lock;
                believes.then_some(Stage::Calling)
            }
            Stage::Intended => Some(Stage::Calling),
            Stage::Calling => {
                if self.changes[lane].last() != Some(&event) {
                    self.changes[lane].push(event);
                }
                Some(Stage::Answered)
            }
            Stage::Answered => {
                self.settled[event] = true;
                Some(Stage::Settled)
            }
            Stage::Settled => {
                self.done[event] = true;
                self.ended.push(event);
                if fence == self.fences[lane] {
                    self.leased[lane] = false;
                }
                None
            }
        };
        let wrote = matches!(at, Stage::Claimed | Stage::Answered | Stage::Settled);
        self.workers[worker] = match next {
            Some(at) => Worker::Working { event, fence, at },
            None => Worker::Idle,
        };
        wrote
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            done: [false; 3],
            intended: [false; 3],
            settled: [false; 3],
            fences: [0; 2],
            leased: [false; 2],
            workers: [Worker::Idle; WORKERS],
            changes: [Vec::new(), Vec::new()],
            ended: Vec::new(),
            mishaps: 0,
            written: [0; 2],
            went_back: false,
            stale: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Act>) {
        let mishap = world.mishaps < self.mishaps;
        for (number, worker) in world.workers.iter().enumerate() {
            match worker {
                Worker::Idle if self.two_statements => {
                    actions.extend((0..2).map(|lane| Act::Take(number, lane)));
                }
                Worker::Idle => actions.push(Act::Look(number)),
                Worker::Seeing { .. } => actions.extend((0..2).map(|lane| Act::Take(number, lane))),
                Worker::Locked { .. } => actions.push(Act::Read(number)),
                Worker::Working { .. } => actions.push(Act::Go(number)),
            }
            if mishap && *worker != Worker::Idle {
                actions.push(Act::Crash(number));
                if matches!(worker, Worker::Working { .. }) {
                    actions.push(Act::Unheard(number));
                }
            }
        }
        actions.extend((0..2).map(Act::Expire));
    }

    fn next_state(&self, world: &World, action: Act) -> Option<World> {
        let mut next = world.clone();
        match action {
            Act::Look(worker) => {
                let work = (0..2)
                    .any(|lane| World::head(next.done, lane, *self).is_some() && next.free(lane, *self));
                if !work {
                    return None;
                }
                next.workers[worker] = Worker::Seeing { done: next.done };
            }
            Act::Take(worker, lane) => {
                // The lane's own row says whether there is work: of now, or, in one statement, of then.
                let done = match next.workers[worker] {
                    Worker::Seeing { done } => done,
                    _ => next.done,
                };
                if World::head(done, lane, *self).is_none() || !next.free(lane, *self) {
                    return None;
                }
                next.take(worker, lane, *self);
            }
            Act::Read(worker) => {
                let Worker::Locked { lane, fence } = next.workers[worker] else {
                    return None;
                };
                let head = World::head(next.done, lane, *self);
                if head.is_none() {
                    next.leased[lane] = false;
                }
                next.give(worker, head, fence);
            }
            Act::Go(worker) => {
                next.go(worker, *self);
            }
            Act::Unheard(worker) => {
                if !next.go(worker, *self) {
                    return None;
                }
                next.workers[worker] = Worker::Idle;
                next.mishaps += 1;
            }
            Act::Crash(worker) => {
                next.workers[worker] = Worker::Idle;
                next.mishaps += 1;
            }
            Act::Expire(lane) => {
                if !next.leased[lane] {
                    return None;
                }
                match next.holder(lane) {
                    None => {}
                    Some((_, Worker::Locked { .. })) => return None, // a transaction, not a lease
                    Some((
                        _,
                        Worker::Working {
                            at: Stage::Calling, ..
                        },
                    )) if !self.overrun => return None,
                    Some(_) if next.mishaps < self.mishaps => next.mishaps += 1,
                    Some(_) => return None,
                }
                next.leased[lane] = false;
            }
        }
        Some(next)
    }

    /// Two workers that take a lane from each other could do so for ever.
    fn within_boundary(&self, world: &World) -> bool {
        world.fences.iter().all(|fence| *fence <= 8)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, world: &World| {
                let lanes = [0, 1].map(|lane| (0..3).filter(move |event| PERSON[*event] == lane));
                let mut lanes = lanes.into_iter().zip(&world.changes);
                lanes.all(|(expected, seen)| {
                    seen.len() <= 2 && seen.iter().copied().eq(expected.take(seen.len()))
                })
            }),
            Property::always(NO_LOSS, |_, world: &World| {
                (0..3).all(|event| !world.done[event] || world.changes[PERSON[event]].contains(&event))
            }),
            Property::always(ORDER, |_, world: &World| {
                let of_first = world.ended.iter().filter(|event| PERSON[**event] == 0);
                of_first
                    .copied()
                    .eq((0..2).filter(|event| world.ended.contains(event)))
            }),
            Property::always(FENCE, |_, world: &World| !world.went_back),
            Property::always(STALE, |_, world: &World| !world.stale),
            Property::always(DRAINS, |protocol: &Protocol, world: &World| {
                let mut actions = Vec::new();
                protocol.actions(world, &mut actions);
                let stuck = actions
                    .iter()
                    .all(|action| protocol.next_state(world, *action).is_none());
                !stuck || world.done == [true; 3]
            }),
            Property::sometimes(DONE, |_, world: &World| world.done == [true; 3]),
        ]
    }
}

const ONCE: &str = "each effect happens once, in the order of the lane";
const NO_LOSS: &str = "what is done has taken effect";
const ORDER: &str = "a person's events end in order";
const FENCE: &str = "no write is accepted after one with a newer fence";
const STALE: &str = "nobody is given an event that is over";
const DRAINS: &str = "wherever nothing can happen any more, everything is done";
const DONE: &str = "everything can be done";

/// The properties that do not hold, and how many states were seen.
fn broken(protocol: Protocol) -> (Vec<&'static str>, usize) {
    let walk = protocol.checker().threads(2);
    let walk = walk.finish_when(HasDiscoveries::AllFailures).spawn_bfs().join();
    let mut names: Vec<_> = walk
        .discoveries()
        .into_keys()
        .filter(|name| *name != DONE)
        .collect();
    names.sort_unstable();
    assert!(
        walk.discovery(DONE).is_some(),
        "{protocol:?}: nothing is ever done"
    );
    (names, walk.unique_state_count())
}

#[test]
fn the_protocol_keeps_every_promise() {
    let (broken, states) = broken(SOUND);
    assert_eq!(broken, <[&str; 0]>::default());
    assert!(states > 10_000, "only {states} states");
}

#[test]
fn a_claim_in_one_statement_is_given_what_is_over() {
    let (broken, _) = broken(Protocol {
        two_statements: false,
        mishaps: 0,
        ..SOUND
    });
    assert!(broken.contains(&STALE), "{broken:?}");
}

#[test]
fn without_fences_a_worker_that_paused_does_harm() {
    let (broken, _) = broken(Protocol {
        fences: false,
        ..SOUND
    });
    assert!(broken.contains(&FENCE) && broken.contains(&ONCE), "{broken:?}");
}

#[test]
fn without_the_lane_lock_two_workers_do_the_same() {
    let (broken, _) = broken(Protocol {
        lane_lock: false,
        mishaps: 0,
        ..SOUND
    });
    assert!(broken.contains(&ONCE), "{broken:?}");
}

#[test]
fn without_the_lane_sequence_events_end_out_of_order() {
    let (broken, _) = broken(Protocol {
        lane_sequence: false,
        mishaps: 0,
        ..SOUND
    });
    assert!(broken.contains(&ORDER) && broken.contains(&ONCE), "{broken:?}");
}

/// What the journal cannot promise: a process that is stopped in the middle of a call, for longer than its lease.
#[test]
fn a_call_that_outlives_its_lease_is_what_remains() {
    let (broken, _) = broken(Protocol {
        overrun: true,
        ..SOUND
    });
    assert_eq!(broken, [ONCE]);
}
