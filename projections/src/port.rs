//! The port: what can be asked, whatever the rows lie in.

use std::time::Duration;

use async_trait::async_trait;
use carrel_model::record::Position;

use crate::error::{FollowError, ReadModelError};
use crate::kind::Kind;
use crate::models::{Purpose, Rebuilt};
use crate::page::{Count, Item, Page, ProjectionState};
use crate::query::Query;

#[async_trait]
pub trait ReadModels: Send + Sync {
    /// A page of things. Read one after the other by their cursors, pages show everything that is
    /// there all the while exactly once.
    async fn page(&self, query: &Query) -> Result<Page, ReadModelError>;

    /// One thing by its id or its name. A person's name may have `<provider>/` before it; without,
    /// it is `local`. Sessions and operations have ids only.
    async fn one(&self, kind: Kind, id_or_name: &str) -> Result<Option<Item>, ReadModelError>;

    /// How many there are of each kind and state, in the order of their names.
    async fn counts(&self) -> Result<Vec<Count>, ReadModelError>;

    /// Returns once what is answered about a kind is at least as new as a position, or refuses
    /// when that takes longer than `within`.
    async fn seen(
        &self,
        kind: Kind,
        position: Position,
        within: Duration,
    ) -> Result<(), ReadModelError>;

    /// Builds all rows anew beside those in use, and takes or compares them when they have caught
    /// up. One at a time: whoever comes second is refused. It goes on if nobody waits for it.
    async fn rebuild(&self, purpose: Purpose) -> Result<Rebuilt, FollowError>;

    /// How far each projection has come.
    fn state(&self) -> Vec<ProjectionState>;
}
