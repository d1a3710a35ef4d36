//! Any domain that could be accepted, and text that people could give.

use carrel_domain::{
    Attachment, Backing, Boot, Bus, Cache, Card, CardModel, Cpu, Disk, Display, Domain, Ended,
    Firmware, Format, Graphics, Guest, HostFile, Io, Kernel, Label, Listen, Mac, Medium, Model,
    Name, Ours, Spice, Tray, Uefi, Video, Virtualization, Vnc,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

/// Mostly what means something in XML, in URLs and in QEMU's arguments.
fn characters() -> impl Strategy<Value = String> {
    let odd = select(vec!['<', '>', '&', '"', '\'', ']', '/', ';', ',', '=', '%', '!', '-', '?']);
    let character = prop_oneof![3 => odd, 1 => any::<char>(), 3 => prop::char::range('a', 'z')];
    vec(character, 1..24).prop_map(|characters| characters.into_iter().collect())
}

fn label() -> impl Strategy<Value = Label> {
    characters().prop_filter_map("fits", |text| Label::new(&text).ok())
}

fn name() -> impl Strategy<Value = Name> {
    characters().prop_filter_map("fits", |text| Name::new(&text).ok())
}

fn file() -> impl Strategy<Value = HostFile> {
    characters().prop_filter_map("fits", |text| HostFile::new(&format!("/{text}")).ok())
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn format() -> impl Strategy<Value = Format> {
    select(vec![Format::Raw, Format::Qcow2])
}

fn ours() -> impl Strategy<Value = Ours> {
    let ended = select(vec![Ended::Guest, Ended::Cut, Ended::Crash, Ended::Unknown]);
    let numbers = any::<[u64; 3]>();
    let words = ((vec(label(), 0..3), vec(label(), 0..3)), vec(uuid(), 0..3));
    (uuid(), numbers, any::<[bool; 2]>(), of(any::<u64>()), of(ended), words).prop_map(
        |(machine, [incarnation, generation, boot_epoch], is, awaits, ended, (words, people))| {
            Ours {
                adopted: is[0],
                ran: is[1],
                awaits,
                ended,
                probes: words.0,
                viewers: words.1,
                people,
                ..Ours::new(machine, (incarnation, generation), boot_epoch)
            }
        },
    )
}

fn cpu() -> impl Strategy<Value = Cpu> {
    let model =
        prop_oneof![label().prop_map(Model::Named), Just(Model::Host), Just(Model::Maximum)];
    (1..5_u16, 1..5_u16, 1..3_u16, model).prop_map(|(sockets, cores, threads, model)| Cpu {
        sockets,
        cores,
        threads,
        model,
    })
}

fn firmware() -> impl Strategy<Value = Firmware> {
    let uefi = (file(), file(), file(), any::<bool>());
    let uefi =
        uefi.prop_map(|(loader, nvram, template, secure)| Uefi { loader, nvram, template, secure });
    prop_oneof![Just(Firmware::Bios), uefi.prop_map(Firmware::Uefi)]
}

fn disk() -> impl Strategy<Value = Disk> {
    let bus = select(vec![Bus::Virtio, Bus::Scsi, Bus::Sata]);
    let cache = select(vec![
        (Cache::None, Io::Threads),
        (Cache::None, Io::Native),
        (Cache::Writeback, Io::Threads),
        (Cache::Unsafe, Io::Threads),
    ]);
    let backing = (file(), format()).prop_map(|(file, format)| Backing { file, format });
    (file(), format(), bus, cache, any::<bool>(), vec(backing, 0..4)).prop_map(
        |(file, format, bus, (cache, io), discard, backing)| Disk {
            file,
            format,
            bus,
            cache,
            io,
            discard,
            backing,
        },
    )
}

/// libvirt has those of SATA in a row, and so have we where there is one of SCSI.
fn media() -> impl Strategy<Value = Vec<Medium>> {
    vec(medium(), 0..4).prop_map(|mut media| {
        media.sort_by_key(|medium| medium.tray != Tray::Cd);
        media
    })
}

fn medium() -> impl Strategy<Value = Medium> {
    prop_oneof![
        of(file()).prop_map(|file| Medium { tray: Tray::Cd, file }),
        of(file()).prop_map(|file| Medium { tray: Tray::ScsiCd, file }),
        (file(), format())
            .prop_map(|(file, format)| Medium { tray: Tray::Stick(format), file: Some(file) }),
    ]
}

fn card() -> impl Strategy<Value = Card> {
    let model = select(vec![CardModel::Virtio, CardModel::E1000e, CardModel::Rtl8139]);
    let attachment = prop_oneof![
        label().prop_map(Attachment::Bridge),
        label().prop_map(Attachment::Network),
        (label(), 1..4095_u16).prop_map(|(bridge, tag)| Attachment::Tagged { bridge, tag }),
    ];
    (any::<[u8; 6]>(), model, attachment, any::<[bool; 3]>()).prop_map(
        |(mac, model, attachment, [link, no_spoofing, isolated])| Card {
            mac: Mac(mac),
            model,
            attachment,
            link,
            no_spoofing,
            isolated,
        },
    )
}

fn display() -> impl Strategy<Value = Display> {
    let listen =
        prop_oneof![Just(Listen::Loopback), any::<std::net::IpAddr>().prop_map(Listen::Tls)];
    let spice = (listen, any::<[bool; 4]>(), 0..9_u8).prop_map(
        |(listen, [clipboard, file_transfer, audio, smart_card], usb_redirections)| Spice {
            listen,
            clipboard,
            file_transfer,
            audio,
            usb_redirections,
            smart_card,
        },
    );
    let graphics = select(vec![Graphics::Qxl, Graphics::Virtio, Graphics::Vga]);
    let video = (graphics, 1..5_u8).prop_map(|(graphics, monitors)| Video { graphics, monitors });
    (of(spice), of(of(file()).prop_map(|socket| Vnc { socket })), video)
        .prop_map(|(spice, vnc, video)| Display { spice, vnc, video })
}

fn kernel() -> impl Strategy<Value = Kernel> {
    (file(), of(file()), of(label())).prop_map(|(image, initrd, arguments)| Kernel {
        image,
        initrd,
        arguments,
    })
}

fn boot() -> impl Strategy<Value = Vec<Boot>> {
    prop::sample::subsequence(vec![Boot::Disk, Boot::Cd, Boot::Network], 0..=3).prop_shuffle()
}

/// What it is and what it is called.
type Outside = (Name, Uuid, Option<Label>, Ours, Virtualization, HostFile, Label, Guest);
/// Its board.
type Inside = (u32, Cpu, Firmware, bool, Option<Label>, Vec<Boot>, Option<Kernel>);
/// What is plugged in.
type Devices = (Vec<Disk>, Vec<Medium>, Vec<Card>, Display, bool, Option<HostFile>);

/// Ids of disks are as many as there are disks; that is all that is put right.
fn whole((outside, inside, devices): (Outside, Inside, Devices)) -> Domain {
    let (name, uuid, title, mut ours, virtualization, emulator, machine_type, guest) = outside;
    let (memory_mib, cpu, firmware, tpm, serial, boot, kernel) = inside;
    let (disks, media, cards, display, sound, console_log) = devices;
    ours.disks = (0_u128..).take(disks.len()).map(Uuid::from_u128).collect();
    Domain {
        name,
        uuid,
        title,
        ours,
        virtualization,
        emulator,
        machine_type,
        guest,
        memory_mib,
        cpu,
        firmware,
        tpm,
        serial,
        boot,
        kernel,
        disks,
        media,
        cards,
        display,
        sound,
        console_log,
    }
}

pub(crate) fn domain() -> impl Strategy<Value = Domain> {
    let virtualization = select(vec![Virtualization::Kvm, Virtualization::Tcg]);
    let guest = select(vec![Guest::Linux, Guest::Windows]);
    let outside = (name(), uuid(), of(label()), ours(), virtualization, file(), label(), guest);
    let inside =
        (1..1_000_000_u32, cpu(), firmware(), any::<bool>(), of(label()), boot(), of(kernel()));
    let devices =
        (vec(disk(), 0..3), media(), vec(card(), 0..4), display(), any::<bool>(), of(file()));
    (outside, inside, devices).prop_map(whole)
}
