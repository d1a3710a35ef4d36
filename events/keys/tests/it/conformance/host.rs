//! A key for each host.

use carrel_keys::{HostKey, KeysError};
use carrel_model::ids::{HypervisorId, MachineId, SessionId};

use super::{Adapter, fresh, restarted};

const HOST: HypervisorId = HypervisorId::from_bytes([1; 16]);
const OTHER: HypervisorId = HypervisorId::from_bytes([2; 16]);

fn password(key: &HostKey, ticket: u32) -> String {
    let (session, machine) = (SessionId::from_bytes([3; 16]), MachineId::from_bytes([4; 16]));
    key.display_password(session, machine, ticket).expose().to_owned()
}

pub(crate) fn a_host_has_the_key_that_it_was_given<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let given = keys.enrol_host(HOST).unwrap();
    let other = keys.enrol_host(OTHER).unwrap();
    assert_ne!(given, other);
    let keys = restarted(&mut adapter, keys);
    assert_eq!(keys.host_key(HOST), Ok(given.clone()));
    // What the host has from the answer gives the same passwords, a new one for each ticket.
    let at_the_host = HostKey::from_slice(given.expose()).unwrap();
    assert_eq!(password(&at_the_host, 1), password(&keys.host_key(HOST).unwrap(), 1));
    assert_ne!(password(&given, 1), password(&given, 2));
    assert_ne!(password(&given, 1), password(&other, 1));
}

pub(crate) fn a_host_that_is_enrolled_again_has_another_key<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let first = keys.enrol_host(HOST).unwrap();
    let second = keys.enrol_host(HOST).unwrap();
    assert_ne!(first, second);
    let keys = restarted(&mut adapter, keys);
    assert_eq!(keys.host_key(HOST), Ok(second));
}

pub(crate) fn a_host_that_was_never_enrolled_has_none<A: Adapter>() {
    let (_adapter, keys) = fresh::<A>();
    assert_eq!(keys.host_key(HOST), Err(KeysError::NoHost { host: HOST }));
}

pub(crate) fn a_host_that_was_removed_has_none<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let other = keys.enrol_host(OTHER).unwrap();
    keys.enrol_host(HOST).unwrap();
    keys.remove_host(HOST).unwrap();
    keys.remove_host(HOST).unwrap();
    let keys = restarted(&mut adapter, keys);
    assert_eq!(keys.host_key(HOST), Err(KeysError::NoHost { host: HOST }));
    assert_eq!(keys.host_key(OTHER), Ok(other));
}
