//! VMDK files: VMware's "Virtual Disk Format 5.0" has the fields.

use carrel_images::Claim;

use super::{Case, Change, changed, put};

const SECTOR: usize = 512;
const DESCRIPTOR: usize = SECTOR;
const DIRECTORY: usize = 21 * SECTOR;
const TABLE: usize = 22 * SECTOR;
const GRAIN: usize = 128 * SECTOR;

/// A disk of 1 MiB with one grain of 64 KiB.
pub(super) fn good() -> Vec<u8> {
    let mut it = vec![0; 256 * SECTOR];
    put(&mut it, 0, b"KDMV");
    le32(&mut it, 4, 1);
    le32(&mut it, 8, 1);
    le64(&mut it, 12, 2048);
    le64(&mut it, 20, 128);
    le64(&mut it, 28, 1);
    le64(&mut it, 36, 20);
    le32(&mut it, 44, 512);
    le64(&mut it, 56, 21);
    le64(&mut it, 64, 128);
    put(&mut it, 73, b"\n \r\n");
    text(&mut it, "monolithicSparse", "ffffffff", "RW 2048 SPARSE \"disk.vmdk\"\n");
    le32(&mut it, DIRECTORY, 22);
    le32(&mut it, TABLE, 128);
    put(&mut it, GRAIN, b"hello");
    it
}

pub(super) fn good_stream() -> Vec<u8> {
    let mut it = good();
    stream(&mut it);
    it
}

pub(super) fn cases() -> Vec<Case> {
    changed(Claim::Vmdk, &good(), CHANGES)
}

fn le32(it: &mut [u8], at: usize, number: u32) {
    put(it, at, &number.to_le_bytes());
}

fn le64(it: &mut [u8], at: usize, number: u64) {
    put(it, at, &number.to_le_bytes());
}

fn text(it: &mut [u8], kind: &str, parent: &str, rest: &str) {
    let lines = format!(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID={parent}\n\
         createType=\"{kind}\"\n\n# Extent description\n{rest}\
         # The Disk Data Base\nddb.adapterType = \"ide\"\n"
    );
    it[DESCRIPTOR..DESCRIPTOR + 20 * SECTOR].fill(0);
    put(it, DESCRIPTOR, lines.as_bytes());
}

fn extents(it: &mut [u8], lines: &str) {
    text(it, "monolithicSparse", "ffffffff", lines);
}

fn kind(it: &mut [u8], kind: &str) {
    text(it, kind, "ffffffff", "RW 2048 SPARSE \"disk.vmdk\"\n");
}

/// As one that was written in one go: its header says that the directory is at the end.
fn stream(it: &mut Vec<u8>) {
    le32(it, 8, 1 | 1 << 17);
    let mut foot = it[..SECTOR].to_vec();
    le64(it, 56, u64::MAX);
    le64(&mut foot, 56, 21);
    // A mark that the footer follows, the footer, and a mark that nothing does.
    let mut mark = [0; SECTOR];
    le32(&mut mark, 12, 3);
    it.extend(mark);
    it.extend(foot);
    it.extend([0; SECTOR]);
}

const BACKING: &str = "image_backing_file";
const ELSEWHERE: &str = "image_data_elsewhere";
const MALFORMED: &str = "image_malformed";
const CUT_OFF: &str = "image_cut_off";
const CONTRADICTION: &str = "image_contradiction";

