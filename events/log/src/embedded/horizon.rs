//! The largest ids of the sealed chunks. Ids of version 7 grow with time, so most that come in are
//! larger than all there are, and then not one chunk has to be asked, however many there are.

use std::sync::Arc;

use super::sealed::SealedChunk;

/// The largest command id and the largest stream id of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Largest {
    pub(crate) command: [u8; 16],
    pub(crate) stream: [u8; 16],
}

impl Largest {
    /// Of a chunk whose index is lost, which may have any id.
    const UNKNOWN: Self = Self { command: [u8::MAX; 16], stream: [u8::MAX; 16] };

    fn max(self, other: Self) -> Self {
        Self { command: self.command.max(other.command), stream: self.stream.max(other.stream) }
    }
}

/// For each sealed chunk, what it has and what it and all before it have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Horizon(Vec<(Largest, Largest)>);

impl Horizon {
    pub(crate) fn of(chunks: &[Arc<SealedChunk>]) -> Self {
        let mut horizon = Self::default();
        chunks.iter().for_each(|chunk| horizon.push(chunk));
        horizon
    }

    pub(crate) fn push(&mut self, chunk: &SealedChunk) {
        self.add(chunk.largest().unwrap_or(Largest::UNKNOWN));
    }

    fn add(&mut self, own: Largest) {
        let before = self.0.last().map(|(_, all)| *all).unwrap_or_default();
        self.0.push((own, before.max(own)));
    }

    /// The numbers of the chunks that may have a command, the newest first.
    pub(crate) fn of_command(&self, id: [u8; 16]) -> impl Iterator<Item = usize> {
        self.reaching(move |largest| id <= largest.command)
    }

    /// The same for a stream.
    pub(crate) fn of_stream(&self, id: [u8; 16]) -> impl Iterator<Item = usize> {
        self.reaching(move |largest| id <= largest.stream)
    }

    fn reaching(&self, reaches: impl Fn(&Largest) -> bool) -> impl Iterator<Item = usize> {
        let newest_first = self.0.iter().enumerate().rev();
        newest_first
            .map_while(move |(nth, (own, all))| reaches(all).then(|| (nth, reaches(own))))
            .filter_map(|(nth, own)| own.then_some(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest(command: u8, stream: u8) -> Largest {
        Largest { command: [command; 16], stream: [stream; 16] }
    }

    #[test]
    fn an_id_is_looked_for_where_it_can_be() {
        let mut horizon = Horizon::default();
        for (command, stream) in [(1, 10), (5, 20), (3, 30)] {
            horizon.add(largest(command, stream));
        }
        let commands = |id: u8| horizon.of_command([id; 16]).collect::<Vec<_>>();
        assert_eq!(commands(1), [2, 1, 0]);
        assert_eq!(commands(3), [2, 1]);
        assert_eq!(commands(4), [1]);
        assert_eq!(commands(6), [0; 0]);
        assert_eq!(horizon.of_stream([25; 16]).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_chunk_that_is_not_known_is_always_asked() {
        let mut horizon = Horizon::default();
        horizon.add(Largest::UNKNOWN);
        horizon.add(largest(1, 1));
        assert_eq!(horizon.of_command([u8::MAX; 16]).collect::<Vec<_>>(), [0]);
        assert_eq!(horizon.of_stream([2; 16]).collect::<Vec<_>>(), [0]);
    }
}
