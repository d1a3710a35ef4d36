//! Questions that the indexes answer.

use std::ops::Bound::{Excluded, Included, Unbounded};

use uuid::Uuid;

use super::{Fleet, Free, Rank, Tally};
use crate::ids::{
    CommandId, HypervisorId, ImageId, LabId, MachineId, PoolId, SessionId, TerminalId, TokenId,
};
use crate::record::Timestamp;
use crate::session::{Subject, Target};
use crate::version::latest::admin::Bearer;

/// The pairs of an index that begin with one id, past another.
macro_rules! pairs {
    ($set:expr, $first:expr, $after:expr) => {{
        let first = $first;
        let from = match $after {
            Some(after) => Excluded((first, after)),
            None => Included((first, MachineId::from_bytes([0; 16]))),
        };
        $set.range((from, Unbounded)).take_while(move |(it, _)| *it == first).map(|(_, id)| *id)
    }};
}

impl Fleet {
    /// Everything that a host is responsible for, has yet to let go, or is about to get.
    pub fn machines_on(&self, host: HypervisorId) -> impl Iterator<Item = MachineId> {
        self.machines_on_after(host, None)
    }

    pub fn machines_on_after(
        &self,
        host: HypervisorId,
        after: Option<MachineId>,
    ) -> impl Iterator<Item = MachineId> {
        pairs!(self.index.on_host, host, after)
    }

    pub fn children_after(
        &self,
        initial: MachineId,
        after: Option<MachineId>,
    ) -> impl Iterator<Item = MachineId> {
        pairs!(self.index.children, initial, after)
    }

    pub fn in_pool_after(
        &self,
        pool: PoolId,
        after: Option<MachineId>,
    ) -> impl Iterator<Item = MachineId> {
        pairs!(self.index.in_pool, pool, after)
    }

    /// Copies that are being made of a machine.
    pub fn copies_of(&self, source: MachineId) -> impl Iterator<Item = MachineId> {
        pairs!(self.index.copying, source, None::<MachineId>)
    }

    /// The versions of an initial's image, the oldest first, with their numbers.
    pub fn versions_of(&self, initial: MachineId) -> impl DoubleEndedIterator<Item = ImageId> {
        let from = (initial, 0, ImageId::from_bytes([0; 16]));
        let to = (initial, u32::MAX, ImageId::from_bytes([0xff; 16]));
        self.index.versions.range(from..=to).map(|(_, _, image)| *image)
    }

    /// Operations that wait for something of a machine.
    pub fn parts_on(&self, machine: MachineId) -> impl Iterator<Item = CommandId> {
        let from = Included((machine, CommandId::from_bytes([0; 16])));
        let parts = self.index.parts.range((from, Unbounded));
        parts.take_while(move |(it, _)| *it == machine).map(|(_, operation)| *operation)
    }

    /// Operations that wait for a version to be sealed.
    pub fn waiting_for_seal(&self, image: ImageId) -> impl Iterator<Item = CommandId> {
        let from = Included((image, CommandId::from_bytes([0; 16])));
        let waiting = self.index.after_seal.range((from, Unbounded));
        waiting.take_while(move |(it, _)| *it == image).map(|(_, operation)| *operation)
    }

    pub fn terminals_in(&self, lab: LabId) -> impl Iterator<Item = TerminalId> {
        let from = Included((lab, TerminalId::from_bytes([0; 16])));
        let terminals = self.index.terminals_in.range((from, Unbounded));
        terminals.take_while(move |(it, _)| *it == lab).map(|(_, terminal)| *terminal)
    }

    /// Tokens by which somebody signs in.
    pub fn tokens_of(&self, bearer: Bearer) -> impl Iterator<Item = TokenId> {
        let from = Included((bearer, TokenId::from_bytes([0; 16])));
        let tokens = self.index.tokens_of.range((from, Unbounded));
        tokens.take_while(move |(it, _)| *it == bearer).map(|(_, token)| *token)
    }

    /// What runs in a pool and nobody uses, the longest running first.
    pub fn idle_in(&self, pool: PoolId) -> impl Iterator<Item = (Timestamp, MachineId)> {
        let from = Included((pool, Timestamp(i64::MIN), MachineId::from_bytes([0; 16])));
        let idle = self.index.idle_since.range((from, Unbounded));
        idle.take_while(move |(it, ..)| *it == pool).map(|(_, since, machine)| (*since, *machine))
    }

    /// What stands on a version.
    pub fn on_image(&self, image: ImageId) -> impl Iterator<Item = MachineId> {
        pairs!(self.index.on_image, image, None::<MachineId>)
    }
}

impl Fleet {
    pub fn sessions_of(&self, subject: Subject) -> impl Iterator<Item = SessionId> {
        let from = Included((subject, SessionId::from_bytes([0; 16])));
        let sessions = self.index.sessions_of.range((from, Unbounded));
        sessions.take_while(move |(it, _)| *it == subject).map(|(_, id)| *id)
    }

    pub fn sessions_in(&self, target: Target) -> impl Iterator<Item = SessionId> {
        let from = Included((target, SessionId::from_bytes([0; 16])));
        let sessions = self.index.sessions_in.range((from, Unbounded));
        sessions.take_while(move |(it, _)| *it == target).map(|(_, id)| *id)
    }

    /// Those who wait, first come first.
    pub fn queue(&self, target: Target) -> impl Iterator<Item = SessionId> {
        self.queue_from(target, 0).map(|(_, id)| id)
    }

    /// Those who wait at this place and behind it.
    pub(crate) fn queue_from(
        &self,
        target: Target,
        place: u64,
    ) -> impl Iterator<Item = (u64, SessionId)> {
        let waiting = self.index.queue.range((Included((target, place)), Unbounded));
        let those = waiting.take_while(move |((it, _), _)| *it == target);
        those.map(|((_, place), id)| (*place, *id))
    }

    pub fn owned_by(&self, subject: Subject) -> impl Iterator<Item = MachineId> {
        pairs!(self.index.owned, subject, None::<MachineId>)
    }

    /// The best machine of a pool that can be given, past another.
    pub(crate) fn next_free(&self, pool: PoolId, after: Option<Free>) -> Option<Free> {
        let first = MachineId::from_bytes([0; 16]);
        let from = match after {
            Some(after) => Excluded(after),
            None => Included(Free { pool, rank: Rank::Ready, near: Uuid::nil(), machine: first }),
        };
        self.index.free.range((from, Unbounded)).next().copied().filter(|free| free.pool == pool)
    }

    pub(crate) fn tally(&self, pool: PoolId) -> Tally {
        self.index.tally.get(&pool).cloned().unwrap_or_default()
    }
}
