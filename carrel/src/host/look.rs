//! What this machine can do as a host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_domain::{HostFile, Listen, Virtualization};
use carrel_driver::libvirt::{Facts, Storages, Uefi, make_folder};
use carrel_libvirt::preflight::{Item, Report, Verdict, Wanted, What};
use carrel_libvirt::{Capacity, Host, Settings};

use super::Displays;
use crate::failure::Failure;

/// Where Debian and its like have it.
const EMULATOR: &str = "/usr/bin/qemu-system-x86_64";

/// Firmware and the settings that it begins with, by distribution: the first that is there.
const UEFI: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
];
/// The same, which starts only what Microsoft has signed.
const UEFI_SECURE: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),
];

/// Where the libvirtd of a system has what TPMs hold.
const TPMS: &str = "/var/lib/libvirt/swtpm";

/// What guests write to their serial ports, a file each.
const CONSOLES: &str = "consoles";

/// Which libvirt, and where files shall lie.
#[derive(Clone, Debug)]
pub(crate) struct Where {
    pub(crate) uri: String,
    pub(crate) storage: PathBuf,
    pub(crate) displays: Option<Displays>,
    pub(crate) now_unix: u64,
    /// Of a site that uses the storage, or begins to.
    pub(crate) storages: Option<Arc<Storages>>,
}

/// A host that can be worked on.
#[derive(Debug)]
pub(crate) struct Here {
    pub(crate) host: Arc<Host>,
    pub(crate) report: Report,
    /// Nothing: no guest can run here, as the report says.
    pub(crate) ready: Option<Ready>,
}

#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) facts: Facts,
    pub(crate) capacity: Capacity,
    pub(crate) storage: PathBuf,
}

/// It takes some seconds: a guest is started to see how guests run here.
pub(crate) fn look(at: &Where) -> Result<Here, Failure> {
    let unmade = |why: io::Error| {
        let failure = Failure::new(format!("{} can't be made", at.storage.display()));
        failure.because(why).next("name another folder with --storage")
    };
    match &at.storages {
        Some(storages) => begin(storages, &at.storage)?,
        None => make_folder(&at.storage).map_err(unmade)?,
    }
    let storage = fs::canonicalize(&at.storage).map_err(unmade)?;
    let consoles = storage.join(CONSOLES);
    make_folder(&consoles).map_err(unmade)?;
    let host = Arc::new(Host::new(Settings::new(&at.uri)));
    let unreached = |why| {
        let failure = Failure::new(format!("libvirt does not answer at {}", at.uri)).because(why);
        failure.next("install libvirt-daemon-system and start libvirtd, or name another with --libvirt-uri; `carrel hypervisor check` looks again")
    };
    let emulator = file(EMULATOR)?;
    let wanted = Wanted {
        emulator: emulator.clone(),
        folders: vec![storage.clone()],
        displays: at
            .displays
            .as_ref()
            .filter(|it| it.are_certified())
            .map_or(Listen::Loopback, Displays::listen),
        now_unix: at.now_unix,
    };
    let mut report = host.preflight(&wanted).map_err(unreached)?;
    if let Some(displays) = at.displays.as_ref().filter(|it| !it.are_certified()) {
        report.items.push(uncertified(displays));
    }
    let Some(virtualization) = report.virtualization else {
        return Ok(Here { host, report, ready: None });
    };
    let capacity = host.capacity(&emulator, virtualization).map_err(unreached)?;
    let spice = at.displays.as_ref().map_or(Listen::Loopback, Displays::listen);
    let facts = facts(virtualization, emulator, spice, consoles)?;
    let ready = Some(Ready { facts, capacity, storage });
    Ok(Here { host, report, ready })
}

fn uncertified(displays: &Displays) -> Item {
    let (address, folder) = (displays.address, displays.folder.display());
    let detail = format!(
        "not tried at {address}: there is no certificate in {folder} before Carrel has started"
    );
    Item { what: What::Display, verdict: Verdict::Warns, detail }
}

fn facts(
    virtualization: Virtualization,
    emulator: HostFile,
    spice: Listen,
    consoles: PathBuf,
) -> Result<Facts, Failure> {
    Ok(Facts {
        virtualization,
        emulator,
        uefi: firmware(UEFI)?,
        uefi_secure: firmware(UEFI_SECURE)?,
        spice,
        consoles,
        tpms: TPMS.into(),
        transport: "tls".to_owned(),
    })
}

/// It is known by the path that it has without links.
fn begin(storages: &Storages, storage: &Path) -> Result<(), Failure> {
    let root = fs::canonicalize(storage).unwrap_or_else(|_| storage.to_owned());
    let unready = |why| Failure::new("this host's storage can't be used").because(why);
    storages.ready(&root).map_err(unready)
}

fn file(path: &str) -> Result<HostFile, Failure> {
    HostFile::new(path).map_err(|why| Failure::new(format!("{path} is no path")).because(why))
}

fn firmware(known: &[(&str, &str)]) -> Result<Option<Uefi>, Failure> {
    let there = |path: &str| Path::new(path).exists();
    let found = known.iter().find(|(loader, template)| there(loader) && there(template));
    let read = |(loader, template): &(&str, &str)| {
        Ok(Uefi { loader: file(loader)?, template: file(template)? })
    };
    found.map(read).transpose()
}
