//! CDs in the drives of a domain, disks that grow under it, and what they complain of.

use carrel_domain::device::loaded;
use carrel_domain::{Found, FoundDevice, HostFile};
use serde_json::Value;
use uuid::Uuid;
use virt::connect::Connect;
use virt_sys as sys;

use crate::display::ask;
use crate::host::Host;
use crate::state::{Pause, State};
use crate::target::{Target, found};
use crate::trouble::Trouble;

/// Why a disk has stopped a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    /// QEMU's name for the device.
    pub device: String,
    /// What is in it.
    pub file: Option<String>,
    /// There is no room on its storage.
    pub is_full: bool,
}

impl Host {
    /// Another CD, or none, in the drive of this target: at once if it runs, and for good. A guest
    /// that has locked its drive is not asked.
    pub fn load(
        &self,
        target: Target,
        drive: &str,
        file: Option<&HostFile>,
    ) -> Result<(), Trouble> {
        let (drive, file) = (drive.to_owned(), file.cloned());
        let loaded = self
            .act(Some(target.uuid), move |connect| load(connect, target, &drive, file.as_ref()));
        self.known.forget(target.uuid);
        loaded
    }

    /// A CD whose file is another one by now is put in anew. What doesn't run opens it anyway. A
    /// guest that has locked its drive is not asked.
    pub fn reload(&self, target: Target, file: &HostFile) -> Result<(), Trouble> {
        let file = file.clone();
        self.act(Some(target.uuid), move |connect| reload(connect, target, &file))
    }

    /// Of whom its configuration CD says something.
    pub fn note_people(&self, target: Target, people: Vec<Uuid>) -> Result<(), Trouble> {
        let noted = self.act(Some(target.uuid), move |connect| {
            target.take(connect)?.mark(|ours| ours.people = people)
        });
        self.known.forget(target.uuid);
        noted
    }

    /// The disk in this file grows under the guest that writes to it, which is told. It never
    /// shrinks. Not so: no guest runs on that file.
    pub fn grow(&self, target: Target, file: &str, bytes: u64) -> Result<bool, Trouble> {
        let file = file.to_owned();
        self.act(Some(target.uuid), move |connect| grow(connect, target, &file, bytes))
    }

    pub fn disk_errors(&self, target: Target) -> Result<Vec<DiskError>, Trouble> {
        self.ask_monitor(target.uuid, move |connect| {
            let held = target.take(connect)?;
            // QEMU forgets no error when its guest goes on.
            if held.state != State::Paused(Pause::Io) {
                return Ok(Vec::new());
            }
            Ok(errors(&ask(&held, "query-block")?))
        })
    }
}

fn grow(connect: &Connect, target: Target, file: &str, bytes: u64) -> Result<bool, Trouble> {
    let held = target.take(connect)?;
    if !held.state.is_on() {
        return Ok(false);
    }
    let found = Found::of(&held.live()?);
    let found = found.map_err(|error| Trouble::never("unreadable", &error.to_string()))?;
    let mut disks = found.disks.iter().filter(|it| it.device == FoundDevice::Disk);
    let Some(disk) = disks.find(|it| it.file.as_deref() == Some(file)) else { return Ok(false) };
    if held.domain.get_block_info(&disk.target, 0)?.capacity < bytes {
        held.domain.block_resize(&disk.target, bytes, sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES)?;
    }
    Ok(true)
}

fn load(
    connect: &Connect,
    target: Target,
    drive: &str,
    file: Option<&HostFile>,
) -> Result<(), Trouble> {
    let held = target.take(connect)?;
    let device = loaded(&held.live()?, drive, file);
    let device = device.ok_or_else(|| Trouble::never("no_drive", "it has no such drive"))?;
    let now = if held.state.is_on() { sys::VIR_DOMAIN_AFFECT_LIVE } else { 0 };
    let flags = now | sys::VIR_DOMAIN_AFFECT_CONFIG | sys::VIR_DOMAIN_DEVICE_MODIFY_FORCE;
    held.domain.update_device_flags(&device, flags)?;
    Ok(())
}

/// libvirt does nothing for a file of the same name, so the drive is empty in between. Where the CD
/// belongs stands in what is defined, also if somebody died meanwhile.
fn reload(connect: &Connect, target: Target, file: &HostFile) -> Result<(), Trouble> {
    let held = target.take(connect)?;
    if !held.state.is_on() {
        return Ok(());
    }
    let defined = found(&held.domain)?;
    let mut drives = defined.disks.iter().filter(|it| it.device == FoundDevice::Cd);
    let Some(drive) = drives.find(|it| it.file.as_deref() == Some(file.as_str())) else {
        return Ok(());
    };
    let flags = sys::VIR_DOMAIN_AFFECT_LIVE | sys::VIR_DOMAIN_DEVICE_MODIFY_FORCE;
    for file in [None, Some(file)] {
        let device = loaded(&held.live()?, &drive.target, file);
        let device = device.ok_or_else(|| Trouble::never("no_drive", "it has no such drive"))?;
        held.domain.update_device_flags(&device, flags)?;
    }
    Ok(())
}

fn errors(answer: &Value) -> Vec<DiskError> {
    let disks = answer.as_array().into_iter().flatten();
    let complaints = disks.filter_map(|disk| {
        let status = disk.get("io-status")?.as_str().filter(|status| *status != "ok")?;
        let name = |key: &str| disk.get(key).and_then(Value::as_str).filter(|it| !it.is_empty());
        let device = name("qdev").or_else(|| name("device")).unwrap_or_default();
        let file = disk.pointer("/inserted/image/filename").and_then(Value::as_str);
        Some(DiskError {
            device: device.to_owned(),
            file: file.map(str::to_owned),
            is_full: status == "nospace",
        })
    });
    complaints.collect()
}

#[cfg(test)]
mod tests {
    use super::errors;
    use serde_json::json;

    #[test]
    fn a_full_storage_is_told_from_a_broken_one() {
        let answer = json!([
            {"device": "", "qdev": "/machine/vda", "io-status": "nospace",
             "inserted": {"file": "json:{}", "image": {"filename": "/srv/a.qcow2"}}},
            {"device": "b", "io-status": "failed"},
            {"device": "c", "io-status": "ok"},
            {"device": "d"},
        ]);
        let found = errors(&answer);
        let found: Vec<_> =
            found.iter().map(|it| (it.device.as_str(), it.file.as_deref(), it.is_full)).collect();
        assert_eq!(found, [("/machine/vda", Some("/srv/a.qcow2"), true), ("b", None, false)]);
    }
}
