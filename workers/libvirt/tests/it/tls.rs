//! Beyond its host a display is seen by TLS, or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use carrel_domain::{Domain, Listen};
use carrel_libvirt::{Hope, Kind, Was};
use zeroize::Zeroizing;

use crate::support::guest::{Does, guest};
use crate::support::lab::{Lab, lab, lab_with, target};
use carrel_lab::spice::sign_in;

/// The lab's own, beside its loopback.
const ADDRESS: [u8; 4] = [192, 0, 2, 1];
/// 2100: QEMU judges by the clock of the host.
const LATE: u64 = 4_102_444_800;

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output = output.expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and what it has signed for the host.
fn certify(folder: &Path) {
    let folder = folder.join("certificate");
    fs::create_dir(&folder).expect("made");
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    let authority = ["-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca-cert.pem"];
    openssl(&folder, &[&new[..], &authority[..]].concat());
    let signed = ["-CA", "ca-cert.pem", "-CAkey", "ca-key.pem"];
    let server = ["-subj", "/CN=host", "-keyout", "server-key.pem", "-out", "server-cert.pem"];
    openssl(&folder, &[&new[..], &signed[..], &server[..]].concat());
    for entry in fs::read_dir(&folder).expect("read").flatten() {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644)).expect("set");
    }
}

fn seen_from_outside(lab: &Lab) -> Domain {
    let mut domain = guest(lab, 1, Does::Wait);
    if let Some(spice) = &mut domain.display.spice {
        spice.listen = Listen::Tls(ADDRESS.into());
    }
    domain
}

#[test]
fn a_display_that_is_seen_from_outside_has_no_port_in_the_clear() {
    let lab = lab_with(certify);
    let host = lab.host();
    let domain = seen_from_outside(&lab);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    assert_eq!(host.start(it, 1), Ok(Was::Done));
    let observed = host.observe(it.uuid).expect("observed").expect("there");
    let spice = observed.displays.iter().find(|it| it.kind == "spice").expect("SPICE");
    assert_eq!((spice.port, spice.address.as_deref()), (None, Some("192.0.2.1")));
    let server = format!("192.0.2.1:{}", spice.tls_port.expect("a port for TLS"));

    let authority = lab.folder().join("certificate/ca-cert.pem");
    let try_in = |password: &str| {
        sign_in(lab.connect_by_tls(&server, &authority), password).expect("a handshake")
    };
    try_in("").must_be_refused();
    let secret = Zeroizing::new("KJHG2345".to_owned());
    host.arm(it, Kind::Spice, &secret, LATE).expect("armed");
    try_in("wrong").must_be_refused();
    let viewer = try_in(&secret).must_be_in();
    assert_eq!(host.viewers(it).expect("viewers").len(), 1);
    drop(viewer);
    host.destroy(it).expect("cut");
}

#[test]
fn without_a_certificate_it_does_not_start() {
    let lab = lab();
    let host = lab.host();
    let domain = seen_from_outside(&lab);
    host.define(&domain).expect("defined");
    let refusal = host.start(target(&domain), 1).expect_err("no certificate");
    assert_eq!((refusal.hope, refusal.code), (Hope::Never, "unsupported"), "{refusal}");
    let listed = host.list().expect("listed").domains.remove(0);
    assert!(!listed.state.is_on() && !listed.ours.ran);
}
