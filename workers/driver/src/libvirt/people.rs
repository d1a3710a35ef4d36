//! Whose ticket is armed, and who looks, on all machines of a host.
//!
//! Soon after somebody has come in, the password is taken back, so that a ticket lets in once.
//!
//! Who came in last by each display is noted with the domain. Of a machine that ran already when it
//! was first seen nothing else is known: its displays are closed before anything else is done with
//! them, and whoever looks there is who was noted. If nobody was, they are cut off when the next
//! ticket is armed, so that they are taken for nobody else. Of VNC nobody can be cut off: whoever
//! looks there is taken for who has the next ticket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_libvirt::{Host, Kind, Target};
use carrel_model::ids::{FromUuid, MachineId};
use carrel_model::sealed::Secret;
use carrel_model::version::latest::display::Protocol;
use zeroize::Zeroizing;

use super::tickets::{There, Ticket, Tickets};
use crate::trouble::Trouble;

/// Of one machine, since it was started.
#[derive(Debug, Default)]
struct Doors {
    tickets: Tickets,
    /// Its displays take nothing but what is held here.
    is_met: bool,
    /// Whoever closes or arms its displays, or closes one behind who came in, is alone with them.
    alone: Arc<Mutex<()>>,
    /// When they were armed last, or it was started.
    changed: Moment,
}

/// Counts what is done to displays, to tell what was seen before from what was seen after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

#[derive(Debug, Default)]
struct All {
    doors: BTreeMap<MachineId, Doors>,
    now: Moment,
}

impl All {
    fn changes(&mut self, machine: MachineId) -> &mut Doors {
        self.now.0 += 1;
        let doors = self.doors.entry(machine).or_default();
        doors.changed = self.now;
        doors
    }
}

#[derive(Debug, Default)]
pub(super) struct People(Mutex<All>);

/// What a display takes, and until when.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    pub(super) protocol: Protocol,
    pub(super) password: &'a Secret,
    pub(super) until_unix: u64,
}

fn machine(target: Target) -> MachineId {
    MachineId::from_uuid(target.machine)
}

impl People {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Moment {
        self.all().now
    }

    /// It was off at this moment.
    pub(super) fn forgets(&self, machine: MachineId, at: Moment) {
        let mut all = self.all();
        if all.doors.get(&machine).is_some_and(|doors| doors.changed <= at) {
            all.doors.remove(&machine);
        }
    }

    /// At this moment there were no other machines than these.
    pub(super) fn keeps(&self, machines: &BTreeSet<MachineId>, at: Moment) {
        self.all().doors.retain(|machine, doors| machines.contains(machine) || doors.changed > at);
    }

    /// It was just started, and so its displays are closed.
    pub(super) fn begins(&self, machine: MachineId) {
        let mut all = self.all();
        all.doors.remove(&machine);
        all.changes(machine).is_met = true;
    }

    pub(super) fn has_met(&self, machine: MachineId) -> bool {
        self.all().doors.get(&machine).is_some_and(|doors| doors.is_met)
    }

    /// Whether anybody could be there: if not, nobody has to ask QEMU.
    pub(super) fn may_be_at(&self, machine: MachineId) -> bool {
        self.all().doors.get(&machine).is_some_and(|doors| !doors.tickets.is_empty())
    }

    /// As they were seen last.
    pub(super) fn there(&self, machine: MachineId) -> There {
        let all = self.all();
        all.doors.get(&machine).map(|doors| doors.tickets.there()).unwrap_or_default()
    }

    fn alone(&self, machine: MachineId) -> Arc<Mutex<()>> {
        Arc::clone(&self.all().doors.entry(machine).or_default().alone)
    }

    /// Closes the displays of a machine that nobody here has seen before. Who looks may stay.
    pub(super) fn meets(&self, host: &Host, target: Target) -> Result<(), Trouble> {
        let alone = self.alone(machine(target));
        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        self.meets_alone(host, target)
    }

    fn meets_alone(&self, host: &Host, target: Target) -> Result<(), Trouble> {
        let machine = machine(target);
        if self.has_met(machine) {
            return Ok(());
        }
        for by in [Kind::Spice, Kind::Vnc] {
            disarm_if_there(host, target, by)?;
        }
        let observed = host.observe(target.uuid)?;
        let ours = observed.and_then(|observed| observed.found.ours.clone());
        let mut all = self.all();
        let doors = all.doors.entry(machine).or_default();
        if doors.tickets.is_empty() {
            let noted = ours.map(|ours| ours.viewers).unwrap_or_default();
            doors.tickets = Tickets::read(&noted);
        }
        doors.is_met = true;
        Ok(())
    }

