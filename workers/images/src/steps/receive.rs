//! What somebody sends in pieces becomes a file. It has its name when all of it has arrived, is
//! durable, and hashes to what was told; until then it is a part, whose length says how far it is,
//! also to the next process.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::import::sha256;
use crate::durable::{
    Name, full_or, is_part, make_file, part_of, remove, rename, seal_mode, sync_folder_of,
};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;
use crate::watch::Unwatched;

/// What is to arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    pub to: PathBuf,
    pub bytes: u64,
    pub sha256: [u8; 32],
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// So many bytes are there and durable.
    Part(u64),
    /// It is whole, and has its name.
    All,
    /// Nothing was taken: the next byte is this one.
    NotFrom(u64),
    /// More was sent than was announced. As much as was announced may be there.
    TooMuch,
}

/// Pieces of a file as they come. None: there are no more, for whatever reason.
pub type Pieces<'a> = dyn FnMut() -> Option<Vec<u8>> + 'a;

impl Images {
    /// From then on it is known that the file is awaited, and there is room for it where the file
    /// system can promise that. One that was begun goes on.
    ///
    /// # Errors
    ///
    /// The file is there already, or less than `keep_mib` would be free.
    pub fn await_file(&self, it: &Incoming, keep_mib: u64) -> Result<(), Failed> {
        if open::exists(&it.to)? {
            let what = "the whole file has arrived before";
            return Err(Failed::Differs { path: it.to.clone(), what });
        }
        let part = part(&it.to)?;
        let folder = it.to.parent().unwrap_or(Path::new("/"));
        if open::exists(&part)? {
            return Ok(());
        }
        let needed_mib = it.bytes.div_ceil(MIB) + keep_mib;
        let full = |free_mib| Failed::NoSpace { path: folder.to_owned(), free_mib, needed_mib };
        let file = make_file(&part, || {
            let free_mib = self.free_mib(folder)?;
            if free_mib < needed_mib { Err(full(free_mib)) } else { Ok(()) }
        })?;
        // Where nobody promises room, whoever comes first has it.
        if it.bytes > 0
            && let Err(Errno::NOSPC | Errno::DQUOT) =
                fallocate(&file, FallocateFlags::KEEP_SIZE, 0, it.bytes)
        {
            remove(&part)?;
            return Err(full(self.free_mib(folder)?));
        }
        file.sync_all().map_err(|error| full_or(&part, error))?;
        sync_folder_of(&part)
    }

    /// Nothing: nobody awaits it.
    ///
    /// # Errors
    ///
    /// The storage can't be read.
    pub fn arrived(&self, it: &Incoming) -> Result<Option<Arrived>, Failed> {
        if open::exists(&it.to)? {
            return Ok(Some(Arrived::All));
        }
        match part(&it.to)?.symlink_metadata() {
            // Whoever took the last byte was killed before it could be looked at.
            Ok(meta) if meta.len() >= it.bytes => {
                self.receive(it, it.bytes, &mut || None).map(Some)
            }
            Ok(meta) => Ok(Some(Arrived::Part(meta.len()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failed::io(&it.to, error)),
        }
    }

    /// Takes what comes, from this byte on. What has been taken is durable, also if it fails after
    /// that.
    ///
    /// # Errors
    ///
    /// Nobody awaits it, it is being received already, there is no room, or its bytes are not those
    /// that were told: then all of it is gone.
    pub fn receive(
        &self,
        it: &Incoming,
        from: u64,
        pieces: &mut Pieces<'_>,
    ) -> Result<Arrived, Failed> {
        if open::exists(&it.to)? {
            return Ok(if from == it.bytes { Arrived::All } else { Arrived::NotFrom(it.bytes) });
        }
        let part = part(&it.to)?;
        let file = open::to_write(&part)?;
        open::alone(&part, &file)?;
        let there = file.metadata().map_err(|error| Failed::io(&part, error))?.size();
        if there != from {
            return Ok(Arrived::NotFrom(there));
        }
        let mut at = from;
        let taken = loop {
            let Some(piece) = pieces() else { break Ok(Arrived::Part(at)) };
            if at + piece.len() as u64 > it.bytes {
                break Ok(Arrived::TooMuch);
            }
            if let Err(error) = file.write_all_at(&piece, at) {
                break Err(full_or(&part, error));
            }
            at += piece.len() as u64;
        };
        file.sync_all().map_err(|error| full_or(&part, error))?;
        if taken? == Arrived::TooMuch {
            return Ok(Arrived::TooMuch);
        }
        if at < it.bytes {
            return Ok(Arrived::Part(at));
        }
        finish(it, &part, &file)
    }

    /// Whether anything had arrived, or was awaited.
    ///
    /// # Errors
    ///
    /// It is being received.
    pub fn abandon(&self, it: &Incoming) -> Result<bool, Failed> {
        let part = part(&it.to)?;
        match open::to_write(&part) {
            Ok(file) => open::alone(&part, &file)?,
            Err(Failed::Missing(_)) => return Ok(false),
            Err(failed) => return Err(failed),
        }
        let was_there = remove(&part)?;
        sync_folder_of(&part)?;
        Ok(was_there)
    }

    /// How many files are awaited in a folder, of which something may have arrived.
    ///
    /// # Errors
    ///
    /// The folder can't be read.
    pub fn awaited(&self, folder: &Path) -> Result<usize, Failed> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(Failed::io(folder, error)),
        };
        Ok(entries.filter_map(Result::ok).filter(|entry| is_part(&entry.path())).count())
    }
}

const MIB: u64 = 1 << 20;

fn part(to: &Path) -> Result<PathBuf, Failed> {
    open::absolute(to)?;
    part_of(to).ok_or_else(|| Failed::unfit(to, "this is no name of a file"))
}

/// What it is said to be is looked at here, because nobody else looks at a CD.
fn finish(it: &Incoming, part: &Path, file: &File) -> Result<Arrived, Failed> {
    let whole = open::to_read(part)?;
    if sha256(part, &whole, &Unwatched)? != it.sha256 {
        remove(part)?;
        sync_folder_of(part)?;
        return Err(Failed::OtherBytes(it.to.clone()));
    }
    seal_mode(part, file)?;
    file.sync_all().map_err(|error| full_or(part, error))?;
    rename(part, &it.to, Name::New)?;
    sync_folder_of(&it.to)?;
    Ok(Arrived::All)
}
