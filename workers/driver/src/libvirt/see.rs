//! What there is, as a worker knows it.

use std::collections::{BTreeMap, BTreeSet};

use carrel_domain::{Ended, Found, FoundDevice, FoundDisplay, Ours};
use carrel_images::{DiskFile, SeenFile as FoundFile};
use carrel_libvirt::{Observed, Pause, State, Target};
use carrel_model::hash::Digest;
use carrel_model::ids::{FromUuid, MachineId};
use carrel_model::machine::{PauseReason, Probe};
use carrel_model::name::FilePath;
use carrel_model::version::latest::session::Ports;

use super::people::Moment;
use super::rounds::Round;
use super::tickets::There;
use super::{LibvirtHost, files, probes};
use crate::hypervisor::{Look, LookFor};
use crate::place::{Place, Root, machine_folder, medium_of, throwaway_folder};
use crate::seen::{Domain, DomainState, End, Listing, Seen, SeenFile};
use crate::trouble::Trouble;

/// Where this host has which storage: paths become places by it.
type Roots = BTreeMap<String, Root>;

fn roots<'a>(all: impl Iterator<Item = &'a Root>) -> Roots {
    all.map(|root| (root.path.as_str().trim_end_matches('/').to_owned(), root.clone())).collect()
}

/// Nothing: it lies on no storage of which anybody has told.
fn place(roots: &Roots, path: &str) -> Option<Place> {
    let mut found = roots.iter().filter_map(|(root, of)| {
        let file = path.strip_prefix(root.as_str())?.strip_prefix('/')?;
        Some((root.len(), of, file))
    });
    let first = found.next()?;
    let (_, root, file) = found.fold(first, |best, it| if it.0 > best.0 { it } else { best });
    Some(Place { root: root.clone(), file: FilePath::new(file).ok()? })
}

pub(super) fn observe(on: &LibvirtHost, look: &Look) -> Result<Seen, Trouble> {
    let all: BTreeSet<&Root> =
        look.roots.iter().chain(look.places.iter().map(|place| &place.root)).collect();
    let known = roots(all.iter().copied());
    let is_away = |root: &&&Root| on.storages.is_away(root.path.as_str().as_ref());
    let mut unmounted: BTreeSet<&Root> = all.iter().filter(is_away).copied().collect();
    let domain = match &look.domain {
        Some(it) => domain(on, *it, &known)?,
        None => None,
    };
    let folders = look.domain.iter().flat_map(|it| {
        let of = [machine_folder(it.machine), throwaway_folder(it.machine)];
        let in_root = |root: &Root| {
            let root = root.path.as_str().trim_end_matches('/').to_owned();
            of.clone().map(|folder| format!("{root}/{}", folder.trim_end_matches('/')).into())
        };
        look.roots.iter().flat_map(in_root).collect::<Vec<_>>()
    });
    let folders: Vec<_> = folders.collect();
    let file = |place: &Place| match look.formats.get(place) {
        Some(format) => files::told(place, *format),
        None => files::named(place),
    };
    let places: Vec<DiskFile> = look.places.iter().map(file).collect();
    let found = on.images.seen(&folders, &places)?;
    // Whatever was unmounted, or mounted, while files were looked for.
    unmounted.extend(all.iter().filter(is_away).copied());
    Ok(Seen {
        domain,
        files: found.iter().filter_map(|file| seen_file(file, &known)).collect(),
        unmounted: unmounted.into_iter().cloned().collect(),
    })
}

/// One that is damaged is there, and stands on nothing that anybody knows.
fn seen_file(file: &FoundFile, roots: &Roots) -> Option<SeenFile> {
    let backing = file.backing.as_ref();
    Some(SeenFile {
        place: place(roots, &file.file.path.to_string_lossy())?,
        backing: backing.and_then(|below| place(roots, &below.path.to_string_lossy())),
        size_gib: u32::try_from(file.virtual_bytes.div_ceil(1 << 30)).unwrap_or(u32::MAX),
        sealed: file.sealed,
        stat: files::stat(file.stat),
        accepted: file.accepted.map(|digest| Digest(digest.0)),
    })
}

fn domain(on: &LibvirtHost, it: LookFor, roots: &Roots) -> Result<Option<Domain>, Trouble> {
    let at = on.people.now();
    let Some((target, observed)) = observed(on, it)? else { return Ok(None) };
    let Some(ours) = observed.found.ours.clone() else { return Ok(None) };
    let ended = observed.ended();
    look_closely(on, target, observed.state);
    let known = known(on, &ours, (&observed.found, observed.state, ended), roots, at);
    Ok(Some(Domain { ports: ports(&observed.displays), ..known }))
}

/// One that is nobody's yet and has the machine's UUID becomes the machine's.
fn observed(on: &LibvirtHost, it: LookFor) -> Result<Option<(Target, Observed)>, Trouble> {
    if let Some(uuid) = it.uuid {
        let target = Target { uuid, machine: it.machine.uuid() };
        let Some(observed) = on.host.observe(uuid)? else { return Ok(None) };
        if observed.found.ours.as_ref().is_some_and(|ours| ours.machine == target.machine) {
            return Ok(Some((target, observed)));
        }
        on.host.adopt(target, Ours::new(target.machine, (0, 0), 0))?;
    }
    let Some(target) = on.find(it.machine)? else { return Ok(None) };
    Ok(on.host.observe(target.uuid)?.map(|observed| (target, observed)))
}

