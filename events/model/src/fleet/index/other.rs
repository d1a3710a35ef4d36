//! Where everything but machines stands in the indexes.

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::{AT_ONCE, Due, Index, Silence, Space, bears, listen, moved, renamed};
use crate::admin::{Admin, Bearer, Token};
use crate::client::{Client, Provider};
use crate::fleet::{Fleet, Table, Thing};
use crate::group::Group;
use crate::hash::KeyedHash;
use crate::hypervisor::{Hypervisor, Reason, WORKER_SILENCE_SECONDS};
use crate::ids::{
    AdminId, ClientId, CommandId, GroupId, HypervisorId, ImageId, LabId, MachineId, MediaId,
    NetworkId, PoolId, StorageId, TemplateId, TerminalId, TokenId,
};
use crate::image::Image;
use crate::lab::Lab;
use crate::machine::Base;
use crate::media::Media;
use crate::name::Name;
use crate::network::Network;
use crate::operation::{self, Cursor, Goal, Operation, PARTS_RUNNING_MAX, Targets};
use crate::pool::Pool;
use crate::record::{Timestamp, Version};
use crate::storage::Storage;
use crate::template::Template;
use crate::terminal::Terminal;

macro_rules! found_by_name {
    ($($thing:ident($id:ident) in $table:ident;)*) => {$(
        impl Thing for $thing {
            same_for_all!($id, $table);
            type Keys = Name;

            fn keys(&self) -> Name {
                self.name.clone()
            }

            fn reindex(id: $id, before: Option<Name>, after: Option<Name>, index: &mut Index) {
                let key = |name: Name| (Space::$thing, name.as_str().into());
                renamed(&mut index.names, before.map(key), after.map(key), id.uuid());
            }
        }
    )*};
}

found_by_name! {
    Storage(StorageId) in storages;
    Network(NetworkId) in networks;
    Media(MediaId) in media;
    Template(TemplateId) in templates;
    Group(GroupId) in groups;
    Lab(LabId) in labs;
}

#[derive(Debug, PartialEq)]
pub struct HostKeys {
    name: Name,
    /// Its worker is to be heard.
    heard: bool,
    /// Memory in MiB and vCPUs, if it gets new machines.
    capacity: Option<(u64, u64)>,
}

impl Thing for Hypervisor {
    same_for_all!(HypervisorId, hypervisors);
    type Keys = HostKeys;

    fn keys(&self) -> HostKeys {
        let heard = !self.maintenance.contains(&Reason::Silent)
            && !self.maintenance.contains(&Reason::Lost);
        HostKeys {
            name: self.name.clone(),
            heard,
            capacity: self.enabled().then(|| (self.memory_mib(), self.vcpus())),
        }
    }

    fn reindex(
        id: HypervisorId,
        before: Option<HostKeys>,
        after: Option<HostKeys>,
        index: &mut Index,
    ) {
        let silence = |keys: &Option<HostKeys>| {
            keys.as_ref().filter(|keys| keys.heard).map(|_| WORKER_SILENCE_SECONDS)
        };
        listen(index, Silence::Worker(id), silence(&before), silence(&after));
        let capacity = after.as_ref().and_then(|keys| keys.capacity);
        index.change_host(id, |index| {
            match capacity {
                Some(capacity) => index.capacity.insert(id, capacity),
                None => index.capacity.remove(&id),
            };
        });
        let key = |keys: HostKeys| (Space::Hypervisor, keys.name.as_str().into());
        renamed(&mut index.names, before.map(key), after.map(key), id.uuid());
    }
}

#[derive(Debug, PartialEq)]
pub struct PoolKeys {
    name: Name,
    next_turn: Option<Timestamp>,
    has_to_be_reviewed: bool,
}

impl PoolKeys {
    fn times(&self, id: PoolId) -> [Option<(Timestamp, Due)>; 2] {
        let turn = self.next_turn.map(|time| (time, Due::Calendar(id)));
        [turn, self.has_to_be_reviewed.then_some((AT_ONCE, Due::Rights(id)))]
    }
}

