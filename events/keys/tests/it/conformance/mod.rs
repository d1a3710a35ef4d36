//! One function for each promise, run against every store.
//!
//! A store joins with a type that implements [`Adapter`] and `conformance::suite!(ThatType)`.

pub(crate) mod authority;
pub(crate) mod host;
pub(crate) mod installation;
pub(crate) mod person;
pub(crate) mod shred;
pub(crate) mod signing;

use std::sync::Arc;

use carrel_keys::{KeyStore, Keys};

use crate::scene::start;

/// How the suite makes a store of one kind. Dropping it removes what the store stood on.
pub(crate) trait Adapter: Sized {
    /// An empty store of its own.
    fn fresh() -> Self;

    fn store(&self) -> Arc<dyn KeyStore>;

    /// Opens the store again as a new process would. Nobody holds the old one by then.
    fn reopen(&mut self);
}

/// New keys.
pub(crate) fn fresh<A: Adapter>() -> (A, Keys) {
    let adapter = A::fresh();
    let keys = start(adapter.store());
    (adapter, keys)
}

/// The same keys in a new process.
pub(crate) fn restarted<A: Adapter>(adapter: &mut A, old: Keys) -> Keys {
    drop(old);
    adapter.reopen();
    start(adapter.store())
}

/// Makes a test of every case, for one store. A case that is missing here is dead code, and the
/// compiler says so.
macro_rules! suite {
    ($adapter:ident) => {
        $crate::conformance::cases! { $adapter, authority:
            what_it_has_signed_is_trusted_after_a_restart
            another_installations_is_not_trusted
        }
        $crate::conformance::cases! { $adapter, host:
            a_host_has_the_key_that_it_was_given
            a_host_that_is_enrolled_again_has_another_key
            a_host_that_was_never_enrolled_has_none
            a_host_that_was_removed_has_none
        }
        $crate::conformance::cases! { $adapter, installation:
            hashes_are_the_same_after_a_restart
            two_installations_have_nothing_in_common
            keys_of_people_without_those_of_the_installation_are_refused
            a_start_that_did_not_get_far_is_begun_anew
            a_secret_that_is_not_one_is_refused
        }
        $crate::conformance::cases! { $adapter, person:
            what_is_sealed_is_opened
            what_is_sealed_is_opened_after_a_restart
            everybody_has_their_own_key
            the_same_text_never_looks_the_same
            a_box_is_opened_for_its_purpose_only
            a_box_that_was_changed_is_refused
            a_box_of_another_installation_is_refused
            a_text_has_at_most_so_many_bytes
            a_hundred_who_seal_for_somebody_new_use_one_key
            somebody_new_gets_a_key_once
            who_never_came_to_be_is_forgotten
        }
        $crate::conformance::cases! { $adapter, shred:
            what_was_sealed_is_gone_with_its_key
            a_destroyed_key_stays_so_after_a_restart
            destroying_twice_is_destroying_once
            nothing_is_sealed_for_whom_was_deleted
            who_was_deleted_is_not_forgotten
            the_log_says_whose_keys_to_destroy_again
            others_keep_their_keys
            nobody_reads_on_while_a_key_is_destroyed
        }
        $crate::conformance::cases! { $adapter, signing:
            what_is_signed_is_verified
            what_was_changed_is_not_verified
            another_installations_work_is_not_verified
            work_of_the_next_key_is_verified_before_workers_hear_of_it
            two_rotations_leave_the_first_key_behind
            keys_are_the_same_after_a_restart
        }
    };
}
pub(crate) use suite;

macro_rules! cases {
    ($adapter:ident, $topic:ident: $($case:ident)*) => {
        mod $topic {
            use super::$adapter;

            $(
                #[test]
                fn $case() {
                    $crate::conformance::$topic::$case::<$adapter>();
                }
            )*
        }
    };
}
pub(crate) use cases;
