//! What the relay has done since it was started, as plain counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        #[derive(Debug, Default)]
        pub struct Counters {
            $($name: AtomicU64,)*
        }

        /// The counts at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Counters {
            pub fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            $(pub(crate) fn $name(&self) {
                self.$name.fetch_add(1, Ordering::Relaxed);
            })*
        }
    };
}

counters! {
    /// Orders that the broker has confirmed.
    orders_sent,
    /// Those of them that an inventory asked for.
    orders_again,
    /// Orders that could not be sent: a host's queue is full, or one is too long.
    orders_left,
    /// Facts that the broker has confirmed.
    facts_sent,
    /// Outcomes that became facts.
    reports_decided,
    /// Outcomes that changed nothing, were known, or are of an earlier incarnation.
    reports_idle,
    /// What could not be read, and was put aside.
    malformed,
    inventories,
    /// Differences that became a report.
    differences_reported,
    /// What somebody has to look at.
    alarms,
    /// What time and silence brought about.
    clockwork_sent,
    /// Silences that were held, because too many were still at once.
    held,
}
