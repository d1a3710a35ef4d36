//! What no host has room for, so that no host is asked twice for the same while nothing has
//! changed.

use std::collections::BTreeMap;

use super::for_start;
use crate::deciding::Deciding;
use crate::machine::Machine;
use crate::machine::rejection::Rejection as Refused;
use crate::rejection::Rejection;
use crate::text::Text;
use crate::version::latest::machine::Placed;

/// Why no host takes a machine, for each kind of machine that was asked for.
#[derive(Debug, Default)]
pub(crate) struct NoRoom(BTreeMap<u64, Text>);

impl NoRoom {
    /// Something changes, and a host may have room with that.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// As [`for_start`], for machines that thousands may wait for while no host has room.
pub(crate) fn for_one_of_many(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    persistent_once: bool,
) -> Result<Placed, Rejection> {
    // One that leaves a host may be bound to another; an external one only needs somebody to wake
    // it.
    if persistent_once || machine.leaving.is_some() || machine.is_external() {
        return for_start(&deciding.fleet, machine, persistent_once);
    }
    let alike = machine.alike();
    if let Some(why) = deciding.no_room.0.get(&alike) {
        return Err(Refused::NoHost { machine: machine.name.clone(), why: why.clone() }.into());
    }
    let placed = for_start(&deciding.fleet, machine, persistent_once);
    if let Err(Rejection::Machine(Refused::NoHost { why, .. })) = &placed {
        deciding.no_room.0.insert(alike, why.clone());
    }
    placed
}
