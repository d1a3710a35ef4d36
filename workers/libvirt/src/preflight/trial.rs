//! A guest of eight instructions: its firmware finds a boot sector that switches the power off.
//!
//! That `/dev/kvm` is there, and even that a guest can be made with it, says little: where a
//! hypervisor runs within another one without help of the processor, guests hang; and where that
//! help is in part, only some models of processors start. So it has the one that machines get.

use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use carrel_domain::ours::{NAMESPACE, PREFIX};
use carrel_domain::tree::Element;
use carrel_domain::{Ended, HostFile, Listen, Virtualization};
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt_sys as sys;

use crate::host::Host;
use crate::state::State;
use crate::target::{find, state};
use crate::trouble::Trouble;

use super::{Report, Verdict, Wanted, What};

/// One trial at a time, and what one has left behind the next one clears up.
const UUID: Uuid = Uuid::from_u128(0xca44_e100_74a1_4000_8000_0000_0000_0001);
const NAME: &str = "carrel-trial";
const FILE: &str = ".carrel-trial.img";

const SECTOR: usize = 512;
/// Firmware takes no disk for one that has not a whole cylinder.
const DISK: usize = 1 << 20;
/// mov dx, 0x604; mov ax, 0x2000; out dx, ax; hlt; jmp hlt: the board's register for power is told
/// to switch it off.
const CODE: [u8; 10] = [0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0xeb, 0xfd];
const BOOTABLE: [u8; 2] = [0x55, 0xaa];

/// It takes a second under KVM, and three without on a busy host.
const LOOK_EACH: Duration = Duration::from_millis(100);
const LOOKS_KVM_MAX: u32 = 80;
const LOOKS_TCG_MAX: u32 = 300;

pub(super) fn report(
    host: &Host,
    wanted: &Wanted,
    folder: &Path,
    report: &mut Report,
) -> Result<(), Trouble> {
    let disk = folder.join(FILE);
    // One at a time: another one's guest would be taken for a leftover.
    let turn = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    let _turn = match turn.and_then(|turn| fs::write(&disk, boot_disk()).map(|()| turn)) {
        Ok(turn) => turn,
        Err(error) => {
            report.say(What::Virtualization, Verdict::Fails, format!("not tried: {error}"));
            return Ok(());
        }
    };
    let tried = by_either(host, &wanted.emulator, &disk, report)
        .and_then(|()| display(host, wanted, &disk, report));
    let _ = fs::remove_file(&disk);
    tried
}

fn by_either(
    host: &Host,
    emulator: &HostFile,
    disk: &Path,
    report: &mut Report,
) -> Result<(), Trouble> {
    let kvm = boot(host, (emulator, disk, Virtualization::Kvm, Listen::Loopback));
    let outcome = match &kvm {
        Ok(()) => Ok(()),
        Err(trouble) if trouble.is_unreachable() => Err(trouble.clone()),
        Err(_) => boot(host, (emulator, disk, Virtualization::Tcg, Listen::Loopback)),
    };
    match (kvm, outcome) {
        (Ok(()), _) => {
            report.virtualization = Some(Virtualization::Kvm);
            report.say(What::Virtualization, Verdict::Good, "a guest has booted under KVM");
        }
        (Err(why), Ok(())) => {
            report.virtualization = Some(Virtualization::Tcg);
            let detail = format!(
                "a guest has booted without KVM only, which is slow and keeps nobody in ({why})"
            );
            report.say(What::Virtualization, Verdict::Warns, detail);
        }
        (_, Err(why)) if why.is_unreachable() => return Err(why),
        (_, Err(why)) => {
            report.say(What::Virtualization, Verdict::Fails, format!("no guest boots: {why}"));
        }
    }
    Ok(())
}

/// Beyond this host: whether QEMU has a certificate that it can read, and can listen there.
fn display(host: &Host, wanted: &Wanted, disk: &Path, report: &mut Report) -> Result<(), Trouble> {
    let (Listen::Tls(address), Some(by)) = (wanted.displays, report.virtualization) else {
        return Ok(());
    };
    match boot(host, (&wanted.emulator, disk, by, wanted.displays)) {
        Ok(()) => {
            report.say(What::Display, Verdict::Good, format!("seen at {address}, by TLS"));
        }
        Err(why) if why.is_unreachable() => return Err(why),
        Err(why) => {
            let detail = format!("none can be seen at {address}: {why}");
            report.say(What::Display, Verdict::Fails, detail);
        }
    }
    Ok(())
}

