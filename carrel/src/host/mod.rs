//! The machine that this runs on, as a host of desktops: what it has, and what it can do.
//!
//! ```text
//!   look       libvirt, QEMU, firmware, processors, memory, the storage: tried, not assumed
//!   check      the same for people: `carrel hypervisor check`
//! ```

mod check;
mod look;

pub(crate) use check::{HypervisorCommand, remarks, run};
pub(crate) use look::{Where, look};
