//! The least that any log has to do: bytes of the same length, made durable in the same way, and
//! nothing else. No store can be faster on this machine without keeping less.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::{mem, thread};

use tokio::sync::oneshot;

use crate::figures::Spread;
use crate::load::{Load, Sample, Writer, alone, metered, together};
use crate::place::Place;
use crate::store::Store;
use crate::{Failure, clock};

/// Larger than what any round writes between two syncs; writing goes on at its beginning.
const FILE_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Bare {
    /// Of one event.
    pub(crate) frame_bytes: usize,
}

impl Store for Bare {
    fn name(&self) -> &'static str {
        "bare loop"
    }

    fn does(&self) -> &'static str {
        "writes as many bytes of nothing into a file of zeros; fdatasync for each event of a single \
         writer, for each double-buffered group of several"
    }

    fn appends(&self, load: &Load, place: &Place) -> Result<Sample, Failure> {
        let dir = place.fresh()?;
        let file = Ring { file: zeros(&dir.path().join("bare"))?, at: 0 };
        if load.writers == 1 { self.alone(load, file) } else { self.together(load, file) }
    }
}

impl Bare {
    fn alone(&self, load: &Load, mut file: Ring) -> Result<Sample, Failure> {
        let frame = vec![b'x'; self.frame_bytes];
        let load = Load { count_syncs: false, ..*load };
        let sample = metered(&load, None, |span| alone(span, || Ok(file.write(&frame)?)))?;
        Ok(Sample { syncs: Some(1.0), ..sample })
    }

    fn together(&self, load: &Load, mut file: Ring) -> Result<Sample, Failure> {
        let gathering = Arc::new(Gathering::default());
        let flusher = Arc::clone(&gathering);
        let flushing = thread::Builder::new()
            .name("flusher".into())
            .spawn(move || flusher.flush(&mut file))?;
        let writers = (0..load.writers)
            .map(|_| Appender {
                frame: vec![b'x'; self.frame_bytes],
                gathering: Arc::clone(&gathering),
            })
            .collect();
        let runtime = load.runtime()?;
        let load = Load { count_syncs: false, ..*load };
        let mut all = 0;
        let sample = metered(&load, None, |span| {
            let tally = runtime.block_on(together(span, writers))?;
            all = tally.all;
            Ok(tally)
        })?;
        gathering.close();
        flushing.join().map_err(|_| "the flusher panicked")??;
        let syncs = gathering.syncs.load(Ordering::Relaxed) as f64 / all as f64;
        Ok(Sample { syncs: Some(syncs), ..sample })
    }
}

/// How long half of all single writes with fdatasync take at most: what the disk gives.
pub(crate) fn sync_micros(place: &Place) -> Result<f64, Failure> {
    const WRITES: usize = 2_000;
    const BYTES: usize = 512;
    let dir = place.fresh()?;
    let mut file = Ring { file: zeros(&dir.path().join("bare"))?, at: 0 };
    let mut micros = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let (took, written) = clock::timed(|| file.write(&[b'x'; BYTES]));
        written?;
        micros.push(took.as_secs_f64() * 1_000_000.0);
    }
    Ok(Spread::of(micros).median)
}

/// A file that is written to from the beginning again once its end is reached.
struct Ring {
    file: File,
    at: u64,
}

impl Ring {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.at + bytes.len() as u64 > FILE_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        self.file.sync_data()
    }
}

/// The group that the next write takes.
#[derive(Debug, Default)]
struct Gathering {
    group: Mutex<Group>,
    work: Condvar,
    syncs: AtomicU64,
}

#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    waiters: Vec<oneshot::Sender<()>>,
    closed: bool,
}

impl Gathering {
    fn put(&self, frame: &[u8]) -> oneshot::Receiver<()> {
        let (waiter, done) = oneshot::channel();
        let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        group.bytes.extend_from_slice(frame);
        group.waiters.push(waiter);
        drop(group);
        self.work.notify_one();
        done
    }

    fn close(&self) {
        self.group.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.work.notify_one();
    }

    fn flush(&self, file: &mut Ring) -> io::Result<()> {
        let (mut bytes, mut waiters) = (Vec::new(), Vec::new());
        loop {
            {
                let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
                while group.waiters.is_empty() {
                    if group.closed {
                        return Ok(());
                    }
                    group = self.work.wait(group).unwrap_or_else(PoisonError::into_inner);
                }
                mem::swap(&mut bytes, &mut group.bytes);
                mem::swap(&mut waiters, &mut group.waiters);
            }
            file.write(&bytes)?;
            self.syncs.fetch_add(1, Ordering::Relaxed);
            bytes.clear();
            for waiter in waiters.drain(..) {
                // It waits: there is nothing else that it could do.
                let _ = waiter.send(());
            }
        }
    }
}

struct Appender {
    frame: Vec<u8>,
    gathering: Arc<Gathering>,
}

impl Writer for Appender {
    async fn append(&mut self) -> Result<(), Failure> {
        Ok(self.gathering.put(&self.frame).await?)
    }
}

fn zeros(path: &Path) -> io::Result<File> {
    const AT_ONCE: usize = 1024 * 1024;
    let mut file = File::create_new(path)?;
    let zeros = vec![0; AT_ONCE];
    for _ in 0..FILE_BYTES / AT_ONCE as u64 {
        file.write_all(&zeros)?;
    }
    file.sync_all()?;
    Ok(file)
}
