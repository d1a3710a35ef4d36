//! Tells hosts what things shall be: the newest work of each, once for each generation.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use carrel_bus::{Address, Bus, Headers, Message};
use carrel_failpoint::{Point, reached};
use carrel_keys::{Keys, Purpose, Signature};
use carrel_model::contract::Order;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{CommandId, HypervisorId};
use carrel_model::record::{Incarnation, Position};
use carrel_model::trace::TraceParent;
use carrel_model::version::latest::Properties;
use carrel_model::work::{Shall, Thing, Work, work};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::counters::Counters;
use crate::derived;
use crate::limits::{CONFIRMS_AT_ONCE, SIGNED_AT_ONCE, SIGNED_IN_PLACE};
use crate::send::send;
use crate::touched::{Cause, Said, Taken, Touch, Touched};

/// What a thing's host was told last. Its work doesn't change without its generation.
type Sent = (HypervisorId, u64);

pub(crate) struct Orders {
    bus: Arc<dyn Bus>,
    keys: Keys,
    touched: Arc<Touched>,
    /// Up to where everything that facts ask of hosts is confirmed.
    ordered: watch::Sender<Position>,
    counters: Arc<Counters>,
    /// Of the present incarnation, for things that have work.
    sent: BTreeMap<Thing, Sent>,
    incarnation: Incarnation,
}

/// Work that is to be sent.
#[derive(Debug)]
struct Due {
    work: Work,
    operation: Option<CommandId>,
    trace_parent: Option<TraceParent>,
    said: Said,
}

impl Due {
    fn is_personal(&self) -> bool {
        matches!(&self.work.shall, Shall::Present(spec) if !spec.personal.is_empty())
    }
}

/// An order on its way, and what is remembered of it.
#[derive(Debug)]
struct Outgoing {
    thing: Thing,
    to: Address,
    message: Message,
    said: Said,
}

impl Orders {
    pub(crate) fn new(
        (bus, keys): (Arc<dyn Bus>, Keys),
        touched: Arc<Touched>,
        counters: Arc<Counters>,
    ) -> (Self, watch::Receiver<Position>) {
        let (ordered, seen) = watch::channel(Position::START);
        let (sent, incarnation) = (BTreeMap::new(), Incarnation::default());
        (Self { bus, keys, touched, ordered, counters, sent, incarnation }, seen)
    }

    pub(crate) async fn run(mut self) -> Result<(), JoinError> {
        loop {
            let taken = self.touched.take().await;
            let upto = taken.shown.standing.position;
            self.order(taken).await?;
            self.ordered.send_replace(upto);
        }
    }

    async fn order(&mut self, taken: Taken) -> Result<(), JoinError> {
        let Taken { shown, things } = taken;
        if shown.incarnation != self.incarnation {
            self.incarnation = shown.incarnation;
            self.sent.clear();
        }
        let fleet = &shown.standing.fleet;
        let mut due = Vec::new();
        for (thing, touch) in things {
            due.extend(self.due(fleet, thing, touch));
            if due.len() >= SIGNED_AT_ONCE {
                self.send(std::mem::take(&mut due)).await?;
            }
        }
        self.send(due).await
    }

    /// What is to be sent of a thing now, if anything is.
    fn due(&mut self, fleet: &Fleet, thing: Thing, touch: Touch) -> Option<Due> {
        let Some(work) = work(fleet, thing) else {
            self.sent.remove(&thing);
            return None;
        };
        let now = (work.hypervisor, work.generation);
        let before = self.sent.insert(thing, now);
        if before == Some(now) && touch.said == Said::Once {
            return None;
        }
        let operation = operation_of(fleet, thing, touch.cause);
        let trace_parent = touch.cause.and_then(|cause| cause.trace_parent);
        Some(Due { work, operation, trace_parent, said: touch.said })
    }

