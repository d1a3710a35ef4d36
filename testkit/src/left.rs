//! What is left when everything has come to rest: nothing is late, nothing goes on, and what is
//! over is gone.

use carrel_model::event::{Event, SessionFact};
use carrel_model::fleet::Fleet;
use carrel_model::ids::ImageId;
use carrel_model::image::{Image, State as Content};
use carrel_model::machine::Ready;
use carrel_model::operation::State;
use carrel_model::record::Timestamp;

use crate::invariants::users;

/// # Panics
/// If something does.
pub fn nothing_goes_on_for_ever(fleet: &Fleet, log: &[Event]) {
    operations_have_ended(fleet, log);
    for (id, image) in fleet.images.iter() {
        let sees = |host| image.nearest_file(fleet, host).is_some();
        let is_read = fleet.hypervisors.iter().any(|(id, host)| host.enabled() && sees(id));
        let known = image.state != Content::Sealed || !is_read;
        assert!(known, "nobody says what is in {id}: {image:#?}");
        assert_ne!(image.state, Content::Sealing, "{id} is sealed for ever: {image:#?}");
        let goes = image.state == Content::Retired && may_go(fleet, id, image);
        assert!(!goes, "{id} is retired, of no use to anything, and still there: {image:#?}");
        let stays = image.state == Content::Retired || fleet.machines.contains(image.initial);
        assert!(stays || !may_go(fleet, id, image), "{id} outlives its initial: {image:#?}");
    }
    for (id, machine) in fleet.machines.iter() {
        assert!(!machine.being_renewed(), "{id} is renewed for ever: {machine:#?}");
        assert_eq!(machine.task, None, "{id} works for ever: {machine:#?}");
        assert!(!machine.deleting, "{id} is deleted for ever: {machine:#?}");
        assert_eq!(machine.leaving, None, "{id} leaves for ever: {machine:#?}");
        assert_eq!(machine.snapshot_at_work(), None, "a snapshot of {id} is at work for ever");
    }
    ended_sessions_are_gone(fleet, log);
}

/// Until its new disk has proved itself a machine can go back to the one before.
///
/// # Panics
/// If one keeps it longer.
pub fn no_disk_is_kept_for_nothing(fleet: &Fleet) {
    for (id, machine) in fleet.machines.iter() {
        let proved_itself = machine.observed.ready == Ready::Yes && !machine.half_made;
        let kept = machine.disk_before.is_some();
        assert!(!kept || !proved_itself, "{id} keeps a disk of no use: {machine:#?}");
    }
}

/// Nothing stands on it, and its files can be removed.
fn may_go(fleet: &Fleet, id: ImageId, image: &Image) -> bool {
    let mut all = fleet.images.iter();
    let stood_on = all.any(|(_, later)| later.stands_on().is_some_and(|base| base.image == id));
    let can_be_removed = image.files.iter().all(|file| {
        let mut hosts = fleet.hypervisors.iter();
        hosts.any(|(host, it)| it.enabled() && fleet.sees(host, file.storage))
    });
    !stood_on && can_be_removed && users(fleet, id).next().is_none()
}

fn ended_sessions_are_gone(fleet: &Fleet, log: &[Event]) {
    for event in log {
        let Event::Session(ended, SessionFact::LeaseEnded(_) | SessionFact::Left(_)) = event else {
            continue;
        };
        assert!(fleet.sessions.get(*ended).is_none(), "{ended} has ended, and is still there");
    }
}

fn operations_have_ended(fleet: &Fleet, log: &[Event]) {
    for (id, operation) in fleet.operations.iter() {
        let ended = matches!(operation.state, State::Ended { .. });
        if !ended {
            let part = operation.parts.iter().next();
            let machine = part.map(|(machine, _)| *machine);
            let facts = log
                .iter()
                .filter(|event| matches!(event, Event::Machine(id, _) if Some(*id) == machine));
            let facts: Vec<_> = facts.map(|event| format!("{event:?}")).collect();
            let last = &facts[facts.len().saturating_sub(LAST_FACTS)..];
            panic!("{id} ({}) has no end: {part:?} after {last:#?}", operation.name);
        }
    }
}

/// Enough to see what a part waits for.
const LAST_FACTS: usize = 40;

/// Whatever had a time has been looked at when that time came.
///
/// # Panics
/// If something is late.
pub fn nothing_is_overdue(fleet: &Fleet, now: Timestamp) {
    for (id, token) in fleet.tokens.iter() {
        assert!(token.expires_at > now, "the token {id} has expired, and is still there");
    }
    for (id, operation) in fleet.operations.iter() {
        if let State::Ended { retry_until, .. } = operation.state {
            assert!(retry_until > now, "{id} can't be tried again any more, and is still there");
        }
    }
    for (id, machine) in fleet.machines.iter() {
        let readiness = match machine.observed.ready {
            Ready::By(time) => Some(time),
            Ready::No | Ready::Yes => None,
        };
        let renewal = machine.renewal.as_ref().filter(|_| !machine.deleting);
        let renewal = renewal.and_then(|renewing| renewing.deadline);
        for time in [machine.power.deadline, readiness, renewal].into_iter().flatten() {
            assert!(time > now, "{id} waits for a time that has passed: {machine:#?}");
        }
    }
    for (id, session) in fleet.sessions.iter().filter(|(_, it)| it.ticket.state.is_unspent()) {
        assert!(session.ticket.expires_at > now, "the ticket of {id} has expired, and can be used");
    }
    for (id, pool) in fleet.pools.iter() {
        assert!(pool.next_turn.is_none_or(|turn| turn > now), "{id} has missed its turn");
        assert_eq!(pool.reviewed_upto, None, "rights to {id} are yet to be looked at");
    }
}
