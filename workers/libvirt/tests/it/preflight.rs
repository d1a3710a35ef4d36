//! A host is tried before it is trusted.

use std::time::{SystemTime, UNIX_EPOCH};

use carrel_domain::{HostFile, Listen};
use carrel_libvirt::preflight::{Verdict, Wanted, What};

use crate::support::lab::lab;

#[test]
#[expect(clippy::disallowed_methods, reason = "files are stamped by the clock of the host")]
fn a_guest_is_tried_and_nothing_of_it_is_left() {
    let lab = lab();
    let host = lab.host();
    let now_unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let emulator = HostFile::new("/usr/bin/qemu-system-x86_64").expect("a path");
    let folders = vec![lab.folder().to_owned()];
    let wanted = Wanted { emulator, folders, displays: Listen::Loopback, now_unix };
    let report = host.preflight(&wanted).expect("libvirtd answers");
    println!("{report:#?}");
    assert!(report.virtualization.is_some(), "guests run one way or the other");
    let verdict =
        |what| report.items.iter().find(|item| item.what == what).map(|item| item.verdict);
    for what in [What::Libvirt, What::Emulator, What::Display, What::Tpm, What::Storage] {
        assert_eq!(verdict(what), Some(Verdict::Good), "{what:?}");
    }
    assert_eq!(lab.virsh(&["list", "--all", "--name"]), "");
    assert!(!lab.folder().join(".carrel-trial.img").exists());

    let by = report.virtualization.expect("one way");
    let capacity = host.capacity(&wanted.emulator, by).expect("capacity");
    assert!(capacity.memory_mib > 512 && capacity.cpus > 0, "{capacity:?}");
    assert!(!capacity.cpu_models.is_empty(), "{capacity:?}");
    assert!(capacity.board.is_some_and(|board| board.starts_with("pc-q35-")));

    let emulator = HostFile::new("/usr/bin/true").expect("a path");
    let report = host.preflight(&Wanted { emulator, ..wanted }).expect("libvirtd answers");
    assert_eq!(report.verdict(), Verdict::Fails, "{report:#?}");
}