    /// Signs, sends, and waits for all confirms.
    async fn send(&mut self, due: Vec<Due>) -> Result<(), JoinError> {
        if due.is_empty() {
            return Ok(());
        }
        let mut under_way = JoinSet::new();
        for out in self.signed(due).await? {
            let bus = Arc::clone(&self.bus);
            under_way.spawn(async move {
                let sent = send(&*bus, &out.to, out.message).await;
                (out.thing, out.said, sent)
            });
            if under_way.len() >= CONFIRMS_AT_ONCE {
                self.confirmed(&mut under_way).await?;
            }
        }
        while !under_way.is_empty() {
            self.confirmed(&mut under_way).await?;
        }
        Ok(())
    }

    /// On a thread that may wait, if these are many or something personal has to be opened.
    async fn signed(&self, due: Vec<Due>) -> Result<Vec<Outgoing>, JoinError> {
        let (keys, incarnation) = (self.keys.clone(), self.incarnation);
        let is_quick = due.len() <= SIGNED_IN_PLACE && !due.iter().any(Due::is_personal);
        let beside = keys.clone();
        let make = move || {
            let made = due.into_iter().filter_map(|due| outgoing(&keys, incarnation, due));
            made.collect()
        };
        if is_quick { Ok(make()) } else { beside.beside(make).await }
    }

    async fn confirmed(
        &mut self,
        under_way: &mut JoinSet<(Thing, Said, Result<(), crate::send::Left>)>,
    ) -> Result<(), JoinError> {
        let Some(joined) = under_way.join_next().await else { return Ok(()) };
        let (thing, said, sent) = joined?;
        if sent.is_err() {
            // The next inventory of the host shows that it has not heard of it.
            self.sent.remove(&thing);
            self.counters.orders_left();
            self.counters.alarms();
            return Ok(());
        }
        reached(Point::OrderConfirmed);
        self.counters.orders_sent();
        if said == Said::Again {
            self.counters.orders_again();
        }
        Ok(())
    }
}

/// The operation that something is done for: the command itself, the one that it goes back to, or
/// one that waits for the thing.
pub(crate) fn operation_of(fleet: &Fleet, thing: Thing, cause: Option<Cause>) -> Option<CommandId> {
    let of_cause =
        cause.into_iter().flat_map(|it| [it.command, CommandId::new(it.correlation.uuid())]);
    let waiting = match thing {
        Thing::Machine(id) => fleet.parts_on(id).next(),
        Thing::Image(id) => fleet.images.get(id).map(|image| image.by),
    };
    of_cause.chain(waiting).find(|id| fleet.operations.contains(*id))
}

fn outgoing(keys: &Keys, incarnation: Incarnation, due: Due) -> Option<Outgoing> {
    let Due { work, operation, trace_parent, said } = due;
    let (thing, generation) = (work.thing, work.generation);
    let to = Address::Work(work.hypervisor, work.lane);
    let personal = personal(keys, &work);
    let order = Order { incarnation, work, personal, operation };
    let body = match serde_json::to_vec(&order) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, ?thing, alarm = true, "an order can't be written");
            return None;
        }
    };
    let signature = Some(written(&keys.sign(&body)));
    let headers = Headers { trace_parent, signature, ..Headers::default() };
    let id = derived::order(incarnation, thing, generation);
    let message = Message { id, headers, body: body.into() };
    Some(Outgoing { thing, to, message, said })
}

/// A key's id, then what it signed with.
fn written(signature: &Signature) -> Bytes {
    let mut bytes = BytesMut::with_capacity(signature.key.0.len() + signature.bytes.len());
    bytes.put_slice(&signature.key.0);
    bytes.put_slice(&signature.bytes);
    bytes.freeze()
}

/// What the guest may read of the people there. Whoever was deleted says nothing any more.
fn personal(keys: &Keys, work: &Work) -> Properties {
    let Shall::Present(spec) = &work.shall else { return Properties::new() };
    let opened = spec.personal.iter().filter_map(|(label, sealed)| {
        match keys.open(Purpose::Property, sealed) {
            Ok(text) => text.map(|text| (label.clone(), text)),
            Err(error) => {
                tracing::error!(%error, thing = ?work.thing, "a guest goes without a property");
                None
            }
        }
    });
    opened.collect()
}
