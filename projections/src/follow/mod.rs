//! What a fact concerns: whose rows have to be written again, and what has to be remembered.
//!
//! It is asked before and after the fact is folded, because whom it concerns may be told by either:
//! the pool that a machine leaves and the one that it comes into. Nothing here falls through: a new
//! kind of fact does not compile before somebody has said whom it concerns.

mod notes;
mod touch;

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::event::Event;
use carrel_model::fleet::Fleet;
use carrel_model::record::Record;
use uuid::Uuid;

use crate::kind::Kind;
use crate::memo::Note;
use crate::row::Key;

/// What a batch of facts concerns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Concerned {
    pub(crate) rows: BTreeSet<Key>,
    /// Rows that name something in a column, which no index of the fleet finds.
    pub(crate) through: BTreeSet<(Kind, &'static str, Uuid)>,
    pub(crate) notes: BTreeMap<Key, Vec<Note>>,
    /// Somebody was deleted: nothing of what was written of them may stay in the file.
    pub(crate) erases: bool,
}

impl Concerned {
    /// Folds one fact and hears whom it concerns.
    pub(crate) fn hear(&mut self, fleet: Fleet, event: &Event, record: &Record) -> Fleet {
        touch::touch(self, event, &fleet);
        notes::take(event, record, &fleet, &mut |key, note| {
            self.notes.entry(key).or_default().push(note);
        });
        let after = carrel_model::evolve::evolve(fleet, event);
        touch::touch(self, event, &after);
        after
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.through.is_empty()
    }

    fn row(&mut self, kind: Kind, id: impl Into<Uuid>) {
        self.rows.insert(Key { kind, id: id.into() });
    }

    fn rows<T: Into<Uuid>>(&mut self, kind: Kind, ids: impl Iterator<Item = T>) {
        self.rows.extend(ids.map(|id| Key { kind, id: id.into() }));
    }
}

pub(crate) use notes::take as notes_of;

impl Concerned {
    /// Takes over what is of kinds that are wanted.
    pub(crate) fn add(&mut self, other: Self, wants: impl Fn(Kind) -> bool) {
        self.rows.extend(other.rows.into_iter().filter(|key| wants(key.kind)));
        self.through.extend(other.through.into_iter().filter(|(kind, ..)| wants(*kind)));
        for (key, notes) in other.notes.into_iter().filter(|(key, _)| wants(key.kind)) {
            self.notes.entry(key).or_default().extend(notes);
        }
        self.erases |= other.erases;
    }
}
