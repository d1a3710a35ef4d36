//! What is on a machine's disks that fresh ones would not have.

use std::fmt;

use super::rejection::Rejection as Refused;
use crate::fleet::Fleet;
use crate::machine::Machine;
use crate::name::Name;
use crate::pool::Reset;
use crate::rejection::Rejection;
pub use crate::version::latest::operation::Keeps;

/// What a new disk would take away belongs to nobody.
pub(crate) fn keeps_nothing(fleet: &Fleet, machine: &Machine) -> Result<(), Rejection> {
    let pool = machine.pool.and_then(|pool| fleet.pools.get(pool));
    let resets = pool.is_some_and(|pool| pool.reset() != Reset::Never);
    let keeps = Keeps {
        owners: machine.owners.iter().copied().collect(),
        snapshots: machine.snapshots.iter().map(|snapshot| snapshot.name.clone()).collect(),
        written_by: machine.kept.filter(|_| !resets),
        upkeep: machine.upkeep,
    };
    if keeps == Keeps::default() {
        return Ok(());
    }
    Err(Refused::KeepsData { machine: machine.name.clone(), keeps }.into())
}

/// The same, as data for whoever asks people whether it may be lost.
pub(crate) fn would_lose(rejection: &Rejection) -> Option<Box<Keeps>> {
    if let Rejection::Image(Refused::KeepsData { keeps, .. }) = rejection {
        return Some(Box::new(keeps.clone()));
    }
    None
}

impl fmt::Display for Keeps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Vec::new();
        if !self.owners.is_empty() {
            all.push("belongs to somebody".to_owned());
        }
        if !self.snapshots.is_empty() {
            let names: Vec<&str> = self.snapshots.iter().map(Name::as_str).collect();
            all.push(format!("has snapshots ({})", names.join(", ")));
        }
        if self.written_by.is_some() {
            all.push("keeps what somebody wrote".to_owned());
        }
        if self.upkeep {
            all.push("keeps what was written to it for its upkeep".to_owned());
        }
        f.write_str(&all.join(", "))
    }
}
