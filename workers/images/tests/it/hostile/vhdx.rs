//! VHDX files: [MS-VHDX] has the fields.

use carrel_images::Claim;

use super::{Case, Change, changed, put};

const MIB: usize = 1 << 20;
const HEADERS: [usize; 2] = [64 << 10, 128 << 10];
const REGIONS: [usize; 2] = [192 << 10, 256 << 10];
const LOG: usize = MIB;
const METADATA: usize = 2 * MIB;
const BAT: usize = 3 * MIB;
const BLOCK: usize = 4 * MIB;
const ITEMS: usize = METADATA + (64 << 10);

const REGION_BAT: u128 = 0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08;
const REGION_METADATA: u128 = 0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e;
const PARENT_LOCATOR: u128 = 0xa8d3_5f2d_b30b_454d_abf7_d3d8_4834_ab0c;
const ITEM_IDS: [u128; 5] = [
    0xcaa1_6737_fa36_4d43_b3b6_33f0_aa44_e76b,
    0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8,
    0x8141_bf1d_a96f_4709_ba47_f233_a8fa_ab5f,
    0xcda3_48c7_445d_4471_9cc9_e988_5251_c556,
    0xbeca_12ab_b2e6_4523_93ef_c309_e000_c746,
];

/// A disk of 1 MiB with one block.
pub(super) fn good() -> Vec<u8> {
    let mut it = vec![0; 5 * MIB];
    put(&mut it, 0, b"vhdxfile");
    for (at, number) in HEADERS.into_iter().zip(7_u64..) {
        put(&mut it, at, b"head");
        le64(&mut it, at + 8, number);
        put(&mut it, at + 16, &[number.try_into().unwrap(); 32]);
        put(&mut it, at + 66, &[1, 0]);
        le32(&mut it, at + 68, MIB as u32);
        le64(&mut it, at + 72, LOG as u64);
        sum(&mut it[at..at + 4096]);
    }
    for at in REGIONS {
        put(&mut it, at, b"regi");
        le32(&mut it, at + 8, 2);
        region(&mut it, at + 16, REGION_BAT, BAT);
        region(&mut it, at + 48, REGION_METADATA, METADATA);
        sum(&mut it[at..at + (64 << 10)]);
    }
    put(&mut it, METADATA, b"metadata");
    put(&mut it, METADATA + 10, &[5, 0]);
    let lengths = [8, 8, 4, 4, 16];
    for (number, (id, length)) in ITEM_IDS.iter().zip(lengths).enumerate() {
        let (entry, at) = (METADATA + 32 + 32 * number, (64 << 10) + 32 * number);
        put(&mut it, entry, &guid(*id));
        le32(&mut it, entry + 16, at as u32);
        le32(&mut it, entry + 20, length);
        le32(&mut it, entry + 24, if number == 0 { 4 } else { 6 });
    }
    le32(&mut it, ITEMS, MIB as u32);
    le64(&mut it, ITEMS + 32, MIB as u64);
    le32(&mut it, ITEMS + 64, 512);
    le32(&mut it, ITEMS + 96, 4096);
    put(&mut it, ITEMS + 128, &[9; 16]);
    le64(&mut it, BAT, BLOCK as u64 | 6);
    put(&mut it, BLOCK, b"hello");
    it
}

pub(super) fn cases() -> Vec<Case> {
    changed(Claim::Vhdx, &good(), CHANGES)
}

fn le32(it: &mut [u8], at: usize, number: u32) {
    put(it, at, &number.to_le_bytes());
}

fn le64(it: &mut [u8], at: usize, number: u64) {
    put(it, at, &number.to_le_bytes());
}

