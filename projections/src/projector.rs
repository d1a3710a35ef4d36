//! The one who writes rows: it follows the log batch by batch.
//!
//! ```text
//!   read --> fold, and hear whom each fact concerns --> what is kept beside those rows
//!                    --> make the rows --> write them and the place in one transaction
//! ```
//!
//! Whatever fails before the end of the transaction is done again from the beginning: the fold that
//! a batch began with is kept until then.

mod rebuild;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use carrel_failpoint::{Point, reached};
use carrel_log::{EventLog, PageLimit};
use carrel_model::ids::LogId;
use carrel_model::record::{Position, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::build::{Built, build};
use crate::error::FollowError;
use crate::fold::{Batch, FleetSnapshots, Folded, batch, decode};
use crate::follow::Concerned;
use crate::kind::Kind;
use crate::limits::{
    BATCH_FACTS_MAX, BATCH_ROWS_MAX, BEHIND_MAX, GATHERED_FOR, KEPT_MAX, KEPT_SECONDS,
    PRUNE_EVERY_SECONDS, RETRY_AFTER,
};
use crate::models::{Rebuild, SqliteModels};
use crate::projection::Progress;
use crate::render::{Open, Render};
use crate::row::{Kept, Key};
use crate::sqlite::{Change, Files, Opened, places};

/// What read models are made of.
#[derive(Clone)]
pub struct Sources {
    pub log: Arc<dyn EventLog>,
    pub open: Arc<dyn Open>,
    /// Without them the log is folded from its beginning.
    pub snapshots: Option<Arc<dyn FleetSnapshots>>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources(..)")
    }
}

#[derive(Debug)]
pub struct Projector {
    sources: Sources,
    files: Files,
    log_id: LogId,
    opened: Opened,
    folded: Folded,
    progress: Progress,
    shown: watch::Sender<Progress>,
    models: SqliteModels,
    rebuilds: mpsc::Receiver<Rebuild>,
    building: JoinSet<Result<Built, FollowError>>,
    /// Who waits for what is being built.
    waiting: Option<Rebuild>,
    /// Of a file that has to catch up before it takes the place of this one.
    ahead: Option<Built>,
    /// Something was deleted that is still in the journal.
    erases: bool,
    /// What ended may be older than it is kept.
    prunes: bool,
    /// When that was looked at last, by the log's time.
    pruned: Timestamp,
}

/// Opens the read models in a directory, or builds them where there are none that this version can
/// go on with. Nothing is followed before [`Projector::run`].
pub async fn open(
    sources: Sources,
    directory: &Path,
) -> Result<(SqliteModels, Projector), FollowError> {
    let files = Files::new(directory)?;
    let (opened, folded, progress) = match reopen(&sources, &files).await? {
        Some((opened, folded, progress)) => (opened, folded, progress),
        None => {
            let built = build(sources.log.clone(), sources.open.clone(), files.clone()).await?;
            files.take(&built.opened.path)?;
            files.remove_others(None)?;
            (built.opened, built.folded, built.progress)
        }
    };
    let log_id = sources.log.head().await?.log_id;
    let (shown, seen) = watch::channel(progress.clone());
    // Only one is built at a time; who asks meanwhile waits for the answer that it is so.
    let (asks, rebuilds) = mpsc::channel(1);
    let models = SqliteModels::new(opened.path.clone(), opened.readers.clone(), seen, asks);
    let projector = Projector {
        sources,
        files,
        log_id,
        opened,
        folded,
        progress,
        shown,
        models: models.clone(),
        rebuilds,
        building: JoinSet::new(),
        waiting: None,
        ahead: None,
        erases: true,
        prunes: true,
        pruned: Timestamp::default(),
    };
    Ok((models, projector))
}

/// The file in use, if it is of this log's past and of this version's making.
async fn reopen(
    sources: &Sources,
    files: &Files,
) -> Result<Option<(Opened, Folded, Progress)>, FollowError> {
    let Some(mut opened) = files.open().await? else { return Ok(None) };
    let head = sources.log.head().await?;
    let Some((progress, log_id)) = places(opened.writer.connection().await?).await? else {
        return Ok(None);
    };
    let same_past = progress
        .0
        .iter()
        .all(|state| state.incarnation == head.incarnation && state.position <= head.position);
    let behind = progress.behind();
    if log_id != head.log_id || !same_past || head.position.0 - behind.0 > BEHIND_MAX {
        return Ok(None);
    }
    let folded = fold_upto(sources, behind).await?;
    Ok(Some((opened, folded, progress)))
}

async fn fold_upto(sources: &Sources, upto: Position) -> Result<Folded, FollowError> {
    let mut folded = Folded::default();
    if let Some(snapshots) = &sources.snapshots
        && let Some((fleet, position)) = snapshots.newest(upto).await
    {
        folded = Folded { fleet, position, ..folded };
    }
    while folded.position < upto {
        let page = sources.log.read(folded.position, PageLimit::MAX).await?;
        if page.records.is_empty() {
            break;
        }
        let folding = tokio::task::spawn_blocking(move || {
            for record in page.records.iter().filter(|record| record.position <= upto) {
                // Whoever stopped before it is looked after when its place comes.
                if let Ok(event) = decode(record) {
                    folded.fleet = carrel_model::evolve::evolve(folded.fleet, &event);
                }
                folded.position = record.position;
                folded.at = folded.at.max(record.unit.origin.at);
            }
            folded
        });
        folded = folding.await.map_err(|_| FollowError::Ended)?;
    }
    Ok(folded)
}

/// Whether there is more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    More,
    /// There may be soon: a batch has just been written.
    Soon,
    CaughtUp,
}

