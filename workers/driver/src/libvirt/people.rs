//! Whose ticket is armed, and who looks.
//!
//! A display knows one password and nobody's name. Who comes in by it is whoever has the ticket
//! that was armed last; then the password is taken back, so that a ticket lets in once.
//!
//! Who came in last by each display is noted with the domain. Of a machine that ran already when it
//! was first seen nothing else is known: its displays are closed before anything else is done with
//! them, and whoever looks there is who was noted. If nobody was, they are cut off when the next
//! ticket is armed, so that they are taken for nobody else. Of VNC nobody can be cut off: whoever
//! looks there is taken for who has the next ticket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_domain::Label;
use carrel_libvirt::{Host, Kind, Target, Viewing};
use carrel_model::ids::{FromUuid, MachineId, SessionId};
use carrel_model::sealed::Secret;
use carrel_model::version::latest::display::Protocol;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::logins::Logins;
use crate::seen::{Armed, TicketUse, Viewer};
use crate::trouble::Trouble;

/// A ticket: of whose session, and the how manieth.
type Ticket = (SessionId, u32);

#[derive(Clone, Copy, Debug)]
struct Held {
    ticket: Ticket,
    by: Kind,
    until_unix: u64,
    is: TicketUse,
}

impl Held {
    fn word(&self) -> String {
        let by = match self.by {
            Kind::Spice => "spice",
            Kind::Vnc => "vnc",
        };
        let (session, ticket) = self.ticket;
        format!("{by}:{session}:{ticket}")
    }

    /// What somebody else has written there is nobody.
    fn read(word: &str) -> Option<Self> {
        let (by, rest) = word.split_once(':')?;
        let (session, ticket) = rest.split_once(':')?;
        let by = match by {
            "spice" => Kind::Spice,
            "vnc" => Kind::Vnc,
            _ => return None,
        };
        let session = SessionId::from_uuid(Uuid::try_parse(session).ok()?);
        let ticket = (session, ticket.parse().ok()?);
        Some(Self { ticket, by, until_unix: 0, is: TicketUse::Used })
    }
}

