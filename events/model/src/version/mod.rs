//! The facts as they were when they were written, frozen for all time.
//!
//! Each module below is named after the change that began it and holds only what that change gave a
//! new shape; [`initial`] is how everything began. A payload that gets a new shape gets a new
//! module here, a `From` the shape before, and a higher schema number in [`crate::event`]; the old
//! one stays as it is. docs/guides/add-an-event-version.md is the checklist.

pub mod add_display_ports;
pub mod add_leave_for_maintenance;
pub mod add_upload_formats;
pub mod initial;
pub mod latest;
