//! Commands about people as they are sent become commands as they are decided.

use std::convert::Infallible;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Provider;
use crate::command::Command;
use crate::hash::KeyedHash;
use crate::ids::TerminalId;
use crate::people::{PersonName, PersonRef, Plain, Seal};
use crate::reference::Ref;
use crate::sealed::{Purpose, SealedBox, Secret};

const PERSON: Uuid = Uuid::from_bytes([7; 16]);
const TERMINAL: Uuid = Uuid::from_bytes([8; 16]);

/// Seals by writing down what it was asked.
struct Written;

impl Seal for Written {
    type Error = Infallible;

    fn new_id(&mut self) -> Result<Uuid, Infallible> {
        Ok(PERSON)
    }

    fn person(&mut self, _: &PersonRef) -> Result<Uuid, Infallible> {
        Ok(PERSON)
    }

    fn admin(&mut self, admin: &PersonRef) -> Result<Uuid, Self::Error> {
        self.person(admin)
    }

    fn terminal(&mut self, _: &Ref<TerminalId>) -> Result<Uuid, Infallible> {
        Ok(TERMINAL)
    }

    fn new_token(&mut self) -> Result<KeyedHash, Self::Error> {
        Ok(KeyedHash([1; 32]))
    }

    fn hash(&mut self, provider: &Provider, name: &PersonName) -> Result<KeyedHash, Infallible> {
        let mut hash = [0; 32];
        let text = format!("{provider}/{}", name.as_str());
        hash[..text.len()].copy_from_slice(text.as_bytes());
        Ok(KeyedHash(hash))
    }

    fn seal(&mut self, key: Uuid, purpose: Purpose, text: &str) -> Result<SealedBox, Infallible> {
        let data = format!("{purpose:?}({})", text.len());
        Ok(SealedBox { key, data: data.into() })
    }

    fn password(&mut self, key: Uuid, _: &Secret) -> Result<SealedBox, Infallible> {
        Ok(SealedBox { key, data: "hashed".into() })
    }
}

/// The command as it is decided, as JSON.
#[track_caller]
fn sealed(name: &str, data: &Value) -> Value {
    let sent = json!({ "type": name, "data": data });
    let plain: Command<Plain> = serde_json::from_value(sent).expect("a command");
    let Ok(sealed) = plain.seal(&mut Written);
    let json = serde_json::to_value(&sealed).expect("JSON");
    let text = json.to_string();
    assert!(!text.contains("alice") && !text.contains("10.0.0.1"), "{text}");
    let again: Command = serde_json::from_value(json.clone()).expect("the same command");
    assert_eq!(again, sealed);
    json["data"].clone()
}

#[test]
fn no_name_address_or_password_is_left_in_what_is_decided() {
    let one = json!({ "client": "alice" });
    for name in ["BlockClient", "UnblockClient", "DeleteClient"] {
        assert!(sealed(name, &one)["client"]["name"]["hash"].is_string());
    }
    let password = json!({ "client": "corp/alice", "password": "alice's" });
    assert_eq!(sealed("SetClientPassword", &password)["password"]["data"], "hashed");
    let update = json!({ "client": "corp/alice", "name": "alice2", "details": "alice" });
    let update = sealed("UpdateClient", &update);
    assert_eq!((&update["provider"], &update["details"]["key"]), (&json!("corp"), &json!(PERSON)));
    let newcomer = json!({ "provider": "corp", "name": "alice", "details": "alice" });
    let sign_in = json!({ "newcomer": newcomer, "groups": ["staff"] });
    assert_eq!(sealed("RecordSignIn", &sign_in)["newcomer"]["id"], json!(PERSON));
    let group = json!({ "group": "class", "add": ["alice"], "remove": ["corp/alice"] });
    assert!(sealed("UpdateGroup", &group)["add"][0]["name"]["hash"].is_string());
    for name in ["EntitlePool", "RevokePool", "AssignClient"] {
        let pool = json!({ "client": "alice", "pool": "office" });
        assert!(sealed(name, &pool)["client"]["name"]["hash"].is_string());
    }
    let notes = json!({ "mail": "alice", "gone": null });
    let update = json!({ "client": "alice", "labels": notes, "properties": notes });
    let update = sealed("UpdateClient", &update);
    assert_eq!(update["labels"]["mail"], json!({ "key": PERSON, "data": "Label(5)" }));
    assert_eq!(update["properties"]["mail"]["data"], "Property(5)");
    assert_eq!(update["properties"]["gone"], json!(null));
    let notes = json!({ "mail": "alice" });
    let create = json!({ "name": "alice", "labels": notes, "properties": notes });
    let create = sealed("CreateClient", &create);
    assert_eq!((&create["labels"], &create["properties"]), (&noted("Label"), &noted("Property")));
    sealed("UnassignClient", &json!({ "client": "alice", "machine": "pc" }));
}

fn noted(purpose: &str) -> Value {
    json!({ "mail": { "key": PERSON, "data": format!("{purpose}(5)") } })
}

#[test]
fn the_parameters_of_a_terminal_are_kept_under_its_own_key() {
    let parameters = json!({ "USER": "alice" });
    let settings = json!({ "lab": "b12", "class": "thin" });
    let register = json!({ "termid": "t0", "settings": settings, "parameters": parameters });
    let register = sealed("RegisterTerminal", &register);
    assert_eq!(register["id"], json!(PERSON), "an id and a key of its own");
    assert_eq!(register["parameters"]["USER"], json!({ "key": PERSON, "data": "Parameter(5)" }));
    let parameters = json!({ "USER": "alice", "HOST": null });
    let update = sealed("UpdateTerminal", &json!({ "terminal": "t0", "parameters": parameters }));
    assert_eq!(update["parameters"]["USER"], json!({ "key": TERMINAL, "data": "Parameter(5)" }));
    assert_eq!(update["parameters"]["HOST"], json!(null));
}

#[test]
fn the_address_of_a_viewer_is_kept_under_the_key_of_its_person() {
    let asked = json!({ "client": "alice", "pool": "office", "source": "10.0.0.1" });
    assert_eq!(sealed("RequestDesktop", &asked)["source"]["key"], json!(PERSON));
    let asked = json!({ "terminal": "t0", "pool": "office", "source": "10.0.0.1" });
    assert!(sealed("RequestDesktop", &asked).get("source").is_none());
}
