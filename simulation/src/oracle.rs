//! Reads along in the log, and says of every fact whether it may be.

use carrel_log::memory::MemoryLog;
use carrel_log::{EventLog, PageLimit, chain};
use carrel_model::event::Event;
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::record::{Position, Record, Timestamp};
use carrel_testkit::invariants;
use carrel_testkit::world::Told;

use crate::trace;

/// What the log says, folded and held against the model's invariants.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) fleet: Fleet,
    pub(crate) records: Vec<Record>,
    pub(crate) events: Vec<Event>,
    at: Timestamp,
    units: u64,
}

/// The index is made anew after so many commands: that costs more than the rest.
const UNITS_BETWEEN_INDEXES: u64 = 200;

impl Oracle {
    pub(crate) fn new() -> Self {
        let (records, events) = (Vec::new(), Vec::new());
        Self { fleet: Fleet::default(), records, events, at: Timestamp::default(), units: 0 }
    }

    pub(crate) fn position(&self) -> Position {
        self.records.last().map_or(Position::START, |record| record.position)
    }

    /// # Panics
    /// If something is in the log that may not be there.
    pub(crate) async fn follow(&mut self, log: &MemoryLog) {
        loop {
            let page = log.read(self.position(), PageLimit::MAX).await.expect("a log in memory");
            for unit in page.records.chunk_by(|a, b| a.unit.command_id == b.unit.command_id) {
                self.hear(unit);
            }
            if page.at_end {
                return;
            }
        }
    }

    fn hear(&mut self, unit: &[Record]) {
        let mut events = Vec::with_capacity(unit.len());
        for record in unit {
            trace::note(record);
            assert_eq!(record.position, self.position().next(), "positions have a gap");
            assert!(self.at <= record.unit.origin.at, "time runs backwards in the log");
            self.at = record.unit.origin.at;
            let stream = (record.stream.category.as_str(), record.stream.id);
            let read = Event::decode(record.kind.as_str(), record.schema, stream, &record.data);
            events.push(read.unwrap_or_else(|error| panic!("{}: {error}", record.position)));
            self.records.push(record.clone());
        }
        let after = events.iter().fold(self.fleet.clone(), evolve);
        invariants::check(&Told { before: &self.fleet, events: &events, after: &after });
        self.fleet = after;
        self.events.append(&mut events);
        self.units += 1;
        if self.units.is_multiple_of(UNITS_BETWEEN_INDEXES) {
            invariants::indexes_follow_from_things(&self.fleet);
        }
    }

    /// # Panics
    /// If what the log keeps is not what follows from its records.
    pub(crate) async fn check(&self, log: &MemoryLog) -> chain::Link {
        invariants::indexes_follow_from_things(&self.fleet);
        invariants::everything_stands(&self.fleet);
        let head = log.head().await.expect("a log in memory");
        assert_eq!(head.position, self.position());
        let mut scratch = Vec::new();
        let records = self.records.iter();
        let link = records.fold(chain::Link::START, |link, it| chain::next(link, it, &mut scratch));
        assert_eq!(head.link, link, "the chain does not lead to the head");
        link
    }
}
