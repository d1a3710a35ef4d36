//! A ledger in a file, beside which a lock says whose it is.
//!
//! Behind what was written the file is zeros, which no frame ends with.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{LedgerError, Store};
use crate::limits::LEDGER_RESERVE_BYTES;

#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    /// Where the next entry goes, once what is there was read.
    end: u64,
    /// The length of the file, as far as it is known to be zeros.
    reserved: u64,
    /// The disk has not refused zeros since the file was made.
    has_room: bool,
    /// Held until it is dropped or the process ends.
    _lock: File,
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

impl FileStore {
    /// `owner` is what another worker is told that comes later.
    pub fn open(path: &Path, owner: &str) -> Result<Self, LedgerError> {
        let unreadable =
            |error: io::Error| LedgerError::Unreadable(format!("{}: {error}", path.display()));
        let mut lock = opened(&beside(path, ".lock")).map_err(unreadable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder).map_err(unreadable)?;
                let holder = holder.trim().to_owned();
                return Err(LedgerError::Held { path: path.display().to_string(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(unreadable(error)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{owner}")).map_err(unreadable)?;
        let file = opened(path).map_err(unreadable)?;
        sync_folder(path).map_err(unreadable)?;
        let end = file.metadata().map_err(unreadable)?.len();
        let path = path.to_owned();
        Ok(Self { path, file, end, reserved: end, has_room: true, _lock: lock })
    }

    /// Makes room for so many bytes and some more. Where that fails there may be room for them.
    fn reserve(&mut self, bytes: u64) {
        let least = self.end + bytes;
        if least <= self.reserved || !self.has_room {
            return;
        }
        let to = least + LEDGER_RESERVE_BYTES as u64;
        let zeros = vec![0; LEDGER_RESERVE_BYTES];
        while self.reserved < to {
            let length = zeros.len().min(usize::try_from(to - self.reserved).unwrap_or(usize::MAX));
            if let Err(error) = self.file.write_all_at(&zeros[..length], self.reserved) {
                tracing::debug!(%error, "the ledger has no room ahead");
                self.has_room = false;
                return;
            }
            self.reserved += length as u64;
        }
    }
}

impl Store for FileStore {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        self.reserved = bytes.len() as u64;
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(written);
        self.end = written as u64;
        Ok(bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        (self.end, self.reserved) = (bytes, bytes);
        self.file.sync_all()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reserve(bytes.len() as u64);
        self.file.write_all_at(bytes, self.end)?;
        self.file.sync_data()?;
        self.end += bytes.len() as u64;
        self.reserved = self.reserved.max(self.end);
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, ".new");
        let mut file = opened(&new)?;
        file.set_len(0)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        sync_folder(&self.path)?;
        self.file = file;
        (self.end, self.reserved) = (bytes.len() as u64, bytes.len() as u64);
        self.has_room = true;
        Ok(())
    }
}
