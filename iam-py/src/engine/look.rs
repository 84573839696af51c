//! Looking: people, timelines, explanations, what waits.

use iam_core::person::PersonKey;

use super::{AsyncEngine, Engine};
use crate::results::{List, PersonState, TimelineEntry};
use crate::runtime::twin;

/// How many people a page has, where nobody says.
const PAGE: usize = 100;

twin! { Engine, AsyncEngine;
    fn person(this, person: String) -> Option<PersonState> {
        let state = this.engine.person(&PersonKey::new(person)).await?;
        Ok(state.as_ref().map(Into::into))
    }

    #[pyo3(signature = (search = None, *, after = None, limit = PAGE))]
    fn people(this, search: Option<String>, after: Option<String>, limit: usize) -> List<PersonState> {
        let after = after.map(PersonKey::new);
        let people = this.engine.people(search.as_deref(), after.as_ref(), limit).await?;
        Ok(List::of(&people))
    }

    fn timeline(this, person: String) -> List<TimelineEntry> {
        let entries = this.engine.timeline(&PersonKey::new(person)).await?;
        Ok(List::of(&entries))
    }
}