/// Of one machine, since it was started.
#[derive(Debug, Default)]
struct Doors {
    /// The newest of each session.
    tickets: Vec<Held>,
    /// By what connection who came in.
    inside: BTreeMap<(u8, u64), Ticket>,
    logins: Logins,
    /// Its displays take nothing but what is held here.
    is_met: bool,
    /// Whoever closes or arms its displays is alone with them.
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

/// What a worker learns of those in front of a machine.
#[derive(Debug, Default)]
pub(super) struct There {
    pub(super) armed: Vec<Armed>,
    pub(super) viewers: Vec<Viewer>,
    pub(super) logged_off: Vec<SessionId>,
}

const fn number(by: Kind) -> u8 {
    match by {
        Kind::Spice => 0,
        Kind::Vnc => 1,
    }
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

    /// It was just started, and so its displays are closed.
    pub(super) fn begins(&self, machine: MachineId) {
        let mut all = self.all();
        all.doors.remove(&machine);
        all.changes(machine).is_met = true;
    }

    pub(super) fn has_met(&self, machine: MachineId) -> bool {
        self.all().doors.get(&machine).is_some_and(|doors| doors.is_met)
    }

    /// What its displays take is not known any more.
    pub(super) fn doubts(&self, machine: MachineId) {
        if let Some(doors) = self.all().doors.get_mut(&machine) {
            doors.is_met = false;
        }
    }

    fn alone(&self, machine: MachineId) -> Arc<Mutex<()>> {
        Arc::clone(&self.all().doors.entry(machine).or_default().alone)
    }

    /// Closes the displays of a machine that nobody here has seen before. Who looks may stay.
    pub(super) fn meets(&self, host: &Host, target: Target) -> Result<(), Trouble> {
        let machine = MachineId::from_uuid(target.machine);
        let alone = self.alone(machine);
        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        self.meets_alone(host, target, machine)
    }

    fn meets_alone(&self, host: &Host, target: Target, machine: MachineId) -> Result<(), Trouble> {
        if self.has_met(machine) {
            return Ok(());
        }
        for by in [Kind::Spice, Kind::Vnc] {
            disarm_if_there(host, target, by)?;
        }
        let observed = host.observe(target.uuid)?;
        let noted = observed.and_then(|observed| observed.found.ours.clone());
        let mut all = self.all();
        let doors = all.doors.entry(machine).or_default();
        if doors.tickets.is_empty() {
            let noted = noted.iter().flat_map(|ours| &ours.viewers);
            doors.tickets = noted.filter_map(|word| Held::read(word.as_str())).collect();
        }
        doors.is_met = true;
        Ok(())
    }

    pub(super) fn arms(
        &self,
        host: &Host,
        target: Target,
        (machine, session, number): (MachineId, SessionId, u32),
        (protocol, password, until_unix): (Protocol, &Secret, u64),
    ) -> Result<(), Trouble> {
        let by = match protocol {
            Protocol::Spice => Kind::Spice,
            Protocol::Vnc => Kind::Vnc,
            Protocol::Rdp => {
                return Err(Trouble::never("no_display", "RDP is the guest's own display"));
            }
        };
        let alone = self.alone(machine);
        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.has_met(machine) {
            self.meets_alone(host, target, machine)?;
            if self.may_be_at(machine) {
                return Err(Trouble::again("display", "who came in before was not known yet"));
            }
        }
        let password = Zeroizing::new(password.expose().to_owned());
        if self.let_somebody_in(machine, by) {
            host.arm(target, by, &password, until_unix)?;
        } else {
            host.arm_anew(target, by, &password, until_unix)?;
        }
        let mut all = self.all();
        let doors = all.changes(machine);
        doors.is_met = true;
        doors.tickets.retain(|held| held.ticket.0 != session);
        let (ticket, is) = ((session, number), TicketUse::Open);
        doors.tickets.push(Held { ticket, by, until_unix, is });
        Ok(())
    }

    /// If not, whoever looks came in before anybody here has seen the machine.
    fn let_somebody_in(&self, machine: MachineId, by: Kind) -> bool {
        let all = self.all();
        all.doors.get(&machine).is_some_and(|it| it.tickets.iter().any(|held| held.by == by))
    }

    /// Whoever came in by these is cut off, and so is everybody else at that display: QEMU knows no
    /// single viewer.
    pub(super) fn cuts(
        &self,
        host: &Host,
        target: Target,
        (machine, of): (MachineId, &[Ticket]),
    ) -> Result<(), Trouble> {
        if_there(host.cut_viewers(target))?;
        disarm_if_there(host, target, Kind::Vnc)?;
        if let Some(doors) = self.all().doors.get_mut(&machine) {
            // What anybody else was to come in by is closed with it.
            doors.tickets.retain(|held| held.is != TicketUse::Open && !of.contains(&held.ticket));
            doors.inside.retain(|_, ticket| !of.contains(ticket));
            let tickets = &doors.tickets;
            doors.logins.keep(|session| tickets.iter().any(|held| held.ticket.0 == session));
        }
        Ok(())
    }

    /// Whether anybody could be there: if not, nobody has to ask QEMU.
    pub(super) fn may_be_at(&self, machine: MachineId) -> bool {
        self.all().doors.get(&machine).is_some_and(|doors| !doors.tickets.is_empty())
    }

    /// Those who have come in, in words that [`Held::read`] reads.
    pub(super) fn noted(&self, machine: MachineId) -> Vec<Label> {
        let all = self.all();
        let tickets = all.doors.get(&machine).into_iter().flat_map(|doors| &doors.tickets);
        let mut last: BTreeMap<u8, &Held> = BTreeMap::new();
        last.extend(
            tickets.filter(|held| held.is == TicketUse::Used).map(|held| (number(held.by), held)),
        );
        last.values().filter_map(|held| Label::new(&held.word()).ok()).collect()
    }

    /// Who is logged in in a guest, now that it was asked in this epoch.
    pub(super) fn hears_users(&self, (machine, boot_epoch): (MachineId, u64), users: Vec<String>) {
        let mut all = self.all();
        let Some(doors) = all.doors.get_mut(&machine) else { return };
        let viewers: Vec<SessionId> = doors.inside.values().map(|(session, _)| *session).collect();
        doors.logins.hears(boot_epoch, &viewers, &users.into_iter().collect());
    }

    /// What became of tickets, now that these look.
    pub(super) fn seen(
        &self,
        machine: MachineId,
        now_unix: u64,
        viewing: &[Viewing],
    ) -> (There, Vec<Kind>) {
        let mut all = self.all();
        let Some(doors) = all.doors.get_mut(&machine) else { return Default::default() };
        let used = doors.come_in(viewing);
        for held in &mut doors.tickets {
            if held.is == TicketUse::Open && held.until_unix <= now_unix {
                held.is = TicketUse::Expired;
            }
        }
        (doors.there(), used)
    }

    /// The same, as it was seen last.
    pub(super) fn seen_last(&self, machine: MachineId) -> There {
        self.all().doors.get(&machine).map(Doors::there).unwrap_or_default()
    }
}

impl Doors {
    fn there(&self) -> There {
        let armed = self.tickets.iter().map(|held| {
            let (session, ticket) = held.ticket;
            Armed { session, ticket, is: held.is }
        });
        let viewers = self
            .inside
            .values()
            .map(|(session, ticket)| Viewer { session: *session, ticket: *ticket });
        There {
            armed: armed.collect(),
            viewers: viewers.collect(),
            logged_off: self.logins.over().collect(),
        }
    }

    /// By which displays somebody has come in, so that their passwords are of no use any more.
    fn come_in(&mut self, viewing: &[Viewing]) -> Vec<Kind> {
        let key = |it: &Viewing| (number(it.by), it.connection);
        let there: Vec<_> = viewing.iter().filter(|it| it.signed_in).map(key).collect();
        self.inside.retain(|connection, _| there.contains(connection));
        let mut used = Vec::new();
        for viewing in viewing.iter().filter(|it| it.signed_in) {
            if self.inside.contains_key(&key(viewing)) {
                continue;
            }
            let mut tickets = self.tickets.iter_mut().rev();
            let Some(held) = tickets.find(|held| held.by == viewing.by) else { continue };
            if held.is == TicketUse::Open {
                held.is = TicketUse::Used;
                used.push(viewing.by);
            }
            self.inside.insert(key(viewing), held.ticket);
        }
        used
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

#[cfg(test)]
mod tests {
    use super::{Held, Kind, SessionId, TicketUse, Uuid};

    #[test]
    fn who_came_in_is_known_again_by_a_word() {
        let ticket = (SessionId::new(Uuid::from_u128(7)), 3);
        for by in [Kind::Spice, Kind::Vnc] {
            let held = Held { ticket, by, until_unix: 9, is: TicketUse::Used };
            let read = Held::read(&held.word()).expect("a word");
            assert_eq!((read.ticket, read.by, read.is), (ticket, by, TicketUse::Used));
        }
        for odd in ["", "spice", "spice:7:3", "rdp:00000000-0000-0000-0000-000000000007:3"] {
            assert!(Held::read(odd).is_none(), "{odd}");
        }
    }
}
