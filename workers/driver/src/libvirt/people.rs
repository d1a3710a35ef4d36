//! Whose ticket is armed, and who looks.
//!
//! A display knows one password and nobody's name. Who comes in by it is whoever has the ticket
//! that was armed last; then the password is taken back, so that a ticket lets in once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use carrel_libvirt::{Host, Kind, Target, Viewing};
use carrel_model::ids::{MachineId, SessionId};
use carrel_model::sealed::Secret;
use carrel_model::version::latest::display::Protocol;
use zeroize::Zeroizing;

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

/// Of one machine, since it was started.
#[derive(Debug, Default)]
struct Doors {
    /// The newest of each session.
    tickets: Vec<Held>,
    /// By what connection who came in.
    inside: BTreeMap<(u8, u64), Ticket>,
}

#[derive(Debug, Default)]
pub(super) struct People(Mutex<BTreeMap<MachineId, Doors>>);

/// What a worker learns of those in front of a machine.
#[derive(Debug, Default)]
pub(super) struct There {
    pub(super) armed: Vec<Armed>,
    pub(super) viewers: Vec<Viewer>,
}

const fn number(by: Kind) -> u8 {
    match by {
        Kind::Spice => 0,
        Kind::Vnc => 1,
    }
}

impl People {
    fn doors(&self) -> MutexGuard<'_, BTreeMap<MachineId, Doors>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forgets(&self, machine: MachineId) {
        self.doors().remove(&machine);
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
        let password = Zeroizing::new(password.expose().to_owned());
        host.arm(target, by, &password, until_unix)?;
        let mut all = self.doors();
        let doors = all.entry(machine).or_default();
        doors.tickets.retain(|held| held.ticket.0 != session);
        let (ticket, is) = ((session, number), TicketUse::Open);
        doors.tickets.push(Held { ticket, by, until_unix, is });
        Ok(())
    }

    /// Whoever came in by these is cut off, and so is everybody else at that display: QEMU knows no
    /// single viewer.
    pub(super) fn cuts(
        &self,
        host: &Host,
        target: Target,
        (machine, of): (MachineId, &[Ticket]),
    ) -> Result<(), Trouble> {
        host.cut_viewers(target)?;
        host.disarm(target, Kind::Vnc)
            .or_else(|trouble| if trouble.code == "no_display" { Ok(()) } else { Err(trouble) })?;
        if let Some(doors) = self.doors().get_mut(&machine) {
            doors.tickets.retain(|held| !of.contains(&held.ticket));
            doors.inside.retain(|_, ticket| !of.contains(ticket));
        }
        Ok(())
    }

    /// Whether anybody could be there: if not, nobody has to ask QEMU.
    pub(super) fn may_be_at(&self, machine: MachineId) -> bool {
        self.doors().get(&machine).is_some_and(|doors| !doors.tickets.is_empty())
    }

    /// What became of tickets, now that these look.
    pub(super) fn seen(
        &self,
        machine: MachineId,
        now_unix: u64,
        viewing: &[Viewing],
    ) -> (There, Vec<Kind>) {
        let mut all = self.doors();
        let Some(doors) = all.get_mut(&machine) else { return Default::default() };
        let used = doors.come_in(viewing);
        for held in &mut doors.tickets {
            if held.is == TicketUse::Open && held.until_unix <= now_unix {
                held.is = TicketUse::Expired;
            }
        }
        let armed = doors.tickets.iter().map(|held| {
            let (session, ticket) = held.ticket;
            Armed { session, ticket, is: held.is }
        });
        let viewers = doors
            .inside
            .values()
            .map(|(session, ticket)| Viewer { session: *session, ticket: *ticket });
        (There { armed: armed.collect(), viewers: viewers.collect() }, used)
    }
}

impl Doors {
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
