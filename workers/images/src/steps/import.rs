//! Somebody's file becomes a version's first one.
//!
//! It is opened once. The same descriptor is inspected, counted and shown to the tool, so what was
//! let through is what is read, whoever puts another file in its place meanwhile.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::copy::room;
use super::{is_durable, look, sealed_stat};
use crate::content::{Chain, count};
use crate::disk::{Claim, DiskFile, Format, Stat, Upload};
use crate::durable::{Name, Part};
use crate::failed::Failed;
use crate::header::{Header, inspect};
use crate::images::Images;
use crate::open;
use crate::tool::Call;
use crate::watch::Watch;

const READ_BYTES: usize = 1 << 20;

impl Images {
    /// No tool sees the file before its header, its tables and, if it was told, its SHA-256 were
    /// found to be in order. What is made is sealed.
    ///
    /// # Errors
    ///
    /// The file is not let through, or as of [`Images::copy`].
    pub fn import(
        &self,
        upload: &Upload,
        to: &DiskFile,
        watch: &dyn Watch,
    ) -> Result<Stat, Failed> {
        if open::exists(&to.path)? {
            let stat = sealed_stat(&to.path)?;
            look(to)?;
            is_durable(&to.path)?;
            return Ok(stat);
        }
        let mut file = open::to_read(&upload.path)?;
        let header = self.let_through(upload, &mut file, watch)?;
        let shown = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        let needed = self.needs(upload, (&file, &shown), (&header, to.format), watch)?;
        let (part, _) = Part::begin(&to.path)?;
        let hold = self.space.hold(&part.path, needed)?;
        let (from, into) = ((&*shown, upload.claim), (&*part.path, to.format));
        let converted = self.convert(from, into, header.virtual_bytes, watch);
        converted.map_err(|failed| hold.explain(failed))?;
        if watch.is_cancelled() {
            return Err(Failed::Cancelled);
        }
        part.finish(true, Name::New).map_err(|failed| hold.explain(failed))?;
        sealed_stat(&to.path)
    }

    /// Whether a file may be imported, and how large the disk in it is. Nothing is made.
    ///
    /// # Errors
    ///
    /// The file is not let through, or can't be read.
    pub fn inspect(&self, upload: &Upload, watch: &dyn Watch) -> Result<Header, Failed> {
        let mut file = open::to_read(&upload.path)?;
        self.let_through(upload, &mut file, watch)
    }

    fn let_through(
        &self,
        upload: &Upload,
        file: &mut File,
        watch: &dyn Watch,
    ) -> Result<Header, Failed> {
        let header = inspect(file, upload.claim, &self.limits);
        let header = header.map_err(|why| Failed::refused(&upload.path, why))?;
        match upload.sha256 {
            Some(told) if sha256(&upload.path, file, watch)? != told => {
                Err(Failed::OtherBytes(upload.path.clone()))
            }
            _ => Ok(header),
        }
    }

    /// Our own reader knows what raw and qcow2 files unpack to; for others the tool is asked.
    fn needs(
        &self,
        upload: &Upload,
        (file, shown): (&File, &Path),
        (header, to): (&Header, Format),
        watch: &dyn Watch,
    ) -> Result<u64, Failed> {
        let format = match upload.claim {
            Claim::Raw => Format::Raw,
            Claim::Qcow2 => Format::Qcow2,
            Claim::Vmdk | Claim::Vhd | Claim::Vhdx => {
                let call = Call::measure((shown, upload.claim), to, header.virtual_bytes);
                let told = self.tools.run(&call, &self.limits, watch)?;
                let told: Option<serde_json::Value> = serde_json::from_slice(&told).ok();
                let bytes = told.and_then(|told| told.get("required")?.as_u64());
                let bytes = bytes.ok_or_else(|| Failed::Tool {
                    verb: "measure",
                    detail: "it did not say how much room is required".to_owned(),
                })?;
                return Ok(room(bytes, header.virtual_bytes));
            }
        };
        let file = file.try_clone().map_err(|error| Failed::io(&upload.path, error))?;
        let mut chain = Chain::of_one(&upload.path, file, format)?;
        Ok(room(count(&mut chain, watch)?, header.virtual_bytes))
    }
}

pub(super) fn sha256(path: &Path, file: &File, watch: &dyn Watch) -> Result<[u8; 32], Failed> {
    let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0; READ_BYTES], 0);
    loop {
        if watch.is_cancelled() {
            return Err(Failed::Cancelled);
        }
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(bytes) => {
                hash.update(&buffer[..bytes]);
                at += bytes as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::io(path, error)),
        }
    }
}