    pub(super) fn arms(
        &self,
        host: &Host,
        target: Target,
        ticket: Ticket,
        pass: &Pass<'_>,
    ) -> Result<(), Trouble> {
        let by = match pass.protocol {
            Protocol::Spice => Kind::Spice,
            Protocol::Vnc => Kind::Vnc,
            Protocol::Rdp => {
                return Err(Trouble::never("no_display", "RDP is the guest's own display"));
            }
        };
        let machine = machine(target);
        let alone = self.alone(machine);
        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.has_met(machine) {
            self.meets_alone(host, target)?;
            if self.may_be_at(machine) {
                return Err(Trouble::again("display", "who came in before was not known yet"));
            }
        }
        let (until_unix, password) =
            (pass.until_unix, Zeroizing::new(pass.password.expose().to_owned()));
        if self.let_somebody_in(machine, by) {
            host.arm(target, by, &password, until_unix)?;
        } else {
            host.arm_anew(target, by, &password, until_unix)?;
        }
        let mut all = self.all();
        let doors = all.changes(machine);
        doors.is_met = true;
        doors.tickets.arm(ticket, by, until_unix);
        Ok(())
    }

    /// If not, whoever looks came in before anybody here has seen the machine.
    fn let_somebody_in(&self, machine: MachineId, by: Kind) -> bool {
        self.all().doors.get(&machine).is_some_and(|doors| doors.tickets.has(by))
    }

    /// Whoever came in by these is cut off, and so is everybody else at that display: QEMU knows no
    /// single viewer.
    pub(super) fn cuts(&self, host: &Host, target: Target, of: &[Ticket]) -> Result<(), Trouble> {
        let machine = machine(target);
        let alone = self.alone(machine);
        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        if_there(host.cut_viewers(target))?;
        disarm_if_there(host, target, Kind::Vnc)?;
        if let Some(doors) = self.all().doors.get_mut(&machine) {
            doors.tickets.cut(of);
        }
        Ok(())
    }

    /// Asks QEMU who looks, and closes the displays behind who has come in. Whether anything is
    /// new.
    pub(super) fn looks(
        &self,
        host: &Host,
        target: Target,
        now_unix: u64,
    ) -> Result<bool, Trouble> {
        let machine = machine(target);
        let alone = self.alone(machine);
        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        let viewing = host.viewers(target)?;
        let (looked, noted, is_new) = {
            let mut all = self.all();
            let Some(doors) = all.doors.get_mut(&machine) else { return Ok(false) };
            let before = doors.tickets.there();
            let looked = doors.tickets.see(&viewing, now_unix);
            (looked, doors.tickets.noted(), doors.tickets.there() != before)
        };
        for by in &looked.close {
            if let Err(trouble) = host.disarm(target, *by) {
                tracing::debug!(machine.id = %machine, %trouble, "a display is still armed");
                self.doubts(machine);
            }
        }
        if looked.came_in
            && let Err(trouble) = host.note_viewers(target, noted)
        {
            tracing::debug!(machine.id = %machine, %trouble, "who came in is not written down");
        }
        Ok(is_new)
    }

    /// What its displays take is not known any more.
    fn doubts(&self, machine: MachineId) {
        if let Some(doors) = self.all().doors.get_mut(&machine) {
            doors.is_met = false;
        }
    }

    /// Who is logged in in a guest, now that it was asked in this epoch. Whether anything is new.
    pub(super) fn hears_users(
        &self,
        machine: MachineId,
        boot_epoch: u64,
        users: Vec<String>,
    ) -> bool {
        let mut all = self.all();
        let Some(doors) = all.doors.get_mut(&machine) else { return false };
        let before = doors.tickets.there();
        doors.tickets.hear_users(boot_epoch, &users.into_iter().collect());
        doors.tickets.there() != before
    }
}

fn disarm_if_there(host: &Host, target: Target, by: Kind) -> Result<(), Trouble> {
    if_there(host.disarm(target, by))
}

/// Not every machine has a display of each kind.
fn if_there(done: Result<(), carrel_libvirt::Trouble>) -> Result<(), Trouble> {
    match done {
        Err(trouble) if trouble.code == "no_display" => Ok(()),
        done => Ok(done?),
    }
}
