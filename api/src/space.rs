//! What machines take on their storages now: asked of their hosts, and kept nowhere.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use carrel_model::contract::{Question, Taken};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{HypervisorId, MachineId, PoolId};
use carrel_model::machine::Machine;
use carrel_model::name::{HostPath, Name};
use carrel_projections::Kind;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use crate::body::Segment;
use crate::edge::Edge;
use crate::look::ask;
use crate::problem::Problem;
use crate::reads;

/// So many are asked of at once: their answer is far below what the bus takes.
const ASKED_MAX: usize = 1_000;

#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// What guests have written over their image, snapshots included.
    pub kept_bytes: u64,
    /// What is gone with the power of machines with a virtual snapshot.
    pub thrown_away_bytes: u64,
    /// Those that take most come first.
    pub machines: Vec<MachineSpace>,
    /// Those of which no host could say anything now. They are not counted.
    pub unknown: Vec<Name>,
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineSpace {
    pub machine: MachineId,
    pub name: Name,
    pub kept_bytes: u64,
    pub thrown_away_bytes: u64,
}

/// `GET /v1/machines/{id}/space`.
pub async fn of_machine(
    State(edge): State<Edge>,
    Segment(named): Segment,
) -> Result<Json<Space>, Problem> {
    let id: MachineId = reads::id(&edge, Kind::Machines, &named).await?;
    let fleet = edge.ports.commands.standing().fleet;
    let machines = fleet.machines.get(id).into_iter().map(|machine| (id, machine));
    Ok(Json(space(&edge, &fleet, machines).await))
}

/// `GET /v1/pools/{id}/space`.
pub async fn of_pool(
    State(edge): State<Edge>,
    Segment(named): Segment,
) -> Result<Json<Space>, Problem> {
    let id: PoolId = reads::id(&edge, Kind::Pools, &named).await?;
    let fleet = edge.ports.commands.standing().fleet;
    let machines = fleet.machines.iter().filter(|(_, machine)| machine.pool == Some(id));
    Ok(Json(space(&edge, &fleet, machines).await))
}

async fn space<'a>(
    edge: &Edge,
    fleet: &Fleet,
    machines: impl Iterator<Item = (MachineId, &'a Machine)>,
) -> Space {
    let mut space = Space::default();
    let mut named: BTreeMap<MachineId, Name> = BTreeMap::new();
    let mut by_host: BTreeMap<HypervisorId, Vec<MachineId>> = BTreeMap::new();
    for (id, machine) in machines.filter(|(_, machine)| !machine.disks.is_empty()) {
        named.insert(id, machine.name.clone());
        if let Some(host) = sees(fleet, machine) {
            by_host.entry(host).or_default().push(id);
        }
    }
    let parts = by_host.iter().flat_map(|(host, all)| {
        let storages = storages(fleet, *host);
        all.chunks(ASKED_MAX).map(move |part| (*host, part.to_vec(), storages.clone()))
    });
    let answers = parts.map(|(host, machines, storages)| async move {
        let question = Question::Space { machines, storages };
        let said = ask(edge, host, &question).await.ok()?;
        serde_json::from_slice::<Vec<Taken>>(&said).ok()
    });
    for taken in join_all(answers).await.into_iter().flatten().flatten() {
        let Some(name) = named.remove(&taken.machine) else { continue };
        let Taken { machine, kept_bytes, thrown_away_bytes } = taken;
        space.kept_bytes += kept_bytes;
        space.thrown_away_bytes += thrown_away_bytes;
        space.machines.push(MachineSpace { machine, name, kept_bytes, thrown_away_bytes });
    }
    space.machines.sort_by_key(|it| std::cmp::Reverse(it.kept_bytes + it.thrown_away_bytes));
    space.unknown = named.into_values().collect();
    space
}

/// The host on which it runs or ran last, or else any that has its first disk in sight.
fn sees(fleet: &Fleet, machine: &Machine) -> Option<HypervisorId> {
    let storage = machine.disks.first().and_then(|disk| fleet.storages.get(disk.storage));
    machine.place.or_else(|| storage?.settings.hosts.keys().next().copied())
}

fn storages(fleet: &Fleet, host: HypervisorId) -> Vec<HostPath> {
    let storages = fleet.storages.iter();
    storages.filter_map(|(_, storage)| storage.settings.hosts.get(&host).cloned()).collect()
}
