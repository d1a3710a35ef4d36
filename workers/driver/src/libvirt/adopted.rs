//! A domain that was there before Carrel is started as somebody else has written it, but for what
//! has to be Carrel's.
//!
//! Its guest was installed for that board and those drives, and was never made to be told who it
//! is: it gets no other hardware, and no CD. What its firmware and its TPM keep stays where it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::{fs, io};

use carrel_domain::tree::Element;
use carrel_domain::{Changes, Found};
use carrel_libvirt::Target;
use carrel_model::ids::{FromUuid as _, MachineId, MediaId};

use super::power::{attach, detach, drives};
use super::{LibvirtHost, describe};
use crate::place::{ADOPTED, adopted_file, machine_folder, medium_of};
use crate::step::Definition;
use crate::trouble::Trouble;

/// Nothing is done, and it is said, if it is Carrel that writes the machine's domain.
pub(super) fn define(
    on: &LibvirtHost,
    machine: MachineId,
    of: &Definition,
) -> Result<bool, Trouble> {
    let Some((found, was)) = found(on, machine, of)? else { return Ok(false) };
    let target = Target { uuid: found.uuid, machine: machine.uuid() };
    on.host.define_adopted(target, changes(on, &found, of)?, was)?;
    media(on, target, of)?;
    Ok(true)
}

/// What is known of it, and where no domain is, how it was written.
type Was = (Arc<Found>, Option<Element>);

/// As it is defined here, or as the host that had it before has left it.
fn found(on: &LibvirtHost, machine: MachineId, of: &Definition) -> Result<Option<Was>, Trouble> {
    if let Some(target) = on.find(machine)? {
        let observed = on.host.observe(target.uuid)?;
        let adopted = |found: &Arc<Found>| found.ours.as_ref().is_some_and(|ours| ours.adopted);
        return Ok(observed.map(|it| it.found).filter(adopted).map(|found| (found, None)));
    }
    let Some(left) = of.disks.first().and_then(|disk| adopted_file(machine, disk.own())) else {
        return Ok(None);
    };
    let text = match fs::read_to_string(left.path()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::again("file_io", &format!("{left}: {error}"))),
    };
    let unread = |why: String| Trouble::never("adopted", &format!("{left}: {why}"));
    let was = Element::parse(&text).map_err(|why| unread(why.to_string()))?;
    let found = Found::of(&was).map_err(|why| unread(why.to_string()))?;
    Ok(Some((Arc::new(found), Some(was))))
}

/// Before its domain goes from here: another host may have the machine next, and nobody but libvirt
/// knows what somebody has written. Of a machine that Carrel writes nothing is kept.
pub(super) fn leave(on: &LibvirtHost, target: Target) -> Result<(), Trouble> {
    let Some(observed) = on.host.observe(target.uuid)? else { return Ok(()) };
    if !observed.found.ours.as_ref().is_some_and(|ours| ours.adopted) {
        return Ok(());
    }
    let disk = observed.found.fixed_disks().find_map(|disk| disk.file.as_deref());
    let Some(root) = disk.and_then(|file| on.storages.of(file.as_ref())) else { return Ok(()) };
    let machine = MachineId::from_uuid(target.machine);
    let left = root.join(machine_folder(machine)).join(ADOPTED);
    Ok(on.images.put(&left, on.host.written(target)?.write().as_bytes())?)
}

fn changes(on: &LibvirtHost, found: &Found, of: &Definition) -> Result<Changes, Trouble> {
    let mut ours = describe::ours(of)?;
    ours.adopted = true;
    let mut there = found.fixed_disks();
    let mut disks = Vec::with_capacity(of.disks.len());
    for wanted in &of.disks {
        let differs = there.next().filter(|it| it.file.as_deref() != Some(&*wanted.file.path()));
        let hardware = &of.settings.hardware;
        let other = differs.map(|_| describe::disk(wanted, hardware, &on.images));
        disks.push(other.transpose()?);
    }
    let cpu = &of.settings.hardware.cpu;
    Ok(Changes {
        ours,
        memory_mib: of.settings.hardware.memory_mib,
        sockets_cores_threads: (cpu.sockets, cpu.cores, cpu.threads),
        disks,
        cards: describe::cards(of)?,
        display: describe::display(of, &on.facts),
    })
}

/// In the drives that it has. Of what lies in them only Carrel's media are anybody's business.
fn media(on: &LibvirtHost, target: Target, of: &Definition) -> Result<(), Trouble> {
    let wanted: BTreeSet<MediaId> = of.media.iter().map(|it| it.medium).collect();
    let there = drives(on, target)?.into_iter().filter_map(|(_, file)| medium_of(file?.as_str()));
    for gone in there.filter(|it| !wanted.contains(it)) {
        detach(on, target, gone)?;
    }
    of.media.iter().try_for_each(|medium| attach(on, target, medium))
}
