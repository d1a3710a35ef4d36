//! A writer's turn: the transaction is open from its beginning to its append.

use async_trait::async_trait;
use carrel_model::record::{CommandUnit, Position, Record};

use super::PostgresLog;
use super::draft::Draft;
use super::group::Outcome;
use super::write::Writing;
use crate::error::{AppendError, Refused};
use crate::limits;
use crate::port::{Answer, Expected, Guard, Head, Turn};

pub(super) struct PostgresTurn<'a> {
    log: &'a PostgresLog,
    head: Head,
    since: Vec<Record>,
    /// Until the append.
    writing: Option<Writing>,
}

impl<'a> PostgresTurn<'a> {
    pub(super) fn new(log: &'a PostgresLog, writing: Writing) -> Self {
        Self { log, head: writing.head(), since: Vec::new(), writing: Some(writing) }
    }

    pub(super) async fn catch_up(&mut self, have: Position) -> Result<(), AppendError> {
        if let Some(writing) = &mut self.writing {
            self.since = writing.since(have).await?;
        }
        Ok(())
    }
}

impl Drop for PostgresTurn<'_> {
    /// Who decides that there is nothing to append does it often, so it must not cost a connection.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            self.log.spawn(writing.roll_back());
        }
    }
}

#[async_trait]
impl Turn for PostgresTurn<'_> {
    fn head(&self) -> Head {
        self.head
    }

    fn since(&self) -> &[Record] {
        &self.since
    }

    async fn append(
        mut self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        limits::check(&units)?;
        // Nobody else takes it.
        let writing = self.writing.take().ok_or(Refused::Closed)?;
        let expected = Expected::At(self.head.position);
        self.log.run(append(writing, expected, units, guard)).await
    }
}

pub(super) async fn append(
    mut writing: Writing,
    expected: Expected,
    units: Vec<CommandUnit>,
    guard: Option<Guard>,
) -> Outcome {
    match draft(&mut writing, expected, units, guard).await {
        Ok((draft, answers)) => writing.commit(&draft).await.map(|()| answers),
        Err(error) => {
            writing.roll_back().await;
            Err(error)
        }
    }
}

async fn draft(
    writing: &mut Writing,
    expected: Expected,
    units: Vec<CommandUnit>,
    guard: Option<Guard>,
) -> Result<(Draft, Vec<Answer>), AppendError> {
    let mut draft = writing.draft(units.iter()).await?;
    let answers = draft.append(units)?;
    if !draft.units().is_empty() {
        writing.expects(expected)?;
        if let Some(guard) = guard {
            writing.check(guard).await?;
        }
    }
    Ok((draft, answers))
}
