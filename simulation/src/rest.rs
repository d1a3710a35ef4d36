//! Nothing goes wrong any more, and time passes until nothing is left to do. Then hosts are as the
//! fleet says, and nothing is on its way.

use std::collections::BTreeSet;
use std::time::Duration;

use carrel_bus::{Bus, Queue};
use carrel_driver::Hypervisor;
use carrel_driver::place::{machine_folder, throwaway_folder};
use carrel_model::clockwork;
use carrel_model::fleet::Fleet;
use carrel_model::hypervisor::Reason;
use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::image::{Image, State as Content};
use carrel_model::inventory::{Difference, compare};
use carrel_model::machine;
use carrel_model::operation::State;
use carrel_model::work::{Lane, Thing};
use carrel_testkit::left::{nothing_goes_on_for_ever, nothing_is_overdue};
use serde_json::json;

use crate::people::People;
use crate::run::Run;
use crate::trace;

/// Longer than whatever may take longest: a first boot that waits for its turn three times.
const ROUNDS_MAX: u32 = 120;
/// Each host has said twice what it has by then.
const ROUND: Duration = Duration::from_secs(35);

/// # Panics
/// If it never does, or if hosts are otherwise than the fleet says.
pub(crate) async fn comes_to_rest(run: &mut Run) {
    trace::line("nothing goes wrong any more".to_owned());
    run.process.fate.calms(true);
    for (host, _) in std::mem::take(&mut run.returns) {
        run.process.site.is_back(host);
    }
    let hosts: Vec<HypervisorId> = run.oracle.fleet.hypervisors.iter().map(|(id, _)| id).collect();
    hosts.iter().for_each(|host| run.process.site.world.calm(*host));
    run.everybody_is_answered().await;
    everybody_goes_home(run);
    is_put_right(run).await;
    let mut rounds = 0;
    while let Err(why) = rests(run).await {
        rounds += 1;
        if rounds > ROUNDS_MAX {
            nothing_goes_on_for_ever(&run.oracle.fleet, &run.oracle.events);
            panic!("it never comes to rest: {why}");
        }
    }
    nothing_goes_on_for_ever(&run.oracle.fleet, &run.oracle.events);
    nothing_is_overdue(&run.oracle.fleet, run.process.clock.now());
    assert!(run.process.fleet() == run.oracle.fleet, "who decides has another fleet");
    hosts_are_as_the_fleet_says(run);
    files_are_as_the_fleet_says(run);
}

fn everybody_goes_home(run: &Run) {
    for (id, machine) in run.oracle.fleet.machines.iter() {
        if let Some(host) = machine.place {
            run.process.site.world.viewers_leave((host, id));
        }
    }
}

/// What an administrator would do about what was said by chance: hosts get room and are taken in,
/// nothing is locked, and what asks for labels that no host has may go anywhere.
async fn is_put_right(run: &mut Run) {
    let fleet = run.process.fleet();
    for (host, _) in fleet.hypervisors.iter() {
        let room = json!({
            "capacity": { "memory_mib": 1 << 20, "vcpus": 512 }, "overcommit": null,
        });
        let data = json!({ "hypervisor": host, "settings": room });
        run.sends(People::command("UpdateHypervisor", &data));
        if !run.process.site.is_down(host) {
            let data = json!({ "hypervisor": host, "on": false });
            run.sends(People::command("SetHypervisorMaintenance", &data));
        }
    }
    for (machine, it) in fleet.machines.iter() {
        if it.locked {
            run.sends(People::command("UnlockMachine", &json!({ "machine": machine })));
        }
        if !it.settings.host_labels.is_empty() || !it.settings.hardware.counters.is_empty() {
            let settings = json!({ "host_labels": null, "hardware": { "counters": null } });
            let data = json!({ "machine": machine, "settings": settings });
            run.sends(People::command("UpdateMachine", &data));
        }
    }
    run.everybody_is_answered().await;
}

/// Lets a round pass, and says what is left to do.
async fn rests(run: &mut Run) -> Result<(), String> {
    run.process.post.forgets_inventories();
    is_said_of_lost_hosts(run).await;
    run.passes(ROUND).await;
    let fleet = &run.oracle.fleet;
    let is_under_way = |state: &State| !matches!(state, State::Ended { .. });
    if let Some((id, operation)) = fleet.operations.iter().find(|(_, it)| is_under_way(&it.state)) {
        return Err(format!("{id} ({}) is under way", operation.name));
    }
    let due = clockwork::due(fleet, run.process.clock.now());
    if let Some(due) = due.first() {
        return Err(format!("{due:?} is due"));
    }
    if let Some((id, session)) = fleet.sessions.iter().next() {
        return Err(format!("{id} is somebody's: {session:?}"));
    }
    let busy = fleet.machines.iter().find(|(_, it)| {
        let starts = it.observed.state == machine::State::Starting;
        it.being_renewed() || it.task.is_some() || it.deleting || it.leaving.is_some() || starts
    });
    if let Some((id, machine)) = busy {
        return Err(format!("{id} is worked on: {machine:?}"));
    }
    if let Some((id, _)) = fleet.images.iter().find(|(_, image)| is_to_be_read(fleet, image)) {
        return Err(format!("{id} is to be read"));
    }
    nothing_is_on_its_way(run).await?;
    nothing_differs(run)
}

