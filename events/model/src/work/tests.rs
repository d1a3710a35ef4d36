//! What hosts are told, and that it goes with the generation.

mod files;
mod fixed;

use std::collections::BTreeMap;

use serde_json::json;

use super::{FileTask, Lane, PowerSpec, Shall, SnapshotShall, Thing, Work, work};
use crate::command::Command;
use crate::event::{ImageFact, MachineFact as Fact, SessionFact};
use crate::hash::Digest;
use crate::ids::MachineId;
use crate::machine::tests::scene::{
    add_medium, add_storage, add_version, create, fact, host, lease, machine, on, report,
    report_from, run, site,
};
use crate::machine::{Format, Machine, Outcome, StopCause, StopManner, VirtualSnapshot};
use crate::testing::{Dice, STAT, Story, command};
use crate::version::latest::Nothing;
use crate::version::latest::display::Protocol;
use crate::version::latest::image::{FileMade, FileRequested, FileRetired, Verified};
use crate::version::latest::machine::{SealRequested, VirtualSnapshotChanged};
use crate::version::latest::session::{DisplayArmed, SpentBy, TicketIssued, TicketSpent};

fn of(story: &Story, name: &str) -> Option<Work> {
    work(&story.fleet, Thing::Machine(machine(story, name).id))
}

fn spec(story: &Story, name: &str) -> super::MachineSpec {
    let shall = of(story, name).expect("work").shall;
    let Shall::Present(spec) = shall else { panic!("{shall:?}") };
    *spec
}

#[test]
fn a_machine_without_a_host_is_no_work() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    assert_eq!(of(&story, "m"), None);
    let nobody = Thing::Machine(MachineId::MIN);
    assert_eq!(work(&story.fleet, nobody), None);
}

#[test]
fn a_host_is_told_everything_about_its_machine() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    add_medium(&mut story, "cd", crate::media::Kind::Iso);
    story.given(command("AttachMedia", json!({ "machine": "m", "media": "cd" })));
    story.given(on("StartMachine", "m"));
    let told = of(&story, "m").expect("work");
    assert_eq!(told.hypervisor, host(&story, "node1"));
    assert_eq!((told.generation, told.lane), (machine(&story, "m").generation, Lane::Fast));
    let spec = spec(&story, "m");
    assert_eq!(spec.power, PowerSpec::On { boot_epoch: 1, restart: None });
    assert_eq!(spec.disks[0].path.as_ref().map(crate::name::HostPath::as_str), Some("/srv/ssd"));
    assert_eq!(spec.media.len(), 1);
    assert!(spec.throwaway.is_none());
    let json = serde_json::to_string(&told).expect("JSON");
    assert_eq!(serde_json::from_str::<Work>(&json).expect("the same"), told);
    assert!(json.len() < 2500, "{}", json.len());
}

#[test]
fn an_overlay_stands_on_the_files_of_its_version() {
    let mut story = site(&["node1"]);
    story.given(command("CreateMachine", json!({ "name": "gold", "kind": "source" })));
    let initial = json!({ "name": "i", "kind": "initial", "source": "gold" });
    story.given(command("CreateMachine", initial));
    for number in 1..=3 {
        add_version(&mut story, "i", number);
    }
    story.given(command("CreateMachine", json!({ "name": "c", "kind": "vdi", "initial": "i" })));
    story.given(on("StartMachine", "c"));
    let backing = &spec(&story, "c").disks[0].backing;
    let versions: Vec<(u32, u8)> = backing.iter().map(|it| (it.version, it.depth)).collect();
    assert_eq!(versions, [(3, 3), (2, 2), (1, 1)]);
}

