//! How commands say which machines they are for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Operation, Targets};
use crate::deciding::Deciding;
use crate::fleet::Fleet;
use crate::hypervisor::Hypervisor;
use crate::ids::{HypervisorId, MachineId, PoolId};
use crate::machine::Machine;
use crate::name::Label;
use crate::pool::Pool;
use crate::reference::Ref;
use crate::rejection::{Rejection, general};
use crate::text::Text;
use crate::version::latest::operation::Cursor;

/// As many as a batch of commands: their ids fit well into one fact (40 bytes each of 256 KiB).
pub const MACHINES_NAMED_MAX: usize = 1000;

/// All machines with this label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelSelector {
    pub key: Label,
    pub value: Text,
}

/// The fields of a command that is for many machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) machines: &'a [Ref<MachineId>],
    pub(crate) children_of: Option<&'a Ref<MachineId>>,
    pub(crate) pool: Option<&'a Ref<PoolId>>,
    pub(crate) hypervisor: Option<&'a Ref<HypervisorId>>,
    pub(crate) label: Option<&'a LabelSelector>,
}

/// Makes a command for many machines: its own fields, and those that select.
macro_rules! for_machines {
    ($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        ///
        /// Exactly one of `machines`, `children_of`, `pool`, `hypervisor` and `label` says which
        /// machines it is for.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub machines: Vec<crate::reference::Ref<crate::ids::MachineId>>,
            /// All children of this initial.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub children_of: Option<crate::reference::Ref<crate::ids::MachineId>>,
            /// All machines of this pool.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub pool: Option<crate::reference::Ref<crate::ids::PoolId>>,
            /// All machines on this host.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub hypervisor: Option<crate::reference::Ref<crate::ids::HypervisorId>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub label: Option<crate::operation::LabelSelector>,
            $($(#[$field_about])* pub $field: $type,)*
        }

        impl $name {
            fn selection(&self) -> crate::operation::Selection<'_> {
                crate::operation::Selection {
                    machines: &self.machines,
                    children_of: self.children_of.as_ref(),
                    pool: self.pool.as_ref(),
                    hypervisor: self.hypervisor.as_ref(),
                    label: self.label.as_ref(),
                }
            }
        }
    };
}
pub(crate) use for_machines;

impl Selection<'_> {
    pub(crate) fn targets(&self, deciding: &Deciding<'_>) -> Result<Targets, Rejection> {
        let mut ways = Vec::with_capacity(1);
        if !self.machines.is_empty() {
            ways.push(listed(deciding, self.machines)?);
        }
        if let Some(initial) = self.children_of {
            ways.push(Targets::ChildrenOf(deciding.find::<Machine>(initial)?.0));
        }
        if let Some(pool) = self.pool {
            ways.push(Targets::Pool(deciding.find::<Pool>(pool)?.0));
        }
        if let Some(host) = self.hypervisor {
            ways.push(Targets::Hypervisor(deciding.find::<Hypervisor>(host)?.0));
        }
        if let Some(label) = self.label {
            ways.push(Targets::Label { key: label.key.clone(), value: label.value.clone() });
        }
        match (ways.pop(), ways.is_empty()) {
            (Some(targets), true) => Ok(targets),
            (Some(_), false) => Err(general::Rejection::SeveralSelections.into()),
            (None, _) => Err(general::Rejection::NothingNamed.into()),
        }
    }
}

/// In the order of their ids, each once.
fn listed(deciding: &Deciding<'_>, named: &[Ref<MachineId>]) -> Result<Targets, Rejection> {
    if named.len() > MACHINES_NAMED_MAX {
        let (given, most) = (named.len(), MACHINES_NAMED_MAX);
        return Err(general::Rejection::TooMany { given, most }.into());
    }
    let mut machines = named
        .iter()
        .map(|machine| deciding.find::<Machine>(machine).map(|(id, _)| id))
        .collect::<Result<Vec<_>, _>>()?;
    machines.sort_unstable();
    machines.dedup();
    Ok(Targets::Listed(machines))
}

