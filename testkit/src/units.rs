//! Made-up commands for the log.

use bytes::Bytes;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
use carrel_model::name::{Category, Method, Org, RecordType};
use carrel_model::record::{
    Actor, CommandUnit, Fingerprint, NewRecord, Origin, StreamId, Timestamp,
};
use carrel_model::trace::TraceParent;
use uuid::Uuid;

use crate::random::Random;

/// A UUID of version 7 whose time is `millis` and whose other bits come from `random`.
pub fn uuid_v7(millis: u64, random: &mut Random) -> Uuid {
    let mut bytes = random.bytes();
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6] = 0x70 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    Uuid::from_bytes(bytes)
}

/// The stream of the `n`-th machine.
pub fn stream(n: u64) -> StreamId {
    StreamId { category: name(Category::new("machine")), id: Uuid::from_u128(u128::from(n) + 1) }
}

/// Makes commands that differ in every field, the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Units {
    random: Random,
    made: u64,
}

impl Units {
    pub const fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), made: 0 }
    }

    /// A command with one record of about `bytes` bytes in each of `streams`.
    pub fn unit(&mut self, streams: &[StreamId], bytes: usize) -> CommandUnit {
        self.made += 1;
        let millis = 1_760_000_000_000 + self.made;
        let command = uuid_v7(millis, &mut self.random);
        let records = streams.iter().map(|stream| self.record(stream, millis, bytes)).collect();
        let trace_parent = TraceParent {
            trace_id: self.random.bytes(),
            parent_id: self.random.next().to_le_bytes(),
            flags: 1,
        };
        CommandUnit {
            command_id: CommandId::new(command),
            fingerprint: fingerprint(&mut self.random),
            origin: Origin {
                org: name(Org::new("main")),
                actor: Actor {
                    id: ActorId::new(Uuid::from_u128(7)),
                    method: name(Method::new("token")),
                },
                causation_id: CausationId::new(command),
                correlation_id: CorrelationId::new(command),
                trace_parent: (!self.made.is_multiple_of(5)).then_some(trace_parent),
                at: Timestamp(i64::try_from(millis * 1_000).unwrap_or(i64::MAX)),
            },
            records,
        }
    }

    /// A command with one small record in the `n`-th machine's stream.
    pub fn small(&mut self, n: u64) -> CommandUnit {
        self.unit(&[stream(n)], 64)
    }

    fn record(&mut self, stream: &StreamId, millis: u64, bytes: usize) -> NewRecord {
        NewRecord {
            stream: stream.clone(),
            event_id: EventId::new(uuid_v7(millis, &mut self.random)),
            kind: name(RecordType::new("machine.start_requested")),
            schema: 1,
            data: json(&mut self.random, bytes),
        }
    }
}

fn fingerprint(random: &mut Random) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&random.bytes());
    bytes[16..].copy_from_slice(&random.bytes());
    Fingerprint(bytes)
}

/// JSON of exactly `bytes` bytes, or of the few that the smallest has.
fn json(random: &mut Random, bytes: usize) -> Bytes {
    const AROUND: usize = "{\"note\":\"\"}".len();
    let mut text = String::from("{\"note\":\"");
    for _ in AROUND..bytes {
        text.push(char::from(b'a' + u8::try_from(random.below(26)).unwrap_or_default()));
    }
    text.push_str("\"}");
    Bytes::from(text)
}

/// Names in tests are written out beside their use.
#[track_caller]
fn name<T, E: std::fmt::Debug>(checked: Result<T, E>) -> T {
    match checked {
        Ok(name) => name,
        Err(error) => panic!("{error:?}"),
    }
}
