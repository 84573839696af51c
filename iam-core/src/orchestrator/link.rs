//! Whose report somebody is at a target: the manager whom HR names, or whoever stands in for one who has left.

use super::{Context, Decision, View};
use crate::person::PersonKey;
use crate::plan::{Accounts, ManagerLink};

/// A link that can be made now.
pub(super) struct Link {
    pub(super) manager: PersonKey,
    /// The manager's account at the target.
    pub(super) account: String,
    /// Whether that is not the manager whom HR names.
    pub(super) stands_in: bool,
}

impl Link {
    pub(super) fn for_plan(&self) -> ManagerLink<'_> {
        ManagerLink {
            manager: &self.manager,
            account: &self.account,
            stands_in: self.stands_in,
        }
    }
}

/// The link to the manager, if it can be made now. With `replaced`, somebody who acts for a manager who has left is
/// linked until HR names another: it is worked out from HR's record each time, so that nothing contradicts HR's word.
pub(super) fn link(
    view: &View,
    accounts: Accounts,
    replaced: bool,
    cx: &Context<'_>,
    decision: &mut Decision,
) -> Option<Link> {
    let named = cx.manager?;
    let acting = cx
        .acting
        .filter(|acting| replaced && !named.at_work && acting.key != named.key);
    let manager = acting.unwrap_or(named);
    let stands_in = acting.is_some();
    let found = manager.accounts.get(&view.target).map(|account| Link {
        manager: manager.key.clone(),
        account: account.id.clone(),
        stands_in,
    });
    if accounts == Accounts::Application {
        // Worth a link where both are, and neither a note nor a wait where they are not.
        return found.filter(|link| link.manager != decision.plan.person && !manager.closes_circle);
    }
    let notes = &mut decision.plan.notes;
    if manager.key == decision.plan.person {
        notes.push("HR names the person as their own manager: the link is left out".to_owned());
        return None;
    }
    if manager.closes_circle {
        notes.push(format!(
            "the chain of managers runs in a circle: the link to {} is left out",
            manager.key
        ));
        return None;
    }
    if found.is_some() {
        if stands_in {
            notes.push(format!(
                "manager {} has left: {} stands in until HR names another",
                named.key, manager.key
            ));
        }
        return found;
    }
    notes.push(format!(
        "manager {} has no account yet: linked once it exists",
        manager.key
    ));
    decision.state.waits_for = Some(manager.key.clone());
    None
}
