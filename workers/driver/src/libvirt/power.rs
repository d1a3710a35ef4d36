//! Steps on domains.

use std::net::UdpSocket;
use std::path::Path;
use std::{fs, io};

use carrel_domain::{HostFile, Label};
use carrel_libvirt::{Asked, Destination, Firmly, Shown, Target, Was};
use carrel_model::ids::{MachineId, MediaId};
use carrel_model::mac::Mac;
use carrel_model::work::MediumSpec;

use super::people::Pass;
use super::{LibvirtHost, adopted, config, describe, kept};
use crate::place::{is_config_disc, medium_file, medium_of};
use crate::step::{Definition, Step};
use crate::trouble::Trouble;

pub(super) fn step(on: &LibvirtHost, machine: MachineId, step: &Step) -> Result<(), Trouble> {
    let (host, target) = (&on.host, || on.target(machine));
    match step {
        Step::Define(definition) => {
            if !adopted::define(on, machine, definition)? {
                define(on, machine, definition)?;
            }
        }
        Step::Undefine { deleted } => undefine(on, machine, *deleted)?,
        Step::Start { boot_epoch } => {
            if host.start(target()?, *boot_epoch)? == Was::Done {
                on.people.begins(machine);
            }
        }
        Step::Shutdown => so(host.shutdown(target()?, Asked::Acpi))?,
        Step::Reboot { boot_epoch } => so(host.reboot(target()?, *boot_epoch))?,
        Step::Reset { boot_epoch } => so(host.reset(target()?, *boot_epoch))?,
        Step::Destroy => so(host.destroy(target()?))?,
        Step::Suspend => so(host.suspend(target()?))?,
        Step::Resume => so(host.resume(target()?))?,
        Step::Wake => so(host.wake(target()?))?,
        Step::Migrate { address, .. } => {
            let uri = format!("qemu+{}://{address}/system", on.facts.transport);
            let (address, files_are_shared) = (address.parse().ok(), true);
            so(host.migrate(target()?, &Destination { uri, address, files_are_shared }))?;
        }
        Step::ArmDisplay { session, ticket, protocol, password, valid_seconds } => {
            let until = (on.clock)().saturating_add(u64::from(*valid_seconds));
            let pass = Pass { protocol: *protocol, password, until_unix: until };
            on.people.arms(host, target()?, (*session, *ticket), &pass)?;
        }
        Step::CutViewers { of } => on.people.cuts(host, target()?, of)?,
        Step::PutConfig(definition) => put_config(on, machine, definition)?,
        Step::AttachMedium(medium) => attach(on, target()?, medium)?,
        Step::DetachMedium(medium) => detach(on, target()?, *medium)?,
        Step::ShowMessage(text) => show(on, target()?, text.as_str())?,
        Step::WakeOnLan(mac) => wake_on_lan(*mac)?,
        Step::MakeDisk { .. }
        | Step::Resize { .. }
        | Step::Rebase { .. }
        | Step::Copy { .. }
        | Step::CopyVersion { .. }
        | Step::Import { .. }
        | Step::Seal { .. }
        | Step::Verify { .. }
        | Step::Accept { .. }
        | Step::RemoveFiles { .. }
        | Step::TakeSnapshot { .. }
        | Step::RevertSnapshot { .. }
        | Step::DeleteSnapshot { .. } => {
            return Err(Trouble::never("no_power", "a step on files is no matter of libvirt's"));
        }
    }
    Ok(())
}

fn define(on: &LibvirtHost, machine: MachineId, of: &Definition) -> Result<(), Trouble> {
    let mut domain = describe::domain(of, &on.facts, &on.images)?;
    if let Some(board) = board(on, machine, &domain)? {
        domain.machine_type = board;
    }
    // Before the domain: who finds that defined has no more to make.
    kept::define(on, of, &domain)?;
    config::put(of, &on.images)?;
    Ok(on.host.define(&domain)?)
}

/// The name of a board without a version stands for another one after each upgrade of QEMU, which a
/// guest takes for other hardware. libvirt has written down what it stood for at first.
fn board(
    on: &LibvirtHost,
    machine: MachineId,
    now: &carrel_domain::Domain,
) -> Result<Option<Label>, Trouble> {
    let Some(target) = on.find(machine)? else { return Ok(None) };
    let Some(before) = on.host.observe(target.uuid)? else { return Ok(None) };
    let board = before.found.machine_type.as_deref();
    let board = board.filter(|it| it.starts_with(&format!("pc-{}-", now.machine_type.as_str())));
    Ok(board.and_then(|board| Label::new(board).ok()))
}

