//! What machines show and what their guests say, while somebody waits.

use carrel_model::ids::MachineId;
use serde_json::{Value, json};

use crate::site::{Client, Site};

#[test]
fn what_machines_take_is_asked_of_their_hosts() {
    let site = Site::new();
    let server = site.start();
    let mut client = Client::new(1);
    client.at(&server.url, &site.password()).expect("it is there");
    for (command, data) in [
        ("CreateMachine", json!({ "name": "gold", "kind": "source" })),
        ("CreateMachine", json!({ "name": "win11", "kind": "initial", "source": "gold" })),
        ("CopyFromSource", json!({ "initial": "win11" })),
        ("Populate", json!({ "initial": "win11", "count": 2 })),
        ("CreatePool", json!({ "name": "room" })),
        ("AddToPool", json!({ "pool": "room", "children_of": "win11" })),
    ] {
        client.does(command, data).expect("it is accepted");
        client.rests().expect("it is there");
    }
    let space = |path: &str| client.get(&format!("/v1/{path}/space")).expect("it is there");
    let (one, both) = (space("machines/win11-001").fine(), space("pools/room").fine());
    assert_eq!(one["machines"][0]["name"], "win11-001");
    let bytes = |of: &Value| of["kept_bytes"].as_u64().expect("a number");
    assert!(bytes(&one) > 0 && bytes(&both) == 2 * bytes(&one), "{one} {both}");
    assert_eq!(both["unknown"], json!([]), "nobody is left out: {both}");
    for none in ["machines/none", "pools/none"] {
        assert_eq!(space(none).status, 404);
    }
    let foreign = client.get("/v1/hypervisors/sim-001/foreign").expect("it is there").fine();
    assert_eq!(foreign, json!({ "items": [] }));
    server.end();
}

#[test]
fn what_a_machine_shows_is_for_operators_and_only_while_nobody_has_it() {
    let site = Site::new();
    let server = site.start();
    let mut client = Client::new(1);
    client.at(&server.url, &site.password()).expect("it is there");
    client.does("CreateMachine", json!({ "name": "m", "kind": "simple" })).expect("it is there");
    client.rests().expect("it is there");
    let look = |client: &Client, what: &str| {
        let answer = client.get(&format!("/v1/machines/m/{what}")).expect("it is there");
        (answer.status, answer.body)
    };
    let code = |said: (u16, Value)| (said.0, said.1["code"].clone());
    for what in ["screenshot", "guest"] {
        assert_eq!(code(look(&client, what)), (409, json!("CRL-1036")), "it is off");
        let none = client.get(&format!("/v1/machines/none/{what}")).expect("it is there");
        assert_eq!(none.status, 404);
    }

    client.does("StartMachine", json!({ "machines": ["m"] })).expect("it is there");
    client.rests().expect("it is there");
    let (status, png) = look(&client, "screenshot");
    assert!(status == 200 && png.as_str().is_some_and(|png| png.contains("PNG\r\n")), "{png}");
    let (status, guest) = look(&client, "guest");
    let machine = client.get("/v1/machines/m").expect("it is there").fine()["id"].clone();
    let id: MachineId = serde_json::from_value(machine.clone()).expect("an id");
    let name = json!(id.to_string());
    assert_eq!((status, &guest["hostname"]), (200, &name));

    client.does("CreateClient", json!({ "name": "anna" })).expect("it is there");
    let assigned = json!({ "client": "anna", "machine": "m" });
    client.does("AssignClient", assigned).expect("it is there");
    let wanted = json!({ "client": "anna", "machine": "m" });
    client.does("RequestDesktop", wanted).expect("it is there");
    client.rests().expect("it is there");
    assert_eq!(code(look(&client, "screenshot")), (409, json!("CRL-1034")));
    assert_eq!(look(&client, "guest").0, 200);
    server.end();
}
