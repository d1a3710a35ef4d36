//! All domains at once, and one by itself.

use std::collections::HashSet;
use std::sync::Arc;

use carrel_domain::{Ended, Found, FoundDisplay, Ours};
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;

use crate::bridge;
use crate::host::{Host, Turns};
use crate::known::{Known, Since};
use crate::state::State;
use crate::target::{self, find};
use crate::trouble::Trouble;

/// A domain of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As it is defined.
    pub found: Arc<Found>,
    pub ours: Ours,
    pub state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub domains: Vec<Listed>,
    /// How many there are that are nobody's of ours.
    pub foreign: u32,
}

/// A domain of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub found: Arc<Found>,
    pub state: State,
    sizes: Vec<(String, u64)>,
}

/// One domain, ours or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// As it is defined.
    pub found: Arc<Found>,
    pub state: State,
    /// As it runs: with its ports. Empty while it is off.
    pub displays: Vec<FoundDisplay>,
}

impl Listed {
    /// How the run of its epoch ended; nothing if it never ran in it, or runs.
    pub fn ended(&self) -> Option<Ended> {
        ended(&self.ours, self.state)
    }
}

/// libvirtd's word is from this run, if it has one: it is about to be written down.
fn ended(ours: &Ours, state: State) -> Option<Ended> {
    match state {
        State::Off(said) if ours.ran => Some(ours.ended.or(said).unwrap_or(Ended::Unknown)),
        State::Off(_) | State::Running | State::Paused(_) | State::Asleep => None,
    }
}

impl Host {
    /// All domains. How a run ended is written down when it is seen: libvirtd forgets it.
    pub fn list(&self) -> Result<Listing, Trouble> {
        let known = Arc::clone(&self.known);
        let (listing, to_note) = self.look(None, move |connect| list(connect, &known))?;
        if !to_note.is_empty() {
            self.note(None, to_note)?;
        }
        Ok(listing)
    }

    /// Nothing: there is no such domain.
    pub fn observe(&self, uuid: Uuid) -> Result<Option<Observed>, Trouble> {
        let known = Arc::clone(&self.known);
        let (observed, to_note) =
            self.look(Some(uuid), move |connect| observe(connect, &known, uuid))?;
        if let Some(to_note) = to_note {
            self.note(Some(uuid), vec![to_note])?;
        }
        Ok(observed)
    }

    /// A machine's domain is known by its metadata, whatever its UUID is.
    pub fn find_machine(&self, machine: Uuid) -> Result<Option<Uuid>, Trouble> {
        if let Some(uuid) = self.known.of_machine(machine) {
            return Ok(Some(uuid));
        }
        // What has changed while it was read is not remembered, and is there all the same.
        let listing = self.list()?;
        let found = listing.domains.iter().find(|it| it.ours.machine == machine);
        Ok(found.map(|it| it.found.uuid))
    }

    /// Somebody else's domains, for people who want to adopt one.
    pub fn list_foreign(&self) -> Result<Vec<Foreign>, Trouble> {
        let known = Arc::clone(&self.known);
        let mut foreign = self.look(None, move |connect| {
            let mut foreign = Vec::new();
            for raw in bridge::states(connect)? {
                if let Some(found) = read(connect, &known, raw.uuid, Fresh::No)?
                    && found.ours.is_none()
                {
                    let (state, sizes) = (State::of(raw.state, raw.reason), Vec::new());
                    foreign.push(Foreign { found, state, sizes });
                }
            }
            Ok(foreign)
        })?;
        for it in &mut foreign {
            let found = Arc::clone(&it.found);
            // Of one that runs QEMU is asked, which may hang.
            let asked = self.ask_monitor(found.uuid, move |connect| sizes(connect, &found));
            it.sizes = asked.unwrap_or_default();
        }
        Ok(foreign)
    }

    fn note(&self, about: Option<Uuid>, ends: Vec<ToNote>) -> Result<(), Trouble> {
        let turns = Arc::clone(&self.turns);
        self.note_down(about, move |connect| {
            let mut ends = ends.iter();
            ends.try_for_each(|end| unless_gone(note_one(connect, &turns, end)).map(drop))
        })
    }
}

impl Foreign {
    /// What the guest sees of a disk. Nothing: libvirt can't say.
    pub fn size_of(&self, target: &str) -> Option<u64> {
        self.sizes.iter().find(|(disk, _)| disk == target).map(|(_, bytes)| *bytes)
    }
}

