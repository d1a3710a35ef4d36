//! One function for each promise of the port, run against every adapter.
//!
//! An adapter joins with a type that implements [`Adapter`] and `conformance::suite!(ThatType)`.
//! Nothing here waits for time to pass: what has to happen first is awaited, and what must not
//! happen is shown by the order of what did.

pub(crate) mod append;
pub(crate) mod chain;
pub(crate) mod close;
pub(crate) mod command;
pub(crate) mod cursor;
pub(crate) mod follow;
pub(crate) mod import;
pub(crate) mod lease;
pub(crate) mod limits;
pub(crate) mod race;
pub(crate) mod read;
pub(crate) mod scene;
pub(crate) mod snapshot;
pub(crate) mod stream;
pub(crate) mod turn;

use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::EventLog;
use carrel_model::ids::LogId;
use uuid::Uuid;

/// The log that cases make when they don't care which.
pub(crate) const LOG_ID: LogId =
    LogId::new(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001));

/// How the suite makes a log of one kind. Dropping it removes what the log stood on.
#[async_trait]
pub(crate) trait Adapter: Sized + Send {
    /// An empty log of its own.
    async fn fresh(log_id: LogId) -> Self;

    fn log(&self) -> Arc<dyn EventLog>;

    /// Closes the log, unless it was closed already, and opens it again as a new process would.
    async fn reopen(&mut self);
}

/// A log with nothing in it.
pub(crate) async fn empty<A: Adapter>() -> (A, Arc<dyn EventLog>) {
    let adapter = A::fresh(LOG_ID).await;
    let log = adapter.log();
    (adapter, log)
}

/// Opens the log again. It takes the old handle, since nobody may hold it while that happens.
pub(crate) async fn reopened<A: Adapter>(
    adapter: &mut A,
    old: Arc<dyn EventLog>,
) -> Arc<dyn EventLog> {
    drop(old);
    adapter.reopen().await;
    adapter.log()
}

