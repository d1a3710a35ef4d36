//! What certificates of hosts are signed with.

use std::fs;
use std::process::Command;

use super::{Adapter, fresh, restarted};

/// By somebody else's reading of X.509.
fn is_trusted(authority: &str, certificate: &str, address: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, shown) = (folder.path().join("trusted"), folder.path().join("shown"));
    fs::write(&trusted, authority).unwrap();
    fs::write(&shown, certificate).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-purpose", "sslserver", "-verify_ip", address, "-CAfile"]);
    openssl.arg(&trusted).arg(&shown).output().expect("openssl").status.success()
}

const ADDRESS: &str = "192.0.2.1";

pub(crate) fn what_it_has_signed_is_trusted_after_a_restart<A: Adapter>() {
    let (mut adapter, keys) = fresh::<A>();
    let made = keys.certify_displays(&[ADDRESS.to_owned(), "desk.example".to_owned()]).unwrap();
    assert_eq!(made.authority, keys.authority().unwrap());
    assert!(is_trusted(&made.authority, &made.certificate, ADDRESS));
    assert!(!is_trusted(&made.authority, &made.certificate, "192.0.2.2"));
    let keys = restarted(&mut adapter, keys);
    assert!(is_trusted(&keys.authority().unwrap(), &made.certificate, ADDRESS));
}

pub(crate) fn another_installations_is_not_trusted<A: Adapter>() {
    let ((_mine, keys), (_theirs, others)) = (fresh::<A>(), fresh::<A>());
    let made = others.certify_displays(&[ADDRESS.to_owned()]).unwrap();
    assert!(!is_trusted(&keys.authority().unwrap(), &made.certificate, ADDRESS));
    assert!(!format!("{made:?}").contains("PRIVATE"));
}
