//! Which host a machine gets, and why.
//!
//! Hosts that can't take it fall out first (`filter.rs`); of those that are left, a policy chooses
//! (`policy.rs`, `headroom.rs`, `pack.rs`). What is reserved is a fact, so starts in flight count.

mod filter;
mod headroom;
mod need;
mod no_room;
mod pack;
mod policy;
#[cfg(test)]
mod tests;
mod words;
mod yielding;

use std::sync::Arc;

use filter::Filters;
use need::Need;
pub(crate) use no_room::{NoRoom, for_one_of_many};
use policy::{Policy, Room};
use yielding::Waiting;
pub(crate) use yielding::{InTheWay, in_the_way_of};

use crate::fleet::Fleet;
use crate::ids::HypervisorId;
use crate::machine::rejection::Rejection as Refused;
use crate::machine::{Disk, Machine, Placement, Writes};
use crate::name::PlatformName;
use crate::rejection::Rejection;
use crate::text::Text;
use crate::version::latest::machine::Placed;

/// The one that is used. Another one needs a file of its own and its name here.
const POLICY: &dyn Policy = &headroom::Headroom;

/// So many hosts that can take a machine are weighed. They come with the roomiest first, so that
/// further ones would hardly be better, and a start costs no more on a site with thousands.
const WEIGHED_MAX: u32 = 32;

/// The host for a machine that is to run, with what it reserves there.
pub(crate) fn for_start(
    fleet: &Fleet,
    machine: &Machine,
    persistent_once: bool,
) -> Result<Placed, Rejection> {
    let only = where_it_may_go(fleet, machine)?;
    let writes = machine.writes_if_started(persistent_once);
    place(fleet, machine, &Need::of_start(fleet, machine, writes), only)
}

/// A machine that no host has room for, and what becomes of what it will write.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    pub(crate) machine: Arc<Machine>,
    pub(crate) writes: Writes,
}

/// The host for a machine that is to run for whoever comes next: there it takes nothing that one of
/// those that wait would get otherwise.
pub(crate) fn for_spare(
    fleet: &Fleet,
    machine: &Machine,
    waiting: &[Waits],
) -> Result<Placed, Rejection> {
    let only = where_it_may_go(fleet, machine)?;
    let need = Need::of_start(fleet, machine, machine.writes_if_started(false));
    let needs: Vec<Need<'_>> =
        waiting.iter().map(|waits| Need::of_start(fleet, &waits.machine, waits.writes)).collect();
    let mut waiting: Vec<Waiting<'_>> = waiting
        .iter()
        .zip(&needs)
        .map(|(waits, need)| Waiting::new(fleet, &waits.machine, need))
        .collect();
    place_where(fleet, machine, (&need, only), |room| {
        let taken = need.reservation(room.volatile);
        !waiting.iter_mut().any(|waiting| waiting.would_miss(room.host, &taken))
    })
}

/// The host for work on the files of a machine that is off. It reserves nothing that runs.
pub(crate) fn for_files(fleet: &Fleet, machine: &Machine) -> Result<Placed, Rejection> {
    for_work(fleet, machine, &Need::of_files(fleet, machine.disks.iter()))
}

/// The host that copies the disks of one machine to another that is off: it sees the files of both,
/// as they are and as those of the copy will be. Where the source is does not matter, nor change:
/// it is only read.
pub(crate) fn for_copy(
    fleet: &Fleet,
    machine: &Machine,
    source: &Machine,
    disks: &[Disk],
) -> Result<Placed, Rejection> {
    let all = machine.disks.iter().chain(&source.disks).chain(disks);
    for_work(fleet, machine, &Need::of_files(fleet, all))
}

fn for_work(fleet: &Fleet, machine: &Machine, need: &Need<'_>) -> Result<Placed, Rejection> {
    let only = where_it_may_go(fleet, machine)?;
    // Its own host need not let go of it first.
    let own = machine.place.filter(|own| only.allows(*own)).map(Only::This);
    let own = own.and_then(|own| place(fleet, machine, need, own).ok());
    own.map_or_else(|| place(fleet, machine, need, only), Ok)
}

/// Another host for a machine that runs: the one that was asked for, or the best.
pub(crate) fn for_migration(
    fleet: &Fleet,
    machine: &Machine,
    to: Option<HypervisorId>,
) -> Result<Placed, Rejection> {
    let only = match to {
        Some(to) => Only::This(to),
        None => machine.place.map_or(Only::Any, Only::Not),
    };
    place(fleet, machine, &Need::of_migration(fleet, machine), only)
}

