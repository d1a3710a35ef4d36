//! qcow2 files: docs/interop/qcow2.txt has the fields.

use carrel_images::Claim;

use super::{Case, Change, changed, put};

const CLUSTER: usize = 65536;
const L1: usize = 3 * CLUSTER;
const L2: usize = 4 * CLUSTER;
pub(super) const DATA: usize = 5 * CLUSTER;
const EXTENSIONS: usize = 112;

/// A disk of 1 MiB with one cluster.
pub(super) fn good() -> Vec<u8> {
    let mut it = vec![0; 6 * CLUSTER];
    put(&mut it, 0, b"QFI\xfb");
    be32(&mut it, 4, 3);
    be32(&mut it, 20, 16);
    be64(&mut it, 24, 1 << 20);
    be32(&mut it, 36, 1);
    be64(&mut it, 40, L1 as u64);
    be64(&mut it, 48, CLUSTER as u64);
    be32(&mut it, 56, 1);
    be32(&mut it, 96, 4);
    be32(&mut it, 100, 112);
    be64(&mut it, CLUSTER, 2 * CLUSTER as u64);
    for cluster in 0..6 {
        put(&mut it, 2 * CLUSTER + 2 * cluster, &[0, 1]);
    }
    be64(&mut it, L1, L2 as u64 | 1 << 63);
    be64(&mut it, L2, DATA as u64 | 1 << 63);
    put(&mut it, DATA, b"hello");
    it
}

pub(super) fn good_v2() -> Vec<u8> {
    let mut it = good();
    be32(&mut it, 4, 2);
    put(&mut it, 72, &[0; 40]);
    it
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = changed(Claim::Qcow2, &good(), CHANGES);
    cases.extend(changed(Claim::Qcow2, &good_v2(), CHANGES_V2));
    cases
}

fn be32(it: &mut [u8], at: usize, number: u32) {
    put(it, at, &number.to_be_bytes());
}

fn be64(it: &mut [u8], at: usize, number: u64) {
    put(it, at, &number.to_be_bytes());
}

fn backing(it: &mut [u8], name: &str) {
    be64(it, 8, 512);
    be32(it, 16, u32::try_from(name.len()).unwrap());
    put(it, 512, name.as_bytes());
}

fn extension(it: &mut [u8], kind: u32, data: &[u8]) {
    be32(it, EXTENSIONS, kind);
    be32(it, EXTENSIONS + 4, u32::try_from(data.len()).unwrap());
    put(it, EXTENSIONS + 8, data);
}

/// A disk that has need of three L2 tables.
fn larger(it: &mut [u8]) {
    be64(it, 24, 3 << 29);
    be32(it, 36, 3);
}

const BACKING: &str = "image_backing_file";
const ELSEWHERE: &str = "image_data_elsewhere";
const MALFORMED: &str = "image_malformed";
const CUT_OFF: &str = "image_cut_off";
const TABLE: &str = "image_table_too_large";
const FEATURE: &str = "image_unknown_feature";

