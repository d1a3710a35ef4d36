//! The tickets of one machine, and who came in by them. Pure.
//!
//! A display knows one password and nobody's name. Who comes in by it is whoever has the ticket
//! that was armed last.

use std::collections::{BTreeMap, BTreeSet};

use carrel_domain::Label;
use carrel_libvirt::{Kind, Viewing};
use carrel_model::ids::{FromUuid, SessionId};
use uuid::Uuid;

use super::logins::Logins;
use crate::seen::{Armed, TicketUse, Viewer};

/// A ticket: of whose session, and the how manieth.
pub(super) type Ticket = (SessionId, u32);

#[derive(Clone, Copy, Debug)]
struct Held {
    ticket: Ticket,
    by: Kind,
    until_unix: u64,
    is: TicketUse,
}

/// QEMU's word for a viewer: its display, and a number that is its own there.
type Connection = (u8, i64);

/// Since the machine was started.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    /// The newest of each session.
    held: Vec<Held>,
    /// By what connection who came in.
    inside: BTreeMap<Connection, Ticket>,
    /// When somebody came in by a display that takes the password still.
    open_since: BTreeMap<Kind, u64>,
    logins: Logins,
}

/// Each channel of a SPICE viewer signs in by itself, and its main channel is the first. So long
/// the others may take.
pub(super) const CHANNELS_WITHIN_SECONDS: u64 = 10;

/// What follows from who looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// Somebody has come in.
    pub(super) came_in: bool,
    /// These have to take no password any more.
    pub(super) close: Vec<Kind>,
}

/// What a worker learns of those in front of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

impl Tickets {
    /// As those were noted who came in before anybody here has seen the machine.
    pub(super) fn read(noted: &[Label]) -> Self {
        let held = noted.iter().filter_map(|word| Held::read(word.as_str())).collect();
        Self { held, ..Self::default() }
    }

