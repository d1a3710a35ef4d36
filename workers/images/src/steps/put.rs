//! A small file that a guest only reads, beside its disks.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::is_durable;
use crate::durable::{Name, Part, full_or};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;

impl Images {
    /// A file of these bytes, in the place of what has the name. One that has them is left alone.
    ///
    /// # Errors
    ///
    /// What has the name is no file; no room.
    pub fn put(&self, to: &Path, bytes: &[u8]) -> Result<(), Failed> {
        if holds(to, bytes)? {
            return is_durable(to);
        }
        let (part, mut opened) = Part::begin(to)?;
        let explain = |failed| self.explain(to, failed);
        let written = opened.write_all(bytes).map_err(|error| full_or(&part.path, error));
        written.map_err(explain)?;
        part.finish(false, Name::Replaced).map_err(explain)
    }
}

fn holds(path: &Path, bytes: &[u8]) -> Result<bool, Failed> {
    let io = |error: io::Error| Failed::io(path, error);
    let mut file = match open::to_read(path) {
        Ok(file) => file,
        Err(Failed::Missing(_)) => return Ok(false),
        Err(failed) => return Err(failed),
    };
    if file.metadata().map_err(io)?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut there = Vec::with_capacity(bytes.len());
    file.read_to_end(&mut there).map_err(io)?;
    Ok(there == bytes)
}
