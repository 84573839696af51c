//! The exam that every journal passes: one named check for each promise of [`Journal`].
//!
//! A promise changes here first, then in every backend. A backend of your own takes the same exam:
//! ```
//! use iam_core::journal::{MemoryJournal, conformance};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! conformance::exam(async || MemoryJournal::new()).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an exam fails by panicking; it is compiled with the feature `testing` only"
)]

mod accept;
mod admission;
mod audit;
mod budget;
mod claim;
mod exchange;
mod freeze;
mod lane;
mod look;
mod news;
mod stage;
mod step;
mod survey;
mod together;
mod waiting;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{Appended, Claim, Entry, EventState, HistoryQuery, Journal, PersonState};
use crate::entitlement::TargetId;
use crate::event::{Event, EventId, EventKind, Timer};
use crate::person::{Person, PersonKey};
use crate::plan::{Action, IdempotencyKey, Step};

type Check = for<'a> fn(&'a dyn Journal) -> BoxFuture<'a, ()>;

macro_rules! checks {
    ($($check:path),* $(,)?) => {
        &[$((stringify!($check), |journal| Box::pin($check(journal)))),*]
    };
}

const CHECKS: &[(&str, Check)] = checks![
    accept::append_tells_new_duplicate_conflict_and_stale,
    accept::each_event_of_a_batch_stands_on_its_own,
    accept::a_b_a_b_is_four_events,
    accept::the_latest_accepted_record_is_kept_and_timers_do_not_change_it,
    accept::events_come_back_exactly,
    claim::a_lane_is_worked_by_due_instant_then_lane_sequence,
    claim::a_future_event_blocks_nothing,
    claim::one_claim_for_each_lane_at_a_time,
    claim::concurrent_claims_never_share_a_lane,
    claim::leaves_first_then_due_instant_then_order_of_appending,
    claim::a_lost_lease_fences_every_write,
    claim::a_lease_that_ran_out_unnoticed_is_still_held,
    claim::a_heartbeat_extends_the_lease,
    claim::a_claim_carries_state_and_attempts,
    step::a_step_is_first_then_unknown_then_settled,
    step::a_failed_step_may_be_tried_again,
    step::settling_what_was_never_intended_is_invalid,
    step::a_plan_is_stored_and_given_back,
    step::a_plan_of_a_newer_version_is_known_as_one,
    together::writes_at_the_same_time_are_answered_each_on_its_own,
    together::claims_that_end_at_the_same_time_end_each_in_its_own_way,
    lane::a_leave_overtakes_what_waits_and_supersedes_it,
    lane::a_leave_passes_a_parked_lane_and_lifts_the_parking,
    lane::a_future_leave_overtakes_nothing,
    lane::the_latest_leave_counts,
    lane::a_timer_that_leaves_counts_as_a_leave,
    lane::completing_replaces_timers_and_keeps_rechecks,
    lane::a_timer_set_again_is_still_set,
    lane::completing_may_wake_other_lanes,
    lane::retry_later_keeps_head_and_state,
    lane::a_parked_event_stops_its_lane_and_no_other,
    lane::a_skipped_event_lets_the_lane_go_on,
    lane::requeue_brings_back_the_dead_and_hastens_the_waiting,
    lane::requeue_lifts_only_its_own_parking,
    lane::nothing_is_written_after_the_end,
    freeze::a_frozen_plan_is_kept_as_it_was,
    freeze::another_actor_releases_a_plan_and_it_is_spent_once,
    freeze::another_frozen_plan_supersedes_the_one_before,
    look::a_name_belongs_to_one_person_whatever_its_case,
    look::people_come_in_pages_by_key,
    look::the_reports_of_a_manager_are_known,
    look::the_holder_of_a_name_is_known,
    look::next_due_is_when_a_claim_could_succeed,
    look::next_due_waits_with_a_leave_that_waits,
    look::next_due_waits_with_an_urgent_leave_that_waits,
    look::history_filters_by_person_state_and_number,
    news::news_are_kept_in_the_order_in_which_they_come_and_make_nothing_stale_but_records,
    news::an_id_that_is_known_with_other_content_is_quarantined_once,
    news::urgent_leaves_come_first,
    news::who_somebody_is_now_is_known,
    stage::rows_count_once_they_are_released_and_not_before,
    stage::what_is_released_is_released_once,
    stage::a_held_delivery_waits_for_a_decision,
    stage::an_old_delivery_does_not_replace_a_newer_one,
    stage::a_delivery_that_was_cut_off_is_discarded_by_the_next,
    stage::what_is_withdrawn_is_not_released,
    admission::what_is_put_back_is_untouched_and_no_attempt,
    admission::a_question_waits_for_an_answer_to_its_latest_version,
    admission::a_question_is_over_when_its_event_is,
    admission::what_could_still_be_asked_is_counted,
    budget::a_budget_is_granted_out_of_one_bucket_for_each_target,
    budget::concurrent_draws_never_exceed_the_bucket,
    budget::a_refusal_of_the_service_blocks_everybody,
    waiting::why_somebody_waits_is_one_answer,
    waiting::a_leave_is_what_a_lane_waits_for_once_it_is_due,
    waiting::what_nobody_takes_is_stalled_since_it_could_be_taken,
    waiting::a_skipped_event_stays_dead_and_its_lane_goes_on,
    waiting::a_step_of_which_nobody_knows_is_resolved_by_a_person,
    waiting::only_what_ended_unknown_is_resolved,
    exchange::a_record_counts_once_by_its_id,
    exchange::a_record_under_a_known_id_with_other_content_is_quarantined,
    exchange::what_is_older_than_what_its_source_said_says_nothing,
    exchange::a_dead_letter_is_kept_once_and_waits_for_a_decision,
    exchange::a_decision_about_a_dead_letter_is_audited_and_destroys_its_content,
    exchange::who_is_erased_leaves_no_letter_and_no_receipt,
    exchange::a_bookmark_is_moved_by_whoever_knows_where_it_is,
    exchange::bookmarks_are_listed_by_name_the_last_first,
    survey::events_come_by_how_far_they_have_come_the_newest_first,
    survey::what_is_begun_waits_and_was_set_aside_is_counted,
    survey::what_was_told_is_counted_by_day_and_kind,
    survey::what_comes_up_is_known_in_its_order,
    audit::every_write_is_noted_once_and_nobody_is_named,
    audit::a_refused_write_is_not_noted,
    audit::decisions_about_plans_deliveries_and_policies_are_noted,
    audit::who_is_erased_is_gone_and_the_audit_still_verifies,
    audit::nobody_is_erased_whose_data_is_needed,
];

