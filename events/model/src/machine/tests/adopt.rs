//! Domains that were there before.

use serde_json::{Value, json};

use super::scene::{add_storage, host, machine, on, report, report_from, site};
use crate::command::Command;
use crate::hypervisor::commands::ReportHostSilent;
use crate::machine::commands::ExpirePower;
use crate::machine::{Format, Kind, Outcome, State, StopCause, Wish};
use crate::testing::{Story, command};
use crate::work::{DiskSpec, PowerSpec, Shall, Thing, work};

fn adopt(name: &str, uuid: u8, mac: &str) -> Command {
    let disks: Value = json!([{
        "storage": "ssd", "file": format!("{name}/disk0.raw"), "format": "raw", "size_gib": 80,
    }]);
    command(
        "AdoptMachine",
        json!({
            "hypervisor": "node1",
            "name": name,
            "uuid": uuid::Uuid::from_bytes([uuid; 16]),
            "mac": mac,
            "disks": disks,
        }),
    )
}

#[test]
fn a_domain_becomes_a_simple_machine_of_its_host() {
    let mut story = site(&["node1", "node2"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    let mail = machine(&story, "mail");
    assert_eq!(mail.kind, Kind::Simple);
    assert_eq!(mail.place, mail.adopted_from);
    assert!(mail.has_files && mail.at_rest());
    assert_eq!(mail.disks[0].size_gib, 80);
}

fn power(story: &Story) -> PowerSpec {
    let told = work(&story.fleet, Thing::Machine(machine(story, "mail").id)).expect("work");
    let Shall::Present(spec) = told.shall else { panic!("it is there: {told:?}") };
    spec.power
}

#[test]
fn one_that_runs_goes_on_running() {
    let mut story = site(&["node1"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    assert_eq!(power(&story), PowerSpec::AsFound);
    report(&mut story, "mail", Outcome::Started { boot_epoch: 0 });
    let mail = machine(&story, "mail");
    assert_eq!(mail.observed.state, State::Running);
    assert_eq!(power(&story), PowerSpec::On { boot_epoch: 0, restart: None });
    assert_eq!(mail.reserved.memory_mib, 2048, "what it takes is counted");
    assert_eq!(mail.power.deadline, None);
    report(&mut story, "mail", Outcome::Stopped { boot_epoch: 0, cause: StopCause::Guest });
    assert!(machine(&story, "mail").is_known_off());
    assert_ne!(power(&story), PowerSpec::AsFound, "from now on it is as Carrel wants it");
}

#[test]
fn one_that_is_off_stays_off() {
    let mut story = site(&["node1"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    report(&mut story, "mail", Outcome::Stopped { boot_epoch: 0, cause: StopCause::Guest });
    report(&mut story, "mail", Outcome::Applied);
    assert!(machine(&story, "mail").is_known_off());
    story.given(on("StartMachine", "mail"));
    assert_eq!(power(&story), PowerSpec::On { boot_epoch: 1, restart: None });
}

#[test]
fn one_that_runs_is_not_cut_off_because_its_host_says_so_late() {
    let mut story = site(&["node1"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    let mail = machine(&story, "mail");
    let more = json!({ "machine": "mail", "settings": { "readiness": { "timeout_seconds": 60 } } });
    story.given(command("UpdateMachine", more));
    report(&mut story, "mail", Outcome::Applied);
    assert!(story.wait(86_400).given(ExpirePower { machine: mail.id }).is_empty());
    let node = host(&story, "node1");
    let started = Outcome::Started { boot_epoch: 0 };
    report_from(&mut story, node, "mail", mail.generation, started);
    let mail = machine(&story, "mail");
    assert_eq!((mail.observed.state, mail.power.wish), (State::Running, Wish::On));
}

#[test]
fn nothing_is_done_to_one_that_may_run() {
    let mut story = site(&["node1", "node2"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    for what in ["StartMachine", "PowerOffMachine", "DeleteMachine"] {
        story.refused(on(what, "mail"), "CRL-0251");
    }
    let force = json!({ "machines": ["mail"], "force": true });
    story.refused(command("DeleteMachine", force), "CRL-0251");
    story.given(command("DrainHypervisor", json!({ "hypervisor": "node1" })));
    assert_eq!(power(&story), PowerSpec::AsFound, "it is not let go");
    report(&mut story, "mail", Outcome::Applied);
    assert_eq!(machine(&story, "mail").place, None, "it is off");
}

#[test]
fn nothing_is_adopted_from_a_host_that_says_nothing() {
    let mut story = site(&["node1"]);
    let hypervisor = host(&story, "node1");
    story.given(ReportHostSilent { hypervisor });
    story.refused(adopt("mail", 7, "52:54:00:00:00:01"), "CRL-0209");
}

#[test]
fn what_is_known_already_is_not_adopted_again() {
    let mut story = site(&["node1"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    story.refused(adopt("mail", 8, "52:54:00:00:00:02"), "CRL-0002");
    story.refused(adopt("mail2", 7, "52:54:00:00:00:02"), "CRL-0227");
    story.refused(adopt("mail2", 8, "52:54:00:00:00:01"), "CRL-0227");
}

#[test]
fn its_network_cards_keep_their_addresses() {
    let mut story = site(&["node1"]);
    let fields = |uuid: u8, macs: [&str; 2]| {
        command(
            "AdoptMachine",
            json!({ "hypervisor": "node1", "name": format!("mail{uuid}"),
                "uuid": uuid::Uuid::from_bytes([uuid; 16]), "mac": macs[0],
                "further_macs": [macs[1]] }),
        )
    };
    story.given(fields(7, ["00:16:3e:00:00:01", "00:16:3e:00:00:02"]));
    let identity = &machine(&story, "mail7").identity;
    let macs = [0, 1, 2].map(|card| identity.mac_of(card).to_string());
    assert_eq!(macs, ["00:16:3e:00:00:01", "00:16:3e:00:00:02", "02:16:40:00:00:01"]);
    let second: crate::mac::Mac = "00:16:3e:00:00:02".parse().expect("a MAC address");
    assert!(story.fleet.index.macs.contains_key(&second), "no other machine is given it");
    story.refused(fields(8, ["00:16:3e:00:00:02", "00:16:3e:00:00:03"]), "CRL-0227");
    story.refused(fields(8, ["00:16:3e:00:00:03", "00:16:3e:00:00:03"]), "CRL-0227");
}

#[test]
fn its_disks_are_where_its_host_sees_them() {
    let mut story = site(&["node1", "node2"]);
    add_storage(&mut story, "far", &["node2"], &json!(["disks"]), "disk");
    let fields = json!({
        "hypervisor": "node1",
        "name": "mail",
        "uuid": uuid::Uuid::from_bytes([7; 16]),
        "mac": "52:54:00:00:00:01",
        "disks": [{ "storage": "far", "file": "mail.img", "format": "raw", "size_gib": 80 }],
    });
    story.refused(command("AdoptMachine", fields), "CRL-0219");
}

#[test]
fn what_cannot_be_is_not_adopted() {
    let mut story = site(&["node1"]);
    let fields = |settings: Value, size_gib: u32| {
        let disks = json!([{ "storage": "ssd", "file": "mail.raw", "format": "raw",
            "size_gib": size_gib }]);
        let uuid = uuid::Uuid::from_bytes([7; 16]);
        command(
            "AdoptMachine",
            json!({ "hypervisor": "node1", "name": "mail", "uuid": uuid,
                "mac": "52:54:00:00:00:01", "disks": disks,
                "settings": settings }),
        )
    };
    story.refused(fields(json!({}), 0), "CRL-0811");
    story.refused(fields(json!({}), 16_385), "CRL-0811");
    let counted = |count: u32| json!({ "hardware": { "counters": { "gpu/x": count } } });
    story.refused(fields(counted(0), 80), "CRL-0811");
    story.refused(fields(counted(u32::MAX), 80), "CRL-0811");
    story.given(fields(counted(65_535), 80));
}

#[test]
fn its_files_are_found_wherever_it_comes_to_be() {
    let mut story = site(&["node1", "node2"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    let id = machine(&story, "mail").id;
    let file = |disks: &[DiskSpec]| -> Vec<(Option<String>, Format)> {
        let file = |disk: &DiskSpec| disk.file.as_ref().map(|file| file.path.as_str().to_owned());
        disks.iter().map(|disk| (file(disk), disk.format)).collect()
    };
    let expected = [(Some("mail/disk0.raw".to_owned()), Format::Raw)];
    let told = |story: &Story| work(&story.fleet, Thing::Machine(id)).expect("work");
    report(&mut story, "mail", Outcome::Started { boot_epoch: 0 });
    report(&mut story, "mail", Outcome::Stopped { boot_epoch: 0, cause: StopCause::Guest });
    let first = host(&story, "node1");
    story.given(command("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true })));
    story.given(on("StartMachine", "mail"));
    let released = told(&story).generation;
    report_from(&mut story, first, "mail", released, Outcome::Released);
    let Shall::Present(spec) = told(&story).shall else { panic!("{:?}", told(&story)) };
    assert_eq!(told(&story).hypervisor, host(&story, "node2"));
    assert_eq!(file(&spec.disks), expected);

    report(&mut story, "mail", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story.given(on("DeleteMachine", "mail"));
    let Shall::Absent { disks } = told(&story).shall else { panic!("{:?}", told(&story)) };
    assert_eq!(file(&disks), expected, "they are removed by their names");
}

#[test]
fn a_clone_has_files_of_its_own() {
    let mut story = site(&["node1"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    report(&mut story, "mail", Outcome::Applied);
    story.given(command("CloneMachine", json!({ "machine": "mail", "name": "copy" })));
    report(&mut story, "copy", Outcome::Copied);
    assert_eq!(machine(&story, "copy").disks[0].file, None);
}

#[test]
fn no_two_disks_are_one_file() {
    let mut story = site(&["node1"]);
    story.given(adopt("mail", 7, "52:54:00:00:00:01"));
    let disk =
        |file: &str| json!({ "storage": "ssd", "file": file, "format": "raw", "size_gib": 8 });
    let adopt = |disks: Value| {
        let uuid = uuid::Uuid::from_bytes([8; 16]);
        let (host, mac) = ("node1", "52:54:00:00:00:02");
        let data =
            json!({ "hypervisor": host, "name": "b", "uuid": uuid, "mac": mac, "disks": disks });
        command("AdoptMachine", data)
    };
    story.refused(adopt(json!([disk("b.raw"), disk("mail/disk0.raw")])), "CRL-0250");
    story.refused(adopt(json!([disk("b.raw"), disk("b.raw")])), "CRL-0250");
    story.given(adopt(json!([disk("b.raw"), disk("c.raw")])));
}

#[test]
fn many_disks_stand_on_one_file_which_is_no_disk() {
    let mut story = site(&["node1"]);
    let adopted = |number: u8, file: &str, backing: &[&str]| {
        let disk = json!({
            "storage": "ssd", "file": file, "backing": backing, "format": "qcow2", "size_gib": 8,
        });
        command(
            "AdoptMachine",
            json!({
                "hypervisor": "node1",
                "name": format!("pc{number}"),
                "uuid": uuid::Uuid::from_bytes([number; 16]),
                "mac": format!("52:54:00:00:00:{number:02}"),
                "disks": [disk],
            }),
        )
    };
    story.given(adopted(1, "pc1.qcow2", &["win.qcow2", "empty.qcow2"]));
    story.given(adopted(2, "pc2.qcow2", &["win.qcow2", "empty.qcow2"]));
    let told = work(&story.fleet, Thing::Machine(machine(&story, "pc2").id)).expect("work");
    let Shall::Present(spec) = told.shall else { panic!("it is there: {told:?}") };
    let file = spec.disks[0].file.as_ref().expect("its file");
    let backing: Vec<_> = file.backing.iter().map(crate::name::FilePath::as_str).collect();
    assert_eq!(backing, ["win.qcow2", "empty.qcow2"]);

    story.refused(adopted(3, "win.qcow2", &[]), "CRL-0250");
    story.refused(adopted(3, "pc3.qcow2", &["pc1.qcow2"]), "CRL-0250");
    story.refused(adopted(3, "pc3.qcow2", &["pc3.qcow2"]), "CRL-0253");
    let deep = vec!["deeper.qcow2"; 17];
    story.refused(adopted(3, "pc3.qcow2", &deep), "CRL-0005");
}

#[test]
fn a_raw_file_stands_on_nothing() {
    let mut story = site(&["node1"]);
    let fields = json!({
        "hypervisor": "node1", "name": "mail", "uuid": uuid::Uuid::from_bytes([7; 16]),
        "mac": "52:54:00:00:00:01",
        "disks": [{
            "storage": "ssd", "file": "a.raw", "backing": ["b.raw"], "format": "raw", "size_gib": 8,
        }],
    });
    story.refused(command("AdoptMachine", fields), "CRL-0252");
}

#[test]
fn what_is_carrels_already_is_not_adopted() {
    let mut story = site(&["node1"]);
    let of = |file: &str, backing: &[&str]| {
        let disk = json!({
            "storage": "ssd", "file": file, "backing": backing, "format": "qcow2", "size_gib": 80,
        });
        command(
            "AdoptMachine",
            json!({
                "hypervisor": "node1", "name": "mail", "mac": "52:54:00:00:00:01",
                "uuid": uuid::Uuid::from_bytes([7; 16]), "disks": [disk],
            }),
        )
    };
    for file in ["machines/m/d-1.qcow2", "images/i/1-0.qcow2", "throwaway/m/d-1.qcow2"] {
        story.refused(of(file, &[]), "CRL-0254");
    }
    story.refused(of("vdi/a.qcow2", &["vdi/b.qcow2", "images/i/1-0.qcow2"]), "CRL-0254");
    story.given(of("machines.qcow2", &["vdi/machines/b.qcow2"]));
}
