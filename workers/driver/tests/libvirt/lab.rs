//! A host of its own: a libvirtd, a storage, and an image that boots.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use carrel_domain::{HostFile, Listen, Virtualization};
use carrel_driver::libvirt::{Facts, LibvirtHost};
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
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const MACHINE: MachineId =
    MachineId::new(Uuid::from_u128(0xca44_e100_0000_7000_8000_0000_0000_0003));
pub(crate) const DISK: DiskId = DiskId::new(Uuid::from_u128(9));
pub(crate) const NAME: &str = "carrel-test-m";
/// In seconds since 1970: years from now, so that QEMU, which has a clock of its own, takes what is
/// armed for a minute.
const NOW: u64 = 4_000_000_000;
const SILENCE_MAX: Duration = Duration::from_secs(10);
const STORAGE: StorageId = StorageId::new(Uuid::from_u128(2));
const OPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/lab");

pub(crate) struct Lab {
    pub(crate) host: LibvirtHost,
    uri: String,
    script: Child,
    talk: Option<ChildStdin>,
    folder: TempDir,
}

impl Lab {
    /// # Panics
    /// It takes root and the packages of ops/test.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("carrel-lab-").tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("storage/media")).expect("a storage");
        let image = folder.path().join("storage/media/guest.qcow2");
        let made = Command::new(format!("{OPS}/guest-image")).arg(&image).status();
        assert!(made.expect("a script").success(), "an image");
        let mut script = Command::new(format!("{OPS}/libvirtd"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a script");
        let talk = script.stdin.take();
        let mut said = BufReader::new(script.stdout.take().expect("its output"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says that it is ready");
        let uri = line.trim().strip_prefix("ready ").expect("it is ready").to_owned();
        let host = host(&uri, &folder, network(script.id()));
        Self { host, uri, script, talk, folder }
    }

    /// As another process that knows nothing but what was written down.
    pub(crate) fn begin_anew(&mut self) {
        self.host = host(&self.uri, &self.folder, network(self.script.id()));
    }

    /// A connection within the lab's network.
    pub(crate) fn connect(&self, port: u16) -> TcpStream {
        let stream = within(network(self.script.id()), move || {
            TcpStream::connect(("127.0.0.1", port)).expect("somebody listens")
        });
        stream.set_read_timeout(Some(SILENCE_MAX)).expect("set");
        stream
    }

    /// Runs something in the guest by its agent, as somebody who is logged in there.
    pub(crate) fn exec(&self, path: &str, arguments: &[&str]) {
        let command =
            json!({"execute": "guest-exec", "arguments": {"path": path, "arg": arguments}});
        self.virsh(&["qemu-agent-command", NAME, &command.to_string()]);
    }

    pub(crate) fn root(&self) -> Root {
        let path = self.folder.path().join("storage");
        let path = HostPath::new(path.to_str().expect("UTF-8")).expect("a path");
        Root { storage: STORAGE, path }
    }

    pub(crate) fn place(&self, file: &str) -> Place {
        Place::new(&self.root(), file).expect("a file")
    }

    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.folder.path().join(format!("{MACHINE}.log")));
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
        let look = Look { domain, roots: vec![self.root()], places: Vec::new() };
        self.host.observe(&look).expect("it can be looked at")
    }

    pub(crate) fn virsh(&self, arguments: &[&str]) -> String {
        let output = Command::new("virsh").args(["--connect", &self.uri]).args(arguments).output();
        let output = output.expect("virsh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
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
            }],
            media: Vec::new(),
            networks: Vec::new(),
            display: Default::default(),
            properties: Default::default(),
            first_boot: None,
        }
    }
}

/// Whatever it asks by itself, it asks in the lab's network: threads begin where they are made.
fn host(uri: &str, folder: &TempDir, network: File) -> LibvirtHost {
    let facts = Facts {
        virtualization: Virtualization::Tcg,
        emulator: HostFile::new("/usr/bin/qemu-system-x86_64").expect("a path"),
        uefi: None,
        uefi_secure: None,
        spice: Listen::Loopback,
        consoles: folder.path().to_owned(),
        transport: "tcp".to_owned(),
    };
    let host = Arc::new(Host::new(Settings::new(uri)));
    let clock = Box::new(|| NOW);
    let made = move || LibvirtHost::new(host, Images::default(), facts, clock).expect("a host");
    within(network, made)
}

/// That of the script's child, which is the first process within.
fn network(script: u32) -> File {
    let children = fs::read_to_string(format!("/proc/{script}/task/{script}/children"));
    let children = children.expect("the script has a child");
    let first = children.split_whitespace().next().expect("one child");
    File::open(format!("/proc/{first}/ns/net")).expect("its network")
}

fn within<T: Send + 'static>(network: File, call: impl FnOnce() -> T + Send + 'static) -> T {
    let there = thread::spawn(move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("the lab's network can be entered");
        call()
    });
    there.join().expect("called")
}

impl Drop for Lab {
    /// The end of its input is the end of all of it.
    fn drop(&mut self) {
        drop(self.talk.take());
        let _ = self.script.wait();
    }
}

/// Two minutes: a guest without a processor of its own boots in five seconds on an idle machine.
const LOOKS_MAX: usize = 1_200;
const LOOK_EACH: Duration = Duration::from_millis(100);

/// Waits until it is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let (_waiting, pause) = sync_channel::<()>(0);
    for _ in 0..LOOKS_MAX {
        if so() {
            return;
        }
        let _ = pause.recv_timeout(LOOK_EACH);
    }
    panic!("it has not come to it: {what}");
}

/// A qcow2 file, by QEMU's own tool.
pub(crate) fn backing(file: &Path) -> Option<String> {
    let output = Command::new("qemu-img").args(["info", "-U", "--output=json"]).arg(file).output();
    let output = output.expect("qemu-img");
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    info["full-backing-filename"].as_str().map(str::to_owned)
}
