//! A guest runs once in an epoch, wherever whoever started it was stopped.

use carrel_domain::Ended;
use carrel_libvirt::{Firmly, Hope, Pause, State, Was};

use crate::support::guest::{Does, UP, guest};
use crate::support::lab::{lab, target};
use carrel_lab::eventually;

fn boots(console: &str) -> usize {
    console.matches(UP).count()
}

#[test]
fn starting_twice_is_starting_once() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    assert_eq!(host.start(it, 1), Ok(Was::Done));
    assert_eq!(host.start(it, 1), Ok(Was::So));
    let refusal = host.start(it, 2).expect_err("not defined for it");
    assert_eq!((refusal.hope, refusal.code), (Hope::Never, "epoch"));
    let refusal = host.define(&domain).expect_err("it runs");
    assert_eq!((refusal.hope, refusal.code), (Hope::Again, "running"));
    host.destroy(it).expect("cut");
    assert_eq!(host.start(it, 1), Ok(Was::So), "it has run in this epoch");
    assert!(!host.list().expect("listed").domains[0].state.is_on());

    let mut next = domain.clone();
    next.ours.boot_epoch = 2;
    host.define(&next).expect("defined");
    assert_eq!(host.list().expect("listed").domains[0].ended(), None);
    assert_eq!(host.start(it, 2), Ok(Was::Done));
    host.destroy(it).expect("cut");
}

#[test]
fn a_start_that_was_cut_short_stands_in_nobodys_way() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    assert_eq!(host.start_paused(it, 1), Ok(Was::Done));

    // Something newer is wanted.
    let mut next = domain.clone();
    next.ours.boot_epoch = 2;
    host.define(&next).expect("defined in its place");
    assert!(!host.list().expect("listed").domains[0].state.is_on());

    // It shall not be at all.
    assert_eq!(host.start_paused(it, 2), Ok(Was::Done));
    host.undefine(it, Firmly::Gone).expect("forgotten");
    assert_eq!(lab.virsh(&["list", "--all", "--name"]), "");
}

/// Each line is what there is when somebody is stopped between two parts of a start.
#[test]
fn a_start_that_was_cut_short_is_ended_by_the_next_one() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");

    // QEMU is there, and nothing is marked.
    assert_eq!(host.start_paused(it, 1), Ok(Was::Done));
    assert_eq!(host.start_paused(it, 1), Ok(Was::So));
    let listed = host.list().expect("listed").domains.remove(0);
    assert_eq!((listed.state, listed.ours.ran), (State::Paused(Pause::Command), false));
    assert_eq!(host.start(it, 1), Ok(Was::Done));
    eventually("it is up", || lab.console("carrel-test-1").contains(UP).then_some(()));

    // It is marked, and stands still.
    lab.virsh(&["suspend", "carrel-test-1"]);
    assert_eq!(host.start(it, 1), Ok(Was::Done));
    assert_eq!(host.list().expect("listed").domains[0].state, State::Running);
    host.destroy(it).expect("cut");

    // QEMU has ended before its guest began: it has never run.
    let mut next = domain.clone();
    next.ours.boot_epoch = 2;
    host.define(&next).expect("defined");
    host.start_paused(it, 2).expect("started");
    lab.tell("qemu KILL carrel-test-1");
    eventually("QEMU is gone", || {
        (!host.list().expect("listed").domains[0].state.is_on()).then_some(())
    });
    assert_eq!(host.list().expect("listed").domains[0].ended(), None);
    assert_eq!(host.start(it, 2), Ok(Was::Done), "so it may be started in this epoch");
    eventually("it is up", || (boots(&lab.console("carrel-test-1")) == 2).then_some(()));
    host.destroy(it).expect("cut");
    assert_eq!(host.list().expect("listed").domains[0].ended(), Some(Ended::Cut));
}

#[test]
fn a_reset_is_another_epoch_and_happens_once() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start(it, 1).expect("started");
    eventually("it is up", || (boots(&lab.console("carrel-test-1")) == 1).then_some(()));
    // As after a worker that was killed between the reset and its mark.
    lab.virsh(&["suspend", "carrel-test-1"]);
    lab.virsh(&["reset", "carrel-test-1"]);
    assert_eq!(host.reset(it, 2), Ok(Was::Done));
    assert_eq!(host.reset(it, 2), Ok(Was::So));
    eventually("it is up again", || (boots(&lab.console("carrel-test-1")) == 2).then_some(()));
    let listed = host.list().expect("listed").domains.remove(0);
    assert_eq!((listed.ours.boot_epoch, listed.ours.ran, listed.state), (2, true, State::Running));
    assert_eq!(host.start(it, 2), Ok(Was::So));
    host.destroy(it).expect("cut");
}

#[test]
fn a_guest_that_was_asked_to_boot_again_is_in_the_next_epoch_when_it_does() {
    let lab = lab();
    let host = lab.host();
    let watch = host.watch().expect("watched");
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start(it, 1).expect("started");
    eventually("it is up", || (boots(&lab.console("carrel-test-1")) == 1).then_some(()));
    assert_eq!(host.reboot(it, 2), Ok(Was::Done));
    assert_eq!(host.reboot(it, 2), Ok(Was::So), "it is asked once");
    let ours = host.list().expect("listed").domains[0].ours.clone();
    assert!(ours.boot_epoch == 2 || ours.awaits == Some(2), "{ours:?}");
    // It listens to its button by now, or somebody else presses it once more.
    eventually("it is in the next epoch", || {
        let ours = host.list().expect("listed").domains[0].ours.clone();
        if ours.boot_epoch == 1 {
            lab.virsh(&["reboot", "--mode", "acpi", "carrel-test-1"]);
        }
        (ours.boot_epoch == 2 && ours.awaits.is_none()).then_some(())
    });
    assert!(host.list().expect("listed").domains[0].state.is_on());
    host.destroy(it).expect("cut");
    drop(watch);
}

#[test]
fn a_guest_whose_boot_nobody_heard_of_is_not_asked_again() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start(it, 1).expect("started");
    eventually("it is up", || (boots(&lab.console("carrel-test-1")) == 1).then_some(()));
    assert_eq!(host.reboot(it, 2), Ok(Was::Done));
    eventually("it has booted again", || {
        let again = boots(&lab.console("carrel-test-1")) > 1;
        if !again {
            // It listens to its button by now, or somebody else presses it once more.
            lab.virsh(&["reboot", "--mode", "acpi", "carrel-test-1"]);
        }
        again.then_some(())
    });
    let next = lab.host();
    assert_eq!(next.reboot(it, 2), Ok(Was::So));
    let ours = next.list().expect("listed").domains.remove(0).ours;
    assert_eq!((ours.boot_epoch, ours.awaits), (1, Some(2)));
    assert_eq!(next.booted_again(it), Ok(Was::Done), "as with the boot after");
    assert_eq!(next.reboot(it, 2), Ok(Was::So));
    host.destroy(it).expect("cut");
}
