//! Nobody sees a desktop without a password that is armed, in its time.

use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carrel_domain::Domain;
use carrel_libvirt::{Happened, Hint, Host, Kind, Target, ViewerIs};
use zeroize::Zeroizing;

use crate::support::guest::{Does, guest};
use crate::support::lab::{Lab, lab, target};
use carrel_lab::eventually;
use carrel_lab::spice::{is_cut, sign_in};

const PASSWORD: &str = "KJHG2345KJHG2345KJHG2345AB";

#[expect(clippy::disallowed_methods, reason = "QEMU judges by the clock of the host")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn running(lab: &Lab, host: &Host) -> Domain {
    let domain = guest(lab, 1, Does::Wait);
    host.define(&domain).expect("defined");
    host.start(target(&domain), 1).expect("started");
    domain
}

fn spice_port(host: &Host, it: Target) -> u16 {
    let observed = host.observe(it.uuid).expect("observed").expect("there");
    let display = observed.displays.iter().find(|display| display.kind == "spice");
    display.and_then(|display| display.port).expect("a port")
}

#[test]
fn only_who_knows_the_password_in_its_time_gets_in() {
    let lab = lab();
    let host = lab.host();
    let watch = host.watch().expect("watched");
    let domain = running(&lab, &host);
    let it = target(&domain);
    let port = spice_port(&host, it);
    let try_in = |password: &str| sign_in(lab.connect(port), password).expect("a handshake");

    for guess in ["", "x", PASSWORD] {
        try_in(guess).must_be_refused();
    }
    host.arm(it, Kind::Spice, &secret(PASSWORD), now() + 60).expect("armed");
    try_in("wrong").must_be_refused();
    try_in("").must_be_refused();
    let mut viewer = try_in(PASSWORD).must_be_in();
    let signed_in = Hint::Domain(domain.uuid, Happened::Viewer(ViewerIs::SignedIn));
    eventually("it is heard of", || {
        watch.next(Duration::from_secs(10)).filter(|hint| *hint == signed_in)
    });
    let viewers = host.viewers(it).expect("viewers");
    assert_eq!(viewers.len(), 1, "{viewers:?}");
    assert!(viewers[0].signed_in);

    // Another password, and who looks stays.
    host.arm(it, Kind::Spice, &secret("another"), now() + 60).expect("armed");
    try_in(PASSWORD).must_be_refused();
    assert_eq!(host.viewers(it).expect("viewers").len(), 1);

    // Cut: the connection ends, and nobody new gets in.
    host.cut_viewers(it).expect("cut");
    assert!(is_cut(&mut viewer));
    assert_eq!(host.viewers(it), Ok(Vec::new()));
    try_in("another").must_be_refused();
    host.destroy(it).expect("cut");
}

#[test]
fn a_password_ends_with_its_time() {
    let lab = lab();
    let host = lab.host();
    let it = target(&running(&lab, &host));
    let port = spice_port(&host, it);
    let try_in = |password: &str| sign_in(lab.connect(port), password).expect("a handshake");
    host.arm(it, Kind::Spice, &secret(PASSWORD), now().saturating_sub(1)).expect("armed");
    try_in(PASSWORD).must_be_refused();

    // Long enough to come in on a busy machine.
    let until = now() + 15;
    host.arm(it, Kind::Spice, &secret(PASSWORD), until).expect("armed");
    let viewer = try_in(PASSWORD).must_be_in();
    eventually("its time is over", || (now() > until).then_some(()));
    try_in(PASSWORD).must_be_refused();
    assert_eq!(host.viewers(it).expect("viewers").len(), 1, "who is in may stay");
    drop(viewer);
    host.disarm(it, Kind::Spice).expect("disarmed");
    try_in(PASSWORD).must_be_refused();

    // It is written nowhere.
    let stored = lab.virsh(&["dumpxml", "--inactive", "--security-info", "carrel-test-1"]);
    assert!(!stored.contains(PASSWORD) && stored.contains("passwd=''"));
    host.destroy(it).expect("cut");
}

#[test]
fn vnc_is_on_a_socket_that_only_qemu_and_root_can_reach() {
    let lab = lab();
    let host = lab.host();
    let it = target(&running(&lab, &host));
    let observed = host.observe(it.uuid).expect("observed").expect("there");
    let vnc = observed.displays.iter().find(|it| it.kind == "vnc").expect("VNC");
    assert_eq!((vnc.port, &vnc.address), (None, &None));
    let socket = vnc.socket.as_deref().expect("a socket");
    let seen = lab.folder().join("lib").join(socket.trim_start_matches("/var/lib/libvirt/"));
    let kind = seen.metadata().expect("it is there").file_type();
    assert!(kind.is_socket());
    for guess in ["", "12345678"] {
        assert_ne!(sign_in_to_vnc(&seen, guess), 0, "closed");
    }
    host.arm(it, Kind::Vnc, &secret("12345678"), now() + 60).expect("armed");
    assert_ne!(sign_in_to_vnc(&seen, "87654321"), 0);
    assert_eq!(sign_in_to_vnc(&seen, "12345678"), 0);
    host.disarm(it, Kind::Vnc).expect("disarmed");
    assert_ne!(sign_in_to_vnc(&seen, "12345678"), 0, "closed again");
    host.destroy(it).expect("cut");
}

/// What the server says to whoever gives this password. It offers no other way in.
fn sign_in_to_vnc(socket: &Path, password: &str) -> u32 {
    const BY_PASSWORD: u8 = 2;
    let mut stream = UnixStream::connect(socket).expect("root may");
    let mut version = [0; 12];
    stream.read_exact(&mut version).expect("its version");
    stream.write_all(&version).expect("the same");
    let mut offered = [0; 2];
    stream.read_exact(&mut offered).expect("how many ways there are, and the first");
    assert_eq!(offered, [1, BY_PASSWORD]);
    stream.write_all(&[BY_PASSWORD]).expect("taken");
    let mut challenge = [0; 16];
    stream.read_exact(&mut challenge).expect("a challenge");
    stream.write_all(&encrypt(&challenge, password)).expect("the answer to it");
    let mut result = [0; 4];
    stream.read_exact(&mut result).expect("a result");
    u32::from_be_bytes(result)
}

/// By DES, with the bits of each byte of the password the other way round.
fn encrypt(challenge: &[u8], password: &str) -> Vec<u8> {
    let bytes = password.bytes().chain(std::iter::repeat(0)).take(8);
    let key: String = bytes.map(|byte| format!("{:02x}", byte.reverse_bits())).collect();
    let mut openssl = Command::new("openssl")
        .args(["enc", "-des-ecb", "-nopad", "-provider", "legacy", "-provider", "default", "-K"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl");
    openssl.stdin.take().expect("its input").write_all(challenge).expect("written");
    openssl.wait_with_output().expect("its output").stdout
}
