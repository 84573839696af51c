//! Users sign in with a browser: the authorization code flow ("Microsoft identity platform and OAuth 2.0 authorization
//! code flow", "OpenID Connect on the Microsoft identity platform", "Refresh tokens in the Microsoft identity platform").
//!
//! Consent is taken as given, for every scope that a resource offers.

mod application;
mod authorize;
mod id_token;
mod page;
mod redeem;
mod scopes;
mod steps;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::directory::{Directory, Object};

pub(crate) use application::{audience, registered};
pub(crate) use authorize::{Asked, authorize, sign_out};
pub(crate) use id_token::{pairwise, user_info};
pub(crate) use page::Reply;
pub(crate) use redeem::{Request, redeem};
pub(crate) use steps::{Form, proceed};

/// The second factor of everybody who has one: what an app on a phone would show.
pub(crate) const MFA_CODE: &str = "246810";

/// "Authorization codes are short lived, typically expiring after about 10 minutes."
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How long a page of the sign-in may be left open.
const FLOW_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// "The default lifetime for the refresh tokens is 24 hours for single page apps and 90 days for all other scenarios."
const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);
const REFRESH_LIFE_SPA: SignedDuration = SignedDuration::from_hours(24);
/// "Smart lockout": after ten wrong passwords, for one minute.
const WRONG_AT_MOST: u32 = 10;
const LOCKED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// What is known of browsers and of those who sign in with them.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    flows: HashMap<String, Flow>,
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Grant>,
    /// By the value of the browser's cookie.
    browsers: HashMap<String, Vec<Account>>,
    wrong: HashMap<String, (u32, Timestamp)>,
}

/// A sign-in under way.
#[derive(Debug, Clone)]
struct Flow {
    asked: Asked,
    since: Timestamp,
    user: Option<String>,
    /// The password was right.
    known: bool,
}

/// Somebody who is signed in: in a browser, or to an application.
#[derive(Debug, Clone)]
struct Account {
    user: String,
    since: Timestamp,
    /// A second factor was given.
    strong: bool,
    password: u32,
    revoked: u32,
}

impl Account {
    fn new(user: &Object, since: Timestamp, strong: bool) -> Self {
        Self {
            user: user.id.clone(),
            since,
            strong,
            password: user.password_version,
            revoked: user.sessions_revoked,
        }
    }

    /// The user, while the sign-in counts: until the password is another, the sessions are revoked, the account is
    /// blocked or gone.
    fn user<'a>(&self, directory: &'a Directory) -> Option<&'a Object> {
        let user = directory.user(&self.user)?;
        let same = user.password_version == self.password && user.sessions_revoked == self.revoked;
        (same && user.truth("accountEnabled")).then_some(user)
    }
}

/// An authorization code.
#[derive(Debug, Clone)]
struct Code {
    asked: Asked,
    account: Account,
    made: Timestamp,
    redeemed: bool,
}

/// What a refresh token stands for.
#[derive(Debug, Clone)]
struct Grant {
    asked: Asked,
    account: Account,
    ends: Timestamp,
}

impl SignIns {
    /// Forgets what nobody can come back to.
    fn tidy(&mut self, now: Timestamp) {
        let fresh = |since: Timestamp| now.duration_since(since) <= FLOW_LIFE;
        self.flows.retain(|_, flow| fresh(flow.since));
        self.codes.retain(|_, code| fresh(code.made));
    }

    fn begin(&mut self, asked: Asked, now: Timestamp) -> String {
        self.tidy(now);
        let id = Uuid::new_v4().simple().to_string();
        let flow = Flow {
            asked,
            since: now,
            user: None,
            known: false,
        };
        self.flows.insert(id.clone(), flow);
        id
    }

    /// Those who are signed in with that browser.
    fn accounts<'a>(
        &'a self,
        directory: &'a Directory,
        browser: Option<&str>,
    ) -> Vec<(&'a Account, &'a Object)> {
        let held = browser.and_then(|browser| self.browsers.get(browser));
        let held = held.into_iter().flatten();
        held.filter_map(|account| Some((account, account.user(directory)?)))
            .collect()
    }

    /// Remembers a sign-in, in the browser's cookie.
    fn enter(&mut self, browser: Option<&str>, account: Account) -> String {
        let known = browser.filter(|browser| self.browsers.contains_key(*browser));
        let cookie = known.map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned);
        let held = self.browsers.entry(cookie.clone()).or_default();
        held.retain(|other| other.user != account.user);
        held.push(account);
        cookie
    }

    fn locked(&self, user: &str, now: Timestamp) -> bool {
        self.wrong
            .get(user)
            .is_some_and(|(count, last)| *count >= WRONG_AT_MOST && now.duration_since(*last) < LOCKED_FOR)
    }

    fn missed(&mut self, user: &str, now: Timestamp) {
        let entry = self.wrong.entry(user.to_owned()).or_insert((0, now));
        *entry = (entry.0 + 1, now);
    }
}
