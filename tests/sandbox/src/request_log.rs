//! The request log: what came and what was answered.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

/// One request as the log keeps it: no headers, no bodies, no secrets in the query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogEntry {
    /// Counted from 1 since the start or the last reset. The items of a batch have the number of the batch.
    pub seq: u64,
    /// When it came, on the sandbox's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path as sent, still encoded.
    pub path: String,
    /// Query string as sent, without the values of secrets.
    pub query: String,
    /// Status of the answer; 0 where the connection was cut.
    pub status: u16,
    /// Value of the `request-id` header of the answer.
    pub request_id: String,
    /// The fault that the request met, if any.
    pub fault: Option<String>,
    /// For an item of a `$batch`: the `request_id` of the request that brought it. Entries without one are the
    /// HTTP requests.
    pub batch: Option<String>,
}

/// How many requests are kept.
pub(crate) const KEPT: usize = 50_000;

/// The last requests, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    pub(crate) entries: VecDeque<LogEntry>,
    /// How many had to make room.
    pub(crate) dropped: u64,
}

impl RequestLog {
    pub(crate) fn push(&mut self, entry: LogEntry) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(entry);
    }

    /// The request is answered. It may have made room meanwhile.
    pub(crate) fn answered(&mut self, seq: u64, request_id: &str, status: u16) {
        let mut latest_first = self.entries.iter_mut().rev();
        if let Some(entry) = latest_first.find(|entry| entry.seq == seq && entry.request_id == request_id) {
            entry.status = status;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let mut log = RequestLog::default();
        for seq in 1..=KEPT as u64 + 3 {
            log.push(LogEntry {
                seq,
                at: Timestamp::UNIX_EPOCH,
                method: "GET".to_owned(),
                path: String::new(),
                query: String::new(),
                status: 0,
                request_id: seq.to_string(),
                fault: None,
                batch: None,
            });
        }
        log.answered(1, "1", 200); // no longer there
        log.answered(4, "4", 200);
        let first = log.entries.front().map(|entry| (entry.seq, entry.status));
        assert_eq!((log.entries.len(), log.dropped, first), (KEPT, 3, Some((4, 200))));
        log.clear();
        assert_eq!((log.entries.len(), log.dropped), (0, 0));
    }
}
