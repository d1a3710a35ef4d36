//! What was read of each domain, so that watching many costs little: libvirt is asked for all
//! states at once, and for a definition only when it is new or may have changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_domain::Found;
use uuid::Uuid;

use crate::events::{Happened, Hint};

/// So many are read again with each listing, the longest known first: a hint may be lost.
pub(crate) const READ_AGAIN_EACH: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    domains: HashMap<Uuid, Entry>,
    /// Counts readings, to tell the older from the newer.
    clock: u64,
    /// How often each was forgotten, so that nothing old is remembered after it.
    forgotten: HashMap<Uuid, u64>,
    /// How often all were.
    cleared: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    found: Arc<Found>,
    read: u64,
}

/// What was forgotten when the reading of a domain began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    forgotten: u64,
    cleared: u64,
}

impl Inner {
    fn since(&self, uuid: Uuid) -> Since {
        let forgotten = self.forgotten.get(&uuid).copied().unwrap_or_default();
        Since { forgotten, cleared: self.cleared }
    }
}

impl Known {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, uuid: Uuid) -> Option<Arc<Found>> {
        self.inner().domains.get(&uuid).map(|entry| Arc::clone(&entry.found))
    }

    pub(crate) fn since(&self, uuid: Uuid) -> Since {
        self.inner().since(uuid)
    }

    /// Unless it was forgotten since the reading began. Others that were are nothing to it: while
    /// many are made, one or another always is.
    pub(crate) fn remember(&self, since: Since, found: &Arc<Found>) {
        let mut inner = self.inner();
        if inner.since(found.uuid) == since {
            inner.clock += 1;
            let entry = Entry { found: Arc::clone(found), read: inner.clock };
            inner.domains.insert(found.uuid, entry);
        }
    }

    /// Those that are there no more are forgotten. Those that were read longest ago are answered.
    pub(crate) fn keep(&self, there: impl Fn(Uuid) -> bool) -> Vec<Uuid> {
        let mut inner = self.inner();
        inner.domains.retain(|uuid, _| there(*uuid));
        inner.forgotten.retain(|uuid, _| there(*uuid));
        let mut by_age: Vec<(u64, Uuid)> =
            inner.domains.iter().map(|(uuid, entry)| (entry.read, *uuid)).collect();
        let many = READ_AGAIN_EACH.min(by_age.len());
        if many == 0 {
            return Vec::new();
        }
        by_age.select_nth_unstable(many - 1);
        by_age.into_iter().take(many).map(|(_, uuid)| uuid).collect()
    }

    /// The domain that is a machine's, as far as it was seen.
    pub(crate) fn of_machine(&self, machine: Uuid) -> Option<Uuid> {
        let inner = self.inner();
        let is_it =
            |entry: &&Entry| entry.found.ours.as_ref().is_some_and(|ours| ours.machine == machine);
        inner.domains.values().find(is_it).map(|entry| entry.found.uuid)
    }

    pub(crate) fn forget(&self, uuid: Uuid) {
        let mut inner = self.inner();
        *inner.forgotten.entry(uuid).or_default() += 1;
        inner.domains.remove(&uuid);
    }

    pub(crate) fn hear(&self, hint: &Hint) {
        match hint {
            Hint::Domain(uuid, happened) => match happened {
                Happened::Defined | Happened::Undefined | Happened::Marked | Happened::Tray => {
                    self.forget(*uuid);
                }
                Happened::Started
                | Happened::Paused
                | Happened::Resumed
                | Happened::ShutDown
                | Happened::Stopped
                | Happened::Asleep
                | Happened::Crashed
                | Happened::Rebooted
                | Happened::Viewer(_)
                | Happened::IoError { .. }
                | Happened::Balloon { .. }
                | Happened::AgentConnected
                | Happened::AgentGone => {}
            },
            Hint::All | Hint::Gone => {
                let mut inner = self.inner();
                inner.cleared += 1;
                inner.domains.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carrel_domain::Found;
    use carrel_domain::tree::Element;
    use uuid::Uuid;

    use super::{Hint, Known};

    fn found(number: u128) -> Arc<Found> {
        let uuid = Uuid::from_u128(number);
        let text = format!(
            "<domain type='qemu'><name>n</name><uuid>{uuid}</uuid>\
             <memory>65536</memory><vcpu>1</vcpu></domain>"
        );
        Arc::new(Found::of(&Element::parse(&text).expect("XML")).expect("a domain"))
    }

    #[test]
    fn what_was_read_before_it_changed_is_not_remembered() {
        let known = Known::default();
        let (one, other) = (found(1), found(2));
        let since = known.since(one.uuid);
        known.forget(other.uuid);
        known.remember(since, &one);
        assert!(known.get(one.uuid).is_some(), "another one has changed");
        known.forget(one.uuid);
        known.remember(since, &one);
        assert_eq!(known.get(one.uuid), None);
        let since = known.since(one.uuid);
        known.hear(&Hint::All);
        known.remember(since, &one);
        assert_eq!(known.get(one.uuid), None, "anything may have changed");
        known.remember(known.since(one.uuid), &one);
        known.keep(|uuid| uuid != one.uuid);
        assert_eq!(known.get(one.uuid), None, "it is not there");
    }
}
