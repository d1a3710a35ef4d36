//! Whether units that come with places continue this log.

use carrel_model::record::{CommandUnit, StreamId, Version};

use super::standing::{Standing, Unknowable};
use super::writer::{Writer, header_of};
use crate::chain::{self, End};
use crate::error::AppendError;
use crate::port::{Head, PlacedUnit};

impl Writer {
    /// How many of these units continue the log, place by place and link by link, and what is wrong
    /// with the next one. Nothing may be under way meanwhile.
    pub(crate) fn fitting(
        &self,
        run: &[PlacedUnit],
    ) -> Result<(usize, Option<AppendError>), AppendError> {
        self.usable()?;
        let units: Vec<CommandUnit> = run.iter().map(|placed| placed.unit.clone()).collect();
        let known = self.known(&units).map_err(Unknowable::into_error)?;
        let new = vec![Standing::New; units.len()];
        let versions = self.versions(&units, &new).map_err(Unknowable::into_error)?;
        let mut head = self.head();
        let mut scratch = Vec::new();
        for (nth, ((placed, known), versions)) in run.iter().zip(known).zip(versions).enumerate() {
            let broken = if known == Standing::New {
                placed.fits(&head).err()
            } else {
                Some(AppendError::not_continuous(head.position, "it repeats a command"))
            };
            if broken.is_some() {
                return Ok((nth, broken));
            }
            let end = placed.end_after(&head, &versions, &mut scratch);
            if end.link != placed.link {
                let broken = AppendError::not_continuous(head.position, "the chain breaks");
                return Ok((nth, Some(broken)));
            }
            head = Head { position: end.position, link: end.link, ..head };
        }
        Ok((run.len(), None))
    }
}

impl PlacedUnit {
    /// Where the log ends after this unit, whose records have these streams and versions.
    fn end_after(
        &self,
        head: &Head,
        versions: &[(StreamId, Version)],
        scratch: &mut Vec<u8>,
    ) -> End {
        let header = header_of(&self.unit, self.incarnation);
        let mut end = End { position: head.position, link: head.link };
        for (record, (_, version)) in self.unit.records.iter().zip(versions) {
            end.position = end.position.next();
            let fields = chain::Fields::of_new(record, end.position, *version);
            chain::canonical(scratch, &header, &fields);
            end.link = end.link.then(scratch);
        }
        end
    }
}
