//! Questions that the indexes answer.

use std::ops::Bound::{Excluded, Included, Unbounded};

use imbl::OrdSet;
use uuid::Uuid;

use super::{Fleet, Free, Tally, Yields};
use crate::ids::{
    CommandId, FromUuid, HypervisorId, ImageId, LabId, MachineId, PoolId, SessionId, StorageId,
    TerminalId, TokenId,
};
use crate::image::Image;
use crate::machine::Base;
use crate::record::Timestamp;
use crate::session::{Subject, Target};
use crate::version::latest::admin::Bearer;

/// What stands beside something in an index of pairs, past another, in order.
fn beside<A: Ord + Copy, B: Ord + Copy + FromUuid>(
    pairs: &OrdSet<(A, B)>,
    first: A,
    after: Option<B>,
) -> impl Iterator<Item = B> {
    let from = match after {
        Some(after) => Excluded((first, after)),
        None => Included((first, B::from_uuid(Uuid::nil()))),
    };
    let pairs = pairs.range((from, Unbounded));
    pairs.take_while(move |(it, _)| *it == first).map(|(_, second)| *second)
}

impl Fleet {
    /// The host sees what lies there.
    pub fn sees(&self, host: HypervisorId, storage: StorageId) -> bool {
        let storage = self.storages.get(storage);
        storage.is_some_and(|storage| storage.settings.hosts.contains_key(&host))
    }

    /// Everything that a host is responsible for, has yet to let go, or is about to get.
    pub fn machines_on(&self, host: HypervisorId) -> impl Iterator<Item = MachineId> {
        self.machines_on_after(host, None)
    }

    pub fn machines_on_after(
        &self,
        host: HypervisorId,
        after: Option<MachineId>,
    ) -> impl Iterator<Item = MachineId> {
        self.index.on_host.after(host, after)
    }

    pub fn children_after(
        &self,
        initial: MachineId,
        after: Option<MachineId>,
    ) -> impl Iterator<Item = MachineId> {
        self.index.children.after(initial, after)
    }

    pub fn in_pool_after(
        &self,
        pool: PoolId,
        after: Option<MachineId>,
    ) -> impl Iterator<Item = MachineId> {
        self.index.in_pool.after(pool, after)
    }

    /// Copies that are being made of a machine.
    pub fn copies_of(&self, source: MachineId) -> impl Iterator<Item = MachineId> {
        beside(&self.index.copying, source, None)
    }

    /// The versions of an initial's image, the oldest first, with their numbers.
    pub fn versions_of(&self, initial: MachineId) -> impl DoubleEndedIterator<Item = ImageId> {
        let from = (initial, 0, ImageId::MIN);
        let to = (initial, u32::MAX, ImageId::from_bytes([0xff; 16]));
        self.index.versions.range(from..=to).map(|(_, _, image)| *image)
    }

    /// Those that something may be put on, the newest first.
    pub fn usable_versions_of(&self, initial: MachineId) -> impl Iterator<Item = ImageId> {
        self.versions_of(initial).rev().filter(|image| self.is_usable(*image))
    }

    /// Something may be put on this version.
    pub fn is_usable(&self, image: ImageId) -> bool {
        self.images.get(image).is_some_and(Image::is_usable)
    }

    /// Operations that wait for something of a machine.
    pub fn parts_on(&self, machine: MachineId) -> impl Iterator<Item = CommandId> {
        beside(&self.index.parts, machine, None)
    }

    /// Operations that wait for a version to be sealed.
    pub fn waiting_for_seal(&self, image: ImageId) -> impl Iterator<Item = CommandId> {
        beside(&self.index.after_seal, image, None)
    }

    pub fn terminals_in(&self, lab: LabId) -> impl Iterator<Item = TerminalId> {
        beside(&self.index.terminals_in, lab, None)
    }

    /// Tokens by which somebody signs in.
    pub fn tokens_of(&self, bearer: Bearer) -> impl Iterator<Item = TokenId> {
        beside(&self.index.tokens_of, bearer, None)
    }

    /// What runs in a pool and nobody uses, the longest running first.
    pub fn idle_in(&self, pool: PoolId) -> impl Iterator<Item = (Timestamp, MachineId)> {
        self.index.idle_since.of(pool)
    }

    /// What is to stand on a version, or keeps a disk on it until its new one has proved itself.
    pub fn awaiting_image(&self, image: ImageId) -> impl Iterator<Item = MachineId> {
        self.index.awaiting_image.of(image)
    }

    /// A disk or a later version's file stands on this file, or is being put onto it.
    pub fn is_stood_on(&self, base: Base) -> bool {
        self.index.stood_on.contains_key(&base)
    }

    /// The same of any file of a version.
    pub fn is_image_stood_on(&self, image: ImageId) -> bool {
        let files = Base { image, file: 0 }..=Base { image, file: u16::MAX };
        self.index.stood_on.range(files).next().is_some()
    }

    /// What stands on a version.
    pub fn on_image(&self, image: ImageId) -> impl Iterator<Item = MachineId> {
        self.index.on_image.of(image)
    }
}

impl Fleet {
    pub fn sessions_of(&self, subject: Subject) -> impl Iterator<Item = SessionId> {
        beside(&self.index.sessions_of, subject, None)
    }

    pub fn sessions_in(&self, target: Target) -> impl Iterator<Item = SessionId> {
        self.sessions_in_after(target, None)
    }

    pub fn sessions_in_after(
        &self,
        target: Target,
        after: Option<SessionId>,
    ) -> impl Iterator<Item = SessionId> {
        beside(&self.index.sessions_in, target, after)
    }

    /// Those who wait, first come first.
    pub fn queue(&self, target: Target) -> impl Iterator<Item = SessionId> {
        self.queue_from(target, 0).map(|(_, id)| id)
    }

    /// Whoever waits first for each thing that somebody waits for.
    pub(crate) fn first_in_queues(&self) -> impl Iterator<Item = SessionId> {
        let mut after = Unbounded;
        std::iter::from_fn(move || {
            let ((target, _), first) = self.index.queue.range((after, Unbounded)).next()?;
            after = Excluded((*target, u64::MAX));
            Some(*first)
        })
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

    /// What soon takes nothing of a host any more, and what need not, in this order.
    pub(crate) fn yielding_on(
        &self,
        host: HypervisorId,
    ) -> impl Iterator<Item = (Yields, MachineId)> {
        self.index.yielding.of(host)
    }

    pub fn owned_by(&self, subject: Subject) -> impl Iterator<Item = MachineId> {
        beside(&self.index.owned, subject, None)
    }

    /// The best machine of a pool that can be given, past another.
    pub(crate) fn next_free(&self, pool: PoolId, after: Option<Free>) -> Option<Free> {
        self.index.free.after(pool, after).next()
    }

    pub(crate) fn tally(&self, pool: PoolId) -> Tally {
        self.index.tally.get(&pool).cloned().unwrap_or_default()
    }
}
