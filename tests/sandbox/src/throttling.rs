//! What a Graph request costs ("Microsoft Graph service-specific throttling limits", Identity and access).

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

/// Resource units of an application in a tenant are counted over that many seconds.
const UNIT_SECONDS: i64 = 10;
/// Writes of an application in a tenant: so many in so many seconds.
const WRITES: u32 = 3_000;
const WRITE_SECONDS: i64 = 150;

/// What the applications have spent lately, on the sandbox's clock. Refused requests count too.
#[derive(Debug, Default)]
pub(crate) struct Throttling {
    pub(crate) on: bool,
    spent: HashMap<String, Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    units: Window,
    writes: Window,
    /// Calls against the limits of a service of its own.
    calls: HashMap<Quota, Window>,
}

/// So many calls in so many seconds.
type Quota = (u32, i64);

/// The limits that some services have of their own: reports 5 calls in 10 s, `bulkUpload` 40 in 5 s and 6,000 in 24 h
/// ("Troubleshoot inbound provisioning API issues").
fn quotas(path: &[String]) -> &'static [Quota] {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [_, "auditLogs", ..] => &[(5, 10)],
        [
            _,
            "servicePrincipals",
            _,
            "synchronization",
            "jobs",
            _,
            "bulkUpload",
        ] => &[(40, 5), (6_000, 86_400)],
        _ => &[],
    }
}

/// What was spent in the last so many seconds.
#[derive(Debug, Default)]
struct Window {
    entries: VecDeque<(Timestamp, u32)>,
    total: u32,
}

impl Window {
    fn add(&mut self, amount: u32, now: Timestamp) {
        self.entries.push_back((now, amount));
        self.total += amount;
    }

    /// The used share of a limit and, above it, the whole seconds until there is room again.
    fn against(&mut self, limit: u32, seconds: i64, now: Timestamp) -> (f64, Option<u64>) {
        let length = SignedDuration::from_secs(seconds);
        while let Some((at, amount)) = self.entries.front()
            && now.duration_since(*at) >= length
        {
            self.total -= amount;
            self.entries.pop_front();
        }
        let wait = (self.total > limit).then(|| {
            let mut left = self.total;
            let freed = self.entries.iter().find(|(_, amount)| {
                left = left.saturating_sub(*amount);
                left <= limit
            });
            let wait = freed.map_or(seconds, |(at, _)| seconds - now.duration_since(*at).as_secs());
            u64::try_from(wait.max(1)).unwrap_or(1)
        });
        (f64::from(self.total) / f64::from(limit), wait)
    }
}

/// How a request stands to the limits.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Share of the nearer limit that is used; told to the client above 0.8.
    pub(crate) share: f64,
    pub(crate) refused: Option<Refused>,
}

/// Why and for how long.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) seconds: u64,
    pub(crate) scope: &'static str,
    pub(crate) reason: &'static str,
}

/// Resource units in ten seconds: tenants below 50 users, to 500, above.
fn limit(users: usize) -> u32 {
    match users {
        0..50 => 3_500,
        50..=500 => 5_000,
        _ => 8_000,
    }
}

impl Throttling {
    /// Nothing is spent.
    pub(crate) fn forget(&mut self) {
        self.spent.clear();
    }

    /// Charges a request. `users` is how many the tenant has, counted to 501 at most.
    pub(crate) fn charge(
        &mut self,
        app: &str,
        units: u32,
        (method, path): (&str, &[String]),
        users: usize,
        now: Timestamp,
    ) -> Standing {
        let write = writes(method, path);
        let spent = self.spent.entry(app.to_owned()).or_default();
        spent.units.add(units, now);
        if write {
            spent.writes.add(1, now);
        }
        let (units_share, units_wait) = spent.units.against(limit(users), UNIT_SECONDS, now);
        let (write_share, write_wait) = spent.writes.against(WRITES, WRITE_SECONDS, now);
        let own = quotas(path).iter().filter_map(|&(calls, seconds)| {
            let window = spent.calls.entry((calls, seconds)).or_default();
            window.add(1, now);
            window.against(calls, seconds, now).1
        });
        let own_wait = own.collect::<Vec<_>>().into_iter().max();
        let refused = if let Some(seconds) = own_wait {
            Some(Refused {
                seconds,
                scope: "ReadWrite",
                reason: "CPULimitExceeded",
            })
        } else if let Some(seconds) = write_wait.filter(|_| write) {
            Some(Refused {
                seconds,
                scope: "Write",
                reason: "WriteLimitExceeded",
            })
        } else {
            units_wait.map(|seconds| Refused {
                seconds,
                scope: "ReadWrite",
                reason: "ResourceUnitLimitExceeded",
            })
        };
        let share = if write {
            units_share.max(write_share)
        } else {
            units_share
        };
        Standing {
            share: share.min(1.8),
            refused,
        }
    }
}

