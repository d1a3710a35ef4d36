//! What else could keep Carrel's events. Every one of them makes an event durable before it
//! acknowledges it; none of them chains hashes or knows command ids.

pub(crate) mod postgres;

#[cfg(feature = "peers")]
mod engine;
#[cfg(feature = "peers")]
mod redb;
#[cfg(feature = "peers")]
mod sled;
#[cfg(feature = "peers")]
mod sqlite;
#[cfg(feature = "peers")]
mod umadb;

use std::path::Path;

use crate::Failure;
use crate::store::Store;

/// The peers that take long to build; `programs` is where those are that are programs.
#[cfg(feature = "peers")]
pub(crate) fn others(programs: Option<&Path>) -> Result<Vec<Box<dyn Store>>, Failure> {
    use self::engine::Queued;
    Ok(vec![
        Box::new(Queued::<redb::Redb>::default()),
        Box::new(Queued::<sled::Sled>::default()),
        Box::new(Queued::<sqlite::Sqlite>::default()),
        Box::new(umadb::UmaDb::find(programs)?),
    ])
}

#[cfg(not(feature = "peers"))]
pub(crate) fn others(_: Option<&Path>) -> Result<Vec<Box<dyn Store>>, Failure> {
    crate::say("built without the feature `peers`: only the bare loop and PostgreSQL take part");
    Ok(Vec::new())
}
