//! The port: what can be asked, whatever the rows lie in.

use std::time::Duration;

use async_trait::async_trait;
use carrel_model::record::Position;

use crate::error::ReadModelError;
use crate::kind::Kind;
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

    /// How far each projection has come.
    fn state(&self) -> Vec<ProjectionState>;
}
