//! A writer's turn: the transaction is open from its beginning to its append.

use async_trait::async_trait;
use carrel_model::record::{CommandUnit, Record};

use super::PostgresLog;
use super::group::Outcome;
use super::write::Writing;
use crate::error::AppendError;
use crate::limits;
use crate::port::{Answer, Expected, Guard, Head, Turn};

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
        let expected = Expected::At(self.writing.head().position);
        self.log.run(append(self.writing, expected, units, guard)).await
    }
}

pub(super) async fn append(
    mut writing: Writing,
    expected: Expected,
    units: Vec<CommandUnit>,
    guard: Option<Guard>,
) -> Outcome {
    let mut draft = writing.draft(units.iter()).await?;
    let answers = draft.append(units)?;
    if !draft.units().is_empty() {
        writing.expects(expected)?;
        if let Some(guard) = guard {
            writing.check(guard).await?;
        }
    }
    writing.commit(&draft).await?;
    Ok(answers)
}
