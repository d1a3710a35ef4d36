//! Readers that are not ours: isoinfo of genisoimage, with the names of either kind, and blkid, by
//! which cloud-init finds the CD.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use carrel_disc::{Card, Disc, FirstBoot, LABEL, Os};
use proptest::collection::btree_map;
use proptest::prelude::*;
use tempfile::NamedTempFile;
use uuid::Uuid;

fn disc(os: Os, cards: u8) -> Disc {
    let card = |last| Card { mac: [0x52, 0x54, 0, 0, 0, last], network: Uuid::from_u128(1) };
    Disc {
        hostname: "lab-007".to_owned(),
        uuid: Uuid::from_u128(7),
        serial: "C-0001".to_owned(),
        os,
        system_disk: "9-0.qcow2".to_owned(),
        cards: (0..cards).map(card).collect(),
        properties: BTreeMap::from([("room".to_owned(), "12".to_owned())]),
        first_boot: Some(FirstBoot::GuestPoweroff),
    }
}

fn written(disc: &Disc) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), disc.image().expect("an image")).expect("it is written");
    file
}

fn run(tool: &str, arguments: &[&str], image: &Path) -> Output {
    let output = Command::new(tool).args(arguments).arg(image).output();
    let output = output.unwrap_or_else(|error| panic!("{tool}: {error}; see ops/test"));
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// With Joliet's names.
fn names(image: &Path) -> Vec<String> {
    let output = run("isoinfo", &["-J", "-f", "-i"], image);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| line.trim_start_matches('/').to_owned()).collect()
}

fn content(image: &Path, name: &str) -> Vec<u8> {
    run("isoinfo", &["-J", "-x", &format!("/{name}"), "-i"], image).stdout
}

#[test]
fn names_are_small_and_long() {
    let image = written(&disc(Os::Linux, 1));
    assert_eq!(names(image.path()), ["carrel.json", "meta-data", "user-data"]);
    let image = written(&disc(Os::Windows, 2));
    let all = ["autounattend.xml", "carrel.json", "meta-data", "network-config", "unattend.xml"];
    assert_eq!(names(image.path()), [all.as_slice(), &["user-data"]].concat());
    let short = run("isoinfo", &["-f", "-i"], image.path());
    let short = String::from_utf8(short.stdout).expect("UTF-8");
    assert!(short.contains("/AUTOUNAT.XML;1\n/CARREL.JSN;1\n"), "{short}");
}

#[test]
fn it_is_found_by_its_label() {
    let image = written(&disc(Os::Other, 1));
    for (tag, shall) in [("LABEL", LABEL), ("TYPE", "iso9660")] {
        let output = run("blkid", &["-p", "-o", "value", "-s", tag], image.path());
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), shall);
    }
    let said = run("isoinfo", &["-d", "-i"], image.path());
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("Volume id: cidata\n"), "{said}");
    assert!(said.contains("Joliet with UCS level 3 found"), "{said}");
}

#[test]
fn the_same_is_told_by_the_same_bytes() {
    assert_eq!(disc(Os::Linux, 2).image(), disc(Os::Linux, 2).image());
}

#[test]
fn large_files_are_whole() {
    let mut disc = disc(Os::Linux, 1);
    let value = "\u{1}".repeat(1_000_000);
    disc.properties = BTreeMap::from([("long".to_owned(), value.clone())]);
    let image = written(&disc);
    let told = content(image.path(), "carrel.json");
    let told: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(told["properties"]["long"], value);
}

fn properties() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = any::<String>().prop_map(|name| name.chars().take(40).collect::<String>());
    let name = name.prop_filter("a name", |name| !name.is_empty());
    btree_map(name, any::<String>(), 0..8)
}

proptest! {
    // A process is started for each file of each case.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_told_is_read(
        properties in properties(),
        serial in any::<String>(),
        hostname in "[a-z][a-z0-9-]{0,13}[a-z]",
    ) {
        let told = Disc { properties: properties.clone(), serial, hostname, ..disc(Os::Windows, 3) };
        let image = written(&told);
        let json = content(image.path(), "carrel.json");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        prop_assert_eq!(&json["serial"], &told.serial);
        let meta = content(image.path(), "meta-data");
        let meta: serde_json::Value = serde_yaml_ng::from_slice(&meta).expect("YAML");
        prop_assert_eq!(&meta["local-hostname"], &told.hostname);
        prop_assert_eq!(&meta["instance-id"], &told.instance_id());
        prop_assert_eq!(&json["instance_id"], &meta["instance-id"]);
        let shall = serde_json::to_value(&properties).expect("JSON");
        prop_assert_eq!(&json["properties"], &shall);
        let empty = serde_json::json!({});
        prop_assert_eq!(meta.get("properties").unwrap_or(&empty), &shall);
        let user = content(image.path(), "user-data");
        let user: serde_json::Value = serde_yaml_ng::from_slice(&user).expect("YAML");
        prop_assert_eq!(&user["hostname"], &told.hostname);
        let network = content(image.path(), "network-config");
        let network: serde_json::Value = serde_yaml_ng::from_slice(&network).expect("YAML");
        prop_assert_eq!(network["ethernets"].as_object().map(serde_json::Map::len), Some(3));
    }
}
