//! How QEMU gets to a disk's file.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use carrel_domain::{Cache, Io};
use carrel_libvirt::preflight::{AIO_EVENTS_MIN, aio_events};

/// Files that are thrown away: nobody misses what is lost with the host.
pub(super) const THROWN_AWAY: (Cache, Io) = (Cache::Unsafe, Io::Threads);

/// The guest flushes by itself. Past the host's cache where its file system takes that, and by the
/// kernel's asynchronous I/O where there is enough of it for a host full of machines: a QEMU that
/// gets none doesn't start.
pub(super) fn of(file: &Path) -> (Cache, Io) {
    chosen(takes_direct_io(file), aio_events().unwrap_or_default())
}

fn chosen(direct: bool, events: u64) -> (Cache, Io) {
    match direct {
        true if events >= AIO_EVENTS_MIN => (Cache::None, Io::Native),
        true => (Cache::None, Io::Threads),
        false => (Cache::Writeback, Io::Threads),
    }
}

/// Tried: what a file system says of itself differs by kernel and by mount.
fn takes_direct_io(file: &Path) -> bool {
    let flags = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap_or_default();
    File::options().read(true).custom_flags(flags).open(file).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{AIO_EVENTS_MIN, Cache, Io, chosen, takes_direct_io};

    #[test]
    fn nothing_is_chosen_that_the_host_has_not() {
        assert_eq!(chosen(true, AIO_EVENTS_MIN), (Cache::None, Io::Native));
        assert_eq!(chosen(true, 65_536), (Cache::None, Io::Threads));
        assert_eq!(chosen(false, AIO_EVENTS_MIN), (Cache::Writeback, Io::Threads));
    }

    #[test]
    fn what_can_not_be_opened_so_is_opened_otherwise() {
        assert!(!takes_direct_io("/proc/self/status".as_ref()));
        assert!(!takes_direct_io("/nowhere".as_ref()));
    }
}
