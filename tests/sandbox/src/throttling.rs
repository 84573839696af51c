//! What a Graph request costs ("Microsoft Graph service-specific throttling limits", Identity and access), and the
//! token buckets that it is paid from: what was spent comes back evenly.

use std::collections::HashMap;

use jiff::Timestamp;

/// A limit: so much in so many seconds.
#[derive(Debug, Clone, Copy)]
struct Limit {
    most: f64,
    seconds: f64,
}

/// Writes of an application in a tenant.
const WRITES: Limit = Limit {
    most: 3_000.0,
    seconds: 150.0,
};
/// `x-ms-throttle-limit-percentage` ends there: no more is owed.
const MOST_OWED: f64 = 1.8;

/// What the applications have spent lately, on the sandbox's clock. Refused requests count too.
#[derive(Debug, Default)]
pub(crate) struct Throttling {
    pub(crate) on: bool,
    spent: HashMap<String, Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    units: Bucket,
    writes: Bucket,
    /// Calls against the limits of a service of its own, by name.
    calls: HashMap<&'static str, Bucket>,
}

/// The limits that some services have of their own: reports 5 calls in 10 s, `bulkUpload` 40 in 5 s and 6,000 in 24 h
/// ("Troubleshoot inbound provisioning API issues").
fn quotas(path: &[String]) -> &'static [(&'static str, Limit)] {
    const fn calls(most: f64, seconds: f64) -> Limit {
        Limit { most, seconds }
    }
    const REPORTS: &[(&str, Limit)] = &[("reports", calls(5.0, 10.0))];
    const UPLOADS: &[(&str, Limit)] = &[
        ("bulkUpload in 5 s", calls(40.0, 5.0)),
        ("bulkUpload in a day", calls(6_000.0, 86_400.0)),
    ];
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [_, "auditLogs", ..] => REPORTS,
        [
            _,
            "servicePrincipals",
            _,
            "synchronization",
            "jobs",
            _,
            "bulkUpload",
        ] => UPLOADS,
        _ => &[],
    }
}

/// What is missing from a bucket.
#[derive(Debug, Default)]
struct Bucket {
    missing: f64,
    since: Option<Timestamp>,
}

impl Bucket {
    /// Takes an amount. The used share of the limit and, where it is exceeded, the whole seconds until the same amount
    /// can be taken.
    fn take(&mut self, amount: f64, limit: Limit, now: Timestamp) -> (f64, Option<u64>) {
        let rate = limit.most / limit.seconds;
        let passed = self
            .since
            .map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        self.missing = (self.missing - passed.max(0.0) * rate).max(0.0) + amount;
        self.since = Some(now);
        // Not for a rounding error.
        let wait = (self.missing > limit.most + 1e-6).then(|| {
            let wait = ((self.missing + amount - limit.most) / rate).ceil().max(1.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // some seconds
            let wait = wait as u64;
            wait
        });
        self.missing = self.missing.min(limit.most * MOST_OWED);
        (self.missing / limit.most, wait)
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

/// Resource units: tenants below 50 users, to 500, above.
fn limit(users: usize) -> Limit {
    let most = match users {
        0..50 => 3_500.0,
        50..=500 => 5_000.0,
        _ => 8_000.0,
    };
    Limit { most, seconds: 10.0 }
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
        let (units_share, units_wait) = spent.units.take(units.into(), limit(users), now);
        let (write_share, write_wait) = spent.writes.take(f64::from(u8::from(write)), WRITES, now);
        let own = quotas(path).iter().filter_map(|&(name, limit)| {
            let bucket = spent.calls.entry(name).or_default();
            bucket.take(1.0, limit, now).1
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
            share: share.min(MOST_OWED),
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
    // `microsoft.graph.checkMemberGroups` is `checkMemberGroups`.
    let path: Vec<&str> = path
        .iter()
        .map(|segment| segment.trim_start_matches("microsoft.graph."))
        .collect();
    let mut units: i64 = match path.as_slice() {
        ["groups", _, "transitiveMembers", ..] if read => 5,
        [_, _, "isMemberOf" | "checkMemberGroups" | "checkMemberObjects"]
        | ["domains", _, "domainNameReferences"] => 4,
        ["subscribedSkus" | "contracts", ..] | ["groups", _, "members", ..] if read => 3,
        ["directoryObjects", "getByIds"] | [_, _, "getObjectsById"] => 3,
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
        check("POST", &["users", "1", "microsoft.graph.getMemberGroups"], "", 2);
        check("POST", &["directoryObjects", "microsoft.graph.getByIds"], "", 3);
        check("GET", &["subscribedSkus"], "", 3);
    }
}
