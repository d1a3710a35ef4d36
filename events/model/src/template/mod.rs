//! A template: what a new machine is made of.
//!
//! ```text
//!   created --> (updated)* --> deleted
//! ```

use crate::ids::TemplateId;
use crate::name::Name;
use crate::record::Version;
pub use crate::version::latest::template::Settings;
use serde::{Deserialize, Serialize};

mod arrange;
mod bounds;
pub(crate) mod evolve;
#[cfg(test)]
mod tests;

pub use bounds::{
    DISK_GIB_MAX, DISK_GIB_MIN, MEMORY_MIB_MAX, MEMORY_MIB_MIN, MONITORS_MAX, USB_REDIRECTIONS_MAX,
    VCPUS_MAX,
};
pub(crate) use bounds::{check_disk, check_display, check_hardware, check_seats};

/// The commands of this folder.
pub mod commands {
    pub use super::arrange::{CreateTemplate, DeleteTemplate, UpdateTemplate};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub id: TemplateId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
}
