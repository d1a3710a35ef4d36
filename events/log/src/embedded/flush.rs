//! The flusher: one thread that writes a group, makes it durable, and acknowledges it.
//!
//! A failed write or sync is never tried again: what the page cache says after it can't be
//! believed (Rebello et al., ATC 2020). The log is poisoned, and its process has to end.

use std::io;
use std::mem;
use std::sync::{Arc, MutexGuard};

use super::inner::{Inner, Job};
use super::writer::{Group, Segment, Writer};
use crate::error::AppendError;

pub(crate) fn run(inner: &Arc<Inner>) {
    while let Some((mut group, end, offset)) = next_group(inner) {
        if let Err(error) = commit(inner, &group) {
            poison(inner, group, &error);
            return;
        }
        let spare = group.segments.last_mut().map(|segment| mem::take(&mut segment.bytes));
        let number = group.segments.last().map_or(0, |segment| segment.number);
        inner.writer().made_durable(number, end, offset, spare.unwrap_or_default());
        inner.acknowledge(end.position);
        for waiter in group.waiters {
            // Whoever no longer waits does not need to know.
            let _ = waiter.send(Ok(()));
        }
        follow_up(inner, &group.segments);
    }
}

/// Waits for a group to write; nothing once the log is closed and all is written.
fn next_group(inner: &Inner) -> Option<(Group, crate::chain::End, u64)> {
    let mut writer = inner.writer();
    loop {
        if !writer.group.segments.is_empty() || !writer.group.waiters.is_empty() {
            return Some(writer.take());
        }
        if writer.closed {
            return None;
        }
        writer = inner.wait_for_work(writer);
    }
}

fn commit(inner: &Inner, group: &Group) -> io::Result<()> {
    for segment in &group.segments {
        segment.file.write_all_at(&segment.bytes, segment.offset)?;
        segment.file.sync_data()?;
        if segment.names {
            let path = inner.layout.chunk(segment.number);
            inner.disk.rename(&inner.layout.prepared(), &path)?;
            inner.disk.sync_dir(&inner.layout.chunks())?;
        }
        inner.counters.flushed(segment.bytes.len());
    }
    Ok(())
}

fn poison(inner: &Inner, group: Group, error: &io::Error) {
    let cause = error.to_string();
    tracing::error!(cause, "the log could not be written; nothing is acknowledged from here on");
    let mut writer: MutexGuard<'_, Writer> = inner.writer();
    writer.failed = Some(cause.clone());
    let gathering = mem::take(&mut writer.group);
    drop(writer);
    for waiter in group.waiters.into_iter().chain(gathering.waiters) {
        let _ = waiter.send(Err(AppendError::OutcomeUnknown(cause.clone())));
    }
    inner.failed(cause);
}

fn follow_up(inner: &Inner, segments: &[Segment]) {
    for segment in segments {
        if segment.names {
            inner.job(Job::Prepare);
        }
        if let Some(chunk) = &segment.seals {
            inner.job(Job::Finish(Arc::clone(chunk)));
        }
    }
    inner.watch_space();
}
