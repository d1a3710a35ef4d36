//! What the kernel has for a host full of machines.

use std::fs;

use super::{Report, Verdict, What};

/// How many asynchronous reads and writes there may be at once, of all processes together.
const AIO_EVENTS_FILE: &str = "/proc/sys/fs/aio-max-nr";

/// Each QEMU with disks takes 1,024 for itself (QEMU, block/linux-aio.c), whatever it has to do:
/// enough for a thousand machines.
pub const AIO_EVENTS_MIN: u64 = 1 << 20;

/// Nothing: it can't be read.
pub fn aio_events() -> Option<u64> {
    fs::read_to_string(AIO_EVENTS_FILE).ok()?.trim().parse().ok()
}

pub(super) fn report(report: &mut Report) {
    judge(aio_events(), report);
}

fn judge(events: Option<u64>, report: &mut Report) {
    let (verdict, detail) = match events {
        Some(events) if events >= AIO_EVENTS_MIN => {
            (Verdict::Good, format!("{events} asynchronous requests at once"))
        }
        Some(events) => {
            let detail = format!(
                "fs.aio-max-nr is {events}: disks are read and written by threads, which is \
                 slower; `sysctl -w fs.aio-max-nr={AIO_EVENTS_MIN}` allows more"
            );
            (Verdict::Warns, detail)
        }
        None => (Verdict::Warns, format!("{AIO_EVENTS_FILE} can't be read")),
    };
    report.say(What::Kernel, verdict, detail);
}

#[cfg(test)]
mod tests {
    use super::{AIO_EVENTS_MIN, Report, Verdict, judge};

    #[test]
    fn too_little_is_told_with_what_to_do() {
        let said = |events| {
            let mut report = Report { items: Vec::new(), virtualization: None };
            judge(events, &mut report);
            report.items.remove(0)
        };
        assert_eq!(said(Some(AIO_EVENTS_MIN)).verdict, Verdict::Good);
        assert!(said(Some(65_536)).detail.contains("sysctl -w"));
        assert_eq!(said(None).verdict, Verdict::Warns);
    }
}
