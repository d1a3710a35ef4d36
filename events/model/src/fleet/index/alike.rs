//! Which machines are alike: no host takes one where it doesn't take the other, and both are seen
//! in the same ways.

use std::hash::{Hash, Hasher};

use crate::machine::{Kind, Machine};

impl Machine {
    /// One number for all that placement and viewers ask of a machine that is off. The same in
    /// every build, since the order of choice depends on it.
    pub(crate) fn alike(&self) -> u64 {
        alike(self)
    }
}

fn alike(machine: &Machine) -> u64 {
    let mut digest = Digest(0);
    let settings = &machine.settings;
    match &machine.kind {
        Kind::External(external) => external.protocols.hash(&mut digest),
        Kind::Simple | Kind::Source | Kind::Initial { .. } | Kind::Vdi { .. } => {
            settings.display.protocols.hash(&mut digest);
        }
    }
    settings.host_labels.hash(&mut digest);
    settings.hardware.memory_mib.hash(&mut digest);
    settings.hardware.cpu.vcpus().hash(&mut digest);
    settings.hardware.counters.hash(&mut digest);
    machine.virtual_snapshot.is_some().hash(&mut digest);
    for disk in &machine.disks {
        disk.storage.uuid().hash(&mut digest);
        disk.size_gib.hash(&mut digest);
        if let Some(base) = disk.base() {
            base.image.uuid().hash(&mut digest);
            base.file.hash(&mut digest);
        }
    }
    digest.finish()
}

/// SplitMix64 (Steele, Lea, Flood 2014) over eight bytes at a time.
struct Digest(u64);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(1_u64, |word, byte| word << 8 | u64::from(*byte));
            let mut mixed = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            self.0 = mixed ^ (mixed >> 31);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
