//! What is said reaches the bus: published until it is confirmed, and only then marked so.

use std::sync::Arc;

use carrel_bus::{Address, Message};
use carrel_failpoint::{Point, reached};
use carrel_model::contract::Report;
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::work::Thing;
use tokio::time::sleep;
use uuid::Uuid;

use crate::entry::{Change, Said};
use crate::error::WorkerError;
use crate::limits::{PUBLISH_AGAIN_FIRST, PUBLISH_AGAIN_MAX};
use crate::shared::Shared;

/// Whatever a former worker could not get rid of goes first.
pub(crate) fn remember(shared: &Shared) {
    let mut unheard = Vec::new();
    shared.ledger.each(shared.host, |thing, entry| {
        let open = entry.outcomes.iter().filter(|said| !said.confirmed);
        unheard.extend(open.map(|said| (thing, said.id)));
    });
    for it in unheard {
        shared.to_report.add(it);
    }
}

/// Publishes one after the other, until it is dropped.
pub(crate) async fn report(shared: Arc<Shared>) -> Result<(), WorkerError> {
    loop {
        let (thing, id) = shared.to_report.next().await;
        publish(&shared, thing, id).await?;
    }
}

/// What is left when the worker ends. What the bus does not take now, the next worker publishes.
pub(crate) async fn report_rest(shared: &Shared) -> Result<(), WorkerError> {
    remember(shared);
    while let Some((thing, id)) = shared.to_report.try_next() {
        let Some(message) = message(shared, thing, id) else { continue };
        if shared.bus.publish(&Address::Outcomes, message).await.is_err() {
            return Ok(());
        }
        shared.ledger.note(shared.host, thing, vec![Change::Confirmed { id }]).await?;
    }
    Ok(())
}

async fn publish(shared: &Shared, thing: Thing, id: Uuid) -> Result<(), WorkerError> {
    let Some(message) = message(shared, thing, id) else { return Ok(()) };
    let mut pause = PUBLISH_AGAIN_FIRST;
    while let Err(error) = shared.bus.publish(&Address::Outcomes, message.clone()).await {
        tracing::warn!(message.id = %id, %error, "an outcome is published again later");
        sleep(pause).await;
        pause = (pause * 2).min(PUBLISH_AGAIN_MAX);
    }
    reached(Point::ReportPublished);
    Ok(shared.ledger.note(shared.host, thing, vec![Change::Confirmed { id }]).await?)
}

fn message(shared: &Shared, thing: Thing, id: Uuid) -> Option<Message> {
    let said: Said = shared.ledger.look(shared.host, thing, |entry| {
        entry?.outcomes.iter().find(|said| said.id == id).cloned()
    })?;
    let outcome =
        ReportOutcome { hypervisor: shared.host, generation: said.generation, thing: said.what };
    let report = Report::Outcome { incarnation: said.incarnation, outcome };
    match serde_json::to_vec(&report) {
        Ok(body) => Some(Message::new(id, body)),
        Err(error) => {
            tracing::error!(message.id = %id, %error, "an outcome can't be written");
            None
        }
    }
}
