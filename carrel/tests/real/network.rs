//! libvirt's own network, by which guests of a first site reach others.

use std::path::Path;

use carrel_lab::{Lab, eventually};

use crate::site::Site;

/// Of libvirt's network as Debian defines it, whose server is `dnsmasq`.
const ADDRESSES: &str = "address 192.168.122.";

/// A libvirtd on which the network is active, as on a host where it starts by itself.
pub(crate) fn lab() -> Lab {
    let server = Path::new("/usr/sbin/dnsmasq");
    assert!(server.exists(), "this test takes {server:?}, which ops/test installs");
    let lab = Lab::start();
    lab.virsh(&["net-start", "default"]);
    lab
}

#[test]
fn libvirts_network_is_the_sites_and_gives_what_is_imported_an_address() {
    let site = Site::on(lab(), Vec::new());
    site.import("gold");
    site.does(&["do", "StartMachine", "--machines", "gold", "--wait"]);
    assert_eq!(site.xml("gold", "//interface/source/@network"), ["default"]);
    eventually("its guest has an address", || {
        site.console("gold").contains(ADDRESSES).then_some(())
    });
}
