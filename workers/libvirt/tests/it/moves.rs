//! A guest that runs moves to another host, with what we know of it.

use std::process::Command;

use carrel_libvirt::{Destination, State, Was};

use crate::support::guest::{Does, UP, guest};
use crate::support::lab::{Lab, lab, target};
use carrel_lab::eventually;

const HERE: &str = "198.51.100.1";
const THERE: &str = "198.51.100.2";

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A cable from bridge to bridge. It is gone with either of the two.
fn join(labs: [&Lab; 2]) {
    let [one, two] = labs.map(|lab| {
        let process = lab.first_process();
        process.file_name().and_then(|name| name.to_str()).expect("a number").to_owned()
    });
    let ends = [format!("c{one}"), format!("c{two}")];
    ip(&["link", "add", &ends[0], "netns", &one, "type", "veth", "peer", &ends[1], "netns", &two]);
    for (lab, (end, address)) in labs.into_iter().zip(ends.iter().zip([HERE, THERE])) {
        lab.tell(&format!("plug {end}"));
        lab.tell(&format!("address {address}"));
    }
}

#[test]
fn a_guest_goes_on_on_the_other_host_and_is_ours_there() {
    let (lab, other) = (lab(), lab());
    join([&lab, &other]);
    let (host, there) = (lab.host(), other.host());
    let domain = guest(&lab, 1, Does::Wait);
    let it = target(&domain);
    let destination = Destination {
        uri: format!("qemu+tcp://{THERE}/system"),
        address: Some(THERE.parse().expect("an address")),
        files_are_shared: false,
    };
    host.define(&domain).expect("defined");
    assert_eq!(host.migrate(it, &destination).expect_err("it is off").code, "not_running");
    host.start(it, 1).expect("started");
    eventually("it is up", || lab.console("carrel-test-1").contains(UP).then_some(()));

    assert_eq!(host.migrate(it, &destination), Ok(Was::Done));
    assert_eq!(host.list().expect("listed").domains, []);
    let moved = there.list().expect("listed").domains.remove(0);
    assert_eq!((moved.state, moved.ours.ran, moved.ours.boot_epoch), (State::Running, true, 1));
    assert_eq!(there.start(it, 1), Ok(Was::So));
    assert_eq!(lab.console("carrel-test-1").matches(UP).count(), 1, "it has booted once");

    let nowhere = Destination { uri: "qemu+tcp://198.51.100.9/system".to_owned(), ..destination };
    there.migrate(it, &nowhere).expect_err("nobody is there");
    assert_eq!(there.list().expect("listed").domains[0].state, State::Running, "it goes on");
    there.destroy(it).expect("cut");
}
