//! Logs that were filled with the facts of a site, without anybody having asked for them.

use std::path::Path;
use std::sync::Arc;

use carrel_log::embedded::EmbeddedLog;
use carrel_log::{EventLog, Expected};
use carrel_model::event::Event;
use carrel_model::ids::EventId;
use carrel_model::name::{Category, RecordType};
use carrel_model::record::{CommandUnit, NewRecord, StreamId};
use carrel_testkit::random::Random;
use carrel_testkit::site::{self, Site};
use carrel_testkit::units::{Units, uuid_v7};

use crate::{Failure, ours};

const UNITS_OF_BATCH: usize = 256;
/// A command has some facts.
const FACTS_OF_UNIT: usize = 8;
const MILLIS: u64 = 1_767_225_600_000;

/// A site, and machines that go off and on until there are enough facts.
pub(super) fn of(site: Site, count: usize) -> impl Iterator<Item = Event> {
    let again = (0..).flat_map(move |_| 0..site.machines).flat_map(move |number| {
        let id = site::machine(number);
        site::stops(id).into_iter().chain(site::starts(id, site::host(number % site.hosts)))
    });
    site.facts().chain(again).take(count)
}

pub(super) async fn fill(
    dir: &Path,
    facts: impl Iterator<Item = Event>,
) -> Result<Arc<EmbeddedLog>, Failure> {
    let log = ours::open(dir)?;
    let (mut units, mut random) = (Units::new(1), Random::new(2));
    let mut facts = facts.peekable();
    while facts.peek().is_some() {
        let mut batch = Vec::new();
        while batch.len() < UNITS_OF_BATCH && facts.peek().is_some() {
            let records = facts.by_ref().take(FACTS_OF_UNIT).map(|it| record(&it, &mut random));
            let records = records.collect::<Result<_, _>>()?;
            batch.push(CommandUnit { records, ..units.small(1) });
        }
        log.append(Expected::Any, batch).await?;
    }
    Ok(log)
}

fn record(event: &Event, random: &mut Random) -> Result<NewRecord, Failure> {
    let written = event.written(u16::MAX).ok_or("a fact that nobody reads")??;
    let (category, id) = event.stream();
    Ok(NewRecord {
        stream: StreamId { category: Category::new(category)?, id },
        event_id: EventId::new(uuid_v7(MILLIS, random)),
        kind: RecordType::new(event.kind())?,
        schema: written.schema,
        data: written.data,
    })
}