#[test]
fn while_the_old_host_has_it_the_new_one_hears_nothing() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    let first = machine(&story, "m").place.expect("a host");
    let name = story.fleet.hypervisors.get(first).expect("it").name.to_string();
    story.given(command("SetHypervisorMaintenance", json!({ "hypervisor": name, "on": true })));
    story.given(on("StartMachine", "m"));
    let told = of(&story, "m").expect("work");
    assert_eq!((told.hypervisor, told.shall), (first, Shall::Released));
    report_from(&mut story, first, "m", told.generation, Outcome::Released);
    let told = of(&story, "m").expect("work");
    assert_ne!(told.hypervisor, first);
    assert!(matches!(told.shall, Shall::Present(_)));
}

fn copied_from(story: &Story, name: &str) -> usize {
    match spec(story, name).task {
        Some(FileTask::Copying { from, .. }) => from.len(),
        other => panic!("{name} is not copied: {other:?}"),
    }
}

#[test]
fn what_takes_long_has_a_lane_of_its_own() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "a");
    story.given(command("CloneMachine", json!({ "machine": "a", "name": "b" })));
    assert_eq!(of(&story, "b").expect("work").lane, Lane::Bulk);
    assert_eq!(copied_from(&story, "b"), 0, "nobody has made a file for its disk");
    create(&mut story, "c");
    run(&mut story, "c");
    report(&mut story, "c", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story.given(command("CloneMachine", json!({ "machine": "c", "name": "d" })));
    assert_eq!(copied_from(&story, "d"), 1);
    create(&mut story, "m");
    run(&mut story, "m");
    story.given(on("MigrateMachine", "m"));
    assert_eq!(of(&story, "m").expect("work").lane, Lane::Bulk);
    let task = spec(&story, "m").task.expect("a task");
    assert!(matches!(task, FileTask::Migrating { address, .. } if address.starts_with("node")));
}

#[test]
fn an_initial_is_told_which_version_its_disk_becomes() {
    let mut story = site(&["node1"]);
    story.given(command("CreateMachine", json!({ "name": "gold", "kind": "source" })));
    let initial = json!({ "name": "i", "kind": "initial", "source": "gold" });
    story.given(command("CreateMachine", initial));
    run(&mut story, "i");
    report(&mut story, "i", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    let image = add_version(&mut story, "i", 1);
    let id = machine(&story, "i").id;
    fact(&mut story, id, Fact::SealRequested(SealRequested { image, number: 1 }));
    assert_eq!(spec(&story, "i").task, Some(FileTask::Sealing { image, version: 1 }));
}

#[test]
fn files_of_a_version_are_made_by_one_host_and_removed_by_one_that_sees_them() {
    let mut story = site(&["node1"]);
    story.given(command("CreateMachine", json!({ "name": "gold", "kind": "source" })));
    let initial = json!({ "name": "i", "kind": "initial", "source": "gold" });
    story.given(command("CreateMachine", initial));
    let image = add_version(&mut story, "i", 1);
    let told = work(&story.fleet, Thing::Image(image)).map(|work| work.shall);
    let Some(Shall::Files(files)) = told else { panic!("they are files") };
    assert_eq!(files.verify[0].file, 0, "nobody has computed its digest yet");
    fact(&mut story, image, ImageFact::Verified(Verified { digest: Digest([1; 32]) }));
    assert_eq!(work(&story.fleet, Thing::Image(image)), None);
    let storage = story.fleet.storages.iter().next().expect("a storage").0;
    let hypervisor = host(&story, "node1");
    let replica = FileRequested { file: 1, storage, format: Format::Qcow2, depth: 1, hypervisor };
    fact(&mut story, image, ImageFact::FileRequested(replica));
    let told = work(&story.fleet, Thing::Image(image)).expect("work");
    assert_eq!((told.hypervisor, told.lane), (hypervisor, Lane::Bulk));
    let Shall::Files(files) = told.shall else { panic!("they are files") };
    assert_eq!((files.make[0].file.file, files.make[0].from[0].file), (1, 0));
    fact(
        &mut story,
        image,
        ImageFact::FileMade(FileMade { file: 1, digest: Digest([1; 32]), stat: STAT }),
    );
    fact(&mut story, image, ImageFact::FileRetired(FileRetired { file: 0 }));
    let later = work(&story.fleet, Thing::Image(image)).expect("work");
    assert!(later.generation > told.generation);
    let Shall::Files(files) = later.shall else { panic!("they are files") };
    assert_eq!((files.make.len(), files.remove[0].file.file), (0, 0));
}

#[test]
fn writes_are_thrown_away_unless_this_start_is_persistent() {
    for persistent_once in [false, true] {
        let mut story = site(&["node1"]);
        add_storage(&mut story, "scratch", &["node1"], &json!(["volatile"]), "disk");
        create(&mut story, "m");
        let setting = Some(VirtualSnapshot { on_reboot: Default::default() });
        let id = machine(&story, "m").id;
        let changed = VirtualSnapshotChanged { setting };
        fact(&mut story, id, Fact::VirtualSnapshotChanged(changed));
        let start = json!({ "machines": ["m"], "persistent_once": persistent_once });
        story.given(command("StartMachine", start));
        assert_eq!(spec(&story, "m").throwaway.is_some(), !persistent_once);
        report(&mut story, "m", Outcome::Started { boot_epoch: 1 });
        let changed = VirtualSnapshotChanged { setting: None };
        fact(&mut story, id, Fact::VirtualSnapshotChanged(changed));
        assert_eq!(spec(&story, "m").throwaway.is_some(), !persistent_once, "until power-off");
        report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
        assert!(spec(&story, "m").throwaway.is_none());
    }
}

#[test]
fn pending_settings_are_not_told_before_the_next_power_cycle() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let memory = json!({ "hardware": { "memory_mib": 4096 } });
    story.given(command("UpdateMachine", json!({ "machine": "m", "settings": memory })));
    assert_eq!(spec(&story, "m").settings.hardware.memory_mib, 2048);
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    assert_eq!(spec(&story, "m").settings.hardware.memory_mib, 4096);
}