impl Thing for Pool {
    same_for_all!(PoolId, pools);
    type Keys = PoolKeys;

    fn keys(&self) -> PoolKeys {
        PoolKeys {
            name: self.name.clone(),
            next_turn: self.next_turn,
            has_to_be_reviewed: self.reviewed_upto.is_some(),
        }
    }

    fn reindex(id: PoolId, before: Option<PoolKeys>, after: Option<PoolKeys>, index: &mut Index) {
        let times = |keys: &Option<PoolKeys>| keys.as_ref().map(|keys| keys.times(id));
        let (old, new) = (times(&before).unwrap_or_default(), times(&after).unwrap_or_default());
        for (old, new) in old.into_iter().zip(new) {
            moved(&mut index.times, old, new);
        }
        let key = |keys: PoolKeys| (Space::Pool, keys.name.as_str().into());
        renamed(&mut index.names, before.map(key), after.map(key), id.uuid());
    }
}

impl Thing for Terminal {
    same_for_all!(TerminalId, terminals);
    type Keys = (crate::name::TerminalLabel, LabId);

    fn keys(&self) -> Self::Keys {
        (self.termid.clone(), self.settings.lab)
    }

    fn reindex(
        id: TerminalId,
        before: Option<Self::Keys>,
        after: Option<Self::Keys>,
        index: &mut Index,
    ) {
        let lab = |keys: &Option<Self::Keys>| keys.as_ref().map(|(_, lab)| (*lab, id));
        moved(&mut index.terminals_in, lab(&before), lab(&after));
        let key = |(termid, _): Self::Keys| (Space::Terminal, termid.as_str().into());
        renamed(&mut index.names, before.map(key), after.map(key), id.uuid());
    }
}

impl Thing for Client {
    same_for_all!(ClientId, clients);
    type Keys = (Provider, KeyedHash);

    fn keys(&self) -> Self::Keys {
        (self.provider.clone(), self.name_hash)
    }

    fn reindex(
        id: ClientId,
        before: Option<Self::Keys>,
        after: Option<Self::Keys>,
        index: &mut Index,
    ) {
        renamed(&mut index.clients, before, after, id);
    }
}

impl Thing for Admin {
    same_for_all!(AdminId, admins);
    type Keys = KeyedHash;

    fn keys(&self) -> KeyedHash {
        self.name_hash
    }

    fn reindex(
        id: AdminId,
        before: Option<KeyedHash>,
        after: Option<KeyedHash>,
        index: &mut Index,
    ) {
        renamed(&mut index.admins, before, after, id);
    }
}

impl Thing for Token {
    same_for_all!(TokenId, tokens);
    type Keys = (KeyedHash, Bearer, Timestamp);

    fn keys(&self) -> Self::Keys {
        (self.hash, self.bearer, self.expires_at)
    }

    fn reindex(
        id: TokenId,
        before: Option<Self::Keys>,
        after: Option<Self::Keys>,
        index: &mut Index,
    ) {
        let of = |keys: Option<Self::Keys>| keys.map(|(_, bearer, _)| (bearer, id));
        moved(&mut index.tokens_of, of(before), of(after));
        let time = |keys: Option<Self::Keys>| keys.map(|(_, _, time)| (time, Due::Token(id)));
        moved(&mut index.times, time(before), time(after));
        let hash = |keys: Self::Keys| keys.0;
        renamed(&mut index.tokens, before.map(hash), after.map(hash), id);
    }
}

#[derive(Debug, PartialEq)]
pub struct ImageKeys {
    initial: MachineId,
    number: u32,
    tags: Vec<Name>,
    base: Option<Base>,
    due: Option<Timestamp>,
}

impl Thing for Image {
    same_for_all!(ImageId, images);
    type Keys = ImageKeys;

    fn keys(&self) -> Self::Keys {
        ImageKeys {
            initial: self.initial,
            number: self.number,
            tags: self.tags.keys().cloned().collect(),
            base: self.stands_on(),
            due: self.flattening.due(),
        }
    }

