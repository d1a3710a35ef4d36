//! VHD files: Microsoft's specification 1.0 has the fields.

use carrel_images::Claim;

use super::{Case, Change, changed, put};

const DYNAMIC: usize = 512;
const TABLE: usize = 1536;
const BLOCK: usize = 4096;
/// Of a block of 1 MiB, after which its sectors follow.
const BITMAP_BYTES: usize = 512;

fn footer(kind: u32, dynamic_at: u64) -> Vec<u8> {
    let mut it = vec![0; 512];
    put(&mut it, 0, b"conectix");
    be32(&mut it, 8, 2);
    be32(&mut it, 12, 0x0001_0000);
    be64(&mut it, 16, dynamic_at);
    put(&mut it, 28, b"win ");
    be64(&mut it, 40, 1 << 20);
    be64(&mut it, 48, 1 << 20);
    put(&mut it, 56, &[0, 30, 4, 17]);
    be32(&mut it, 60, kind);
    sum(&mut it, 64);
    it
}

/// A disk of 1 MiB with one block.
pub(super) fn good() -> Vec<u8> {
    let foot = footer(3, DYNAMIC as u64);
    let mut it = vec![0; BLOCK + BITMAP_BYTES + (1 << 20)];
    put(&mut it, 0, &foot);
    put(&mut it, DYNAMIC, b"cxsparse");
    be64(&mut it, DYNAMIC + 8, u64::MAX);
    be64(&mut it, DYNAMIC + 16, TABLE as u64);
    be32(&mut it, DYNAMIC + 24, 0x0001_0000);
    be32(&mut it, DYNAMIC + 28, 1);
    be32(&mut it, DYNAMIC + 32, 1 << 20);
    sum(&mut it[DYNAMIC..DYNAMIC + 1024], 36);
    it[TABLE..TABLE + 512].fill(0xff);
    be32(&mut it, TABLE, (BLOCK / 512).try_into().unwrap());
    it[BLOCK..BLOCK + BITMAP_BYTES].fill(0xff);
    put(&mut it, BLOCK + BITMAP_BYTES, b"hello");
    it.extend(foot);
    it
}

pub(super) fn good_fixed() -> Vec<u8> {
    let mut it = vec![0; 1 << 20];
    put(&mut it, 0, b"hello");
    it.extend(footer(2, u64::MAX));
    it
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = changed(Claim::Vhd, &good(), CHANGES);
    cases.extend(changed(Claim::Vhd, &good_fixed(), CHANGES_FIXED));
    cases
}

fn be32(it: &mut [u8], at: usize, number: u32) {
    put(it, at, &number.to_be_bytes());
}

fn be64(it: &mut [u8], at: usize, number: u64) {
    put(it, at, &number.to_be_bytes());
}

fn sum(it: &mut [u8], at: usize) {
    it[at..at + 4].fill(0);
    let sum = !it.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    be32(it, at, sum);
}

/// In the footer and in its copy, with sums that are right.
fn feet(it: &mut [u8], change: impl Fn(&mut [u8])) {
    let end = it.len() - 512;
    for at in [0, end] {
        if it[at..].starts_with(b"conectix") {
            let foot = &mut it[at..at + 512];
            change(foot);
            sum(foot, 64);
        }
    }
}

fn dynamic(it: &mut [u8], change: impl Fn(&mut [u8])) {
    let head = &mut it[DYNAMIC..DYNAMIC + 1024];
    change(head);
    sum(head, 36);
}

const BACKING: &str = "image_backing_file";
const MALFORMED: &str = "image_malformed";
const CUT_OFF: &str = "image_cut_off";
const CONTRADICTION: &str = "image_contradiction";
const SUM: &str = "image_checksum";

