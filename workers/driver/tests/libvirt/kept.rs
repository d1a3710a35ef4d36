//! What a guest's firmware and its TPM keep, asked of the files that hold it.

use std::fs;
use std::path::PathBuf;

use carrel_driver::{Definition, Frozen, Place, Step};
use carrel_model::ids::SnapshotId;
use carrel_model::machine::{Firmware, Format, OnReboot, Os, Tpm};
use uuid::Uuid;

use crate::lab::{DISK, Lab, MACHINE};

fn blank(lab: &Lab, file: &str, on: Option<&Place>) -> Place {
    let file = lab.place(file);
    let on = on.map(|on| (on.clone(), Format::Qcow2));
    lab.does(&Step::MakeDisk { file: file.clone(), format: Format::Qcow2, size_gib: 1, on });
    file
}

fn own(lab: &Lab, overlay: u32, on: Option<&Place>) -> Place {
    blank(lab, &format!("machines/{MACHINE}/{DISK}-{overlay}.qcow2"), on)
}

/// A host whose only machine has firmware and a TPM that keep something.
struct Keeps {
    lab: Lab,
    epoch: u64,
}

impl Keeps {
    fn start() -> Self {
        Self { lab: Lab::start(), epoch: 0 }
    }

    fn definition(&self, disk: &Place) -> Definition {
        let mut defined = self.lab.definition_of(self.epoch, disk);
        let hardware = &mut defined.settings.hardware;
        (hardware.os, hardware.firmware, hardware.tpm) = (Os::Windows, Firmware::Uefi, Tpm::V2);
        defined
    }

    fn files(&self) -> [PathBuf; 2] {
        let uuid = self.definition(&self.lab.place("nothing")).identity.uuid.to_string();
        let nvram = self.lab.place(&format!("machines/{MACHINE}/firmware.nvram")).path();
        [nvram.into(), self.lab.folder().join("lib/swtpm").join(uuid).join("tpm2/tpm2-00.permall")]
    }

    /// It runs for the first time with this disk, and this is what is kept then.
    fn runs(&mut self, disk: &Place, keeps: &str) {
        assert_eq!(self.defined(as_it_is, disk), both(""), "a fresh disk begins with nothing");
        self.lab.does(&Step::Start { boot_epoch: self.epoch });
        self.lab.does(&Step::Destroy);
        self.keeps(keeps);
    }

    /// As if its firmware and its TPM had written it.
    fn keeps(&self, text: &str) {
        for file in self.files() {
            assert!(file.exists(), "{} is there", file.display());
            fs::write(&file, text).expect("written");
        }
    }

    /// What they would have if it ran now.
    fn defined(&mut self, definition: impl FnOnce(&mut Definition), disk: &Place) -> [String; 2] {
        self.epoch += 1;
        let mut defined = self.definition(disk);
        definition(&mut defined);
        self.lab.does(&Step::Define(Box::new(defined)));
        self.files().map(|file| {
            let bytes = fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }
}

fn as_it_is(_: &mut Definition) {}

/// Both have the same.
fn both(text: &str) -> [String; 2] {
    [text.to_owned(), text.to_owned()]
}

#[test]
fn each_disk_has_what_was_kept_with_it() {
    let mut keeps = Keeps::start();
    let first = own(&keeps.lab, 1, None);
    keeps.runs(&first, "first");
    assert_eq!(keeps.defined(as_it_is, &first), both("first"), "its own it keeps");
    let second = own(&keeps.lab, 2, None);
    keeps.runs(&second, "second");
    assert_eq!(keeps.defined(as_it_is, &first), both("first"), "the one before may come back");
    assert_eq!(keeps.defined(as_it_is, &second), both("second"));

    // Sealed, it goes on: what it keeps is its own, and nobody's who stands on the version.
    let version = keeps.lab.place(&format!("images/{MACHINE}/1-0.qcow2"));
    keeps.lab.does(&Step::Seal { from: second, to: version.clone() });
    let third = own(&keeps.lab, 3, Some(&version));
    assert_eq!(keeps.defined(as_it_is, &third), both("second"));
    keeps.keeps("third");
    let others = keeps.lab.place("images/other/1-0.qcow2");
    let (from, format) = (version, Format::Qcow2);
    keeps.lab.does(&Step::CopyVersion { from, to: others.clone(), format });
    let fourth = own(&keeps.lab, 4, Some(&others));
    assert_eq!(keeps.defined(as_it_is, &fourth), both(""), "a child begins with nothing");

    // Another host has never seen its TPM.
    assert_eq!(keeps.defined(as_it_is, &third), both("third"));
    keeps.lab.does(&Step::Undefine { deleted: false });
    fs::remove_dir_all(keeps.lab.folder().join("lib/swtpm")).expect("removed");
    assert_eq!(keeps.defined(as_it_is, &third), both("third"));
}

#[test]
fn what_is_thrown_away_begins_with_the_same_each_time() {
    let mut keeps = Keeps::start();
    let disk = own(&keeps.lab, 1, None);
    keeps.runs(&disk, "kept");
    for epoch in 2..=3 {
        let covered = format!("throwaway/{MACHINE}/{DISK}-{epoch}.qcow2");
        let covered = blank(&keeps.lab, &covered, Some(&disk));
        let is_covered = |definition: &mut Definition| {
            let first = &mut definition.disks[0];
            first.below = Some(std::mem::replace(&mut first.file, covered));
            first.throwaway = Some(OnReboot::Keep);
        };
        assert_eq!(keeps.defined(is_covered, &disk), both("kept"), "{epoch}");
        keeps.keeps("somebody's");
    }
    assert_eq!(keeps.defined(as_it_is, &disk), both("kept"), "it is its own again");
}

#[test]
fn a_snapshot_has_what_was_kept_then() {
    let mut keeps = Keeps::start();
    let disk = own(&keeps.lab, 1, None);
    keeps.runs(&disk, "then");
    let snapshot = SnapshotId::new(Uuid::from_u128(5));
    let kept = keeps.lab.place(&format!("machines/{MACHINE}/{snapshot}.{DISK}.qcow2"));
    let disks = vec![Frozen { disk: disk.clone(), format: Format::Qcow2, kept }];
    let take = Step::TakeSnapshot { snapshot, quiesced: false, disks: disks.clone() };
    keeps.lab.does(&take);
    assert_eq!(keeps.defined(as_it_is, &disk), both("then"));
    keeps.keeps("later");
    assert_eq!(keeps.defined(as_it_is, &disk), both("later"));
    keeps.lab.does(&Step::RevertSnapshot { snapshot, disks });
    assert_eq!(keeps.defined(as_it_is, &disk), both("then"));
}
