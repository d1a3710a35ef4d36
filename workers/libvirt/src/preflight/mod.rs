//! Whether a host can do what it is for: tried, not assumed, and said so that people know what to
//! do about it.
//!
//! ```text
//!   capabilities   what libvirt and QEMU say that they can do
//!   trial          a guest of eight instructions, under KVM and without
//!   kernel         whether there is enough of it for many guests
//!   folders        whether files can be written, and whose clock they are stamped by
//! ```

mod capabilities;
mod folders;
mod kernel;
mod trial;

use std::path::PathBuf;

use carrel_domain::{HostFile, Listen, Virtualization};

pub use self::kernel::{AIO_EVENTS_MIN, aio_events};
use crate::host::Host;
use crate::trouble::Trouble;

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub emulator: HostFile,
    /// Where this host has its storages. The trial's guest is started from the first.
    pub folders: Vec<PathBuf>,
    /// Where displays are to be seen from.
    pub displays: Listen,
    /// By the clock of whoever asks.
    pub now_unix: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Libvirt,
    Virtualization,
    Emulator,
    Display,
    Tpm,
    Firmware,
    Security,
    Kernel,
    Storage,
    Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Good,
    /// It works, and there is something to know about it.
    Warns,
    Fails,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub what: What,
    pub verdict: Verdict,
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub items: Vec<Item>,
    /// How guests can be run here; nothing if they can't.
    pub virtualization: Option<Virtualization>,
}

impl Report {
    pub fn verdict(&self) -> Verdict {
        self.items.iter().map(|item| item.verdict).max().unwrap_or(Verdict::Good)
    }

    fn say(&mut self, what: What, verdict: Verdict, detail: impl Into<String>) {
        self.items.push(Item { what, verdict, detail: detail.into() });
    }
}

impl Host {
    /// It fails only if libvirtd can't be reached.
    pub fn preflight(&self, wanted: &Wanted) -> Result<Report, Trouble> {
        let mut report = Report { items: Vec::new(), virtualization: None };
        capabilities::report(self, &wanted.emulator, &mut report)?;
        kernel::report(&mut report);
        folders::report(&wanted.folders, wanted.now_unix, &mut report);
        match wanted.folders.first() {
            Some(folder) => trial::report(self, wanted, folder, &mut report)?,
            None => report.say(
                What::Virtualization,
                Verdict::Warns,
                "not tried: there is no storage to start a guest from",
            ),
        }
        Ok(report)
    }
}
