//! What is defined is what comes back, and what is not ours stays as it is.

use std::fs;

use carrel_domain::{Domain, Label, Medium, Name, Ours, Tray};
use carrel_libvirt::{Firmly, Hope, Target};
use uuid::Uuid;

use crate::support::guest::{Does, guest};
use crate::support::lab::{lab, target};

fn golden(name: &str) -> Domain {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/golden");
    let text = fs::read_to_string(format!("{folder}/{name}.xml")).expect("the golden file");
    Domain::read(&text).expect("one of ours")
}

#[test]
fn what_libvirt_makes_of_a_domain_reads_back() {
    let lab = lab();
    let host = lab.host();
    for name in ["linux", "windows"] {
        let domain = golden(name);
        host.define(&domain).expect("defined");
        let uuid = domain.uuid.to_string();
        let text = lab.virsh(&["dumpxml", "--inactive", "--security-info", &uuid]);
        assert_eq!(Domain::read(&text), Ok(domain.clone()), "{text}");
        assert_eq!(text.matches("passwd=''").count(), 2, "no display is open: {text}");
        host.undefine(target(&domain), Firmly::Gone).expect("undefined");
    }
    assert_eq!(lab.virsh(&["list", "--all", "--name"]), "");
}

#[test]
fn defining_twice_is_defining_once() {
    let lab = lab();
    let host = lab.host();
    let mut domain = guest(&lab, 1, Does::Wait);
    host.define(&domain).expect("defined");
    host.define(&domain).expect("defined");
    domain.ours.generation = 2;
    domain.memory_mib = 160;
    host.define(&domain).expect("defined");
    let listing = host.list().expect("listed");
    assert_eq!(listing.domains.len(), 1);
    assert_eq!((listing.domains[0].ours.generation, listing.domains[0].found.memory_mib), (2, 160));
    assert_eq!(listing.domains[0].ended(), None);
    host.undefine(target(&domain), Firmly::Gone).expect("undefined");
    host.undefine(target(&domain), Firmly::Gone).expect("it is not there");
    assert_eq!(host.list().expect("listed").domains, []);
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let foreign = domain.render().replace("urn:carrel", "urn:other");
    let path = lab.folder().join("foreign.xml");
    fs::write(&path, foreign).expect("written");
    lab.virsh(&["define", path.to_str().expect("UTF-8")]);
    let before = lab.virsh(&["dumpxml", "carrel-test-1"]);

    let it = target(&domain);
    let refusals = [
        host.define(&domain).expect_err("the UUID is somebody else's"),
        host.undefine(it, Firmly::Gone).expect_err("foreign"),
        host.start(it, 1).expect_err("foreign"),
        host.destroy(it).expect_err("foreign"),
    ];
    for refusal in refusals {
        assert_eq!((refusal.hope, refusal.code), (Hope::Never, "foreign"), "{refusal}");
    }
    // The same name, of another machine.
    let mut namesake = guest(&lab, 2, Does::Wait);
    namesake.name = domain.name.clone();
    host.define(&namesake).expect_err("the name is somebody else's");
    let listing = host.list().expect("listed");
    assert_eq!((listing.domains.len(), listing.foreign), (0, 1));
    assert_eq!(lab.virsh(&["dumpxml", "carrel-test-1"]), before);
}

#[test]
fn a_domain_that_was_there_is_adopted_without_harm() {
    let lab = lab();
    let host = lab.host();
    let domain = guest(&lab, 1, Does::Wait);
    let path = lab.folder().join("foreign.xml");
    fs::write(&path, domain.render().replace("urn:carrel", "urn:other")).expect("written");
    lab.virsh(&["define", path.to_str().expect("UTF-8")]);
    let foreign = host.list_foreign().expect("listed");
    assert_eq!(foreign.len(), 1);
    assert_eq!(foreign[0].found.uuid, domain.uuid);

    let it = target(&domain);
    let ours = Ours::new(it.machine, (1, 1), 1);
    host.adopt(it, ours.clone()).expect("adopted");
    host.adopt(it, ours.clone()).expect("once more");
    let adopted = Ours { adopted: true, ..ours };
    assert_eq!(host.list().expect("listed").domains[0].ours, adopted);
    assert_eq!(host.find_machine(it.machine), Ok(Some(domain.uuid)));
    let text = lab.virsh(&["dumpxml", "carrel-test-1"]);
    assert!(text.contains("urn:other"), "what others have written stays");

    let other = Target { machine: Uuid::from_u128(9), ..it };
    let refusal = host.adopt(other, Ours::new(other.machine, (1, 1), 1));
    assert_eq!(refusal.expect_err("it has somebody").code, "foreign");
}

#[test]
fn what_can_never_be_is_told_from_what_may_be_another_time() {
    let lab = lab();
    let host = lab.host();
    let mut domain = guest(&lab, 1, Does::Wait);
    domain.machine_type = Label::new("pc-q35-0.1").expect("a label");
    let refusal = host.define(&domain).expect_err("no such board");
    assert_eq!(refusal.hope, Hope::Never, "{refusal}");
    domain = guest(&lab, 1, Does::Wait);
    domain.memory_mib = 0;
    assert_eq!(host.define(&domain).expect_err("no memory").code, "xml");
    assert_eq!(host.start(target(&domain), 1).expect_err("not there").code, "no_domain");
}

/// Whatever a name or a path is made of, it is that name or path to libvirt and to QEMU, too.
#[test]
fn nothing_that_people_wrote_is_taken_for_anything_else() {
    const ODD: &str = "a<b> & 'c' \"d\";,=%s $(e) -f ä💡 ]]>";
    let lab = lab();
    let host = lab.host();
    let mut domain = guest(&lab, 1, Does::Wait);
    domain.name = Name::new(&format!("carrel-test {}", ODD)).expect("a name");
    domain.title = Some(Label::new(ODD).expect("a label"));
    domain.serial = Some(Label::new(ODD).expect("a label"));
    let odd = lab.file(&format!("{ODD}.iso"));
    fs::write(odd.as_str(), vec![0; 64 << 10]).expect("written");
    domain.media = vec![Medium { tray: Tray::Cd, file: Some(odd.clone()) }];
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start_paused(it, 1).expect("started");
    let uuid = it.uuid.to_string();
    assert_eq!(lab.virsh(&["domname", &uuid]), domain.name.as_str());
    let text = lab.virsh(&["dumpxml", "--inactive", &uuid]);
    assert_eq!(Domain::read(&text), Ok(domain));
    let blocks = lab.virsh(&["qemu-monitor-command", &uuid, "--hmp", "info block"]);
    assert!(blocks.contains(odd.as_str()), "{blocks}");
    host.load(it, "sda", None).expect("emptied");
    host.load(it, "sda", Some(&odd)).expect("loaded");
    host.destroy(it).expect("cut");
}