/// Of its disks' files, as far as they are there.
fn sizes(connect: &Connect, found: &Found) -> Result<Vec<(String, u64)>, Trouble> {
    let Some(domain) = find(connect, found.uuid)? else { return Ok(Vec::new()) };
    let disks = found.disks.iter().filter(|disk| disk.file.is_some());
    let sizes = disks.filter_map(|disk| {
        let about = domain.get_block_info(&disk.target, 0).ok()?;
        Some((disk.target.clone(), about.capacity))
    });
    Ok(sizes.collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fresh {
    /// What was read before is good enough.
    No,
    Yes,
}

/// Nothing: it has gone meanwhile.
fn read(
    connect: &Connect,
    known: &Known,
    uuid: Uuid,
    fresh: Fresh,
) -> Result<Option<Arc<Found>>, Trouble> {
    if fresh == Fresh::No
        && let Some(found) = known.get(uuid)
    {
        return Ok(Some(found));
    }
    let since = known.since(uuid);
    let Some(domain) = find(connect, uuid)? else { return Ok(None) };
    read_of(&domain, known, since)
}

fn read_of(domain: &Domain, known: &Known, since: Since) -> Result<Option<Arc<Found>>, Trouble> {
    let found = unless_gone(target::found(domain))?.map(Arc::new);
    if let Some(found) = &found {
        known.remember(since, found);
    }
    Ok(found)
}

/// Nothing: somebody has undefined it since it was found.
fn unless_gone<T>(done: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(trouble) if trouble.is(virt::error::ErrorNumber::NoDomain) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Whose end is to be written down.
type ToNote = (Uuid, Ended);

fn to_note(uuid: Uuid, ours: &Ours, state: State) -> Option<ToNote> {
    match state {
        State::Off(Some(said)) if ours.ran && ours.ended.is_none() => Some((uuid, said)),
        State::Off(_) | State::Running | State::Paused(_) | State::Asleep => None,
    }
}

fn list(connect: &Connect, known: &Known) -> Result<(Listing, Vec<ToNote>), Trouble> {
    let states = bridge::states(connect)?;
    let there: HashSet<Uuid> = states.iter().map(|raw| raw.uuid).collect();
    let again: HashSet<Uuid> = known.keep(|uuid| there.contains(&uuid)).into_iter().collect();
    let (mut listing, mut noted) = (Listing::default(), Vec::new());
    for raw in states {
        let fresh = if again.contains(&raw.uuid) { Fresh::Yes } else { Fresh::No };
        let Some(found) = read(connect, known, raw.uuid, fresh)? else { continue };
        let Some(ours) = found.ours.clone() else {
            listing.foreign += 1;
            continue;
        };
        let state = State::of(raw.state, raw.reason);
        noted.extend(to_note(raw.uuid, &ours, state));
        listing.domains.push(Listed { found, ours, state });
    }
    Ok((listing, noted))
}

fn observe(
    connect: &Connect,
    known: &Known,
    uuid: Uuid,
) -> Result<(Option<Observed>, Option<ToNote>), Trouble> {
    let since = known.since(uuid);
    let Some(domain) = find(connect, uuid)? else { return Ok((None, None)) };
    let Some(found) = read_of(&domain, known, since)? else { return Ok((None, None)) };
    let Some(state) = unless_gone(target::state(&domain))? else { return Ok((None, None)) };
    let mut displays = Vec::new();
    if state.is_on() {
        let text = unless_gone(domain.get_xml_desc(0).map_err(Trouble::from))?;
        let Some(text) = text else { return Ok((None, None)) };
        let live = Found::of(&target::parse(&text)?);
        displays = live.map(|live| live.displays).unwrap_or_default();
    }
    let noted = found.ours.as_ref().and_then(|ours| to_note(uuid, ours, state));
    Ok((Some(Observed { found, state, displays }), noted))
}

/// It may have been defined or started again since: then there is nothing to note any more. Of one
/// that somebody is at right now it is noted the next time.
fn note_one(connect: &Connect, turns: &Turns, (uuid, ended): &ToNote) -> Result<(), Trouble> {
    let turn = turns.of(*uuid);
    let Ok(_turn) = turn.try_lock() else { return Ok(()) };
    let Some(domain) = find(connect, *uuid)? else { return Ok(()) };
    let Some(mut ours) = target::marks(&domain)? else { return Ok(()) };
    if ours.ran && ours.ended.is_none() && !target::state(&domain)?.is_on() {
        ours.ended = Some(*ended);
        target::write(&domain, &ours)?;
    }
    Ok(())
}

impl Observed {
    /// As [`Listed::ended`].
    pub fn ended(&self) -> Option<Ended> {
        self.found.ours.as_ref().and_then(|ours| ended(ours, self.state))
    }
}
