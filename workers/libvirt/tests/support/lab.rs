//! A libvirtd that nobody else sees, as a host of Carrel's.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use carrel_domain::{Domain, HostFile};
use carrel_libvirt::{Host, Settings, Target};

pub(crate) struct Lab(carrel_lab::Lab);

pub(crate) fn lab() -> Lab {
    Lab(carrel_lab::Lab::start())
}

/// The same, with what is put into its folder before.
pub(crate) fn lab_with(prepare: impl FnOnce(&Path)) -> Lab {
    Lab(carrel_lab::Lab::start_with(prepare))
}

impl Deref for Lab {
    type Target = carrel_lab::Lab;

    fn deref(&self) -> &carrel_lab::Lab {
        &self.0
    }
}

impl Lab {
    pub(crate) fn host(&self) -> Arc<Host> {
        self.host_with(|_| {})
    }

    pub(crate) fn host_with(&self, set: impl FnOnce(&mut Settings)) -> Arc<Host> {
        let mut settings = Settings::new(self.uri());
        set(&mut settings);
        Arc::new(Host::new(settings))
    }

    pub(crate) fn file(&self, name: &str) -> HostFile {
        let path = self.folder().join(name);
        HostFile::new(path.to_str().expect("UTF-8")).expect("a path")
    }

    /// What a guest wrote to its serial port.
    pub(crate) fn console(&self, name: &str) -> String {
        let bytes = fs::read(self.folder().join(format!("{name}.console")));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("the first guest said:\n{}", self.console("carrel-test-1"));
        }
    }
}

pub(crate) fn target(domain: &Domain) -> Target {
    Target { uuid: domain.uuid, machine: domain.ours.machine }
}
