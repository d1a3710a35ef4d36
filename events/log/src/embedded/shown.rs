//! What of the writer's state may be shown: what is on disk.

use std::path::PathBuf;
use std::sync::Arc;

use carrel_model::ids::CommandId;
use carrel_model::record::{Position, StreamId, Version};

use super::chunk::{HEADER_END, Header};
use super::fresh::{self, FreshIndex};
use super::roll::Next;
use super::sealed::SealedChunk;
use super::view::{ActiveView, View};
use super::writer::Writer;
use crate::disk::DiskFile;
use crate::port::Answer;

/// The last chunk as it is on disk.
#[derive(Clone, Copy, Debug)]
struct Last<'a> {
    file: &'a Arc<dyn DiskFile>,
    path: &'a PathBuf,
    header: &'a Header,
    index: &'a FreshIndex,
    end: u64,
    before: &'a Arc<Vec<Arc<SealedChunk>>>,
}

impl Writer {
    fn last(&self) -> Last<'_> {
        let active = &self.active;
        if let Next::Taken(rolled) = &self.next {
            return Last {
                file: &rolled.file,
                path: &rolled.chunk.path,
                header: &rolled.chunk.header,
                index: &rolled.index,
                end: rolled.durable_end,
                before: &rolled.before,
            };
        }
        Last {
            file: &active.file,
            path: &active.path,
            header: &active.header,
            index: &active.index,
            end: active.durable_end,
            before: &self.sealed,
        }
    }

    /// What is durable, to be read from `after` on.
    pub(crate) fn view(&self, after: Position) -> View {
        let last = self.last();
        let start = fresh::waypoint(&last.index.waypoints, after.next()).map(u64::from);
        View {
            sealed: Arc::clone(last.before),
            active: ActiveView {
                file: Arc::clone(last.file),
                path: last.path.clone(),
                first: last.header.first,
                link: last.header.link,
                start: start.filter(|start| *start < last.end).unwrap_or(HEADER_END),
                end: last.end,
            },
            until: self.durable.position,
        }
    }

    /// The offsets of a stream's durable units in the last chunk, after a version.
    pub(crate) fn postings(&self, stream: &StreamId, after: Version) -> Vec<u32> {
        let last = self.last();
        let Some(postings) = last.index.streams.get(stream) else { return Vec::new() };
        postings
            .after(after)
            .iter()
            .copied()
            .take_while(|offset| u64::from(*offset) < last.end)
            .collect()
    }

    /// What a command was answered whose unit is in the last chunk and durable.
    pub(crate) fn durable_answer(&self, id: CommandId) -> Option<Answer> {
        let answer = self.last().index.answer(id);
        answer.filter(|answer| answer.last <= self.durable.position)
    }
}
