//! Where hypervisors are simulated: the site that they are, and hosts and a storage to begin with,
//! since nobody has to describe what isn't there.

use std::sync::Arc;
use std::time::Duration;

use carrel_decider::Decider;
use carrel_driver::sim::{OsTimer, Pace, World};
use carrel_model::name::Org;
use serde_json::{Value, json};

use super::asked::ask;
use super::outside::{Drawn, millis};
use crate::config::Config;
use crate::failure::Failure;

/// A large server: 500 desktops of 2 GiB, four virtual CPUs for each real one.
const MEMORY_MIB: u64 = 1_024 * 1_024;
const VCPUS: u32 = 256;

/// The one storage that all of them see.
const STORAGE: &str = "main";
const PATH: &str = "/var/lib/carrel";

/// As it was when the process before this one ended, however it did.
pub(super) fn world(config: &Config) -> Result<World, Failure> {
    // Times of guests are kept, and mean the same to the next process.
    let timer = OsTimer::begin_at(Duration::from_millis(millis()));
    let world = World::new(Drawn::seed(), Pace::USUAL.faster(config.sim_speed), Arc::new(timer));
    let world = if config.sim_counts { world.counting() } else { world };
    let unkept = |why| Failure::new("the simulated site can't be read").because(why);
    world.kept_in(&config.data.join("simulated.json")).map_err(unkept)
}

fn name(number: u16) -> String {
    format!("sim-{number:03}")
}

/// A site that has no storage yet begins with so many hosts, and one storage that they all see.
/// After that it is as its administrators have made it.
pub(super) async fn found(decider: &Decider, org: &Org, count: u16) -> Result<(), Failure> {
    let fleet = decider.standing().fleet;
    if !fleet.storages.is_empty() {
        let there = fleet.hypervisors.iter().count();
        if there != usize::from(count) {
            tracing::info!(
                "this site has {there} hosts and keeps them; RegisterHypervisor adds one, and \
                 UpdateStorage lets it see a storage"
            );
        }
        return Ok(());
    }
    for name in (1..=count).map(name) {
        if fleet.hypervisors.iter().any(|(_, host)| host.name.as_str() == name) {
            continue;
        }
        let capacity = json!({ "memory_mib": MEMORY_MIB, "vcpus": VCPUS });
        let data = json!({ "name": name, "settings": { "capacity": capacity } });
        ask(decider, org, "RegisterHypervisor", data).await?;
    }
    let hosts: Value = (1..=count).map(|number| (name(number), Value::from(PATH))).collect();
    let data = json!({ "name": STORAGE, "settings": { "hosts": hosts } });
    ask(decider, org, "CreateStorage", data).await.map(drop)
}
