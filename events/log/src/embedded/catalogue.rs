//! The catalogue, kept in sled: which chunks and snapshots there are.
//!
//! It grows with chunks, never with events. sled's flush does not fsync, so nothing here is
//! believed that the files themselves don't say; what it adds is that a file which *was* there is
//! missed when it is gone. Every value carries a checksum of key and value.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::chunk::Seal;
use crate::format::fields::{Fields, Malformed};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) seal: Seal,
    pub(crate) bytes: u64,
}

pub(crate) struct Catalogue {
    db: sled::Db,
    chunks: sled::Tree,
    snapshots: sled::Tree,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").finish_non_exhaustive()
    }
}

/// Where a catalogue lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CataloguePlace {
    Directory(PathBuf),
    /// Gone with the process; for tests whose disk is not the operating system's.
    Temporary,
}

impl Catalogue {
    /// Opens the catalogue, or begins a new one if it can't be read; says so in the second part.
    pub(crate) fn open(place: &CataloguePlace) -> Result<(Self, Option<String>), String> {
        match place {
            CataloguePlace::Temporary => {
                Ok((Self::try_open(&sled::Config::new().temporary(true))?, None))
            }
            CataloguePlace::Directory(dir) => match Self::try_open(&config(dir)) {
                Ok(catalogue) => Ok((catalogue, None)),
                Err(cause) => {
                    set_aside(dir)?;
                    Ok((Self::try_open(&config(dir))?, Some(cause)))
                }
            },
        }
    }

    /// Opens a catalogue to look at it: a damaged one is left as it is, and a missing one missing.
    pub(crate) fn look(place: &CataloguePlace) -> Result<Option<Self>, String> {
        match place {
            CataloguePlace::Temporary => Ok(None),
            CataloguePlace::Directory(dir) if dir.exists() => {
                Self::try_open(&config(dir)).map(Some)
            }
            CataloguePlace::Directory(_) => Ok(None),
        }
    }

    /// sled panics on some damaged files.
    fn try_open(config: &sled::Config) -> Result<Self, String> {
        let opened = panic::catch_unwind(AssertUnwindSafe(|| -> sled::Result<Self> {
            let db = config.open()?;
            let chunks = db.open_tree("chunks")?;
            let snapshots = db.open_tree("snapshots")?;
            let catalogue = Self { db, chunks, snapshots };
            // Reading all of it now finds damage now.
            catalogue
                .chunks
                .iter()
                .chain(&catalogue.snapshots)
                .try_for_each(|entry| entry.map(drop))?;
            Ok(catalogue)
        }));
        match opened {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(String::from("sled panicked while it read its files")),
        }
    }

    /// All chunks that were ever sealed, as far as their entries are whole.
    pub(crate) fn chunks(&self) -> Vec<ChunkEntry> {
        let whole = |(key, value): (sled::IVec, sled::IVec)| {
            read_entry(&checked(&key, &value)?)
                .ok()
                .filter(|entry| entry.seal.number.to_be_bytes().as_slice() == key.as_ref())
        };
        self.chunks.iter().filter_map(Result::ok).filter_map(whole).collect()
    }

    pub(crate) fn put_chunk(&self, entry: &ChunkEntry) -> Result<(), String> {
        let mut value = Vec::new();
        entry.seal.write(&mut value, 0);
        value.extend_from_slice(&entry.bytes.to_le_bytes());
        put(&self.chunks, &entry.seal.number.to_be_bytes(), value)
    }

    pub(crate) fn put_snapshot(&self, name: &str) -> Result<(), String> {
        put(&self.snapshots, name.as_bytes(), Vec::new())
    }

    pub(crate) fn forget_snapshot(&self, name: &str) -> Result<(), String> {
        self.snapshots.remove(name).map(drop).map_err(|error| error.to_string())
    }

    pub(crate) fn flush(&self) -> Result<(), String> {
        self.db.flush().map(drop).map_err(|error| error.to_string())
    }
}

fn config(dir: &Path) -> sled::Config {
    // A few kilobytes for each chunk; sled's default would take a gigabyte for its cache.
    const CACHE_BYTES: u64 = 8 * 1024 * 1024;
    sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None)
}

/// Keeps the damaged catalogue for whoever wants to look into it; only the last one.
fn set_aside(dir: &Path) -> Result<(), String> {
    let aside = dir.with_extension("damaged");
    let removed = match std::fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    let moved = removed.and_then(|()| match std::fs::rename(dir, &aside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    });
    moved.map_err(|error| format!("could not move {} aside: {error}", dir.display()))
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(key), value).to_le_bytes()
}

fn put(tree: &sled::Tree, key: &[u8], mut value: Vec<u8>) -> Result<(), String> {
    let crc = checksum(key, &value);
    value.extend_from_slice(&crc);
    tree.insert(key, value).map(drop).map_err(|error| error.to_string())
}

fn checked(key: &[u8], value: &[u8]) -> Option<Bytes> {
    let (value, crc) = value.split_last_chunk::<4>()?;
    (*crc == checksum(key, value)).then(|| Bytes::copy_from_slice(value))
}

fn read_entry(value: &Bytes) -> Result<ChunkEntry, Malformed> {
    use crate::format::frame::{HEADER_BYTES, Header};
    let header = Header::read(value)?;
    let end = HEADER_BYTES + header.body_len;
    if value.len() < header.frame_len() + 8 {
        return Err(Malformed::new("a catalogue entry is cut off"));
    }
    let seal = Seal::read(&value.slice(HEADER_BYTES..end))?;
    let rest = value.slice(header.frame_len()..);
    let mut fields = Fields::new(&rest);
    Ok(ChunkEntry { seal, bytes: fields.u64()? })
}
