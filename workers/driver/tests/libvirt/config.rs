//! What a machine has beside its disks: its CD, what its firmware keeps, its TPM.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use carrel_driver::place::machine_folder;
use carrel_driver::{DefinedDisk, Definition, Domain, Hypervisor as _, Place, Step};
use carrel_model::machine::{DiskBus, Firmware, Format, OnReboot, Os, Probe, Tpm};
use carrel_model::work::FirstBootSpec;
use serde_json::json;
use uuid::Uuid;

use crate::lab::{DISK, Lab, MACHINE, NAME, eventually};

fn config(lab: &Lab) -> Place {
    lab.place(&format!("machines/{MACHINE}/config.iso"))
}

/// What the CD says after this.
fn told(lab: &Lab, definition: Definition) -> Vec<u8> {
    lab.does(&Step::Define(Box::new(definition)));
    fs::read(config(lab).path()).expect("a CD")
}

fn instance(disc: &[u8]) -> String {
    let text = String::from_utf8_lossy(disc);
    let (_, rest) = text.split_once("\"instance_id\": \"").expect("an instance");
    rest.split('"').next().expect("an id").to_owned()
}

fn blank(lab: &Lab, file: &str, on: Option<&Place>) -> Place {
    let file = lab.place(file);
    let on = on.map(|on| (on.clone(), Format::Qcow2));
    lab.does(&Step::MakeDisk { file: file.clone(), format: Format::Qcow2, size_gib: 1, on });
    file
}

#[test]
fn an_instance_lasts_until_the_next_renewal() {
    let lab = Lab::start();
    let disk = blank(&lab, &format!("machines/{MACHINE}/{DISK}-1.qcow2"), None);
    let mut first = lab.definition_of(1, &disk);
    let first_boot = json!({ "done": "guest_poweroff" });
    first.first_boot = Some(serde_json::from_value::<FirstBootSpec>(first_boot).expect("one"));
    let first = told(&lab, first);
    assert!(String::from_utf8_lossy(&first).contains("power_state:"));
    let mode = fs::metadata(config(&lab).path()).expect("a CD").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let second = told(&lab, lab.definition_of(2, &disk));
    assert!(!String::from_utf8_lossy(&second).contains("power_state:"));
    assert_eq!(instance(&second), instance(&first));

    let covered = blank(&lab, &format!("throwaway/{MACHINE}/{DISK}-3.qcow2"), Some(&disk));
    let mut third = lab.definition_of(3, &disk);
    let (throwaway, below) = (Some(OnReboot::Keep), Some(disk.clone()));
    let format = Format::Qcow2;
    third.disks = vec![DefinedDisk { id: DISK, file: covered, format, throwaway, below }];
    assert_eq!(told(&lab, third), second);

    let renewed = blank(&lab, &format!("machines/{MACHINE}/{DISK}-2.qcow2"), None);
    assert_ne!(instance(&told(&lab, lab.definition_of(4, &renewed))), instance(&first));
}

#[test]
fn what_an_adopted_machine_keeps_is_in_its_own_folder_and_goes_with_it() {
    let lab = Lab::start();
    let disk = blank(&lab, "somewhere/mail.qcow2", None);
    let mut defined = lab.definition_of(1, &disk);
    let hardware = &mut defined.settings.hardware;
    (hardware.os, hardware.firmware, hardware.tpm) = (Os::Windows, Firmware::Uefi, Tpm::V2);
    let uuid = defined.identity.uuid.to_string();
    let define = Step::Define(Box::new(defined));
    lab.does(&define);
    let whole = lab.virsh(&["dumpxml", "carrel-test-m"]);
    assert!(whole.contains(&format!("<source file='{}'/>", config(&lab).path())), "{whole}");
    assert_eq!(whole.matches("device='cdrom'").count(), 3, "{whole}");
    assert!(!whole.contains("virtio-scsi"), "{whole}");

    lab.does(&Step::Start { boot_epoch: 1 });
    lab.does(&Step::Destroy);
    let nvram = lab.place(&format!("machines/{MACHINE}/firmware.nvram"));
    let tpm = lab.folder().join("lib/swtpm").join(uuid);
    let kept = |is: bool| assert_eq!((lab.sees().has(&nvram), tpm.exists()), (is, is));
    kept(true);
    lab.does(&Step::Undefine { deleted: false });
    kept(true);
    lab.does(&define);
    kept(true);
    lab.does(&Step::Undefine { deleted: true });
    kept(false);
    let folder = machine_folder(MACHINE);
    let left = lab.sees().files.into_iter().map(|file| file.place);
    let files = left.filter(|place| place.file.as_str().starts_with(&folder)).collect();
    lab.does(&Step::RemoveFiles { files });
    assert!(!lab.folder().join(format!("storage/machines/{MACHINE}")).exists());
    assert!(fs::exists(disk.path()).expect("it can be looked at"), "it is nobody's to remove");
}

