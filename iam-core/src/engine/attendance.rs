//! Looks up the last sign-ins of those for whom it is time.

use std::sync::Arc;

use futures::StreamExt;

use super::views::Surroundings;
use super::work::Work;
use crate::error::Result;
use crate::journal::{Claim, PersonState};
use crate::orchestrator::{LastSignIn, asks_sign_in};
use crate::target::Target;

/// How many are asked for at once.
const ABREAST: usize = 16;

impl Work<'_> {
    /// Puts the last sign-in into the directory's view of everybody who is to be looked up now. One that cannot be read
    /// keeps nobody else waiting.
    pub(super) async fn look_for_sign_ins(
        &self,
        claims: &[(Claim, PersonState)],
        around: &mut [Result<Surroundings>],
    ) {
        let Some(directory) = self.targets.first() else {
            return;
        };
        let now = self.clock.now();
        let mut asked: Vec<(usize, String)> = Vec::new();
        for (at, ((_, state), around)) in claims.iter().zip(around.iter()).enumerate() {
            let Ok(around) = around else { continue };
            let account = around.views.first().and_then(|view| view.actual.account.as_ref());
            if let Some(account) = account.filter(|account| !account.deleted)
                && asks_sign_in(self.settings, state, now)
            {
                asked.push((at, account.id.clone()));
            }
        }
        let mut answers = futures::stream::iter(asked)
            .map(|(at, account)| async move { (at, last_sign_in(directory, &account).await) })
            .buffer_unordered(ABREAST);
        while let Some((at, answer)) = answers.next().await {
            if let Ok(around) = &mut around[at]
                && let Some(view) = around.views.first_mut()
            {
                view.last_sign_in = answer;
            }
        }
    }
}

async fn last_sign_in(directory: &Arc<dyn Target>, account: &str) -> LastSignIn {
    match directory.last_sign_in(account).await {
        Ok(Some(seen)) => LastSignIn::At(seen),
        Ok(None) => LastSignIn::Never,
        Err(error) => LastSignIn::Unread(format!("{}: {error}", directory.id())),
    }
}
