//! The bytes of records in files: frames, and units in them. Chunks and exports are made of these.
//!
//! All numbers are little-endian. docs/log-format.md shows it with a hex dump.

pub mod fields;
pub mod frame;
pub mod reader;
pub mod unit;
