//! How a run ended is told from each other: by the guest, by its power, by a crash.

use std::sync::Arc;
use std::time::Duration;

use carrel_domain::{Domain, Ended};
use carrel_libvirt::{Asked, Happened, Hint, Host, State, Was, Watch};

use crate::support::guest::{Does, UP, guest};
use crate::support::lab::{Lab, lab, target};
use carrel_lab::eventually;

/// The host, a guest that was started, and somebody who hears of it.
fn started(lab: &Lab, does: Does) -> (Arc<Host>, Domain, Watch) {
    let host = lab.host();
    let watch = host.watch().expect("watched");
    assert_eq!(watch.next(Duration::from_secs(30)), Some(Hint::All));
    let domain = guest(lab, 1, does);
    host.define(&domain).expect("defined");
    assert_eq!(host.start(target(&domain), 1), Ok(Was::Done));
    (host, domain, watch)
}

fn must_hear(watch: &Watch, domain: &Domain, happened: &Happened) {
    let it = Hint::Domain(domain.uuid, happened.clone());
    eventually("a hint", || watch.next(Duration::from_secs(60)).filter(|hint| *hint == it));
}

#[track_caller]
fn must_have_ended(host: &Host, how: Ended) {
    let listing = host.list().expect("listed");
    assert_eq!(listing.domains[0].ended(), Some(how));
    // It is written down with that, so libvirtd may forget it.
    let ours = eventually("it is written down", || {
        let ours = host.list().expect("listed").domains[0].ours.clone();
        ours.ended.is_some().then_some(ours)
    });
    assert_eq!((ours.ran, ours.ended), (true, Some(how)));
}

#[test]
fn a_guest_that_powers_itself_off_is_heard_and_seen() {
    let lab = lab();
    let (host, domain, watch) = started(&lab, Does::PowerOff);
    must_hear(&watch, &domain, &Happened::Stopped);
    must_have_ended(&host, Ended::Guest);
    assert!(lab.console("carrel-test-1").contains(UP));

    lab.tell("kill");
    lab.tell("start");
    must_have_ended(&host, Ended::Guest);
    assert_eq!(host.start(target(&domain), 1), Ok(Was::So), "it has run in this epoch");
    assert_eq!(host.list().expect("listed").domains[0].state, State::Off(None));
}

#[test]
fn power_that_was_cut_is_told_as_such() {
    let lab = lab();
    let (host, domain, watch) = started(&lab, Does::Wait);
    assert_eq!(host.destroy(target(&domain)), Ok(Was::Done));
    assert_eq!(host.destroy(target(&domain)), Ok(Was::So));
    must_hear(&watch, &domain, &Happened::Stopped);
    must_have_ended(&host, Ended::Cut);
}

#[test]
fn a_qemu_that_was_killed_has_crashed() {
    let lab = lab();
    let (host, domain, watch) = started(&lab, Does::Wait);
    lab.tell("qemu KILL carrel-test-1");
    must_hear(&watch, &domain, &Happened::Stopped);
    must_have_ended(&host, Ended::Crash);
}

#[test]
fn a_guest_that_panics_has_crashed() {
    let lab = lab();
    let (host, domain, watch) = started(&lab, Does::Panic);
    must_hear(&watch, &domain, &Happened::Stopped);
    must_have_ended(&host, Ended::Crash);
}

#[test]
fn a_guest_that_is_asked_by_its_power_button_goes_down_by_itself() {
    let lab = lab();
    let (host, domain, watch) = started(&lab, Does::Wait);
    eventually("it is up", || lab.console("carrel-test-1").contains(UP).then_some(()));
    // One that has just come up may not listen to its button yet.
    eventually("it goes down", || {
        let _ = host.shutdown(target(&domain), Asked::Acpi);
        let off = Hint::Domain(domain.uuid, Happened::Stopped);
        watch.next(Duration::from_secs(1)).filter(|hint| *hint == off)
    });
    must_have_ended(&host, Ended::Guest);
    assert_eq!(host.shutdown(target(&domain), Asked::Acpi), Ok(Was::So));
}