/// So many machines are looked at for a label in one slice, so that a slice takes no longer in a
/// large fleet.
const LOOKED_AT_MAX: usize = 4096;

/// What a slice of an operation works through.
pub(crate) struct Slice {
    pub(crate) machines: Vec<MachineId>,
    /// Where the next one goes on.
    pub(crate) upto: Cursor,
}

/// The targets after the cursor, in the order of their ids.
pub(crate) fn next_slice(fleet: &Fleet, operation: &Operation, most: usize) -> Slice {
    let after = match operation.cursor {
        Some(Cursor::Machine(machine)) => Some(machine),
        Some(Cursor::Made(_) | Cursor::End) | None => None,
    };
    let until = operation.task.last_machine;
    let belongs = move |id: &MachineId| until.is_none_or(|until| *id <= until);
    let machines: Vec<MachineId> = match &operation.task.targets {
        Targets::Listed(all) => {
            let from = after.map_or(0, |after| all.partition_point(|id| *id <= after));
            all[from..].iter().copied().take(most).collect()
        }
        Targets::ChildrenOf(initial) => {
            fleet.children_after(*initial, after).take_while(belongs).take(most).collect()
        }
        Targets::Pool(pool) => {
            fleet.in_pool_after(*pool, after).take_while(belongs).take(most).collect()
        }
        Targets::Hypervisor(host) => {
            fleet.machines_on_after(*host, after).take_while(belongs).take(most).collect()
        }
        Targets::Label { key, value } => {
            let from = fleet.machines.after(after.unwrap_or(MachineId::MIN));
            let matches = |machine: &Machine| machine.settings.labels.get(key) == Some(value);
            return looked_through(from.map(|(id, machine)| (id, matches(machine))), until, most);
        }
        Targets::Following { initial, tags } => {
            let follows = |id: MachineId| crate::image::follows(fleet, id, *initial, tags);
            let from = fleet.children_after(*initial, after);
            return looked_through(from.map(|id| (id, follows(id))), until, most);
        }
        Targets::New(_) => Vec::new(),
    };
    let upto = match machines.last() {
        Some(last) if machines.len() == most => Cursor::Machine(*last),
        Some(_) | None => Cursor::End,
    };
    Slice { machines, upto }
}

/// Of the candidates those that match, no further than a slice may look.
fn looked_through(
    candidates: impl Iterator<Item = (MachineId, bool)>,
    until: Option<MachineId>,
    most: usize,
) -> Slice {
    let mut machines = Vec::new();
    let mut last = None;
    for (looked_at, (id, matches)) in candidates.enumerate() {
        if until.is_some_and(|until| id > until) {
            break;
        }
        if machines.len() == most || looked_at == LOOKED_AT_MAX {
            return Slice { machines, upto: last.map_or(Cursor::End, Cursor::Machine) };
        }
        last = Some(id);
        if matches {
            machines.push(id);
        }
    }
    Slice { machines, upto: Cursor::End }
}

/// How many machines an operation is for; for a label, how many of the first that are looked at.
pub(crate) fn count(fleet: &Fleet, targets: &Targets) -> u32 {
    let count = match targets {
        Targets::Listed(all) => all.len(),
        Targets::ChildrenOf(initial) => fleet.children_after(*initial, None).count(),
        Targets::Pool(pool) => {
            return fleet.index.tally.get(pool).map_or(0, crate::fleet::Tally::total);
        }
        Targets::Hypervisor(host) => fleet.machines_on(*host).count(),
        Targets::Label { key, value } => {
            let matches = |machine: &Machine| machine.settings.labels.get(key) == Some(value);
            let looked_at = fleet.machines.iter().take(LOOKED_AT_MAX);
            looked_at.filter(|(_, machine)| matches(machine)).count()
        }
        Targets::Following { initial, tags } => fleet
            .children_after(*initial, None)
            .filter(|id| crate::image::follows(fleet, *id, *initial, tags))
            .count(),
        Targets::New(new) => return new.count,
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}
