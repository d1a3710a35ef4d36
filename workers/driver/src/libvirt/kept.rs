//! What a guest's firmware and its TPM keep belongs to the disk that it was kept with.
//!
//! QEMU writes the variables of firmware to one file, and libvirt has one folder for the TPM of a
//! UUID. What is there belongs to one of the machine's disks; what the others have is beside them.
//!
//! ```text
//!   firmware.nvram, <tpms>/<uuid>/tpm2/..   what runs has them
//!   firmware.of                             whose they are, and whether they are thrown away
//!   <disk>-<generation>.nvram, .tpm         what they were when that disk was left
//! ```
//!
//! Nothing of it goes to another machine, nor to another disk of the same one: that begins with the
//! template of its firmware and an empty TPM. But a disk that was sealed goes on in its overlay.
//! Whoever is killed in between has left things that are nobody's, and what is beside the disks.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use carrel_domain::Domain;
use carrel_images::Images;
use carrel_libvirt::{Pause, State, Target};
use carrel_model::ids::{FromUuid as _, MachineId};
use carrel_model::machine::{Firmware as FirmwareKind, Tpm};
use uuid::Uuid;

use super::LibvirtHost;
use crate::place::{
    Beside, FIRMWARE, FIRMWARE_OF, Place, beside_name, firmware_file, is_config_disc, stem,
};
use crate::step::{Definition, Frozen};
use crate::trouble::Trouble;

/// More than any firmware or TPM has.
const BYTES_MAX: u64 = 64 << 20;
/// As swtpm calls it.
const TPM_FILE: &str = "tpm2/tpm2-00.permall";
const THROWN_AWAY: &str = " thrown away";

/// Whose the things are that what runs has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    Nobodys,
    /// Of the disk whose file has this name.
    Of(String),
    /// That disk was covered: what it keeps is beside it.
    ThrownAway(String),
}

/// How a machine is going to run.
#[derive(Clone, Copy, Debug)]
struct Next<'a> {
    /// The file of its first disk, without its ending.
    disk: &'a str,
    is_thrown_away: bool,
    /// It stands on what the machine's own disk was sealed to.
    goes_on: bool,
}

#[derive(Debug)]
struct Kept<'a> {
    images: &'a Images,
    /// The machine's, on the storage of its first disk.
    folder: PathBuf,
    /// libvirt's, for its TPM.
    tpm: PathBuf,
}

/// Before its domain is defined. Who finds that it runs leaves it to libvirt to refuse that.
pub(super) fn define(on: &LibvirtHost, of: &Definition, domain: &Domain) -> Result<(), Trouble> {
    let Some(disk) = of.disks.first() else { return Ok(()) };
    let hardware = &of.settings.hardware;
    let has_any = hardware.firmware != FirmwareKind::Bios || hardware.tpm != Tpm::None;
    if !has_any || !is_off(on, of.machine)? {
        return Ok(());
    }
    let sealed = format!("/images/{}/", of.machine);
    let below = domain.disks.first().map_or(&[][..], |disk| &disk.backing);
    let next = Next {
        disk: stem(disk.own()),
        is_thrown_away: disk.throwaway.is_some(),
        goes_on: below.iter().any(|below| below.file.as_str().contains(&sealed)),
    };
    kept(on, folder(of.machine, disk.own())?, of.identity.uuid).take(next)
}

/// Before a machine is let go of: another host may have it next.
pub(super) fn release(on: &LibvirtHost, target: Target) -> Result<(), Trouble> {
    let machine = MachineId::from_uuid(target.machine);
    let Some(observed) = on.host.observe(target.uuid)? else { return Ok(()) };
    let mut files = observed.found.disks.iter().filter_map(|disk| disk.file.as_deref());
    let Some(disc) = files.find(|file| is_config_disc(machine, file)) else { return Ok(()) };
    let Some(folder) = Path::new(disc).parent().filter(|_| !observed.state.is_on()) else {
        return Ok(());
    };
    kept(on, folder.to_owned(), target.uuid).leave()
}

