//! What happens in a run: people send commands, guests do what they like, and hosts go down.

use std::sync::LazyLock;
use std::time::Duration;

use carrel_bus::{Beat, Pulse};
use carrel_driver::seen::End;
use carrel_model::command::By;
use carrel_model::fleet::{Fleet, Silence};
use carrel_model::ids::{HypervisorId, MachineId, SessionId};
use carrel_model::machine::PauseReason;
use carrel_model::wire::Command;
use carrel_testkit::commands::Commands;
use carrel_testkit::purposeful::purposeful;
use carrel_testkit::random::Random;
use serde_json::json;

use crate::people::People;
use crate::rates::{DOWN_MAX, FILES, GUESTS, HEARD, HOSTS, MADE_UP, PURPOSEFUL, VIEWERS};
use crate::run::Run;
use crate::trace;

static COMMANDS: LazyLock<Commands> = LazyLock::new(Commands::default);

/// Machines have somewhere to go.
const HOSTS_UP_MIN: usize = 2;

/// A hash of a password takes longer than the rest of a run; whether a host is off is not said of
/// one that may be on; and there is nothing that could be adopted.
const LEFT_OUT: [&str; 5] = [
    "SetClientPassword",
    "SetAdminPassword",
    "CreateAdmin",
    "ConfirmHypervisorLost",
    "AdoptMachine",
];

pub(crate) async fn one(run: &mut Run) {
    let fleet = run.process.fleet();
    let mut drawn = run.random.below(100);
    let mut is = |share: u64| {
        let is = drawn < share;
        drawn = drawn.saturating_sub(share).max(if is { 1_000 } else { 0 });
        is
    };
    if is(PURPOSEFUL) {
        if let Some(command) = for_a_purpose(&fleet, &mut run.random) {
            run.sends(command);
        }
    } else if is(MADE_UP) {
        if let Some(command) = made_up(&fleet, &mut run.random) {
            run.sends(command);
        }
    } else if is(GUESTS) {
        a_guest_does_something(run, &fleet);
    } else if is(VIEWERS) {
        somebody_looks(run, &fleet);
    } else if is(HEARD) {
        people_are_heard(run, &fleet).await;
    } else if is(HOSTS) {
        a_host_goes_down(run, &fleet);
    } else if is(FILES) {
        a_file_is_lost(run);
    } else if run.random.chance(40) {
        trace::line("workers end".to_owned());
        run.process.workers_end().await;
    }
}

fn for_a_purpose(fleet: &Fleet, random: &mut Random) -> Option<Command> {
    let (name, data) = purposeful(fleet, random)?;
    let command = People::command(name, &data);
    (command.by() != By::System).then_some(command)
}

fn made_up(fleet: &Fleet, random: &mut Random) -> Option<Command> {
    let command = COMMANDS.of_people(fleet, random)?;
    let name = command.name();
    (!LEFT_OUT.contains(&name)).then_some(command)
}

fn nth<T: Copy>(all: &[T], random: &mut Random) -> Option<T> {
    (!all.is_empty()).then(|| all[random.index(all.len())])
}

fn running(fleet: &Fleet) -> Vec<(HypervisorId, MachineId)> {
    let machines = fleet.machines.iter().filter(|(_, it)| !it.observed.state.is_off());
    machines.filter_map(|(id, machine)| Some((machine.place?, id))).collect()
}

fn a_guest_does_something(run: &mut Run, fleet: &Fleet) {
    let Some(it) = nth(&running(fleet), &mut run.random) else { return };
    let world = &run.process.site.world;
    trace::line(format!("a guest does something: {}", it.1));
    match run.random.below(8) {
        0..3 => world.guest_ends(it, End::Guest),
        3..5 => world.guest_ends(it, End::Crash),
        5 => world.guest_is_paused(it, PauseReason::Io),
        6 => world.guest_sleeps(it),
        _ => {
            let session = fleet.machines.get(it.1).and_then(|it| it.leases.first());
            session.is_some_and(|session| world.person_logs_off(it, *session))
        }
    };
}

fn leases(fleet: &Fleet) -> Vec<(HypervisorId, MachineId, SessionId)> {
    let leases = fleet.sessions.iter().filter_map(|(id, session)| {
        let machine = session.machine()?;
        Some((fleet.machines.get(machine)?.place?, machine, id))
    });
    leases.collect()
}

fn somebody_looks(run: &mut Run, fleet: &Fleet) {
    let world = &run.process.site.world;
    let Some((host, machine, session)) = nth(&leases(fleet), &mut run.random) else { return };
    if run.random.chance(4) {
        world.viewers_leave((host, machine));
    } else {
        world.viewer_comes((host, machine), session);
    }
}

/// Who waits or has a desktop is heard now and then, and loses it otherwise.
async fn people_are_heard(run: &Run, fleet: &Fleet) {
    for silence in fleet.index.silences.keys() {
        if let Silence::Lease(_) | Silence::Place(_) = silence {
            let beaten = run.process.pulse.beat(Beat::Of(*silence)).await;
            beaten.expect("a pulse in memory");
        }
    }
}

fn a_host_goes_down(run: &mut Run, fleet: &Fleet) {
    let hosts: Vec<HypervisorId> = fleet.hypervisors.iter().map(|(id, _)| id).collect();
    let Some(host) = nth(&hosts, &mut run.random) else { return };
    if run.process.site.is_down(host) {
        // Whoever says so sees to it that it stays so.
        run.returns.remove(&host);
        run.sends(People::command("ConfirmHypervisorLost", &json!({ "hypervisor": host })));
        return;
    }
    let up = hosts.iter().filter(|host| !run.process.site.is_down(**host)).count();
    if up <= HOSTS_UP_MIN {
        return;
    }
    let most = DOWN_MAX.as_secs();
    let down = Duration::from_secs(1 + run.random.below(most));
    trace::line(format!("{host} goes down for {} s", down.as_secs()));
    run.process.site.goes_down(host);
    run.returns.insert(host, run.process.clock.passed() + down);
}

/// Of a machine's own: what others stand on lies on storage that is kept twice.
fn a_file_is_lost(run: &mut Run) {
    let files = run.process.site.written();
    if files.is_empty() {
        return;
    }
    let file = &files[run.random.index(files.len())];
    trace::line(format!("{} is lost", file.1));
    run.process.site.loses(file);
}
