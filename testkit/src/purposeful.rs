//! Commands that people would send: made for what is there, and more often for what is in use.
//!
//! Random commands alone take everything apart before anything was used.

use carrel_model::fleet::Fleet;
use carrel_model::ids::{ClientId, HypervisorId, MachineId, PoolId, SnapshotId};
use carrel_model::machine::Kind;
use serde_json::{Value, json};

use crate::random::Random;

/// The name and the data of a command, if there is something that it could be for.
pub fn purposeful(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    match random.below(100) {
        0..30 => desktop(fleet, random),
        30..45 => end(fleet, random),
        45..60 => power(fleet, random),
        60..68 => repair(fleet, random),
        68..78 => images(fleet, random),
        78..86 => pools(fleet, random),
        86..93 => upkeep(fleet, random),
        _ => arrivals(fleet, random),
    }
}

fn nth<T>(mut of: impl Iterator<Item = T>, count: usize, random: &mut Random) -> Option<T> {
    of.nth(random.index(count.max(1)))
}

fn person(fleet: &Fleet, random: &mut Random) -> Option<ClientId> {
    nth(fleet.clients.iter().map(|(id, _)| id), fleet.clients.len(), random)
}

fn pool(fleet: &Fleet, random: &mut Random) -> Option<PoolId> {
    nth(fleet.pools.iter().map(|(id, _)| id), fleet.pools.len(), random)
}

fn host(fleet: &Fleet, random: &mut Random) -> Option<HypervisorId> {
    nth(fleet.hypervisors.iter().map(|(id, _)| id), fleet.hypervisors.len(), random)
}

fn machine(fleet: &Fleet, random: &mut Random) -> Option<MachineId> {
    nth(fleet.machines.iter().map(|(id, _)| id), fleet.machines.len(), random)
}

fn initial(fleet: &Fleet, random: &mut Random) -> Option<MachineId> {
    let is = |kind: &Kind| matches!(kind, Kind::Initial { .. });
    let all: Vec<_> =
        fleet.machines.iter().filter(|(_, it)| is(&it.kind)).map(|(id, _)| id).collect();
    nth(all.iter().copied(), all.len(), random)
}

fn desktop(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    let client = person(fleet, random)?;
    let mut data = json!({ "client": client });
    if random.chance(6) {
        data["machine"] = json!(machine(fleet, random)?);
    } else {
        data["pool"] = json!(pool(fleet, random)?);
    }
    Some(("RequestDesktop", data))
}

fn end(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    let session = nth(fleet.sessions.iter().map(|(id, _)| id), fleet.sessions.len(), random)?;
    let name = if random.chance(4) { "DisconnectSession" } else { "EndSession" };
    Some((name, json!({ "session": session })))
}

fn power(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    const NAMES: [&str; 9] = [
        "StartMachine",
        "StartMachine",
        "StartMachine",
        "ShutdownMachine",
        "PowerOffMachine",
        "RebootMachine",
        "ResetMachine",
        "SuspendMachine",
        "ResumeMachine",
    ];
    let name = NAMES[random.index(NAMES.len())];
    Some((name, json!({ "machines": [machine(fleet, random)?] })))
}

/// What was switched off, locked or lost is put right again.
fn repair(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    let on = random.chance(5);
    Some(match random.below(4) {
        0 => ("ReportHostHeard", json!({ "hypervisor": host(fleet, random)? })),
        1 => ("SetHypervisorMaintenance", json!({ "hypervisor": host(fleet, random)?, "on": on })),
        2 => ("UnlockMachine", json!({ "machine": machine(fleet, random)? })),
        _ => ("SetMaintenance", json!({ "machines": [machine(fleet, random)?], "on": on })),
    })
}

fn images(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    let initial = initial(fleet, random)?;
    let now = if random.chance(2) { "now" } else { "on_release" };
    let version = nth(fleet.images.iter().map(|(id, _)| id), fleet.images.len(), random);
    Some(match random.below(9) {
        0 => ("CopyFromSource", json!({ "initial": initial })),
        1 => ("SealImage", json!({ "initial": initial })),
        2 => ("Populate", json!({ "initial": initial, "count": 1 + random.below(4) })),
        3 => ("Populate", json!({ "initial": initial, "when": now })),
        4 => {
            let first_boot = json!({ "done": "agent", "timeout_seconds": 60 });
            let then = json!({ "virtual_snapshot": true });
            let data = json!({ "initial": initial, "first_boot": first_boot, "then": then });
            ("Populate", data)
        }
        5 => ("EnableVirtualSnapshot", json!({ "machines": [machine(fleet, random)?] })),
        6 => ("TagImage", json!({ "image": version?, "tag": "stable" })),
        7 => ("DeleteMachine", json!({ "machines": [initial] })),
        _ => ("RetireImage", json!({ "image": version? })),
    })
}