/// Whether it was so before is the same to whoever asked for it.
fn so(done: Result<Was, carrel_libvirt::Trouble>) -> Result<(), Trouble> {
    done.map(|(Was::Done | Was::So)| ()).map_err(Trouble::from)
}

/// What its firmware and its TPM have kept belongs to its disk, and goes with that.
fn undefine(on: &LibvirtHost, machine: MachineId, deleted: bool) -> Result<(), Trouble> {
    let firmly = if deleted { Firmly::Gone } else { Firmly::Kept };
    on.people.forgets(machine, on.people.now());
    // Before the domain: without one nobody looks here again.
    forget_console(&describe::console(machine, &on.facts))
        .map_err(|error| Trouble::again("console", &error.to_string()))?;
    match on.find(machine)? {
        Some(target) => {
            if !deleted {
                kept::release(on, target)?;
                adopted::leave(on, target)?;
            }
            Ok(on.host.undefine(target, firmly)?)
        }
        None => Ok(()),
    }
}

/// What its guest has said is about people, too. virtlogd keeps what was said before in files with
/// a number behind their names.
fn forget_console(console: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (console.parent(), console.file_name()) else { return Ok(()) };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Where its domain has it: with the next definition it may be elsewhere. That it says nothing of
/// somebody any more is noted last.
fn put_config(on: &LibvirtHost, machine: MachineId, of: &Definition) -> Result<(), Trouble> {
    let Some(target) = on.find(machine)? else { return Ok(()) };
    let files = drives(on, target)?.into_iter().filter_map(|(_, file)| file);
    for file in files.filter(|file| is_config_disc(machine, file)) {
        config::put_at(of, file.as_ref(), &on.images)?;
        let file = HostFile::new(&file).map_err(|unfit| unfit_path(&file, &unfit))?;
        on.host.reload(target, &file)?;
    }
    Ok(on.host.note_people(target, of.people.clone())?)
}

/// A drive by the name that the guest's bus gives it, and the file in it.
pub(super) fn drives(
    on: &LibvirtHost,
    target: Target,
) -> Result<Vec<(String, Option<String>)>, Trouble> {
    let Some(observed) = on.host.observe(target.uuid)? else { return Ok(Vec::new()) };
    let drives =
        observed.found.disks.iter().filter(|it| it.device == carrel_domain::FoundDevice::Cd);
    Ok(drives.map(|drive| (drive.target.clone(), drive.file.clone())).collect())
}

pub(super) fn attach(on: &LibvirtHost, target: Target, medium: &MediumSpec) -> Result<(), Trouble> {
    let unseen = || Trouble::never("media_unseen", "this host does not see the medium's storage");
    let file = medium_file(medium).ok_or_else(unseen)?.path();
    let drives = drives(on, target)?;
    if drives.iter().any(|(_, there)| there.as_deref() == Some(&*file)) {
        return Ok(());
    }
    let full = || Trouble::never("no_drive", "no drive is empty; take another medium out first");
    let (drive, _) = drives.iter().find(|(_, there)| there.is_none()).ok_or_else(full)?;
    let file = HostFile::new(&file).map_err(|unfit| unfit_path(&file, &unfit))?;
    Ok(on.host.load(target, drive, Some(&file))?)
}

pub(super) fn detach(on: &LibvirtHost, target: Target, medium: MediaId) -> Result<(), Trouble> {
    let holds = |file: &Option<String>| file.as_deref().and_then(medium_of) == Some(medium);
    match drives(on, target)?.iter().find(|(_, file)| holds(file)) {
        Some((drive, _)) => Ok(on.host.load(target, drive, None)?),
        None => Ok(()),
    }
}

pub(super) fn unfit_path(path: &str, unfit: &carrel_domain::text::Unfit) -> Trouble {
    Trouble::never("path", &format!("{path}: {unfit}"))
}

fn show(on: &LibvirtHost, target: Target, words: &str) -> Result<(), Trouble> {
    let observed = on.host.observe(target.uuid)?;
    // Only Windows has its clock in local time.
    let is_windows = observed.is_some_and(|it| it.found.clock_is_local);
    let shown = if is_windows { Shown::Windows } else { Shown::Unix };
    Ok(on.host.show(target, shown, words)?)
}

/// Six bytes of ones and sixteen times the address, to everybody (AMD, Magic Packet Technology).
fn wake_on_lan(mac: Mac) -> Result<(), Trouble> {
    let mut packet = vec![0xff; 6];
    (0..16).for_each(|_| packet.extend(mac.0));
    let send = || -> io::Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_broadcast(true)?;
        socket.send_to(&packet, "255.255.255.255:9").map(drop)
    };
    send().map_err(|error| Trouble::again("wake_on_lan", &error.to_string()))
}
