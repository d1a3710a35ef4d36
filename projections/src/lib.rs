//! What can be asked about Carrel: read models that follow the log.
//!
//! ```text
//!                 fold, before and after each fact          one transaction a batch
//!   LOG --tail--> [ projector: fleet, what was touched ] --> rows + counts + place in the log
//!                                                              |  SQLite, WAL
//!                                  ReadModels: page, one, counts, seen  <--+
//! ```
//!
//! Every row follows from the log alone, so a file of rows can be thrown away and built anew
//! beside the one that is in use. What left the fleet (finished operations, ended sessions) stays
//! here for a stated time.
//!
//! This crate must never know HTTP, a message broker or a hypervisor. It decides nothing, and it
//! writes nothing but its own file.
//!
//! Start reading at [`port`] for what can be asked and at [`doc`] for what is answered; what
//! becomes of a fact is in `projector.rs`. What a person may use now is asked of the fleet itself:
//! [`lookup`].

mod build;
pub mod compare;
pub mod cursor;
pub mod doc;
pub mod error;
pub mod field;
mod fold;
mod follow;
pub mod kind;
pub mod limits;
pub mod lookup;
mod memo;
mod models;
pub mod page;
pub mod port;
mod projection;
mod projector;
pub mod query;
pub mod render;
mod row;
pub mod sqlite;

pub use compare::compare;
pub use error::{FollowError, QueryError, ReadModelError};
pub use field::{Field, Filtered, Sort};
pub use fold::FleetSnapshots;
pub use kind::Kind;
pub use lookup::{Desktop, DesktopKind, DesktopState, desktops};
pub use models::{Purpose, Rebuilt, SqliteModels};
pub use page::{Count, Item, Page, ProjectionState, Standing};
pub use port::ReadModels;
pub use projector::{Projector, Sources, open};
pub use query::Query;
pub use render::Open;
