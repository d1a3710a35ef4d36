//! Simulated hosts: a new site begins with some, and each one that is registered has a worker.

use serde_json::{Value, json};

use crate::site::{Client, Site, Start, left};

/// One more than the site began with, which is asked for again.
const LARGER: Start = Start {
    options: &["--sim-hypervisors=4", "--sim-speed=50", "--sim-counts=true"],
    listen: "127.0.0.1:0",
    kill_at: None,
    under: Vec::new(),
};

fn names(client: &Client) -> Vec<String> {
    let page = client.get("/v1/hypervisors?sort=name").expect("it is there").fine();
    let names = page["items"].as_array().expect("a page").iter().map(|host| &host["name"]);
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn host_of(client: &Client, machine: &str) -> Value {
    client.get(&format!("/v1/machines/{machine}")).expect("it is there").fine()["hypervisor_name"]
        .clone()
}

#[test]
fn a_host_that_is_registered_works_and_one_that_was_removed_stays_away() {
    let site = Site::new();
    let server = site.start();
    let mut client = Client::new(1);
    client.at(&server.url, &site.password()).expect("it is there");
    let mut does = |name: &str, data: Value| client.does(name, data).expect("it is there");
    let capacity = json!({ "memory_mib": 16_384, "vcpus": 16 });
    does("RegisterHypervisor", json!({ "name": "node9", "settings": { "capacity": capacity } }));
    let hosts = json!({ "node9": "/var/lib/carrel", "sim-002": null });
    does("UpdateStorage", json!({ "storage": "main", "settings": { "hosts": hosts } }));
    for host in ["sim-001", "sim-003"] {
        does("SetHypervisorMaintenance", json!({ "hypervisor": host, "on": true }));
    }
    does("RemoveHypervisor", json!({ "hypervisor": "sim-002" }));
    does("CreateMachine", json!({ "name": "m", "kind": "simple" }));
    does("StartMachine", json!({ "machines": ["m"] }));
    client.rests().expect("it is there");
    assert_eq!(host_of(&client, "m"), "node9");

    assert!(server.end().status.success());
    let server = site.start_with(&LARGER).expect("it starts");
    client.at(&server.url, &site.password()).expect("it is there");
    assert_eq!(names(&client), ["node9", "sim-001", "sim-003"]);
    client.does("PowerOffMachine", json!({ "machines": ["m"] })).expect("it is there");
    client.rests().expect("it is there");
    let told = server.end();
    assert!(told.told.contains("this site has 3 hosts and keeps them"), "{}", told.told);
    left(&site).is_as_it_should_be(&client);
}
