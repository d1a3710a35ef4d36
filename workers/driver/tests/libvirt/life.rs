//! A machine's life on a real host.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use carrel_driver::place::is_beside_disks;
use carrel_driver::{
    DomainState, End, Frozen, Hope, Hypervisor, STORAGE_NOT_MOUNTED, SeenFile, Step,
};
use carrel_model::ids::SnapshotId;
use carrel_model::machine::{Format, Probe};
use uuid::Uuid;

use crate::lab::{DISK, Lab, MACHINE, NAME, backing, eventually};

#[test]
fn a_guest_boots_from_a_version_counts_its_boots_and_leaves_nothing() {
    let lab = Lab::start();
    let (version, overlay) = (
        lab.place("images/win11/1-0.qcow2"),
        lab.place(&format!("machines/{MACHINE}/{DISK}-0.qcow2")),
    );
    lab.does(&Step::CopyVersion {
        from: lab.place("media/guest.qcow2"),
        to: version.clone(),
        format: Format::Qcow2,
    });
    lab.does(&Step::MakeDisk {
        file: overlay.clone(),
        format: Format::Qcow2,
        size_gib: 1,
        on: Some((version.clone(), Format::Qcow2)),
    });
    assert_eq!(backing(overlay.path().as_ref()), Some(version.path()));
    assert_eq!(lab.sees().files.len(), 1);

    for boot in 1..=2 {
        lab.does(&lab.definition(boot, &overlay));
        let domain = lab.sees().domain.expect("it is defined");
        assert_eq!(domain.state, DomainState::Off { ended: None });
        lab.does(&Step::Start { boot_epoch: boot });
        let domain = lab.sees().domain.expect("it is there");
        assert_eq!((domain.state, domain.boot_epoch), (DomainState::Running, boot));
        assert_eq!(domain.answers, [Probe::Display]);
        assert_eq!(domain.disks, std::slice::from_ref(&overlay));
        let told = format!("carrel-guest: boot {boot} of m-1,");
        eventually(&told, || lab.console().contains(&told));
        lab.does(&Step::Destroy);
        let domain = lab.sees().domain.expect("it is there");
        assert_eq!(domain.state, DomainState::Off { ended: Some(End::Cut) });
    }
    assert!(lab.console().contains("serial C-0001"), "{}", lab.console());

    // By the CD, which is the same in both boots.
    let console = lab.console();
    let instances = console.lines().filter(|line| line.contains("carrel-guest: instance "));
    let instances: Vec<_> = instances.collect();
    assert!(instances.len() == 2 && instances[0] == instances[1], "{console}");
    assert!(console.contains(r#"property "room": "12 \"b\"""#), "{console}");
    let config = lab.place(&format!("machines/{MACHINE}/config.iso"));
    assert!(is_beside_disks(MACHINE, &config));
    assert!(lab.sees().has(&config));
    let domain = lab.sees().domain.expect("it is there");
    assert_eq!(
        (domain.disks.as_slice(), domain.media.as_slice()),
        ([overlay.clone()].as_slice(), [].as_slice())
    );

    lab.does(&Step::Undefine { deleted: true });
    assert_eq!(lab.sees().domain, None);
    assert_eq!(lab.virsh(&["list", "--all", "--name"]), "");
    let files = vec![overlay.clone(), config];
    lab.does(&Step::RemoveFiles { files });
    assert_eq!(lab.sees().files, []);
    let folder = overlay.path();
    assert!(!Path::new(&folder).parent().is_some_and(Path::exists), "its folder is gone");
}

#[test]
fn a_disk_grows_under_a_guest_that_runs() {
    let lab = Lab::start();
    let overlay = lab.makes_disk();
    lab.does(&lab.definition(1, &overlay));
    lab.does(&Step::Start { boot_epoch: 1 });
    let capacity = || {
        let told = lab.virsh(&["domblkinfo", NAME, "vda"]);
        let line = told.lines().find_map(|line| line.strip_prefix("Capacity:"));
        line.map_or_else(|| panic!("{told}"), |bytes| bytes.trim().to_owned())
    };
    assert_eq!(capacity(), (1_u64 << 30).to_string());
    lab.does(&Step::Resize { file: overlay.clone(), format: Format::Qcow2, size_gib: 3 });
    assert_eq!(capacity(), (3_u64 << 30).to_string());
    assert_eq!(lab.sees().file(&overlay).map(|file| file.size_gib), Some(3));
    // It never shrinks.
    lab.does(&Step::Resize { file: overlay.clone(), format: Format::Qcow2, size_gib: 2 });
    assert_eq!(capacity(), (3_u64 << 30).to_string());
    lab.does(&Step::Destroy);
    lab.does(&Step::Resize { file: overlay.clone(), format: Format::Qcow2, size_gib: 4 });
    assert_eq!(lab.sees().file(&overlay).map(|file| file.size_gib), Some(4));
}

#[test]
fn no_snapshot_is_taken_of_what_runs() {
    let lab = Lab::start();
    let disk = lab.makes_disk();
    lab.does(&lab.definition(1, &disk));
    let snapshot = SnapshotId::new(Uuid::from_u128(5));
    let kept = lab.place(&format!("machines/{MACHINE}/{snapshot}.{DISK}.qcow2"));
    let disks = vec![Frozen { disk, format: Format::Qcow2, kept: kept.clone() }];
    let take = Step::TakeSnapshot { snapshot, quiesced: true, disks };
    lab.does(&Step::Start { boot_epoch: 1 });
    let before = lab.sees().files;
    let trouble = lab.try_step(&take).expect_err("it runs");
    assert_eq!((trouble.hope, trouble.failure.code.as_str()), (Hope::Never, "snapshot_while_on"));
    let files = |all: &[SeenFile]| -> Vec<_> {
        all.iter().map(|it| (it.place.clone(), it.sealed)).collect()
    };
    assert_eq!(files(&lab.sees().files), files(&before));
    // It may have gone off since it was asked for.
    lab.does(&Step::Destroy);
    lab.does(&take);
    assert!(lab.sees().has(&kept));
}

#[test]
fn what_lies_on_a_storage_that_is_not_mounted_is_not_gone() {
    let lab = Lab::start();
    let disk = lab.makes_disk();
    assert_eq!(lab.sees().unmounted, []);
    let (storage, away) = (lab.folder().join("storage"), lab.folder().join("away"));
    fs::rename(&storage, &away).expect("unmounted");
    fs::create_dir(&storage).expect("a mount point");
    let seen = lab.sees();
    assert_eq!((seen.files.as_slice(), seen.unmounted), ([].as_slice(), vec![lab.root()]));
    let removes = lab.try_step(&Step::RemoveFiles { files: vec![disk.clone()] });
    let code = removes.expect_err("it is not there").failure.code;
    assert_eq!(code.as_str(), STORAGE_NOT_MOUNTED);
    let Step::Define(definition) = lab.definition(1, &disk) else { panic!("it defines") };
    lab.try_step(&Step::PutConfig(definition)).expect_err("nothing is put there");
    assert_eq!(fs::read_dir(&storage).expect("a folder").count(), 0);
    fs::remove_dir(&storage).expect("empty");
    fs::rename(&away, &storage).expect("mounted");
    assert!(lab.sees().has(&disk) && lab.sees().unmounted.is_empty());
}

#[test]
fn a_machine_keeps_its_board_when_it_is_defined_anew() {
    let lab = Lab::start();
    let overlay = lab.makes_disk();
    lab.does(&lab.definition(1, &overlay));
    // As if QEMU had been of an earlier version then.
    let newest = lab.virsh(&["dumpxml", NAME]);
    let earlier = newest.replace("'pc-q35-7.2'", "'pc-q35-6.2'");
    assert_ne!(newest, earlier, "QEMU's version is another one");
    let file = lab.folder().join("earlier.xml");
    fs::write(&file, earlier).expect("written");
    lab.virsh(&["define", file.to_str().expect("UTF-8")]);
    lab.does(&lab.definition(2, &overlay));
    let defined = lab.virsh(&["dumpxml", NAME]);
    assert!(defined.contains("machine='pc-q35-6.2'"), "{defined}");
    assert_eq!(lab.sees().domain.map(|domain| domain.boot_epoch), Some(2), "it was defined anew");
}

#[test]
fn a_guest_that_goes_off_by_itself_is_seen_to() {
    let lab = Lab::start();
    let overlay = lab.makes_disk();
    lab.does(&lab.definition(1, &overlay));
    lab.does(&Step::Start { boot_epoch: 1 });
    eventually("it is up", || lab.console().contains("boot 1 of"));
    let off = DomainState::Off { ended: Some(End::Guest) };
    eventually("it is off", || {
        // It may not have listened to its button yet, or be off already.
        if let Err(trouble) = lab.try_step(&Step::Shutdown) {
            assert_eq!(trouble.hope, Hope::Again, "{trouble:?}");
        }
        let listing = lab.host.list().expect("a list");
        listing.domains.iter().any(|domain| domain.state == off)
    });
    let shot = lab.host.screenshot(MACHINE);
    assert!(shot.is_err(), "nothing is shown of a machine that is off");
}

/// Nothing is told at all if it takes so long.
const TOLD_MAX: Duration = Duration::from_secs(60);

/// Nobody looks before something was told.
#[test]
fn that_a_machine_goes_off_is_told_to_whoever_does_not_look() {
    let lab = Lab::start();
    let overlay = lab.makes_disk();
    let (tell, told) = channel();
    lab.host.tells(Arc::new(move || {
        let _ = tell.send(());
    }));
    for (boot, how) in (1..).zip([End::Guest, End::Crash, End::Cut]) {
        lab.does(&lab.definition(boot, &overlay));
        lab.does(&Step::Start { boot_epoch: boot });
        let told_so = format!("carrel-guest: boot {boot} of");
        eventually(&told_so, || lab.console().contains(&told_so));
        // That it was started was told long ago.
        while told.try_recv().is_ok() {}
        if how == End::Guest {
            eventually("its agent listens", || lab.tries_exec("/bin/poweroff", &["-f"]));
        } else if how == End::Crash {
            lab.tell(&format!("qemu KILL {NAME}"));
        } else {
            lab.virsh(&["destroy", NAME]);
        }
        let off = DomainState::Off { ended: Some(how) };
        let mut seen = Vec::new();
        while !seen.contains(&off) {
            let heard = told.recv_timeout(TOLD_MAX);
            assert!(heard.is_ok(), "nobody tells of {how:?}: {seen:?}");
            seen.extend(lab.host.list().expect("a list").domains.pop().map(|it| it.state));
        }
    }
}
