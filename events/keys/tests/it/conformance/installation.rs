//! Secrets that are nobody's own.

use std::sync::Arc;

use carrel_keys::{Keys, OpenError, OsEntropy, SecretName};
use carrel_model::people::{PersonName, local};

use super::{Adapter, fresh, restarted};
use crate::scene::{person, seal};

fn start<A: Adapter>(adapter: &A) -> Result<Keys, OpenError> {
    Keys::start(adapter.store(), Arc::new(OsEntropy), 1)
}

pub(crate) fn hashes_are_the_same_after_a_restart<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let (anna, token) = (PersonName::new("anna").unwrap(), keys.new_token().unwrap());
    let hashes = (keys.name_hash(&local(), &anna), keys.token_hash(&token), keys.identity());
    let keys = restarted(&mut adapter, keys);
    assert_eq!((keys.name_hash(&local(), &anna), keys.token_hash(&token), keys.identity()), hashes);
}

pub(crate) fn two_installations_have_nothing_in_common<A: Adapter>() {
    let ((_one, keys), (_other, others)) = (fresh::<A>(), fresh::<A>());
    let (anna, token) = (PersonName::new("anna").unwrap(), keys.new_token().unwrap());
    assert_ne!(keys.name_hash(&local(), &anna), others.name_hash(&local(), &anna));
    assert_ne!(keys.token_hash(&token), others.token_hash(&token));
    assert_ne!(keys.identity(), others.identity());
}

pub(crate) fn keys_of_people_without_those_of_the_installation_are_refused<A: Adapter>() {
    for lost in [SecretName::Installation, SecretName::WorkSigning] {
        let (mut adapter, keys) = fresh::<A>();
        seal(&keys, 1, "anna");
        drop(keys);
        adapter.store().remove_secret(lost).unwrap();
        adapter.reopen();
        assert_eq!(start(&adapter).err(), Some(OpenError::Incomplete));
        // And nothing was made in its place.
        assert_eq!(adapter.store().secret(lost), Ok(None));
    }
}

/// The key of the installation is kept last, so a crash may leave the others.
pub(crate) fn a_start_that_did_not_get_far_is_begun_anew<A: Adapter>() {
    let mut adapter = A::fresh();
    adapter.store().keep_secret(SecretName::WorkSigning, &[1; 64]).unwrap();
    adapter.reopen();
    let keys = start(&adapter).unwrap();
    seal(&keys, 1, "anna");
    assert!(adapter.store().person(person(1)).unwrap().is_some());
}

pub(crate) fn a_secret_that_is_not_one_is_refused<A: Adapter>() {
    for damaged in [SecretName::Installation, SecretName::WorkSigning] {
        let (mut adapter, keys) = fresh::<A>();
        drop(keys);
        adapter.store().keep_secret(damaged, &[1; 31]).unwrap();
        adapter.reopen();
        let error = start(&adapter).err();
        assert!(matches!(error, Some(OpenError::Damaged(_))), "{error:?}");
    }
}
