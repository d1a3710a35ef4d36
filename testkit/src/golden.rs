//! The log that every version of Carrel must be able to open: what it holds, and how it is written.
//!
//! A version that changes the format writes a new fixture beside the old ones:
//! `cargo run -p carrel-testkit --bin golden-log -- events/log/tests/golden/v<N>`

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use carrel_log::disk::OsDisk;
use carrel_log::embedded::{CHUNK_BYTES_MIN, EmbeddedLog, OpenError, Options};
use carrel_log::{EventLog, Expected, Snapshot, SnapshotKey};
use carrel_model::ids::LogId;
use carrel_model::name::{ConsumerName, LeaseName, SnapshotKind};
use carrel_model::record::{CommandUnit, Epoch, Position};
use uuid::Uuid;

use crate::units::{Units, stream};

pub const LOG_ID: LogId = LogId::new(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_2026));
pub const CURSOR: (Position, Epoch) = (Position(40), Epoch(1));
pub const SNAPSHOT_AT: Position = Position(60);
pub const SNAPSHOT_DATA: &[u8] = b"a fleet";

pub fn cursor() -> Option<ConsumerName> {
    ConsumerName::new("relay").ok()
}

pub fn lease() -> Option<LeaseName> {
    LeaseName::new("relay").ok()
}

pub fn snapshot_key() -> Option<SnapshotKey> {
    SnapshotKind::new("fleet").ok().map(|kind| SnapshotKey { kind, model: [7; 32] })
}

/// Enough to fill one small chunk and begin another.
pub fn batches() -> Vec<Vec<CommandUnit>> {
    let mut units = Units::new(2026);
    let mut batches = Vec::new();
    for round in 0..20 {
        batches.push(vec![units.unit(&[stream(round % 7)], 900)]);
        batches.push(vec![
            units.unit(&[stream(1), stream(round), stream(1)], 400),
            units.unit(&[stream(2)], 60),
        ]);
    }
    batches
}

pub fn open(dir: &Path) -> Result<EmbeddedLog, OpenError> {
    let options = Options {
        new_log_id: LOG_ID,
        chunk_bytes: CHUNK_BYTES_MIN / 2,
        reserve_bytes: 0,
        owner: String::from("a test"),
        catalogue: None,
    };
    EmbeddedLog::open(Arc::new(OsDisk), dir, options)
}

/// Writes the fixture.
pub async fn write(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let log = open(dir)?;
    for batch in batches() {
        log.append(Expected::Any, batch).await?;
        let head = log.head().await?;
        if head.position == SNAPSHOT_AT {
            let key = snapshot_key().ok_or("no key")?;
            let data = Bytes::from_static(SNAPSHOT_DATA);
            let snapshot = Snapshot { key, position: head.position, link: head.link, data };
            log.save_snapshot(snapshot).await?;
        }
    }
    log.save_cursor(&cursor().ok_or("no name")?, CURSOR.0, CURSOR.1).await?;
    log.raise_epoch(&lease().ok_or("no name")?).await?;
    log.close().await?;
    Ok(())
}
