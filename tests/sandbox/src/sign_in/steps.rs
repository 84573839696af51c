//! The pages of a sign-in, one after the other: account, password, a new password where the old one must be changed, second
//! factor. What is wrong is said in the words and numbers of "Microsoft Entra authentication and authorization error codes".

use uuid::Uuid;

use super::authorize::{Asked, back, fields, refused};
use super::page::{self, Reply};
use super::{Account, Code, Flow, MFA_CODE};
use crate::authentication;
use crate::clock::graph_time;
use crate::directory::Object;
use crate::oauth::refuse;
use crate::state::State;
use crate::{app_roles, audit, password, service_principals};

/// What a browser sends of a page.
pub(crate) struct Form(std::collections::HashMap<String, String>);

impl Form {
    pub(crate) fn read(text: &[u8]) -> Self {
        Self(fields(text))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

/// `POST /{tenant}/login`.
pub(crate) fn proceed(state: &mut State, form: &Form, browser: Option<&str>) -> Reply {
    let now = state.clock.now();
    state.sign_ins.tidy(now);
    let id = form.get("flow").unwrap_or_default().to_owned();
    let Some(flow) = state.sign_ins.flows.get(&id).cloned() else {
        return page::timed_out();
    };
    if form.get("cancel").is_some() {
        state.sign_ins.flows.remove(&id);
        let message = "The user has canceled the authentication.";
        return refused(state, &flow.asked, &refuse(400, "access_denied", 65004, message));
    }
    if form.get("other").is_some() {
        change(state, &id, |flow| (flow.user, flow.known) = (None, false));
        return ask_account(state, &id, &[]);
    }
    if let Some(chosen) = form.get("account") {
        return pick(state, &id, chosen, browser);
    }
    if let Some(name) = form.get("username") {
        let reply = name_it(state, &id, name);
        // A password manager fills in both at once.
        match (reply, form.get("password")) {
            (Ok(()), Some(password)) => return check_password(state, &id, password, browser),
            (Ok(()), None) => return ask_password(state, &id, None),
            (Err(reply), _) => return reply,
        }
    }
    if form.get("new_password").is_some() || form.get("confirm").is_some() {
        return renew(state, &id, form, browser);
    }
    if let Some(password) = form.get("password") {
        return check_password(state, &id, password, browser);
    }
    if let Some(code) = form.get("code") {
        return check_code(state, &id, code, browser);
    }
    let known = state
        .sign_ins
        .flows
        .get(&id)
        .is_some_and(|flow| flow.user.is_some());
    if known {
        ask_password(state, &id, None)
    } else {
        ask_account(state, &id, &[])
    }
}

fn change(state: &mut State, id: &str, change: impl FnOnce(&mut Flow)) {
    if let Some(flow) = state.sign_ins.flows.get_mut(id) {
        change(flow);
    }
}

/// The user of a flow.
fn user<'a>(state: &'a State, id: &str) -> Option<&'a Object> {
    let flow = state.sign_ins.flows.get(id)?;
    state.directory.user(flow.user.as_ref()?)
}

/// Asks who it is; `accounts` are signed in with this browser.
pub(super) fn ask_account(state: &State, id: &str, accounts: &[String]) -> Reply {
    let users = accounts.iter().filter_map(|user| state.directory.user(user));
    let users: Vec<(String, String, String)> = users
        .map(|user| {
            let text = |name: &str| user.text(name).unwrap_or_default().to_owned();
            (user.id.clone(), text("displayName"), text("userPrincipalName"))
        })
        .collect();
    page::account(&application(state, id), &tenant(state, id), id, &users, None, "")
}

fn ask_password(state: &State, id: &str, error: Option<String>) -> Reply {
    let name = user(state, id).and_then(|user| user.text("userPrincipalName"));
    page::password(&tenant(state, id), id, name.unwrap_or_default(), error)
}

fn tenant(state: &State, id: &str) -> String {
    let flow = state.sign_ins.flows.get(id);
    flow.map(|flow| flow.asked.tenant.clone()).unwrap_or_default()
}

fn application(state: &State, id: &str) -> String {
    let flow = state.sign_ins.flows.get(id);
    let principal = flow.and_then(|flow| service_principals::of(&state.directory, &flow.asked.app));
    let name = principal.and_then(|principal| principal.text("displayName"));
    name.unwrap_or_default().to_owned()
}

