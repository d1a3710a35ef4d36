//! Everything that Carrel knows, as a value: what folding the log gives.
//!
//! A clone costs as much as counting to fifty: the tables share what is in them. Things that ended
//! are not here. [`Index`] follows from the tables and holds nothing of its own.
//!
//! A fleet is that of one organisation. Which one, the records say; so every name in here is unique
//! within kind and organisation.

pub mod index;
mod lookup;
mod pack;
mod snapshot;
mod table;

pub use index::{
    AT_ONCE, Counted, Due, Free, Grouped, Index, Rank, Silence, Space, Standing, Tally, Usage,
    Yields,
};
pub use snapshot::MODEL;
pub use table::{Table, Thing};

use serde::{Deserialize, Serialize};

use crate::admin::{Admin, Token};
use crate::client::Client;
use crate::group::Group;
use crate::hypervisor::Hypervisor;
use crate::image::Image;
use crate::lab::Lab;
use crate::machine::Machine;
use crate::media::Media;
use crate::network::Network;
use crate::operation::Operation;
use crate::pool::Pool;
use crate::session::Session;
use crate::storage::Storage;
use crate::template::Template;
use crate::terminal::Terminal;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    pub hypervisors: Table<Hypervisor>,
    pub storages: Table<Storage>,
    pub networks: Table<Network>,
    pub media: Table<Media>,
    pub templates: Table<Template>,
    #[serde(deserialize_with = "snapshot::machines")]
    pub machines: Table<Machine>,
    pub images: Table<Image>,
    pub pools: Table<Pool>,
    pub clients: Table<Client>,
    pub groups: Table<Group>,
    pub labs: Table<Lab>,
    pub terminals: Table<Terminal>,
    pub sessions: Table<Session>,
    pub operations: Table<Operation>,
    pub admins: Table<Admin>,
    pub tokens: Table<Token>,
    /// What facts of this level or below say, every process can read.
    pub feature_level: u16,
    /// The next place in any queue.
    pub next_place: u64,
    #[serde(skip)]
    pub index: Index,
}