/// Before what its disks hold is kept: who finds that done asks for nothing more.
pub(super) fn snapshot(
    on: &LibvirtHost,
    machine: MachineId,
    disks: &[Frozen],
) -> Result<(), Trouble> {
    let Some(Frozen { disk, kept: snapshot, .. }) = disks.first() else { return Ok(()) };
    // Without a domain it has no TPM here.
    let uuid = on.find(machine)?.map_or(Uuid::nil(), |target| target.uuid);
    kept(on, folder(machine, snapshot)?, uuid).snapshot(stem(disk), stem(snapshot))
}

/// After its disks are as they were.
pub(super) fn revert(
    on: &LibvirtHost,
    machine: MachineId,
    disks: &[Frozen],
) -> Result<(), Trouble> {
    let Some(Frozen { disk, kept: snapshot, .. }) = disks.first() else { return Ok(()) };
    kept(on, folder(machine, snapshot)?, Uuid::nil()).revert(stem(disk), stem(snapshot))
}

fn kept(on: &LibvirtHost, folder: PathBuf, uuid: Uuid) -> Kept<'_> {
    Kept { images: &on.images, folder, tpm: on.facts.tpms.join(uuid.to_string()) }
}

fn folder(machine: MachineId, on: &Place) -> Result<PathBuf, Trouble> {
    let nameless = || Trouble::never("path", "there is no name for what firmware and TPM keep");
    let file: PathBuf = firmware_file(machine, on).ok_or_else(nameless)?.path().into();
    Ok(file.parent().ok_or_else(nameless)?.to_owned())
}

/// One whose start was cut short has a TPM open that no guest has ever used.
fn is_off(on: &LibvirtHost, machine: MachineId) -> Result<bool, Trouble> {
    let Some(target) = on.find(machine)? else { return Ok(true) };
    let Some(observed) = on.host.observe(target.uuid)? else { return Ok(true) };
    let has_run = observed.found.ours.as_ref().is_none_or(|ours| ours.ran);
    match observed.state {
        State::Off(_) => Ok(true),
        State::Paused(Pause::Command) if !has_run => {
            on.host.destroy(target)?;
            Ok(true)
        }
        State::Running | State::Paused(_) | State::Asleep => Ok(false),
    }
}

