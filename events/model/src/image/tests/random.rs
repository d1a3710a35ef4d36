//! What holds of the image chain whatever happens, in whatever order.

use serde_json::{Value, json};

use super::{Site, failure, made};
use crate::event::{MachineFact, SessionFact};
use crate::hash::Digest;
use crate::ids::MachineId;
use crate::image::{FileState, State, outcome};
use crate::machine::{Machine, StopCause, Task};
use crate::operation::{Goal, State as OperationState};
use crate::testing::{Dice, STAT, command};
use crate::version::latest::Nothing;
use crate::version::latest::machine::WorkFailed;
use crate::version::latest::renewal::Why;
use crate::version::latest::session::{EndCause, Ended};

fn holds(site: &Site) {
    let fleet = &site.story.fleet;
    for (_, machine) in fleet.machines.iter() {
        let name = &machine.name;
        if let Some(image) = machine.image() {
            let state = fleet.images.get(image).map(|image| image.state);
            let usable = matches!(state, Some(State::Sealed | State::Verified(_)));
            assert!(usable, "{name} stands on a version that is {state:?}");
        }
        if let Some(renewing) = &machine.renewal {
            let image = fleet.images.get(renewing.renewal.image);
            assert!(image.is_some_and(crate::image::Image::is_usable), "{name} waits for nothing");
            assert!(machine.leases.is_empty() || !machine.being_renewed(), "{name} is taken away");
            let given = fleet.index.free.iter().any(|(_, free)| free.machine == machine.id);
            assert!(!given || !machine.being_renewed(), "{name} is free while it is made anew");
        }
    }
    for (id, image) in fleet.images.iter() {
        let initial = fleet.machines.get(image.initial).expect("the initial");
        assert!(image.number <= initial.versions_made);
        if image.files.iter().any(|file| file.depth > 1) {
            let first = image.file(crate::image::FIRST_FILE).expect("the deep file");
            assert!(image.chain(fleet, first).is_some(), "{id} stands on files that are going");
        }
        if image.state == State::Sealing {
            assert_eq!(initial.task, Some(Task::Sealing { image: id }), "nobody makes {id}");
        }
    }
    for (id, operation) in fleet.operations.iter() {
        if operation.state == OperationState::Sealing {
            let image = operation.task.after_seal.and_then(|image| fleet.images.get(image));
            assert_eq!(image.map(|image| image.state), Some(State::Sealing), "{id} waits for ever");
        }
        for (machine, goal) in &operation.parts {
            let of = fleet.machines.get(*machine).expect("the machine of a part");
            assert!(is_under_way(of, id, goal), "{id} waits for {goal:?} of {} for ever", of.name);
        }
    }
}

/// Something will end this part.
fn is_under_way(machine: &Machine, operation: crate::ids::CommandId, goal: &Goal) -> bool {
    let renewal = machine.renewal.as_ref().map(|renewing| renewing.renewal.why.clone());
    if let Goal::Sealed { image } | Goal::Imported { image } = goal {
        return machine.task == Some(Task::Sealing { image: *image });
    }
    (*goal != Goal::Renewed || renewal == Some(Why::Populate { operation }))
        && (*goal != Goal::Copied || matches!(machine.task, Some(Task::Copying { .. })))
}

fn commands() -> Vec<(&'static str, Value)> {
    let first_boot = json!({ "done": "guest_poweroff", "timeout_seconds": 120 });
    let agent = json!({ "done": "agent" });
    vec![
        ("CopyFromSource", json!({ "initial": "win11" })),
        ("SealImage", json!({ "initial": "win11" })),
        ("SealImage", json!({ "initial": "win11", "tag": "spring" })),
        ("Populate", json!({ "initial": "win11", "count": 14 })),
        ("Populate", json!({ "initial": "win11" })),
        ("Populate", json!({ "initial": "win11", "when": "now", "warn_seconds": 30 })),
        ("Populate", json!({ "initial": "win11", "when": "now", "discard_data": true })),
        ("Populate", json!({ "initial": "win11", "first_boot": first_boot, "discard_data": true })),
        (
            "Populate",
            json!({ "image": "win11:default", "first_boot": agent, "then": { "virtual_snapshot": true } }),
        ),
        ("Populate", json!({ "image": "win11@2", "machines": ["win11-001", "win11-002"] })),
        ("TagImage", json!({ "image": "win11:head", "tag": "default" })),
        ("TagImage", json!({ "image": "win11@1", "tag": "default" })),
        ("TagImage", json!({ "image": "win11:head", "tag": "exam", "fixed": true })),
        ("RetireImage", json!({ "image": "win11@1" })),
        ("RetireImage", json!({ "image": "win11@2" })),
        ("RetireImage", json!({ "image": "win11:default" })),
        ("EnableVirtualSnapshot", json!({ "children_of": "win11" })),
        ("DisableVirtualSnapshot", json!({ "children_of": "win11" })),
        ("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true })),
        ("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": false })),
    ]
}

