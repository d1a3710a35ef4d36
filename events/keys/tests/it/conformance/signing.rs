//! Work is signed.

use carrel_keys::VerifyingKeys;
use carrel_keys::signing::NotSigned;

use super::{Adapter, fresh, restarted};

const WORK: &[u8] = b"a machine is to be on";

pub(crate) fn what_is_signed_is_verified<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    let at_the_worker = VerifyingKeys::from_bytes(&keys.verifying_keys().to_bytes()).unwrap();
    assert_eq!(at_the_worker, keys.verifying_keys());
    assert_eq!(at_the_worker.verify(WORK, &keys.sign(WORK)), Ok(()));
}

pub(crate) fn what_was_changed_is_not_verified<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    let (known, signature) = (keys.verifying_keys(), keys.sign(WORK));
    let forged = Err(NotSigned::Forged(signature.key));
    assert_eq!(known.verify(b"a machine is to be off", &signature), forged);
    for at in 0..signature.bytes.len() {
        let mut changed = signature;
        changed.bytes[at] ^= 1;
        assert_eq!(known.verify(WORK, &changed), forged, "byte {at}");
    }
}

pub(crate) fn another_installations_work_is_not_verified<A: Adapter>() {
    let ((_one, keys), (_other, others)) = (fresh::<A>(), fresh::<A>());
    let mut signature = others.sign(WORK);
    let unknown = Err(NotSigned::UnknownKey(signature.key));
    assert_eq!(keys.verifying_keys().verify(WORK, &signature), unknown);
    signature.key = keys.sign(WORK).key;
    let forged = Err(NotSigned::Forged(signature.key));
    assert_eq!(keys.verifying_keys().verify(WORK, &signature), forged);
}

pub(crate) fn work_of_the_next_key_is_verified_before_workers_hear_of_it<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    let (before, old) = (keys.verifying_keys(), keys.sign(WORK));
    let after = keys.rotate_signing().unwrap();
    assert_eq!(after, keys.verifying_keys());
    let new = keys.sign(WORK);
    assert_ne!(new.key, old.key);
    assert_eq!(before.verify(WORK, &new), Ok(()));
    assert_eq!(after.verify(WORK, &new), Ok(()));
    assert_eq!(after.verify(WORK, &old), Err(NotSigned::UnknownKey(old.key)));
}

pub(crate) fn two_rotations_leave_the_first_key_behind<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    let before = keys.verifying_keys();
    keys.rotate_signing().unwrap();
    keys.rotate_signing().unwrap();
    let signature = keys.sign(WORK);
    assert_eq!(before.verify(WORK, &signature), Err(NotSigned::UnknownKey(signature.key)));
}

pub(crate) fn keys_are_the_same_after_a_restart<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let rotated = keys.rotate_signing().unwrap();
    let keys = restarted(&mut adapter, keys);
    assert_eq!(keys.verifying_keys(), rotated);
    assert_eq!(rotated.verify(WORK, &keys.sign(WORK)), Ok(()));
}
