//! What is appended: the same for all stores, and the same in every run.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use carrel_log::limits::BATCH_UNITS_MAX;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
use carrel_model::name::{Method, NameError, Org, RecordType};
use carrel_model::record::{
    Actor, CommandUnit, Fingerprint, NewRecord, Origin, StreamId, Timestamp,
};
use carrel_model::trace::TraceParent;
use carrel_testkit::random::Random;
use carrel_testkit::units::{stream, uuid_v7};
use uuid::Uuid;

pub(crate) const PAYLOAD_BYTES: usize = 400;

/// Few enough that streams are contended for, and unequal: the n-th is chosen 1/n as often as the
/// first (Zipf's law with exponent 1).
pub(crate) const STREAMS: usize = 50;

/// Made beforehand, so that making up text is not part of what is measured; and never given back,
/// so that handing one out to any thread costs nothing.
static BODIES: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    const COUNT: usize = 4096;
    let mut random = Random::new(0);
    (0..COUNT).map(|_| Bytes::from_static(body(&mut random).leak().as_bytes())).collect()
});

/// When the first event happens, and how much later they happen in a run with the next seed: ids
/// of version 7 that are made later sort later, as they do in life.
const BEGIN_MILLIS: u64 = 1_760_000_000_000;
const SEED_MILLIS: u64 = 1_000_000_000;

/// What a peer is given to keep.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) stream: usize,
    pub(crate) body: Bytes,
}

/// What all writers share.
#[derive(Debug)]
struct Stock {
    streams: Vec<StreamId>,
    /// Up to where a draw chooses each stream.
    shares: Vec<u64>,
    kind: RecordType,
    org: Org,
    method: Method,
}

/// Draws events for one writer.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    stock: Arc<Stock>,
    random: Random,
    millis: u64,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Result<Self, NameError> {
        let stock = Stock {
            streams: (0..STREAMS as u64).map(stream).collect(),
            shares: shares(),
            kind: RecordType::new("machine.start_requested")?,
            org: Org::new("main")?,
            method: Method::new("token")?,
        };
        let millis = BEGIN_MILLIS + seed * SEED_MILLIS;
        Ok(Self { stock: Arc::new(stock), random: Random::new(seed), millis })
    }

    /// For another writer, whose draws are others and whose ids never meet these.
    pub(crate) fn split(&mut self) -> Self {
        let random = Random::new(self.random.next());
        Self { stock: Arc::clone(&self.stock), random, millis: self.millis }
    }

    pub(crate) fn event(&mut self) -> Event {
        let body = BODIES[self.random.index(BODIES.len())].clone();
        let drawn = self.random.next();
        let stream = self.stock.shares.partition_point(|share| *share < drawn);
        Event { stream: stream.min(STREAMS - 1), body }
    }

    /// A command that becomes so many events.
    pub(crate) fn unit(&mut self, records: usize) -> CommandUnit {
        self.millis += 1;
        let millis = self.millis;
        let command = uuid_v7(millis, &mut self.random);
        let records = (0..records).map(|_| self.record(millis)).collect();
        let mut fingerprint = [0; 32];
        fingerprint[..16].copy_from_slice(&self.random.bytes());
        fingerprint[16..].copy_from_slice(&self.random.bytes());
        let (trace_id, parent_id) = (self.random.bytes(), self.random.next().to_le_bytes());
        CommandUnit {
            command_id: CommandId::new(command),
            fingerprint: Fingerprint(fingerprint),
            origin: Origin {
                org: self.stock.org.clone(),
                actor: Actor {
                    id: ActorId::new(Uuid::from_u128(7)),
                    method: self.stock.method.clone(),
                },
                causation_id: CausationId::new(command),
                correlation_id: CorrelationId::new(command),
                trace_parent: Some(TraceParent { trace_id, parent_id, flags: 1 }),
                at: Timestamp(i64::try_from(millis * 1_000).unwrap_or(i64::MAX)),
            },
            records,
        }
    }

    /// The largest batch that the log takes, or the last `left` events.
    pub(crate) fn batch(&mut self, left: u64, records: usize) -> Vec<CommandUnit> {
        let units = usize::try_from(left).unwrap_or(usize::MAX) / records;
        (0..units.clamp(1, BATCH_UNITS_MAX)).map(|_| self.unit(records)).collect()
    }

    fn record(&mut self, millis: u64) -> NewRecord {
        let event = self.event();
        NewRecord {
            stream: self.stock.streams[event.stream].clone(),
            event_id: EventId::new(uuid_v7(millis, &mut self.random)),
            kind: self.stock.kind.clone(),
            schema: 1,
            data: event.body,
        }
    }
}

fn shares() -> Vec<u64> {
    let weight = |nth: usize| 1.0 / nth as f64;
    let all: f64 = (1..=STREAMS).map(weight).sum();
    let mut sum = 0.0;
    (1..=STREAMS)
        .map(|nth| {
            sum += weight(nth);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of all draws, rounded"
            )]
            let share = (sum / all * u64::MAX as f64) as u64;
            share
        })
        .collect()
}

/// JSON of exactly [`PAYLOAD_BYTES`], without anything that a store would have to escape.
fn body(random: &mut Random) -> String {
    let mut text = String::from("{\"note\":\"");
    while text.len() < PAYLOAD_BYTES - 2 {
        text.push(char::from(b'a' + u8::try_from(random.below(26)).unwrap_or_default()));
    }
    text.push_str("\"}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_drawn_by_zipfs_law() {
        let mut source = Source::new(1).unwrap();
        let mut drawn = [0_u32; STREAMS];
        (0..100_000).for_each(|_| drawn[source.event().stream] += 1);
        let (first, second, tenth) = (drawn[0], drawn[1], drawn[9]);
        assert!((19..=21).contains(&(10 * first / second)), "{drawn:?}");
        assert!((8..=12).contains(&(first / tenth)), "{drawn:?}");
    }

    #[test]
    fn a_payload_is_as_long_as_it_says() {
        assert_eq!(Source::new(1).unwrap().event().body.len(), PAYLOAD_BYTES);
    }
}
