//! The sandbox's clock: the machine's, plus what the tests have added.

use jiff::{SignedDuration, Timestamp};

/// A running clock that can be set and moved.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        let machine = machine_now();
        machine.checked_add(self.ahead).unwrap_or(machine)
    }

    /// Moves the clock by that much; negative moves it back.
    pub(crate) fn advance(&mut self, by: SignedDuration) {
        self.ahead = self.ahead.checked_add(by).unwrap_or(self.ahead);
    }

    /// Sets the clock; it runs on from there.
    pub(crate) fn set(&mut self, to: Timestamp) {
        self.ahead = to.duration_since(machine_now());
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
