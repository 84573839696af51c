//! Faults by rule: what goes wrong, for which requests, how often.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::Ids;

/// One rule. The first rule that matches a request and is due decides; replication lag adds to it.
///
/// As JSON: `{"method": "POST", "path": "/users", "nth": 2, "times": 1, "kind": "cut_after"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// HTTP method; without one, every method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Path pattern, with or without the version: `*` is one segment or a part of it, `**` any number of them.
    #[serde(default = "everything")]
    path: String,
    /// The first matching request that the fault hits, counted from 1.
    #[serde(default = "one")]
    nth: u64,
    /// How many requests it hits; without a number, all from there on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// Share of the due requests that it hits, 0 to 1. Drawn from the sandbox's seed.
    #[serde(default = "always")]
    probability: f64,
    /// What happens.
    #[serde(rename = "effect")]
    effect: Effect,
    #[serde(default, skip_deserializing)]
    matched: u64,
    #[serde(default, skip_deserializing)]
    fired: u64,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Effect {
    /// 429, not processed.
    Throttle {
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: RetryAfter,
    },
    /// Another status (5xx, 409, ...), not processed.
    Status {
        /// The status code.
        status: u16,
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: RetryAfter,
    },
    /// The connection is cut before the request is processed.
    CutBefore,
    /// The request takes effect, then the connection is cut: no answer.
    CutAfter,
    /// The answer comes late.
    Slow {
        /// Milliseconds of the machine's time.
        millis: u64,
    },
    /// The request does not see objects created less than that ago: they answer 404 and are not listed.
    Lag {
        /// Milliseconds of the sandbox's time.
        millis: u64,
    },
    /// Every token issued so far stops working, this request's too.
    RevokeTokens,
}

/// A `Retry-After` header in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryAfter {
    /// No header.
    #[default]
    Missing,
    /// Whole seconds; 0 too.
    Seconds(u64),
    /// Seconds with a fraction, as `2.128` in Microsoft's throttling documentation.
    Fraction(f64),
    /// An HTTP date that many seconds ahead.
    Date(u64),
}

fn everything() -> String {
    "**".to_owned()
}

fn one() -> u64 {
    1
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// A fault for every request.
    pub fn new(effect: Effect) -> Self {
        Self {
            method: None,
            path: everything(),
            nth: 1,
            times: None,
            probability: 1.0,
            effect,
            matched: 0,
            fired: 0,
        }
    }

    /// Only requests with this method and this path pattern: `*` is one segment or a part of it, `**` any number
    /// of segments; the version in front may be left out.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = (method != "*").then(|| method.to_ascii_uppercase());
        path.clone_into(&mut self.path);
        self
    }

    /// From the nth matching request on, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth.max(1);
        self
    }

    /// Hits that many requests, then rests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits this share of the due requests (0 to 1), drawn from the sandbox's seed.
    #[must_use]
    pub fn probability(mut self, share: f64) -> Self {
        self.probability = share;
        self
    }

    /// How many requests it has hit.
    pub fn fired(&self) -> u64 {
        self.fired
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let versionless = ["/v1.0", "/beta"]
            .iter()
            .find_map(|version| path.strip_prefix(version));
        self.method
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && (glob(&self.path, path) || versionless.is_some_and(|path| glob(&self.path, path)))
    }

    /// Counts a matching request and says whether it is hit.
    fn due(&mut self, ids: &mut Ids) -> bool {
        self.matched += 1;
        if self.matched < self.nth || self.times.is_some_and(|times| self.fired >= times) {
            return false;
        }
        #[allow(clippy::cast_precision_loss)] // 53 bits of chance are plenty
        let draw = (ids.number() >> 11) as f64 / (1_u64 << 53) as f64;
        let hit = self.probability >= 1.0 || draw < self.probability;
        self.fired += u64::from(hit);
        hit
    }
}