    /// Those who have come in, in words that [`Tickets::read`] reads.
    pub(super) fn noted(&self) -> Vec<Label> {
        let used = self.held.iter().filter(|held| held.is == TicketUse::Used);
        let last: BTreeMap<u8, &Held> = used.map(|held| (number(held.by), held)).collect();
        last.values().filter_map(|held| Label::new(&held.word()).ok()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether anybody may have come in by this display.
    pub(super) fn has(&self, by: Kind) -> bool {
        self.held.iter().any(|held| held.by == by)
    }

    pub(super) fn arm(&mut self, ticket: Ticket, by: Kind, until_unix: u64) {
        self.open_since.remove(&by);
        self.held.retain(|held| held.ticket.0 != ticket.0);
        self.held.push(Held { ticket, by, until_unix, is: TicketUse::Open });
    }

    /// All displays were closed, and those cut off who came in by these. What anybody else was to
    /// come in by is closed with it.
    pub(super) fn cut(&mut self, of: &[Ticket]) {
        self.open_since.clear();
        self.held.retain(|held| held.is != TicketUse::Open && !of.contains(&held.ticket));
        self.inside.retain(|_, ticket| !of.contains(ticket));
        let held = &self.held;
        self.logins.keep(|session| held.iter().any(|held| held.ticket.0 == session));
    }

    pub(super) fn there(&self) -> There {
        let armed = self.held.iter().map(|held| {
            let (session, ticket) = held.ticket;
            Armed { session, ticket, is: held.is }
        });
        let viewers = self.inside.values();
        let viewers =
            viewers.map(|(session, ticket)| Viewer { session: *session, ticket: *ticket });
        There {
            armed: armed.collect(),
            viewers: viewers.collect(),
            logged_off: self.logins.over().collect(),
        }
    }

    /// Who is logged in in the guest, now that it was asked in this epoch.
    pub(super) fn hear_users(&mut self, boot_epoch: u64, users: &BTreeSet<String>) {
        let viewers: Vec<_> = self.inside.values().map(|(session, _)| *session).collect();
        self.logins.hears(boot_epoch, &viewers, users);
    }

    /// These look. A display by which somebody has come in is closed when all of their channels
    /// had time to; who has not come by now is late.
    pub(super) fn see(&mut self, viewing: &[Viewing], now_unix: u64) -> Looked {
        let used = self.come_in(viewing);
        for by in &used {
            self.open_since.insert(*by, now_unix);
        }
        for held in &mut self.held {
            if held.is == TicketUse::Open && held.until_unix <= now_unix {
                held.is = TicketUse::Expired;
            }
        }
        let is_due = |by: Kind, since: u64| match by {
            // A clock that was set back keeps no door open.
            Kind::Spice => !(since..since + CHANNELS_WITHIN_SECONDS).contains(&now_unix),
            Kind::Vnc => true,
        };
        let due = self.open_since.extract_if(.., |by, since| is_due(*by, *since));
        Looked { came_in: !used.is_empty(), close: due.map(|(by, _)| by).collect() }
    }

    fn come_in(&mut self, viewing: &[Viewing]) -> Vec<Kind> {
        let key = |it: &Viewing| (number(it.by), it.connection);
        let there: Vec<_> = viewing.iter().filter(|it| it.signed_in).map(key).collect();
        self.inside.retain(|connection, _| there.contains(connection));
        let mut used = Vec::new();
        for viewing in viewing.iter().filter(|it| it.signed_in) {
            if self.inside.contains_key(&key(viewing)) {
                continue;
            }
            let mut newest_first = self.held.iter_mut().rev();
            let Some(held) = newest_first.find(|held| held.by == viewing.by) else { continue };
            if held.is == TicketUse::Open {
                held.is = TicketUse::Used;
                used.push(viewing.by);
            }
            self.inside.insert(key(viewing), held.ticket);
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use carrel_domain::Label;
    use carrel_libvirt::{Kind, Viewing};
    use carrel_model::ids::SessionId;
    use uuid::Uuid;

    use super::{Armed, CHANNELS_WITHIN_SECONDS, Held, Looked, TicketUse, Tickets, Viewer};

    const ADA: SessionId = SessionId::new(Uuid::from_u128(7));
    const BOB: SessionId = SessionId::new(Uuid::from_u128(8));
    const LATER: u64 = 100;

    fn viewing(connection: i64) -> Viewing {
        Viewing { by: Kind::Spice, connection, address: None, signed_in: true }
    }

    fn came_in() -> Looked {
        Looked { came_in: true, close: Vec::new() }
    }

    fn closes(by: Kind) -> Looked {
        Looked { came_in: false, close: vec![by] }
    }

    fn uses(tickets: &Tickets) -> Vec<TicketUse> {
        tickets.there().armed.iter().map(|armed| armed.is).collect()
    }

    fn viewers(tickets: &Tickets) -> Vec<SessionId> {
        tickets.there().viewers.iter().map(|viewer| viewer.session).collect()
    }

    #[test]
    fn who_came_in_is_known_again_by_a_word() {
        for by in [Kind::Spice, Kind::Vnc] {
            let mut tickets = Tickets::default();
            tickets.arm((ADA, 3), by, LATER);
            assert_eq!(tickets.noted(), [], "nobody has come in");
            assert!(tickets.see(&[Viewing { by, ..viewing(1) }], 0).came_in);
            let again = Tickets::read(&tickets.noted());
            let used = Armed { session: ADA, ticket: 3, is: TicketUse::Used };
            assert_eq!(again.there().armed, [used]);
            assert!(again.has(by));
        }
        for odd in ["", "spice", "spice:7:3", "rdp:00000000-0000-0000-0000-000000000007:3"] {
            assert!(Held::read(odd).is_none(), "{odd}");
        }
        assert!(Tickets::read(&[Label::new("odd").expect("a label")]).is_empty());
    }

    #[test]
    fn a_ticket_lets_in_once_and_is_spent_once() {
        let mut tickets = Tickets::default();
        tickets.arm((ADA, 1), Kind::Spice, LATER);
        let waits = Viewing { signed_in: false, ..viewing(1) };
        assert_eq!(tickets.see(&[waits], 0), Looked::default());
        assert_eq!(uses(&tickets), [TicketUse::Open]);
        assert_eq!(tickets.see(&[viewing(1)], 0), came_in());
        let last = CHANNELS_WITHIN_SECONDS - 1;
        assert_eq!(tickets.see(&[viewing(1)], last), Looked::default(), "channels come in");
        assert_eq!(tickets.see(&[viewing(1)], last + 1), closes(Kind::Spice));
        let later = tickets.see(&[viewing(1)], LATER);
        assert_eq!(later, Looked::default(), "it is used, and does not expire");
        assert_eq!(uses(&tickets), [TicketUse::Used]);
        assert_eq!(tickets.there().viewers, [Viewer { session: ADA, ticket: 1 }]);
        tickets.see(&[], LATER);
        assert_eq!(viewers(&tickets), []);
    }

    #[test]
    fn who_comes_in_the_last_moment_has_come() {
        let mut tickets = Tickets::default();
        tickets.arm((ADA, 1), Kind::Spice, LATER);
        tickets.see(&[], LATER - 1);
        assert_eq!(uses(&tickets), [TicketUse::Open]);
        assert_eq!(tickets.see(&[viewing(1)], LATER), came_in());
        tickets.arm((BOB, 1), Kind::Spice, LATER);
        tickets.see(&[viewing(1)], LATER);
        assert_eq!(uses(&tickets), [TicketUse::Used, TicketUse::Expired]);
        assert_eq!(viewers(&tickets), [ADA]);
    }

    #[test]
    fn a_door_is_closed_behind_whom_it_was_opened_for() {
        let mut tickets = Tickets::default();
        tickets.arm((ADA, 1), Kind::Spice, LATER);
        assert_eq!(tickets.see(&[viewing(1)], 5), came_in());
        tickets.arm((BOB, 1), Kind::Spice, LATER);
        assert_eq!(tickets.see(&[viewing(1)], 50), Looked::default(), "it is open for another");
        assert_eq!(tickets.see(&[viewing(1), viewing(2)], 50), came_in());
        assert_eq!(tickets.see(&[], 49), closes(Kind::Spice), "the clock was set back");
        let by = Kind::Vnc;
        tickets.arm((ADA, 2), by, LATER);
        let looked = tickets.see(&[Viewing { by, ..viewing(1) }], 0);
        assert_eq!(looked, Looked { came_in: true, close: vec![by] }, "it has one channel");
    }

    #[test]
    fn with_those_who_are_cut_off_the_door_is_closed_for_all() {
        let mut tickets = Tickets::default();
        tickets.arm((ADA, 1), Kind::Spice, LATER);
        tickets.see(&[viewing(1)], 0);
        tickets.arm((BOB, 1), Kind::Spice, LATER);
        tickets.cut(&[(ADA, 1)]);
        assert!(tickets.is_empty());
        assert_eq!(tickets.see(&[viewing(2)], 0), Looked::default(), "nobody knows who that is");
        assert_eq!(viewers(&tickets), []);
    }
}