/// With a name that is known already, the next page.
pub(super) fn name(state: &mut State, id: &str, name: &str) -> Reply {
    match name_it(state, id, name) {
        Ok(()) => ask_password(state, id, None),
        Err(reply) => reply,
    }
}

fn name_it(state: &mut State, id: &str, name: &str) -> Result<(), Reply> {
    let name = name.trim();
    let found = state.directory.user(name).filter(|_| name.contains('@'));
    let Some(found) = found.map(|user| user.id.clone()) else {
        let message = format!(
            "AADSTS50034: The user account {name} does not exist in the {} directory. To sign into this application, the \
             account must be added to the directory.",
            state.directory.tenant.name
        );
        return Err(page::account(
            &application(state, id),
            &tenant(state, id),
            id,
            &[],
            Some(message),
            name,
        ));
    };
    change(state, id, |flow| (flow.user, flow.known) = (Some(found), false));
    Ok(())
}

/// An account of the list: whoever is signed in goes on without a password.
fn pick(state: &mut State, id: &str, chosen: &str, browser: Option<&str>) -> Reply {
    let accounts = state.sign_ins.accounts(&state.directory, browser);
    let held = accounts.iter().find(|(account, _)| account.user == chosen);
    let held = held.map(|(account, _)| (*account).clone());
    let Some(account) = held else {
        return ask_account(state, id, &[]);
    };
    resume(state, id, account, browser)
}

/// Whether a sign-in had the second factor that its user has by now.
pub(super) fn strong_enough(state: &State, account: &Account) -> bool {
    let user = state.directory.user(&account.user);
    account.strong || !user.is_some_and(authentication::has_second_factor)
}

/// Somebody is signed in already: nothing is asked but what was not given yet.
pub(super) fn resume(state: &mut State, id: &str, account: Account, browser: Option<&str>) -> Reply {
    if !strong_enough(state, &account) {
        change(state, id, |flow| {
            (flow.user, flow.known) = (Some(account.user), true);
        });
        return page::code(&tenant(state, id), id, None);
    }
    match state.sign_ins.flows.remove(id) {
        Some(flow) => finish(state, &flow.asked, account, browser),
        None => page::timed_out(),
    }
}

fn check_password(state: &mut State, id: &str, text: &str, browser: Option<&str>) -> Reply {
    let now = state.clock.now();
    let Some(found) = user(state, id) else {
        return ask_account(state, id, &[]);
    };
    let (key, right) = (found.id.clone(), password::is(found, text));
    let (enabled, must_change, strong) = (
        found.truth("accountEnabled"),
        found.must_change_password,
        authentication::has_second_factor(found),
    );
    let asked = state.sign_ins.flows.get(id).map(|flow| flow.asked.app.clone());
    let asked = asked.unwrap_or_default();
    let failed = |state: &mut State, number: u32, message: &str| {
        audit::sign_in_failed(&mut state.directory, &key, &asked, number, message, now);
        Some(format!("AADSTS{number}: {message}"))
    };
    if state.sign_ins.locked(&key, now) {
        let message = "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.";
        let error = failed(state, 50053, message);
        return ask_password(state, id, error);
    }
    if !right {
        state.sign_ins.missed(&key, now);
        let message = "Error validating credentials due to invalid username or password.";
        let error = failed(state, 50126, message);
        return ask_password(state, id, error);
    }
    state.sign_ins.wrong.remove(&key);
    if !enabled {
        let error = failed(state, 50057, "The user account is disabled.");
        return ask_password(state, id, error);
    }
    change(state, id, |flow| flow.known = true);
    if must_change {
        return page::new_password(&tenant(state, id), id, None);
    }
    if strong {
        return page::code(&tenant(state, id), id, None);
    }
    complete(state, id, false, browser)
}

