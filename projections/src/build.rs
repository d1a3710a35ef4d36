//! Rows built anew from the log: folded in memory, so that each row is written once, in large
//! transactions, into a file of its own beside the one that is in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use carrel_log::{EventLog, PageLimit};
use carrel_model::fleet::Fleet;
use carrel_model::record::{Position, Record};

use crate::error::FollowError;
use crate::fold::{Folded, decode};
use crate::follow::notes_of;
use crate::kind::Kind;
use crate::limits::BUILD_ROWS;
use crate::memo::Memo;
use crate::page::Standing;
use crate::projection::{Progress, Projection};
use crate::render::{Open, Render};
use crate::row::{Key, Row};
use crate::sqlite::{Files, Opened};

/// A file that is whole as of a position.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) opened: Opened,
    pub(crate) folded: Folded,
    pub(crate) progress: Progress,
}

/// What is gathered of the log.
struct Gathered {
    folded: Folded,
    progress: Progress,
    memos: BTreeMap<Key, Memo>,
    /// The fleet as it was before those stopped who can't read on.
    stopped: BTreeMap<&'static str, Fleet>,
}

pub(crate) async fn build(
    log: Arc<dyn EventLog>,
    open: Arc<dyn Open>,
    files: Files,
) -> Result<Built, FollowError> {
    let head = log.head().await?;
    let gathered = Gathered {
        folded: Folded::default(),
        progress: Progress::at(Position::START, head.incarnation),
        memos: BTreeMap::new(),
        stopped: BTreeMap::new(),
    };
    let mut gathered = gather(&*log, gathered, head.position).await?;
    let mut opened = files.create().await?;
    let memos = std::mem::take(&mut gathered.memos);
    let gathered = Arc::new(gathered);
    let mut ahead = None;
    let mut rest = chunks(memos).into_iter();
    loop {
        let next = rest.next().map(|chunk| {
            let (gathered, open) = (gathered.clone(), open.clone());
            tokio::task::spawn_blocking(move || gathered.rows(chunk, &*open))
        });
        if let Some((kind, rows)) = ahead.take() {
            opened.writer.build(kind, rows).await?;
        }
        match next {
            None => break,
            Some(rows) => ahead = Some(rows.await.map_err(|_| FollowError::Ended)??),
        }
    }
    opened.writer.built(&gathered.progress, head.log_id).await?;
    let (folded, progress) = (gathered.folded.clone(), gathered.progress.clone());
    Ok(Built { opened, folded, progress })
}

/// Folds up to a position, each page while the next one is being read.
async fn gather(
    log: &dyn EventLog,
    mut gathered: Gathered,
    upto: Position,
) -> Result<Gathered, FollowError> {
    let mut page = log.read(Position::START, PageLimit::MAX).await?;
    while let Some(last) = page.records.last().map(|record| record.position) {
        let records = page.records;
        let folding = tokio::task::spawn_blocking(move || {
            for record in records.iter().filter(|record| record.position <= upto) {
                gathered.hear(record);
            }
            gathered
        });
        if last >= upto {
            gathered = folding.await.map_err(|_| FollowError::Ended)?;
            break;
        }
        let next = log.read(last, PageLimit::MAX).await?;
        gathered = folding.await.map_err(|_| FollowError::Ended)?;
        page = next;
    }
    gathered.progress.advance(gathered.folded.position);
    Ok(gathered)
}

impl Gathered {
    fn hear(&mut self, record: &Record) {
        let position = record.position;
        let event = match decode(record) {
            Ok(event) => event,
            Err(cause) => {
                let category = record.stream.category.as_str();
                self.progress.stop(category, position, &cause.to_string());
                self.keep_of_stopped();
                self.folded.position = position;
                return;
            }
        };
        let (memos, progress) = (&mut self.memos, &self.progress);
        notes_of(&event, record, &self.folded.fleet, &mut |key, note| {
            if progress.wants(key.kind, position) {
                memos.entry(key).or_default().note(note);
            }
        });
        let fleet = std::mem::take(&mut self.folded.fleet);
        self.folded.fleet = carrel_model::evolve::evolve(fleet, &event);
        self.folded.position = position;
        self.folded.at = self.folded.at.max(record.unit.origin.at);
    }

    fn keep_of_stopped(&mut self) {
        for state in &self.progress.0 {
            if state.standing != Standing::Follows {
                self.stopped.entry(state.name).or_insert_with(|| self.folded.fleet.clone());
            }
        }
    }

    fn rows(&self, chunk: Chunk, open: &dyn Open) -> Result<Rows, FollowError> {
        let (kind, memos) = chunk;
        let stopped = Projection::of(kind).and_then(|it| self.stopped.get(it.name));
        let render = Render { fleet: stopped.unwrap_or(&self.folded.fleet), open };
        let mut rows = Vec::with_capacity(memos.len());
        for (key, memo) in memos {
            if let Some(row) = render.row(key, &memo)? {
                rows.push((row, memo));
            }
        }
        Ok((kind, rows))
    }
}

type Chunk = (Kind, Vec<(Key, Memo)>);
type Rows = (Kind, Vec<(Row, Memo)>);

/// Of one kind each.
fn chunks(memos: BTreeMap<Key, Memo>) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for (key, memo) in memos {
        match chunks.last_mut() {
            Some((kind, chunk)) if *kind == key.kind && chunk.len() < BUILD_ROWS => {
                chunk.push((key, memo));
            }
            Some(_) | None => chunks.push((key.kind, vec![(key, memo)])),
        }
    }
    chunks
}
