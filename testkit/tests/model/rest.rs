//! When nothing more is asked for and nothing more goes wrong, everything comes to its end,
//! whatever is kept running for those who may come.

use std::collections::BTreeMap;

use carrel_model::clockwork;
use carrel_model::fleet::{Fleet, Silence};
use carrel_model::hypervisor::Hypervisor;
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::machine::{Kind, Machine, State as Power, Subject, Wish};
use carrel_model::pool::{Mode, Pool};
use carrel_model::session::{SERVE_SECONDS, Session, Target};
use carrel_testkit::world::World;
use serde_json::{Value, json};

use carrel_testkit::invariants::check;
use carrel_testkit::left::{
    no_disk_is_kept_for_nothing, nothing_goes_on_for_ever, nothing_is_overdue,
};

/// It is accepted.
#[track_caller]
fn given(world: &mut World, name: &str, data: &Value) {
    let told = world.send(name, data, &mut check);
    assert!(told.is_ok(), "{name} is refused: {told:?}");
}

/// Things are as chance has left them: what asks for more than that is refused, and may be.
#[track_caller]
fn may_be_refused(world: &mut World, name: &str, data: &Value) {
    drop(world.send(name, data, &mut check));
}

/// Whatever a pool can keep running for those who may come takes room, and gives it back to what
/// waits for it.
fn all_is_kept_running(world: &mut World) {
    let pools: Vec<_> = world.fleet.pools.iter().map(|(id, _)| id).collect();
    for pool in pools {
        let all = json!({ "spares": { "keep_ready": 0, "keep_started": 1_000 } });
        given(world, "UpdatePool", &json!({ "pool": pool, "settings": all }));
    }
}

fn initials(world: &World) -> Vec<MachineId> {
    let is_initial = |machine: &Machine| matches!(machine.kind, Kind::Initial { .. });
    let all = world.fleet.machines.iter();
    all.filter(|(_, it)| is_initial(it)).map(|(id, _)| id).collect()
}

/// Of each image new machines are to boot for the first time.
fn first_boots_are_asked_for(world: &mut World) {
    let first_boot = json!({ "done": "agent", "timeout_seconds": 60 });
    for initial in initials(world) {
        let more = json!({ "initial": initial, "count": 2, "first_boot": first_boot });
        may_be_refused(world, "Populate", &more);
    }
}

/// A lab that may run no more holds up what waits to run there.
fn labs_may_run_all(world: &mut World) {
    let labs: Vec<_> = world.fleet.labs.iter().map(|(id, _)| id).collect();
    for lab in labs {
        let all = json!({ "max_instances": null });
        given(world, "UpdateLab", &json!({ "lab": lab, "settings": all }));
    }
}

/// What an administrator has locked waits until they unlock it.
fn nothing_is_locked(world: &mut World) {
    let all = world.fleet.machines.iter();
    let locked: Vec<_> = all.filter(|(_, machine)| machine.locked).map(|(id, _)| id).collect();
    for machine in locked {
        given(world, "UnlockMachine", &json!({ "machine": machine }));
    }
}

/// What was being deleted when no host was left for it is asked for once more.
fn deletions_are_asked_for_again(world: &mut World) {
    let all = world.fleet.machines.iter();
    let going = all.filter(|(_, machine)| machine.deleting && machine.place.is_none());
    let going: Vec<_> = going.map(|(id, _)| id).collect();
    for machine in going {
        given(world, "DeleteMachine", &json!({ "machines": [machine] }));
    }
}

/// What was kept back on its way arrives in the end.
fn everything_arrives(world: &mut World) {
    for report in std::mem::take(&mut world.late) {
        world.heed(&report, &mut check);
    }
}

/// Somebody may have said that a host has next to nothing, and what doesn't fit waits for room. Of
/// what is counted each has as much as one of the largest needs, and not enough for all.
fn hosts_get_room(world: &mut World, hosts: &[HypervisorId]) {
    let machines = world.fleet.machines.iter().map(|(_, it)| &it.settings);
    let images = world.fleet.images.iter().map(|(_, it)| &it.settings);
    let mut counters = BTreeMap::new();
    for (counter, count) in machines.chain(images).flat_map(|it| &it.hardware.counters) {
        let most = counters.entry(counter.clone()).or_insert(GPUS);
        *most = (*count).max(*most);
    }
    for host in hosts {
        let room = json!({
            "capacity": { "memory_mib": 1 << 20, "vcpus": 512, "counters": counters },
            "overcommit": null,
        });
        given(world, "UpdateHypervisor", &json!({ "hypervisor": host, "settings": room }));
    }
}

fn hosts_are_there(world: &mut World, hosts: &[HypervisorId]) {
    for host in hosts {
        given(world, "ReportHostHeard", &json!({ "hypervisor": host }));
        let on = json!({ "hypervisor": host, "on": false });
        given(world, "SetHypervisorMaintenance", &on);
    }
}