/// Which hosts come into question at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Any,
    This(HypervisorId),
    Not(HypervisorId),
}

impl Only {
    fn allows(self, host: HypervisorId) -> bool {
        match self {
            Self::Any => true,
            Self::This(only) => only == host,
            Self::Not(other) => other != host,
        }
    }
}

/// A machine goes to a third host only when the first has let go: until then it may still run
/// there, and the second was never told of it.
fn where_it_may_go(fleet: &Fleet, machine: &Machine) -> Result<Only, Rejection> {
    let (Some(place), Some(leaving)) = (machine.place, machine.leaving) else {
        return Ok(Only::Any);
    };
    if fleet.is_enabled(place) {
        return Ok(Only::This(place));
    }
    let host = fleet.hypervisors.get(leaving).map(|host| host.name.clone());
    let machine = machine.name.clone();
    let host = host.unwrap_or_else(|| machine.clone());
    Err(Refused::StillLeaving { machine, host }.into())
}

fn place(
    fleet: &Fleet,
    machine: &Machine,
    need: &Need<'_>,
    only: Only,
) -> Result<Placed, Rejection> {
    place_where(fleet, machine, (need, only), |_| true)
}

fn place_where(
    fleet: &Fleet,
    machine: &Machine,
    (need, only): (&Need<'_>, Only),
    may: impl FnMut(&Room<'_>) -> bool,
) -> Result<Placed, Rejection> {
    let mut filters = Filters::new(fleet, machine, need);
    let Some(room) = best(fleet, (machine, only), &mut filters, may) else {
        // Those that get no new machines were not even asked.
        let unasked = match only {
            Only::Any => fleet.hypervisors.len() - fleet.index.capacity.len(),
            Only::This(_) | Only::Not(_) => {
                let others = fleet.hypervisors.iter().filter(|(_, host)| !host.enabled());
                others.filter(|(id, _)| only.allows(*id)).count()
            }
        };
        filters.not_enabled(u32::try_from(unasked).unwrap_or(u32::MAX));
        let (machine, why) = (machine.name.clone(), words::why_none(&filters));
        return Err(Refused::NoHost { machine, why }.into());
    };
    Ok(Placed {
        hypervisor: room.host.id,
        reserved: need.reservation(room.volatile),
        placement: Placement {
            policy: PlatformName::new(POLICY.name()).unwrap_or_else(|_| unnamed()),
            chosen_for: Text::cut(&match (need.runs, room.here) {
                (Some(_), _) => POLICY.because(&room),
                (None, true) => "it has the files already".to_owned(),
                (None, false) => "it sees the files".to_owned(),
            }),
            considered: filters.considered,
            refused: words::counted(&filters),
        },
    })
}

/// The heaviest of the hosts that can take it. The one that it is on is looked at first, then those
/// that have promised least. Of equal ones the first stays.
fn best<'a>(
    fleet: &'a Fleet,
    (machine, only): (&Machine, Only),
    filters: &mut Filters<'a>,
    mut may: impl FnMut(&Room<'_>) -> bool,
) -> Option<Room<'a>> {
    let own = machine.place.filter(|own| fleet.index.capacity.contains_key(own));
    let others = fleet.index.roomiest.iter().map(|(_, host)| *host);
    let others = others.filter(|host| Some(*host) != own);
    let mut best: Option<(u64, Room<'a>)> = None;
    let mut weighed = 0;
    for id in own.into_iter().chain(others).filter(|id| only.allows(*id)) {
        let Some(host) = fleet.hypervisors.get(id) else { continue };
        let Some(room) = filters.room_on(id, host).filter(&mut may) else { continue };
        let weight = POLICY.weigh(&room);
        if best.as_ref().is_none_or(|(most, _)| weight > *most) {
            best = Some((weight, room));
        }
        weighed += 1;
        if weighed == WEIGHED_MAX {
            break;
        }
    }
    best.map(|(_, room)| room)
}

/// The policy of a machine that runs where it was found.
#[expect(clippy::expect_used, reason = "a literal that the tests have seen")]
pub(crate) fn adopted() -> PlatformName {
    PlatformName::new("adopted").expect("`adopted` is a name")
}

#[expect(clippy::expect_used, reason = "a literal that the tests have seen")]
fn unnamed() -> PlatformName {
    PlatformName::new("policy").expect("`policy` is a name")
}
