//! An example of the data of every command. They tell one story, in the order in which they can be
//! sent; those at its end undo it.

use serde_json::{Value, json};

const ID: &str = "0198c0de-0000-7000-8000-000000000001";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Every command's name and data.
pub fn all() -> Vec<(&'static str, Value)> {
    let mut all = hosts();
    all.extend(machines());
    all.extend(people());
    all.extend(use_of_machines());
    all.extend(ends());
    all
}

pub fn of(name: &str) -> Value {
    let found = all().into_iter().find(|(named, _)| *named == name);
    found.map(|(_, data)| data).unwrap_or_default()
}

fn hosts() -> Vec<(&'static str, Value)> {
    vec![
        (
            "RegisterHypervisor",
            json!({ "name": "node1", "settings": { "capacity": { "memory_mib": 262_144, "vcpus": 64 } } }),
        ),
        (
            "UpdateHypervisor",
            json!({ "hypervisor": "node1", "settings": { "labels": { "rack": "a1" } } }),
        ),
        ("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true })),
        (
            "CreateStorage",
            json!({
                "name": "fast",
                "settings": { "hosts": { "node1": "/var/lib/carrel/fast" }, "roles": ["volatile"] },
            }),
        ),
        ("UpdateStorage", json!({ "storage": "fast", "settings": { "low_space_mib": 40_960 } })),
        ("CreateNetwork", json!({ "name": "desktops" })),
        (
            "UpdateNetwork",
            json!({ "network": "desktops", "settings": { "labels": { "floor": "2" } } }),
        ),
        (
            "AddMedia",
            json!({
                "name": "win11-iso", "kind": "iso", "storage": "main",
                "size_bytes": 6_012_954_214_u64, "digest": DIGEST,
            }),
        ),
        ("ImportImage", json!({ "file": "golden", "as": "source", "size_gib": 64 })),
        ("CreateTemplate", json!({ "name": "office" })),
        (
            "UpdateTemplate",
            json!({ "template": "office", "settings": { "labels": { "for": "office" } } }),
        ),
        ("RaiseFeatureLevel", json!({ "level": 0 })),
    ]
}

fn machines() -> Vec<(&'static str, Value)> {
    vec![
        ("CreateMachine", json!({ "name": "win11-golden", "kind": "source" })),
        (
            "UpdateMachine",
            json!({ "machine": "win11-golden", "settings": { "labels": { "os": "win11" } } }),
        ),
        ("CloneMachine", json!({ "machine": "win11-golden", "name": "win11-test" })),
        (
            "AdoptMachine",
            json!({
                "hypervisor": "node2", "uuid": ID, "name": "old-server", "mac": "52:54:00:00:00:01",
                "disks": [{ "storage": "main", "file": "old/server.qcow2", "format": "qcow2", "size_gib": 40 }],
            }),
        ),
        ("LockMachine", json!({ "machine": "win11-golden" })),
        ("UnlockMachine", json!({ "machine": "win11-golden" })),
        ("CopyFromSource", json!({ "initial": "win11" })),
        ("SealImage", json!({ "initial": "win11", "tag": "default" })),
        ("TagImage", json!({ "image": "win11@1", "tag": "default" })),
        ("Populate", json!({ "initial": "win11", "count": 30 })),
        ("EnableVirtualSnapshot", json!({ "children_of": "win11" })),
        ("DisableVirtualSnapshot", json!({ "children_of": "win11" })),
        ("SetMaintenance", json!({ "children_of": "win11", "on": false })),
    ]
}

fn people() -> Vec<(&'static str, Value)> {
    vec![
        ("CreatePool", json!({ "name": "office" })),
        ("UpdatePool", json!({ "pool": "office", "settings": { "return_after_seconds": 600 } })),
        ("AddToPool", json!({ "pool": "office", "children_of": "win11" })),
        ("CreateClient", json!({ "name": "anna", "password": "correct horse battery staple" })),
        ("UpdateClient", json!({ "client": "anna", "details": "Anna Example, room 12" })),
        ("SetClientPassword", json!({ "client": "anna", "password": "another long password" })),
        ("BlockClient", json!({ "client": "anna" })),
        ("UnblockClient", json!({ "client": "anna" })),
        ("CreateGroup", json!({ "name": "editors" })),
        ("UpdateGroup", json!({ "group": "editors", "add": ["anna"] })),
        ("EntitlePool", json!({ "pool": "office", "client": "anna" })),
        ("AssignClient", json!({ "client": "anna", "pool": "office" })),
        (
            "CreateLab",
            json!({ "name": "room12", "settings": { "classes": { "thin": { "template": "viewer %TERMID%" } } } }),
        ),
        ("UpdateLab", json!({ "lab": "room12", "settings": { "max_instances": 30 } })),
        (
            "RegisterTerminal",
            json!({ "termid": "00:16:3e:00:00:01", "settings": { "lab": "room12", "class": "thin" } }),
        ),
        (
            "UpdateTerminal",
            json!({ "terminal": "00:16:3e:00:00:01", "settings": { "labels": { "seat": "3" } } }),
        ),
        ("AssignTerminal", json!({ "terminal": "00:16:3e:00:00:01", "machine": "win11-003" })),
        (
            "CreateAdmin",
            json!({ "name": "ona", "password": "a long password of ona's", "roles": ["operator"] }),
        ),
        ("SetAdminPassword", json!({ "admin": "ona", "password": "another password of ona's" })),
        ("SetAdminRoles", json!({ "admin": "ona", "roles": ["viewer"] })),
        (
            "IssueToken",
            json!({ "of": { "admin": "ona" }, "name": "backup", "expires_in_seconds": 86_400 }),
        ),
    ]
}

fn use_of_machines() -> Vec<(&'static str, Value)> {
    vec![
        ("StartMachine", json!({ "machines": ["win11-001", "win11-002"] })),
        (
            "MessageMachine",
            json!({ "pool": "office", "text": "Updates at noon: please save your work." }),
        ),
        ("RebootMachine", json!({ "machines": ["win11-001"] })),
        ("ResetMachine", json!({ "machines": ["win11-001"] })),
        ("SuspendMachine", json!({ "machines": ["win11-001"] })),
        ("ResumeMachine", json!({ "machines": ["win11-001"] })),
        ("MigrateMachine", json!({ "machines": ["win11-001"], "to": "node2" })),
        ("PowerOffMachine", json!({ "machines": ["win11-001"] })),
        ("RequestDesktop", json!({ "client": "anna", "pool": "office" })),
        ("DisconnectSession", json!({ "session": ID })),
        ("EndSession", json!({ "session": ID })),
        ("ShutdownMachine", json!({ "pool": "office" })),
        ("ResizeDisk", json!({ "machine": "win11-test", "size_gib": 64 })),
        ("TakeSnapshot", json!({ "machine": "win11-test", "name": "before-update" })),
        ("RevertSnapshot", json!({ "machine": "win11-test", "snapshot": "before-update" })),
        ("DeleteSnapshot", json!({ "machine": "win11-test", "snapshot": "before-update" })),
        ("AttachMedia", json!({ "machine": "win11-golden", "media": "win11-iso" })),
        ("DetachMedia", json!({ "machine": "win11-golden", "media": "win11-iso" })),
        ("CancelOperation", json!({ "operation": ID })),
        ("RetryOperation", json!({ "operation": ID })),
        ("DrainHypervisor", json!({ "hypervisor": "node1" })),
    ]
}

fn ends() -> Vec<(&'static str, Value)> {
    vec![
        ("UnassignClient", json!({ "client": "anna", "machine": "win11-001" })),
        ("RevokePool", json!({ "pool": "office", "client": "anna" })),
        ("RemoveFromPool", json!({ "pool": "office" })),
        ("DeletePool", json!({ "pool": "office" })),
        ("DeleteGroup", json!({ "group": "editors" })),
        ("DeleteClient", json!({ "client": "anna" })),
        ("RemoveTerminal", json!({ "terminal": "00:16:3e:00:00:01" })),
        ("DeleteLab", json!({ "lab": "room12" })),
        ("RevokeToken", json!({ "token": ID })),
        ("DeleteAdmin", json!({ "admin": "ona" })),
        ("DeleteMachine", json!({ "machines": ["win11-test"] })),
        ("RetireImage", json!({ "image": "win11@1" })),
        ("RemoveMedia", json!({ "media": "win11-iso" })),
        ("DeleteTemplate", json!({ "template": "office" })),
        ("RemoveNetwork", json!({ "network": "desktops" })),
        ("RemoveStorage", json!({ "storage": "fast" })),
        ("ConfirmHypervisorLost", json!({ "hypervisor": "node1" })),
        ("RemoveHypervisor", json!({ "hypervisor": "node1" })),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use carrel_model::command::{ALL, By};

    use super::all;

    #[test]
    fn every_command_that_can_be_sent_has_one_that_can_be_read() {
        let all = all();
        let named: BTreeSet<&str> = all.iter().map(|(name, _)| *name).collect();
        assert_eq!(named.len(), all.len(), "one each");
        let sent = ALL.iter().filter(|about| about.by != By::System).map(|about| about.name);
        assert_eq!(sent.collect::<BTreeSet<_>>(), named);
        for (name, data) in all {
            let bytes = serde_json::to_vec(&data).expect("JSON");
            let read = crate::command::parse(name, &bytes);
            assert!(read.is_ok(), "{name}: {:?}", read.err());
        }
    }
}
