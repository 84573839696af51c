//! Accepting, planning, carrying out.

use iam_core::engine::Canary;

use super::progress::Watcher;
use super::{AsyncEngine, Engine};
use crate::handed::{Events, Handed, Messages};
use crate::intake::{Input, Intake};
use crate::loops::Home;
use crate::results::{Accepted, AsOf, Instant, List, Preview, Reading, RunReport, Taken};
use crate::runtime::twin;

fn tell(watcher: Option<Watcher>, home: Home) -> impl Fn(iam_core::engine::Progress<'_>) + Send + Sync {
    let watcher = watcher.map(|watcher| watcher.at(home));
    move |progress| {
        if let Some(watcher) = &watcher {
            watcher.progress(&progress);
        }
    }
}

twin! { Engine, AsyncEngine of std::sync::Arc<crate::engine::Inner>;
    fn accept(this, records: Handed) -> Accepted {
        let accepted = this.engine.accept(records.people).await?;
        Ok(Accepted::of(accepted, records.rejects))
    }

    fn accept_events(this, events: Events) -> Accepted {
        let mut news = events.0;
        for one in &mut news {
            one.heard_at = this.clock.now();
        }
        let accepted = this.engine.accept_events(news).await?;
        Ok(Accepted::of(accepted, Vec::new()))
    }

    #[pyo3(signature = (intake, file, source = None, *, rejected = None))]
    fn accept_file(this, intake: pyo3::Py<Intake>, file: Input, source: Option<String>, rejected: Option<Watcher>) -> Reading {
        let reader = intake.get().reader()?;
        let input = file.open()?;
        let rejected = rejected.map(|watcher| watcher.at(this.home));
        let mut rejects = Vec::new();
        let keep = |reject: iam_core::intake::Reject| match &rejected {
            Some(watcher) => watcher.tell(crate::results::Reject::from(&reject)),
            None => rejects.push(reject),
        };
        if let Some(source) = source {
                let delivered = this.engine.deliver(&source, [(reader, input)], keep).await?;
                Ok(Reading::delivered(&delivered, &rejects))
        } else {
                let reading = this.engine.accept_from(reader, input, keep).await?;
                Ok(Reading::read(&reading, &rejects))
        }
    }

    fn receive(this, messages: Messages) -> List<Taken> {
        Ok(List::of(&this.engine.receive(&messages.0).await?))
    }

    fn plan(this) -> Preview { this.engine.plan().await.map(|preview| (&preview).into()) }

    fn plan_as_of(this, instant: Instant) -> AsOf {
        this.engine.plan_as_of(instant.0).await.map(|seen| (&seen).into())
    }

    #[pyo3(signature = (hash, canary = None, progress = None))]
    fn apply(this, hash: String, canary: Option<usize>, progress: Option<Watcher>) -> RunReport {
        let canary = canary.map_or(Canary::NONE, Canary::of);
        let report = this.engine.apply(&hash, canary, &tell(progress, this.home)).await?;
        Ok((&report).into())
    }

    #[pyo3(signature = (progress = None))]
    fn run(this, progress: Option<Watcher>) -> RunReport {
        let report = this.engine.run(&tell(progress, this.home)).await?;
        Ok((&report).into())
    }

    fn close(this) -> () { this.close().await }
}