#[test]
fn a_ticket_is_told_and_a_session_without_one_is_cut_off() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let id = machine(&story, "m").id;
    let session = lease(&mut story, id);
    assert!(spec(&story, "m").tickets.is_empty());
    let protocol = Protocol::Spice;
    let issued =
        TicketIssued { ticket: 1, protocol, expires_at: story.now, source: None, terminal: None };
    fact(&mut story, session, SessionFact::TicketIssued(issued));
    let ticket = |story: &Story| {
        let tickets = spec(story, "m").tickets;
        tickets.iter().map(|ticket| (ticket.number, ticket.arm)).collect::<Vec<_>>()
    };
    assert_eq!(ticket(&story), [(1, true)]);
    let expires_at = story.now.plus_seconds(60);
    fact(
        &mut story,
        session,
        SessionFact::DisplayArmed(DisplayArmed {
            ticket: 1,
            expires_at,
            ports: Default::default(),
        }),
    );
    assert_eq!(ticket(&story), [(1, false)], "no other host arms it again");
    let spent = TicketSpent { ticket: 1, cause: SpentBy::Used };
    fact(&mut story, session, SessionFact::TicketSpent(spent));
    assert_eq!(ticket(&story), [(1, false)], "its viewer may stay");
    fact(&mut story, session, SessionFact::Disconnected(Nothing {}));
    assert!(spec(&story, "m").tickets.is_empty());
}

