//! A host of its own: a libvirtd, a storage, and an image that boots.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use carrel_domain::{HostFile, Listen, Virtualization};
use carrel_driver::libvirt::{Facts, LibvirtHost, Uefi};
use carrel_driver::{
    Cancel, DefinedDisk, Definition, Doing, Done, Hypervisor, Look, LookFor, Place, Root, Seen,
    SilentAdvance, Step, Trouble,
};
use carrel_images::Images;
use carrel_libvirt::{Host, Settings};
use carrel_model::ids::{DiskId, MachineId, StorageId};
use carrel_model::machine::Format;
use carrel_model::name::HostPath;
use carrel_model::work::Thing;
use serde_json::json;
use uuid::Uuid;

pub(crate) const MACHINE: MachineId =
    MachineId::new(Uuid::from_u128(0xca44_e100_0000_7000_8000_0000_0000_0003));
pub(crate) const DISK: DiskId = DiskId::new(Uuid::from_u128(9));
pub(crate) const NAME: &str = "carrel-test-m";
/// In seconds since 1970: years from now, so that QEMU, which has a clock of its own, takes what is
/// armed for a minute.
const NOW: u64 = 4_000_000_000;
const STORAGE: StorageId = StorageId::new(Uuid::from_u128(2));

pub(crate) struct Lab {
    pub(crate) host: LibvirtHost,
    lab: carrel_lab::Lab,
    clock: Arc<AtomicU64>,
}

impl Deref for Lab {
    type Target = carrel_lab::Lab;

    fn deref(&self) -> &carrel_lab::Lab {
        &self.lab
    }
}

impl Lab {
    pub(crate) fn start() -> Self {
        let lab = carrel_lab::Lab::start();
        let media = lab.folder().join("storage/media");
        fs::create_dir_all(&media).expect("a storage");
        carrel_lab::guest_image(&media.join("guest.qcow2"));
        let clock = Arc::new(AtomicU64::new(NOW));
        let host = host(&lab, &clock);
        Self { host, lab, clock }
    }

    /// So much later it is for the driver.
    pub(crate) fn passes(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// As another process that knows nothing but what was written down.
    pub(crate) fn begin_anew(&mut self) {
        self.host = host(&self.lab, &self.clock);
    }

    /// Runs something in the guest by its agent, as somebody who is logged in there.
    pub(crate) fn exec(&self, path: &str, arguments: &[&str]) {
        assert!(self.tries_exec(path, arguments), "its agent does not listen");
    }

    /// The same where its agent may not listen yet.
    pub(crate) fn tries_exec(&self, path: &str, arguments: &[&str]) -> bool {
        let command =
            json!({"execute": "guest-exec", "arguments": {"path": path, "arg": arguments}});
        self.tries(&["qemu-agent-command", NAME, &command.to_string()]).is_some()
    }

    pub(crate) fn root(&self) -> Root {
        let path = self.folder().join("storage");
        let path = HostPath::new(path.to_str().expect("UTF-8")).expect("a path");
        Root { storage: STORAGE, path }
    }

    pub(crate) fn place(&self, file: &str) -> Place {
        Place::new(&self.root(), file).expect("a file")
    }

    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.folder().join(format!("{MACHINE}.log")));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    pub(crate) fn try_step(&self, step: &Step) -> Result<Done, Trouble> {
        let doing = Doing { thing: Thing::Machine(MACHINE), generation: 1, boot_epoch: 1 };
        self.host.step(&doing, step, &SilentAdvance, &Cancel::new())
    }

    /// Each step is taken twice: the second time it finds that it is so.
    #[track_caller]
    pub(crate) fn does(&self, step: &Step) -> Done {
        let first = self.try_step(step).unwrap_or_else(|trouble| panic!("{step:?}: {trouble}"));
        let second = self.try_step(step).unwrap_or_else(|trouble| panic!("{step:?}: {trouble}"));
        assert_eq!(first, second, "{step:?}");
        first
    }

    pub(crate) fn sees(&self) -> Seen {
        let domain = Some(LookFor { machine: MACHINE, uuid: None });
        let look = Look { domain, roots: vec![self.root()], ..Look::default() };
        self.host.observe(&look).expect("it can be looked at")
    }

    /// The machine's disk, on the guest's.
    pub(crate) fn makes_disk(&self) -> Place {
        let overlay = self.place(&format!("machines/{MACHINE}/{DISK}-0.qcow2"));
        let on = Some((self.place("media/guest.qcow2"), Format::Qcow2));
        let (file, format, size_gib) = (overlay.clone(), Format::Qcow2, 1);
        self.does(&Step::MakeDisk { file, format, size_gib, on });
        overlay
    }

    pub(crate) fn definition(&self, boot_epoch: u64, disk: &Place) -> Step {
        Step::Define(Box::new(self.definition_of(boot_epoch, disk)))
    }

    pub(crate) fn definition_of(&self, boot_epoch: u64, disk: &Place) -> Definition {
        let settings = json!({
            "hardware": { "firmware": "bios", "memory_mib": 128, "cpu": {
                "sockets": 1, "cores": 1, "threads": 1,
            } },
        });
        let identity = json!({
            "uuid": Uuid::from_u128(0xca44_e100_0000_4000_8000_0000_0000_0007),
            "mac": "52:54:00:00:00:01", "serial": "C-0001", "hostname": "m-1",
            "machine_type": "q35", "cpu_model": "host-model",
        });
        Definition {
            machine: MACHINE,
            name: NAME.parse().expect("a name"),
            identity: serde_json::from_value(identity).expect("an identity"),
            generation: 1,
            boot_epoch,
            settings: serde_json::from_value(settings).expect("settings"),
            disks: vec![DefinedDisk {
                id: DISK,
                file: disk.clone(),
                format: Format::Qcow2,
                throwaway: None,
                below: None,
            }],
            system_disk: disk.name().to_owned(),
            media: Vec::new(),
            networks: Vec::new(),
            display: Default::default(),
            properties: serde_json::from_value(json!({ "room": "12 \"b\"" })).expect("properties"),
            people: Vec::new(),
            first_boot: None,
        }
    }
}

fn uefi() -> Option<Uefi> {
    let file = |name: &str| HostFile::new(&format!("/usr/share/OVMF/OVMF_{name}_4M.fd"));
    Some(Uefi { loader: file("CODE").ok()?, template: file("VARS").ok()? })
}

/// Whatever it asks by itself, it asks in the lab's network: threads begin where they are made.
fn host(lab: &carrel_lab::Lab, clock: &Arc<AtomicU64>) -> LibvirtHost {
    let facts = Facts {
        virtualization: Virtualization::Tcg,
        emulator: HostFile::new("/usr/bin/qemu-system-x86_64").expect("a path"),
        uefi: uefi(),
        uefi_secure: None,
        spice: Listen::Loopback,
        consoles: lab.folder().to_owned(),
        tpms: lab.folder().join("lib/swtpm"),
        transport: "tcp".to_owned(),
    };
    let host = Arc::new(Host::new(Settings::new(lab.uri())));
    let clock = Arc::clone(clock);
    let clock = Box::new(move || clock.load(Ordering::Relaxed));
    lab.within(move || LibvirtHost::new(host, Images::default(), facts, clock).expect("a host"))
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    carrel_lab::eventually(what, || so().then_some(()));
}

/// A qcow2 file, by QEMU's own tool.
pub(crate) fn backing(file: &Path) -> Option<String> {
    let (path, _) = carrel_lab::backing(file)?;
    Some(path.to_string_lossy().into_owned())
}
