//! Logs that earlier versions wrote can be opened, and hold what they held.

use std::path::{Path, PathBuf};

use carrel_log::disk::OsDisk;
use carrel_log::embedded::Report;
use carrel_log::memory::MemoryLog;
use carrel_log::{EventLog, portable};
use carrel_model::record::{Epoch, Incarnation};
use carrel_testkit::golden;
use carrel_testkit::ledger::Ledger;
use carrel_testkit::units::Units;
use sha2::{Digest, Sha256};

use crate::directory::{copy_tree, files};

/// The chain link of the last record of the fixture: every version must come to the same.
const HEAD_LINK: &str = "96c56f37c465cffb640f32617fcdccf836aec3d8e5f8fa58ea19dd5c94c23ab9";

fn fixtures() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(dir).unwrap();
    let fixtures: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    assert!(!fixtures.is_empty());
    fixtures
}

/// A fixture is what an earlier version wrote: whoever writes it anew has changed the past.
const SUMS: &str = include_str!("../golden/SHA256SUMS");

#[test]
fn fixtures_never_change() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut sums: Vec<String> = files(&golden)
        .into_iter()
        .filter(|(path, _)| !path.ends_with("SHA256SUMS"))
        .map(|(path, bytes)| {
            let digest = Sha256::digest(&bytes);
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hex}  {}", path.strip_prefix(&golden).unwrap().display())
        })
        .collect();
    sums.sort_by_key(|line| line[66..].to_owned());
    assert_eq!(sums.join("\n") + "\n", SUMS);
}

/// The same log as an export, which a later version must be able to import.
#[tokio::test]
async fn an_export_is_imported() {
    let export = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.export");
    let log = MemoryLog::new(golden::LOG_ID);
    let imported = portable::import(&log, &OsDisk, &export, |_| {}).await.unwrap();
    assert_eq!(imported.head.link.to_string(), HEAD_LINK);
    let mut ledger = Ledger::default();
    ledger.written(golden::batches());
    ledger.check(&log).await;
}

async fn holds_what_it_held(dir: &Path, report: &Report) {
    let log = golden::open(dir).unwrap();
    assert_eq!(log.report(), report);
    log.rebuilt().await.unwrap();
    let mut ledger = Ledger::default();
    ledger.written(golden::batches());
    ledger.check(&log).await;
    let head = log.head().await.unwrap();
    assert_eq!(head.link.to_string(), HEAD_LINK);
    assert_eq!((head.log_id, head.incarnation), (golden::LOG_ID, Incarnation(1)));

    let cursor = log.cursor(&golden::cursor().unwrap()).await.unwrap().unwrap();
    assert_eq!((cursor.position, cursor.epoch), golden::CURSOR);
    assert_eq!(log.raise_epoch(&golden::lease().unwrap()).await.unwrap(), Epoch(2));
    let snapshot = log.snapshot(&golden::snapshot_key().unwrap()).await.unwrap().unwrap();
    assert_eq!(snapshot.position, golden::SNAPSHOT_AT);
    assert_eq!(snapshot.data, golden::SNAPSHOT_DATA);
    ledger.append(&log, vec![Units::new(1).small(1)]).await.unwrap();
    ledger.check(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_closed_in_order_opens_as_it_is() {
    for fixture in fixtures() {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(&fixture, dir.path());
        holds_what_it_held(dir.path(), &Report::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_all_that_is_needed() {
    for fixture in fixtures() {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(&fixture, dir.path());
        std::fs::remove_dir_all(dir.path().join("catalogue")).unwrap();
        std::fs::remove_file(dir.path().join("clean-stop")).unwrap();
        std::fs::remove_file(dir.path().join("chunks/0000000001.index")).unwrap();
        let report = Report {
            rewritten: true,
            rebuilding: vec![1],
            catalogue_corrected: vec![1],
            ..Report::default()
        };
        holds_what_it_held(dir.path(), &report).await;
    }
}
