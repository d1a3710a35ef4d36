//! A libvirtd that stands still holds nobody longer than a deadline, and is used again when it goes
//! on.

use std::thread;
use std::time::Duration;

use carrel_libvirt::{Hope, Kind};

use crate::support::guest::{Does, guest};
use crate::support::lab::{lab, target};
use carrel_lab::eventually;

/// Less than libvirt's own keepalive takes to notice.
const DEADLINE: Duration = Duration::from_millis(700);
/// 2100.
const LATE: u64 = 4_102_444_800;

#[test]
fn who_calls_hears_at_the_deadline_and_calls_again_when_it_goes_on() {
    let (lab, other) = (lab(), lab());
    let host = lab.host_with(|settings| {
        settings.deadlines.look = DEADLINE;
        settings.deadlines.act = DEADLINE;
        settings.looking_max = 2;
        settings.acting_max = 2;
    });
    let domain = guest(&lab, 1, Does::Wait);
    host.list().expect("listed");
    let elsewhere = other.host();

    lab.tell("stop");
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let host = host.clone();
            thread::spawn(move || host.list())
        })
        .collect();
    let mut unreachable = 0;
    for caller in callers {
        let trouble = caller.join().expect("it came back").expect_err("nobody answers");
        // Who was still in the queue when the first deadline struck knows of no stuck line yet.
        let queued = (trouble.hope, trouble.code) == (Hope::Again, "busy");
        assert!(queued || trouble.hope == Hope::Unreachable, "{trouble}");
        unreachable += usize::from(!queued);
    }
    assert!(unreachable >= 1, "who held a line heard that nobody answers");
    let stuck = host.loads().looking.stuck;
    assert!((1..=2).contains(&stuck), "what is stuck is bounded: {stuck}");
    let at_once = host.list().expect_err("nobody answers");
    assert_eq!(at_once.hope, Hope::Unreachable);
    assert!(host.define(&domain).expect_err("nobody answers").is_unreachable());
    elsewhere.list().expect("another host is another host");

    lab.tell("cont");
    eventually("it is used again", || host.list().ok());
    eventually("what was stuck came back", || (host.loads().looking.stuck == 0).then_some(()));
    // Whether the first attempt was carried out nobody knew; both have the same end.
    eventually("defined", || host.define(&domain).ok());
    assert_eq!(host.list().expect("listed").domains.len(), 1);
}

#[test]
fn a_qemu_that_stands_still_holds_up_its_own_calls_only() {
    let lab = lab();
    let host = lab.host_with(|settings| settings.deadlines.act = DEADLINE);
    let [stopped, other] = [1, 2].map(|number| guest(&lab, number, Does::Wait));
    for domain in [&stopped, &other] {
        host.define(domain).expect("defined");
        host.start(target(domain), 1).expect("started");
    }
    lab.tell("qemu STOP carrel-test-1");
    let secret = "x".to_owned().into();
    let kind = Kind::Spice;
    let refusal = host.arm(target(&stopped), kind, &secret, LATE);
    assert!(refusal.expect_err("QEMU does not answer").is_unreachable());
    let refusal = host.arm(target(&stopped), kind, &secret, LATE).expect_err("nor now");
    assert_eq!((refusal.hope, refusal.code), (Hope::Again, "stuck"));
    assert_eq!(host.loads().acting.stuck, 1, "it costs one line");
    assert_eq!(host.list().expect("a list asks no QEMU").domains.len(), 2);
    let observed = host.observe(stopped.uuid).expect("observed").expect("there");
    assert!(observed.state.is_on());
    host.arm(target(&other), kind, &secret, LATE).expect("armed");

    lab.tell("qemu CONT carrel-test-1");
    eventually("it answers again", || host.arm(target(&stopped), kind, &secret, LATE).ok());
    lab.tell("qemu STOP carrel-test-1");
    for domain in [&stopped, &other] {
        host.destroy(target(domain)).expect("cut");
    }
}
