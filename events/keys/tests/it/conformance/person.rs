//! Sealing and opening.

use std::sync::Barrier;
use std::thread;

use carrel_keys::limits::PLAIN_BYTES_MAX;
use carrel_keys::{KeysError, Purpose};
use carrel_model::sealed::SealedBox;

use super::{Adapter, fresh, restarted};
use crate::scene::{opened, person, seal};

pub(crate) fn what_is_sealed_is_opened<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    for text in ["", "anna", "Anna Ångström\n+49 30 1234", &"x".repeat(PLAIN_BYTES_MAX)] {
        let sealed = seal(&keys, 1, text);
        assert_eq!(sealed.key, person(1));
        assert!(sealed.data.len() <= SealedBox::DATA_LENGTH_MAX);
        assert_eq!(opened(&keys, &sealed).as_deref(), Some(text));
    }
}

pub(crate) fn what_is_sealed_is_opened_after_a_restart<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let first = seal(&keys, 1, "anna");
    let keys = restarted(&mut adapter, keys);
    let second = seal(&keys, 1, "anna again");
    let keys = restarted(&mut adapter, keys);
    assert_eq!(opened(&keys, &first).as_deref(), Some("anna"));
    assert_eq!(opened(&keys, &second).as_deref(), Some("anna again"));
}

pub(crate) fn everybody_has_their_own_key<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    let (anna, bert) = (seal(&keys, 1, "anna"), seal(&keys, 2, "bert"));
    let moved = SealedBox { key: bert.key, data: anna.data };
    let error = keys.open(Purpose::Name, &moved);
    assert!(matches!(error, Err(KeysError::Damaged { .. })), "{error:?}");
}

pub(crate) fn the_same_text_never_looks_the_same<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    assert_ne!(seal(&keys, 1, "anna"), seal(&keys, 1, "anna"));
}

pub(crate) fn a_box_is_opened_for_its_purpose_only<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    let name = seal(&keys, 1, "anna");
    let error = keys.open(Purpose::Personal, &name);
    assert!(matches!(error, Err(KeysError::Damaged { .. })), "{error:?}");
    let password = keys.seal_password(person(1), &crate::scene::secret("secret")).unwrap();
    for purpose in [Purpose::Name, Purpose::Personal] {
        let error = keys.open(purpose, &password);
        assert!(matches!(error, Err(KeysError::Damaged { .. })), "{error:?}");
    }
}

pub(crate) fn a_box_that_was_changed_is_refused<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    let sealed = seal(&keys, 1, "anna");
    let refused = |data: &str| {
        let changed = SealedBox { key: sealed.key, data: data.into() };
        let error = keys.open(Purpose::Name, &changed);
        assert!(matches!(error, Err(KeysError::Damaged { .. })), "{data}: {error:?}");
    };
    for at in 0..sealed.data.len() {
        let mut data = sealed.data.to_string();
        let other = if data.as_bytes()[at] == b'A' { "B" } else { "A" };
        data.replace_range(at..=at, other);
        refused(&data);
        refused(&sealed.data[..at]);
    }
    refused(&format!("{}AAAA", sealed.data));
    refused(&"A".repeat(SealedBox::DATA_LENGTH_MAX + 4));
    refused("no base64!");
}

pub(crate) fn a_box_of_another_installation_is_refused<A: Adapter>() {
    let ((_one, keys), (_other, others)) = (fresh::<A>(), fresh::<A>());
    let sealed = seal(&keys, 1, "anna");
    let error = others.open(Purpose::Name, &sealed);
    assert_eq!(error, Err(KeysError::NoKey { person: person(1) }));
    seal(&others, 1, "somebody else");
    let error = others.open(Purpose::Name, &sealed);
    assert!(matches!(error, Err(KeysError::Damaged { .. })), "{error:?}");
}

pub(crate) fn a_text_has_at_most_so_many_bytes<A: Adapter>() {
    let (adapter, keys) = fresh::<A>();
    let (given, max) = (PLAIN_BYTES_MAX + 1, PLAIN_BYTES_MAX);
    let refused = keys.seal(person(1), Purpose::Personal, &"x".repeat(given));
    assert_eq!(refused, Err(KeysError::TooLong { given, max }));
    assert_eq!(adapter.store().person(person(1)), Ok(None));
}

pub(crate) fn a_hundred_who_seal_for_somebody_new_use_one_key<A: Adapter>() {
    const SEALERS: u64 = 100;
    let (mut adapter, keys) = fresh::<A>();
    let together = Barrier::new(usize::try_from(SEALERS).unwrap());
    let boxes: Vec<SealedBox> = thread::scope(|scope| {
        let sealers: Vec<_> = (0..SEALERS)
            .map(|nth| {
                let (keys, together) = (&keys, &together);
                scope.spawn(move || {
                    together.wait();
                    seal(keys, nth % 3, &nth.to_string())
                })
            })
            .collect();
        sealers.into_iter().map(|sealer| sealer.join().unwrap()).collect()
    });
    let keys = restarted(&mut adapter, keys);
    for (sealed, nth) in boxes.iter().zip(0..) {
        assert_eq!(opened(&keys, sealed), Some(format!("{nth}")));
    }
}

pub(crate) fn somebody_new_gets_a_key_once<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    keys.make_person(person(1)).unwrap();
    let sealed = seal(&keys, 1, "anna");
    let taken = Err(KeysError::Taken { person: person(1) });
    assert_eq!(keys.make_person(person(1)), taken);
    let keys = restarted(&mut adapter, keys);
    assert_eq!(keys.make_person(person(1)), taken);
    assert_eq!(opened(&keys, &sealed).as_deref(), Some("anna"));
    keys.shred(person(1)).unwrap();
    assert_eq!(keys.make_person(person(1)), taken);
}

pub(crate) fn who_never_came_to_be_is_forgotten<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let sealed = seal(&keys, 1, "anna");
    keys.forget(person(1)).unwrap();
    keys.forget(person(1)).unwrap();
    let no_key = Err(KeysError::NoKey { person: person(1) });
    assert_eq!(keys.open(Purpose::Name, &sealed), no_key);
    let keys = restarted(&mut adapter, keys);
    assert_eq!(keys.open(Purpose::Name, &sealed), no_key);
    assert_eq!(adapter.store().person(person(1)), Ok(None));
}
