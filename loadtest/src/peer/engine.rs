//! Stores that are libraries, and that let one writer in at a time.
//!
//! One writer calls them directly. Several put their events into a queue, and one thread commits
//! all that wait in one transaction: the fastest that can be built on each of them.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use tokio::sync::oneshot;

use crate::Failure;
use crate::events::{Event, STREAMS, Source};
use crate::load::{Load, Sample, Writer, alone, metered, together};
use crate::place::Place;
use crate::store::Store;

pub(super) trait Engine: Sized + Send + 'static {
    const NAME: &'static str;
    const DOES: &'static str;

    fn open(dir: &Path) -> Result<Self, Failure>;

    /// Keeps events in one transaction that is durable when this returns.
    fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), Failure>;
}

/// An event in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) position: u64,
    pub(super) stream: u64,
    pub(super) version: u64,
    pub(super) data: &'a [u8],
}

/// Gives out positions and versions; all engines get them for nothing.
#[derive(Debug)]
struct Places {
    position: u64,
    versions: [u64; STREAMS],
}

impl Places {
    fn row<'a>(&mut self, event: &'a Event) -> Row<'a> {
        self.position += 1;
        let version = &mut self.versions[event.stream];
        *version += 1;
        let (position, version) = (self.position, *version);
        Row { position, stream: event.stream as u64, version, data: &event.body }
    }
}

#[derive(Debug)]
pub(super) struct Queued<E>(PhantomData<E>);

impl<E> Default for Queued<E> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Engine> Store for Queued<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn does(&self) -> &'static str {
        E::DOES
    }

    fn appends(&self, load: &Load, place: &Place) -> Result<Sample, Failure> {
        let dir = place.fresh()?;
        let engine = E::open(dir.path())?;
        let places = Places { position: 0, versions: [0; STREAMS] };
        let source = Source::new(load.seed)?;
        if load.writers == 1 {
            directly(load, engine, places, source)
        } else {
            queued(load, engine, places, source)
        }
    }
}

fn directly<E: Engine>(
    load: &Load,
    mut engine: E,
    mut places: Places,
    mut source: Source,
) -> Result<Sample, Failure> {
    metered(load, None, |span| {
        alone(span, || {
            let event = source.event();
            engine.commit(&[places.row(&event)])
        })
    })
}

fn queued<E: Engine>(
    load: &Load,
    engine: E,
    places: Places,
    mut source: Source,
) -> Result<Sample, Failure> {
    let runtime = load.runtime()?;
    let (queue, waiting) = mpsc::channel();
    let committing = thread::Builder::new()
        .name("committer".into())
        .spawn(move || commit_all(engine, places, &waiting))?;
    let writers = (0..load.writers)
        .map(|_| Appender { queue: queue.clone(), source: source.split() })
        .collect();
    drop(queue);
    let sample = metered(load, None, |span| runtime.block_on(together(span, writers)));
    committing.join().map_err(|_| "the committing thread panicked")??;
    sample
}

type Waiting = (Event, oneshot::Sender<()>);

/// Ends when all writers have.
fn commit_all<E: Engine>(
    mut engine: E,
    mut places: Places,
    waiting: &Receiver<Waiting>,
) -> Result<(), Failure> {
    while let Ok(first) = waiting.recv() {
        let all: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let rows: Vec<Row<'_>> = all.iter().map(|(event, _)| places.row(event)).collect();
        engine.commit(&rows)?;
        for (_, waiter) in all {
            // It waits: there is nothing else that it could do.
            let _ = waiter.send(());
        }
    }
    Ok(())
}

struct Appender {
    queue: Sender<Waiting>,
    source: Source,
}

impl Writer for Appender {
    async fn append(&mut self) -> Result<(), Failure> {
        let (waiter, done) = oneshot::channel();
        let sent = self.queue.send((self.source.event(), waiter));
        sent.map_err(|_| "the committing thread ended")?;
        Ok(done.await?)
    }
}
