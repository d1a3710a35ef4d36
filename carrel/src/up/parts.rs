//! What is kept, opened: whoever else has it is told, and nothing is opened by halves.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use async_trait::async_trait;
use carrel_decider::shredder::Begin;
use carrel_decider::{Decider, Desk, Shredder, Snapshots};
use carrel_driver::sim::World;
use carrel_keys::directory::{DirectoryStore, OsDisk as KeyDisk};
use carrel_keys::{Keys, OsEntropy};
use carrel_log::EventLog;
use carrel_log::disk::OsDisk;
use carrel_log::embedded::{CHUNK_BYTES_DEFAULT, EmbeddedLog, Options, RESERVE_BYTES_DEFAULT};
use carrel_model::fleet::Fleet;
use carrel_model::ids::LogId;
use carrel_model::name::ConsumerName;
use carrel_model::record::Position;
use carrel_projections::{FleetSnapshots, Projector, Sources, SqliteModels};
use carrel_workers::{FileStore, Ledger, LedgerWriter};
use tokio::task::spawn_blocking;

use super::bound;
use super::outside::{Drawn, WallClock, fresh_id};
use super::simulated;
use crate::config::Config;
use crate::failure::Failure;

/// Password hashes at once: each takes a core.
const HASHERS: usize = 2;

pub(super) struct Parts {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) keys: Keys,
    pub(super) decider: Decider,
    pub(super) desk: Desk,
    pub(super) shredder: Shredder,
    pub(super) snapshots: Snapshots,
    pub(super) models: SqliteModels,
    pub(super) projector: Projector,
    pub(super) ledger: Ledger,
    pub(super) ledger_writer: LedgerWriter,
    pub(super) world: World,
}

impl Parts {
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let data = &config.data;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
        let cannot = |why| Failure::new(format!("{} can't be made", data.display())).because(why);
        made.map_err(cannot)?;
        bound::to_driver(data, config.driver)?;
        let log: Arc<dyn EventLog> = Arc::new(open_log(config)?);
        let keys = open_keys(config)?;
        // What hosts and their workers have kept is read while the log is folded.
        let of = config.clone();
        let beside =
            spawn_blocking(move || Ok::<_, Failure>((open_ledger(&of)?, simulated::world(&of)?)));
        let snapshots = Snapshots::new(Arc::new(OsDisk), data.join("snapshots"));
        let snapshots = snapshots.every(config.snapshot_every);
        want_standings(&*log, &snapshots).await?;
        let opened = carrel_decider::open(
            Arc::clone(&log),
            keys.clone(),
            Arc::new(WallClock),
            Box::<Drawn>::default(),
            Some(snapshots.clone()),
        );
        let unread = |why| Failure::new("the log can't be followed").because(why);
        let (decider, desk) = opened.await.map_err(unread)?;
        let shredder = Shredder::open(Arc::clone(&log), keys.clone(), Begin::WhereItWas).await;
        let shredder =
            shredder.map_err(|why| Failure::new("keys can't be followed").because(why))?;
        let sources = Sources {
            log: Arc::clone(&log),
            open: Arc::new(keys.clone()),
            snapshots: Some(Arc::new(Kept { log: Arc::clone(&log), snapshots: snapshots.clone() })),
        };
        let unbuilt = |why| Failure::new("the read models can't be opened").because(why);
        let opened = carrel_projections::open(sources, &data.join("read")).await;
        let (models, projector) = opened.map_err(unbuilt)?;
        let ended = |why| Failure::new("what was kept can't be read").because(why);
        let ((ledger, ledger_writer), world) = beside.await.map_err(ended)??;
        Ok(Self {
            log,
            keys,
            decider,
            desk,
            shredder,
            snapshots,
            models,
            projector,
            ledger,
            ledger_writer,
            world,
        })
    }
}

/// How far the read models may be behind the relay when neither has been waited for.
const APART: u64 = 2_000;

/// The relay and the read models go on from a little before the end of the log.
async fn want_standings(log: &dyn EventLog, snapshots: &Snapshots) -> Result<(), Failure> {
    let unread = |why: String| Failure::new("the log can't be read").because(why);
    let relay = ConsumerName::new(carrel_relay::NAME).map_err(|why| unread(why.to_string()))?;
    let cursor = log.cursor(&relay).await.map_err(|why| unread(why.to_string()))?;
    snapshots.wanted(
        cursor.into_iter().flat_map(|cursor| {
            [Position(cursor.position.0.saturating_sub(APART)), cursor.position]
        }),
    );
    Ok(())
}

/// What another process is told that wants the same.
fn owner() -> String {
    format!("carrel up, process {}", std::process::id())
}

fn open_log(config: &Config) -> Result<EmbeddedLog, Failure> {
    let options = Options {
        new_log_id: LogId::new(fresh_id()),
        chunk_bytes: CHUNK_BYTES_DEFAULT,
        reserve_bytes: RESERVE_BYTES_DEFAULT,
        owner: owner(),
        catalogue: None,
    };
    Ok(EmbeddedLog::open(Arc::new(OsDisk), &config.data.join("log"), options)?)
}

fn open_keys(config: &Config) -> Result<Keys, Failure> {
    let path = config.data.join("keys");
    let failed = |why: String| Failure::new("the keys can't be opened").because(why);
    let opened = DirectoryStore::open(Arc::new(KeyDisk), &path, &owner());
    let (store, _) = opened.map_err(|why| failed(why.to_string()))?;
    let keys = Keys::start(Arc::new(store), Arc::new(OsEntropy), HASHERS);
    keys.map_err(|why| failed(why.to_string()))
}

fn open_ledger(config: &Config) -> Result<(Ledger, LedgerWriter), Failure> {
    let failed = |why| Failure::new("the workers' ledger can't be opened").because(why);
    let store = FileStore::open(&config.data.join("ledger"), &owner()).map_err(failed)?;
    carrel_workers::ledger::open(Box::new(store)).map_err(failed)
}

/// The decider's snapshots, for the read models.
struct Kept {
    log: Arc<dyn EventLog>,
    snapshots: Snapshots,
}

#[async_trait]
impl FleetSnapshots for Kept {
    async fn newest(&self, at_most: Position) -> Option<(Fleet, Position)> {
        let newest = self.snapshots.newest(&*self.log, Some(at_most)).await;
        let standing = newest.ok().flatten()?;
        Some((standing.fleet, standing.position))
    }
}
