//! Steps on files.

use std::path::PathBuf;

use carrel_images::{Claim, DiskFile, Failed, Frozen as FrozenFile, Images, Upload, Watch};
use carrel_model::hash::Digest;
use carrel_model::machine::Format;
use carrel_model::media::Format as MediumFormat;
use carrel_model::record::Timestamp;
use carrel_model::version::latest::image::Stat;
use carrel_model::work::MediumSpec;

use crate::cancel::Cancel;
use crate::hypervisor::Advance;
use crate::place::{Place, medium_file};
use crate::step::{Done, Frozen, Step};
use crate::trouble::{BACKING_CHANGED, Trouble};

pub(super) fn path(place: &Place) -> PathBuf {
    place.path().into()
}

pub(super) const fn format(format: Format) -> carrel_images::Format {
    match format {
        Format::Raw => carrel_images::Format::Raw,
        Format::Qcow2 => carrel_images::Format::Qcow2,
    }
}

const fn claim(format: MediumFormat) -> Claim {
    match format {
        MediumFormat::Raw => Claim::Raw,
        MediumFormat::Qcow2 => Claim::Qcow2,
        MediumFormat::Vmdk => Claim::Vmdk,
        MediumFormat::Vhd => Claim::Vhd,
        MediumFormat::Vhdx => Claim::Vhdx,
    }
}

/// By its ending, which says it of every name that is Carrel's.
pub(super) fn named(place: &Place) -> DiskFile {
    DiskFile::named(place.path())
}

pub(super) fn told(place: &Place, of: Format) -> DiskFile {
    DiskFile::new(place.path(), format(of))
}

pub(super) const fn bytes(size_gib: u32) -> u64 {
    (size_gib as u64) << 30
}

pub(super) fn stat(of: carrel_images::Stat) -> Stat {
    let modified = Timestamp(of.modified_micros);
    Stat { size_bytes: of.size_bytes, modified, inode: of.inode }
}

/// Hands on what a long call tells, and asks whether it is still wanted.
struct Waiting<'a>(&'a dyn Advance, &'a Cancel);

impl Watch for Waiting<'_> {
    fn is(&self, done_bytes: u64, of_bytes: Option<u64>) {
        self.0.is(done_bytes, of_bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.1.is_cancelled()
    }
}

/// Nothing: it is no step on files.
pub(super) fn step(
    images: &Images,
    step: &Step,
    (advance, cancel): (&dyn Advance, &Cancel),
) -> Option<Result<Done, Trouble>> {
    let watch = &Waiting(advance, cancel);
    let so = |done: Result<(), Failed>| done.map(|()| Done::So);
    let done = match step {
        Step::MakeDisk { file, format, size_gib, on } => {
            let on = on.as_ref().map(|(place, of)| told(place, *of));
            so(images.make_disk(&told(file, *format), bytes(*size_gib), on.as_ref()))
        }
        Step::Resize { file, format, size_gib } => {
            so(images.resize(&told(file, *format), bytes(*size_gib), watch))
        }
        Step::Rebase { file, onto, format } => {
            so(images.rebase(&path(file), &told(onto, *format), watch))
        }
        Step::Copy { from, to, format } => so(images.copy(&told(from, *format), &named(to), watch)),
        Step::CopyVersion { from, to, format } => {
            let made = images.copy_version(&told(from, *format), &named(to), watch);
            made.map(|made| Done::Made { digest: Digest(made.digest.0), stat: stat(made.stat) })
        }
        Step::Import { medium, to } => return Some(import(images, (medium, to), watch)),
        Step::Seal { from, to } => {
            images.seal(&named(from), &path(to)).map(|sealed| Done::Sealed(stat(sealed)))
        }
        Step::Verify { file } => {
            images.verify(&named(file), watch).map(|digest| Done::Verified(Digest(digest.0)))
        }
        Step::Accept { file, digest } => {
            let accepted = images.accept(&named(file), carrel_images::Digest(digest.0), watch);
            return Some(accepted.map(|()| Done::So).map_err(changed));
        }
        Step::RemoveFiles { files } => {
            so(images.remove(&files.iter().map(path).collect::<Vec<_>>()))
        }
        Step::TakeSnapshot { disks, .. } => so(images.take_snapshot(&frozen(disks))),
        Step::RevertSnapshot { disks, .. } => so(images.revert_snapshot(&frozen(disks))),
        Step::DeleteSnapshot { disks, .. } => so(images.delete_snapshot(&frozen(disks), watch)),
        Step::Define(_)
        | Step::Undefine { .. }
        | Step::Start { .. }
        | Step::Shutdown
        | Step::Reboot { .. }
        | Step::Reset { .. }
        | Step::Destroy
        | Step::Suspend
        | Step::Resume
        | Step::Wake
        | Step::Migrate { .. }
        | Step::ArmDisplay { .. }
        | Step::CutViewers { .. }
        | Step::PutConfig(_)
        | Step::AttachMedium(_)
        | Step::DetachMedium(_)
        | Step::ShowMessage(_)
        | Step::WakeOnLan(_) => return None,
    };
    Some(done.map_err(Trouble::from))
}

fn frozen(disks: &[Frozen]) -> Vec<FrozenFile> {
    let disks = disks.iter();
    disks.map(|it| FrozenFile { disk: told(&it.disk, it.format), kept: path(&it.kept) }).collect()
}

/// Of a file that is not the one that was made for a version.
fn changed(failed: Failed) -> Trouble {
    if matches!(failed, Failed::Differs { .. }) {
        return Trouble::never(BACKING_CHANGED, &failed.to_string());
    }
    failed.into()
}

fn import(
    images: &Images,
    (medium, to): (&MediumSpec, &Place),
    watch: &dyn Watch,
) -> Result<Done, Trouble> {
    let Some(from) = medium_file(medium) else {
        return Err(Trouble::never("media_unseen", "this host does not see the medium's storage"));
    };
    let claim = claim(medium.format);
    let upload = Upload { path: path(&from), claim, sha256: Some(medium.digest.0) };
    let sealed = images.import(&upload, &named(to), watch)?;
    Ok(Done::Sealed(stat(sealed)))
}
