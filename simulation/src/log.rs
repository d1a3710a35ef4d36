//! A log in memory that refuses, forgets to answer, and sees processes die beside it.

use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::memory::MemoryLog;
use carrel_log::{Answer, AppendError, CursorError, EventLog, Guard, Head, Refused, Turn};
use carrel_model::ids::LogId;
use carrel_model::name::ConsumerName;
use carrel_model::record::{CommandUnit, Epoch, Position, Record};
use carrel_testkit::front::{Front, Fronted};

use crate::fate::{Fate, Moment, Whose};
use crate::rates::{APPEND_REFUSED, APPEND_UNKNOWN, CURSOR_UNKNOWN};

#[derive(Debug)]
pub(crate) struct Log {
    kept: Arc<MemoryLog>,
    fate: Arc<Fate>,
}

impl Log {
    pub(crate) fn new(fate: Arc<Fate>) -> Fronted<Self> {
        Fronted(Self { kept: Arc::new(MemoryLog::new(LogId::from_bytes([1; 16]))), fate })
    }

    /// As it is, for those who look on.
    pub(crate) fn kept(&self) -> Arc<MemoryLog> {
        Arc::clone(&self.kept)
    }
}

struct Turned<'a> {
    turn: Box<dyn Turn + 'a>,
    fate: &'a Fate,
}

fn unknown() -> AppendError {
    AppendError::OutcomeUnknown("the line broke".to_owned())
}

#[async_trait]
impl Turn for Turned<'_> {
    fn head(&self) -> Head {
        self.turn.head()
    }

    fn since(&self) -> &[Record] {
        self.turn.since()
    }

    async fn append(
        self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        let Self { turn, fate } = *self;
        fate.passes(Whose::Decider, Moment::Append).await;
        if fate.chance(APPEND_REFUSED) {
            return Err(Refused::Unreachable("the line broke".to_owned()).into());
        }
        let unheard = fate.chance(APPEND_UNKNOWN);
        if unheard && fate.below(2) == 0 {
            return Err(unknown());
        }
        let answers = turn.append(units, guard).await?;
        fate.passes(Whose::Decider, Moment::Appended).await;
        if unheard { Err(unknown()) } else { Ok(answers) }
    }
}

#[async_trait]
impl Front for Log {
    fn behind(&self) -> &dyn EventLog {
        &*self.kept
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        let turn = self.kept.turn(have).await?;
        Ok(Box::new(Turned { turn, fate: &self.fate }))
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        // The shredder's process ends with such an answer, and begins again.
        let whose = if name.as_str() == carrel_relay::NAME { Whose::Relay } else { Whose::Decider };
        self.fate.passes(whose, Moment::Cursor).await;
        let unheard = whose == Whose::Relay && self.fate.chance(CURSOR_UNKNOWN);
        if unheard && self.fate.below(2) == 0 {
            return Err(CursorError::OutcomeUnknown("the line broke".to_owned()));
        }
        self.kept.save_cursor(name, position, epoch).await?;
        self.fate.passes(whose, Moment::CursorSaved).await;
        let told = CursorError::OutcomeUnknown("the line broke".to_owned());
        if unheard { Err(told) } else { Ok(()) }
    }
}
