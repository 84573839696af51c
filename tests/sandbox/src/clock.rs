//! The sandbox's clock: the machine's, plus what the tests have added, or one that stands still.

use jiff::{SignedDuration, Timestamp};

/// A clock that can be set, moved and stopped.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Clock {
    ahead: SignedDuration,
    stopped_at: Option<Timestamp>,
}

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        let machine = machine_now();
        let running = || machine.checked_add(self.ahead).unwrap_or(machine);
        self.stopped_at.unwrap_or_else(running)
    }

    /// Moves the clock by that much; negative moves it back.
    pub(crate) fn advance(&mut self, by: SignedDuration) {
        match &mut self.stopped_at {
            Some(at) => *at = at.checked_add(by).unwrap_or(*at),
            None => self.ahead = self.ahead.checked_add(by).unwrap_or(self.ahead),
        }
    }

    /// Sets the clock; it runs on from there, unless it stands still.
    pub(crate) fn set(&mut self, to: Timestamp) {
        match &mut self.stopped_at {
            Some(at) => *at = to,
            None => self.ahead = to.duration_since(machine_now()),
        }
    }

    /// Stops the clock where it is, or lets it run on from there.
    pub(crate) fn stop(&mut self, stopped: bool) {
        let now = self.now();
        self.stopped_at = stopped.then_some(now);
        self.ahead = now.duration_since(machine_now());
    }
}

#[allow(clippy::disallowed_methods)] // the one place that may ask the machine
fn machine_now() -> Timestamp {
    Timestamp::now()
}

/// The instant as Graph writes it: whole seconds, UTC, `Z`.
pub(crate) fn graph_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
