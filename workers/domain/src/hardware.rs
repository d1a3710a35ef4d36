//! Processor, firmware and what else a board has.

use crate::text::{HostFile, Label};

/// How instructions of the guest are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Virtualization {
    Kvm,
    /// Every instruction is translated. Slow, and no boundary that keeps anybody in.
    Tcg,
}

/// Sockets, cores and threads; their product is the number of vCPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    pub sockets: u16,
    pub cores: u16,
    pub threads: u16,
    pub model: Model,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// The same on every host that has it, so that the guest can move.
    Named(Label),
    /// What this host has, as far as libvirt knows a name for it.
    Host,
    /// All that the emulator can do. The only one that TCG surely has.
    Maximum,
}

impl Cpu {
    pub fn vcpus(&self) -> u32 {
        let cores = u32::from(self.sockets).saturating_mul(self.cores.into());
        cores.saturating_mul(self.threads.into())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    Bios,
    Uefi(Uefi),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uefi {
    /// The code, which guests share and nobody writes.
    pub loader: HostFile,
    /// What this guest has set. It is made from the template with its first start.
    pub nvram: HostFile,
    pub template: HostFile,
    /// Only what is signed is started, and the guest can't change that.
    pub secure: bool,
}
