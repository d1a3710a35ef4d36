//! The port: what every adapter promises, whatever it stands on.
//!
//! - Positions run 1, 2, 3 ... in commit order; nothing is visible before it is durable, and what
//!   is visible never changes. The exception is
//!   [`EmbeddedReader`](crate::embedded::EmbeddedReader), which reads what another process writes:
//!   it sees a group as soon as it is written, a moment before it is durable, and refuses every
//!   write.
//! - A batch is written whole or not at all.
//! - A command id is written at most once. The same id again, with the same fingerprint, gets the
//!   first answer; with another it is refused. A batch of nothing but known commands is answered
//!   whatever head or epoch it expects: asking again must not fail because the first attempt
//!   succeeded.
//! - Nothing is acknowledged before it is durable.
//! - Dropping the future of an append gives up waiting, not the append.

use async_trait::async_trait;
use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::{ConsumerName, LeaseName, SnapshotKind};
use carrel_model::record::{
    CommandUnit, Epoch, Fingerprint, Incarnation, Position, Record, StreamId, Version,
};

use crate::chain::Link;
use crate::error::{AppendError, CursorError, ReadError, TooLarge};
use crate::limits::{PAGE_BYTES_MAX, PAGE_RECORDS_MAX, SNAPSHOT_BYTES_MAX, TURN_CATCH_UP_MAX};

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub position: Position,
    /// The chain link of the last record; it vouches for all before it.
    pub link: Link,
    pub incarnation: Incarnation,
    pub log_id: LogId,
}

impl Head {
    /// Refuses a writer that knows up to `have`, if it is too far behind to catch up within its
    /// turn, or ahead of the log: then it followed a past that a restore has undone.
    pub(crate) fn within_reach_of(&self, have: Position) -> Result<(), AppendError> {
        let actual = self.position;
        let Some(behind) = actual.0.checked_sub(have.0) else {
            return Err(AppendError::Conflict { expected: have, actual });
        };
        if behind > TURN_CATCH_UP_MAX {
            return Err(TooLarge::CatchUp { given: behind, max: TURN_CATCH_UP_MAX }.into());
        }
        Ok(())
    }
}

/// What a writer knows of the end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The log ends exactly here.
    At(Position),
    /// The writer does not mind; many such appends share one write to disk.
    Any,
}

/// Refuses the append unless this epoch of the lease is still the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    pub lease: LeaseName,
    pub epoch: Epoch,
}

/// What became of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub command_id: CommandId,
    pub fingerprint: Fingerprint,
    pub first: Position,
    pub last: Position,
    /// It was there before this append.
    pub duplicate: bool,
}

/// How much to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    pub records: usize,
    pub bytes: usize,
}

impl PageLimit {
    pub const MAX: Self = Self { records: PAGE_RECORDS_MAX, bytes: PAGE_BYTES_MAX };

    pub const fn records(records: usize) -> Self {
        Self { records, bytes: PAGE_BYTES_MAX }
    }

    /// Callers may ask for more than the limits allow; they get the limits.
    #[must_use]
    pub(crate) fn capped(self) -> Self {
        Self {
            records: self.records.clamp(1, PAGE_RECORDS_MAX),
            bytes: self.bytes.clamp(1, PAGE_BYTES_MAX),
        }
    }
}

/// Records in order. A page ends at the limit, or at the end of the log as it was then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub records: Vec<Record>,
    /// There was no more when this page was read.
    pub at_end: bool,
}

/// How far a named consumer has come. Position and incarnation go together: after the log's past
/// changed, a consumer finds that the incarnation is not the one it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub position: Position,
    pub epoch: Epoch,
    pub incarnation: Incarnation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotKey {
    pub kind: SnapshotKind,
    /// A hash of the model that wrote it: another model ignores it.
    pub model: [u8; 32],
}

/// A fold of the log up to a position. It saves time only: it can always be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub key: SnapshotKey,
    pub position: Position,
    /// The chain link at that position: a snapshot of another past is not given out.
    pub link: Link,
    pub data: bytes::Bytes,
}

impl Snapshot {
    pub(crate) fn fits(&self) -> Result<(), TooLarge> {
        let (given, max) = (self.data.len() as u64, SNAPSHOT_BYTES_MAX);
        if given > max { Err(TooLarge::Snapshot { given, max }) } else { Ok(()) }
    }
}

#[async_trait]
pub trait EventLog: Send + Sync {
    async fn head(&self) -> Result<Head, ReadError>;

    /// Takes the writer's place, and says what happened since `have`. Nobody else appends until
    /// the turn has appended or is dropped. A `have` beyond the end of the log is a conflict.
    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError>;

    /// A turn and its append in one. The answers are in the order of the units.
    async fn append(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
    ) -> Result<Vec<Answer>, AppendError>;

    /// The first answer that a command id got.
    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError>;

    /// Records after a position, in order.
    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError>;

    /// Records of one stream after a version, in order.
    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError>;

    /// Returns once the log ends after `position`.
    async fn wait_past(&self, position: Position) -> Result<Position, ReadError>;

    /// Durable when it returns. Refuses an epoch older than the cursor's.
    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError>;

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError>;

    /// All cursors, by name.
    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError>;

    /// Gives out the lease's next epoch, durably: guards with an older one are refused from then
    /// on.
    async fn raise_epoch(&self, lease: &LeaseName) -> Result<Epoch, CursorError>;

    /// The chain's link after the record at a position, as the log keeps it; nothing behind its
    /// end.
    async fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError>;

    /// Keeps a snapshot, and drops all but the newest few of its kind.
    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), CursorError>;

    /// The newest snapshot that this model wrote of this past and that is whole.
    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError>;

    /// Continues a log that was exported elsewhere: the units come with the places that they had,
    /// and must fit the end of this one. Positions, incarnations and links stay as they were. It is
    /// under the limits of an append. Units before the first that does not fit may stay: what is
    /// in the log is continuous, and the import can be resumed at its head.
    async fn import(&self, units: Vec<PlacedUnit>) -> Result<Head, AppendError>;

    /// Ends an import: from here on it is a log of its own, at a higher incarnation.
    async fn finish_import(&self) -> Result<Head, AppendError>;

    /// Waits for what is under way, and gives up the writer's place for good.
    async fn close(&self) -> Result<(), ReadError>;
}

/// The writer's place, and the log as it is now.
#[async_trait]
pub trait Turn: Send {
    /// The end of the log. It stays there while this turn lasts.
    fn head(&self) -> Head;

    /// What was appended since the position that the turn was asked with.
    fn since(&self) -> &[Record];

    async fn append(
        self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<Answer>, AppendError>;
}

/// A unit with the place it already has in the log that it was exported from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedUnit {
    pub unit: CommandUnit,
    pub first: Position,
    pub incarnation: Incarnation,
    /// The chain link after its last record.
    pub link: Link,
}

impl PlacedUnit {
    /// A unit can only be imported right behind the end of the log.
    pub(crate) fn fits(&self, head: &Head) -> Result<(), AppendError> {
        let after = head.position;
        if self.first != after.next() {
            let what = format!("the next unit starts at position {}", self.first);
            return Err(AppendError::not_continuous(after, what));
        }
        if self.incarnation < head.incarnation && after > Position::START {
            let (given, ours) = (self.incarnation, head.incarnation);
            let what = format!("its incarnation is {given}, this log is at {ours} already");
            return Err(AppendError::not_continuous(after, what));
        }
        Ok(())
    }
}
