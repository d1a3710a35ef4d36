//! Steps in random order, from seeds: whatever was done, a disk and each of its snapshots read as
//! they did before, as QEMU reads them.

use std::collections::BTreeMap;

use carrel_images::{DiskFile, Frozen, Unwatched};

use crate::site::{MIB, Random, Site, check, info, io, qemu_img, same, text};

const STEPS: u64 = 40;

struct Story {
    site: Site,
    random: Random,
    disk: DiskFile,
    size: u64,
    /// Files of one content, on any of which it may stand.
    bases: Vec<DiskFile>,
    /// What was kept, by number, and a raw file with what it held.
    kept: BTreeMap<u64, DiskFile>,
    exports: u64,
    /// What the disk holds.
    now: DiskFile,
}

impl Story {
    fn begin(seed: u64) -> Self {
        let site = Site::new();
        let base = site.written("base.qcow2", 8, None);
        let mut bases = vec![base.clone()];
        for name in ["flat.qcow2", "flat.raw"] {
            let flat = site.disk(name);
            site.images.copy_version(&base, &flat, &Unwatched).unwrap();
            bases.push(flat);
        }
        let disk = site.disk("machines/m/a-1.qcow2");
        site.images.make_disk(&disk, 8 * MIB, Some(&base)).unwrap();
        let (random, now) = (Random(seed), base);
        let (kept, exports, size) = (BTreeMap::new(), 0, 8 * MIB);
        let mut story = Self { site, random, disk, size, bases, kept, exports, now };
        story.now = story.export();
        story
    }

    /// By QEMU, so that what is compared with is not ours.
    fn export(&mut self) -> DiskFile {
        self.exports += 1;
        let raw = self.site.disk(&format!("held/{}.raw", self.exports));
        std::fs::create_dir_all(self.site.path("held")).unwrap();
        qemu_img(&["convert", "-f", "qcow2", "-O", "raw", text(&self.disk.path), text(&raw.path)]);
        raw
    }

    fn frozen(&self, number: u64) -> [Frozen; 1] {
        let kept = self.site.path(&format!("machines/m/{number}.a.qcow2"));
        [Frozen { disk: self.disk.clone(), kept }]
    }

    fn any_kept(&mut self) -> Option<u64> {
        let count = self.kept.len() as u64;
        if count == 0 {
            return None;
        }
        let at = self.random.below(count) as usize;
        self.kept.keys().nth(at).copied()
    }

    fn write(&mut self) {
        let at = self.random.below(self.size / 512 - 1) * 512;
        let bytes = (512 * (1 + self.random.below(600))).min(self.size - at);
        let how = ["-P 1", "-P 77", "-z", "-z -u"][self.random.below(4) as usize];
        io(&self.disk, &[&format!("write {how} {at} {bytes}")]);
        self.now = self.export();
    }

    fn step(&mut self, number: u64) -> &'static str {
        match self.random.below(9) {
            0 if self.kept.len() < 5 => {
                let frozen = self.frozen(number);
                self.site.images.take_snapshot(&frozen).unwrap();
                self.kept.insert(number, self.now.clone());
                "take"
            }
            1 => {
                let Some(number) = self.any_kept() else { return "nothing" };
                let frozen = self.frozen(number);
                self.site.images.revert_snapshot(&frozen).unwrap();
                self.now = self.kept[&number].clone();
                self.size = info(&self.disk)["virtual-size"].as_u64().unwrap();
                "revert"
            }
            2 => {
                let Some(number) = self.any_kept() else { return "nothing" };
                let frozen = self.frozen(number);
                self.site.images.delete_snapshot(&frozen, &Unwatched).unwrap();
                self.kept.remove(&number);
                "delete"
            }
            3 => {
                self.size += 512 * (1 + self.random.below(4000));
                self.site.images.resize(&self.disk, self.size, &Unwatched).unwrap();
                "resize"
            }
            4 => {
                let onto = self.bases[self.random.below(3) as usize].clone();
                let lowest = self.lowest();
                self.site.images.rebase(&lowest.path, &onto, &Unwatched).unwrap();
                "rebase"
            }
            _ => {
                self.write();
                "write"
            }
        }
    }

    /// The machine's own file that stands on a base.
    fn lowest(&self) -> DiskFile {
        let mut at = self.disk.clone();
        loop {
            let seen = self.site.images.seen(&[], std::slice::from_ref(&at)).unwrap();
            let below = seen[0].backing.clone().unwrap().path;
            if self.bases.iter().any(|base| base.path == below) {
                return at;
            }
            at = DiskFile::named(below);
        }
    }

    fn holds(&self, told: &str) {
        assert!(same(&self.disk, &self.now), "{told}");
        check(&self.disk);
        for (number, held) in &self.kept {
            let kept = DiskFile::named(self.site.path(&format!("machines/m/{number}.a.qcow2")));
            assert!(same(&kept, held), "{told}: snapshot {number}");
            check(&kept);
        }
        let files = self.site.names();
        let own = files.iter().filter(|name| name.starts_with("machines/"));
        assert_eq!(own.count(), self.kept.len() + 1, "{told}: {files:?}");
    }
}

#[test]
fn a_disk_and_its_snapshots_read_as_they_did() {
    for seed in [11, 22, 33] {
        let mut story = Story::begin(seed);
        let mut told = format!("seed {seed}:");
        for number in 0..STEPS {
            let step = story.step(number);
            told = format!("{told} {step}");
            story.holds(&told);
        }
    }
}
