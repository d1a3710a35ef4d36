//! Disks of other hypervisors: uploaded and imported as they are, or refused with the reason.

use std::fs;
use std::path::{Path, PathBuf};

use carrel_lab::{eventually, guest_image, make};
use serde_json::json;

use crate::site::Site;

/// As Carrel calls it and as QEMU does.
const FORMATS: [(&str, &str); 3] = [("vmdk", "vmdk"), ("vhd", "vpc"), ("vhdx", "vhdx")];
const OWN_FORMATS: [(&str, &str); 2] = [("qcow2", "qcow2"), ("raw", "raw")];
/// Of a fixed size in the tests below, so that files are small.
const SMALL: &str = "64M";
const SECTOR: usize = 512;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn file(site: &Site, name: &str) -> PathBuf {
    site.lab.folder().join(name)
}

#[test]
fn disks_of_other_hypervisors_become_machines_that_boot() {
    let site = Site::start();
    let guest = file(&site, "guest.qcow2");
    guest_image(&guest);
    for (format, driver) in FORMATS {
        let sent = file(&site, &format!("from-{format}.{format}"));
        let convert = ["convert", "-f", "qcow2", "-O", driver, text(&guest), text(&sent)];
        make(&convert);
        let name = format!("from-{format}");
        let said = site.does(&["upload", text(&sent)]);
        assert!(said.contains(&format!("carrel do ImportImage --file {name}")), "{said}");
        assert_eq!(site.get("media", &name)["format"], format);
        let import = ["do", "ImportImage", "--file", &name, "--as", "source"];
        site.does(&[&import[..], &["--size-gib", "2", "--wait"]].concat());
        let version = format!("images/{}/1-0.qcow2", site.id("machines", &name));
        let version = site.storage().join(version);
        make(&["compare", "-f", "qcow2", "-F", "qcow2", text(&guest), text(&version)]);
    }
    let hardware = json!({
        "firmware": "bios", "memory_mib": 128, "cpu": { "sockets": 1, "cores": 1, "threads": 1 },
    });
    for (format, _) in FORMATS {
        let machine = format!("from-{format}");
        let update = json!({ "machine": machine, "settings": { "hardware": hardware } });
        site.does(&["do", "UpdateMachine", "--data", &update.to_string(), "--wait"]);
        site.does(&["do", "StartMachine", "--machines", &machine, "--wait"]);
        let boots = || site.console(&machine).contains("boot 1 of").then_some(());
        eventually(&format!("{machine} has booted"), boots);
        site.does(&["do", "PowerOffMachine", "--machines", &machine, "--wait"]);
    }
    site.has_what_it_should();
}

/// A format, what is wrong with a file of it, and the word by which it is refused.
type Hostile = (&'static str, &'static str, &'static str, fn(&mut Vec<u8>));

const HOSTILE: &[Hostile] = &[
    ("vmdk", "of text, that names a file of the host", "image_data_elsewhere", |it| {
        let line = "RW 131072 FLAT \"/etc/shadow\" 0\n";
        let head = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n";
        *it = format!("{head}createType=\"monolithicFlat\"\n{line}").into_bytes();
    }),
    ("vmdk", "on another one", "image_backing_file", |it| {
        let at = find(it, b"parentCID=ffffffff");
        it[at..at + 18].copy_from_slice(b"parentCID=12345678");
    }),
    ("vmdk", "cut off", "image_cut_off", |it| it.truncate(3 * SECTOR)),
    ("vhd", "on another one", "image_backing_file", |it| {
        let end = it.len() - SECTOR;
        for at in [0, end] {
            it[at + 63] += 1;
            let sum = u32::from_be_bytes(it[at + 64..at + 68].try_into().expect("four"));
            it[at + 64..at + 68].copy_from_slice(&(sum - 1).to_be_bytes());
        }
    }),
    ("vhd", "whose sum is wrong", "image_checksum", |it| {
        let end = it.len() - SECTOR;
        it[end + 30] ^= 1;
    }),
    ("vhd", "that is raw", "image_other_format", |it| it.fill(0)),
    ("vhdx", "on another one", "image_backing_file", |it| {
        // Of the metadata: "File Parameters", whose second word says that there is a parent.
        let table = find(it, b"metadata");
        let id = b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
        let entry = table + find(&it[table..], id);
        let item = u32::from_le_bytes(it[entry + 16..entry + 20].try_into().expect("four"));
        it[table + usize::try_from(item).expect("small") + 4] |= 2;
    }),
    ("vhdx", "whose sum is wrong", "image_checksum", |it| {
        for header in [64 << 10, 128 << 10] {
            it[header + 100] ^= 1;
        }
    }),
    ("vhdx", "that is a qcow2", "image_other_format", |it| it[..4].copy_from_slice(b"QFI\xfb")),
    ("qcow2", "on a file of the host", "image_backing_file", |it| {
        let name = b"/etc/shadow";
        it[8..16].copy_from_slice(&4096_u64.to_be_bytes());
        it[19] = u8::try_from(name.len()).expect("short");
        it[4096..4096 + name.len()].copy_from_slice(name);
    }),
    ("qcow2", "whose data is in another file", "image_data_elsewhere", |it| it[79] |= 4),
    ("qcow2", "of 17 TiB", "image_disk_too_large", |it| {
        it[24..32].copy_from_slice(&(17_u64 << 40).to_be_bytes());
        // So many tables take clusters of 64 KiB, each of 512 MiB.
        it[36..40].copy_from_slice(&(17_u32 << 11).to_be_bytes());
    }),
    ("raw", "that is a qcow2", "image_disguised", |it| it[..4].copy_from_slice(b"QFI\xfb")),
];

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|it| it == what).expect("it is there")
}

#[test]
fn hostile_disks_are_refused_with_the_reason() {
    let site = Site::start();
    for (number, (format, what, code, change)) in HOSTILE.iter().enumerate() {
        let mut formats = FORMATS.iter().chain(&OWN_FORMATS);
        let (_, driver) = formats.find(|(known, _)| known == format).expect("a format");
        let sent = file(&site, &format!("hostile-{number}.{format}"));
        make(&["create", "-q", "-f", driver, text(&sent), SMALL]);
        let mut bytes = fs::read(&sent).expect("a file");
        change(&mut bytes);
        fs::write(&sent, &bytes).expect("written");
        site.does(&["upload", text(&sent)]);
        let name = format!("hostile-{number}");
        let import = ["do", "ImportImage", "--file", &name, "--as", "source", "--size-gib", "1"];
        let why = site.fails(&[&import[..], &["--wait"]].concat());
        assert!(why.contains(code), "a {format} {what}: {why}");
        let folder = format!("images/{}", site.id("machines", &name));
        assert!(!site.storage().join(folder).exists(), "a {format} {what} left something");
        site.does(&["do", "DeleteMachine", "--machines", &name, "--wait"]);
        site.does(&["do", "RemoveMedia", "--media", &name, "--wait"]);
    }
}
