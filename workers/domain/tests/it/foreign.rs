//! Domains that others have made.

use carrel_domain::{Domain, Format, Found, FoundDevice, Unreadable};

/// As KVM-VDI leaves them: a wrapper for an emulator, an overlay without a recorded format, the
/// display open to all.
const KVM_VDI: &str = "<domain type='kvm' id='4'>
  <name>vdi &amp; co</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
  <memory unit='KiB'>4194304</memory><vcpu placement='static' current='1'>2</vcpu>
  <os><type arch='x86_64' machine='pc-i440fx-2.1'>hvm</type></os>
  <clock offset='utc'/>
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
