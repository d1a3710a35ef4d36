//! Follows the log, and keeps the fleet that it gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use carrel_decider::limits::PACKED_AFTER;
use carrel_decider::{FoldError, Snapshots};
use carrel_failpoint::{Point, reached};
use carrel_log::{Cursor, EventLog, Page, PageLimit, ReadError, each_page};
use carrel_model::event::Stream;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{FromUuid, ImageId, MachineId, SessionId};
use carrel_model::record::{Position, Record, StreamId};
use carrel_model::session::Session;
use carrel_model::work::Thing;
use tokio::sync::watch;

use crate::back_off::BackOff;
use crate::touched::{Cause, Shown, Touched};

/// Things that facts were about, each with the last cause.
type Things = BTreeMap<Thing, Cause>;

pub(crate) struct Tail {
    log: Arc<dyn EventLog>,
    shown: watch::Sender<Shown>,
    touched: Arc<Touched>,
}

/// A tail, and up to where facts were told before.
pub(crate) struct Started {
    pub(crate) tail: Tail,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) touched: Arc<Touched>,
    pub(crate) told: Position,
}

/// Folds everything that is in the log. What was touched behind the cursor is to be ordered;
/// everything is, if the cursor is of another past.
pub(crate) async fn start(
    log: Arc<dyn EventLog>,
    snapshots: Option<&Snapshots>,
    cursor: Option<Cursor>,
) -> Result<Started, FoldError> {
    let incarnation = log.head().await?.incarnation;
    let of_this_past = cursor.filter(|cursor| cursor.incarnation == incarnation);
    let standing = match (of_this_past, snapshots) {
        (Some(cursor), Some(snapshots)) => snapshots.newest(&*log, Some(cursor.position)).await?,
        (Some(_), None) | (None, _) => None,
    };
    let mut shown = Shown { standing: standing.unwrap_or_default(), incarnation };
    let from = shown.standing.position;
    let (mut told, mut things) = (from, Things::new());
    each_page(&*log, from, |page: Page| {
        for record in &page.records {
            fold(&mut shown, record, &mut things)?;
            if was_told(record, cursor) {
                told = record.position;
                things.clear();
            }
        }
        Ok::<_, FoldError>(true)
    })
    .await?;
    if shown.standing.position.0 - from.0 >= PACKED_AFTER {
        shown.standing.fleet.pack();
    }
    let touched = Arc::new(Touched::default());
    if of_this_past.is_none() {
        touched.again(all(&shown.standing.fleet));
    }
    touched.folded(&shown, things);
    let (shown, seen) = watch::channel(shown);
    let tail = Tail { log, shown, touched: Arc::clone(&touched) };
    Ok(Started { tail, shown: seen, touched, told })
}

/// A restore may have put another fact into the place of one that was told: its incarnation tells.
fn was_told(record: &Record, cursor: Option<Cursor>) -> bool {
    cursor.is_some_and(|cursor| {
        record.position <= cursor.position && record.unit.incarnation <= cursor.incarnation
    })
}

fn all(fleet: &Fleet) -> impl Iterator<Item = Thing> {
    let machines = fleet.machines.iter().map(|(id, _)| Thing::Machine(id));
    machines.chain(fleet.images.iter().map(|(id, _)| Thing::Image(id)))
}

/// Folds one fact, and notes whose work it may have changed.
fn fold(shown: &mut Shown, record: &Record, things: &mut Things) -> Result<(), FoldError> {
    let before = concerned(&shown.standing.fleet, &record.stream);
    shown.standing.follow(std::slice::from_ref(record))?;
    // A session that has moved was on one machine and is on another; one that has ended is on none.
    let after = concerned(&shown.standing.fleet, &record.stream);
    things.extend(before.into_iter().chain(after).map(|thing| (thing, Cause::from(record))));
    Ok(())
}

/// The thing that a stream is about, if hosts are told something about it.
fn concerned(fleet: &Fleet, stream: &StreamId) -> Option<Thing> {
    let category = stream.category.as_str();
    if category == MachineId::CATEGORY {
        Some(Thing::Machine(MachineId::from_uuid(stream.id)))
    } else if category == ImageId::CATEGORY {
        Some(Thing::Image(ImageId::from_uuid(stream.id)))
    } else if category == SessionId::CATEGORY {
        let session = fleet.sessions.get(SessionId::from_uuid(stream.id));
        session.and_then(Session::machine).map(Thing::Machine)
    } else {
        None
    }
}

impl Tail {
    /// Follows until the log is closed.
    pub(crate) async fn run(self) -> Result<(), FoldError> {
        let mut shown = self.shown.borrow().clone();
        let mut back_off = BackOff::default();
        loop {
            let page = match self.next(shown.standing.position).await {
                Ok(page) => page,
                Err(ReadError::Over) => return Ok(()),
                Err(ReadError::Unreachable(cause)) => {
                    if back_off.is_first() {
                        tracing::warn!(cause, "the log can't be reached; the relay waits for it");
                    }
                    back_off.wait().await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            reached(Point::TailRead);
            back_off = BackOff::default();
            let mut things = Things::new();
            let mut is_anew = false;
            for record in &page.records {
                fold(&mut shown, record, &mut things)?;
                is_anew |= record.unit.incarnation > shown.incarnation;
                shown.incarnation = shown.incarnation.max(record.unit.incarnation);
            }
            if is_anew {
                self.touched.again(all(&shown.standing.fleet));
            }
            self.touched.folded(&shown, things);
            self.shown.send_replace(shown.clone());
        }
    }

    async fn next(&self, after: Position) -> Result<Page, ReadError> {
        self.log.wait_past(after).await?;
        self.log.read(after, PageLimit::MAX).await
    }
}