#[test]
fn snapshots_deletion_and_wake_ups_are_told() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story.given(command("TakeSnapshot", json!({ "machine": "m", "name": "s" })));
    assert_eq!(spec(&story, "m").snapshots[0].shall, SnapshotShall::BeThere);
    let snapshot = spec(&story, "m").snapshots[0].id;
    report(&mut story, "m", Outcome::SnapshotTaken { snapshot });
    story.given(command("RevertSnapshot", json!({ "machine": "m", "snapshot": "s" })));
    assert_eq!(spec(&story, "m").snapshots[0].shall, SnapshotShall::BeRevertedTo);
    report(&mut story, "m", Outcome::SnapshotReverted { snapshot });
    story.given(command("DeleteSnapshot", json!({ "machine": "m", "snapshot": "s" })));
    assert_eq!(spec(&story, "m").snapshots[0].shall, SnapshotShall::BeGone);
    report(&mut story, "m", Outcome::SnapshotDeleted { snapshot });
    assert_eq!(spec(&story, "m").power, PowerSpec::Off { boot_epoch: 0, manner: StopManner::Hard });
    story.given(on("DeleteMachine", "m"));
    assert!(matches!(of(&story, "m").expect("work").shall, Shall::Absent { .. }));
    let mac = "52:54:00:00:00:01";
    let external = json!({ "address": "pc", "protocols": ["rdp"], "wake_on_lan": mac });
    let fields = json!({ "name": "pc", "kind": "external", "external": external });
    story.given(command("CreateMachine", fields));
    story.given(on("StartMachine", "pc"));
    assert!(matches!(of(&story, "pc").expect("work").shall, Shall::Woken { boot_epoch: 1, .. }));
}

const COMMANDS: [&str; 13] = [
    "StartMachine",
    "StartMachine",
    "ShutdownMachine",
    "PowerOffMachine",
    "RebootMachine",
    "ResetMachine",
    "SuspendMachine",
    "ResumeMachine",
    "MigrateMachine",
    "MigrateMachine",
    "DeleteMachine",
    "LockMachine",
    "UnlockMachine",
];

fn any_command(dice: &mut Dice, name: &str) -> Command {
    let host = format!("node{}", 1 + dice.throw(3));
    match dice.throw(22) {
        at @ 0..=10 => on(COMMANDS[at], name),
        at @ 11..=12 => command(COMMANDS[at], json!({ "machine": name })),
        13 => command("TakeSnapshot", json!({ "machine": name, "name": "s" })),
        14 => command("RevertSnapshot", json!({ "machine": name, "snapshot": "s" })),
        15 => command("DeleteSnapshot", json!({ "machine": name, "snapshot": "s" })),
        16 => command("ResizeDisk", json!({ "machine": name, "size_gib": 20 + dice.throw(50) })),
        17 if dice.throw(3) == 0 => command("DrainHypervisor", json!({ "hypervisor": host })),
        18 if dice.throw(3) == 0 => command("ConfirmHypervisorLost", json!({ "hypervisor": host })),
        17..=19 => command("SetHypervisorMaintenance", json!({ "hypervisor": host, "on": false })),
        20 => {
            let memory = json!({ "hardware": { "memory_mib": 1024 + dice.throw(2048) } });
            command("UpdateMachine", json!({ "machine": name, "settings": memory }))
        }
        _ => on("StartMachine", name),
    }
}

fn any_outcome(dice: &mut Dice, machine: &Machine) -> Outcome {
    let boot_epoch = machine.power.boot_epoch.saturating_sub(dice.throw(2) as u64);
    let failure = || crate::operation::Failure::new("test", "a test");
    let snapshot = machine.snapshots.first().map(|snapshot| snapshot.id);
    let snapshot = snapshot.unwrap_or(crate::ids::SnapshotId::MIN);
    let causes = [StopCause::Guest, StopCause::Command, StopCause::Crash];
    match dice.throw(16) {
        0 | 1 => Outcome::Applied,
        2 => Outcome::Released,
        3 => Outcome::Absent,
        4 => Outcome::Failed { failure: failure() },
        5 | 6 => Outcome::Started { boot_epoch },
        7 => Outcome::Ready { boot_epoch },
        8 => Outcome::Stopping { boot_epoch },
        9 => Outcome::Stopped { boot_epoch, cause: causes[dice.throw(3)] },
        10 => Outcome::Paused { reason: crate::machine::PauseReason::Command },
        11 => Outcome::Resumed,
        12 => Outcome::SnapshotTaken { snapshot },
        13 => Outcome::SnapshotReverted { snapshot },
        14 => Outcome::Migrated,
        _ => Outcome::MigrationFailed { failure: failure() },
    }
}