fn pools(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    let (pool, client) = (pool(fleet, random)?, person(fleet, random)?);
    let machine = machine(fleet, random)?;
    let spares = json!({ "keep_ready": random.below(3), "keep_started": random.below(3) });
    let reset = ["on_release", "on_assign"][random.index(2)];
    Some(match random.below(8) {
        0..3 => ("AddToPool", json!({ "pool": pool, "machines": [machine] })),
        3 => ("RemoveFromPool", json!({ "pool": pool, "machines": [machine] })),
        4 => ("EntitlePool", json!({ "pool": pool, "client": client })),
        5 => ("AssignClient", json!({ "client": client, "machine": machine })),
        6 => ("UnassignClient", json!({ "client": client, "machine": machine })),
        _ => {
            let settings = json!({ "spares": spares, "reset": reset });
            ("UpdatePool", json!({ "pool": pool, "settings": settings }))
        }
    })
}

fn snapshot(fleet: &Fleet, machine: MachineId) -> Option<SnapshotId> {
    fleet.machines.get(machine)?.snapshots.first().map(|snapshot| snapshot.id)
}

fn upkeep(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    let machine = machine(fleet, random)?;
    let operation = nth(fleet.operations.iter().map(|(id, _)| id), fleet.operations.len(), random);
    let media = nth(fleet.media.iter().map(|(id, _)| id), fleet.media.len(), random);
    let snapshot = snapshot(fleet, machine);
    let name = format!("s{}", random.below(20));
    Some(match random.below(9) {
        0 | 1 => ("TakeSnapshot", json!({ "machine": machine, "name": name })),
        2 => ("RevertSnapshot", json!({ "machine": machine, "snapshot": snapshot? })),
        3 => ("DeleteSnapshot", json!({ "machine": machine, "snapshot": snapshot? })),
        4 => ("AttachMedia", json!({ "machine": machine, "media": media? })),
        5 => ("DetachMedia", json!({ "machine": machine, "media": media? })),
        6 => ("MigrateMachine", json!({ "machines": [machine] })),
        7 => ("CancelOperation", json!({ "operation": operation? })),
        _ => ("RetryOperation", json!({ "operation": operation? })),
    })
}

fn arrivals(fleet: &Fleet, random: &mut Random) -> Option<(&'static str, Value)> {
    let number = random.below(1_000);
    let storage = nth(fleet.storages.iter().map(|(id, _)| id), fleet.storages.len(), random)?;
    let media = nth(fleet.media.iter().map(|(id, _)| id), fleet.media.len(), random);
    let lab = nth(fleet.labs.iter().map(|(id, _)| id), fleet.labs.len(), random);
    let terminal = nth(fleet.terminals.iter().map(|(id, _)| id), fleet.terminals.len(), random);
    let token = nth(fleet.tokens.iter().map(|(id, _)| id), fleet.tokens.len(), random);
    Some(match random.below(9) {
        0 => ("CreateMachine", json!({ "name": format!("m{number}"), "kind": "simple" })),
        1 => {
            let digest = format!("{number:064x}");
            let kind = ["disk", "iso"][random.index(2)];
            let data = json!({
                "name": format!("{kind}{number}"), "kind": kind, "format": "raw", "storage": storage,
                "size_bytes": 1 << 30, "digest": digest,
            });
            ("AddMedia", data)
        }
        2 => {
            let name = format!("import{number}");
            ("ImportImage", json!({ "file": media?, "as": "initial", "name": name }))
        }
        3 => {
            let settings = json!({
                "pools": [pool(fleet, random)?], "start_instances": random.below(3),
                "classes": { "kiosk": { "template": "viewer %HOST%" } },
            });
            ("CreateLab", json!({ "name": format!("lab{number}"), "settings": settings }))
        }
        4 => {
            let settings = json!({ "lab": lab?, "class": "kiosk" });
            ("RegisterTerminal", json!({ "termid": format!("t{number}"), "settings": settings }))
        }
        5 => {
            let data = json!({ "machine": machine(fleet, random)?, "name": format!("c{number}") });
            ("CloneMachine", data)
        }
        6 => ("IssueToken", json!({ "of": { "client": person(fleet, random)? } })),
        7 => ("RevokeToken", json!({ "token": token? })),
        _ => {
            let data = json!({ "terminal": terminal?, "machine": machine(fleet, random)? });
            ("AssignTerminal", data)
        }
    })
}
