//! The digest of what a guest reads: the same however it is stored, another with one byte changed.

use std::fs;

use carrel_images::{Digest, DiskFile, Unwatched};
use sha2::{Digest as _, Sha256};

use crate::site::{GIB, MIB, Random, Site, info, io, qemu_img, text, write};

fn digest(site: &Site, disk: &DiskFile) -> Digest {
    site.images.verify(disk, &Unwatched).unwrap()
}

/// The definition in `content/mod.rs`, read in the plainest way.
fn by_the_book(bytes: &[u8]) -> Digest {
    let mut all = Sha256::new();
    all.update(b"carrel-disk-1\n");
    all.update((bytes.len() as u64).to_be_bytes());
    for (block, number) in bytes.chunks(65536).zip(0_u64..) {
        if block.iter().any(|byte| *byte != 0) {
            let mut whole = block.to_vec();
            whole.resize(65536, 0);
            all.update(number.to_be_bytes());
            all.update(Sha256::digest(&whole));
        }
    }
    Digest(all.finalize().into())
}

/// Writes of all kinds at odd places, in three layers of different cluster sizes.
fn chain(site: &Site, seed: u64) -> DiskFile {
    let mut random = Random(seed);
    let mut below: Option<DiskFile> = None;
    let mut size = 0;
    for (layer, cluster) in ["512", "65536", "1048576", "4096"].iter().enumerate() {
        let disk = site.disk(&format!("{seed}-{layer}.qcow2"));
        size += 3 * MIB + random.below(8) * 512;
        let (options, bytes) = (format!("cluster_size={cluster}"), size.to_string());
        let mut arguments = vec!["create", "-q", "-f", "qcow2", "-o", &options];
        if let Some(below) = &below {
            arguments.extend(["-F", "qcow2", "-b", text(&below.path)]);
        }
        arguments.extend([text(&disk.path), &bytes]);
        qemu_img(&arguments);
        let mut commands = Vec::new();
        for _ in 0..12 {
            let at = random.below(size / 512) * 512;
            let most = (size - at).min(300 << 10);
            let bytes = (1 + random.below(most / 512)) * 512;
            let how = ["-P 1", "-P 200", "-z", "-z -u", "-P 0"][random.below(5) as usize];
            commands.push(format!("write {how} {at} {bytes}"));
        }
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        io(&disk, &commands);
        below = Some(disk);
    }
    below.unwrap()
}

#[test]
fn it_is_of_what_a_guest_reads_however_that_is_stored() {
    let site = Site::new();
    for seed in 1..=4 {
        let disk = chain(&site, seed);
        let raw = site.disk("raw.raw");
        qemu_img(&["convert", "-f", "qcow2", "-O", "raw", text(&disk.path), text(&raw.path)]);
        let told = by_the_book(&fs::read(&raw.path).unwrap());
        assert_eq!(digest(&site, &disk), told, "seed {seed}");
        assert_eq!(digest(&site, &raw), told, "seed {seed}");
        for (number, options) in [
            &["-c"][..],
            &["-o", "compat=0.10"],
            &["-o", "cluster_size=512"],
            &["-c", "-o", "cluster_size=2M"],
            &["-S", "0", "-o", "cluster_size=128k"],
        ]
        .iter()
        .enumerate()
        {
            let copy = site.disk(&format!("copy-{number}.qcow2"));
            let mut arguments = vec!["convert", "-f", "qcow2", "-O", "qcow2"];
            arguments.extend(*options);
            arguments.extend([text(&disk.path), text(&copy.path)]);
            qemu_img(&arguments);
            assert_eq!(digest(&site, &copy), told, "seed {seed}, {options:?}");
        }
        let flat = site.disk(&format!("flat-{seed}.qcow2"));
        site.images.copy(&disk, &flat, &Unwatched).unwrap();
        assert_eq!(digest(&site, &flat), told);
    }
}

#[test]
fn one_byte_or_another_size_makes_another_one() {
    let site = Site::new();
    let mut bytes = vec![0; 4 * MIB as usize];
    bytes[70_000] = 1;
    let disk = site.disk("a.raw");
    let mut known = vec![by_the_book(&bytes)];
    for changed in [0, 65_535, 65_536, 70_000, bytes.len() - 1] {
        bytes[changed] ^= 0x80;
        fs::write(&disk.path, &bytes).unwrap();
        let told = digest(&site, &disk);
        assert_eq!(told, by_the_book(&bytes));
        assert!(!known.contains(&told), "{changed}");
        known.push(told);
    }
    bytes.resize(bytes.len() + 512, 0);
    fs::write(&disk.path, &bytes).unwrap();
    assert!(!known.contains(&digest(&site, &disk)));
}

#[test]
fn what_is_not_there_costs_nothing() {
    let site = Site::new();
    for name in ["huge.qcow2", "huge.raw"] {
        let disk = site.disk(name);
        site.images.make_disk(&disk, 8192 * GIB, None).unwrap();
        write(&disk, "write -P 1 5000G 64k", "write -P 2 7T 64k");
        assert_eq!(info(&disk)["virtual-size"], 8192 * GIB);
    }
    assert_eq!(digest(&site, &site.disk("huge.qcow2")), digest(&site, &site.disk("huge.raw")));
}

/// Numbers are written down, so that a digest of today is the same in years.
#[test]
fn it_stays_the_same() {
    let site = Site::new();
    let disk = site.disk("a.raw");
    let bytes: Vec<u8> = (0..200_192_u32).map(|at| (at % 251) as u8).collect();
    fs::write(&disk.path, &bytes).unwrap();
    assert_eq!(digest(&site, &disk).to_string(), FROZEN);
}

/// Worked out by another program, from the definition.
const FROZEN: &str = "8124296e343cfed5b5bfe1a9ff55d89a63cf978a8faa7a86f5db493f58a1114f";
