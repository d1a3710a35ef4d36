//! Tells every fact to whoever listens, in the order of the log, and keeps now and then how far
//! that has come: what was told since is told again by whoever takes over.
//!
//! A fact is told after the orders that it gave rise to were confirmed, so that the cursor vouches
//! for both.

use std::sync::Arc;

use carrel_bus::{Address, Bus, Headers, Message};
use carrel_failpoint::{Point, reached};
use carrel_log::{CursorError, EventLog, PageLimit, ReadError, Refused};
use carrel_model::name::ConsumerName;
use carrel_model::record::{Epoch, Position, Record, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::RelayError;
use crate::back_off::BackOff;
use crate::counters::Counters;
use crate::limits::CURSOR_EVERY;
use crate::send::send;

pub(crate) struct Facts {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) cursor: ConsumerName,
    pub(crate) epoch: Epoch,
    /// Up to where facts were told.
    pub(crate) told: Position,
    /// Up to where that is kept.
    pub(crate) kept: Position,
    /// Up to where they may be told.
    pub(crate) ordered: watch::Receiver<Position>,
}

/// A fact as subscribers read it.
#[derive(Serialize)]
struct Told<'a> {
    position: u64,
    stream: String,
    version: u64,
    event_id: Uuid,
    #[serde(rename = "type")]
    kind: &'a str,
    schema: u16,
    command_id: Uuid,
    causation_id: Uuid,
    correlation_id: Uuid,
    actor: Actor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    incarnation: u32,
    at: Timestamp,
    data: &'a RawValue,
}

#[derive(Serialize)]
struct Actor<'a> {
    id: Uuid,
    method: &'a str,
}

impl Facts {
    /// Tells until those who order have ended.
    pub(crate) async fn run(mut self) -> Result<(), RelayError> {
        let mut due = interval(CURSOR_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = self.told;
            tokio::select! {
                biased;
                // However much there is to tell, it is kept in between.
                _ = due.tick(), if self.kept < told => self.keep().await?,
                upto = past(&mut self.ordered, told) => {
                    let Some(upto) = upto else { return Ok(()) };
                    let Some(last) = self.tell(upto).await? else { return Ok(()) };
                    reached(Point::FactsTold);
                    self.told = last;
                }
            }
        }
    }

    /// Tells a page, and answers where it ended; nothing if the log was closed.
    async fn tell(&self, upto: Position) -> Result<Option<Position>, RelayError> {
        let mut back_off = BackOff::default();
        let page = loop {
            match self.log.read(self.told, PageLimit::MAX).await {
                Ok(page) => break page,
                Err(ReadError::Over) => return Ok(None),
                Err(ReadError::Unreachable(_)) => back_off.wait().await,
                Err(error) => return Err(error.into()),
            }
        };
        let mut last = self.told;
        for record in page.records.iter().take_while(|record| record.position <= upto) {
            last = record.position;
            let Some(message) = message(record) else {
                self.counters.malformed();
                continue;
            };
            let to = Address::Event(record.kind.to_string());
            // What can't be sent was said there, and is in the log for whoever misses it.
            if send(&*self.bus, &to, message).await.is_ok() {
                self.counters.facts_sent();
            }
        }
        Ok(Some(last))
    }

    async fn keep(&mut self) -> Result<(), RelayError> {
        let mut back_off = BackOff::default();
        loop {
            let error = match self.log.save_cursor(&self.cursor, self.told, self.epoch).await {
                Ok(()) => {
                    self.kept = self.told;
                    reached(Point::CursorSaved);
                    return Ok(());
                }
                Err(CursorError::Fenced { given, current }) => {
                    return Err(RelayError::Superseded { given, current });
                }
                // The process is ending; what was told is told again by the next one.
                Err(CursorError::Refused(Refused::Closed)) => return Ok(()),
                Err(error @ (CursorError::BeyondHead { .. } | CursorError::TooLarge(_))) => {
                    return Err(error.into());
                }
                Err(error @ (CursorError::Refused(_) | CursorError::OutcomeUnknown(_))) => error,
            };
            if back_off.is_first() {
                tracing::warn!(%error, position = self.told.0, "the cursor is not kept yet");
            }
            back_off.wait().await;
        }
    }
}

/// Up to where may be told, as soon as that is past a position. None: nobody orders any more.
async fn past(ordered: &mut watch::Receiver<Position>, told: Position) -> Option<Position> {
    ordered.wait_for(|upto| *upto > told).await.ok().map(|upto| *upto)
}

fn message(record: &Record) -> Option<Message> {
    let unit = &record.unit;
    let told = Told {
        position: record.position.0,
        stream: record.stream.to_string(),
        version: record.version.0,
        event_id: record.event_id.uuid(),
        kind: record.kind.as_str(),
        schema: record.schema,
        command_id: unit.command_id.uuid(),
        causation_id: unit.origin.causation_id.uuid(),
        correlation_id: unit.origin.correlation_id.uuid(),
        actor: Actor { id: unit.origin.actor.id.uuid(), method: unit.origin.actor.method.as_str() },
        traceparent: unit.origin.trace_parent.map(|parent| parent.to_string()),
        incarnation: unit.incarnation.0,
        at: unit.origin.at,
        data: serde_json::from_slice(&record.data).ok()?,
    };
    let position = Some(record.position);
    let headers =
        Headers { trace_parent: unit.origin.trace_parent, position, ..Headers::default() };
    let body = serde_json::to_vec(&told).ok()?;
    Some(Message { id: record.event_id.uuid(), headers, body: body.into() })
}
