//! Headers that were changed at random: never a panic, and never more read than was allowed.

use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use carrel_images::header::inspect;
use carrel_images::{Claim, Limits, Unwatched, Upload};

use crate::hostile::{cases, good};
use crate::site::{Random, Site};

struct Counted<'a> {
    from: Cursor<&'a [u8]>,
    read: u64,
    most: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(into.len() as u64 <= self.most);
        let read = self.from.read(into)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.from.seek(to)
    }
}

/// Where numbers are: in headers and tables, not in content.
fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let interesting: &[u64] = &[0, 1, 2, 7, 511, 512, 65535, 65536, 1 << 31, u64::MAX];
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let area = [128, 1024, 4096, bytes.len() as u64][random.below(4) as usize];
        let at = random.below(area.min(bytes.len() as u64)) as usize;
        let number = interesting[random.below(interesting.len() as u64) as usize];
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 if at + 8 <= bytes.len() => bytes[at..at + 8].copy_from_slice(&number.to_be_bytes()),
            3 if at + 8 <= bytes.len() => bytes[at..at + 8].copy_from_slice(&number.to_le_bytes()),
            4 if at + 4 <= bytes.len() => {
                bytes[at..at + 4].copy_from_slice(&(number as u32).to_be_bytes());
            }
            _ => bytes.truncate(at),
        }
    }
}

#[test]
fn nothing_panics_and_nothing_reads_too_much() {
    let limits = Limits { inspected_bytes_max: 1 << 20, ..Limits::default() };
    let mut random = Random(0x00c0_ffee);
    let mut through = 0;
    let seeds: Vec<(Claim, Vec<u8>)> = good()
        .into_iter()
        .map(|(_, claim, bytes)| (claim, bytes))
        .chain(cases().into_iter().map(|case| (case.claim, case.bytes)))
        .collect();
    for round in 0..20_000 {
        let (claim, seed) = &seeds[round % seeds.len()];
        let mut bytes = seed.clone();
        change(&mut bytes, &mut random);
        let mut counted = Counted { from: Cursor::new(&bytes), read: 0, most: 64 << 10 };
        let result = inspect(&mut counted, *claim, &limits);
        through += usize::from(result.is_ok());
        assert!(counted.read <= limits.inspected_bytes_max + 1024, "round {round}");
    }
    // Content may change, and so may what nobody reads.
    assert!(through > 100, "{through}");
}

/// What is let through our own reader reads to its end, or refuses.
#[test]
fn what_is_let_through_is_read_without_a_panic() {
    let site = Site::with_tool("exit 1");
    let mut random = Random(77);
    let seeds: Vec<_> = good().into_iter().filter(|it| it.1 == Claim::Qcow2).collect();
    for round in 0..600 {
        let mut bytes = seeds[round % seeds.len()].2.clone();
        // In the L2 table.
        for _ in 0..4 {
            let at = 4 * 65536 + random.below(16) as usize * 8;
            let kinds = [random.next(), 1 << 62 | random.below(1 << 20), 5 << 16, 1];
            let entry = kinds[random.below(4) as usize];
            bytes[at..at + 8].copy_from_slice(&entry.to_be_bytes());
        }
        let disk = site.disk("a.qcow2");
        fs::write(&disk.path, &bytes).unwrap();
        let _ = site.images.verify(&disk, &Unwatched);
        let upload = Upload { path: disk.path, claim: Claim::Qcow2, sha256: None };
        let _ = site.images.import(&upload, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
    }
}
