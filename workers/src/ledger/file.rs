//! A ledger in a file, beside which a lock says whose it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{LedgerError, Store};

#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
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
        Ok(Self { path: path.to_owned(), file, _lock: lock })
    }
}

impl Store for FileStore {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.file.seek(SeekFrom::Start(bytes))?;
        self.file.sync_all()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
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
        Ok(())
    }
}