/// "Update your password": the old one once more, and a new one twice.
fn renew(state: &mut State, id: &str, form: &Form, browser: Option<&str>) -> Reply {
    let now = state.clock.now();
    let known = state.sign_ins.flows.get(id).is_some_and(|flow| flow.known);
    let Some(found) = user(state, id).filter(|_| known) else {
        return ask_password(state, id, None);
    };
    let (key, strong) = (found.id.clone(), authentication::has_second_factor(found));
    let text = |name: &str| form.get(name).unwrap_or_default();
    let problem = if !password::is(found, text("password")) {
        Some("AADSTS50126: Error validating credentials due to invalid username or password.")
    } else if text("new_password") != text("confirm") {
        Some("The passwords do not match.")
    } else if text("new_password") == text("password") {
        Some("Choose a password that you have not used before.")
    } else if !password::strong(text("new_password")) {
        Some("Choose a password that is harder to guess: eight characters or more, of three kinds.")
    } else {
        None
    };
    if let Some(problem) = problem {
        return page::new_password(&tenant(state, id), id, Some(problem.to_owned()));
    }
    state.directory.change(&key, |user| {
        password::set(user, text("new_password"), false);
        user.set("lastPasswordChangeDateTime", graph_time(now).into());
    });
    if strong {
        return page::code(&tenant(state, id), id, None);
    }
    complete(state, id, false, browser)
}

fn check_code(state: &mut State, id: &str, code: &str, browser: Option<&str>) -> Reply {
    let now = state.clock.now();
    let Some(flow) = state.sign_ins.flows.get(id).filter(|flow| flow.known) else {
        return ask_password(state, id, None);
    };
    if code.trim() == MFA_CODE {
        return complete(state, id, true, browser);
    }
    let (app, user) = (flow.asked.app.clone(), flow.user.clone().unwrap_or_default());
    let message = "Authentication failed during strong authentication request.";
    audit::sign_in_failed(&mut state.directory, &user, &app, 500_121, message, now);
    page::code(&tenant(state, id), id, Some(format!("AADSTS500121: {message}")))
}

fn complete(state: &mut State, id: &str, strong: bool, browser: Option<&str>) -> Reply {
    let now = state.clock.now();
    let account = user(state, id).map(|user| Account::new(user, now, strong));
    let flow = state.sign_ins.flows.remove(id);
    match (flow, account) {
        (Some(flow), Some(account)) => finish(state, &flow.asked, account, browser),
        _ => page::timed_out(),
    }
}

/// The user is known: a code for the application, and a cookie for the browser.
fn finish(state: &mut State, asked: &Asked, account: Account, browser: Option<&str>) -> Reply {
    let now = state.clock.now();
    let cookie = state.sign_ins.enter(browser, account.clone());
    if let Err(refusal) = assigned(state, asked, &account.user) {
        return refused(state, asked, &refusal).with_cookie(cookie);
    }
    audit::signed_in(
        &mut state.directory,
        &account.user,
        &asked.app,
        &asked
            .scopes
            .api()
            .map_or_else(|| crate::tokens::GRAPH.to_owned(), |api| api.app.clone()),
        now,
    );
    let code = format!("1.{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let made = Code {
        asked: asked.clone(),
        account,
        made: now,
        redeemed: false,
    };
    state.sign_ins.codes.insert(code.clone(), made);
    let session = Uuid::new_v5(&Uuid::NAMESPACE_OID, cookie.as_bytes()).to_string();
    back(asked, &[("code", code), ("session_state", session)]).with_cookie(cookie)
}

/// "Your administrator has configured the application to block users unless they are specifically granted access".
fn assigned(state: &State, asked: &Asked, user: &str) -> Result<(), crate::oauth::Refusal> {
    let apps = [
        Some(asked.app.as_str()),
        asked.scopes.api().map(|api| api.app.as_str()),
    ];
    for app in apps.into_iter().flatten() {
        let Some(principal) = service_principals::of(&state.directory, app) else {
            continue;
        };
        if principal.truth("appRoleAssignmentRequired")
            && !app_roles::assigned(&state.directory, user, &principal.id)
        {
            let name = principal.text("displayName").unwrap_or_default();
            let message = format!(
                "Your administrator has configured the application {name} ('{app}') to block users unless they are \
                 specifically granted ('assigned') access to the application. The signed in user is blocked because \
                 they are not a direct member of a group with access, nor had access directly assigned by an \
                 administrator. Please contact your administrator to assign access to this application."
            );
            return Err(refuse(400, "access_denied", 50105, message));
        }
    }
    Ok(())
}