/// Somebody who could say what is in it has yet to do so.
fn is_to_be_read(fleet: &Fleet, image: &Image) -> bool {
    let mut hosts = fleet.hypervisors.iter().filter(|(_, host)| host.enabled());
    image.state == Content::Sealed && hosts.any(|(id, _)| image.nearest_file(fleet, id).is_some())
}

fn hosts_that_are_up(run: &Run) -> Vec<HypervisorId> {
    let hosts = run.oracle.fleet.hypervisors.iter().map(|(id, _)| id);
    hosts.filter(|host| !run.process.site.is_down(*host)).collect()
}

/// Of those that are off and stay so.
async fn is_said_of_lost_hosts(run: &mut Run) {
    let down = run.oracle.fleet.hypervisors.iter().filter(|(id, host)| {
        run.process.site.is_down(*id) && !host.maintenance.contains(&Reason::Lost)
    });
    let down: Vec<HypervisorId> = down.map(|(id, _)| id).collect();
    for host in down {
        run.sends(People::command("ConfirmHypervisorLost", &json!({ "hypervisor": host })));
    }
    run.everybody_is_answered().await;
}

async fn nothing_is_on_its_way(run: &Run) -> Result<(), String> {
    let post = &run.process.post;
    let mut queues = vec![Queue::Outcomes, Queue::Commands];
    for host in hosts_that_are_up(run) {
        queues.extend([Queue::Work(host, Lane::Fast), Queue::Work(host, Lane::Bulk)]);
    }
    for queue in queues {
        let waiting = post.waiting(&queue).await.expect("a bus in memory");
        if waiting > 0 {
            return Err(format!("{waiting} messages wait in {queue}"));
        }
    }
    match post.on_its_way() {
        0 => Ok(()),
        more => Err(format!("{more} messages are on their way")),
    }
}

fn nothing_differs(run: &Run) -> Result<(), String> {
    let fleet = &run.oracle.fleet;
    let inventories = run.process.post.inventories();
    for host in hosts_that_are_up(run) {
        let Some(inventory) = inventories.get(&host) else {
            return Err(format!("{host} says nothing"));
        };
        for difference in compare(fleet, inventory) {
            match difference {
                // What it writes to is gone, so that it can never be as it shall.
                Difference::Order(Thing::Machine(id)) if run.process.site.has_lost(id) => {}
                Difference::Order(_) | Difference::Outcome(_) => {
                    return Err(format!("{host} differs: {difference:?}"));
                }
                // What a host had when it was lost is for people to see.
                Difference::Astray(_) | Difference::Foreign(_) => {}
            }
        }
    }
    Ok(())
}

/// Exactly those run that shall, in the epoch that is known, and nothing else is defined.
fn hosts_are_as_the_fleet_says(run: &Run) {
    let fleet = &run.oracle.fleet;
    let mut on = BTreeSet::new();
    for host in hosts_that_are_up(run) {
        let listing = run.process.site.world.host(host).list().expect("a host that is up");
        for domain in listing.domains {
            if !domain.state.is_on() {
                continue;
            }
            let id = domain.machine;
            on.insert(id);
            let machine = fleet.machines.get(id);
            let machine = machine.unwrap_or_else(|| panic!("{id} runs on {host}, and is gone"));
            assert_eq!(machine.place, Some(host), "{id} runs on {host}, which is not its own");
            let observed = machine.observed;
            assert!(!observed.state.is_off(), "{id} runs on {host}, and is {observed:?}");
            // A guest that ignores a reboot runs on in the epoch that it was in.
            assert_eq!(observed.boot_epoch, domain.boot_epoch, "{id} on {host}");
        }
    }
    let said = fleet.machines.iter().filter(|(_, machine)| {
        !machine.is_external() && !machine.observed.state.is_off() && machine.place.is_some()
    });
    let said: BTreeSet<MachineId> = said.map(|(id, _)| id).collect();
    assert_eq!(on, said, "what runs is not what is said to run");
}

/// Nobody's file is left over, and no version's file is missing.
fn files_are_as_the_fleet_says(run: &Run) {
    let fleet = &run.oracle.fleet;
    let files = run.process.site.world.files();
    // What is thrown away after a run is left to the next one, where a host has gone for good.
    let any_down = hosts_that_are_up(run).len() < fleet.hypervisors.len();
    let mut of_images = BTreeSet::new();
    for (storage, file) in files.keys() {
        let is = |folder: String| file.as_str().starts_with(&folder);
        let mut machines = fleet.machines.iter();
        let of_machine = machines.find(|(id, machine)| {
            let runs = any_down || !machine.observed.state.is_off();
            is(machine_folder(*id)) || is(throwaway_folder(*id)) && runs
        });
        if file.as_str().starts_with("images/") {
            let name = file.as_str().split('.').next().unwrap_or_default();
            of_images.insert((*storage, name.to_owned()));
        } else if !file.as_str().starts_with("media/") {
            assert!(of_machine.is_some(), "{file} is left over");
        }
    }
    let expected = expected_of_images(fleet);
    assert_eq!(of_images, expected, "files of versions");
}

/// Which file of which version, without the format that its name ends with.
fn expected_of_images(fleet: &Fleet) -> BTreeSet<(StorageId, String)> {
    let files = fleet.images.iter().flat_map(|(_, image)| {
        let (initial, version) = (image.initial, image.number);
        let told = move |number: u16| format!("images/{initial}/{version}-{number}");
        image.files_there().map(move |file| (file.storage, told(file.number)))
    });
    files.collect()
}