    fn reindex(
        id: ImageId,
        before: Option<Self::Keys>,
        after: Option<Self::Keys>,
        index: &mut Index,
    ) {
        let version =
            |keys: &Option<Self::Keys>| keys.as_ref().map(|keys| (keys.initial, keys.number, id));
        let time = |keys: &Option<Self::Keys>| {
            keys.as_ref().and_then(|keys| keys.due).map(|time| (time, Due::Flattening(id)))
        };
        let base = |keys: &Option<Self::Keys>| [keys.as_ref().and_then(|keys| keys.base)];
        bears(index, base(&before), base(&after));
        moved(&mut index.times, time(&before), time(&after));
        moved(&mut index.versions, version(&before), version(&after));
        if let Some(ImageKeys { initial, tags, .. }) = before {
            for tag in tags {
                renamed(&mut index.tags, Some((initial, tag)), None, id);
            }
        }
        if let Some(ImageKeys { initial, tags, .. }) = after {
            for tag in tags {
                renamed(&mut index.tags, None, Some((initial, tag)), id);
            }
        }
    }
}

#[derive(Debug)]
pub struct OperationKeys {
    parts: OrdMap<MachineId, Goal>,
    making: bool,
    after_seal: Option<ImageId>,
    due: Option<Timestamp>,
}

impl PartialEq for OperationKeys {
    /// Parts are compared by identity: there may be many, and [`Thing::reindex`] finds what
    /// differs.
    fn eq(&self, other: &Self) -> bool {
        self.making == other.making
            && self.after_seal == other.after_seal
            && self.due == other.due
            && self.parts.ptr_eq(&other.parts)
    }
}

impl Thing for Operation {
    same_for_all!(CommandId, operations);
    type Keys = OperationKeys;

    fn keys(&self) -> OperationKeys {
        OperationKeys {
            parts: self.parts.clone(),
            making: matches!(self.task.targets, Targets::New(_)) && !self.all_begun(),
            after_seal: self.task.after_seal.filter(|_| self.state == operation::State::Sealing),
            due: due(self),
        }
    }

    fn reindex(
        id: CommandId,
        before: Option<OperationKeys>,
        after: Option<OperationKeys>,
        index: &mut Index,
    ) {
        let parts = |keys: &Option<OperationKeys>| {
            keys.as_ref().map(|keys| keys.parts.clone()).unwrap_or_default()
        };
        for change in parts(&before).diff(&parts(&after)) {
            match change {
                DiffItem::Add(machine, _) => index.parts.insert((*machine, id)),
                DiffItem::Remove(machine, _) => index.parts.remove(&(*machine, id)),
                DiffItem::Update { .. } => None,
            };
        }
        let making =
            |keys: &Option<OperationKeys>| keys.as_ref().filter(|keys| keys.making).map(|_| id);
        moved(&mut index.making, making(&before), making(&after));
        let sealing = |keys: &Option<OperationKeys>| {
            keys.as_ref().and_then(|keys| keys.after_seal).map(|image| (image, id))
        };
        moved(&mut index.after_seal, sealing(&before), sealing(&after));
        let time = |keys: Option<OperationKeys>| {
            keys.and_then(|keys| keys.due).map(|time| (time, Due::Operation(id)))
        };
        moved(&mut index.times, time(before), time(after));
    }
}

/// At once, as long as there is something to begin and room for it.
fn due(operation: &Operation) -> Option<Timestamp> {
    let goes_on = match operation.state {
        operation::State::Sealing => false,
        operation::State::Running if operation.all_begun() => operation.parts.is_empty(),
        operation::State::Running => operation.under_way() < PARTS_RUNNING_MAX,
        operation::State::Cancelling { told } => {
            operation.parts.is_empty() || told != Some(Cursor::End)
        }
        operation::State::Ended { retry_until, .. } => return Some(retry_until),
    };
    goes_on.then_some(AT_ONCE)
}