/// What asks for labels that no host has waits until somebody gives them to one.
fn machines_may_go_anywhere(world: &mut World) {
    let all = world.fleet.machines.iter();
    let choosy = all.filter(|(_, machine)| !machine.settings.host_labels.is_empty());
    let choosy: Vec<_> = choosy.map(|(id, _)| id).collect();
    for machine in choosy {
        let settings = json!({ "host_labels": null });
        given(world, "UpdateMachine", &json!({ "machine": machine, "settings": settings }));
    }
}

/// One more host says nothing any more, unless it would be the last.
fn a_host_falls_silent(world: &mut World) {
    let hosts = world.fleet.hypervisors.iter();
    let enabled: Vec<_> = hosts.filter(|(_, host)| host.enabled()).map(|(id, _)| id).collect();
    if enabled.len() > 1 {
        let host = enabled[world.random.index(enabled.len())];
        world.heed(&clockwork::lapsed(Silence::Worker(host)), &mut check);
    }
}

/// Machines that never were on any host come to the pools.
fn new_machines_come(world: &mut World) {
    let last = world.fleet.machines.last();
    for initial in initials(world) {
        may_be_refused(world, "Populate", &json!({ "initial": initial, "count": 2 }));
    }
    world.settle(&mut check);
    let machines = world.fleet.machines.iter().map(|(id, _)| id);
    let new: Vec<_> = machines.filter(|id| last.is_none_or(|last| *id > last)).collect();
    let pools: Vec<_> = world.fleet.pools.iter().map(|(id, _)| id).collect();
    for (machine, pool) in new.into_iter().zip(pools.into_iter().cycle()) {
        given(world, "AddToPool", &json!({ "pool": pool, "machines": [machine] }));
    }
}

fn everybody_asks(world: &mut World) {
    let clients: Vec<_> = world.fleet.clients.iter().map(|(id, _)| id).collect();
    let pools: Vec<_> = world.fleet.pools.iter().map(|(id, _)| id).collect();
    for client in clients {
        for pool in &pools {
            may_be_refused(world, "RequestDesktop", &json!({ "client": client, "pool": pool }));
        }
    }
}

/// As things are, with hosts that are silent, full or in maintenance, and labs that may run no
/// more: whoever waits has what they could have within a minute.
fn is_served_meanwhile(world: &mut World) {
    world.settle(&mut check);
    a_host_falls_silent(world);
    new_machines_come(world);
    everybody_asks(world);
    for _ in 0..60 / SERVE_SECONDS {
        world.wait(SERVE_SECONDS);
        world.settle(&mut check);
        chores_are_done(world);
    }
    nobody_waits_for_what_is_free(world);
}

/// With all hosts there, room on them and time enough, nothing is on its way any more: whatever was
/// accepted has an end, and nobody waits beside a machine that they could have.
pub(crate) fn comes_to_rest(world: &mut World) {
    let hosts: Vec<_> = world.fleet.hypervisors.iter().map(|(id, _)| id).collect();
    is_served_meanwhile(world);
    all_is_kept_running(world);
    labs_may_run_all(world);
    nothing_is_locked(world);
    everything_arrives(world);
    hosts_get_room(world, &hosts);
    hosts_are_there(world, &hosts);
    deletions_are_asked_for_again(world);
    world.settle(&mut check);
    chores_are_done(world);
    first_boots_are_asked_for(world);
    for hour in 0..HOURS_TO_REST_MAX {
        if hour >= HOURS_TO_REST && world.fleet.index.waiting.groups_len() == 0 {
            break;
        }
        machines_may_go_anywhere(world);
        hosts_are_there(world, &hosts);
        world.resend();
        world.settle(&mut check);
        chores_are_done(world);
        spares_make_way(world);
        nobody_waits_for_what_is_free(world);
        // Everybody goes home.
        let silences: Vec<Silence> = world.fleet.index.silences.keys().copied().collect();
        for silence in silences.into_iter().filter(|it| !matches!(it, Silence::Worker(_))) {
            world.heed(&clockwork::lapsed(silence), &mut check);
        }
        world.settle(&mut check);
        // What its owner or an operator has left on is turned off. Spares make room by themselves.
        let running = world.hosts.running().map(|(_, machine)| machine);
        let running: Vec<_> = running.filter(|id| !is_spare(&world.fleet, *id)).collect();
        for machine in running {
            given(world, "PowerOffMachine", &json!({ "machines": [machine] }));
        }
        world.settle(&mut check);
        chores_are_done(world);
        world.wait(3_600);
        world.settle(&mut check);
    }
    nothing_is_overdue(&world.fleet, world.now);
    nothing_goes_on_for_ever(&world.fleet, &world.log);
    no_disk_is_kept_for_nothing(&world.fleet);
}