pub(super) fn list(on: &LibvirtHost) -> Result<Listing, Trouble> {
    let at = on.people.now();
    let listing = on.host.list()?;
    let none = Roots::new();
    let mut domains = Vec::with_capacity(listing.domains.len());
    for it in &listing.domains {
        let target = Target { uuid: it.found.uuid, machine: it.ours.machine };
        let seen = (&*it.found, it.state, it.ended());
        let domain = known(on, &it.ours, seen, &none, at);
        on.rounds.wants(round(on, (target, &it.ours), &domain));
        domains.push(domain);
    }
    let machines: BTreeSet<MachineId> = domains.iter().map(|domain| domain.machine).collect();
    on.people.keeps(&machines, at);
    on.rounds.keeps(&machines);
    Ok(Listing { domains, foreign: listing.foreign })
}

/// Whoever works on one machine waits for its QEMU, and knows who is there.
fn look_closely(on: &LibvirtHost, target: Target, state: State) {
    let machine = MachineId::from_uuid(target.machine);
    if state.is_on()
        && on.people.may_be_at(machine)
        && let Err(trouble) = on.people.looks(&on.host, target, (on.clock)())
    {
        tracing::debug!(machine.id = %machine, %trouble, "nobody knows who looks");
    }
}

/// What takes time and is wanted of it.
fn round(on: &LibvirtHost, (target, ours): (Target, &Ours), domain: &Domain) -> Round {
    let runs = domain.state == DomainState::Running;
    Round {
        target,
        boot_epoch: domain.boot_epoch,
        probes: if runs { probes::wanted(ours) } else { Vec::new() },
        viewers: domain.state.is_on() && on.people.may_be_at(domain.machine),
        users: runs && !domain.viewers.is_empty(),
        displays: domain.state.is_on() && !on.people.has_met(domain.machine),
    }
}

/// A domain of ours, as it was at a moment. Its files are named where somebody has told what lies
/// where.
fn known(
    on: &LibvirtHost,
    ours: &Ours,
    (found, state, ended): (&Found, State, Option<Ended>),
    roots: &Roots,
    at: Moment,
) -> Domain {
    let machine = MachineId::from_uuid(ours.machine);
    if !state.is_on() {
        on.people.forgets(machine, at);
        on.rounds.forgets(machine);
    }
    let there = if state.is_on() { on.people.there(machine) } else { There::default() };
    let disks = found.disks.iter().filter(|disk| disk.device == FoundDevice::Disk);
    let disks = disks.filter_map(|disk| place(roots, disk.file.as_deref()?));
    let media = found.disks.iter().filter_map(|disk| medium_of(disk.file.as_deref()?));
    Domain {
        machine,
        generation: ours.generation,
        boot_epoch: ours.boot_epoch,
        state: domain_state(state, ours, ended),
        disks: disks.collect(),
        media: media.collect(),
        people: ours.people.clone(),
        answers: answers(on, (machine, ours.boot_epoch), state, found),
        armed: there.armed,
        ports: Ports::default(),
        viewers: there.viewers,
        logged_off: there.logged_off,
    }
}

fn domain_state(state: State, ours: &Ours, ended: Option<Ended>) -> DomainState {
    match state {
        State::Off(_) => DomainState::Off { ended: ended.map(end) },
        // QEMU is there, and its guest has not begun: whoever was at it goes on.
        State::Paused(Pause::Command) if !ours.ran => DomainState::Off { ended: None },
        State::Running => DomainState::Running,
        State::Paused(Pause::Command) => DomainState::Paused(PauseReason::Command),
        State::Paused(Pause::Io) => DomainState::Paused(PauseReason::Io),
        State::Paused(Pause::Passing) => DomainState::Running,
        State::Paused(Pause::Other) => DomainState::Paused(PauseReason::Foreign),
        State::Asleep => DomainState::Asleep,
    }
}

const fn end(ended: Ended) -> End {
    match ended {
        Ended::Guest => End::Guest,
        Ended::Cut => End::Cut,
        Ended::Crash => End::Crash,
        Ended::Unknown => End::Unknown,
    }
}

/// A display is there as soon as QEMU is. What else has answered in its epoch is not asked again.
fn answers(
    on: &LibvirtHost,
    (machine, boot_epoch): (MachineId, u64),
    state: State,
    found: &Found,
) -> Vec<Probe> {
    if state != State::Running {
        return Vec::new();
    }
    let shows = (!found.displays.is_empty()).then_some(Probe::Display);
    shows.into_iter().chain(on.rounds.answered(machine, boot_epoch)).collect()
}

fn ports(displays: &[FoundDisplay]) -> Ports {
    let spice = displays.iter().find(|it| it.kind == "spice");
    spice.map(|it| Ports { port: it.port, tls_port: it.tls_port }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use carrel_model::ids::StorageId;
    use carrel_model::name::HostPath;
    use uuid::Uuid;

    use super::{Root, place, roots};

    fn root(number: u128, path: &str) -> Root {
        let storage = StorageId::new(Uuid::from_u128(number));
        Root { storage, path: HostPath::new(path).expect("a path") }
    }

    #[test]
    fn a_file_lies_on_the_innermost_storage() {
        let all = [root(1, "/srv"), root(2, "/srv/fast"), root(3, "/srv/f")];
        let known = roots(all.iter());
        let found = place(&known, "/srv/fast/machines/a.qcow2").expect("a place");
        assert_eq!((found.root, found.file.as_str()), (all[1].clone(), "machines/a.qcow2"));
        assert_eq!(place(&known, "/srvx/a"), None);
        assert_eq!(place(&known, "/srv"), None);
    }
}
