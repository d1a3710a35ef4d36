//! The steps. Each can be taken again, also after one that was killed at any moment.

pub(crate) mod accept;
mod copy;
mod import;
mod make;
mod put;
mod rebase;
mod receive;
pub(crate) mod remove;
mod seal;
mod snapshot;

pub use receive::{Arrived, Incoming, Pieces};

use std::fs::File;
use std::path::Path;

use crate::disk::{DiskFile, Format, Stat};
use crate::durable::{is_sealed, sync_folder_of};
use crate::failed::Failed;
use crate::header::qcow2::Qcow2;
use crate::header::window::Window;
use crate::{content, open};

/// A header with its extensions and a name is within the first cluster, of at most 2 MiB.
const HEADER_READ_BYTES: u64 = 2 << 20;

fn read_header(path: &Path, file: &mut File) -> Result<Qcow2, Failed> {
    let refused = |why| Failed::refused(path, why);
    let mut window = Window::new(file, HEADER_READ_BYTES).map_err(refused)?;
    Qcow2::read(&mut window).map_err(refused)
}

/// How large the disk in a file is, and what that stands on.
fn look(disk: &DiskFile) -> Result<(u64, Option<DiskFile>), Failed> {
    let mut file = open::to_read(&disk.path)?;
    match disk.format {
        Format::Raw => {
            let meta = file.metadata().map_err(|error| Failed::io(&disk.path, error))?;
            Ok((meta.len(), None))
        }
        Format::Qcow2 => {
            let header = read_header(&disk.path, &mut file)?;
            Ok((header.virtual_bytes, content::resolve(&disk.path, &header)?))
        }
    }
}

/// What there is of one that nobody may write to.
fn sealed_stat(path: &Path) -> Result<Stat, Failed> {
    use std::os::unix::fs::MetadataExt as _;

    let meta = open::to_read(path)?.metadata().map_err(|error| Failed::io(path, error))?;
    if !is_sealed(meta.mode()) {
        return Err(Failed::Differs { path: path.to_owned(), what: "it is not sealed" });
    }
    Ok(Stat::of(&meta))
}

/// A call that finds its end makes sure that it stays so, for one that was killed just before.
fn is_durable(path: &Path) -> Result<(), Failed> {
    open::to_read(path)?.sync_all().map_err(|error| Failed::io(path, error))?;
    sync_folder_of(path)
}