/// As many as each host had at first, so that it has none promised that it has not.
const GPUS: u32 = 2;

const HOURS_TO_REST: u32 = 30;
/// Fewer than a first boot waits for room, and enough for three hundred of them of which three find
/// some in an hour.
const HOURS_TO_REST_MAX: u32 = 100;

fn chores_are_done(world: &mut World) {
    for command in clockwork::Chores::default().due(&world.fleet, world.now) {
        world.heed(&command, &mut check);
    }
    world.settle(&mut check);
}

/// They do so one after the other, and the room of one that has gone off is for who waits when the
/// pools are looked at next. Whoever is left when nothing happens any more is not served by that.
fn spares_make_way(world: &mut World) {
    for _ in 0..60 / SERVE_SECONDS {
        let before = world.log.len();
        world.wait(SERVE_SECONDS);
        chores_are_done(world);
        if world.log.len() == before {
            return;
        }
    }
}

/// Asks each machine whether it is free, and each of those who wait whether they may have it.
fn nobody_waits_for_what_is_free(world: &World) {
    let fleet = &world.fleet;
    for (id, session) in fleet.sessions.iter().filter(|(_, session)| session.is_queued()) {
        let Target::Pool(pool) = session.target else { continue };
        let pool = fleet.pools.get(pool).expect("the pool that they wait for");
        if !may_have_any(fleet, session, pool) {
            continue;
        }
        for (machine, it) in fleet.machines.iter().filter(|(_, it)| it.pool == Some(pool.id)) {
            let free = is_free(it) && can_be_seen(it, session) && can_be_used(world, it);
            assert!(!free, "{id} waits beside {machine}: {session:?}, {it:#?}");
        }
    }
}

/// Nothing of their own keeps them waiting. Where there are limits they may, so nothing is said.
fn may_have_any(fleet: &Fleet, session: &Session, pool: &Pool) -> bool {
    let limits = &pool.settings.limits;
    let of_groups = fleet.groups.iter().any(|(_, group)| group.settings.sessions_max.is_some());
    let of_person = match session.subject {
        Subject::Client(client) => {
            fleet.clients.get(client).is_none_or(|client| client.sessions_max.is_some())
        }
        Subject::Terminal(_) => false,
    };
    let limited = limits.sessions_max.is_some() || limits.sessions_max_per_client.is_some();
    let owns = |machine: &Machine| {
        machine.pool == Some(pool.id) && machine.owners.contains(&session.subject)
    };
    let waits_for_own = fleet.machines.iter().any(|(_, machine)| owns(machine));
    let shared = pool.settings.mode != Mode::Dedicated && !pool.closed();
    shared && !limited && !of_groups && !of_person && !waits_for_own
}

/// It runs for whoever comes next, and heeds those who ask it to go off.
fn is_spare(fleet: &Fleet, id: MachineId) -> bool {
    fleet.machines.get(id).is_some_and(|machine| {
        machine.pool.is_some() && is_free(machine) && !machine.observed.ignored_shutdown
    })
}

/// As the rules of the broker say it: in no maintenance, not locked, not leased, clean.
fn is_free(machine: &Machine) -> bool {
    let clean = machine.written.is_none() && !machine.being_renewed();
    let at_work = machine.task.is_some()
        || machine.snapshot_at_work().is_some()
        || machine.is_kept_up()
        || machine.leaving.is_some() && machine.place.is_none();
    let has_seats = machine.leases.len() < machine.seats() && machine.owners.is_empty();
    let barred =
        machine.half_made || machine.locked || machine.deleting || !machine.maintenance.is_empty();
    clean && has_seats && !barred && !at_work
}

fn can_be_seen(machine: &Machine, session: &Session) -> bool {
    match &machine.kind {
        Kind::External(external) => external.protocols.contains(&session.protocol),
        Kind::Simple | Kind::Source | Kind::Initial { .. } | Kind::Vdi { .. } => {
            machine.settings.display.protocols.contains(&session.protocol)
        }
    }
}

/// It runs where machines may run, or an administrator could start it now.
fn can_be_used(world: &World, machine: &Machine) -> bool {
    let host = machine.place.and_then(|host| world.fleet.hypervisors.get(host));
    if machine.is_external() {
        return true;
    }
    if machine.at_rest() {
        let start = json!({ "machines": [machine.id] });
        let events = world.would("StartMachine", &start).unwrap_or_default();
        return events.iter().any(|event| event.kind() == "machine.start_requested");
    }
    let runs = matches!(machine.observed.state, Power::Starting | Power::Running);
    runs && machine.power.wish == Wish::On && host.is_some_and(Hypervisor::enabled)
}