fn boot_disk() -> Vec<u8> {
    let mut disk = vec![0; DISK];
    disk[..CODE.len()].copy_from_slice(&CODE);
    disk[SECTOR - BOOTABLE.len()..SECTOR].copy_from_slice(&BOOTABLE);
    disk
}

/// What a guest is made of.
type Of<'a> = (&'a HostFile, &'a Path, Virtualization, Listen);

fn boot(host: &Host, of: Of<'_>) -> Result<(), Trouble> {
    let (text, by) = (describe(of).write(), of.2);
    host.power(Some(UUID), move |connect| {
        clear(connect)?;
        let domain = Domain::define_xml(connect, &text)?;
        // It ends with this connection at the latest.
        let begun = domain.create_with_flags(sys::VIR_DOMAIN_START_AUTODESTROY);
        let ended = begun.map_err(Trouble::from).and_then(|_| wait(&domain, by));
        clear(connect)?;
        ended
    })
}

fn describe((emulator, disk, by, displays): Of<'_>) -> Element {
    let (kind, processor) = match by {
        Virtualization::Kvm => ("kvm", "host-model"),
        Virtualization::Tcg => ("qemu", "maximum"),
    };
    let text = |name: &str, text: &str| Element::new(name).with_text(text);
    let mark = Element::new(&format!("{PREFIX}:trial")).with(&format!("xmlns:{PREFIX}"), NAMESPACE);
    let machine = Element::new("type").with("arch", "x86_64").with("machine", "q35");
    let drive = Element::new("disk").with("type", "file").with("device", "disk").within([
        Element::new("driver").with("name", "qemu").with("type", "raw"),
        Element::new("source").with("file", disk.display()),
        Element::new("backingStore"),
        Element::new("target").with("dev", "vda").with("bus", "virtio"),
        Element::new("readonly"),
    ]);
    let balloon = Element::new("memballoon").with("model", "none");
    Element::new("domain").with("type", kind).within([
        text("name", NAME),
        text("uuid", &UUID.to_string()),
        Element::new("metadata").within([mark]),
        text("memory", "64").with("unit", "MiB"),
        text("vcpu", "1"),
        Element::new("os").within([machine.with_text("hvm")]),
        Element::new("features").within([Element::new("acpi")]),
        Element::new("cpu").with("mode", processor),
        text("on_poweroff", "destroy"),
        text("on_crash", "destroy"),
        Element::new("devices")
            .within([text("emulator", emulator.as_str()), drive, balloon])
            .within(graphics(displays)),
    ])
}

/// Nobody has its password, which is empty.
fn graphics(displays: Listen) -> Option<Element> {
    let Listen::Tls(address) = displays else { return None };
    let graphics = Element::new("graphics").with("type", "spice").with("autoport", "yes");
    let graphics = graphics.with("defaultMode", "secure").with("passwd", "");
    Some(graphics.with("listen", address.to_string()))
}

fn wait(domain: &Domain, by: Virtualization) -> Result<(), Trouble> {
    let looks = match by {
        Virtualization::Kvm => LOOKS_KVM_MAX,
        Virtualization::Tcg => LOOKS_TCG_MAX,
    };
    // Nobody sends anything: it is only waited at.
    let (_waiting, pause) = sync_channel::<()>(0);
    for _ in 0..looks {
        match state(domain)? {
            State::Off(Some(Ended::Guest)) => return Ok(()),
            State::Off(_) => return Err(Trouble::never("trial", "QEMU ended by itself")),
            State::Paused(_) => return Err(Trouble::never("trial", "the processor gave up")),
            State::Running | State::Asleep => {}
        }
        let _ = pause.recv_timeout(LOOK_EACH);
    }
    Err(Trouble::never("trial", "the guest hangs"))
}

/// Only what is a trial.
fn clear(connect: &Connect) -> Result<(), Trouble> {
    let Some(domain) = find(connect, UUID)? else { return Ok(()) };
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or_default();
    domain.get_metadata(kind, Some(NAMESPACE), 0)?;
    if state(&domain)?.is_on() {
        domain.destroy()?;
    }
    domain.undefine()?;
    Ok(())
}
