//! Disks, and media that a guest only reads.

use crate::text::HostFile;

/// What QEMU is told about a file, so that it never looks for itself: a guest could write a header
/// that says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Raw,
    Qcow2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    Virtio,
    Scsi,
    Sata,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Past the page cache of the host, which migration needs.
    None,
    Writeback,
    /// What the guest flushes is not flushed: for what is thrown away.
    Unsafe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    Threads,
    /// Linux AIO, which goes with [`Cache::None`] only.
    Native,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    pub file: HostFile,
    pub format: Format,
    pub bus: Bus,
    pub cache: Cache,
    pub io: Io,
    /// What the guest no longer needs is given back to the storage.
    pub discard: bool,
    /// What the file stands on, the nearest first; nothing below the last.
    pub backing: Vec<Backing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    pub file: HostFile,
    pub format: Format,
}

/// Where a guest finds a file that it only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    pub tray: Tray,
    /// A tray may be empty.
    pub file: Option<HostFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tray {
    /// CD or DVD on SATA. Media are changed while the guest runs; drives are not.
    Cd,
    /// The same on virtio-scsi, for a CD that is never changed: kernels that are made for clouds
    /// know no SATA. It comes after those that people change.
    ScsiCd,
    /// A USB stick that can't be written, of this format.
    Stick(Format),
}

/// The first disk or medium of its bus has letter 0.
pub(crate) fn target(prefix: &str, number: usize) -> String {
    const LETTERS: usize = 26;
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % LETTERS).unwrap_or(0));
    match number.checked_sub(LETTERS) {
        None => format!("{prefix}{}", letter(number)),
        Some(beyond) => format!("{prefix}{}{}", letter(beyond / LETTERS), letter(beyond)),
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn targets_go_on_after_z() {
        let numbers = [0, 25, 26, 51, 52].map(|number| target("sd", number));
        assert_eq!(numbers, ["sda", "sdz", "sdaa", "sdaz", "sdba"]);
    }
}