/// Makes a test of every case, for one adapter. A case that is missing here is dead code, and the
/// compiler says so.
macro_rules! suite {
    ($adapter:ident) => {
        $crate::conformance::cases! { $adapter, append:
            an_empty_log_starts_at_zero
            positions_run_from_one_without_gaps
            versions_run_from_one_in_each_stream
            one_command_may_say_several_things_about_one_stream
            answers_come_in_the_order_of_the_commands
            every_field_comes_back_as_it_was_given
            any_bytes_are_data
            times_are_kept_as_given_even_when_they_run_backwards
            the_log_says_where_it_ends_when_it_is_elsewhere_than_expected
            an_append_at_the_head_is_written
            a_refused_batch_leaves_nothing_behind
            what_was_appended_is_there_after_reopening
        }
        $crate::conformance::cases! { $adapter, chain:
            the_head_vouches_for_every_record
            it_does_not_depend_on_how_records_were_batched
            it_is_known_at_every_position
            it_is_the_same_in_every_adapter_and_for_all_time
        }
        $crate::conformance::cases! { $adapter, close:
            a_closed_log_takes_no_writes
            closing_waits_for_what_is_under_way
            nobody_waits_for_more_after_it
            closing_twice_is_closing_once
        }
        $crate::conformance::cases! { $adapter, command:
            the_same_command_again_gets_the_first_answer
            a_known_command_is_answered_whatever_is_expected
            the_same_command_twice_in_one_batch_is_written_once
            a_new_command_beside_known_ones_is_written
            the_same_id_with_another_body_is_refused
            the_same_id_with_another_body_in_one_batch_is_refused
            lookup_gives_the_first_answer
            answers_are_remembered_after_reopening
        }
        $crate::conformance::cases! { $adapter, cursor:
            a_cursor_is_what_was_saved_last
            a_cursor_may_go_back
            cursors_are_listed_by_name
            an_older_epoch_is_refused
            a_cursor_is_never_beyond_the_head
            a_cursor_remembers_the_incarnation_that_it_saw
            cursors_are_there_after_reopening
        }
        $crate::conformance::cases! { $adapter, follow:
            what_is_past_already_is_not_waited_for
            waiting_ends_when_something_is_appended
            everybody_who_waits_is_told
            a_turn_is_heard_of_too
            a_follower_sees_every_record_once_and_in_order
            giving_up_waiting_harms_nobody
        }
        $crate::conformance::cases! { $adapter, import:
            an_imported_log_is_the_same_log
            an_import_can_be_resumed_at_the_head
            a_unit_that_is_not_next_is_refused
            a_unit_whose_link_does_not_fit_is_refused
            a_unit_that_was_changed_is_refused
            an_incarnation_never_falls
            what_came_before_a_unit_that_does_not_fit_stays
            imported_commands_are_known
            imported_streams_go_on_where_they_were
            finishing_raises_the_incarnation_once
            an_import_is_under_the_limits_of_an_append
        }
        $crate::conformance::cases! { $adapter, lease:
            epochs_count_from_one
            leases_count_each_for_itself
            an_older_epoch_is_fenced
            a_known_command_is_answered_whatever_the_epoch
            the_newest_epoch_and_those_to_come_pass
            each_epoch_is_given_out_once
            epochs_are_there_after_reopening
        }
        $crate::conformance::cases! { $adapter, limits:
            a_batch_has_one_to_its_maximum_of_commands
            a_command_has_one_to_its_maximum_of_records
            a_record_has_at_most_so_much_data
            a_command_has_at_most_so_much_data
            a_batch_has_at_most_so_many_bytes
            a_writer_is_at_most_so_far_behind
            a_page_has_at_most_so_many_records
            a_page_has_at_most_so_many_bytes
            a_snapshot_has_at_most_so_many_bytes
            at_most_so_many_names_are_kept
        }
        $crate::conformance::cases! { $adapter, race:
            of_a_hundred_who_expect_the_same_head_one_wins
            a_hundred_who_take_turns_all_succeed
            a_hundred_who_do_not_mind_all_succeed
            one_command_sent_a_hundred_times_at_once_is_one_command
            one_id_sent_at_once_with_a_hundred_bodies_is_one_command
            a_refused_append_does_not_harm_its_neighbours
            appends_that_nobody_waits_for_are_whole_or_not_there
        }
        $crate::conformance::cases! { $adapter, read:
            a_page_has_as_many_records_as_were_asked_for
            a_page_ends_before_it_has_too_many_bytes
            a_page_has_at_least_one_record
            a_page_says_whether_there_was_more
            after_the_end_there_is_nothing
            pages_laid_end_to_end_are_the_log
            each_page_is_handed_over_once_and_in_order
        }
        $crate::conformance::cases! { $adapter, snapshot:
            the_newest_one_is_given_out
            one_from_within_a_command_is_given_out
            another_models_snapshot_is_ignored
            another_kinds_snapshot_is_ignored
            only_the_newest_few_of_a_kind_are_kept
            a_snapshot_of_another_past_is_not_given_out
            a_snapshot_is_never_beyond_the_head
            any_size_up_to_many_megabytes_comes_back
            snapshots_are_there_after_reopening
        }
        $crate::conformance::cases! { $adapter, stream:
            a_stream_has_its_own_records_only
            a_stream_is_read_after_a_version
            a_streams_page_is_limited_and_says_whether_there_was_more
            the_same_id_in_another_category_is_another_stream
            a_stream_that_nobody_wrote_to_is_empty
        }
        $crate::conformance::cases! { $adapter, turn:
            a_turn_says_what_happened_since
            a_turn_is_on_the_head
            a_turn_that_appends_is_over
            a_dropped_turn_gives_the_place_back
            a_turn_that_is_refused_gives_the_place_back
            who_gives_up_waiting_for_a_turn_does_not_get_it
            nobody_else_appends_during_a_turn
            who_knows_more_than_the_log_gets_no_turn
        }
    };
}
pub(crate) use suite;

macro_rules! cases {
    ($adapter:ident, $topic:ident: $($case:ident)*) => {
        mod $topic {
            use super::$adapter;

            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    $crate::conformance::$topic::$case::<$adapter>().await;
                }
            )*
        }
    };
}
pub(crate) use cases;
