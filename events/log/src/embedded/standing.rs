//! What the writer has to know of the past before it gives out places: the answers of command ids,
//! and the versions of streams.

use std::collections::HashMap;
use std::sync::Arc;

use carrel_model::record::{CommandUnit, StreamId, Version};

use super::sealed::{Lost, SealedChunk};
use super::writer::Writer;
use crate::error::{AppendError, Refused};
use crate::port::Answer;

/// What is known of a unit's command id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    /// It stands earlier in the same batch.
    Repeats,
    Known(Answer),
}

impl Standing {
    pub(crate) const fn answer(&self) -> Option<Answer> {
        match self {
            Self::Known(answer) => Some(Answer { duplicate: true, ..*answer }),
            Self::New | Self::Repeats => None,
        }
    }
}

/// Why it can't be said what is known.
pub(crate) enum Unknowable {
    Lost(Arc<SealedChunk>),
    Error(AppendError),
}

impl From<AppendError> for Unknowable {
    fn from(error: AppendError) -> Self {
        Self::Error(error)
    }
}

impl From<Refused> for Unknowable {
    fn from(refused: Refused) -> Self {
        Self::Error(refused.into())
    }
}

impl Unknowable {
    pub(crate) fn into_error(self) -> AppendError {
        match self {
            Self::Lost(chunk) => {
                let what = format!("the index of chunk {} is damaged", chunk.seal.number);
                Refused::Damaged(what).into()
            }
            Self::Error(error) => error,
        }
    }

    pub(crate) fn new(lost: Lost, chunk: &Arc<SealedChunk>) -> Self {
        match lost {
            Lost::Index => Self::Lost(Arc::clone(chunk)),
            Lost::Chunk(error) => Self::Error(error.into()),
        }
    }
}

impl Writer {
    /// For each unit, what its id was answered before, if it was.
    pub(crate) fn known(&self, units: &[CommandUnit]) -> Result<Vec<Standing>, Unknowable> {
        let mut batch = HashMap::new();
        let mut known = Vec::with_capacity(units.len());
        for unit in units {
            let command_id = unit.command_id;
            let (standing, fingerprint, first) = match self.answer(unit)? {
                Some(answer) => (Standing::Known(answer), answer.fingerprint, answer.first),
                None => {
                    let repeated = batch.insert(command_id, unit.fingerprint);
                    let standing =
                        if repeated.is_some() { Standing::Repeats } else { Standing::New };
                    let first = self.accepted.position.next();
                    (standing, repeated.unwrap_or(unit.fingerprint), first)
                }
            };
            if fingerprint != unit.fingerprint {
                return Err(Unknowable::Error(AppendError::IdReused { command_id, first }));
            }
            known.push(standing);
        }
        Ok(known)
    }

    fn answer(&self, unit: &CommandUnit) -> Result<Option<Answer>, Unknowable> {
        if let Some(answer) = self.active.index.answer(unit.command_id) {
            return Ok(Some(answer));
        }
        for chunk in
            self.horizon.of_command(*unit.command_id.as_bytes()).map(|nth| &self.sealed[nth])
        {
            if let Some(answer) =
                chunk.answer(unit.command_id).map_err(|lost| Unknowable::new(lost, chunk))?
            {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// The stream and version of each record of each unit that is new.
    pub(crate) fn versions(
        &self,
        units: &[CommandUnit],
        known: &[Standing],
    ) -> Result<Vec<Vec<(StreamId, Version)>>, Unknowable> {
        let mut heads: HashMap<&StreamId, Version> = HashMap::new();
        let mut versions = Vec::with_capacity(units.len());
        for (unit, known) in units.iter().zip(known) {
            let mut of_unit = Vec::with_capacity(unit.records.len());
            let new = *known == Standing::New;
            let records = if new { unit.records.as_slice() } else { &[] };
            for record in records {
                let last = match heads.get(&record.stream) {
                    Some(last) => *last,
                    None => self.last_version(&record.stream)?,
                };
                heads.insert(&record.stream, last.next());
                of_unit.push((record.stream.clone(), last.next()));
            }
            versions.push(of_unit);
        }
        Ok(versions)
    }

    fn last_version(&self, stream: &StreamId) -> Result<Version, Unknowable> {
        if let Some(version) = self.active.index.last_version(stream) {
            return Ok(version);
        }
        for chunk in self.horizon.of_stream(*stream.id.as_bytes()).map(|nth| &self.sealed[nth]) {
            if let Some(version) =
                chunk.last_version(stream).map_err(|lost| Unknowable::new(lost, chunk))?
            {
                return Ok(version);
            }
        }
        Ok(Version::NONE)
    }
}
