//! Where a session stands in the indexes.

use super::{Counted, Due, Index, Silence, listen, moved, renamed};
use crate::fleet::{Fleet, Table, Thing};
use crate::ids::{GroupId, SessionId};
use crate::record::{Timestamp, Version};
use crate::session::{self, PLACE_SILENCE_SECONDS, Session, Subject, Target};

#[derive(Clone, Debug, PartialEq)]
pub struct SessionKeys {
    subject: Subject,
    target: Target,
    state: session::State,
    counts_for: Vec<GroupId>,
    ticket: Option<(Timestamp, u32)>,
}

impl SessionKeys {
    fn place(&self) -> Option<(Target, u64)> {
        match self.state {
            session::State::Queued { place } => Some((self.target, place)),
            session::State::Leased { .. } => None,
        }
    }

    fn silence_of_place(&self) -> Option<u32> {
        self.place().map(|_| PLACE_SILENCE_SECONDS)
    }

    fn silence_of_lease(&self) -> Option<u32> {
        match self.state {
            session::State::Leased { return_after_seconds, .. } => Some(return_after_seconds),
            session::State::Queued { .. } => None,
        }
    }

    fn counted(&self) -> Vec<Counted> {
        if self.place().is_some() {
            return Vec::new();
        }
        let pool = match self.target {
            Target::Pool(pool) => Some(Counted::Pool(pool)),
            Target::Machine(_) => None,
        };
        pool.into_iter().chain(self.counts_for.iter().copied().map(Counted::Group)).collect()
    }
}

impl Thing for Session {
    same_for_all!(SessionId, sessions);

    type Keys = SessionKeys;

    fn keys(&self) -> SessionKeys {
        SessionKeys {
            subject: self.subject,
            target: self.target,
            state: self.state,
            counts_for: self.counts_for.clone(),
            ticket: self
                .ticket
                .state
                .is_unspent()
                .then_some((self.ticket.expires_at, self.ticket.number)),
        }
    }

    fn reindex(
        id: SessionId,
        before: Option<SessionKeys>,
        after: Option<SessionKeys>,
        index: &mut Index,
    ) {
        let (old, new) = (before.as_ref(), after.as_ref());
        let subject = |keys: Option<&SessionKeys>| keys.map(|keys| (keys.subject, id));
        moved(&mut index.sessions_of, subject(old), subject(new));
        let target = |keys: Option<&SessionKeys>| keys.map(|keys| (keys.target, id));
        moved(&mut index.sessions_in, target(old), target(new));
        let place = |keys: Option<&SessionKeys>| keys.and_then(SessionKeys::place);
        renamed(&mut index.queue, place(old), place(new), id);
        let lease = |keys: Option<&SessionKeys>| keys.and_then(SessionKeys::silence_of_lease);
        listen(index, Silence::Lease(id), lease(old), lease(new));
        let wait = |keys: Option<&SessionKeys>| keys.and_then(SessionKeys::silence_of_place);
        listen(index, Silence::Place(id), wait(old), wait(new));
        let ticket = |keys: Option<&SessionKeys>| {
            let (time, number) = keys?.ticket?;
            Some((time, Due::Ticket(id, number)))
        };
        moved(&mut index.times, ticket(old), ticket(new));
        let counted = |keys: Option<&SessionKeys>| keys.map(SessionKeys::counted);
        count(index, counted(old).unwrap_or_default(), counted(new).unwrap_or_default());
    }
}

fn count(index: &mut Index, before: Vec<Counted>, after: Vec<Counted>) {
    if before == after {
        return;
    }
    for counted in before {
        match index.leases.get(&counted).copied().unwrap_or_default() {
            0 | 1 => index.leases.remove(&counted),
            left => index.leases.insert(counted, left - 1),
        };
    }
    for counted in after {
        *index.leases.entry(counted).or_default() += 1;
    }
}
