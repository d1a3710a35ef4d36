//! What a guest says of itself.

use carrel_libvirt::Shown;

use crate::support::guest::{Does, READ_OUT, guest};
use crate::support::lab::{lab, target};
use carrel_lab::eventually;

/// Options, files and commands, to whoever would take them for that.
const WORDS: &str = "--help /init $(reboot -f); \"'<>\nüber\n/init";

#[test]
fn an_agent_is_asked_and_missed() {
    let lab = lab();
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
    let read_out = || lab.console("carrel-test-1").replace('\r', "");
    host.show(it, Shown::Unix, WORDS).expect("handed over");
    let [begin, end] = READ_OUT;
    let whole = format!("{begin}\n{WORDS}\n{end}\n");
    eventually("they are read out as they are", || read_out().contains(&whole).then_some(()));
    let refused = host.show(it, Shown::Windows, WORDS).expect_err("it is no Windows");
    assert_eq!(refused.code, "agent", "{refused}");
    host.destroy(it).expect("cut");
    assert_eq!(host.users(it).expect_err("it is off").code, "not_running");
}
