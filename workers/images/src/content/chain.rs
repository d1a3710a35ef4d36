//! A file and all that it stands on.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::qcow2::Image;
use super::raw::Raw;
use super::{Extent, Layer, Where};
use crate::disk::{DiskFile, Format};
use crate::failed::Failed;
use crate::header::Refused;
use crate::header::qcow2::{Qcow2, extension};
use crate::open;

/// A version is at most 4 files deep and a machine's snapshots 8; what was there before Carrel may
/// be deeper.
const DEPTH_MAX: usize = 64;

/// Read-only. Nobody writes to its files meanwhile.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The top first.
    layers: Vec<Layer>,
    pub(crate) virtual_bytes: u64,
    /// A cluster that was inflated last, by layer and place.
    unpacked: Option<(usize, u64, Vec<u8>)>,
}

/// Where a piece of the disk is: in which layer, and there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bytes: u64,
    /// Nothing: zeros.
    held: Option<(usize, Where)>,
}

impl Piece {
    pub(super) const fn is_zeros(&self) -> bool {
        self.held.is_none()
    }
}

impl Chain {
    /// Every file is there, is one, and says of the next one what it is written in.
    pub(crate) fn open(top: &DiskFile) -> Result<Self, Failed> {
        let mut layers = Vec::new();
        let mut known = BTreeSet::new();
        let mut next = Some(top.clone());
        while let Some(at) = next.take() {
            let file = open::to_read(&at.path)?;
            let meta = file.metadata().map_err(|error| Failed::io(&at.path, error))?;
            if layers.len() == DEPTH_MAX || !known.insert((meta.dev(), meta.ino())) {
                return Err(Failed::unfit(&at.path, "it stands on itself, or on too many files"));
            }
            layers.push(match at.format {
                Format::Raw => Layer::Raw(Raw::open(&at.path, file)?),
                Format::Qcow2 => {
                    let image = Image::open(&at.path, file)?;
                    next = resolve(&at.path, &image.header)?;
                    Layer::Qcow2(image)
                }
            });
        }
        let virtual_bytes = layers.first().map_or(0, Layer::virtual_bytes);
        Ok(Self { layers, virtual_bytes, unpacked: None })
    }

    /// A file that was let through, which stands on nothing.
    pub(crate) fn of_one(path: &Path, file: File, format: Format) -> Result<Self, Failed> {
        let layer = match format {
            Format::Raw => Layer::Raw(Raw::open(path, file)?),
            Format::Qcow2 => Layer::Qcow2(Image::open(path, file)?),
        };
        let virtual_bytes = layer.virtual_bytes();
        Ok(Self { layers: vec![layer], virtual_bytes, unpacked: None })
    }

    pub(crate) fn is_one_file(&self) -> bool {
        self.layers.len() == 1
    }

    /// Whether this file is one of it.
    pub(crate) fn has(&self, file: &File) -> Result<bool, Failed> {
        for layer in &self.layers {
            let id = |it: &File| it.metadata().map(|meta| (meta.dev(), meta.ino()));
            let io = |error| Failed::io(layer.path(), error);
            if id(file).map_err(io)? == id(layer.file()).map_err(io)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What there is from this place on. It is before the disk's end.
    pub(super) fn piece(&mut self, at: u64) -> Result<Piece, Failed> {
        let mut bytes = self.virtual_bytes - at;
        for (number, layer) in self.layers.iter_mut().enumerate() {
            let end = layer.virtual_bytes();
            if at >= end {
                // A file that is smaller than what stands on it reads as zeros beyond its end, and
                // so does all below.
                return Ok(Piece { bytes, held: None });
            }
            let extent: Extent = layer.extent(at)?;
            bytes = bytes.min(extent.bytes).min(end - at);
            match extent.from {
                Where::Below => {}
                Where::Zeros => return Ok(Piece { bytes, held: None }),
                from @ (Where::Here(_) | Where::Packed { .. }) => {
                    return Ok(Piece { bytes, held: Some((number, from)) });
                }
            }
        }
        Ok(Piece { bytes, held: None })
    }

    /// The first bytes of a piece.
    pub(super) fn read(&mut self, at: u64, piece: &Piece, into: &mut [u8]) -> Result<(), Failed> {
        let Some((number, from)) = piece.held else {
            into.fill(0);
            return Ok(());
        };
        let Some(layer) = self.layers.get(number) else { return Ok(()) };
        match (from, layer) {
            (Where::Packed { at: place, bytes }, Layer::Qcow2(image)) => {
                let cluster = image.header.cluster_bytes();
                let is_it =
                    |(of, known, _): &(usize, u64, Vec<u8>)| (*of, *known) == (number, place);
                if !self.unpacked.as_ref().is_some_and(is_it) {
                    let mut whole = vec![0; usize::try_from(cluster).unwrap_or(0)];
                    image.unpack((place, bytes), &mut whole)?;
                    self.unpacked = Some((number, place, whole));
                }
                let inside = usize::try_from(at % cluster).unwrap_or(0);
                let whole = self.unpacked.as_ref().map_or(&[][..], |(_, _, whole)| whole);
                into.copy_from_slice(&whole[inside..inside + into.len()]);
                Ok(())
            }
            (Where::Here(place), layer) => fill(layer, place, into),
            _ => Ok(()),
        }
    }
}

/// A file that ends within its last cluster reads as zeros from there on.
fn fill(layer: &Layer, at: u64, into: &mut [u8]) -> Result<(), Failed> {
    let mut done = 0;
    while done < into.len() {
        match layer.file().read_at(&mut into[done..], at + done as u64) {
            Ok(0) => {
                into[done..].fill(0);
                return Ok(());
            }
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::io(layer.path(), error)),
        }
    }
    Ok(())
}

const UNSAID: &str = "it does not say in which format the file below is; while nobody has it open, \
                      `qemu-img rebase -u -F FORMAT -b BELOW FILE` writes that down";

/// What a qcow2 file stands on. A relative name is meant from the file's folder, as QEMU has it.
pub(crate) fn resolve(path: &Path, header: &Qcow2) -> Result<Option<DiskFile>, Failed> {
    let Some(named) = &header.backing else { return Ok(None) };
    let Some(format) = header.extension(extension::BACKING_FORMAT) else {
        return Err(Failed::unfit(path, UNSAID));
    };
    let format = Format::of_word(&format.data);
    let format =
        format.ok_or_else(|| Failed::unfit(path, "the file below is in a format of others"))?;
    let name = local(path, &named.name)?;
    Ok(Some(DiskFile { path: name, format }))
}

/// A name with a protocol, or one of QEMU's JSON, is none of a file.
pub(crate) fn local(path: &Path, name: &[u8]) -> Result<PathBuf, Failed> {
    let before_slash = name.split(|byte| *byte == b'/').next().unwrap_or_default();
    if before_slash.contains(&b':') || name.contains(&0) {
        return Err(Failed::refused(path, Refused::DataElsewhere));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    Ok(folder.join(OsStr::from_bytes(name)))
}

impl Layer {
    fn path(&self) -> &Path {
        match self {
            Self::Raw(raw) => &raw.path,
            Self::Qcow2(image) => image.path(),
        }
    }
}
