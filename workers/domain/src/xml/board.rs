//! Firmware, processor, features and clock.

use super::reading::{attribute, odd};
use super::{Unreadable, Words, file, label, meant, number, required, word};
use crate::domain::{Boot, Domain, Guest, Kernel};
use crate::hardware::{Cpu, Firmware, Model, Uefi, Virtualization};
use crate::text::Label;
use crate::tree::Element;

pub(super) const VIRTUALIZATION: Words<Virtualization> =
    &[(Virtualization::Kvm, "kvm"), (Virtualization::Tcg, "qemu")];
const BOOT: Words<Boot> = &[(Boot::Disk, "hd"), (Boot::Cd, "cdrom"), (Boot::Network, "network")];

/// What Windows uses when it knows that it is a guest: cheaper timers and interrupts, and no
/// watchdog of its own when the host is busy.
const ENLIGHTENMENTS: [&str; 9] =
    ["relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "frequencies", "tlbflush", "ipi"];
/// So often a guest tries a lock before it tells the hypervisor. What others take, too.
const SPINLOCK_RETRIES: u32 = 8191;

pub(super) fn render(domain: &Domain) -> Vec<Element> {
    let mut board = Vec::new();
    if let Some(serial) = &domain.serial {
        let entry = Element::new("entry").with("name", "serial").with_text(serial);
        let system = Element::new("system").within([entry]);
        board.push(Element::new("sysinfo").with("type", "smbios").within([system]));
    }
    board.extend([os(domain), features(domain), cpu(&domain.cpu), clock(domain)]);
    board.extend(endings());
    board.push(pm());
    board
}

fn os(domain: &Domain) -> Element {
    let machine = Element::new("type").with("arch", "x86_64").with("machine", &domain.machine_type);
    let mut os = Element::new("os").within([machine.with_text("hvm")]);
    if let Firmware::Uefi(uefi) = &domain.firmware {
        let secure = if uefi.secure { "yes" } else { "no" };
        let loader = Element::new("loader").with("readonly", "yes").with("secure", secure);
        let nvram = Element::new("nvram").with("template", &uefi.template);
        os = os.within([
            loader.with("type", "pflash").with_text(&uefi.loader),
            nvram.with_text(&uefi.nvram),
        ]);
    }
    if let Some(kernel) = &domain.kernel {
        os.children.push(Element::new("kernel").with_text(&kernel.image));
        os = os.within(kernel.initrd.iter().map(|it| Element::new("initrd").with_text(it)));
        os = os.within(kernel.arguments.iter().map(|it| Element::new("cmdline").with_text(it)));
    }
    os = os.within(domain.boot.iter().map(|it| Element::new("boot").with("dev", word(BOOT, *it))));
    if domain.serial.is_some() {
        os.children.push(Element::new("smbios").with("mode", "sysinfo"));
    }
    os
}

fn features(domain: &Domain) -> Element {
    let mut features =
        Element::new("features").within([Element::new("acpi"), Element::new("apic")]);
    if is_enlightened(domain) {
        let on = |name| Element::new(name).with("state", "on");
        let spinlocks = on("spinlocks").with("retries", SPINLOCK_RETRIES);
        let hyperv = Element::new("hyperv").with("mode", "custom");
        features = features.within([hyperv.within(ENLIGHTENMENTS.map(on)).within([spinlocks])]);
    }
    // A back door of another hypervisor.
    features.children.push(Element::new("vmport").with("state", "off"));
    if let Firmware::Uefi(Uefi { secure: true, .. }) = domain.firmware {
        features.children.push(Element::new("smm").with("state", "on"));
    }
    features
}

/// TCG has none to offer.
fn is_enlightened(domain: &Domain) -> bool {
    domain.guest == Guest::Windows && domain.virtualization == Virtualization::Kvm
}

fn cpu(cpu: &Cpu) -> Element {
    let element = Element::new("cpu");
    let element = match &cpu.model {
        Model::Named(name) => element
            .with("mode", "custom")
            .with("match", "exact")
            .with("check", "partial")
            .within([Element::new("model").with("fallback", "forbid").with_text(name)]),
        Model::Host => element.with("mode", "host-model").with("check", "partial"),
        Model::Maximum => element.with("mode", "maximum"),
    };
    let topology = Element::new("topology").with("sockets", cpu.sockets).with("dies", 1);
    element.within([topology.with("cores", cpu.cores).with("threads", cpu.threads)])
}

fn clock(domain: &Domain) -> Element {
    let offset = match domain.guest {
        Guest::Linux => "utc",
        Guest::Windows => "localtime",
    };
    let timer = |name: &str| Element::new("timer").with("name", name);
    let clock = Element::new("clock").with("offset", offset).within([
        timer("rtc").with("tickpolicy", "catchup"),
        timer("pit").with("tickpolicy", "delay"),
        timer("hpet").with("present", "no"),
    ]);
    let reference = is_enlightened(domain).then(|| timer("hypervclock").with("present", "yes"));
    clock.within(reference)
}

/// A guest that is off is off, whatever it ended by: who starts it again is not libvirt's to say.
pub(super) fn endings() -> [Element; 3] {
    let on = |name: &str, then: &str| Element::new(name).with_text(then);
    [on("on_poweroff", "destroy"), on("on_reboot", "restart"), on("on_crash", "destroy")]
}

/// A guest that is asleep can't be told from one that is idle, and is woken by nobody.
fn pm() -> Element {
    let off = |name: &str| Element::new(name).with("enabled", "no");
    Element::new("pm").within([off("suspend-to-mem"), off("suspend-to-disk")])
}

pub(super) fn read_machine_type(whole: &Element) -> Result<Label, Unreadable> {
    let machine = required(whole, &["os", "type"], "os/type")?;
    label(attribute(machine, "machine")?, "machine")
}

pub(super) fn read_guest(whole: &Element) -> Guest {
    let is_local = whole.child("clock").is_some_and(|clock| clock.is("offset", "localtime"));
    if is_local { Guest::Windows } else { Guest::Linux }
}

pub(super) fn read_cpu(whole: &Element) -> Result<Cpu, Unreadable> {
    let cpu = required(whole, &["cpu"], "cpu")?;
    let topology = required(cpu, &["topology"], "cpu/topology")?;
    let part = |name| number(attribute(topology, name)?, name);
    let model = match cpu.attribute("mode").unwrap_or("custom") {
        "custom" => {
            let model = required(cpu, &["model"], "cpu/model")?;
            Model::Named(label(&model.text, "cpu/model")?)
        }
        "host-model" => Model::Host,
        "maximum" => Model::Maximum,
        other => return Err(odd("cpu mode", other)),
    };
    Ok(Cpu { sockets: part("sockets")?, cores: part("cores")?, threads: part("threads")?, model })
}

pub(super) fn read_firmware(whole: &Element) -> Result<Firmware, Unreadable> {
    let Some(loader) = whole.at(&["os", "loader"]) else { return Ok(Firmware::Bios) };
    let nvram = required(whole, &["os", "nvram"], "nvram")?;
    Ok(Firmware::Uefi(Uefi {
        loader: file(&loader.text, "loader")?,
        nvram: file(&nvram.text, "nvram")?,
        template: file(attribute(nvram, "template")?, "template")?,
        secure: loader.is("secure", "yes"),
    }))
}

pub(super) fn read_serial(whole: &Element) -> Result<Option<Label>, Unreadable> {
    let Some(system) = whole.at(&["sysinfo", "system"]) else { return Ok(None) };
    let mut entries = system.children("entry");
    let serial = entries.find(|entry| entry.is("name", "serial"));
    serial.map(|serial| label(&serial.text, "serial")).transpose()
}

pub(super) fn read_boot(whole: &Element) -> Result<Vec<Boot>, Unreadable> {
    let os = required(whole, &["os"], "os")?;
    os.children("boot").map(|boot| meant(BOOT, boot.attribute("dev"), "boot")).collect()
}

pub(super) fn read_kernel(whole: &Element) -> Result<Option<Kernel>, Unreadable> {
    let os = required(whole, &["os"], "os")?;
    let Some(kernel) = os.child("kernel") else { return Ok(None) };
    let initrd = os.child("initrd").map(|initrd| file(&initrd.text, "initrd"));
    let arguments = os.child("cmdline").map(|cmdline| label(&cmdline.text, "cmdline"));
    Ok(Some(Kernel {
        image: file(&kernel.text, "kernel")?,
        initrd: initrd.transpose()?,
        arguments: arguments.transpose()?,
    }))
}
