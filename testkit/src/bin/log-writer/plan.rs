//! What each writer does, step by step: a function of the seed, the writer and the step's number,
//! so that nothing of it has to be remembered.

use bytes::Bytes;
use carrel_model::ids::CorrelationId;
use carrel_model::name::ConsumerName;
use carrel_model::record::CommandUnit;
use carrel_testkit::random::Random;
use carrel_testkit::units::{Units, stream};
use uuid::Uuid;

/// So few that every writer writes to each, and versions of one stream come from many writers.
pub(crate) const STREAMS: u64 = 40;

const UNITS_MAX: u64 = 5;
const RECORDS_MAX: u64 = 5;

/// One step in so many saves a cursor.
const CURSOR_ONE_IN: u64 = 12;
const BATCH_ONE_IN: u64 = 6;
/// One record in so many is large: less than a hundred steps fill a chunk, and groups are
/// long enough to be torn.
const LARGE_ONE_IN: u64 = 8;
const LARGE_BYTES: std::ops::Range<u64> = 5_000..30_000;
const SMALL_BYTES: std::ops::Range<u64> = 50..3_000;

/// Whose step it is, and the how many-th, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) writer: u64,
    pub(crate) n: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All units in one batch.
    Append(Vec<CommandUnit>),
    /// Saves the writer's own cursor where its last append ended.
    SaveCursor,
}

impl Turn {
    pub(crate) const fn next(self) -> Self {
        Self { n: self.n + 1, ..self }
    }

    /// Every unit says whose it is.
    fn correlation_id(self) -> CorrelationId {
        CorrelationId::new(Uuid::from_u64_pair(self.writer, self.n))
    }

    pub(crate) fn of(unit: CorrelationId) -> Self {
        let (writer, n) = unit.uuid().as_u64_pair();
        Self { writer, n }
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.writer, self.n)
    }
}

pub(crate) fn cursor_name(writer: u64) -> ConsumerName {
    // Letters, digits and a full stop are what a name is made of.
    #[expect(clippy::expect_used, reason = "a name made of letters and digits is a name")]
    ConsumerName::new(&format!("writer.{writer}")).expect("a name")
}

pub(crate) fn step(seed: u64, turn: Turn) -> Step {
    let mut random = Random::new(Random::new(seed).next() ^ (turn.writer << 40) ^ turn.n);
    // A writer that has appended nothing has no place to save.
    if turn.n > 1 && random.chance(CURSOR_ONE_IN) {
        return Step::SaveCursor;
    }
    let mut units = Units::new(random.next());
    let count = if random.chance(BATCH_ONE_IN) { 2 + random.below(UNITS_MAX - 1) } else { 1 };
    Step::Append((0..count).map(|_| unit(turn, &mut units, &mut random)).collect())
}

fn unit(turn: Turn, units: &mut Units, random: &mut Random) -> CommandUnit {
    let count = 1 + random.below(RECORDS_MAX);
    let streams: Vec<_> = (0..count).map(|_| stream(random.below(STREAMS))).collect();
    let mut unit = units.unit(&streams, 0);
    unit.origin.correlation_id = turn.correlation_id();
    for record in &mut unit.records {
        record.data = data(random);
    }
    unit
}

fn data(random: &mut Random) -> Bytes {
    let bytes = if random.chance(LARGE_ONE_IN) { LARGE_BYTES } else { SMALL_BYTES };
    let bytes = bytes.start + random.below(bytes.end - bytes.start);
    let word = format!("{:016x}", random.next());
    let words = usize::try_from(bytes / 16).unwrap_or_default();
    Bytes::from(format!("{{\"note\":\"{}\"}}", word.repeat(words)))
}