fn something_happens(site: &mut Site, dice: &mut Dice) {
    let machines: Vec<MachineId> = site.story.fleet.machines.iter().map(|(id, _)| id).collect();
    let id = dice.one_of(&machines);
    let (initial, host) = (site.initial, site.host);
    let machine = site.get(id).clone();
    let images: Vec<_> = site.story.fleet.images.iter().map(|(id, _)| id).collect();
    match dice.below(14) {
        0 => drop(site.decides(|it| outcome::copied(it, initial))),
        1 | 2 => drop(site.decides(|it| outcome::sealed(it, initial, STAT))),
        3 => drop(site.decides(|it| outcome::task_failed(it, initial, &failure()))),
        4 if machine.at_rest() && machine.task.is_none() && machine.renewal.is_none() => {
            drop(site.decides(|it| drop(crate::machine::power::turn_on(it, id, false))));
        }
        4 if !machine.observed.state.is_off() => drop(site.off(id, dice.one_of(&CAUSES))),
        5 => machines.into_iter().for_each(|id| {
            let machine = site.get(id);
            if machine.power.wish.is_off() && !machine.at_rest() {
                site.off(id, StopCause::Command);
            }
        }),
        6 if machine.leases.is_empty()
            && machine.maintenance.is_empty()
            && !machine.being_renewed()
            && machine.initial().is_some() =>
        {
            site.lease(id);
        }
        7 => {
            for session in machine.leases {
                let ended = SessionFact::LeaseEnded(Ended { cause: EndCause::Request });
                site.decides(|it| {
                    it.fact(session, ended);
                    crate::renewal::reset(it, id);
                });
            }
        }
        8 => {
            for image in images {
                for file in 0..3 {
                    site.decides(|it| outcome::file_removed(it, host, (image, file)));
                    let digest = Digest([1; 32]);
                    site.decides(|it| outcome::file_made(it, host, image, made(file, digest)));
                }
            }
        }
        9 => {
            let failed = WorkFailed { generation: machine.generation, failure: failure() };
            site.happens(id, MachineFact::WorkFailed(failed));
        }
        10 if machine.locked => drop(site.happens(id, MachineFact::Unlocked(Nothing {}))),
        10 if dice.below(4) == 0 => site.lock(id),
        11 => drop(site.story.wait(60)),
        12 if crate::renewal::tests::step(site, id)
            == Some(crate::machine::RenewalStep::FirstBoot) =>
        {
            site.happens(id, MachineFact::FirstBootEnded(Nothing {}));
        }
        _ => machines.into_iter().for_each(|id| drop(site.applied(id))),
    }
    site.advance();
}

const CAUSES: [StopCause; 4] =
    [StopCause::Guest, StopCause::Command, StopCause::Crash, StopCause::HostLost];

#[test]
fn it_holds_whatever_happens() {
    let commands = commands();
    let mut accepted = std::collections::BTreeSet::new();
    for seed in 1..=40_u64 {
        let mut dice = Dice(seed);
        let (mut site, children) = Site::with_children(3);
        let follow = json!({ "image": { "initial": site.initial, "tag": "default" } });
        site.pool("desk", follow, &children);
        for _ in 0..200 {
            if dice.below(3) == 0 {
                let (name, data) = dice.one_of(&commands);
                if site.story.tell(command(name, data)).is_ok() {
                    accepted.insert(name);
                }
            } else {
                something_happens(&mut site, &mut dice);
            }
            holds(&site);
        }
        let files = |state| {
            let images = site.story.fleet.images.iter();
            images.flat_map(|(_, it)| &it.files).filter(|it| it.state == state).count()
        };
        assert!(files(FileState::There) > 0, "there is always a version to go on with");
    }
    assert_eq!(accepted.len(), 8, "every command had its chance: {accepted:?}");
}