const CHANGES: &[Change] = &[
    ("that is text", ELSEWHERE, |it| {
        *it = b"# Disk DescriptorFile\nversion=1\nRW 9 FLAT \"/tmp/carrel-images-secret\" 0\n"
            .to_vec();
    }),
    ("of ESX", "image_kind", |it| put(it, 0, b"COWD")),
    ("of newer ESX", "image_kind", |it| put(it, 0, b"\xbe\xba\xfe\xca\0\0\0\0")),
    ("of another magic", "image_other_format", |it| it[0] = b'k'),
    ("of a header's half", CUT_OFF, |it| it.truncate(300)),
    ("of version 0", "image_version", |it| le32(it, 4, 0)),
    ("of version 4", "image_version", |it| le32(it, 4, 4)),
    ("with an unknown flag", "image_unknown_feature", |it| le32(it, 8, 1 | 1 << 30)),
    ("without a size, for its descriptor to tell", MALFORMED, |it| {
        le64(it, 12, 0);
        extents(it, "RW 0 SPARSE \"disk.vmdk\"\n");
    }),
    ("of more sectors than bytes can be", MALFORMED, |it| le64(it, 12, u64::MAX)),
    ("of 1 EiB", "image_disk_too_large", |it| le64(it, 12, 1 << 51)),
    ("with grains of nothing", MALFORMED, |it| le64(it, 20, 0)),
    ("with odd grains", MALFORMED, |it| le64(it, 20, 100)),
    ("with huge grains", MALFORMED, |it| le64(it, 20, 1 << 62)),
    ("with odd tables", MALFORMED, |it| le32(it, 44, 513)),
    ("with tables of nothing", MALFORMED, |it| le32(it, 44, 0)),
    ("not closed", "image_not_closed", |it| it[72] = 1),
    ("sent as text", MALFORMED, |it| put(it, 73, b"\n \n\n")),
    ("compressed by something", "image_compression", |it| it[77] = 2),
    ("compressed, which is not said", "image_compression", |it| it[77] = 1),
    ("with a directory beyond its end", CUT_OFF, |it| le64(it, 56, 1 << 30)),
    ("with a directory beyond numbers", CUT_OFF, |it| le64(it, 56, u64::MAX - 1)),
    ("with a directory nowhere", MALFORMED, |it| le64(it, 56, 0)),
    ("with a directory in its header's sector", MALFORMED, |it| {
        le64(it, 56, 0);
        le64(it, 48, 0);
        it[80] = 1;
    }),
    ("with a directory larger than the file", CUT_OFF, |it| {
        le64(it, 12, (16 << 40) / 512);
        le64(it, 20, 8);
        extents(it, "RW 34359738368 SPARSE \"disk.vmdk\"\n");
    }),
    ("with a table beyond its end", CUT_OFF, |it| le32(it, DIRECTORY, u32::MAX)),
    ("with a table that is its directory", "image_overlap", |it| le32(it, DIRECTORY, 21)),
    ("with one table in two places", "image_overlap", |it| {
        le64(it, 12, 128 * 512 * 2);
        extents(it, "RW 131072 SPARSE \"disk.vmdk\"\n");
        le32(it, DIRECTORY + 4, 22);
    }),
    ("without a descriptor", MALFORMED, |it| le64(it, 28, 0)),
    ("with a descriptor of nothing", MALFORMED, |it| le64(it, 36, 0)),
    ("with a long descriptor", MALFORMED, |it| le64(it, 36, 21)),
    ("with a descriptor beyond its end", CUT_OFF, |it| le64(it, 28, 1 << 40)),
    ("with a descriptor beyond numbers", CUT_OFF, |it| le64(it, 28, u64::MAX)),
    ("with a descriptor that is no text", MALFORMED, |it| put(it, DESCRIPTOR, b"\xff\xfe")),
    ("on a file", BACKING, |it| {
        extents(
            it,
            "RW 2048 SPARSE \"disk.vmdk\"\nparentFileNameHint=\"/tmp/carrel-images-secret\"\n",
        );
    }),
    ("on a file that is told after the end", BACKING, |it| {
        put(it, DESCRIPTOR + 19 * SECTOR, b"parentFileNameHint=\"/tmp/carrel-images-secret\"\n");
    }),
    ("on a file that is told in a comment", BACKING, |it| {
        extents(
            it,
            "RW 2048 SPARSE \"disk.vmdk\"\n#PARENTFILENAMEHINT=\"/tmp/carrel-images-secret\"\n",
        );
    }),
    ("on a file that is told beyond a short descriptor", BACKING, |it| {
        le64(it, 36, 2);
        put(it, DESCRIPTOR + 10 * SECTOR, b"parentFileNameHint=\"/tmp/carrel-images-secret\"\n");
    }),
    ("on a file by its number", BACKING, |it| {
        text(it, "monolithicSparse", "87654321", "RW 2048 SPARSE \"disk.vmdk\"\n");
    }),
    ("of two extents", ELSEWHERE, |it| {
        extents(it, "RW 2048 SPARSE \"disk.vmdk\"\nRW 2048 SPARSE \"other.vmdk\"\n");
    }),
    ("of no extent", ELSEWHERE, |it| extents(it, "\n")),
    ("of a flat extent", ELSEWHERE, |it| {
        extents(it, "RW 2048 FLAT \"disk-flat.vmdk\" 0\n");
    }),
    ("of a device", ELSEWHERE, |it| extents(it, "RW 2048 VMFSRDM \"disk.vmdk\"\n")),
    ("of an extent elsewhere", ELSEWHERE, |it| {
        extents(it, "RW 2048 SPARSE \"/tmp/carrel-images-secret\"\n");
    }),
    ("of an extent above", ELSEWHERE, |it| extents(it, "RW 2048 SPARSE \"..\\disk.vmdk\"\n")),
    ("of an extent by a protocol", ELSEWHERE, |it| extents(it, "RW 2048 SPARSE \"nbd:x\"\n")),
    ("of an extent with more behind it", ELSEWHERE, |it| {
        extents(it, "RW 2048 SPARSE \"disk.vmdk\" 7\n");
    }),
    ("of an extent of another size", CONTRADICTION, |it| {
        extents(it, "RW 4096 SPARSE \"disk.vmdk\"\n");
    }),
    ("of lines that are none", MALFORMED, |it| extents(it, "what is this\n")),
    ("of many files", "image_kind", |it| kind(it, "twoGbMaxExtentSparse")),
    ("of a device's kind", "image_kind", |it| kind(it, "fullDevice")),
    ("of VMFS", "image_kind", |it| kind(it, "vmfsSparse")),
    ("of no kind", MALFORMED, |it| {
        text(it, "x", "ffffffff", "RW 2048 SPARSE \"disk.vmdk\"\n");
        let at = it.windows(10).position(|word| word == b"createType").unwrap();
        put(it, at, b"CREATETIME");
    }),
    ("at the end, without marks", CONTRADICTION, |it| {
        stream(it);
        le32(it, 8, 1);
    }),
    ("at the end, without a footer", CUT_OFF, |it| {
        stream(it);
        it.truncate(it.len() - SECTOR);
    }),
    ("at the end, with another size", CONTRADICTION, |it| {
        stream(it);
        let foot = it.len() - 2 * SECTOR;
        le64(it, foot + 12, 1 << 20);
    }),
    ("at the end, with another descriptor", CONTRADICTION, |it| {
        stream(it);
        let foot = it.len() - 2 * SECTOR;
        le64(it, foot + 28, 22);
    }),
    ("at the end of the end", CONTRADICTION, |it| {
        stream(it);
        let foot = it.len() - 2 * SECTOR;
        le64(it, foot + 56, u64::MAX);
    }),
];
