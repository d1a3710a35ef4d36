//! Destroying keys, for good.

use std::thread;

use carrel_keys::{Kept, KeysError, Purpose, Shredding, shredded_by};
use carrel_model::event::{AdminFact, ClientFact, Event, TerminalFact};
use carrel_model::ids::{AdminId, ClientId, TerminalId};
use carrel_model::version::latest::Nothing;

use super::{Adapter, fresh, restarted};
use crate::scene::{opened, person, seal};

pub(crate) fn what_was_sealed_is_gone_with_its_key<A: Adapter>() {
    let (adapter, keys) = fresh::<A>();
    let sealed = seal(&keys, 1, "anna");
    assert_eq!(keys.shred(person(1)), Ok(Shredding::Destroyed));
    assert_eq!(opened(&keys, &sealed), None);
    assert_eq!(adapter.store().person(person(1)), Ok(Some(Kept::Shredded)));
}

pub(crate) fn a_destroyed_key_stays_so_after_a_restart<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let sealed = seal(&keys, 1, "anna");
    keys.shred(person(1)).unwrap();
    let keys = restarted(&mut adapter, keys);
    assert_eq!(opened(&keys, &sealed), None);
}

pub(crate) fn destroying_twice_is_destroying_once<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    seal(&keys, 1, "anna");
    assert_eq!(keys.shred(person(1)), Ok(Shredding::Destroyed));
    assert_eq!(keys.shred(person(1)), Ok(Shredding::Nothing));
    let keys = restarted(&mut adapter, keys);
    assert_eq!(keys.shred(person(1)), Ok(Shredding::Nothing));
}

pub(crate) fn nothing_is_sealed_for_whom_was_deleted<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    seal(&keys, 1, "anna");
    keys.shred(person(1)).unwrap();
    // Nobody has ever had a key here, and still none is made.
    keys.shred(person(2)).unwrap();
    let shredded = |nth| Err(KeysError::Shredded { person: person(nth) });
    for nth in [1, 2] {
        assert_eq!(keys.seal(person(nth), Purpose::Name, "x"), shredded(nth));
    }
    let keys = restarted(&mut adapter, keys);
    for nth in [1, 2] {
        assert_eq!(keys.seal(person(nth), Purpose::Name, "x"), shredded(nth));
    }
}

pub(crate) fn who_was_deleted_is_not_forgotten<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let sealed = seal(&keys, 1, "anna");
    keys.shred(person(1)).unwrap();
    keys.forget(person(1)).unwrap();
    assert_eq!(opened(&keys, &sealed), None);
    let keys = restarted(&mut adapter, keys);
    assert_eq!(opened(&keys, &sealed), None);
}

/// Keys came back from a backup that is older than the deletion, tombstones and all.
pub(crate) fn the_log_says_whose_keys_to_destroy_again<A: Adapter>() {
    let log = [
        Event::Client(ClientId::new(person(1)), ClientFact::Deleted(Nothing {})),
        Event::Admin(AdminId::new(person(2)), AdminFact::Deleted(Nothing {})),
        Event::Client(ClientId::new(person(3)), ClientFact::Blocked(Nothing {})),
        Event::Terminal(TerminalId::new(person(4)), TerminalFact::Removed(Nothing {})),
    ];
    let (mut adapter, keys) = fresh::<A>();
    let boxes = [1, 2, 3, 4].map(|nth| seal(&keys, nth, "somebody"));
    let deleted = || log.iter().filter_map(shredded_by);
    assert_eq!(keys.shred_all(deleted()), Ok(3));
    assert_eq!(keys.shred_all(deleted()), Ok(0));
    let keys = restarted(&mut adapter, keys);
    let found = boxes.map(|sealed| opened(&keys, &sealed));
    assert_eq!(found, [None, None, Some("somebody".to_owned()), None]);
}

pub(crate) fn others_keep_their_keys<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let boxes = [1, 2, 3].map(|nth| seal(&keys, nth, "somebody"));
    keys.shred(person(2)).unwrap();
    let keys = restarted(&mut adapter, keys);
    let found = boxes.map(|sealed| opened(&keys, &sealed).is_some());
    assert_eq!(found, [true, false, true]);
}

/// Whoever loads a key while it is being destroyed must not put it back among those that are
/// cached.
pub(crate) fn nobody_reads_on_while_a_key_is_destroyed<A: Adapter>() {
    const ROUNDS: u64 = 20;
    let (mut adapter, mut keys) = fresh::<A>();
    let boxes: Vec<_> = (0..ROUNDS).map(|nth| seal(&keys, nth, "somebody")).collect();
    // So that none is cached.
    keys = restarted(&mut adapter, keys);
    for (sealed, nth) in boxes.iter().zip(0..) {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| opened(&keys, sealed));
            }
            keys.shred(person(nth)).unwrap();
        });
        assert_eq!(opened(&keys, sealed), None);
    }
}
