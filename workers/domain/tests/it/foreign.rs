//! Domains that others have made.

use carrel_domain::tree::Element;
use carrel_domain::{
    Attachment, Backing, Bus, Cache, Card, CardModel, Changes, Disk, Display, Domain, Format,
    Found, FoundDevice, Graphics, HostFile, Io, Label, Listen, Mac, Ours, Spice, Unreadable, Video,
};
use uuid::Uuid;

/// As KVM-VDI leaves them: a wrapper for an emulator, an overlay without a recorded format, the
/// display open to all.
const KVM_VDI: &str = "<domain type='kvm' id='4'>
  <name>vdi &amp; co</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
  <memory unit='KiB'>4194304</memory><vcpu placement='static' current='1'>2</vcpu>
  <os><type arch='x86_64' machine='pc-i440fx-2.1'>hvm</type></os>
  <clock offset='utc'/><on_poweroff>restart</on_poweroff>
  <metadata><x:note xmlns:x='urn:x'>keep</x:note></metadata>
  <devices>
    <emulator>/usr/local/VDI/vdi-wrapper</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='/data/vdi-001.qcow2' index='1'/>
      <backingStore type='file' index='3'>
        <source file='/data/initial.qcow2'/><backingStore/>
      </backingStore>
      <target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>
    </disk>
    <disk type='file' device='disk'><source file='/data/odd'/><target dev='hdb' bus='ide'/></disk>
    <disk type='block' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
    <interface type='bridge'>
      <mac address='52:54:00:AA:bb:cc'/><source bridge='br0'/><target dev='vnet3'/>
      <model type='virtio'/>
    </interface>
    <redirdev bus='usb' type='spicevmc'/>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <graphics type='spice' port='5904' autoport='yes' listen='0.0.0.0'>
      <listen type='address' address='0.0.0.0'/>
    </graphics>
  </devices>
</domain>";

#[test]
fn a_domain_of_kvm_vdi_is_seen_as_it_is() {
    let found = Found::read(KVM_VDI).expect("XML");
    assert_eq!((found.name.as_str(), &found.ours), ("vdi & co", &None));
    assert_eq!((found.memory_mib, found.vcpus), (4096, 2));
    assert_eq!(found.emulator.as_deref(), Some("/usr/local/VDI/vdi-wrapper"));
    let disk = &found.disks[0];
    assert_eq!(disk.format, Some(Format::Qcow2));
    assert_eq!(disk.backing, [("/data/initial.qcow2".to_owned(), None)]);
    assert_eq!(found.disks[1].format, None);
    assert_eq!((found.disks[2].device, &found.disks[2].file), (FoundDevice::Cd, &None));
    assert_eq!(found.cards[0].mac.map(|mac| mac.to_string()).as_deref(), Some("52:54:00:aa:bb:cc"));
    assert_eq!(found.cards[0].target.as_deref(), Some("vnet3"));
    assert_eq!(found.displays[0].port, Some(5904));
}

#[test]
fn it_is_not_taken_for_one_of_ours() {
    assert!(matches!(Domain::read(KVM_VDI), Err(Unreadable::Missing(_))));
}

fn whole() -> Element {
    Element::parse(KVM_VDI).expect("XML")
}

fn file(path: &str) -> HostFile {
    HostFile::new(path).expect("a path")
}

/// With nothing of it changed by anybody.
fn adopted() -> Changes {
    let mut ours = Ours::new(Uuid::from_u128(7), (1, 2), 3);
    ours.adopted = true;
    let spice = Spice {
        listen: Listen::Loopback,
        clipboard: true,
        file_transfer: false,
        audio: false,
        usb_redirections: 2,
        smart_card: false,
    };
    Changes {
        ours,
        memory_mib: 4096,
        sockets_cores_threads: (2, 1, 1),
        disks: vec![None, None],
        cards: Vec::new(),
        display: Display {
            spice: Some(spice),
            vnc: None,
            video: Video { graphics: Graphics::Qxl, monitors: 1 },
        },
    }
}