/// Puts every check to a fresh journal of its own from `make`.
///
/// # Panics
/// When promises are broken: the message names each of them.
pub async fn exam<J: Journal>(make: impl AsyncFn() -> J) {
    let mut broken = Vec::new();
    for (name, check) in CHECKS {
        let journal = make().await;
        if let Err(panic) = AssertUnwindSafe(check(&journal)).catch_unwind().await {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            broken.push(format!("{name}: {}", message.unwrap_or("no message")));
        }
    }
    let (count, all) = (broken.len(), CHECKS.len());
    assert!(
        broken.is_empty(),
        "{count} of {all} promises are broken:\n{}",
        broken.join("\n")
    );
}

/// Whether there is a check of that name.
#[cfg(test)]
pub(crate) fn is_check(name: &str) -> bool {
    CHECKS.iter().any(|(check, _)| *check == name)
}

/// Longer than any exam takes.
const LEASE: Duration = Duration::from_mins(10);

/// The exam's own calendar: seconds after an instant in 2027.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn key(person: &str) -> PersonKey {
    PersonKey::new(person)
}

/// The `version`th record of a person, due at `second`.
fn news(person: &str, version: u64, second: i64, kind: EventKind) -> Event {
    let record = Person {
        department: Some(format!("department {version}")),
        ..Person::new(key(person))
    };
    Event {
        id: EventId::new(format!("{person}/{version}")),
        person: key(person),
        kind,
        due_at: at(second),
        entered_at: at(second),
        record: Some(record),
        version,
        news: None,
    }
}

fn join(person: &str, second: i64) -> Event {
    news(person, 1, second, EventKind::Join)
}

fn change(person: &str, version: u64, second: i64) -> Event {
    news(person, version, second, EventKind::Move)
}

fn leave(person: &str, version: u64, second: i64) -> Event {
    news(
        person,
        version,
        second,
        EventKind::Leave {
            last_day: None,
            urgent: false,
        },
    )
}

fn timer(person: &str, timer: Timer, second: i64) -> Event {
    Event::timer(&key(person), timer, at(second), &EventId::new("exam"), at(0))
}

/// A state that differs by `name`.
fn state(person: &str, name: &str) -> PersonState {
    PersonState {
        name: Some(name.to_owned()),
        ..PersonState::new(key(person))
    }
}

fn step(person: &str, action: Action) -> (Step, IdempotencyKey) {
    let step = Step::new(
        &TargetId::new("exam"),
        &key(person),
        None,
        action,
        "the exam asks for it",
    );
    let idempotency = IdempotencyKey::of(&EventId::new("exam"), &step);
    (step, idempotency)
}

/// Appends, and expects every event to be new.
async fn accept(journal: &dyn Journal, events: &[Event]) {
    let appended = journal.append(events).await.unwrap();
    assert_eq!(appended, vec![Appended::New; events.len()]);
}

/// The events that a claim at `second` takes.
async fn claims(journal: &dyn Journal, max: usize, second: i64) -> Vec<Claim> {
    journal.claim(max, at(second), LEASE).await.unwrap()
}

/// Claims the one event that can be claimed, and expects it to be `expected`.
async fn claim_only(journal: &dyn Journal, second: i64, expected: &Event) -> Claim {
    let mut claims = claims(journal, 10, second).await;
    let ids: Vec<&EventId> = claims.iter().map(|claim| &claim.event.id).collect();
    assert_eq!(ids, [&expected.id], "claimed at {second}");
    claims.remove(0)
}

async fn claim_none(journal: &dyn Journal, second: i64) {
    let claims = claims(journal, 10, second).await;
    assert!(claims.is_empty(), "claimed at {second}: {claims:?}");
}

/// Completes without timers, keeping the state.
async fn complete(journal: &dyn Journal, claim: &Claim) {
    journal.complete(claim, &claim.state, &[]).await.unwrap();
}

async fn entry(journal: &dyn Journal, event: &Event) -> Entry {
    let query = HistoryQuery {
        person: Some(event.person.clone()),
        ..HistoryQuery::default()
    };
    let entries = journal.history(&query).await.unwrap();
    let mut found = entries.into_iter().filter(|entry| entry.event.id == event.id);
    found.next().expect("the event is in the history")
}

async fn state_of(journal: &dyn Journal, event: &Event) -> EventState {
    entry(journal, event).await.state
}
