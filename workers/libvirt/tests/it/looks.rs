//! What can be seen and changed of a guest that runs.

use std::fs;

use carrel_domain::{Medium, Tray};
use carrel_libvirt::{Pause, State, Was};

use crate::support::guest::{Does, UP, guest};
use crate::support::lab::{lab, target};
use carrel_lab::eventually;

#[test]
fn a_display_is_shown_as_a_picture() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    host.define(&domain).expect("defined");
    let refusal = host.screenshot(target(&domain)).expect_err("it is off");
    assert_eq!(refusal.code, "not_running");
    host.start(target(&domain), 1).expect("started");
    eventually("it is up", || lab.console("carrel-test-1").contains(UP).then_some(()));
    let image = host.screenshot(target(&domain)).expect("a picture");
    let reader = png::Decoder::new(std::io::Cursor::new(image)).read_info().expect("PNG");
    let size = (reader.info().width, reader.info().height);
    assert!(size.0 >= 640 && size.1 >= 350, "{size:?}");
    host.destroy(target(&domain)).expect("cut");
}

#[test]
fn a_cd_is_put_in_and_taken_out_running_or_not() {
    let lab = lab();
    let host = lab.host();
    let mut domain = guest(&lab, 1, Does::Wait);
    domain.media = vec![Medium { tray: Tray::Cd, file: None }];
    let iso = lab.file("a.iso");
    fs::write(iso.as_str(), vec![0; 64 << 10]).expect("written");
    let it = target(&domain);
    host.define(&domain).expect("defined");
    let inside = || {
        let observed = host.observe(it.uuid).expect("observed").expect("there");
        observed.found.disks[0].file.clone()
    };
    host.load(it, "sda", Some(&iso)).expect("loaded");
    assert_eq!(inside().as_deref(), Some(iso.as_str()));
    host.load(it, "sda", None).expect("emptied");
    host.start(it, 1).expect("started");
    host.load(it, "sda", Some(&iso)).expect("loaded");
    host.load(it, "sda", Some(&iso)).expect("loaded");
    assert_eq!(inside().as_deref(), Some(iso.as_str()), "for good");
    assert!(lab.virsh(&["domblklist", "carrel-test-1"]).contains(iso.as_str()), "and at once");
    host.load(it, "sda", None).expect("emptied");
    assert_eq!(inside(), None);
    assert_eq!(host.load(it, "sdz", None).expect_err("no such drive").code, "no_drive");
    assert_eq!(host.disk_errors(it), Ok(Vec::new()));
    host.destroy(it).expect("cut");
}

#[test]
fn a_guest_is_paused_and_goes_on() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    assert_eq!(host.suspend(it).expect_err("it is off").code, "not_running");
    host.start(it, 1).expect("started");
    assert_eq!((host.suspend(it), host.suspend(it)), (Ok(Was::Done), Ok(Was::So)));
    assert_eq!(host.list().expect("listed").domains[0].state, State::Paused(Pause::Command));
    assert_eq!((host.resume(it), host.resume(it)), (Ok(Was::Done), Ok(Was::So)));
    assert_eq!(host.wake(it), Ok(Was::So));
    assert_eq!(host.list().expect("listed").domains[0].state, State::Running);
    host.destroy(it).expect("cut");
}