fn something_happens(story: &mut Story, dice: &mut Dice) {
    use crate::hypervisor::commands::{ReportHostHeard, ReportHostSilent};
    use crate::machine::commands::{ExpirePower, ExpireReadiness, ReportOutcome};
    let names = ["a", "b", "c"];
    let hosts: Vec<_> = story.fleet.hypervisors.iter().map(|(id, _)| id).collect();
    let hypervisor = hosts[dice.throw(hosts.len())];
    let machines: Vec<_> = story.fleet.machines.iter().map(|(_, it)| it.clone()).collect();
    let any = machines.get(dice.throw(machines.len().max(1)));
    let command: Command = match (dice.throw(10), any) {
        (0..=3, Some(machine)) => {
            let own = machine.leaving.or(machine.place).unwrap_or(hypervisor);
            let hypervisor = if dice.throw(5) == 0 { hypervisor } else { own };
            let generation = machine.generation.saturating_sub(dice.throw(3) as u64 / 2);
            let outcome = any_outcome(dice, machine);
            let thing = crate::machine::Reported::Machine { id: machine.id, outcome };
            ReportOutcome { hypervisor, generation, thing }.into()
        }
        (4, Some(machine)) if dice.throw(2) == 0 => ExpirePower { machine: machine.id }.into(),
        (4, Some(machine)) => ExpireReadiness { machine: machine.id }.into(),
        (5, _) if machines.len() < names.len() => {
            let name = names[dice.throw(3)];
            command("CreateMachine", json!({ "name": name, "kind": "simple" }))
        }
        (6, _) if dice.throw(4) == 0 => ReportHostSilent { hypervisor }.into(),
        (7, _) => ReportHostHeard { hypervisor }.into(),
        _ => {
            let name = names[dice.throw(3)];
            any_command(dice, name)
        }
    };
    let system = command.by() == crate::command::By::System;
    let before = story.fleet.clone();
    if let Ok(events) = story.tell(command.clone())
        && system
    {
        assert_eq!(events.is_empty(), story.fleet == before, "{command:?}");
    }
}

#[test]
fn work_changes_with_the_generation_and_never_goes_back() {
    let mut happened = 0;
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut story = site(&["node1", "node2", "node3"]);
        let mut told: BTreeMap<MachineId, (u64, Option<Work>)> = BTreeMap::new();
        for _ in 0..400 {
            let seconds = [0, 1, 10, 60, 90][dice.throw(5)];
            story.wait(seconds);
            something_happens(&mut story, &mut dice);
            for (id, machine) in story.fleet.machines.iter() {
                let now = (machine.generation, work(&story.fleet, Thing::Machine(id)));
                if let Some(before) = told.insert(id, now.clone()) {
                    assert!(now.0 >= before.0, "the generation fell, seed {seed}");
                    assert!(now.0 > before.0 || now.1 == before.1, "seed {seed}");
                }
                assert!(machine.place != machine.leaving || machine.place.is_none());
                assert!(machine.uses_host() <= machine.place.is_some(), "seed {seed}");
            }
            for (id, usage) in &story.fleet.index.usage {
                let host = story.fleet.hypervisors.get(*id).expect("a host");
                assert!(usage.memory_mib <= host.memory_mib(), "seed {seed}");
            }
        }
        happened += story.log.len();
        seen.extend(story.log.iter().map(crate::event::Event::kind));
    }
    assert!(happened > 8_000, "the stories are not empty: {happened}");
    assert!(seen.len() >= 35, "and have all kinds of things in them: {seen:?}");
}