impl Projector {
    /// Follows the log until `stop` is over.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let rest = match self.step().await {
                Ok(rest) => rest,
                Err(error) => {
                    tracing::warn!(%error, position = %self.folded.position, "rows wait");
                    tokio::select! {
                        () = &mut stop => break,
                        () = tokio::time::sleep(RETRY_AFTER) => continue,
                    }
                }
            };
            if rest != Rest::CaughtUp {
                if is_over(&mut stop).await {
                    break;
                }
                self.look_after_building();
                if rest == Rest::Soon {
                    tokio::time::sleep(GATHERED_FOR).await;
                }
                continue;
            }
            let log = self.sources.log.clone();
            tokio::select! {
                () = &mut stop => break,
                past = log.wait_past(self.folded.position) => if past.is_err() {
                    tokio::time::sleep(RETRY_AFTER).await;
                },
                Some(asked) = self.rebuilds.recv() => self.begin(asked),
                Some(built) = self.building.join_next() => self.built(built.ok()),
                () = tokio::time::sleep(RETRY_AFTER), if self.erases || self.prunes => {}
            }
        }
        self.building.shutdown().await;
        self.opened.readers.close().await;
        self.opened.writer.close().await;
    }

    fn look_after_building(&mut self) {
        if let Ok(asked) = self.rebuilds.try_recv() {
            self.begin(asked);
        }
        if let Some(built) = self.building.try_join_next() {
            self.built(built.ok());
        }
    }

    /// Writes one batch.
    pub(crate) async fn follow(&mut self) -> Result<bool, FollowError> {
        let limit = PageLimit::records(BATCH_FACTS_MAX);
        let page = self.sources.log.read(self.folded.position, limit).await?;
        if page.records.is_empty() {
            return Ok(false);
        }
        reached(Point::FactsRead);
        let done = self.next(page.records).await?;
        reached(Point::RowsCommitted);
        self.erases |= done.concerned.erases;
        self.folded = done.folded;
        self.progress = done.progress;
        self.prunes |= self.folded.at > self.pruned.plus_seconds(PRUNE_EVERY_SECONDS);
        self.shown.send_replace(self.progress.clone());
        Ok(true)
    }

    pub(crate) async fn next(
        &mut self,
        records: Vec<carrel_model::record::Record>,
    ) -> Result<Batch, FollowError> {
        let (folded, progress) = (self.folded.clone(), self.progress.clone());
        let folding =
            tokio::task::spawn_blocking(move || batch(folded, progress, &records, BATCH_ROWS_MAX));
        let mut done = folding.await.map_err(|_| FollowError::Ended)?;
        let writer = &mut self.opened.writer;
        for (kind, column, id) in std::mem::take(&mut done.concerned.through) {
            done.concerned.rows.extend(writer.naming(kind, column, id).await?);
        }
        let kept = writer.kept(done.concerned.rows.iter().copied()).await?;
        let open = self.sources.open.clone();
        let making = tokio::task::spawn_blocking(move || {
            let changes = changes(&done.folded, &done.concerned, &kept, &*open)?;
            Ok::<_, FollowError>((done, changes, kept))
        });
        let (done, changes, kept) = making.await.map_err(|_| FollowError::Ended)??;
        self.opened.writer.write(changes, &kept, &done.progress, self.log_id).await?;
        Ok(done)
    }

    async fn step(&mut self) -> Result<Rest, FollowError> {
        if let Some(built) = self.ahead.take() {
            self.finish(built).await?;
            return Ok(Rest::More);
        }
        let before = self.folded.position;
        if self.follow().await? {
            let many = self.folded.position.0 - before.0 >= BATCH_FACTS_MAX as u64 / 2;
            return Ok(if many { Rest::More } else { Rest::Soon });
        }
        if self.erases {
            self.erases = !self.opened.writer.erase().await?;
        }
        if self.prunes {
            self.prunes = self.prune().await?;
            if self.prunes {
                return Ok(Rest::More);
            }
            self.pruned = self.folded.at;
        }
        Ok(Rest::CaughtUp)
    }

    /// Drops some of what ended too long ago. Says whether there may be more.
    pub(crate) async fn prune(&mut self) -> Result<bool, FollowError> {
        let before = self.folded.at.minus_seconds(KEPT_SECONDS);
        let mut keys = Vec::new();
        for kind in [Kind::Sessions, Kind::Operations] {
            keys.extend(self.opened.writer.ended(kind, before, KEPT_MAX).await?);
        }
        if keys.is_empty() {
            return Ok(false);
        }
        let kept = self.opened.writer.kept(keys.iter().copied()).await?;
        let changes = keys.into_iter().map(|key| (key, Change::Gone)).collect();
        self.opened.writer.write(changes, &kept, &self.progress, self.log_id).await?;
        Ok(true)
    }
}

/// Whether it is over already.
async fn is_over(stop: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    tokio::select! {
        biased;
        () = stop => true,
        () = std::future::ready(()) => false,
    }
}

/// What becomes of the rows that a batch concerns.
fn changes(
    folded: &Folded,
    concerned: &Concerned,
    kept: &BTreeMap<Key, Kept>,
    open: &dyn Open,
) -> Result<BTreeMap<Key, Change>, FollowError> {
    let render = Render { fleet: &folded.fleet, open };
    let mut changes = BTreeMap::new();
    for key in &concerned.rows {
        let mut memo = kept.get(key).map(|kept| kept.memo.clone()).unwrap_or_default();
        for note in concerned.notes.get(key).into_iter().flatten() {
            memo.note(note.clone());
        }
        let change = match render.row(*key, &memo)? {
            Some(row) => Change::Put(row, memo),
            None => Change::Gone,
        };
        changes.insert(*key, change);
    }
    Ok(changes)
}
