//! What takes long, at the pace of real hosts: it is told how far it is, nobody else waits for it,
//! whoever waits for it when the server is told to end still gets an answer, and it comes to its
//! end all the same.

use std::thread;

use serde_json::{Value, json};

use crate::site::{Client, Site, Start, left};

const AT_ITS_PACE: Start = Start {
    options: &["--sim-hypervisors=3", "--sim-counts=true"],
    listen: "127.0.0.1:0",
    kill_at: None,
    under: Vec::new(),
};

/// Simulated hosts copy a GiB in a twentieth of a second.
const SIZE_GIB: u32 = 200;

/// Nothing: it was not accepted yet.
fn operation(client: &Client, entry: usize) -> Option<Value> {
    let id = client.ledger[entry].id;
    let answer = client.get(&format!("/v1/operations/{id}")).expect("it is there");
    (answer.status == 200).then_some(answer.body)
}

fn running(client: &Client, entry: usize) -> Value {
    let now = operation(client, entry).expect("it was accepted");
    assert_eq!(now["state"], "running", "it should take longer: {now}");
    now
}

fn done_bytes(operation: &Value) -> Option<u64> {
    operation["steps"][0]["done_bytes"].as_u64()
}

/// A source that holds something, an initial, and a machine of nobody's.
fn prepare(site: &Site, client: &mut Client) {
    let server = site.start();
    client.at(&server.url, &site.password()).expect("it is there");
    let story = [
        ("CreateTemplate", json!({ "name": "large", "settings": { "disk_gib": SIZE_GIB } })),
        ("CreateMachine", json!({ "name": "gold", "kind": "source", "template": "large" })),
        ("CreateMachine", json!({ "name": "win11", "kind": "initial", "source": "gold" })),
        ("CreateMachine", json!({ "name": "m", "kind": "simple" })),
        ("StartMachine", json!({ "machines": ["gold"] })),
        ("PowerOffMachine", json!({ "machines": ["gold"] })),
    ];
    for (name, data) in story {
        client.does(name, data).expect("it is there");
        client.rests().expect("it is there");
    }
    assert!(server.end().status.success());
}

#[test]
fn a_copy_tells_how_far_it_is_lets_others_by_and_is_waited_for_to_the_end() {
    let site = Site::new();
    let mut client = Client::new(1);
    prepare(&site, &mut client);
    let server = site.start_with(&AT_ITS_PACE).expect("it starts");
    client.at(&server.url, &site.password()).expect("it is there");
    let copy = client.enters("CopyFromSource", json!({ "initial": "win11" }));
    let (waits, id) = (client.like(2), client.ledger[copy].id.to_string());
    let waiting = thread::spawn(move || {
        let headers = [("idempotency-key", id.as_str()), ("prefer", "wait=30")];
        waits.post("/v1/commands/CopyFromSource", &json!({ "initial": "win11" }), &headers)
    });
    client.until(|client| Ok(operation(client, copy).is_some())).expect("it is there");
    let start = client.enters("StartMachine", json!({ "machines": ["m"] }));
    assert_eq!(client.sends(start).expect("it is there").status, 202);
    client.follows(start).expect("it is there");
    running(&client, copy);
    // Progress is no fact, so that nothing tells of it: it is asked for again and again.
    let (done, of) = loop {
        let now = running(&client, copy);
        if let Some(done) = done_bytes(&now).filter(|done| *done > 0) {
            break (done, now["steps"][0]["of_bytes"].as_u64());
        }
    };
    assert_eq!(of, Some(u64::from(SIZE_GIB) << 30));
    assert!(done < u64::from(SIZE_GIB) << 30, "{done}");

    server.asked_to_end();
    let answer = waiting.join().expect("no panic").expect("an answer");
    assert_eq!((answer.status, &answer.body["state"]), (202, &json!("running")), "{answer:?}");
    assert!(server.ended().status.success());

    let server = site.start();
    client.at(&server.url, &site.password()).expect("it is there");
    client.follows(copy).expect("it is there");
    assert_eq!(client.sends(copy).expect("it is there").status, 202);
    assert_eq!(operation(&client, copy).expect("it was accepted")["state"], "succeeded");
    assert!(server.end().status.success());
    left(&site).is_as_it_should_be(&client);
}
