//! Commands are decided one after the other, each on what the one before has left.

use carrel_log::Answer as First;
use carrel_model::context::Context;
use carrel_model::decide::{Decision, decide};
use carrel_model::event::Event;
use carrel_model::ids::{EventId, FromUuid};
use carrel_model::name::{Category, RecordType};
use carrel_model::record::{CommandUnit, NewRecord, Origin, StreamId, Timestamp};

use crate::ask::{Accepted, Ask, Refusal};
use crate::fold::Standing;
use crate::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, RECORD_BYTES_AROUND};
use crate::outside::fresh_id;

/// What is to be said of a command when the batch is in the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It became this unit of the batch.
    Unit(usize),
    /// The same command came twice, and became this unit with the first.
    Again(usize),
    /// It was in the log before.
    Known(Accepted),
    Unchanged,
    Refused(Refusal),
}

#[derive(Debug)]
pub(crate) struct Batch {
    /// The fleet after all of it; the position is the one before.
    pub(crate) standing: Standing,
    pub(crate) units: Vec<CommandUnit>,
    /// One for each command that was taken, and how many units there were when it was decided.
    pub(crate) verdicts: Vec<(Verdict, usize)>,
    bytes: usize,
}

/// What comes from outside for one command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) now: Timestamp,
    pub(crate) things: [u8; 16],
    pub(crate) events: [u8; 16],
}

impl Batch {
    pub(crate) fn on(standing: &Standing) -> Self {
        let standing = standing.clone();
        Self { standing, units: Vec::new(), verdicts: Vec::new(), bytes: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.verdicts.len() >= BATCH_COMMANDS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    /// Decides one more command. `first` is what the log knows of its id.
    pub(crate) fn take(&mut self, ask: &Ask, first: Option<First>, fresh: Fresh) {
        let before = self.units.len();
        let verdict = match first {
            Some(first) => known(ask, &first),
            None => self.decide(ask, fresh),
        };
        self.verdicts.push((verdict, before));
    }

    fn decide(&mut self, ask: &Ask, fresh: Fresh) -> Verdict {
        if let Some(unit) = self.units.iter().position(|unit| unit.command_id == ask.command_id) {
            return match self.units[unit].fingerprint == ask.fingerprint {
                true => Verdict::Again(unit),
                // It has no position yet; the next one is the first that it may get.
                false => {
                    Verdict::Refused(Refusal::IdReused { first: self.standing.position.next() })
                }
            };
        }
        let now = fresh.now.max(self.standing.at);
        let context = Context {
            command_id: ask.command_id,
            fingerprint: ask.fingerprint,
            actor: ask.actor.id,
            method: ask.actor.method.clone(),
            now,
            entropy: fresh.things,
        };
        match decide(&self.standing.fleet, &ask.command, &context) {
            Err(rejection) => Verdict::Refused(Refusal::Rejected(rejection)),
            Ok(decision) if decision.events.is_empty() => Verdict::Unchanged,
            Ok(decision) => self.write(ask, decision, Fresh { now, ..fresh }),
        }
    }

    fn write(&mut self, ask: &Ask, decision: Decision, fresh: Fresh) -> Verdict {
        let level = self.standing.fleet.feature_level;
        let numbered = (0..).zip(&decision.events);
        let records = numbered.map(|(number, event)| record(event, level, (fresh, number)));
        let records: Vec<NewRecord> = match records.collect() {
            Ok(records) => records,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        self.bytes +=
            records.iter().map(|record| record.data.len() + RECORD_BYTES_AROUND).sum::<usize>();
        self.units.push(CommandUnit {
            command_id: ask.command_id,
            fingerprint: ask.fingerprint,
            origin: Origin {
                org: ask.org.clone(),
                actor: ask.actor.clone(),
                causation_id: ask.causation_id,
                correlation_id: ask.correlation_id,
                trace_parent: ask.trace_parent,
                at: fresh.now,
            },
            records,
        });
        self.standing.fleet = decision.after;
        self.standing.at = fresh.now;
        Verdict::Unit(self.units.len() - 1)
    }
}

fn known(ask: &Ask, first: &First) -> Verdict {
    let First { command_id, fingerprint, first, last, .. } = *first;
    if fingerprint == ask.fingerprint {
        Verdict::Known(Accepted { command_id, first, last })
    } else {
        Verdict::Refused(Refusal::IdReused { first })
    }
}

fn record(event: &Event, level: u16, (fresh, number): (Fresh, u16)) -> Result<NewRecord, Refusal> {
    let unwritable = |why: &str| Refusal::Unavailable(format!("{}: {why}", event.kind()));
    // The decision was refused before if there was a fact that not everybody can read.
    let written = event.written(level).ok_or_else(|| unwritable("not everybody reads it yet"))?;
    let written = written.map_err(|cause| unwritable(&cause.to_string()))?;
    let (category, id) = event.stream();
    let category = Category::new(category).map_err(|cause| unwritable(&cause.to_string()))?;
    Ok(NewRecord {
        stream: StreamId { category, id },
        event_id: EventId::from_uuid(fresh_id(fresh.now, fresh.events, number)),
        kind: RecordType::new(event.kind()).map_err(|cause| unwritable(&cause.to_string()))?,
        schema: written.schema,
        data: written.data,
    })
}
