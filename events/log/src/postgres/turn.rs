//! A writer's turn: the transaction is open from its beginning to its append.

use async_trait::async_trait;
use carrel_model::record::{CommandUnit, Record};

use super::PostgresLog;
use super::group::Outcome;
use super::write::Writing;
use crate::error::AppendError;
use crate::limits;
use crate::port::{Answer, Guard, Head, Turn};

pub(super) struct PostgresTurn<'a> {
    pub(super) log: &'a PostgresLog,
    pub(super) writing: Writing,
    pub(super) since: Vec<Record>,
}

#[async_trait]
impl Turn for PostgresTurn<'_> {
    fn head(&self) -> Head {
        self.writing.head()
    }

    fn since(&self) -> &[Record] {
        &self.since
    }

    async fn append(
        self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        limits::check(&units)?;
        self.log.run(append(self.writing, units, guard)).await
    }
}

pub(super) async fn append(
    mut writing: Writing,
    units: Vec<CommandUnit>,
    guard: Option<Guard>,
) -> Outcome {
    if let Some(guard) = guard {
        writing.check(guard).await?;
    }
    let mut draft = writing.draft(units.iter()).await?;
    let answers = draft.append(units)?;
    writing.commit(&draft).await?;
    Ok(answers)
}
