//! The CD that each machine has in a drive of its own, by which its guest learns who it is.

use std::path::Path;

use carrel_disc::{Card, Disc, FirstBoot, Os};
use carrel_domain::{Medium, Tray};
use carrel_images::Images;
use carrel_model::machine::{DiskBus, Os as GuestOs};
use carrel_model::version::latest::renewal::FirstBootDone;

use super::describe::file;
use crate::place::{Place, config_disc};
use crate::step::Definition;
use crate::trouble::Trouble;

/// Nothing: a machine without a disk has no place for it, and no system that would read it.
fn place(of: &Definition) -> Option<Place> {
    config_disc(of.machine, &of.disks.first()?.file)
}

/// Linux has the driver of virtio-scsi wherever it has one of virtio at all. Kernels that Debian
/// and others make for clouds have none of SATA; Windows has no other.
pub(super) fn drive(of: &Definition) -> Result<Option<Medium>, Trouble> {
    let Some(place) = place(of) else { return Ok(None) };
    let hardware = &of.settings.hardware;
    let tray = match (hardware.os, hardware.devices.disk_bus) {
        (GuestOs::Linux, DiskBus::Virtio | DiskBus::Scsi) => Tray::ScsiCd,
        (GuestOs::Linux, DiskBus::Sata) | (GuestOs::Windows | GuestOs::Other, _) => Tray::Cd,
    };
    Ok(Some(Medium { tray, file: Some(file(&place)?) }))
}

/// Durable before anybody starts the machine.
pub(super) fn put(of: &Definition, images: &Images) -> Result<(), Trouble> {
    let Some(place) = place(of) else { return Ok(()) };
    put_at(of, place.path().as_ref(), images)
}

pub(super) fn put_at(of: &Definition, path: &Path, images: &Images) -> Result<(), Trouble> {
    let image = disc(of).image();
    let image = image.map_err(|refused| Trouble::never("config_disc", &refused.to_string()))?;
    Ok(images.put(path, &image)?)
}

fn disc(of: &Definition) -> Disc {
    let properties = of.properties.iter();
    Disc {
        hostname: of.identity.hostname.as_str().to_owned(),
        uuid: of.identity.uuid,
        serial: of.identity.serial.as_str().to_owned(),
        os: match of.settings.hardware.os {
            GuestOs::Linux => Os::Linux,
            GuestOs::Windows => Os::Windows,
            GuestOs::Other => Os::Other,
        },
        system_disk: of.system_disk.clone(),
        cards: of
            .networks
            .iter()
            .map(|it| Card { mac: it.mac.0, network: it.network.uuid() })
            .collect(),
        properties: properties
            .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
            .collect(),
        first_boot: of.first_boot.as_ref().map(|it| match it.done {
            FirstBootDone::GuestPoweroff => FirstBoot::GuestPoweroff,
            FirstBootDone::Agent => FirstBoot::Agent,
            FirstBootDone::Tcp { port } => FirstBoot::Tcp(port),
        }),
    }
}
