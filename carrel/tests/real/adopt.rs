//! Domains that were there before: shown as they are, and adopted without harm.

use std::fs;
use std::path::Path;
use std::process::Command;

use carrel_lab::{Lab, backing, eventually, guest_image};
use serde_json::Value;

use crate::site::Site;

const UUID: &str = "0b5c0ffe-0000-4000-8000-000000000001";
const MAC: &str = "52:54:00:0b:5c:01";

fn qemu_img(arguments: &[&str], folder: &Path) {
    let done = Command::new("qemu-img").args(arguments).current_dir(folder).output();
    let done = done.expect("qemu-img");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// As older versions of qemu-img left it: the header's extension with the format (qcow2.txt,
/// "Header extensions") becomes one that everybody passes over.
fn forget_format(overlay: &Path) {
    let mut bytes = fs::read(overlay).expect("read");
    let magic = 0xe279_2aca_u32.to_be_bytes();
    let at = bytes.windows(magic.len()).position(|window| window == magic).expect("its format");
    bytes[at..at + magic.len()].copy_from_slice(&1_u32.to_be_bytes());
    fs::write(overlay, bytes).expect("written");
    assert!(backing(overlay).is_none_or(|(_, format)| format.is_empty()));
}

/// As KVM-VDI leaves them: by a wrapper of QEMU, and on an overlay in which no format is recorded.
fn of_kvm_vdi(lab: &Lab, folder: &Path) -> String {
    let wrapper = lab.folder().join("vdi-qemu");
    fs::write(&wrapper, "#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n").expect("written");
    let mode = Command::new("chmod").arg("755").arg(&wrapper).status();
    assert!(mode.expect("chmod").success());
    fs::create_dir_all(folder).expect("a folder");
    guest_image(&folder.join("base.qcow2"));
    let overlay = ["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "vm.qcow2"];
    qemu_img(&overlay, folder);
    forget_format(&folder.join("vm.qcow2"));
    format!(
        "<domain type='qemu'><name>vdi-7</name><uuid>{UUID}</uuid><memory unit='MiB'>128</memory>\
         <vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>\
         <features><acpi/></features><cpu mode='maximum'/><devices>\
         <emulator>{}</emulator>\
         <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='{}'/>\
         <backingStore type='file'><format type='qcow2'/><source file='{}'/><backingStore/>\
         </backingStore><target dev='vda' bus='virtio'/></disk>\
         <interface type='bridge'><mac address='{MAC}'/><source bridge='br0'/></interface>\
         <serial type='file'><source path='{}'/></serial>\
         </devices></domain>",
        wrapper.display(),
        folder.join("vm.qcow2").display(),
        folder.join("base.qcow2").display(),
        lab.folder().join("vdi-7.log").display(),
    )
}

/// What is there of it, but for what says whose it is, which lies within one element.
fn without_metadata(xml: &str) -> String {
    match (xml.find("<metadata>"), xml.find("</metadata>\n")) {
        (Some(from), Some(to)) => format!("{}{}", xml[..from].trim_end(), &xml[to + 11..]),
        _ => xml.to_owned(),
    }
}

#[test]
fn a_domain_of_somebody_else_is_shown_and_adopted_as_it_runs() {
    let lab = Lab::start();
    let storage = lab.folder().join("storage");
    let xml = of_kvm_vdi(&lab, &storage.join("vdi"));
    let file = lab.folder().join("vdi-7.xml");
    fs::write(&file, xml).expect("written");
    lab.virsh(&["define", file.to_str().expect("UTF-8")]);
    lab.virsh(&["start", "vdi-7"]);
    let before = lab.virsh(&["dumpxml", "vdi-7"]);
    let process = lab.virsh(&["domid", "vdi-7"]);

    let site = Site::on(lab, Vec::new());
    let hosts: Value =
        serde_json::from_str(&site.does(&["get", "hypervisors", "-o", "json"])).expect("JSON");
    let host = hosts[0]["name"].as_str().expect("a name").to_owned();
    let shown = site.does(&["foreign", &host]);
    assert!(shown.contains("vdi-7") && shown.contains("running"), "{shown}");
    let listed = site.does(&["foreign", &host, "-o", "json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let (domain, adopt) = (&listed[0]["domain"], &listed[0]["adopt"]);
    assert_eq!((domain["uuid"].as_str(), domain["macs"][0].as_str()), (Some(UUID), Some(MAC)));
    assert_eq!(adopt["disks"][0]["file"], "vdi/vm.qcow2", "{listed}");
    assert_eq!(adopt["disks"][0]["backing"][0], "vdi/base.qcow2");

    site.does(&["do", "AdoptMachine", "--data", &adopt.to_string(), "--wait"]);
    eventually("it is seen to run", || {
        (site.get("machines", "vdi-7")["state"] == "running").then_some(())
    });
    assert_eq!(site.lab.virsh(&["domid", "vdi-7"]), process, "it was not started again");
    let after = site.lab.virsh(&["dumpxml", "vdi-7"]);
    assert_eq!(without_metadata(&after), without_metadata(&before));
    assert!(site.does(&["foreign", &host]).contains("no domains"));
    site.has_what_it_should();
    goes_on_as_it_was(&site);
    is_thrown_away(&site);
    goes_and_comes_back(&site, &host);
}

fn boots(site: &Site, count: u32) {
    site.does(&["do", "StartMachine", "--machines", "vdi-7", "--wait"]);
    says_boot(site, count);
    is_as_it_was(site);
}

fn says_boot(site: &Site, count: u32) {
    let log = site.lab.folder().join("vdi-7.log");
    let wanted = format!("boot {count} of ");
    eventually(&wanted, || {
        let said = fs::read(&log).unwrap_or_default();
        String::from_utf8_lossy(&said).contains(&wanted).then_some(())
    });
}

fn goes_off(site: &Site) {
    site.does(&["do", "PowerOffMachine", "--machines", "vdi-7", "--wait"]);
}

/// But for its display, which lets nobody in unarmed, and for the files of its disk.
fn is_as_it_was(site: &Site) {
    let xml = site.lab.virsh(&["dumpxml", "--inactive", "vdi-7"]);
    let wrapper = site.lab.folder().join("vdi-qemu");
    for kept in [
        format!("<emulator>{}</emulator>", wrapper.display()),
        format!("<mac address='{MAC}'/>"),
        "<source bridge='br0'/>".to_owned(),
        "<target dev='vda' bus='virtio'/>".to_owned(),
        format!("<source path='{}'/>", site.lab.folder().join("vdi-7.log").display()),
    ] {
        assert!(xml.contains(&kept), "{kept} is not in {xml}");
    }
    assert_eq!(xml.matches("<interface").count(), 1);
    assert_eq!(xml.matches("device='cdrom'").count(), 0, "it was never made to be told anything");
    assert_eq!(xml.matches("<graphics type='spice'").count(), 1);
    let closed = site.lab.virsh(&["dumpxml", "--inactive", "--security-info", "vdi-7"]);
    assert!(closed.contains("passwd=''"), "{closed}");
}

/// Its overlay says no format of what is below, and nobody has to say it again.
fn goes_on_as_it_was(site: &Site) {
    says_boot(site, 1);
    goes_off(site);
    boots(site, 2);
    assert_eq!(site.domain_disks("vdi-7"), [site.storage().join("vdi/vm.qcow2")]);
    let more = r#"{"machine":"vdi-7","settings":{"hardware":{"memory_mib":160}}}"#;
    site.does(&["do", "UpdateMachine", "--data", more, "--wait"]);
    goes_off(site);
    boots(site, 3);
    assert!(site.lab.virsh(&["dominfo", "vdi-7"]).contains("163840 KiB"));
}

fn is_thrown_away(site: &Site) {
    goes_off(site);
    site.does(&["do", "EnableVirtualSnapshot", "--machines", "vdi-7", "--wait"]);
    // Who opened an overlay on top of it would have to guess.
    let why = site.fails(&["do", "StartMachine", "--machines", "vdi-7", "--wait"]);
    assert!(why.contains("qemu-img rebase -u -F"), "{why}");
    let written = ["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2", "vm.qcow2"];
    qemu_img(&written, &site.storage().join("vdi"));
    boots(site, 4);
    assert!(site.domain_disks("vdi-7")[0].starts_with(site.storage().join("throwaway")));
    goes_off(site);
    boots(site, 4);
    goes_off(site);
    site.does(&["do", "DisableVirtualSnapshot", "--machines", "vdi-7", "--wait"]);
    boots(site, 4);
    assert_eq!(site.domain_disks("vdi-7"), [site.storage().join("vdi/vm.qcow2")]);
}

/// Whoever gets it next, on a host that may be another one, has it as it was.
fn goes_and_comes_back(site: &Site, host: &str) {
    goes_off(site);
    let drain = |on: bool| {
        let data = serde_json::json!({ "hypervisor": host, "on": on });
        site.does(&["do", "DrainHypervisor", "--data", &data.to_string(), "--wait"]);
    };
    drain(true);
    eventually("its host has let go", || {
        let there = site.lab.virsh(&["list", "--all", "--name"]);
        (!there.contains("vdi-7")).then_some(())
    });
    drain(false);
    boots(site, 5);
    site.has_what_it_should();
}