/// The CD from which somebody installs a system is the first that the firmware finds.
#[test]
fn nobody_boots_from_it() {
    let lab = Lab::start();
    let disk = blank(&lab, &format!("machines/{MACHINE}/{DISK}-1.qcow2"), None);
    for (bus, os) in [
        (DiskBus::Virtio, Os::Linux),
        (DiskBus::Scsi, Os::Linux),
        (DiskBus::Sata, Os::Linux),
        (DiskBus::Scsi, Os::Windows),
    ] {
        let mut defined = lab.definition_of(1, &disk);
        defined.settings.hardware.devices.disk_bus = bus;
        defined.settings.hardware.os = os;
        lab.does(&Step::Define(Box::new(defined)));
        let whole = lab.virsh(&["dumpxml", "carrel-test-m"]);
        let drives: Vec<&str> = whole.split("device='cdrom'").skip(1).collect();
        let has_it = |drive: &&str| {
            drive.split("</disk>").next().is_some_and(|drive| drive.contains("config.iso"))
        };
        assert_eq!(drives.iter().position(has_it), Some(2), "{bus:?}: {whole}");
    }
}

const ADA: Uuid = Uuid::from_u128(0xada);
const MAIL: &str = "ada@example.org";
/// How often a guest that remembers nothing finds her and the room on its CD.
const READS: &str = "umount /config; echo 3 >/proc/sys/vm/drop_caches; \
                     mail=$(cat /dev/sr0 | grep -c ada@); room=$(cat /dev/sr0 | grep -c room); \
                     echo carrel-guest: finds $((mail > 0)) $((room > 0)) >/dev/ttyS0";

fn listed(lab: &Lab) -> Domain {
    lab.host.list().expect("a list").domains.remove(0)
}

/// As processes have it open, by the kernel: under its name, or as what had it before.
fn opened(disc: &Place) -> (bool, bool) {
    let (now, before) = (disc.path(), format!("{} (deleted)", disc.path()));
    let all = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let files = all.filter_map(|it| fs::read_dir(it.path().join("fd")).ok()).flatten();
    let links = files.filter_map(|it| fs::read_link(it.ok()?.path()).ok());
    let links: Vec<_> = links.map(|it| it.to_string_lossy().into_owned()).collect();
    (links.contains(&now), links.contains(&before))
}

#[test]
fn what_is_of_a_person_goes_from_the_cd_of_a_guest_that_runs() {
    let mut lab = Lab::start();
    let disk = lab.makes_disk();
    let disc = config(&lab);
    let mut with_her = lab.definition_of(1, &disk);
    with_her.settings.readiness.probe = Probe::Agent;
    let properties = json!({ "room": "12", "mail": MAIL });
    with_her.properties = serde_json::from_value(properties).expect("properties");
    with_her.people = vec![ADA];
    assert!(String::from_utf8_lossy(&told(&lab, with_her)).contains(MAIL));
    lab.does(&Step::Start { boot_epoch: 1 });
    // It has mounted the CD, and so has locked the drive.
    eventually("it has read", || lab.console().contains(MAIL));
    eventually("its agent answers", || listed(&lab).answers.contains(&Probe::Agent));
    // Whoever comes next knows of whom it says something.
    lab.begin_anew();
    assert_eq!(listed(&lab).people, [ADA]);
    assert_eq!(opened(&disc), (true, false));

    let without = Step::PutConfig(Box::new(lab.definition_of(1, &disk)));
    lab.does(&without);
    let domain = lab.sees().domain.expect("it is there");
    assert_eq!((domain.people, domain.boot_epoch), (Vec::new(), 1));
    assert!(!String::from_utf8_lossy(&fs::read(disc.path()).expect("a CD")).contains(MAIL));
    assert_eq!(opened(&disc), (true, false), "QEMU has the new one open, and nothing else");
    assert!(lab.virsh(&["domblklist", NAME]).contains(&disc.path()));
    lab.exec("/bin/sh", &["-c", READS]);
    eventually("it has looked", || lab.console().contains("carrel-guest: finds"));
    assert!(lab.console().contains("carrel-guest: finds 0 1"), "{}", lab.console());

    // Somebody died when the drive was empty.
    let live = lab.virsh(&["domblklist", NAME]);
    let drive = live.lines().find(|it| it.contains(&disc.path())).expect("the drive");
    let drive = drive.split_whitespace().next().expect("its name");
    lab.virsh(&["change-media", NAME, drive, "--eject", "--live", "--force"]);
    assert!(!lab.virsh(&["domblklist", NAME]).contains(&disc.path()));
    lab.does(&without);
    assert!(lab.virsh(&["domblklist", NAME]).contains(&disc.path()));

    lab.does(&Step::Destroy);
    let mut with_her = lab.definition_of(1, &disk);
    with_her.people = vec![ADA];
    lab.does(&Step::PutConfig(Box::new(with_her)));
    assert_eq!(listed(&lab).people, [ADA], "also while it is off");
    lab.does(&without);
    assert_eq!(listed(&lab).people, Vec::<Uuid>::new());
}
