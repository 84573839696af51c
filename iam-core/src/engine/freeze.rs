//! A plan that the guard refuses is frozen, until somebody else than its planner releases it.

use super::Engine;
use super::report::Preview;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Frozen, Release};

impl Engine {
    /// The plan that the guard has frozen, or that somebody has released and nobody has applied yet. It stands for
    /// what would have happened then: should planning give another hash by now, it cannot be applied any more.
    pub async fn frozen(&self) -> Result<Option<Frozen>> {
        let frozen = self.journal.frozen().await?;
        Ok(frozen.into_iter().find(Frozen::is_open))
    }

    /// Every plan that the guard ever froze, with who released it and what became of it.
    pub async fn freezes(&self) -> Result<Vec<Frozen>> {
        self.journal.frozen().await
    }

    /// Releases the frozen plan with this hash: the next [`run`](Self::run) or [`apply`](Self::apply) carries it
    /// out, if planning still gives this hash. That is good for one run, also for one that is cut off.
    ///
    /// `by` is an actor whom the caller has authenticated, and another one than the planner.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] to the one who planned it; [`ErrorKind::NotFound`] when no plan with this hash is
    /// frozen; [`ErrorKind::Conflict`] when it is released already; [`ErrorKind::Invalid`] without a name or a reason.
    pub async fn release(&self, hash: &str, by: &str, reason: &str) -> Result<()> {
        let release = Release {
            by: by.trim().to_owned(),
            reason: reason.trim().to_owned(),
            at: self.clock.now(),
        };
        self.journal.release(hash.trim(), &release).await
    }

    /// Whether the guard lets the plan pass, or somebody has released it; otherwise it is frozen.
    pub(super) async fn pass(&self, preview: &Preview) -> Result<()> {
        if preview.guard.is_empty() {
            return Ok(());
        }
        let mut frozen = Frozen::new(
            &preview.hash(),
            preview.guard.clone(),
            &self.actor,
            self.clock.now(),
        );
        frozen.people = preview.digests().len();
        frozen.steps = preview.steps();
        if self.journal.spend(&frozen.hash, frozen.planned_at).await? {
            return Ok(());
        }
        Err(self.freeze(&frozen).await?)
    }

    /// Freezes a plan that exceeds limits and that nobody has released; the refusal.
    pub(super) async fn freeze(&self, frozen: &Frozen) -> Result<Error> {
        let hash = &frozen.hash;
        self.journal.freeze(frozen).await?;
        self.alert_of_guard(hash, &frozen.trips).await;
        // Somebody may have planned the same before.
        let open = self.frozen().await?;
        let planner = open.map_or(frozen.planned_by.clone(), |open| open.planned_by);
        Ok(Error::new(
            ErrorKind::Guarded,
            format!(
                "the guard of the policy refuses the plan, and nothing was done: {}; the plan is frozen as {hash}: it \
                 is carried out once somebody other than {planner} has released it (Engine::release) and as long as \
                 planning gives the same",
                frozen.trips.join("; ")
            ),
        ))
    }
}