const CHANGES: &[Change] = &[
    ("on a file of the host", BACKING, |it| backing(it, "/tmp/carrel-images-secret")),
    ("on a relative file", BACKING, |it| backing(it, "../../tmp/carrel-images-secret")),
    ("on a file by JSON", BACKING, |it| {
        backing(it, r#"json:{"driver":"file","filename":"/tmp/carrel-images-secret"}"#);
    }),
    ("on a server by NBD", BACKING, |it| backing(it, "nbd://127.0.0.1/x")),
    ("on a server by HTTP", BACKING, |it| backing(it, "http://169.254.169.254/latest")),
    ("on a device", BACKING, |it| backing(it, "/dev/sda")),
    ("on a file of no name", MALFORMED, |it| be64(it, 8, 512)),
    ("on a name that is too long", MALFORMED, |it| {
        be64(it, 8, 512);
        be32(it, 16, 1024);
    }),
    ("on a name beyond the cluster", MALFORMED, |it| {
        be64(it, 8, 65530);
        be32(it, 16, 20);
    }),
    ("on a name beyond all numbers", MALFORMED, |it| {
        be64(it, 8, u64::MAX);
        be32(it, 16, 1);
    }),
    ("on a name within the header", MALFORMED, |it| {
        be64(it, 8, 8);
        be32(it, 16, 8);
    }),
    ("with the format of a file below", BACKING, |it| extension(it, 0xe279_2aca, b"raw")),
    ("with a data file", ELSEWHERE, |it| be64(it, 72, 4)),
    ("with the name of a data file", ELSEWHERE, |it| {
        be64(it, 72, 4);
        extension(it, 0x4441_5441, b"/tmp/carrel-images-secret");
    }),
    ("with the name of a data file alone", ELSEWHERE, |it| {
        extension(it, 0x4441_5441, b"/tmp/carrel-images-secret");
    }),
    ("with a raw data file", ELSEWHERE, |it| be64(it, 88, 2)),
    ("encrypted by AES", "image_encrypted", |it| be32(it, 32, 1)),
    ("encrypted by LUKS", "image_encrypted", |it| be32(it, 32, 2)),
    ("encrypted by nobody knows what", "image_encrypted", |it| be32(it, 32, u32::MAX)),
    ("with a header of LUKS", "image_encrypted", |it| extension(it, 0x0537_be77, &[0; 16])),
    ("with a snapshot", "image_snapshots", |it| be32(it, 60, 1)),
    ("with very many snapshots", "image_snapshots", |it| be32(it, 60, u32::MAX)),
    ("with bitmaps", "image_bitmaps", |it| extension(it, 0x2385_2875, &[0; 24])),
    ("with bitmaps that are not there", "image_bitmaps", |it| be64(it, 88, 1)),
    ("not closed", "image_not_closed", |it| be64(it, 72, 1)),
    ("marked as corrupt", "image_marked_corrupt", |it| be64(it, 72, 2)),
    ("with subclusters", FEATURE, |it| be64(it, 72, 16)),
    ("with a feature of the future", FEATURE, |it| be64(it, 72, 1 << 63)),
    ("with an unknown extension", FEATURE, |it| extension(it, 0x1234_5678, b"x")),
    ("compressed by zstd", "image_compression", |it| {
        be64(it, 72, 8);
        it[104] = 1;
    }),
    ("compressed by zlib and by something", "image_compression", |it| be64(it, 72, 8)),
    ("compressed by zstd, which is not said", "image_compression", |it| it[104] = 1),
    ("of version 1", "image_version", |it| be32(it, 4, 1)),
    ("of version 4", "image_version", |it| be32(it, 4, 4)),
    ("of the last version", "image_version", |it| be32(it, 4, u32::MAX)),
    ("with clusters of 256 bytes", MALFORMED, |it| be32(it, 20, 8)),
    ("with clusters of 4 MiB", MALFORMED, |it| be32(it, 20, 22)),
    ("with clusters of no number", MALFORMED, |it| be32(it, 20, 63)),
    ("with clusters beyond numbers", MALFORMED, |it| be32(it, 20, u32::MAX)),
    ("without a size", MALFORMED, |it| be64(it, 24, 0)),
    ("of 17 TiB", "image_disk_too_large", |it| {
        be64(it, 24, 17 << 40);
        be32(it, 36, 17 << 11);
    }),
    ("of 8 EiB", MALFORMED, |it| be64(it, 24, 1 << 63)),
    ("of all bytes that there are", MALFORMED, |it| be64(it, 24, u64::MAX)),
    ("with too few tables", MALFORMED, |it| be64(it, 24, (1 << 29) + 1)),
    ("without tables", MALFORMED, |it| be32(it, 36, 0)),
    ("with more tables than it needs", TABLE, |it| be32(it, 36, 1 << 20)),
    ("with tables without end", MALFORMED, |it| be32(it, 36, u32::MAX)),
    ("with tables at no cluster", MALFORMED, |it| be64(it, 40, L1 as u64 + 512)),
    ("with tables nowhere", MALFORMED, |it| be64(it, 40, 0)),
    ("with tables beyond its end", CUT_OFF, |it| be64(it, 40, 1 << 40)),
    ("with tables beyond numbers", CUT_OFF, |it| be64(it, 40, !0xffff)),
    ("with tables in its header", MALFORMED, |it| {
        be64(it, 40, 0);
        be64(it, 48, 0);
    }),
    ("with tables in its counts", "image_overlap", |it| be64(it, 40, CLUSTER as u64)),
    ("with counts beyond its end", CUT_OFF, |it| be64(it, 48, 1 << 40)),
    ("with counts at no cluster", MALFORMED, |it| be64(it, 48, 100)),
    ("without counts", MALFORMED, |it| be32(it, 56, 0)),
    ("with counts without end", TABLE, |it| be32(it, 56, u32::MAX)),
    ("with more counts than there are clusters", CUT_OFF, |it| be32(it, 56, 100)),
    ("with counts of 128 bits", MALFORMED, |it| be32(it, 96, 7)),
    ("with counts of no number", MALFORMED, |it| be32(it, 96, u32::MAX)),
    ("with a header that is too short", MALFORMED, |it| be32(it, 100, 96)),
    ("with a header of odd length", MALFORMED, |it| be32(it, 100, 105)),
    ("with a header beyond its cluster", MALFORMED, |it| be32(it, 100, 65544)),
    ("with a header without end", MALFORMED, |it| be32(it, 100, u32::MAX)),
    ("with an extension beyond its cluster", MALFORMED, |it| {
        be32(it, EXTENSIONS, 0x6803_f857);
        be32(it, EXTENSIONS + 4, u32::MAX);
    }),
    ("with very many extensions", MALFORMED, |it| {
        for number in 0..1000 {
            be32(it, EXTENSIONS + 8 * number, 0x6803_f857);
        }
    }),
    ("with a table beyond its end", CUT_OFF, |it| be64(it, L1, 1 << 40)),
    ("with a table that is cut off", CUT_OFF, |it| it.truncate(L2 + 100)),
    ("with a table at no cluster", MALFORMED, |it| be64(it, L1, L2 as u64 + 512)),
    ("with a table with unknown bits", MALFORMED, |it| be64(it, L1, L2 as u64 | 1)),
    ("with one table in two places", "image_overlap", |it| {
        larger(it);
        be64(it, L1 + 8, L2 as u64);
    }),
    ("with a table that is its own", "image_overlap", |it| be64(it, L1, L1 as u64)),
    ("with a table that is its header", "image_overlap", |it| {
        larger(it);
        be64(it, L1 + 8, CLUSTER as u64);
    }),
    ("with a cluster beyond its end", CUT_OFF, |it| be64(it, L2, 1 << 40)),
    ("with a cluster at its end", CUT_OFF, |it| be64(it, L2, 6 * CLUSTER as u64)),
    ("with a cluster at no cluster", MALFORMED, |it| be64(it, L2, DATA as u64 + 512)),
    ("with a compressed cluster beyond its end", CUT_OFF, |it| be64(it, L2, 1 << 62 | 1 << 40)),
    ("of another magic", "image_other_format", |it| it[3] = 0),
    ("of three bytes", "image_other_format", |it| it.truncate(3)),
    ("of a header's half", CUT_OFF, |it| it.truncate(80)),
    ("of a header alone", CUT_OFF, |it| it.truncate(112)),
];

const CHANGES_V2: &[Change] = &[
    ("2 of a header's half", CUT_OFF, |it| it.truncate(60)),
    ("2 on a file", BACKING, |it| backing(it, "/tmp/carrel-images-secret")),
    ("2 encrypted", "image_encrypted", |it| be32(it, 32, 1)),
    ("2 with the format of a file below", BACKING, |it| {
        be32(it, 72, 0xe279_2aca);
        be32(it, 76, 3);
        put(it, 80, b"raw");
    }),
];
