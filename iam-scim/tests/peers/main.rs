//! The same behaviours at two servers that nobody here wrote: scim2-server (Python) and scimmy-routers
//! (Node.js). They are installed on the first run; without Python or Node.js these tests fail.

#![allow(clippy::unwrap_used, clippy::panic)] // all of it is tests

mod behaviours;
mod process;

/// One test for each behaviour and peer.
macro_rules! at_both_peers {
    ($($name:ident),* $(,)?) => {
        mod scim2_server {
            $(#[tokio::test]
            async fn $name() {
                crate::behaviours::$name(crate::behaviours::Place::new(crate::process::scim2_server(), stringify!($name))).await;
            })*
        }
        mod scimmy {
            $(#[tokio::test]
            async fn $name() {
                crate::behaviours::$name(crate::behaviours::Place::new(crate::process::scimmy(), stringify!($name))).await;
            })*
        }
    };
}

at_both_peers!(
    discovery_says_what_the_server_can_do,
    a_user_is_created_read_changed_replaced_and_deleted,
    a_filter_finds_exactly_what_it_names,
    more_than_a_page_is_read,
    a_wrong_token_is_refused,
    a_joiner_is_created_once_and_inactive,
    a_taken_name_is_reported,
    attributes_go_both_ways,
    accounts_are_found_by_worker_id,
    names_in_use_are_reported,
    a_manager_is_linked_once,
    sign_in_is_blocked_and_allowed,
    roles_are_groups_given_and_taken_once,
    a_deleted_account_is_gone_and_stays_so,
    without_patch_and_filter_the_end_is_the_same,
    a_person_joins_moves_and_leaves,
);
