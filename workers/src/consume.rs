//! Orders come in: those that are genuine, for this host and new are in the ledger before the bus
//! is told that they are done.

use std::sync::Arc;

use carrel_bus::{Delivery, Message, Queue};
use carrel_failpoint::{Point, reached};
use carrel_keys::{KeyId, Signature};
use carrel_model::contract::Order;
use carrel_model::work::{Lane, Thing};

use crate::entry::{Age, Change};
use crate::error::WorkerError;
use crate::limits::ORDERS_AHEAD;
use crate::shared::Shared;

/// Of a message's signature: which key it was, and then the signature.
const KEY_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 64;

/// Takes orders from one lane until the worker ends.
pub(crate) async fn consume(shared: Arc<Shared>, lane: Lane) -> Result<(), WorkerError> {
    let queue = Queue::Work(shared.host, lane);
    let mut stop = shared.stop.clone();
    let mut consumer = shared.bus.consume(&queue, ORDERS_AHEAD).await?;
    loop {
        let delivery = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            delivery = consumer.next() => delivery?,
        };
        take(&shared, delivery).await?;
    }
}

async fn take(shared: &Shared, delivery: Delivery) -> Result<(), WorkerError> {
    let order = match read(shared, &delivery.message) {
        Ok(order) => order,
        Err(reason) => {
            tracing::error!(message.id = %delivery.message.id, reason,
                "ALARM: work that is forged, damaged or not for this host was put aside");
            return Ok(delivery.receipt.never(reason).await?);
        }
    };
    let thing = order.work.thing;
    match compare(shared, thing, Age::of(&order)) {
        Heard::Older => {
            tracing::debug!(?thing, generation = order.work.generation, "older work is refused");
        }
        Heard::Already => shared.nudged.add(thing),
        Heard::Settled => shared.repeat(thing),
        Heard::Newer => {
            reached(Point::OrderRead);
            shared.enter(thing, vec![Change::Heard(Box::new(order))]).await?;
            reached(Point::OrderEntered);
            shared.nudged.add(thing);
        }
    }
    Ok(delivery.receipt.done().await?)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Older,
    /// It is under way.
    Already,
    Settled,
    /// Or it failed, and whoever orders it again believes that it may work now.
    Newer,
}

fn compare(shared: &Shared, thing: Thing, age: Age) -> Heard {
    shared.ledger.look(shared.host, thing, |entry| match entry {
        None => Heard::Newer,
        Some(entry) if age < entry.age() => Heard::Older,
        Some(entry) if age > entry.age() => Heard::Newer,
        // A task that failed is over with that. A disk that became a version all the same would be
        // a file that nobody knows, and a machine without its disk.
        Some(entry) if entry.task_failed => Heard::Settled,
        Some(entry) if entry.gave_up => Heard::Newer,
        Some(entry) if entry.is_settled() => Heard::Settled,
        Some(_) => Heard::Already,
    })
}

/// Nothing of a body is believed before its signature is.
fn read(shared: &Shared, message: &Message) -> Result<Order, &'static str> {
    let signature = message.headers.signature.as_ref().ok_or("it is not signed")?;
    let signature = read_signature(signature).ok_or("its signature is of another form")?;
    let verified = shared.work_keys.borrow().verify(&message.body, &signature);
    verified.map_err(|_| "its signature is not by a key of this installation")?;
    let order: Order =
        serde_json::from_slice(&message.body).map_err(|_| "its body is of another form")?;
    if order.work.hypervisor != shared.host {
        return Err("it is for another host");
    }
    Ok(order)
}

fn read_signature(bytes: &[u8]) -> Option<Signature> {
    let (key, bytes) = bytes.split_first_chunk::<KEY_BYTES>()?;
    let bytes: [u8; SIGNATURE_BYTES] = bytes.try_into().ok()?;
    Some(Signature { key: KeyId(*key), bytes })
}
