//! Devices of a running domain as they shall be from now on.
//!
//! libvirt refuses a change that touches anything else of the device, so each begins as the device
//! that libvirt itself has told of.

use zeroize::Zeroizing;

use crate::text::HostFile;
use crate::tree::Element;

/// Whose password it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Spice,
    Vnc,
}

/// What becomes of who looks already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewers {
    Stay,
    /// QEMU knows how with SPICE only.
    AreCut,
}

/// Until when it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Seconds since 1970, by the clock of the host.
    Unix(u64),
    /// It is never taken.
    Closed,
}

/// The display of `domain`, which is as it runs, with another password. Nothing: it has none.
pub fn armed(
    domain: &Element,
    kind: Kind,
    (password, until): (&str, Until),
    viewers: Viewers,
) -> Option<Zeroizing<String>> {
    let word = match kind {
        Kind::Spice => "spice",
        Kind::Vnc => "vnc",
    };
    let mut displays = domain.child("devices")?.children("graphics");
    let mut display = displays.find(|display| display.is("type", word))?.clone();
    display.attributes.retain(|(name, _)| !PASSWORD.contains(&name.as_str()));
    match until {
        Until::Closed => display.set("passwd", ""),
        Until::Unix(seconds) => {
            display.set("passwd", password);
            display.set("passwdValidTo", moment(seconds));
        }
    }
    if viewers == Viewers::AreCut {
        display.set("connected", "disconnect");
    }
    let written = Zeroizing::new(display.write());
    for (_, value) in &mut display.attributes {
        zeroize::Zeroize::zeroize(value);
    }
    Some(written)
}

const PASSWORD: [&str; 3] = ["passwd", "passwdValidTo", "connected"];

/// A drive of `domain` with another CD in it, or without one. Nothing: it has no such drive.
pub fn loaded(domain: &Element, target: &str, file: Option<&HostFile>) -> Option<String> {
    let mut disks = domain.child("devices")?.children("disk");
    let is_it = |disk: &&Element| {
        disk.is("device", "cdrom") && disk.child("target").is_some_and(|it| it.is("dev", target))
    };
    let mut drive = disks.find(is_it)?.clone();
    drive.set("type", "file");
    drive.children.retain(|child| !matches!(&*child.name, "source" | "backingStore" | "driver"));
    let driver = Element::new("driver").with("name", "qemu").with("type", "raw");
    drive.children.insert(0, driver);
    if let Some(file) = file {
        drive.children.insert(1, Element::new("source").with("file", file));
        drive.children.insert(2, Element::new("backingStore"));
    }
    Some(drive.write())
}

/// In UTC, as libvirt reads it.
fn moment(unix: u64) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let (days, second) = (unix / DAY, unix % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Years that begin with March have their odd day at the end, and its months follow a line: 153
/// days for each five.
fn date(since_1970: u64) -> (u64, u64, u64) {
    const SINCE_MARCH_0000: u64 = 719_468;
    const ERA: u64 = 146_097;
    let days = since_1970 + SINCE_MARCH_0000;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year, if month < 10 { month + 3 } else { month - 9 });
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::{Kind, Until, Viewers, armed, loaded, moment};
    use crate::text::HostFile;
    use crate::tree::Element;

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01T00:00:00");
        assert_eq!(moment(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(moment(4_107_542_399), "2100-02-28T23:59:59");
        assert_eq!(moment(4_107_542_400), "2100-03-01T00:00:00");
        assert_eq!(moment(1_795_355_999), "2026-11-22T13:59:59");
    }

    fn domain() -> Element {
        let text = "<domain><devices>\
            <disk type='file' device='cdrom'><driver name='qemu'/><target dev='sdb'/></disk>\
            <graphics type='spice' port='5900' connected='keep'><listen type='none'/></graphics>\
            </devices></domain>";
        Element::parse(text).expect("XML")
    }

    #[test]
    fn only_the_password_changes() {
        let armed = armed(&domain(), Kind::Spice, ("p<'\"w", Until::Unix(1)), Viewers::AreCut);
        let armed = Element::parse(&armed.expect("SPICE")).expect("XML");
        let mut shall = domain().at(&["devices", "graphics"]).expect("SPICE").clone();
        shall.attributes.pop();
        let shall = shall.with("passwd", "p<'\"w").with("passwdValidTo", "1970-01-01T00:00:01");
        assert_eq!(armed, shall.with("connected", "disconnect"));
    }

    #[test]
    fn nobody_arms_what_is_not_there() {
        let secret = ("p", Until::Closed);
        assert_eq!(armed(&domain(), Kind::Vnc, secret, Viewers::Stay), None);
    }

    #[test]
    fn a_drive_is_loaded_and_emptied() {
        let file = HostFile::new("/a/b.iso").expect("a path");
        let full = loaded(&domain(), "sdb", Some(&file)).expect("a drive");
        assert!(full.contains("<source file=\"/a/b.iso\"/>"), "{full}");
        let empty = loaded(&domain(), "sdb", None).expect("a drive");
        assert!(!empty.contains("<source"), "{empty}");
        assert_eq!(loaded(&domain(), "sdc", None), None);
    }
}