fn guid(number: u128) -> [u8; 16] {
    let mut bytes = number.to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

fn region(it: &mut [u8], at: usize, id: u128, place: usize) {
    put(it, at, &guid(id));
    le64(it, at + 16, place as u64);
    le32(it, at + 24, MIB as u32);
    le32(it, at + 28, 1);
}

fn sum(it: &mut [u8]) {
    it[4..8].fill(0);
    let sum = crc32c::crc32c(it);
    le32(it, 4, sum);
}

fn heads(it: &mut [u8], change: impl Fn(&mut [u8])) {
    for at in HEADERS {
        change(&mut it[at..at + 4096]);
        sum(&mut it[at..at + 4096]);
    }
}

fn regions(it: &mut [u8], change: impl Fn(&mut [u8])) {
    for at in REGIONS {
        change(&mut it[at..at + (64 << 10)]);
        sum(&mut it[at..at + (64 << 10)]);
    }
}

const BACKING: &str = "image_backing_file";
const MALFORMED: &str = "image_malformed";
const CUT_OFF: &str = "image_cut_off";
const CONTRADICTION: &str = "image_contradiction";
const FEATURE: &str = "image_unknown_feature";
const SUM: &str = "image_checksum";

const CHANGES: &[Change] = &[
    ("on another one", BACKING, |it| le32(it, ITEMS + 4, 2)),
    ("with a parent's place", BACKING, |it| {
        put(it, METADATA + 32 + 4 * 32, &guid(PARENT_LOCATOR));
    }),
    ("with a block of another one", BACKING, |it| le64(it, BAT, BLOCK as u64 | 7)),
    ("with something in its log", "image_not_closed", |it| heads(it, |head| head[48] = 1)),
    ("with something in the newer log", "image_not_closed", |it| {
        it[HEADERS[1] + 48] = 1;
        sum(&mut it[HEADERS[1]..HEADERS[1] + 4096]);
    }),
    ("of another version", "image_version", |it| heads(it, |head| head[66] = 2)),
    ("of another version of log", "image_version", |it| heads(it, |head| head[64] = 1)),
    ("with wrong sums of both headers", SUM, |it| {
        it[HEADERS[0] + 100] = 1;
        it[HEADERS[1] + 100] = 1;
    }),
    ("with a wrong sum of its regions", SUM, |it| it[REGIONS[0] + 100] = 1),
    ("with a wrong sum of its other regions", SUM, |it| it[REGIONS[1] + 100] = 1),
    ("with regions that differ", CONTRADICTION, |it| {
        le64(it, REGIONS[1] + 32, 4 * MIB as u64);
        sum(&mut it[REGIONS[1]..REGIONS[1] + (64 << 10)]);
    }),
    ("with a region twice", CONTRADICTION, |it| {
        regions(it, |table| {
            le32(table, 8, 3);
            region(table, 80, REGION_BAT, BAT);
        });
    }),
    ("with an unknown region that is required", FEATURE, |it| {
        regions(it, |table| {
            le32(table, 8, 3);
            region(table, 80, 12345, BAT);
        });
    }),
    ("with regions without end", MALFORMED, |it| regions(it, |it| le32(it, 8, u32::MAX))),
    ("without regions", MALFORMED, |it| regions(it, |it| le32(it, 8, 0))),
    ("with a region in its headers", MALFORMED, |it| {
        regions(it, |it| le64(it, 32, 64 << 10));
    }),
    ("with a region at no MiB", MALFORMED, |it| {
        regions(it, |it| le64(it, 32, BAT as u64 + 4096));
    }),
    ("with a region beyond its end", CUT_OFF, |it| regions(it, |it| le64(it, 32, 1 << 40))),
    ("with a region beyond numbers", CUT_OFF, |it| {
        regions(it, |it| le64(it, 32, !(MIB as u64 - 1)));
    }),
    ("with metadata beyond its end", CUT_OFF, |it| regions(it, |it| le64(it, 64, 1 << 40))),
    ("with a region in its log", "image_overlap", |it| {
        regions(it, |it| le64(it, 32, LOG as u64));
    }),
    ("with a log beyond its end", CUT_OFF, |it| heads(it, |head| le64(head, 72, 1 << 40))),
    ("with metadata that is none", MALFORMED, |it| it[METADATA] = b'M'),
    ("with metadata without end", MALFORMED, |it| put(it, METADATA + 10, &[255, 255])),
    ("with unknown metadata that is required", FEATURE, |it| {
        put(it, METADATA + 32 + 4 * 32, &[7; 16]);
    }),
    ("with an item beyond its metadata", MALFORMED, |it| {
        le32(it, METADATA + 32 + 16, u32::MAX - 3);
    }),
    ("with an item within the table", MALFORMED, |it| le32(it, METADATA + 32 + 16, 32)),
    ("with an item of another length", MALFORMED, |it| le32(it, METADATA + 32 + 20, 7)),
    ("with an item twice", CONTRADICTION, |it| {
        let first: [u8; 32] = it[METADATA + 32..METADATA + 64].try_into().unwrap();
        put(it, METADATA + 32 + 4 * 32, &first);
    }),
    ("without the size of blocks", MALFORMED, |it| {
        let number: [u8; 16] = guid(ITEM_IDS[4]);
        put(it, METADATA + 32, &number);
    }),
    ("with sectors of 4096 bytes", "image_sector_size", |it| le32(it, ITEMS + 64, 4096)),
    ("with odd blocks", MALFORMED, |it| le32(it, ITEMS, 3 * MIB as u32)),
    ("with tiny blocks", MALFORMED, |it| le32(it, ITEMS, 4096)),
    ("with blocks of nothing", MALFORMED, |it| le32(it, ITEMS, 0)),
    ("of an odd size", MALFORMED, |it| le64(it, ITEMS + 32, MIB as u64 + 1)),
    ("without a size", MALFORMED, |it| le64(it, ITEMS + 32, 0)),
    ("of 1 EiB", "image_disk_too_large", |it| le64(it, ITEMS + 32, 1 << 60)),
    ("with a table that is too short", CUT_OFF, |it| le64(it, ITEMS + 32, 1 << 38)),
    ("with a table that is too large", "image_table_too_large", |it| {
        le64(it, ITEMS + 32, 15 << 40);
    }),
    ("with a block beyond its end", CUT_OFF, |it| le64(it, BAT, 1 << 40 | 6)),
    ("with a block in its metadata", "image_overlap", |it| {
        le64(it, BAT, METADATA as u64 | 6);
    }),
    ("with one block in two places", "image_overlap", |it| {
        le64(it, ITEMS + 32, 2 * MIB as u64);
        le64(it, BAT + 8, BLOCK as u64 | 6);
    }),
    ("with a block of an unknown state", MALFORMED, |it| le64(it, BAT, BLOCK as u64 | 5)),
    ("cut off after its headers", CUT_OFF, |it| it.truncate(150 << 10)),
    ("cut off after its regions", CUT_OFF, |it| it.truncate(MIB)),
    ("of eight bytes", CUT_OFF, |it| it.truncate(8)),
];
