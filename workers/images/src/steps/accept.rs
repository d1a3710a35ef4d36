//! A sealed file that is not the one that was made: it was restored from a backup, say. If it reads
//! as the one that was made, that is remembered beside it, for as long as it stays as it is.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::look;
use crate::content::Digest;
use crate::disk::{DiskFile, Stat};
use crate::durable::{beside, is_sealed, seal_mode};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;
use crate::watch::Watch;

/// `.<name>.accepted`.
const ENDS: &str = ".accepted";
/// Numbers and a digest.
const RECORD_BYTES_MAX: u64 = 1024;

/// What is remembered. It is about the file that has this stat, and no other.
fn record(stat: &Stat, digest: Digest) -> Value {
    let Stat { size_bytes, modified_micros, inode } = *stat;
    let digest = digest.to_string();
    json!({
        "size_bytes": size_bytes, "modified_micros": modified_micros, "inode": inode,
        "digest": digest,
    })
}

impl Images {
    /// All of it is read. From then on it is seen as accepted, and nobody may write to it.
    ///
    /// # Errors
    ///
    /// It reads as something else, is written to meanwhile, or is not there.
    pub fn accept(&self, file: &DiskFile, digest: Digest, watch: &dyn Watch) -> Result<(), Failed> {
        // Many machines stand on one file, and one reading is enough for all of them.
        let _alone = self.accepting.lock();
        look(file)?;
        let before = sealed(&file.path)?;
        if accepted(&file.path, &before) == Some(digest) {
            return Ok(());
        }
        let differs = |what| Failed::Differs { path: file.path.clone(), what };
        if self.verify(file, watch)? != digest {
            return Err(differs("it reads as something else"));
        }
        if sealed(&file.path)? != before {
            return Err(differs("it was changed while it was read"));
        }
        let to = record_of(&file.path);
        let unfit = || Failed::unfit(&file.path, "this is no name of a file");
        self.put(&to.ok_or_else(unfit)?, record(&before, digest).to_string().as_bytes())
    }
}

fn sealed(path: &Path) -> Result<Stat, Failed> {
    use std::os::unix::fs::MetadataExt as _;

    let file = open::to_read(path)?;
    let meta = file.metadata().map_err(|error| Failed::io(path, error))?;
    if !is_sealed(meta.mode()) {
        seal_mode(path, &file)?;
    }
    Ok(Stat::of(&meta))
}

/// What a file reads as that was accepted as it is now.
pub(crate) fn accepted(path: &Path, stat: &Stat) -> Option<Digest> {
    let mut text = Vec::new();
    let file = open::to_read(&record_of(path)?).ok()?;
    file.take(RECORD_BYTES_MAX).read_to_end(&mut text).ok()?;
    let found: Value = serde_json::from_slice(&text).ok()?;
    let digest = Digest::of_hex(found["digest"].as_str()?)?;
    (found == record(stat, digest)).then_some(digest)
}

pub(crate) fn record_of(path: &Path) -> Option<PathBuf> {
    beside(path, ENDS)
}

/// The file that a record is about.
pub(crate) fn recorded(record: &Path) -> Option<PathBuf> {
    let name = record.file_name()?.to_str()?;
    Some(record.with_file_name(name.strip_prefix('.')?.strip_suffix(ENDS)?))
}
