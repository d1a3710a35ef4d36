//! The shapes that are written now. Everything outside this folder uses these.
//!
//! Where a change gave a payload a new shape, its module here takes everything from [`initial`] and
//! then names what is newer.
//!
//! [`initial`]: super::initial

pub use super::initial::{
    Labels, Nothing, Properties, Switch, admin, client, cluster, display, group, hypervisor, image,
    lab, machine, network, operation, pool, renewal, storage, template, terminal,
};

pub mod media {
    pub use crate::version::add_upload_formats::media::{Added, Format};
    pub use crate::version::initial::media::*;
}

pub mod session {
    pub use crate::version::add_display_ports::session::{DisplayArmed, Ports};
    pub use crate::version::add_leave_for_maintenance::session::{LeaveCause, Left};
    pub use crate::version::initial::session::*;
}
