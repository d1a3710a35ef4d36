//! Log directories for the tests of what works on their files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::disk::OsDisk;
use carrel_log::embedded::{EmbeddedLog, EmbeddedReader, Layout, OpenError, Options, Pause};
use carrel_log::{EventLog, Expected, PlacedUnit};
use carrel_model::record::CommandUnit;
use carrel_testkit::units::{Units, stream};

use crate::conformance::LOG_ID;
use crate::conformance::scene::{append, assert_whole, exported};

pub(crate) fn options() -> Options {
    Options {
        new_log_id: LOG_ID,
        chunk_bytes: 0,
        reserve_bytes: 0,
        owner: String::from("a test"),
        catalogue: None,
    }
}

pub(crate) fn try_open(dir: &Path) -> Result<EmbeddedLog, OpenError> {
    EmbeddedLog::open(Arc::new(OsDisk), dir, options())
}

pub(crate) fn open(dir: &Path) -> EmbeddedLog {
    try_open(dir).unwrap_or_else(|error| panic!("{error}"))
}

/// For tests that never wait.
#[derive(Debug)]
pub(crate) struct NoPause;

#[async_trait]
impl Pause for NoPause {
    async fn pause(&self) {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn reader(dir: &Path) -> Result<EmbeddedReader, OpenError> {
    EmbeddedReader::open(Arc::new(OsDisk), dir, Box::new(NoPause))
}

/// A command of three records and 6 KB: about ten of them fill a chunk of the smallest size.
pub(crate) fn large(units: &mut Units) -> CommandUnit {
    units.unit(&[stream(1), stream(2), stream(1)], 2_000)
}

/// Appends until the log has begun its `count`-th chunk and a little more, in batches of two.
pub(crate) async fn fill_chunks(log: &dyn EventLog, dir: &Path, seed: u64, count: u64) {
    let mut units = Units::new(seed);
    while !Layout::new(dir).chunk(count).exists() {
        append(log, vec![large(&mut units), units.small(3)]).await;
    }
    append(log, vec![units.small(4), units.small(1)]).await;
    append(log, vec![units.unit(&[stream(1), stream(5)], 100)]).await;
}

/// A closed log of `chunks` chunks, and what is in it.
pub(crate) async fn filled(dir: &Path, chunks: u64) -> Vec<PlacedUnit> {
    let log = open(dir);
    fill_chunks(&log, dir, 1, chunks).await;
    let records = assert_whole(&log).await;
    log.close().await.unwrap();
    exported(&records)
}

/// The whole log in a directory, opened and closed for it.
pub(crate) async fn content(dir: &Path) -> Vec<PlacedUnit> {
    let log = open(dir);
    let records = assert_whole(&log).await;
    log.close().await.unwrap();
    exported(&records)
}

/// Appends, so that a log shows that it can still be written to.
pub(crate) async fn goes_on(dir: &Path, seed: u64) {
    let log = open(dir);
    log.rebuilt().await.unwrap();
    let mut units = Units::new(seed);
    log.append(Expected::Any, vec![units.small(1), units.small(77)]).await.unwrap();
    assert_whole(&log).await;
    log.close().await.unwrap();
}

/// Every file below a directory with its bytes.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let copy = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(copy, bytes).unwrap();
    }
}

/// Changes bytes in a file.
pub(crate) fn overwrite(path: &Path, offset: u64, with: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = usize::try_from(offset).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    fs::write(path, bytes).unwrap();
}
