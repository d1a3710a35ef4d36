//! Moving a running domain to another host, by what the two libvirtds say to each other.

use std::net::IpAddr;

use virt::domain::MigrateParameters;
use virt_sys as sys;

use crate::host::Host;
use crate::power::Was;
use crate::target::Target;
use crate::trouble::Trouble;

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The other libvirtd, as this one reaches it.
    pub uri: String,
    /// Where this host's QEMU reaches the other's. Nothing: by the name that the other host has.
    pub address: Option<IpAddr>,
    /// Whether its files are the same on both hosts is known, although libvirt can't see it.
    pub files_are_shared: bool,
}

impl Host {
    /// It runs there and is defined there, and is not here any more. If it fails it goes on here.
    pub fn migrate(&self, target: Target, destination: &Destination) -> Result<Was, Trouble> {
        let to = destination.clone();
        let moved = self.move_away(target.uuid, move |connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            let unsafely = if to.files_are_shared { sys::VIR_MIGRATE_UNSAFE } else { 0 };
            let flags = sys::VIR_MIGRATE_LIVE
                | sys::VIR_MIGRATE_PEER2PEER
                | sys::VIR_MIGRATE_PERSIST_DEST
                | sys::VIR_MIGRATE_UNDEFINE_SOURCE
                // A guest that writes faster than the line carries is slowed down.
                | sys::VIR_MIGRATE_AUTO_CONVERGE
                | unsafely;
            let uri = to.address.map(|address| match address {
                IpAddr::V4(address) => format!("tcp://{address}"),
                IpAddr::V6(address) => format!("tcp://[{address}]"),
            });
            let parameters = MigrateParameters { uri, ..MigrateParameters::default() };
            held.domain.migrate_to_uri3(Some(&to.uri), parameters, flags)?;
            Ok(Was::Done)
        });
        self.known.forget(target.uuid);
        moved
    }
}
