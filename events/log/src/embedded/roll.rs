//! From one chunk to the next.
//!
//! ```text
//!   Making --keeper--> Ready --roll--> Taken --the group is durable, the chunk is named--> Making
//!      \--keeper--> Failed --somebody needs it--> Making
//! ```

use std::mem;
use std::sync::Arc;

use super::chunk::{HEADER_BYTES, HEADER_END, Header, SEAL_FRAME_BYTES, Seal};
use super::fresh::FreshIndex;
use super::note::NOTE_FRAME_BYTES_MAX;
use super::sealed::{IndexState, SealedChunk};
use super::writer::{Active, Segment, Writer};
use crate::disk::DiskFile;
use crate::error::{AppendError, Refused, TooLarge};

/// A chunk file filled with zeros that waits for its number.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) capacity: u64,
}

/// The next chunk, which is made beforehand because making it takes long.
#[derive(Debug)]
pub(crate) enum Next {
    /// The keeper was asked for it.
    Making,
    Ready(Prepared),
    /// It is written to and does not have its name yet: its file must be left alone.
    Taken(Rolled),
    /// It could not be made; whoever needs it asks again.
    Failed(Refused),
}

/// The chunk before the active one, while its seal is on its way to the disk. Who reads sees the
/// log as it is on disk, where this chunk is still the last.
#[derive(Debug)]
pub(crate) struct Rolled {
    pub(crate) chunk: Arc<SealedChunk>,
    pub(crate) index: Arc<FreshIndex>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) durable_end: u64,
    /// The sealed chunks before it.
    pub(crate) before: Arc<Vec<Arc<SealedChunk>>>,
}

impl Writer {
    /// Makes sure that `bytes` and a seal fit into the active chunk; rolls over to the next one if
    /// they don't. Says whether there is room now.
    ///
    /// Something always stays empty behind a seal: only a chunk that was trimmed after its seal was
    /// durable ends with it, so a seal at the end of a file can be believed.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Result<bool, AppendError> {
        let needed = bytes + SEAL_FRAME_BYTES as u64;
        if self.active.end + needed < self.active.capacity {
            return Ok(true);
        }
        self.fits_a_new_chunk(bytes)?;
        match mem::replace(&mut self.next, Next::Making) {
            Next::Ready(prepared) => {
                self.roll(prepared);
                Ok(true)
            }
            Next::Failed(refused) => {
                self.ask_keeper = true;
                Err(refused.into())
            }
            waiting @ (Next::Making | Next::Taken(_)) => {
                self.next = waiting;
                Ok(false)
            }
        }
    }

    /// Whether the keeper has to be asked for the next chunk once more.
    pub(crate) fn asks_keeper(&mut self) -> bool {
        mem::take(&mut self.ask_keeper)
    }

    /// A chunk of the usual size has room for the largest batch; a very small one may not.
    fn fits_a_new_chunk(&self, bytes: u64) -> Result<(), TooLarge> {
        let notes = self.notes.names() * NOTE_FRAME_BYTES_MAX;
        let taken = (HEADER_BYTES + notes + SEAL_FRAME_BYTES) as u64;
        let max = self.chunk_bytes.saturating_sub(taken + 1);
        if bytes <= max {
            return Ok(());
        }
        let index = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Err(TooLarge::Batch { given: index(bytes), max: index(max) })
    }

    fn roll(&mut self, prepared: Prepared) {
        let number = self.active.header.number + 1;
        let seal = Seal {
            number: self.active.header.number,
            first: self.active.header.first,
            last: self.accepted.position,
            link: self.accepted.link,
            incarnation: self.notes.incarnation,
            units: self.active.index.units,
        };
        let seal_offset = self.active.end;
        let segment = self.segment();
        seal.write(&mut segment.bytes, segment.offset);
        let index = Arc::new(mem::take(&mut self.active.index));
        let chunk = Arc::new(SealedChunk::new(
            Arc::clone(&self.disk),
            self.active.path.clone(),
            self.active.header,
            (seal, seal_offset),
            IndexState::Fresh(Arc::clone(&index)),
        ));
        self.segment().seals = Some(Arc::clone(&chunk));
        self.horizon.push(&chunk);
        self.next = Next::Taken(Rolled {
            chunk: Arc::clone(&chunk),
            index,
            file: Arc::clone(&self.active.file),
            durable_end: self.active.durable_end,
            before: Arc::clone(&self.sealed),
        });
        Arc::make_mut(&mut self.sealed).push(chunk);

        let header = Header {
            log_id: self.log_id,
            number,
            incarnation: self.notes.incarnation,
            first: self.accepted.position.next(),
            link: self.accepted.link,
        };
        let path = self.active.path.with_file_name(format!("{number:010}.chunk"));
        let file = prepared.file;
        let mut bytes = Vec::with_capacity(self.spare.capacity());
        bytes.extend_from_slice(&header.write());
        for note in self.notes.carried() {
            note.write(&mut bytes, 0, self.accepted.position);
        }
        self.active = Active {
            file: Arc::clone(&file),
            path,
            header,
            capacity: prepared.capacity,
            end: bytes.len() as u64,
            durable_end: HEADER_END,
            index: FreshIndex::default(),
        };
        let segment = Segment { file, number, offset: 0, bytes, names: true, seals: None };
        self.group.segments.push(segment);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use carrel_testkit::units::Units;

    use super::*;
    use crate::disk::OsDisk;
    use crate::embedded::{EmbeddedLog, Options, keeper};
    use crate::{EventLog, Expected};

    /// Whoever asks the keeper for the next chunk while the last one it made is written to and has
    /// no name yet must not have that file replaced: what was acknowledged would be in no file.
    #[tokio::test]
    async fn a_file_that_is_taken_and_has_no_name_yet_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(Arc::new(OsDisk), dir.path(), Options::of_a_test()).unwrap();
        let mut units = Units::new(1);
        log.append(Expected::Any, vec![units.small(1)]).await.unwrap();
        let prepared = log.inner.layout.prepared();
        while !matches!(log.inner.writer().next, Next::Ready(_)) {
            tokio::task::yield_now().await;
        }
        let before = fs::metadata(&prepared).unwrap().ino();
        {
            let mut writer = log.inner.writer();
            let (end, capacity) = (writer.active.end, writer.active.capacity);
            assert!(writer.make_room(capacity - end - SEAL_FRAME_BYTES as u64).unwrap());
            assert!(matches!(writer.next, Next::Taken(_)));
        }
        keeper::prepare(&log.inner);
        assert_eq!(fs::metadata(&prepared).unwrap().ino(), before);
        let answers = log.append(Expected::Any, vec![units.small(1)]).await.unwrap();
        drop(log);
        let log = EmbeddedLog::open(Arc::new(OsDisk), dir.path(), Options::of_a_test()).unwrap();
        assert_eq!(log.head().await.unwrap().position, answers[0].last);
        assert_eq!(
            log.lookup(answers[0].command_id).await.unwrap().unwrap().first,
            answers[0].first
        );
    }
}
