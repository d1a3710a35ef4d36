//! libvirtd may end and come back at any time: guests go on, and what we know stays true.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use carrel_domain::Ended;
use carrel_libvirt::{Happened, Hint, State, Was};

use crate::support::guest::{Does, UP, guest};
use crate::support::lab::{lab, target};
use carrel_lab::eventually;

#[test]
fn a_guest_goes_on_while_libvirtd_is_gone() {
    let lab = lab();
    let host = lab.host();
    let watch = host.watch().expect("watched");
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start(it, 1).expect("started");
    eventually("it is up", || lab.console("carrel-test-1").contains(UP).then_some(()));

    lab.tell("kill");
    eventually("it is missed", || {
        watch.next(Duration::from_secs(30)).filter(|hint| *hint == Hint::Gone)
    });
    let refusal = host.list().expect_err("nobody is there");
    assert!(refusal.is_unreachable(), "{refusal}");
    assert!(host.start(it, 1).expect_err("nobody is there").is_unreachable());

    lab.tell("start");
    eventually("it is back", || {
        watch.next(Duration::from_secs(30)).filter(|hint| *hint == Hint::All)
    });
    let listed = host.list().expect("listed").domains.remove(0);
    assert_eq!((listed.state, listed.ours.ran), (State::Running, true));
    assert_eq!(host.start(it, 1), Ok(Was::So), "there is one QEMU");
    host.destroy(it).expect("cut");
    let stopped = Hint::Domain(domain.uuid, Happened::Stopped);
    eventually("it is heard of again", || {
        watch.next(Duration::from_secs(30)).filter(|hint| *hint == stopped)
    });
}

#[test]
fn what_ended_while_nobody_looked_is_never_started_again() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start(it, 1).expect("started");
    lab.tell("kill");
    lab.tell("qemu KILL carrel-test-1");
    lab.tell("start");
    let listed = eventually("it is seen", || {
        let listed = host.list().ok()?.domains.pop()?;
        (!listed.state.is_on()).then_some(listed)
    });
    let ended = listed.ended().expect("it has run");
    assert!(matches!(ended, Ended::Crash | Ended::Unknown), "{ended:?}");
    assert_eq!(host.start(it, 1), Ok(Was::So));
    assert!(!host.list().expect("listed").domains[0].state.is_on());
}

/// At whichever moment of a start libvirtd ends, the guest boots once.
#[test]
fn a_start_whose_libvirtd_was_killed_is_ended_by_the_next_one() {
    let lab = lab();
    let host = lab.host();
    for (number, moment) in (1..).zip([5, 150, 500]) {
        let domain = guest(&lab, number, Does::Wait);
        let it = target(&domain);
        host.define(&domain).expect("defined");
        let starting = {
            let host = host.clone();
            thread::spawn(move || host.start(it, 1))
        };
        let (_nobody, pause) = channel::<()>();
        let _ = pause.recv_timeout(Duration::from_millis(moment));
        lab.tell("kill");
        let first = starting.join().expect("it came back");
        lab.tell("start");
        let second = eventually("it is started", || host.start(it, 1).ok());
        println!("{moment} ms: {first:?}, then {second:?}");
        let name = domain.name.as_str();
        eventually("it is up", || lab.console(name).contains(UP).then_some(()));
        assert_eq!(lab.console(name).matches(UP).count(), 1, "it has booted once");
        let observed = host.observe(it.uuid).expect("observed").expect("there");
        assert_eq!(observed.state, State::Running);
        host.destroy(it).expect("cut");
    }
}