impl RetryAfter {
    /// The header's value.
    pub(crate) fn header(self, now: Timestamp) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::Fraction(seconds) => Some(seconds.to_string()),
            Self::Date(ahead) => {
                let ahead = SignedDuration::from_secs(i64::try_from(ahead).unwrap_or(i64::MAX));
                let at = now.checked_add(ahead).unwrap_or(now);
                let since = Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default());
                Some(httpdate::fmt_http_date(std::time::UNIX_EPOCH + since))
            }
        }
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) rules: Vec<Fault>,
}

/// What one request meets.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) effect: Option<Effect>,
    pub(crate) lag_millis: Option<u64>,
}

impl Faults {
    /// Asks every rule about a request.
    pub(crate) fn meet(&mut self, method: &str, path: &str, ids: &mut Ids) -> Met {
        let mut met = Met::default();
        for rule in &mut self.rules {
            if !rule.matches(method, path) {
                continue;
            }
            if let Effect::Lag { millis } = rule.effect {
                if rule.due(ids) {
                    met.lag_millis = met.lag_millis.max(Some(millis));
                }
            } else if met.effect.is_none() && rule.due(ids) {
                met.effect = Some(rule.effect.clone());
            }
        }
        met
    }
}

/// Whether a path matches a pattern. Segments are compared without regard to case.
fn glob(pattern: &str, path: &str) -> bool {
    let split = |text: &str| -> Vec<String> {
        text.split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    segments_match(&split(pattern), &split(path))
}

fn segments_match(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            (0..=path.len()).any(|skipped| segments_match(rest, &path[skipped..]))
        }
        (Some((first, rest)), Some((head, tail))) => {
            part_matches(first.as_bytes(), head.as_bytes()) && segments_match(rest, tail)
        }
        _ => false,
    }
}

fn part_matches(pattern: &[u8], part: &[u8]) -> bool {
    match pattern.split_first() {
        None => part.is_empty(),
        Some((b'*', rest)) => (0..=part.len()).any(|skipped| part_matches(rest, &part[skipped..])),
        Some((first, rest)) => part
            .split_first()
            .is_some_and(|(head, tail)| head == first && part_matches(rest, tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, Fault, Faults, glob};
    use crate::ids::Ids;

    #[test]
    fn patterns_match_paths() {
        let check = |pattern: &str, path: &str, expect: bool| {
            assert_eq!(glob(pattern, path), expect, "{pattern} {path}");
        };
        check("/users", "/users", true);
        check("/users", "/users/1", false);
        check("/users/*", "/users/1", true);
        check("/users/*/manager/$ref", "/users/1/manager/$ref", true);
        check("/groups/*/members/**", "/groups/1/members/2/$ref", true);
        check("/groups/**", "/groups", true);
        check("**", "/anything/at/all", true);
        check("/*/oauth2/v2.0/token", "/tenant/oauth2/v2.0/token", true);
        check("/u*s", "/Users", true);
        check("/u*x", "/users", false);
    }

    #[test]
    fn rules_count_what_they_match() {
        let mut faults = Faults::default();
        faults
            .rules
            .push(Fault::new(Effect::CutBefore).on("POST", "/users").nth(2).times(1));
        let mut ids = Ids::new(1);
        let mut hit = |method: &str, path: &str| faults.meet(method, path, &mut ids).effect.is_some();
        let hits = [
            hit("POST", "/v1.0/users"),
            hit("GET", "/v1.0/users"),
            hit("POST", "/beta/users"),
            hit("POST", "/v1.0/users"),
        ];
        assert_eq!(hits, [false, false, true, false]);
    }

    #[test]
    fn rules_are_read_from_json() {
        let text = r#"{"method":"GET","path":"/users","times":3,"effect":{"kind":"throttle","retry_after":{"fraction":2.128}}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault.times, Some(3));
        assert!(serde_json::from_str::<Fault>(r#"{"effect":{"kind":"nope"}}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"efect":{"kind":"cut_after"}}"#).is_err());
    }
}
