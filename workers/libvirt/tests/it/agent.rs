//! What a guest says of itself.

use std::path::Path;

use carrel_libvirt::Shown;

use crate::support::guest::{Does, guest};
use crate::support::lab::{lab, target};
use carrel_lab::eventually;

#[test]
fn an_agent_is_asked_and_missed() {
    let lab = lab();
    if !Path::new("/usr/sbin/qemu-ga").exists() {
        println!("skipped: it takes qemu-guest-agent");
        return;
    }
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    assert_eq!(host.agent_answers(it), Ok(false), "it is off");
    host.start(it, 1).expect("started");
    assert_eq!(host.agent_answers(it), Ok(false), "it has yet to come up");
    eventually("it answers", || host.agent_answers(it).expect("reachable").then_some(()));
    let inside = host.inside(it).expect("it says");
    assert_eq!(host.users(it), Ok(Vec::new()), "nobody logs in there");
    assert_eq!(host.addresses(it), Ok(Vec::new()), "it has no card");
    assert_eq!(inside.hostname.as_deref(), Some("tiny"));
    assert!(inside.version.is_some_and(|version| version.starts_with('7')));
    // It is handed over as one argument; that this guest has no `wall` is its own affair.
    let shown = host.show(it, Shown::Unix, "$(reboot -f); \"'<>\n");
    let _ = shown.map_err(|trouble| assert_eq!(trouble.code, "agent", "{trouble}"));
    host.destroy(it).expect("cut");
    assert_eq!(host.users(it).expect_err("it is off").code, "not_running");
}
