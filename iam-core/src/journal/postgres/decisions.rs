//! Decisions about no one person in the audit, and whoever reported to somebody who is erased.

use super::fault::Attempt;
use super::work::Work;
use crate::journal::audit::{Deed, Note, nobody};

/// Notes a decision about no one person.
pub(super) async fn decided(work: &mut Work, deed: Deed, what: &str, by: &str, reason: &str) -> Attempt<()> {
    work.note(Note::decided(deed, None, &nobody(), by, reason).detail(what))
        .await
}

/// Notes by which policy work is done from now on; whether that is another one than before. Two that say the same at the
/// same time may both note it.
pub(super) async fn in_force(work: &mut Work, policy: &str, by: &str) -> Attempt<bool> {
    let last = work.column::<String>(
        "SELECT detail FROM audit WHERE tenant = $1 AND deed = 'in_force' ORDER BY sequence DESC LIMIT 1",
    );
    let last = last.fetch_optional(work.conn()).await?;
    if last.as_deref() == Some(policy) {
        return Ok(false);
    }
    decided(work, Deed::InForce, policy, by, "").await?;
    Ok(true)
}

/// Whoever reported to `old` reports to `new`, which names nobody.
pub(super) async fn rename_manager(work: &mut Work, old: &str, new: &str) -> Attempt<()> {
    for statement in [
        "UPDATE person SET manager = $3, \
         state = jsonb_set(state::jsonb, '{record,manager_id}', to_jsonb($3::text))::text \
         WHERE tenant = $1 AND manager = $2",
        "UPDATE person SET record = jsonb_set(record::jsonb, '{manager_id}', to_jsonb($3::text))::text \
         WHERE tenant = $1 AND record::jsonb ->> 'manager_id' = $2",
    ] {
        let rename = work.query(statement).bind(old).bind(new);
        rename.execute(work.conn()).await?;
    }
    Ok(())
}
