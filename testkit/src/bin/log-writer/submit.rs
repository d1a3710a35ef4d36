//! One writer at work: it says what it tries, submits it, and says what it was promised.

use carrel_log::embedded::EmbeddedLog;
use carrel_log::{Answer, AppendError, CursorError, EventLog, Expected, Refused};
use carrel_model::record::{CommandUnit, Epoch, Position};

use crate::ledger::{Account, Line, Span};
use crate::plan::{self, Step, Turn};
use crate::{Ended, say};

/// The log may refuse while it can't make a chunk, and says so; asking again gets it made, unless
/// the disk is full for good.
const REFUSALS_MAX: usize = 3;

#[derive(Debug)]
pub(crate) struct Submitter<'a> {
    log: &'a EmbeddedLog,
    seed: u64,
    pub(crate) turn: Turn,
    /// Where this writer's last append ended.
    reached: Position,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) span: Span,
    /// What each unit was answered; nothing for a cursor.
    pub(crate) answers: Vec<Answer>,
}

impl<'a> Submitter<'a> {
    /// Goes on where the promises to this writer end.
    pub(crate) fn new(log: &'a EmbeddedLog, seed: u64, writer: u64, account: &Account) -> Self {
        let turn = Turn { writer, n: account.next() };
        // A cursor is saved where the last append ended, so it says the same.
        let reached = account.acked.last().map_or(Position::START, |span| span.last);
        Self { log, seed, turn, reached }
    }

    pub(crate) async fn step(&mut self) -> Result<Done, Ended> {
        let turn = self.turn;
        say(Line::Try(turn))?;
        let done = match plan::step(self.seed, turn) {
            Step::Append(units) => self.append(units).await?,
            Step::SaveCursor => self.save_cursor().await?,
        };
        say(Line::Ack(turn, done.span))?;
        self.turn = turn.next();
        self.reached = done.span.last;
        Ok(done)
    }

    async fn append(&self, units: Vec<CommandUnit>) -> Result<Done, Ended> {
        let mut refusals = 0;
        let answers = loop {
            match self.log.append(Expected::Any, units.clone()).await {
                Ok(answers) => break answers,
                Err(AppendError::Refused(refused)) => self.refused(refused, &mut refusals)?,
                Err(AppendError::OutcomeUnknown(cause)) => return Err(Ended::Failed(cause)),
                Err(
                    error @ (AppendError::Conflict { .. }
                    | AppendError::IdReused { .. }
                    | AppendError::Fenced { .. }
                    | AppendError::TooLarge(_)
                    | AppendError::NotContinuous { .. }),
                ) => return Err(Ended::Broken(vec![format!("{}: {error}", self.turn)])),
            }
        };
        let (Some(first), Some(last)) = (answers.first(), answers.last()) else {
            return Err(Ended::Broken(vec![format!(
                "{}: acknowledged without answers",
                self.turn
            )]));
        };
        Ok(Done { span: Span { first: first.first, last: last.last }, answers })
    }

    async fn save_cursor(&self) -> Result<Done, Ended> {
        let name = plan::cursor_name(self.turn.writer);
        let mut refusals = 0;
        loop {
            // The epoch tells the saves of one cursor apart.
            match self.log.save_cursor(&name, self.reached, Epoch(self.turn.n)).await {
                Ok(()) => break,
                Err(CursorError::Refused(refused)) => self.refused(refused, &mut refusals)?,
                Err(CursorError::OutcomeUnknown(cause)) => return Err(Ended::Failed(cause)),
                Err(
                    error @ (CursorError::Fenced { .. }
                    | CursorError::BeyondHead { .. }
                    | CursorError::TooLarge(_)),
                ) => return Err(Ended::Broken(vec![format!("{}: {error}", self.turn)])),
            }
        }
        let span = Span { first: self.reached, last: self.reached };
        Ok(Done { span, answers: Vec::new() })
    }

    fn refused(&self, refused: Refused, refusals: &mut usize) -> Result<(), Ended> {
        if let Refused::Poisoned(cause) = refused {
            return Err(Ended::Failed(cause));
        }
        *refusals += 1;
        say(format_args!("refused {} {refused}", self.turn))?;
        if *refusals < REFUSALS_MAX { Ok(()) } else { Err(Ended::refused(refused)) }
    }
}
