//! A source's disks become an initial's: a full copy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::can_be_worked_on;
use super::rejection::Rejection as Refused;
use super::seal::is_initial;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{DiskId, MachineId};
use crate::machine::obstacle::host_answers;
use crate::machine::{Disk, DiskSource, Kind, Machine};
use crate::operation::{self, Begun, Goal, Plan, Targets};
use crate::placement;
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::text::Text;
use crate::version::latest::machine::CopyRequested;

/// Copies all disks of a source to an initial. Children of the initial are untouched: they stand on
/// versions, not on the initial's disk. Until the copy has ended neither of both can start. Several
/// copies of one source may be made at the same time.
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
    machine: &Machine,
    source: MachineId,
) -> Result<Begun, Rejection> {
    let (_, source) = deciding.find::<Machine>(&Ref::Id(source))?;
    can_be_worked_on(&deciding.fleet, machine)?;
    can_be_copied(&deciding.fleet, &source)?;
    let disks = copied_disks(deciding, machine, &source);
    let placed = placement::for_copy(&deciding.fleet, machine, &source, &disks);
    let placed = placed.map_err(|why| {
        let (copied, initial) = (source.name.clone(), machine.name.clone());
        let why = Text::new(&why.to_string()).unwrap_or_default();
        Rejection::from(Refused::NoCommonHost { copied, initial, why })
    })?;
    if machine.place != Some(placed.hypervisor) {
        deciding.fact(machine.id, Fact::Placed(placed));
    }
    Ok(request(deciding, machine.id, &source, disks))
}

/// Several copies of one machine may be made at the same time: all of them only read.
pub(crate) fn can_be_copied(fleet: &Fleet, source: &Machine) -> Result<(), Rejection> {
    source.is_not_external()?;
    source.is_at_most_read(fleet)?;
    source.is_not_locked()?;
    if !source.at_rest() {
        host_answers(fleet, source)?;
    }
    source.is_off()
}

/// The machine gets these disks when the source's have been copied to them.
pub(crate) fn request(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    source: &Machine,
    disks: Vec<Disk>,
) -> Begun {
    let (source, traces) = (source.id, source.traces_on_disks());
    deciding.fact(id, Fact::CopyRequested(CopyRequested { source, disks, traces }));
    Begun::Part(Goal::Copied)
}

/// The machine's disks keep their ids and places, as far as it has some, and take the source's
/// sizes. What it has beyond the source's is gone.
fn copied_disks(deciding: &mut Deciding<'_>, machine: &Machine, source: &Machine) -> Vec<Disk> {
    let storage = machine.system_disk().map(|disk| disk.storage);
    let of_source = source.disks.iter().enumerate();
    of_source
        .map(|(at, from)| {
            let own = machine.disks.get(at);
            Disk {
                id: own.map_or_else(|| deciding.fresh::<DiskId>(), |disk| disk.id),
                role: from.role,
                storage: own.map(|disk| disk.storage).or(storage).unwrap_or(from.storage),
                source: DiskSource::Blank,
                size_gib: from.size_gib,
                overlay_generation: own.map_or(0, |disk| disk.overlay_generation) + 1,
                format: from.format,
                file: None,
            }
        })
        .collect()
}