const CHANGES: &[Change] = &[
    ("on another one", BACKING, |it| feet(it, |foot| be32(foot, 60, 4))),
    ("with a parent's number", BACKING, |it| dynamic(it, |head| head[40] = 1)),
    ("with a parent's name", BACKING, |it| {
        dynamic(it, |head| put(head, 64, b"\0/\0e\0t\0c"));
    }),
    ("with a parent's place", BACKING, |it| dynamic(it, |head| put(head, 576, b"W2ru"))),
    ("of an unknown kind", "image_kind", |it| feet(it, |foot| be32(foot, 60, 6))),
    ("of another version", "image_version", |it| feet(it, |foot| be32(foot, 12, 0x0002_0000))),
    ("of a saved state", "image_not_closed", |it| feet(it, |foot| foot[84] = 1)),
    ("with a wrong sum", SUM, |it| {
        let end = it.len() - 512;
        it[end + 100] ^= 1;
    }),
    ("with a copy that differs", CONTRADICTION, |it| {
        be64(it, 48, 1 << 30);
        sum(&mut it[..512], 64);
    }),
    ("without a footer", CUT_OFF, |it| it.truncate(it.len() - 512)),
    ("that is said to be fixed", CONTRADICTION, |it| feet(it, |foot| be32(foot, 60, 2))),
    ("of 1 EiB", "image_disk_too_large", |it| feet(it, |foot| be64(foot, 48, 1 << 60))),
    ("of an odd size", MALFORMED, |it| feet(it, |foot| be64(foot, 48, (1 << 20) + 1))),
    ("without a size", MALFORMED, |it| feet(it, |foot| be64(foot, 48, 0))),
    ("with a header beyond its end", CUT_OFF, |it| feet(it, |foot| be64(foot, 16, 1 << 40))),
    ("with a header beyond numbers", CUT_OFF, |it| feet(it, |foot| be64(foot, 16, u64::MAX))),
    ("with a header that is none", MALFORMED, |it| feet(it, |foot| be64(foot, 16, 4096))),
    ("with a wrong sum of its header", SUM, |it| it[DYNAMIC + 800] ^= 1),
    ("with blocks of nothing", MALFORMED, |it| dynamic(it, |head| be32(head, 32, 0))),
    ("with odd blocks", MALFORMED, |it| dynamic(it, |head| be32(head, 32, (1 << 20) + 512))),
    ("with huge blocks", MALFORMED, |it| dynamic(it, |head| be32(head, 32, 1 << 31))),
    ("with too few blocks", CONTRADICTION, |it| dynamic(it, |head| be32(head, 28, 0))),
    ("with blocks without end", "image_table_too_large", |it| {
        dynamic(it, |head| be32(head, 28, u32::MAX));
    }),
    ("with a table at no sector", MALFORMED, |it| dynamic(it, |head| be64(head, 16, 1537))),
    ("with a table beyond its end", CUT_OFF, |it| dynamic(it, |head| be64(head, 16, 1 << 40))),
    ("with a table in its header", "image_overlap", |it| {
        dynamic(it, |head| be64(head, 16, 1024));
    }),
    ("with a block beyond its end", CUT_OFF, |it| be32(it, TABLE, 1 << 30)),
    ("with a block over its footer", "image_overlap", |it| be32(it, TABLE, 9)),
    ("with one block in two places", "image_overlap", |it| {
        feet(it, |foot| be64(foot, 48, 2 << 20));
        dynamic(it, |head| be32(head, 28, 2));
        let first: [u8; 4] = it[TABLE..TABLE + 4].try_into().unwrap();
        put(it, TABLE + 4, &first);
    }),
    ("of a hundred bytes", "image_other_format", |it| it.truncate(100)),
];

const CHANGES_FIXED: &[Change] = &[
    ("fixed, and its content begins as another", CONTRADICTION, |it| {
        let foot = footer(3, 512);
        put(it, 0, &foot);
    }),
    ("fixed, and cut off", CUT_OFF, |it| {
        it.drain(1000..2024);
    }),
    ("fixed, with more than its size", CONTRADICTION, |it| {
        it.splice(1000..1000, [0; 512]);
    }),
    ("fixed, with a wrong sum", SUM, |it| {
        let end = it.len() - 1;
        it[end] = 1;
    }),
    ("fixed, on another one", BACKING, |it| feet(it, |foot| be32(foot, 60, 4))),
];
