//! What Graph charges a request with, in resource units, and the budget that it grants an application in a
//! tenant.
//!
//! Source: Microsoft Learn, "Microsoft Graph service-specific throttling limits", section "Identity and access
//! service limits". A request costs what its path costs, one less with `$select`, one more with `$expand`, one
//! less with `$top` below 20, and never less than one. What the service says of a request it has answered
//! (`x-ms-resource-unit`, `x-ms-throttle-limit-percentage`) replaces the prediction.

use std::time::Duration;

use iam_core::clock::SharedClock;
use iam_core::http::retry::retry_after;
use iam_core::http::throttle::{Cost, Meter, Quota, Reading, Throttle};
use iam_core::http::{Method, Request, Response};
use jiff::Timestamp;

/// The limits of one application in one tenant. The defaults are the documented ones of the smallest tenant.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Resource units in [`UNITS_WINDOW`](Self::UNITS_WINDOW) (3,500).
    pub units: u32,
    /// Writes in [`WRITES_WINDOW`](Self::WRITES_WINDOW) (3,000).
    pub writes: u32,
}

impl Limits {
    /// The window that units are counted in: 10 s.
    pub const UNITS_WINDOW: Duration = Duration::from_secs(10);
    /// The window that writes are counted in: 150 s.
    pub const WRITES_WINDOW: Duration = Duration::from_secs(150);

    /// The documented limits of a tenant with so many users: below 50, up to 500, above.
    pub fn of_tenant(users: usize) -> Self {
        let units = match users {
            0..50 => 3_500,
            50..=500 => 5_000,
            _ => 8_000,
        };
        Self { units, writes: 3_000 }
    }

    /// Limits of your own, for example a share of the documented ones.
    pub fn new(units: u32, writes: u32) -> Self {
        Self { units, writes }
    }

    pub(crate) fn throttle(self, clock: SharedClock) -> Throttle {
        let quota = |capacity: u32, window| Quota {
            capacity: f64::from(capacity.max(1)),
            window,
        };
        Throttle::new(
            std::sync::Arc::new(GraphMeter),
            quota(self.units, Self::UNITS_WINDOW),
            quota(self.writes, Self::WRITES_WINDOW),
            clock,
        )
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_tenant(0)
    }
}

/// Predicts by the documented table and reads the documented headers.
#[derive(Debug, Clone, Copy)]
struct GraphMeter;

impl Meter for GraphMeter {
    fn cost(&self, request: &Request) -> Cost {
        cost(request.method, &request.url)
    }

    fn read(&self, answer: &Response, now: Timestamp) -> Reading {
        let number = |name| answer.header(name)?.trim().parse::<f64>().ok();
        let finite = |name| number(name).filter(|number| number.is_finite() && *number >= 0.0);
        let throttled = matches!(answer.status, 429 | 509);
        // "Tenant_Application/Write/{application}/{tenant}"
        let scope = answer.header("x-ms-throttle-scope").unwrap_or_default();
        let writes = scope
            .split('/')
            .nth(1)
            .is_some_and(|what| what.eq_ignore_ascii_case("write"))
            || answer
                .header("x-ms-throttle-information")
                .is_some_and(|why| why.eq_ignore_ascii_case("WriteLimitExceeded"));
        Reading {
            units: finite("x-ms-resource-unit"),
            used: finite("x-ms-throttle-limit-percentage"),
            // Some services name no time: then the refused request alone waits, as its retries do.
            pause: throttled.then(|| retry_after(answer, now)).flatten(),
            writes_only: throttled && writes,
        }
    }
}

