//! How small and how large a machine can be.

use crate::machine::Hardware;
use crate::rejection::Rejection;
use crate::storage::rejection::Rejection as Refused;
use crate::version::latest::display::Display;

/// Less holds no firmware with a kernel.
pub const MEMORY_MIB_MIN: u32 = 64;
/// 4 TiB: more than hosts for desktops have.
pub const MEMORY_MIB_MAX: u32 = 4 * 1024 * 1024;
/// More need an interrupt controller with extended ids (x2APIC) and an emulated IOMMU.
pub const VCPUS_MAX: u32 = 255;
pub const DISK_GIB_MIN: u32 = 1;
/// 16 TiB: the largest file of ext4 with blocks of 4 KiB.
pub const DISK_GIB_MAX: u32 = 16 * 1024;
/// There are three kinds; naming one twice changes nothing.
const BOOT_DEVICES_MAX: u64 = 3;
/// More people than the largest terminal servers take.
const SEATS_MAX: u16 = 1024;
/// Ports of one emulated USB controller (qemu-xhci).
pub const USB_REDIRECTIONS_MAX: u8 = 15;
/// More than any host has of anything that is counted.
const COUNTED_MAX: u32 = 65_535;
/// SPICE shows no more on one channel.
pub const MONITORS_MAX: u8 = 16;

pub(crate) fn check_hardware(hardware: &Hardware) -> Result<(), Rejection> {
    let memory = (MEMORY_MIB_MIN, MEMORY_MIB_MAX);
    within("the memory in MiB", hardware.memory_mib, memory)?;
    within("the number of vCPUs", hardware.cpu.vcpus(), (1, VCPUS_MAX))?;
    for count in hardware.counters.values() {
        within("what is counted", *count, (1, COUNTED_MAX))?;
    }
    let boot = u64::try_from(hardware.boot.len()).unwrap_or(u64::MAX);
    within("the number of devices to boot from", boot, (1, BOOT_DEVICES_MAX))?;
    let usb = (0, USB_REDIRECTIONS_MAX);
    within("the number of USB redirections", hardware.devices.usb_redirections, usb)
}

pub(crate) fn check_disk(size_gib: u32) -> Result<(), Rejection> {
    within("the size of a disk in GiB", size_gib, (DISK_GIB_MIN, DISK_GIB_MAX))
}

/// Sessions on a terminal server are counted one by one.
pub(crate) fn check_seats(seats: u16) -> Result<(), Rejection> {
    within("the number of seats", seats, (1, SEATS_MAX))
}

pub(crate) fn check_display(display: &Display) -> Result<(), Rejection> {
    within("the number of monitors", display.monitors, (1, MONITORS_MAX))
}

fn within<N: Into<u64> + PartialOrd + Copy>(
    what: &'static str,
    given: N,
    (least, most): (N, N),
) -> Result<(), Rejection> {
    if least <= given && given <= most {
        return Ok(());
    }
    let (given, least, most) = (given.into(), least.into(), most.into());
    Err(Refused::OutOfBounds { what, given, least, most }.into())
}
