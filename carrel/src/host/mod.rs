//! The machine that this runs on, as a host of desktops: what it has, and what it can do.
//!
//! ```text
//!   look       libvirt, QEMU, firmware, processors, memory, the storage: tried, not assumed
//!   displays   where displays are seen from, and by which certificate
//!   check      the same for people: `carrel hypervisor check`
//! ```

mod check;
mod displays;
mod look;

pub(crate) use check::{HypervisorCommand, remarks, run};
pub(crate) use displays::Displays;
pub(crate) use look::{Where, look};
