//! The flusher: one thread that writes a group, makes it durable, and acknowledges it.
//!
//! A failed write or sync is never tried again: what the page cache says after it can't be
//! believed (Rebello et al., ATC 2020). The log is poisoned, and its process has to end.

use std::io;
use std::mem;
use std::sync::Arc;

use super::inner::{Inner, Job};
use super::writer::{Group, Segment, Waiter};
use crate::error::AppendError;

pub(crate) fn run(inner: &Arc<Inner>) {
    while let Some((mut group, end, offset)) = next_group(inner) {
        if let Err(error) = commit(inner, &group) {
            inner.poison(error.to_string(), group.waiters);
            return;
        }
        if inner.writer().made_durable(&mut group, end, offset) {
            inner.job(Job::Prepare);
        }
        inner.ends_at.announce(end.position);
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

impl Inner {
    /// Nothing is acknowledged from here on.
    pub(crate) fn poison(&self, cause: String, waiters: Vec<Waiter>) {
        tracing::error!(cause, "the log can't be written; nothing is acknowledged from here on");
        let mut writer = self.writer();
        writer.failed = Some(cause.clone());
        let gathering = mem::take(&mut writer.group);
        drop(writer);
        for waiter in waiters.into_iter().chain(gathering.waiters) {
            let _ = waiter.send(Err(AppendError::OutcomeUnknown(cause.clone())));
        }
        self.failed(cause);
    }
}

fn follow_up(inner: &Inner, segments: &[Segment]) {
    for segment in segments {
        if let Some(chunk) = &segment.seals {
            inner.job(Job::Finish(Arc::clone(chunk)));
        }
    }
    inner.watch_space();
}
