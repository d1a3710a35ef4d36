//! Every command that can be sent, sent twice with the same id: it is done once, and the second
//! answer is the first. Another command by that id is refused.

use std::collections::BTreeSet;

use carrel_model::command::{ALL, By};
use serde_json::{Value, json};

use crate::site::{Answer, Client, Gone, Site, left};

type Data = fn(&Client) -> Value;

/// What can only be known when it is its turn.
fn newest(client: &Client, path: &str, field: &str) -> Value {
    let seen = client.position().expect("it is there");
    let page = client.get(&format!("{path}{seen}")).expect("it is there").fine();
    let items = page["items"].as_array().expect("a page");
    items.last().unwrap_or_else(|| panic!("nothing at {path}"))[field].clone()
}

fn session(client: &Client) -> Value {
    json!({ "session": newest(client, "/v1/sessions?state=leased&min_position=", "id") })
}

/// The last that was issued.
fn token(client: &Client) -> Value {
    let page = client.get("/v1/events?type=token.issued&limit=1000").expect("it is there").fine();
    let issued = page["items"].as_array().and_then(|items| items.last()).expect("a token");
    json!({ "token": issued["stream"].as_str().and_then(|it| it.strip_prefix("token/")) })
}

const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// In an order in which each is accepted.
const STORY: &[(&str, Data)] = &[
    (
        "RegisterHypervisor",
        |_| json!({ "name": "node9", "settings": { "capacity": { "memory_mib": 4096, "vcpus": 4 } } }),
    ),
    (
        "UpdateHypervisor",
        |_| json!({ "hypervisor": "node9", "settings": { "labels": { "rack": "a" } } }),
    ),
    ("SetHypervisorMaintenance", |_| json!({ "hypervisor": "node9", "on": true })),
    (
        "CreateStorage",
        |_| json!({ "name": "second", "settings": { "hosts": { "sim-001": "/srv/second" } } }),
    ),
    ("UpdateStorage", |_| json!({ "storage": "second", "settings": { "low_space_mib": 40_960 } })),
    ("CreateNetwork", |_| json!({ "name": "desktops" })),
    (
        "UpdateNetwork",
        |_| json!({ "network": "desktops", "settings": { "labels": { "floor": "2" } } }),
    ),
    (
        "AddMedia",
        |_| json!({ "name": "iso", "kind": "iso", "storage": "main", "size_bytes": 4096, "digest": DIGEST }),
    ),
    ("CreateTemplate", |_| json!({ "name": "office" })),
    (
        "UpdateTemplate",
        |_| json!({ "template": "office", "settings": { "labels": { "for": "office" } } }),
    ),
    ("RaiseFeatureLevel", |_| json!({ "level": 0 })),
    ("CreateMachine", |_| json!({ "name": "gold", "kind": "source" })),
    ("CreateMachine", |_| json!({ "name": "win11", "kind": "initial", "source": "gold" })),
    (
        "UpdateMachine",
        |_| json!({ "machine": "gold", "settings": { "labels": { "os": "win11" } } }),
    ),
    ("CloneMachine", |_| json!({ "machine": "gold", "name": "copy" })),
    ("LockMachine", |_| json!({ "machine": "copy" })),
    ("UnlockMachine", |_| json!({ "machine": "copy" })),
    ("CopyFromSource", |_| json!({ "initial": "win11" })),
    ("SealImage", |_| json!({ "initial": "win11", "tag": "default" })),
    ("TagImage", |_| json!({ "image": "win11@1", "tag": "spring" })),
    ("Populate", |_| json!({ "initial": "win11", "count": 4 })),
    ("EnableVirtualSnapshot", |_| json!({ "children_of": "win11" })),
    ("DisableVirtualSnapshot", |_| json!({ "children_of": "win11" })),
    ("SetMaintenance", |_| json!({ "machines": ["win11-004"], "on": true })),
    ("ResizeDisk", |_| json!({ "machine": "copy", "size_gib": 64 })),
    ("TakeSnapshot", |_| json!({ "machine": "copy", "name": "before" })),
    ("RevertSnapshot", |_| json!({ "machine": "copy", "snapshot": "before" })),
    ("DeleteSnapshot", |_| json!({ "machine": "copy", "snapshot": "before" })),
    ("AttachMedia", |_| json!({ "machine": "copy", "media": "iso" })),
    ("DetachMedia", |_| json!({ "machine": "copy", "media": "iso" })),
    ("StartMachine", |_| json!({ "machines": ["copy", "win11-003"] })),
    ("MessageMachine", |_| json!({ "machines": ["copy"], "text": "Save your work." })),
    ("SuspendMachine", |_| json!({ "machines": ["copy"] })),
    ("ResumeMachine", |_| json!({ "machines": ["copy"] })),
    ("RebootMachine", |_| json!({ "machines": ["copy"] })),
    ("ResetMachine", |_| json!({ "machines": ["copy"] })),
    ("MigrateMachine", |client| {
        let machine = client.get("/v1/machines/win11-003").expect("it is there").fine();
        let to = if machine["hypervisor_name"] == "sim-002" { "sim-003" } else { "sim-002" };
        json!({ "machines": ["win11-003"], "to": to })
    }),
    ("ShutdownMachine", |_| json!({ "machines": ["copy"] })),
    ("PowerOffMachine", |_| json!({ "machines": ["win11-003"] })),
    ("CreatePool", |_| json!({ "name": "room" })),
    ("UpdatePool", |_| json!({ "pool": "room", "settings": { "return_after_seconds": 600 } })),
    ("AddToPool", |_| json!({ "pool": "room", "machines": ["win11-001", "win11-002"] })),
    ("CreateClient", |_| json!({ "name": "anna", "password": "correct horse battery staple" })),
    ("UpdateClient", |_| json!({ "client": "anna", "details": "room 12" })),
    ("SetClientPassword", |_| json!({ "client": "anna", "password": "another long password" })),
    ("BlockClient", |_| json!({ "client": "anna" })),
    ("UnblockClient", |_| json!({ "client": "anna" })),
    ("CreateGroup", |_| json!({ "name": "editors" })),
    ("UpdateGroup", |_| json!({ "group": "editors", "add": ["anna"] })),
    ("EntitlePool", |_| json!({ "pool": "room", "client": "anna" })),
    ("RequestDesktop", |_| json!({ "client": "anna", "pool": "room" })),
    ("DisconnectSession", session),
    ("EndSession", session),
    ("AssignClient", |_| json!({ "client": "anna", "machine": "win11-001" })),
    ("UnassignClient", |_| json!({ "client": "anna", "machine": "win11-001" })),
    ("RevokePool", |_| json!({ "pool": "room", "client": "anna" })),
    (
        "CreateLab",
        |_| json!({ "name": "room12", "settings": { "classes": { "thin": { "template": "viewer %TERMID%" } } } }),
    ),
    ("UpdateLab", |_| json!({ "lab": "room12", "settings": { "max_instances": 30 } })),
    (
        "RegisterTerminal",
        |_| json!({ "termid": "00:16:3e:00:00:01", "settings": { "lab": "room12", "class": "thin" } }),
    ),
    (
        "UpdateTerminal",
        |_| json!({ "terminal": "00:16:3e:00:00:01", "settings": { "labels": { "seat": "3" } } }),
    ),
    ("AssignTerminal", |_| json!({ "terminal": "00:16:3e:00:00:01", "machine": "win11-003" })),
    (
        "CreateAdmin",
        |_| json!({ "name": "ona", "password": "a long password of ona's", "roles": ["operator"] }),
    ),
    ("SetAdminPassword", |_| json!({ "admin": "ona", "password": "another password of ona's" })),
    ("SetAdminRoles", |_| json!({ "admin": "ona", "roles": ["viewer"] })),
    (
        "IssueToken",
        |_| json!({ "of": { "admin": "ona" }, "name": "backup", "expires_in_seconds": 86_400 }),
    ),
    ("RevokeToken", token),
    ("DeleteAdmin", |_| json!({ "admin": "ona" })),
    ("RemoveTerminal", |_| json!({ "terminal": "00:16:3e:00:00:01" })),
    ("DeleteLab", |_| json!({ "lab": "room12" })),
    ("RemoveFromPool", |_| json!({ "pool": "room" })),
    ("DeletePool", |_| json!({ "pool": "room" })),
    ("DeleteGroup", |_| json!({ "group": "editors" })),
    ("DeleteClient", |_| json!({ "client": "anna" })),
    (
        "Populate",
        |_| json!({ "initial": "win11", "machines": ["win11-002"], "when": { "at": "2100-01-01T00:00:00Z" } }),
    ),
    (
        "CancelOperation",
        |client| json!({ "operation": newest(client, "/v1/operations?state=running&min_position=", "id") }),
    ),
    ("StartMachine", |_| json!({ "machines": ["win11"] })),
    ("PowerOffMachine", |_| json!({ "machines": ["win11"] })),
    ("SealImage", |_| json!({ "initial": "win11" })),
    ("StartMachine", |_| json!({ "machines": ["win11"] })),
    ("PowerOffMachine", |_| json!({ "machines": ["win11"] })),
    ("SealImage", |_| json!({ "initial": "win11" })),
    ("RetireImage", |_| json!({ "image": "win11@2" })),
    (
        "AddMedia",
        |_| json!({ "name": "disk", "kind": "disk", "format": "qcow2", "storage": "main", "size_bytes": 4096, "digest": DIGEST }),
    ),
    (
        "ImportImage",
        |_| json!({ "file": "disk", "as": "source", "name": "brought", "size_gib": 20 }),
    ),
    ("AdoptMachine", |_| {
        json!({
            "hypervisor": "sim-001",
            "name": "older",
            "uuid": "4b1d3f6e-1f0a-4c61-9d4e-2a5c7a7f9b10",
            "mac": "52:54:00:12:34:56",
        })
    }),
    ("LockMachine", |_| json!({ "machine": "win11-001" })),
    ("StartMachine", |_| json!({ "children_of": "win11" })),
    ("UnlockMachine", |_| json!({ "machine": "win11-001" })),
    (
        "RetryOperation",
        |client| json!({ "operation": newest(client, "/v1/operations?state=partially_failed&min_position=", "id") }),
    ),
    ("DeleteMachine", |_| json!({ "machines": ["copy"] })),
    ("RemoveMedia", |_| json!({ "media": "iso" })),
    ("DeleteTemplate", |_| json!({ "template": "office" })),
    ("CreateNetwork", |_| json!({ "name": "spare" })),
    ("RemoveNetwork", |_| json!({ "network": "spare" })),
    ("RemoveStorage", |_| json!({ "storage": "second" })),
    ("DrainHypervisor", |_| json!({ "hypervisor": "sim-003" })),
    ("RemoveHypervisor", |_| json!({ "hypervisor": "node9" })),
];

