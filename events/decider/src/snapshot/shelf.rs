//! Standings that are kept in memory while a process starts, so that the log is folded once for all
//! who need the fleet as it was somewhere near the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use carrel_model::record::Position;

use crate::fold::Standing;

/// Where somebody wants one, and those that are there.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<BTreeMap<Position, Option<Standing>>>);

impl Shelf {
    fn places(&self) -> MutexGuard<'_, BTreeMap<Position, Option<Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wanted(&self, at: impl IntoIterator<Item = Position>) {
        self.places().extend(at.into_iter().map(|position| (position, None)));
    }

    /// Wanted places behind a position, in order.
    pub(super) fn behind(&self, position: Position) -> Vec<Position> {
        self.places().range(position.next()..).map(|(position, _)| *position).collect()
    }

    pub(super) fn keep(&self, standing: Standing) {
        self.places().insert(standing.position, Some(standing));
    }

    pub(super) fn newest(&self, at_most: Position) -> Option<Standing> {
        self.places().range(..=at_most).rev().find_map(|(_, standing)| standing.clone())
    }

    pub(super) fn clear(&self) {
        self.places().clear();
    }
}
