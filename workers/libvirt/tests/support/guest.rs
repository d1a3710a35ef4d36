//! A guest of a kernel and busybox, that does what its kernel's command line says.

use std::fs;
use std::path::Path;
use std::process::Command;

use carrel_domain::{
    Boot, Cpu, Display, Domain, Firmware, Graphics, Guest, HostFile, Kernel, Label, Listen, Model,
    Name, Ours, Spice, Video, Virtualization, Vnc,
};
use uuid::Uuid;

use super::lab::Lab;

/// What the guest does when it is up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// It stays, switches off when somebody presses the power button, and has an agent.
    Wait,
    PowerOff,
    Panic,
    /// It writes its first disk full.
    Fill,
}

const KERNEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/lab/kernel");

pub(crate) const UP: &str = "the guest is up";

const MODULES: [&str; 11] = [
    "drivers/input/evdev",
    "drivers/acpi/button",
    "drivers/misc/pvpanic/pvpanic",
    "drivers/misc/pvpanic/pvpanic-mmio",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/char/virtio_console",
    "drivers/block/virtio_blk",
];

const INIT: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
hostname tiny
for module in MODULES; do insmod /modules/$module.ko; done
echo 'the guest is up' >/dev/ttyS0
case $(cat /proc/cmdline) in
*does=poweroff*) poweroff -f ;;
*does=panic*) echo c >/proc/sysrq-trigger ;;
*does=fill*) dd if=/dev/urandom of=/dev/vda bs=64k >/dev/ttyS0 2>&1; sync ;;
esac
for event in /dev/input/event*; do (head -c 1 $event >/dev/null; poweroff -f) & done
for port in /sys/class/virtio-ports/*; do
    if [ \"$(cat $port/name)\" = org.qemu.guest_agent.0 ]; then
        qemu-ga -m virtio-serial -p /dev/${port##*/} -t / >/dev/ttyS0 2>&1 &
    fi
done
while :; do sleep 1000; done
";

/// As the real one does without arguments. What it does with them, this one leaves out.
const WALL: &str = "#!/bin/sh
{ echo 'read out:'; cat; echo; echo 'read out.'; } >/dev/ttyS0
";

/// Between these lines stands on the console what is read out to whoever sits there.
pub(crate) const READ_OUT: [&str; 2] = ["read out:", "read out."];

/// Far enough from those of others that nobody takes one for theirs.
const UUIDS: u128 = 0xca44_e100_0000_4000_8000_0000_0000_0000;

pub(crate) fn guest(lab: &Lab, number: u64, does: Does) -> Domain {
    let (image, initrd) = boot_files(lab);
    let does = match does {
        Does::Wait => "wait",
        Does::PowerOff => "poweroff",
        Does::Panic => "panic",
        Does::Fill => "fill",
    };
    let arguments = format!("console=ttyS0 quiet panic=-1 does={does}");
    let label = |text: &str| Label::new(text).expect("a label");
    let name = format!("carrel-test-{number}");
    let machine = Uuid::from_u128(UUIDS + (1 << 32) + u128::from(number));
    let spice = Spice {
        listen: Listen::Loopback,
        clipboard: false,
        file_transfer: false,
        audio: true,
        usb_redirections: 0,
        smart_card: false,
    };
    Domain {
        name: Name::new(&name).expect("a name"),
        uuid: Uuid::from_u128(UUIDS + u128::from(number)),
        title: None,
        ours: Ours::new(machine, (1, 1), 1),
        virtualization: Virtualization::Tcg,
        emulator: HostFile::new("/usr/bin/qemu-system-x86_64").expect("a path"),
        machine_type: label("pc-q35-7.2"),
        guest: Guest::Linux,
        memory_mib: 128,
        cpu: Cpu { sockets: 1, cores: 1, threads: 1, model: Model::Maximum },
        firmware: Firmware::Bios,
        tpm: false,
        serial: Some(label("C-1")),
        boot: vec![Boot::Disk],
        kernel: Some(Kernel { image, initrd: Some(initrd), arguments: Some(label(&arguments)) }),
        disks: Vec::new(),
        media: Vec::new(),
        cards: Vec::new(),
        display: Display {
            spice: Some(spice),
            vnc: Some(Vnc { socket: None }),
            video: Video { graphics: Graphics::Vga, monitors: 1 },
        },
        sound: false,
        console_log: Some(lab.file(&format!("{name}.console"))),
    }
}

/// Made once for each lab.
fn boot_files(lab: &Lab) -> (HostFile, HostFile) {
    let (kernel, initrd) = (lab.folder().join("kernel"), lab.folder().join("initrd"));
    if !initrd.exists() {
        let (image, modules) = kernel_of_guests();
        fs::copy(image, &kernel).expect("the kernel can be read");
        fs::write(&initrd, archive(&modules)).expect("the lab can be written");
    }
    (lab.file("kernel"), lab.file("initrd"))
}

fn kernel_of_guests() -> (String, String) {
    let output = Command::new(KERNEL).output().expect("a script");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (image, modules) = said.trim_end().split_once('\n').expect("two lines");
    (image.to_owned(), modules.to_owned())
}

fn archive(modules: &str) -> Vec<u8> {
    let mut archive = Archive::default();
    let folders = ["bin", "proc", "sys", "dev", "modules", "lib", "lib64", "lib/x86_64-linux-gnu"];
    for folder in folders.into_iter().chain(["usr", "usr/bin"]) {
        archive.folder(folder);
    }
    archive.file("bin/busybox", &read("/bin/busybox"));
    let mut names = Vec::new();
    for module in MODULES {
        let name = module.rsplit('/').next().unwrap_or(module);
        let path = format!("{modules}/kernel/{module}.ko");
        archive.file(&format!("modules/{name}.ko"), &read(&path));
        names.push(name);
    }
    let agent = "/usr/sbin/qemu-ga";
    archive.file("bin/qemu-ga", &read(agent));
    for library in libraries(Path::new(agent)) {
        archive.file(library.trim_start_matches('/'), &read(&library));
    }
    archive.file("usr/bin/wall", WALL.as_bytes());
    archive.file("init", INIT.replace("MODULES", &names.join(" ")).as_bytes());
    archive.end()
}

fn read(path: &str) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn libraries(of: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(of).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.split_whitespace().filter(|word| word.starts_with("/lib"));
    words.map(str::to_owned).collect()
}

/// What the kernel unpacks: cpio in its `newc` form.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, 0o100_755, content);
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let size = content.len();
        let header =
            [self.entries, mode, 0, 0, 1, 0, u32::try_from(size).expect("small"), 0, 0, 0, 0];
        self.bytes.extend(b"070701");
        for field in header {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(format!("{:08x}{:08x}", name.len() + 1, 0).bytes());
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}
