//! Whether an upload is what it is said to be, and nothing that leads elsewhere.
//!
//! Pure functions over a bounded read of the file: no process is started, nothing that the file
//! names is opened, and no table is kept whole in memory. Only what passes here is shown to a tool.
//!
//! A file passes if it is one whole, closed, plain image: no backing file, no data or extents in
//! other files, no encryption, no features that are not known, no disk or table larger than the
//! [`Limits`], and everything that it points to within itself and in a place of its own.
//!
//! - `qcow2.rs`, `qcow2_upload.rs`: QEMU's docs/interop/qcow2.txt
//! - `vmdk.rs`: VMware, "Virtual Disk Format 5.0"
//! - `vhd.rs`: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0
//! - `vhdx.rs`: Microsoft, [MS-VHDX]
//! - `raw.rs`: what must not be in a file that is said to be none of these

mod parts;
pub(crate) mod qcow2;
mod qcow2_upload;
mod raw;
mod refused;
mod vhd;
mod vhdx;
mod vmdk;
pub(crate) mod window;

use std::io::{Read, Seek};

pub use refused::Refused;

use crate::disk::Claim;
use crate::limits::Limits;
use window::Window;

/// An image that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub claim: Claim,
    /// How large the disk in it is.
    pub virtual_bytes: u64,
}

/// Reads no more than `limits.inspected_bytes_max` of the file and its first KiB, in pieces of at
/// most 64 KiB.
///
/// # Errors
///
/// The first reason that was found not to let it through.
pub fn inspect(
    file: &mut (impl Read + Seek),
    claim: Claim,
    limits: &Limits,
) -> Result<Header, Refused> {
    let mut window = Window::new(file, limits.inspected_bytes_max)?;
    let virtual_bytes = match claim {
        Claim::Raw => raw::inspect(&mut window)?,
        Claim::Qcow2 => qcow2_upload::inspect(&mut window, limits)?,
        Claim::Vmdk => vmdk::inspect(&mut window, limits)?,
        Claim::Vhd => vhd::inspect(&mut window, limits)?,
        Claim::Vhdx => vhdx::inspect(&mut window, limits)?,
    };
    fits(virtual_bytes, limits)?;
    Ok(Header { claim, virtual_bytes })
}

/// Asked before a table is read whose size follows from it, too.
fn fits(virtual_bytes: u64, limits: &Limits) -> Result<(), Refused> {
    match virtual_bytes {
        0 => Err(Refused::Malformed("a disk without a size")),
        more if more > limits.virtual_bytes_max => {
            Err(Refused::DiskTooLarge { virtual_bytes, max_bytes: limits.virtual_bytes_max })
        }
        _ => Ok(()),
    }
}