/// What a request will be charged with. A batch envelope is free: its items are charged one by one.
#[allow(clippy::match_same_arms)] // one arm is one row of the table
pub(crate) fn cost(method: Method, url: &str) -> Cost {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.split_once("://").map_or(path, |(_, rest)| {
        rest.split_once('/').map_or("", |(_, path)| path)
    });
    let mut segments = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .skip_while(|segment| matches!(*segment, "v1.0" | "beta"));
    let first = segments.next().unwrap_or_default();
    let rest: Vec<&str> = segments.collect();
    if first.eq_ignore_ascii_case("$batch") {
        return Cost::default();
    }
    // What stands behind the id counts; casts, `$ref` and `$count` behind that do not.
    let last = match rest.as_slice() {
        [] => "",
        [only] => only,
        [_, name, ..] => name,
    };
    let last = last.trim_end_matches("()").rsplit('.').next().unwrap_or_default();
    let (base, reads) = match (first, last) {
        ("directoryObjects", "getByIds" | "getObjectsById") => (3, true),
        (_, "isMemberOf" | "checkMemberGroups" | "checkMemberObjects") => (4, true),
        (_, "getMemberGroups" | "getMemberObjects") => (2, true),
        ("groups", "members") if method == Method::Get => (3, true),
        ("groups", "transitiveMembers") => (5, true),
        ("subscribedSkus", _) => (3, true),
        ("domains", "domainNameReferences") => (4, true),
        ("contracts", _) => (3, true),
        ("users" | "applications", "")
        | ("servicePrincipals", "appRoleAssignments")
        | ("applications", "extensionProperties")
        | (
            _,
            "memberOf" | "transitiveMemberOf" | "ownedObjects" | "licenseDetails" | "oauth2PermissionGrants",
        ) if method == Method::Get => (2, true),
        _ => (1, matches!(method, Method::Get | Method::Head)),
    };
    let option = |name: &str| {
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = key.strip_prefix("%24").or_else(|| key.strip_prefix('$'))?;
            (key == name).then_some(value)
        })
    };
    let mut units: i32 = base;
    units -= i32::from(option("select").is_some());
    units += i32::from(option("expand").is_some());
    let few = option("top").and_then(|top| top.parse::<u32>().ok());
    units -= i32::from(few.is_some_and(|top| top < 20));
    Cost {
        units: f64::from(units.max(1)),
        writes: if reads { 0.0 } else { 1.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_follow_the_documented_table() {
        let check = |method, path: &str, units: f64, writes: f64| {
            let url = format!("https://graph.microsoft.com/v1.0{path}");
            assert_eq!(cost(method, &url), Cost { units, writes }, "{method:?} {path}");
        };
        check(Method::Get, "/users", 2.0, 0.0);
        check(Method::Get, "/users?$select=id", 1.0, 0.0);
        check(Method::Get, "/users?%24select=id&$top=5", 1.0, 0.0);
        check(Method::Get, "/users?$expand=manager", 3.0, 0.0);
        check(Method::Get, "/users/7?$select=id&$expand=manager", 1.0, 0.0);
        check(Method::Get, "/users/7/memberOf", 2.0, 0.0);
        check(Method::Get, "/users/7/transitiveMemberOf?$top=999", 2.0, 0.0);
        check(Method::Get, "/groups/7/members", 3.0, 0.0);
        check(Method::Get, "/groups/7/transitiveMembers?$select=id", 4.0, 0.0);
        check(
            Method::Get,
            "/groups/7/transitiveMembers/microsoft.graph.user",
            5.0,
            0.0,
        );
        check(Method::Get, "/groups/7/members/$count", 3.0, 0.0);
        check(
            Method::Get,
            "/users/7/transitiveMemberOf/microsoft.graph.group?$count=true",
            2.0,
            0.0,
        );
        check(Method::Get, "/subscribedSkus", 3.0, 0.0);
        check(Method::Post, "/users/7/checkMemberGroups", 4.0, 0.0);
        check(Method::Post, "/users/7/microsoft.graph.getMemberGroups", 2.0, 0.0);
        check(Method::Post, "/directoryObjects/getByIds", 3.0, 0.0);
        check(Method::Post, "/users", 1.0, 1.0);
        check(Method::Post, "/groups/7/members/$ref", 1.0, 1.0);
        check(Method::Patch, "/users/7", 1.0, 1.0);
        check(Method::Delete, "/groups/7/members/8/$ref", 1.0, 1.0);
        check(Method::Get, "/domains/x/domainNameReferences", 4.0, 0.0);
        check(Method::Post, "/$batch", 0.0, 0.0);
    }

    #[test]
    fn headers_are_read() {
        let read = |status, headers: &[(&str, &str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let answer = Response::new(status, headers.collect(), "");
            GraphMeter.read(&answer, Timestamp::UNIX_EPOCH)
        };
        let told = read(
            200,
            &[
                ("x-ms-resource-unit", "3"),
                ("x-ms-throttle-limit-percentage", "0.9"),
            ],
        );
        assert_eq!((told.units, told.used, told.pause), (Some(3.0), Some(0.9), None));
        let refused = read(
            429,
            &[
                ("retry-after", "12"),
                ("x-ms-throttle-scope", "Tenant_Application/Write/a/t"),
            ],
        );
        assert_eq!(
            (refused.pause, refused.writes_only),
            (Some(Duration::from_secs(12)), true)
        );
        assert_eq!(read(429, &[]).pause, None);
        assert_eq!(
            read(509, &[("retry-after", "3")]).pause,
            Some(Duration::from_secs(3))
        );
        assert_eq!(read(503, &[("retry-after", "3")]).pause, None);
        let odd = read(
            200,
            &[
                ("x-ms-resource-unit", "NaN"),
                ("x-ms-throttle-limit-percentage", "-1"),
            ],
        );
        assert_eq!(odd, Reading::default());
    }

    #[test]
    fn limits_follow_the_size_of_the_tenant() {
        let units = [0, 49, 50, 500, 501].map(|users| Limits::of_tenant(users).units);
        assert_eq!(units, [3_500, 3_500, 5_000, 5_000, 8_000]);
    }
}