impl Kept<'_> {
    fn take(&self, next: Next<'_>) -> Result<(), Trouble> {
        let wanted = Whose::Of(next.disk.to_owned());
        // What was there before anybody noted whose it is.
        let now = self.whose()?.unwrap_or_else(|| wanted.clone());
        if now == wanted && !next.is_thrown_away {
            // It may have run on another host.
            if !self.tpm.exists() {
                self.load(next.disk, Beside::Tpm)?;
            }
            return self.belongs(&now);
        }
        let before = match &now {
            Whose::Of(before) => {
                for what in Beside::ALL {
                    self.copy(&self.live(what), &self.beside(before, what))?;
                }
                Some(before)
            }
            Whose::ThrownAway(before) => Some(before),
            Whose::Nobodys => None,
        };
        if let Some(before) = before.filter(|before| next.goes_on && **before != next.disk) {
            for what in Beside::ALL {
                let to = self.beside(next.disk, what);
                // One that was left before has its own.
                if !to.exists() {
                    self.copy(&self.beside(before, what), &to)?;
                }
            }
        }
        self.belongs(&Whose::Nobodys)?;
        for what in Beside::ALL {
            self.load(next.disk, what)?;
        }
        let thrown_away = || Whose::ThrownAway(next.disk.to_owned());
        self.belongs(&if next.is_thrown_away { thrown_away() } else { wanted })
    }

    fn leave(&self) -> Result<(), Trouble> {
        let Some(Whose::Of(disk)) = self.whose()? else { return Ok(()) };
        for what in Beside::ALL {
            self.copy(&self.live(what), &self.beside(&disk, what))?;
        }
        self.belongs(&Whose::Nobodys)
    }

    fn snapshot(&self, disk: &str, snapshot: &str) -> Result<(), Trouble> {
        let whose = self.whose()?;
        let is_live = whose.is_none_or(|whose| whose == Whose::Of(disk.to_owned()));
        for what in Beside::ALL {
            let from = if is_live { self.live(what) } else { self.beside(disk, what) };
            self.copy(&from, &self.beside(snapshot, what))?;
        }
        Ok(())
    }

    /// One that was taken when nothing was kept, or before anybody copied it, changes nothing.
    fn revert(&self, disk: &str, snapshot: &str) -> Result<(), Trouble> {
        if !Beside::ALL.iter().any(|what| self.beside(snapshot, *what).exists()) {
            return Ok(());
        }
        self.belongs(&Whose::Nobodys)?;
        for what in Beside::ALL {
            self.copy(&self.beside(snapshot, what), &self.beside(disk, what))?;
        }
        Ok(())
    }

    /// What is beside the disk is what runs next; if there is nothing, whoever starts it makes it.
    fn load(&self, disk: &str, what: Beside) -> Result<(), Trouble> {
        let (from, to) = (self.beside(disk, what), self.live(what));
        match (what, read(&from).map_err(|error| failed(&from, &error))?) {
            (Beside::Firmware, Some(bytes)) => Ok(self.images.put(&to, &bytes)?),
            (Beside::Firmware, None) => {
                gone(fs::remove_file(&to)).map_err(|error| failed(&to, &error))
            }
            (Beside::Tpm, Some(bytes)) => {
                write_tpm(&from, &to, &bytes).map_err(|error| failed(&to, &error))
            }
            // libvirt makes a TPM where it finds an empty folder.
            (Beside::Tpm, None) => {
                gone(fs::remove_dir_all(&self.tpm)).map_err(|error| failed(&self.tpm, &error))
            }
        }
    }

    /// The same, or nothing where there is nothing. Who has it goes along as far as that can be.
    fn copy(&self, from: &Path, to: &Path) -> Result<(), Trouble> {
        let Some(bytes) = read(from).map_err(|error| failed(from, &error))? else {
            return gone(fs::remove_file(to)).map_err(|error| failed(to, &error));
        };
        self.images.put(to, &bytes)?;
        let meta = fs::symlink_metadata(from).map_err(|error| failed(from, &error))?;
        let _ = chown(to, Some(meta.uid()), Some(meta.gid()));
        Ok(())
    }

    fn whose(&self) -> Result<Option<Whose>, Trouble> {
        let path = self.folder.join(FIRMWARE_OF);
        let text = read(&path).map_err(|error| failed(&path, &error))?;
        let text = text.map(|text| String::from_utf8_lossy(&text).trim_end().to_owned());
        Ok(text.map(|text| match text.strip_suffix(THROWN_AWAY) {
            Some(disk) => Whose::ThrownAway(disk.to_owned()),
            None if text.is_empty() => Whose::Nobodys,
            None => Whose::Of(text),
        }))
    }

    fn belongs(&self, to: &Whose) -> Result<(), Trouble> {
        let text = match to {
            Whose::Nobodys => "\n".to_owned(),
            Whose::Of(disk) => format!("{disk}\n"),
            Whose::ThrownAway(disk) => format!("{disk}{THROWN_AWAY}\n"),
        };
        Ok(self.images.put(&self.folder.join(FIRMWARE_OF), text.as_bytes())?)
    }

    fn beside(&self, disk: &str, what: Beside) -> PathBuf {
        self.folder.join(beside_name(disk, what))
    }

    fn live(&self, what: Beside) -> PathBuf {
        match what {
            Beside::Firmware => self.folder.join(FIRMWARE),
            Beside::Tpm => self.tpm.join(TPM_FILE),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Trouble {
    Trouble::again("firmware", &format!("{}: {error}", path.display()))
}

/// Where swtpm's user may write, a name may lead elsewhere.
fn no_link() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

/// Nothing: there is no such file.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::options().read(true).custom_flags(no_link()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other("it is too long for what it is"));
    }
    Ok(Some(bytes))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Written where it is: swtpm is a user of its own, whose the file has to stay.
fn write_tpm(from: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_new = !to.exists();
    if let Some(folder) = to.parent().filter(|_| is_new) {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(no_link());
    let mut file = options.open(to)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let meta = fs::metadata(from)?;
    if is_new {
        let _ = chown(to, Some(meta.uid()), Some(meta.gid()));
    }
    Ok(())
}
