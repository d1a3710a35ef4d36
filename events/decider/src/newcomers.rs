//! Keys that were made for a command whose end is not known yet.
//!
//! They go again when the command is refused, was known already, or changed nothing; also if nobody
//! waits for its answer any more. They stay from the moment in which the command may be in the log.

use carrel_keys::Keys;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

/// Whoever drops them has them forgotten, unless they may be in the log.
#[derive(Debug)]
pub(crate) struct Newcomers(Option<Made>);

#[derive(Debug)]
struct Made {
    keys: Keys,
    people: Vec<Uuid>,
    may_be_logged: bool,
    /// Theirs until they are forgotten, so that no more can be made than are forgotten.
    place: OwnedSemaphorePermit,
}

impl Made {
    fn forget(self) {
        let Self { keys, people, place, .. } = self;
        if let Err(error) = keys.forget_all(&people) {
            // Nothing is sealed under it that anybody has.
            tracing::warn!(%error, "the key of somebody who never came to be stays behind");
        }
        drop(place);
    }
}

impl Newcomers {
    pub(crate) const fn nobody() -> Self {
        Self(None)
    }

    pub(crate) fn of(keys: Keys, people: Vec<Uuid>, place: OwnedSemaphorePermit) -> Self {
        if people.is_empty() {
            return Self::nobody();
        }
        Self(Some(Made { keys, people, may_be_logged: false, place }))
    }

    pub(crate) fn may_be_logged(&mut self, may: bool) {
        if let Some(made) = &mut self.0 {
            made.may_be_logged = may;
        }
    }

    fn left_over(&mut self) -> Option<Made> {
        self.0.take().filter(|made| !made.may_be_logged)
    }

    /// Returns when they are forgotten, if they are to be.
    pub(crate) async fn settle(mut self) {
        if let Some(made) = self.left_over() {
            // It goes on when nobody waits; and a runtime that ends leaves a key that is nobody's.
            let keys = made.keys.clone();
            let _ = keys.beside(move || made.forget()).await;
        }
    }
}

impl Drop for Newcomers {
    fn drop(&mut self) {
        let Some(made) = self.left_over() else { return };
        let keys = made.keys.clone();
        keys.leave(move || made.forget());
    }
}