/// Whether a request counts as a write: what only reads by POST does not.
fn writes(method: &str, path: &[String]) -> bool {
    let reads = path.last().is_some_and(|last| {
        matches!(
            last.rsplit('.').next().unwrap_or_default(),
            "getByIds"
                | "getObjectsById"
                | "isMemberOf"
                | "checkMemberGroups"
                | "checkMemberObjects"
                | "getMemberGroups"
                | "getMemberObjects"
        )
    });
    !reads && matches!(method, "POST" | "PATCH" | "PUT" | "DELETE")
}

/// The price of one request in resource units: the value of `x-ms-resource-unit`.
///
/// `path` are the decoded segments after the version.
pub(crate) fn resource_units(method: &str, path: &[&str], query: &str) -> u32 {
    let read = method.eq_ignore_ascii_case("GET");
    let mut units: i64 = match path {
        ["groups", _, "transitiveMembers", ..] if read => 5,
        [_, _, "isMemberOf" | "checkMemberGroups" | "checkMemberObjects"]
        | ["domains", _, "domainNameReferences"] => 4,
        ["subscribedSkus" | "contracts", ..] | ["groups", _, "members", ..] if read => 3,
        ["directoryObjects", "getByIds" | "microsoft.graph.getByIds"] | [_, _, "getObjectsById"] => 3,
        ["users" | "applications"]
        | [
            "users",
            _,
            "memberOf" | "transitiveMemberOf" | "ownedObjects" | "licenseDetails",
            ..,
        ]
        | ["servicePrincipals", _, "appRoleAssignments"]
        | ["applications", _, "extensionProperties"]
        | ["oauth2PermissionGrants", ..]
            if read =>
        {
            2
        }
        [_, _, "getMemberGroups" | "getMemberObjects"] => 2,
        _ => 1,
    };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.trim_start_matches('$').to_ascii_lowercase().as_str() {
            "select" => units -= 1,
            "expand" => units += 1,
            "top" if value.parse::<u32>().is_ok_and(|top| top < 20) => units -= 1,
            _ => {}
        }
    }
    u32::try_from(units.max(1)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::resource_units;

    #[test]
    fn requests_have_their_price() {
        let check = |method: &str, path: &[&str], query: &str, expect: u32| {
            assert_eq!(
                resource_units(method, path, query),
                expect,
                "{method} {path:?} {query}"
            );
        };
        check("GET", &["users"], "", 2);
        check("GET", &["users"], "$select=id", 1);
        check("GET", &["users"], "%24select=id&$top=5", 1);
        check("GET", &["users"], "$expand=manager", 3);
        check("GET", &["users"], "$top=20", 2);
        check("GET", &["users", "1"], "", 1);
        check("GET", &["users", "1"], "$expand=manager", 2);
        check("POST", &["users"], "", 1);
        check("GET", &["groups", "1", "members"], "", 3);
        check("GET", &["groups", "1", "members"], "$select=id&$top=5", 1);
        check("POST", &["groups", "1", "members", "$ref"], "", 1);
        check("GET", &["groups", "1", "transitiveMembers"], "", 5);
        check("GET", &["users", "1", "memberOf"], "", 2);
        check("POST", &["users", "1", "checkMemberGroups"], "", 4);
        check("GET", &["subscribedSkus"], "", 3);
    }
}
