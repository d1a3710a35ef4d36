//! A thin client.
//!
//! ```text
//!   registered --> (updated)* --> removed
//! ```

use crate::ids::TerminalId;
use crate::name::TerminalLabel;
use crate::record::Version;
use crate::sealed::Boxes;
pub use crate::version::latest::terminal::Settings;
use serde::{Deserialize, Serialize};

mod arrange;
mod draft;
pub(crate) mod evolve;
mod launch;
#[cfg(test)]
mod tests;

pub use draft::{Draft, called, canonical};
pub(crate) use launch::check_template;
pub use launch::{Missing, launch};

/// The commands of this folder.
pub mod commands {
    pub use super::arrange::{RegisterTerminal, RemoveTerminal, UpdateTerminal};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terminal {
    pub id: TerminalId,
    pub version: Version,
    pub termid: TerminalLabel,
    pub settings: Settings,
    /// What its class's template is filled with.
    pub parameters: Boxes,
}
