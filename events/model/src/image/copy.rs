//! A source's disks become an initial's: a full copy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::{can_be_worked_on, host_for_files};
use super::rejection::Rejection as Refused;
use super::seal::is_initial;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::{DiskId, MachineId};
use crate::machine::{Disk, DiskSource, Kind, Machine};
use crate::operation::{self, Begun, Goal, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::text::Text;
use crate::version::latest::machine::CopyRequested;

/// Copies all disks of a source to an initial. Children of the initial are untouched: they stand on
/// versions, not on the initial's disk. Until the copy has ended neither of both can start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyFromSource {
    pub initial: Ref<MachineId>,
    /// If left out: the one that it was last copied from, or was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Ref<MachineId>>,
}

impl Decide for CopyFromSource {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, initial) = deciding.find::<Machine>(&self.initial)?;
        is_initial(&initial)?;
        let source = match (&self.source, &initial.kind) {
            (Some(source), _) => deciding.find::<Machine>(source)?.0,
            (None, Kind::Initial { source: Some(source) }) => *source,
            (None, _) => {
                return Err(Refused::NoSource { initial: initial.name.clone() }.into());
            }
        };
        let (_, from) = deciding.find::<Machine>(&Ref::Id(source))?;
        if from.kind != Kind::Source {
            let (machine, wanted) = (from.name.clone(), "a source");
            return Err(Refused::OtherKind { machine, wanted }.into());
        }
        operation::start_on(deciding, Plan::Copy { source }, Targets::Listed(vec![id]))
    }
}

/// One copy; also that of a clone, when it is tried again.
pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    initial: &Machine,
    source: MachineId,
) -> Result<Begun, Rejection> {
    let (_, source) = deciding.find::<Machine>(&Ref::Id(source))?;
    can_be_worked_on(&deciding.fleet, initial)?;
    can_be_worked_on(&deciding.fleet, &source)?;
    let disks = copied_disks(deciding, initial, &source);
    // One host has to see the source's files, the initial's as they are and as they will be.
    let mut both = Machine::clone(initial);
    both.disks.extend(source.disks.iter().chain(&disks).cloned());
    let (host, placed) = host_for_files(&deciding.fleet, &both).map_err(|why| {
        let (copied, initial) = (source.name.clone(), initial.name.clone());
        let why = Text::new(&why.to_string()).unwrap_or_default();
        Rejection::from(Refused::NoCommonHost { copied, initial, why })
    })?;
    if source.place != Some(host) {
        let placed = placed.clone().unwrap_or_else(|| super::files::beside(initial, host));
        deciding.fact(source.id, Fact::Placed(placed));
    }
    if let Some(placed) = placed {
        deciding.fact(initial.id, Fact::Placed(placed));
    }
    let (source, traces) = (source.id, source.traces_on_disks());
    deciding.fact(initial.id, Fact::CopyRequested(CopyRequested { source, disks, traces }));
    Ok(Begun::Part(Goal::Copied))
}

/// The initial's disks keep their ids and places, as far as it has some, and take the source's
/// sizes. What it has beyond the source's is gone.
fn copied_disks(deciding: &mut Deciding<'_>, initial: &Machine, source: &Machine) -> Vec<Disk> {
    let storage = initial.system_disk().map(|disk| disk.storage);
    let of_source = source.disks.iter().enumerate();
    of_source
        .map(|(at, from)| {
            let own = initial.disks.get(at);
            Disk {
                id: own.map_or_else(|| deciding.fresh::<DiskId>(), |disk| disk.id),
                role: from.role,
                storage: own.map(|disk| disk.storage).or(storage).unwrap_or(from.storage),
                source: DiskSource::Blank,
                size_gib: from.size_gib,
                overlay_generation: own.map_or(0, |disk| disk.overlay_generation) + 1,
            }
        })
        .collect()
}
