//! The load: writers that append one event after the other, each as soon as its last one is
//! acknowledged, and what is counted of them.
//!
//! Nobody thinks between two appends, so the latencies are those of a store that always has so many
//! writers waiting; they are not those of a load that comes at a given rate.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::syncs::Tracer;
use crate::{Failure, clock, cpu};

/// Caches fill and files reach their size before anything is counted.
const WARM_UP: Duration = Duration::from_millis(1_000);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) writers: usize,
    pub(crate) measured: Duration,
    pub(crate) seed: u64,
    /// Has strace count the syncs, which makes everything else slower.
    pub(crate) count_syncs: bool,
}

impl Load {
    pub(crate) const fn warm_up(&self) -> Duration {
        WARM_UP
    }

    /// One writer has a thread to itself; more share as many as there are cores.
    pub(crate) fn runtime(&self) -> Result<Runtime, Failure> {
        let mut builder = if self.writers == 1 {
            Builder::new_current_thread()
        } else {
            Builder::new_multi_thread()
        };
        Ok(builder.enable_all().worker_threads(cores()).build()?)
    }
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// From when until when events are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    begin: Instant,
    end: Instant,
}

/// What one or several writers appended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Warm-up included.
    pub(crate) all: u64,
    /// Nanoseconds until each event was acknowledged, of those in the span.
    waited: Vec<u32>,
}

impl Tally {
    fn ended(&mut self, started: Instant, span: Span) -> ControlFlow<()> {
        let ended = clock::now();
        self.all += 1;
        if ended >= span.end {
            return ControlFlow::Break(());
        }
        if ended >= span.begin {
            self.waited.push(u32::try_from((ended - started).as_nanos()).unwrap_or(u32::MAX));
        }
        ControlFlow::Continue(())
    }

    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.waited.extend(other.waited);
    }
}

pub(crate) trait Writer: Send + 'static {
    fn append(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// All writers at once, each a task.
pub(crate) async fn together<W: Writer>(span: Span, writers: Vec<W>) -> Result<Tally, Failure> {
    let mut tasks = JoinSet::new();
    for mut writer in writers {
        tasks.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let started = clock::now();
                writer.append().await?;
                if tally.ended(started, span).is_break() {
                    return Ok::<_, Failure>(tally);
                }
            }
        });
    }
    let mut all = Tally::default();
    while let Some(tally) = tasks.join_next().await {
        all.add(tally??);
    }
    Ok(all)
}

/// All writers at a given rate together, whatever becomes of each: who is late with one is late
/// with the next, and that is counted (no coordinated omission). That timers are late is not.
pub(crate) async fn at_rate<W: Writer>(
    span: Span,
    rate: f64,
    writers: Vec<W>,
) -> Result<Tally, Failure> {
    let between = Duration::from_secs_f64(writers.len() as f64 / rate);
    let begin = clock::now();
    let mut tasks = JoinSet::new();
    for (nth, mut writer) in writers.into_iter().enumerate() {
        let mut due = begin + Duration::from_secs_f64(nth as f64 / rate);
        tasks.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let mut started = due;
                if clock::now() < due {
                    tokio::time::sleep_until(due.into()).await;
                    started = clock::now();
                }
                writer.append().await?;
                if tally.ended(started, span).is_break() {
                    return Ok::<_, Failure>(tally);
                }
                due += between;
            }
        });
    }
    let mut all = Tally::default();
    while let Some(tally) = tasks.join_next().await {
        all.add(tally??);
    }
    Ok(all)
}

/// One writer, on this thread.
pub(crate) fn alone(
    span: Span,
    mut append: impl FnMut() -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    loop {
        let started = clock::now();
        append()?;
        if tally.ended(started, span).is_break() {
            return Ok(tally);
        }
    }
}

/// What one store did in one round.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Events a second.
    pub(crate) rate: f64,
    /// Nanoseconds.
    pub(crate) waited: Histogram<u64>,
    /// Of everybody who took part, for one event.
    pub(crate) cpu: Duration,
    /// For one event; not every run counts them.
    pub(crate) syncs: Option<f64>,
}

/// Runs a load in this process, and counts what it takes here and in a server.
pub(crate) fn metered(
    load: &Load,
    server: Option<u32>,
    run: impl FnOnce(Span) -> Result<Tally, Failure>,
) -> Result<Sample, Failure> {
    let tracer = Tracer::attach_if(load.count_syncs, server)?;
    let before = cpu_of(server);
    let begin = clock::now() + load.warm_up();
    let span = Span { begin, end: begin + load.measured };
    let tally = run(span)?;
    let spent = cpu_of(server).saturating_sub(before);
    let syncs = tracer.map(Tracer::finish).transpose()?;

    let mut waited = Histogram::new(3)?;
    for nanos in &tally.waited {
        waited.record(u64::from(*nanos))?;
    }
    Ok(Sample {
        rate: tally.waited.len() as f64 / load.measured.as_secs_f64(),
        waited,
        cpu: spent.div_f64(tally.all.max(1) as f64),
        syncs: syncs.map(|syncs| syncs as f64 / tally.all.max(1) as f64),
    })
}

pub(crate) fn cpu_of(server: Option<u32>) -> Duration {
    cpu::own() + server.map(cpu::of_server).unwrap_or_default()
}