fn without(whole: &Element, names: &[&str]) -> Vec<Element> {
    let of = |from: &Element| {
        let kept = from.children.iter().filter(|it| !names.contains(&it.name.as_str()));
        kept.cloned().collect::<Vec<_>>()
    };
    let devices = whole.child("devices").map(of).unwrap_or_default();
    of(whole).into_iter().filter(|it| it.name != "devices").chain(devices).collect()
}

#[test]
fn of_an_adopted_domain_only_what_has_to_be_carrels_changes() {
    let changed = adopted().onto(&whole()).expect("a domain");
    let ours = ["metadata", "graphics", "on_poweroff", "on_reboot", "on_crash"];
    assert_eq!(without(&changed, &ours), without(&whole(), &ours));
    assert_eq!(changed.attributes, whole().attributes);
    let found = Found::of(&changed).expect("a domain");
    assert_eq!(found.ours, Some(adopted().ours));
    let metadata = changed.child("metadata").expect("metadata");
    assert_eq!(metadata.child("x:note").map(|note| note.text.as_str()), Some("keep"));
    assert_eq!(changed.child("on_poweroff").map(|it| it.text.as_str()), Some("destroy"));
    let displays: Vec<&Element> =
        changed.child("devices").expect("devices").children("graphics").collect();
    assert_eq!(displays.len(), 1);
    assert_eq!(displays[0].attribute("passwd"), Some(""), "nobody gets in unarmed");
    assert_eq!(found.displays[0].address.as_deref(), Some("127.0.0.1"));
    let again = adopted().onto(&changed).expect("a domain");
    assert_eq!(again, changed);
}

#[test]
fn what_somebody_has_changed_is_put_in_its_place() {
    let mut wanted = adopted();
    (wanted.memory_mib, wanted.sockets_cores_threads) = (8192, (1, 2, 2));
    let below = |path, format| Backing { file: file(path), format };
    wanted.disks[0] = Some(Disk {
        file: file("/fast/thrown.qcow2"),
        format: Format::Qcow2,
        bus: Bus::Sata,
        cache: Cache::Unsafe,
        io: Io::Threads,
        discard: true,
        backing: vec![
            below("/data/vdi-001.qcow2", Format::Qcow2),
            below("/data/initial.qcow2", Format::Raw),
        ],
    });
    let mac = Mac([0x52, 0x54, 0, 1, 2, 3]);
    wanted.cards = vec![Card {
        mac,
        model: CardModel::E1000e,
        attachment: Attachment::Bridge(Label::new("br1").expect("a label")),
        link: true,
        no_spoofing: false,
        isolated: false,
    }];
    wanted.display.spice = wanted.display.spice.map(|it| Spice { usb_redirections: 0, ..it });
    let changed = wanted.onto(&whole()).expect("a domain");
    let found = Found::of(&changed).expect("a domain");
    assert_eq!((found.memory_mib, found.vcpus, found.topology()), (8192, 4, (1, 2, 2)));
    assert_eq!(changed.child("vcpu").and_then(|it| it.attribute("current")), None);
    let (disk, before) = (&found.disks[0], &Found::of(&whole()).expect("a domain").disks[0]);
    assert_eq!(disk.file.as_deref(), Some("/fast/thrown.qcow2"));
    assert_eq!(disk.backing.len(), 2);
    assert_eq!(
        (&disk.bus, &disk.target),
        (&before.bus, &before.target),
        "a guest boots from there"
    );
    assert_eq!(found.disks[1..], Found::of(&whole()).expect("a domain").disks[1..]);
    assert_eq!((found.cards.len(), found.cards[0].mac), (1, Some(mac)));
    let devices = changed.child("devices").expect("devices");
    assert_eq!(devices.children("redirdev").count(), 0, "the pool allows none");

    wanted.display.spice = None;
    let unseen = wanted.onto(&whole()).expect("a domain");
    let text = unseen.write();
    assert!(!text.contains("spice"), "{text}");
}

#[test]
fn one_with_fewer_disks_than_its_machine_is_not_its_machines() {
    let mut wanted = adopted();
    wanted.disks.push(None);
    assert_eq!(wanted.onto(&whole()), Err(Unreadable::Missing("disk")));
}
