//! The host is looked at again and again, and sooner when it tells that something has changed: what
//! happens there by itself is found, and everything that it has is told, so that what was lost on
//! its way is found by whoever compares.

use std::collections::BTreeMap;
use std::sync::Arc;

use carrel_bus::{Address, Message};
use carrel_driver::{Domain, Listing, Root};
use carrel_model::contract::{FreeSpace, Held, HeldPower, Inventory, Report, Signs};
use carrel_model::ids::{MachineId, StorageId};
use carrel_model::record::Incarnation;
use carrel_model::work::Thing;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::error::WorkerError;
use crate::limits::{INVENTORY_EVERY, LOOK_APART, SIGNS_EVERY, WATCH_EVERY};
use crate::news::news;
use crate::shared::Shared;
use crate::signs::{is_silent, signs};
use crate::wanted::is_told;

fn every(time: std::time::Duration) -> Interval {
    let mut interval = interval(time);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Looks and tells until it is dropped. A host that can't be looked at has nothing to tell: its
/// silence is what others notice.
pub(crate) async fn watch(shared: Arc<Shared>) -> Result<(), WorkerError> {
    let (mut looks, mut counts, mut tells, mut soon) =
        (every(WATCH_EVERY), every(INVENTORY_EVERY), every(SIGNS_EVERY), every(LOOK_APART));
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    shared.lanes.tells(Arc::new(move || tell.notify_one()));
    let (mut last, mut is_told) = (None, false);
    loop {
        // What takes no time comes first, and what is seldom before what is often: however slowly
        // a host answers, none of them keeps the others away for ever.
        tokio::select! {
            biased;
            _ = tells.tick() => {
                let signs = signs(shared.host, &shared.steps, last.as_ref());
                if !is_silent(&signs) {
                    say_signs(&shared, &signs).await?;
                }
            }
            _ = counts.tick() => {
                last = look(&shared).await;
                if let Some(listing) = &last {
                    find_news(&shared, listing);
                    count(&shared, listing).await?;
                }
            }
            _ = looks.tick() => {
                last = look(&shared).await;
                if let Some(listing) = &last {
                    find_news(&shared, listing);
                }
            }
            () = told.notified() => is_told = true,
            _ = soon.tick(), if is_told => {
                is_told = false;
                looks.reset_immediately();
            }
        }
    }
}

async fn look(shared: &Shared) -> Option<Listing> {
    match shared.list().await {
        Ok(listing) => Some(listing),
        Err(error) => {
            tracing::debug!(host.id = %shared.host, %error, "the host can't be looked at");
            None
        }
    }
}

/// Whatever has an owner is looked at by that.
fn find_news(shared: &Shared, listing: &Listing) {
    let domains = by_machine(listing);
    let mut new = Vec::new();
    let owned = shared.owned().clone();
    shared.ledger.each(shared.host, |thing, entry| {
        let Thing::Machine(machine) = thing else { return };
        let tells = is_told(entry.order.as_deref()) && !owned.contains(&thing);
        if tells && !news(entry, domains.get(&machine).copied()).is_empty() {
            new.push(thing);
        }
    });
    for thing in new {
        shared.nudged.add(thing);
    }
}

fn by_machine(listing: &Listing) -> BTreeMap<MachineId, &Domain> {
    listing.domains.iter().map(|domain| (domain.machine, domain)).collect()
}

async fn count(shared: &Shared, listing: &Listing) -> Result<(), WorkerError> {
    let domains = by_machine(listing);
    let mut things = Vec::new();
    let mut roots: BTreeMap<StorageId, Root> = BTreeMap::new();
    let mut incarnation = Incarnation::default();
    shared.ledger.each(shared.host, |thing, entry| {
        incarnation = incarnation.max(entry.incarnation);
        if entry.is_gone && entry.is_settled() && entry.is_reported() {
            return;
        }
        roots.extend(entry.roots.iter().map(|root| (root.storage, root.clone())));
        let domain = match thing {
            Thing::Machine(machine) => domains.get(&machine),
            Thing::Image(_) => None,
        };
        let power = domain
            .map(|domain| HeldPower { boot_epoch: domain.boot_epoch, runs: domain.state.is_on() });
        let settled = entry.is_settled() && entry.is_reported();
        things.push(Held { thing, generation: entry.generation, settled, power });
    });
    let space = space(shared, roots).await;
    let hypervisor = shared.host;
    let foreign = listing.foreign;
    let inventory = Inventory { hypervisor, incarnation, things, space, foreign };
    say(shared, &Address::Outcomes, &Report::Inventory(inventory)).await?;
    // Also that it has nothing else to say.
    say_signs(shared, &signs(shared.host, &shared.steps, Some(listing))).await
}

async fn space(shared: &Shared, roots: BTreeMap<StorageId, Root>) -> Vec<FreeSpace> {
    let mut space = Vec::with_capacity(roots.len());
    for (storage, root) in roots {
        match shared.lanes.ask(move |driver| driver.free_mib(&root)).await {
            Ok(free_mib) => space.push(FreeSpace { storage, free_mib }),
            Err(error) => tracing::debug!(storage.id = %storage, %error, "its space is not known"),
        }
    }
    space
}

async fn say_signs(shared: &Shared, signs: &Signs) -> Result<(), WorkerError> {
    say(shared, &Address::Progress, signs).await
}

/// It comes again soon enough if it is lost.
async fn say<T: Serialize>(shared: &Shared, to: &Address, what: &T) -> Result<(), WorkerError> {
    match serde_json::to_vec(what) {
        Ok(body) => {
            let message = Message::new(shared.ids.fresh()?, body);
            if let Err(error) = shared.bus.publish(to, message).await {
                tracing::debug!(to = %to, %error, "the bus did not take it");
            }
        }
        Err(error) => tracing::error!(%error, "what a host has can't be written"),
    }
    Ok(())
}
