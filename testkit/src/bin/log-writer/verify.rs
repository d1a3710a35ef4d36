//! Reads the log from its beginning and holds it against the plan: what is there, is there as it
//! was drawn, once, whole and in turn.

use std::collections::{BTreeMap, HashMap};

use carrel_log::chain::{self, Link};
use carrel_log::embedded::EmbeddedLog;
use carrel_log::{EventLog, PageLimit};
use carrel_model::record::{CommandUnit, Position, Record, StreamId, Version};

use crate::ledger::{Ledger, Span};
use crate::plan::{self, Step, Turn};

/// A unit that was found in its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) unit: CommandUnit,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Verifier {
    seed: u64,
    pub(crate) end: Position,
    link: Link,
    scratch: Vec<u8>,
    /// The last record of each stream.
    pub(crate) streams: HashMap<StreamId, (Version, Position)>,
    /// Where each append stands.
    pub(crate) found: BTreeMap<Turn, Span>,
    pub(crate) units: Vec<Placed>,
    /// The last append of each writer.
    last: HashMap<u64, Turn>,
    batch: Option<Batch>,
}

/// A batch of which some records were seen.
#[derive(Debug)]
struct Batch {
    turn: Turn,
    first: Position,
    units: std::vec::IntoIter<CommandUnit>,
    unit: CommandUnit,
    unit_first: Position,
    /// How many records of `unit` were seen.
    seen: usize,
}

impl Verifier {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            end: Position::START,
            link: Link::START,
            scratch: Vec::new(),
            streams: HashMap::new(),
            found: BTreeMap::new(),
            units: Vec::new(),
            last: HashMap::new(),
            batch: None,
        }
    }

    /// Reads from where it stopped before to the end of the log.
    pub(crate) async fn read(&mut self, log: &EmbeddedLog, ledger: &Ledger) -> Result<(), String> {
        let head = log.head().await.map_err(|error| error.to_string())?;
        loop {
            let page = log.read(self.end, PageLimit::MAX).await;
            let page = page.map_err(|error| error.to_string())?;
            for record in &page.records {
                self.take(record, ledger).map_err(|what| {
                    format!("position {}, of {}: {what}", record.position, turn_of(record))
                })?;
            }
            if page.at_end {
                break;
            }
        }
        if let Some(batch) = &self.batch {
            return Err(format!("the batch of {} is there in part", batch.turn));
        }
        if self.end != head.position {
            return Err(format!("it says it ends at {}, not at {}", head.position, self.end));
        }
        if self.link != head.link {
            return Err(format!("the chain leads to {}, not to {}", self.link, head.link));
        }
        Ok(())
    }

    fn take(&mut self, record: &Record, ledger: &Ledger) -> Result<(), String> {
        let expected = self.end.next();
        if record.position != expected {
            return Err(format!("{expected} was expected"));
        }
        self.end = expected;
        self.link = chain::next(self.link, record, &mut self.scratch);
        self.take_version(record)?;
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.begin(record, ledger)?,
        };
        self.batch = self.take_record(batch, record)?;
        Ok(())
    }

    fn take_version(&mut self, record: &Record) -> Result<(), String> {
        let last = self.streams.entry(record.stream.clone()).or_default();
        let expected = last.0.next();
        if record.version != expected {
            return Err(format!("version {} where {expected} was expected", record.version));
        }
        *last = (record.version, record.position);
        Ok(())
    }

    fn begin(&self, record: &Record, ledger: &Ledger) -> Result<Batch, String> {
        let turn = turn_of(record);
        let mut expected = self.last.get(&turn.writer).map_or(1, |last| last.n + 1);
        let units = loop {
            match plan::step(self.seed, Turn { n: expected, ..turn }) {
                Step::Append(units) => break units,
                Step::SaveCursor => expected += 1,
            }
        };
        if turn.n != expected {
            return Err(format!("step {expected} of this writer was expected"));
        }
        if !ledger.tried(turn) {
            return Err(String::from("this was never tried"));
        }
        let mut units = units.into_iter();
        let unit = units.next().ok_or("a batch of nothing")?;
        let first = record.position;
        Ok(Batch { turn, first, units, unit, unit_first: first, seen: 0 })
    }

    /// What is left to come of the batch after this record.
    fn take_record(&mut self, mut batch: Batch, record: &Record) -> Result<Option<Batch>, String> {
        is_as_drawn(record, &batch.unit, batch.seen)?;
        batch.seen += 1;
        if batch.seen < batch.unit.records.len() {
            return Ok(Some(batch));
        }
        let span = Span { first: batch.unit_first, last: record.position };
        let next = batch.units.next();
        if let Some(next) = next {
            let unit = std::mem::replace(&mut batch.unit, next);
            self.units.push(Placed { unit, span });
            return Ok(Some(Batch { unit_first: record.position.next(), seen: 0, ..batch }));
        }
        self.units.push(Placed { unit: batch.unit, span });
        self.last.insert(batch.turn.writer, batch.turn);
        self.found.insert(batch.turn, Span { first: batch.first, last: record.position });
        Ok(None)
    }

    /// Where the writer's last append before this step ended.
    pub(crate) fn reached_before(&self, turn: Turn) -> Position {
        let before = Turn { n: 0, ..turn }..turn;
        self.found.range(before).next_back().map_or(Position::START, |(_, span)| span.last)
    }
}

fn turn_of(record: &Record) -> Turn {
    Turn::of(record.unit.origin.correlation_id)
}

/// Whether this is the unit's `nth` record, with every field as it was drawn.
fn is_as_drawn(record: &Record, unit: &CommandUnit, nth: usize) -> Result<(), String> {
    let header = &record.unit;
    let drawn = &unit.records[nth];
    let checks = [
        ("command id", header.command_id == unit.command_id),
        ("fingerprint", header.fingerprint == unit.fingerprint),
        ("origin", header.origin == unit.origin),
        ("stream", record.stream == drawn.stream),
        ("event id", record.event_id == drawn.event_id),
        ("kind", record.kind == drawn.kind),
        ("schema", record.schema == drawn.schema),
        ("data", record.data == drawn.data),
    ];
    match checks.iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(format!("its {what} is not what was drawn")),
        None => Ok(()),
    }
}