fn without_token(mut answer: Answer) -> Answer {
    if let Some(body) = answer.body.as_object_mut() {
        body.remove("token");
    }
    answer
}

/// Sends it, sends it again, and sends something else by the same id.
fn twice(client: &mut Client, name: &str, data: &Value) -> Result<(), Gone> {
    let entry = client.enters(name, data.clone());
    let first = client.sends(entry)?;
    assert_eq!(first.status, 202, "{name}: {first:?}");
    let id = client.ledger[entry].id;
    let again = client.send(id, name, data)?;
    assert_eq!(again, without_token(first), "{name}");
    let other = client.send(id, "CreateNetwork", &json!({ "name": "other" }))?;
    assert_eq!((other.status, &other.body["code"]), (422, &json!("CRL-1010")), "{name}");
    if name != "Populate" || data.get("when").is_none() {
        client.rests()?;
    }
    // When everything that follows is over, it is as before.
    let later = client.send(id, name, data)?;
    assert_eq!(later, again, "{name}");
    Ok(())
}

#[test]
fn every_command_that_is_sent_twice_is_done_once() {
    let site = Site::new();
    let server = site.start();
    let mut client = Client::new(1);
    client.at(&server.url, &site.password()).expect("it is there");
    for (name, data) in STORY {
        let data = data(&client);
        twice(&mut client, name, &data).unwrap_or_else(|Gone| panic!("{name} ended the server"));
    }
    assert!(server.end().status.success());
    left(&site).is_as_it_should_be(&client);
}

/// The simulated hosts of a server never fall silent: those of the simulation do, and it sends
/// every command twice now and then.
const ELSEWHERE: [&str; 1] = ["ConfirmHypervisorLost"];

#[test]
fn every_command_is_in_the_story_or_known_to_be_elsewhere() {
    let told: BTreeSet<&str> = STORY.iter().map(|(name, _)| *name).chain(ELSEWHERE).collect();
    let sent = ALL.iter().filter(|about| about.by != By::System).map(|about| about.name);
    assert_eq!(told, sent.collect());
}
