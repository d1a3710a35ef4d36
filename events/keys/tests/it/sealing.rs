//! Commands are sealed, decided, and refused, as the decider will do it.

use carrel_keys::{Keys, KeysError, Purpose, SealError, SealedCommand, Verdict};
use carrel_model::command::Command;
use carrel_model::context::Context;
use carrel_model::decide::decide;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ActorId, CommandId};
use carrel_model::name::Method;
use carrel_model::record::{Fingerprint, Timestamp};
use carrel_model::rejection::Rejection;
use carrel_model::sealed::Boxes;
use carrel_model::wire;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::scene::{in_memory, secret};

const START: i64 = 1_763_760_000_000_000;

/// A fleet with keys, and ids that are counted.
struct Site {
    keys: Keys,
    fleet: Fleet,
    ids: u128,
}

fn wire(name: &str, data: &Value) -> wire::Command {
    serde_json::from_value(json!({ "type": name, "data": data })).unwrap()
}

impl Site {
    fn new() -> Self {
        Self { keys: in_memory(), fleet: Fleet::default(), ids: 0 }
    }

    fn seal(&mut self, name: &str, data: &Value) -> Result<SealedCommand, SealError> {
        let Self { keys, fleet, ids } = self;
        let mut fresh_id = || {
            *ids += 1;
            Uuid::from_u128(*ids)
        };
        keys.seal_command(wire(name, data), fleet, &mut fresh_id)
    }

    fn decide(&mut self, command: &Command) -> Result<(), Rejection> {
        self.ids += 1;
        let id = Uuid::from_u128(self.ids | 1 << 100);
        let context = Context {
            command_id: CommandId::new(id),
            fingerprint: Fingerprint([7; 32]),
            actor: ActorId::MIN,
            method: Method::new("test").unwrap(),
            now: Timestamp(START),
            entropy: *id.as_bytes(),
        };
        self.fleet = decide(&self.fleet, command, &context)?.after;
        Ok(())
    }

    fn send(&mut self, name: &str, data: &Value) -> SealedCommand {
        let sealed = self.seal(name, data).unwrap_or_else(|error| panic!("{error}"));
        self.decide(&sealed.command).unwrap_or_else(|error| panic!("{error}"));
        sealed
    }
}

#[test]
fn somebody_new_is_found_by_their_name_and_only_read_by_their_key() {
    let mut site = Site::new();
    let details = "Anna A., room 7";
    let sealed = site.send("CreateClient", &json!({ "name": "anna", "details": details }));
    let written = serde_json::to_string(&sealed.command).unwrap();
    assert!(!written.contains("anna") && !written.contains("room"), "{written}");

    let (id, client) = site.fleet.clients.iter().next().unwrap();
    assert_eq!(sealed.newcomers, [id.uuid()]);
    let name = site.keys.open(Purpose::Name, &client.name).unwrap().unwrap();
    assert_eq!(name.as_str(), "anna");
    let found = site.keys.open(Purpose::Personal, client.details.as_ref().unwrap()).unwrap();
    assert_eq!(found.unwrap().as_str(), details);
    // By name, and by name and provider.
    site.send("BlockClient", &json!({ "client": "anna" }));
    site.send("UnblockClient", &json!({ "client": "local/anna" }));
    site.send("UpdateClient", &json!({ "client": "anna", "name": "berta" }));
    site.send("BlockClient", &json!({ "client": "berta" }));
}

#[test]
fn what_is_noted_about_people_and_terminals_is_read_for_its_purpose_until_they_are_gone() {
    let mut site = Site::new();
    let notes = json!({ "mail": "anna@example.org" });
    site.send("CreateClient", &json!({ "name": "anna", "labels": notes, "properties": notes }));
    let lab = json!({ "classes": { "thin": { "template": "rdp -p %PASSWD%" } } });
    site.send("CreateLab", &json!({ "name": "b12", "settings": lab }));
    let settings = json!({ "lab": "b12", "class": "thin" });
    let register = json!({ "termid": "aa:bb:cc:dd:ee:ff", "settings": settings });
    let sealed = site.send("RegisterTerminal", &register);
    let (id, _) = site.fleet.terminals.iter().next().unwrap();
    assert_eq!(sealed.newcomers, [id.uuid()]);
    let parameters = json!({ "PASSWD": "hunter2" });
    let update = json!({ "terminal": "AA:BB:CC:DD:EE:FF", "parameters": parameters });
    let sealed = site.send("UpdateTerminal", &update);
    assert!(!format!("{:?}", sealed.command).contains("hunter2"));

    let only = |boxes: &Boxes| boxes.values().next().unwrap().clone();
    let client = site.fleet.clients.iter().next().unwrap().1;
    let terminal = site.fleet.terminals.iter().next().unwrap().1;
    let boxes = [
        (Purpose::Label, only(&client.labels), "anna@example.org"),
        (Purpose::Property, only(&client.properties), "anna@example.org"),
        (Purpose::Parameter, only(&terminal.parameters), "hunter2"),
    ];
    let purposes = [Purpose::Name, Purpose::Personal, boxes[0].0, boxes[1].0, boxes[2].0];
    for (own, sealed, text) in &boxes {
        for purpose in purposes {
            let opened = site.keys.open(purpose, sealed);
            let opened = opened.ok().flatten().map(|text| text.to_string());
            assert_eq!(opened.as_deref(), (purpose == *own).then_some(*text), "{purpose:?}");
        }
    }
    site.keys.shred(id.uuid()).unwrap();
    assert_eq!(site.keys.open(Purpose::Parameter, &boxes[2].1), Ok(None));
    let again = site.seal("UpdateTerminal", &update).unwrap_err();
    assert_eq!(again, SealError::Keys(KeysError::Shredded { person: id.uuid() }));
}

#[tokio::test]
async fn a_password_is_verified_by_what_the_fleet_has() {
    let mut site = Site::new();
    site.send("CreateClient", &json!({ "name": "anna", "password": "first" }));
    site.send("SetClientPassword", &json!({ "client": "anna", "password": "second" }));
    let admin = json!({ "name": "admin", "password": "third", "roles": ["admin"] });
    site.send("CreateAdmin", &admin);
    site.send("SetAdminPassword", &json!({ "admin": "admin", "password": "fourth" }));
    let client = site.fleet.clients.iter().next().unwrap().1.password.clone();
    let admin = site.fleet.admins.iter().next().unwrap().1.password.clone();
    for (sealed, given, verdict) in [
        (client.as_deref().cloned(), "first", Verdict::Wrong),
        (client.as_deref().cloned(), "second", Verdict::Right),
        (Some(admin.clone()), "third", Verdict::Wrong),
        (Some(admin), "fourth", Verdict::Right),
    ] {
        assert_eq!(site.keys.verify(sealed, secret(given)).await, Ok(verdict), "{given}");
    }
}

#[test]
fn a_token_is_shown_once_and_known_by_its_hash() {
    let mut site = Site::new();
    site.send("CreateClient", &json!({ "name": "anna" }));
    let sealed = site.send("IssueToken", &json!({ "of": { "client": "anna" } }));
    let token = sealed.token.unwrap();
    let shown = carrel_keys::Token::parse(&token.expose()).unwrap();
    assert!(site.fleet.index.tokens.contains_key(&site.keys.token_hash(&shown)));
    assert!(!format!("{:?}", sealed.command).contains(token.expose().as_str()));
}

#[test]
fn nobody_is_sealed_for_who_is_not_there() {
    let mut site = Site::new();
    let id = Uuid::from_u128(7).to_string();
    for (name, data, message) in [
        (
            "SetClientPassword",
            json!({ "client": "anna", "password": "x" }),
            "there is no person of that name in local".to_owned(),
        ),
        (
            "SetClientPassword",
            json!({ "client": id, "password": "x" }),
            format!("there is no person {id}"),
        ),
        (
            "SetAdminPassword",
            json!({ "admin": "ldap/anna", "password": "x" }),
            "there is no administrator of that name in ldap".to_owned(),
        ),
        (
            "UpdateClient",
            json!({ "client": "anna", "details": "x" }),
            "there is no person of that name in local".to_owned(),
        ),
        (
            "UpdateClient",
            json!({ "client": "anna", "properties": { "mail": "x" } }),
            "there is no person of that name in local".to_owned(),
        ),
        (
            "UpdateTerminal",
            json!({ "terminal": "t0", "parameters": { "HOST": "x" } }),
            "there is no terminal t0".to_owned(),
        ),
    ] {
        let error = site.seal(name, &data).unwrap_err();
        // As the decision would have said it.
        let rejection = error.rejection().unwrap();
        assert_eq!((rejection.code(), rejection.to_string()), ("CRL-0001", message));
    }
    let no_key = site.keys.open(Purpose::Name, &crate::scene::seal(&in_memory(), 7, "x"));
    assert!(matches!(no_key, Err(KeysError::NoKey { .. })), "{no_key:?}");
}

#[test]
fn who_is_refused_leaves_no_key() {
    let mut site = Site::new();
    site.send("CreateClient", &json!({ "name": "anna" }));
    let again = site.seal("CreateClient", &json!({ "name": "anna" })).unwrap();
    let refused = site.decide(&again.command).unwrap_err();
    assert_eq!(refused.code(), "CRL-0002");
    site.keys.forget_all(&again.newcomers).unwrap();
    let Command::CreateClient(create) = again.command else { panic!("it is what was sent") };
    let error = site.keys.open(Purpose::Name, &create.name.sealed);
    assert_eq!(error, Err(KeysError::NoKey { person: create.id }));

    // Nor does what can't even be sealed.
    let long = json!({ "name": "bert", "password": "x".repeat(2_000) });
    let error = site.seal("CreateClient", &long).unwrap_err();
    assert!(matches!(error, SealError::Keys(KeysError::PasswordLength { .. })), "{error:?}");
    let newcomer = Uuid::from_u128(site.ids);
    assert_eq!(site.keys.make_person(newcomer), Ok(()));
}

/// An id that is not fresh must not lead to somebody's key, and then to its loss.
#[test]
fn a_newcomer_is_never_given_somebodys_id() {
    let mut site = Site::new();
    let anna = site.send("CreateClient", &json!({ "name": "anna" })).newcomers[0];
    site.ids = anna.as_u128() - 1;
    let error = site.seal("CreateClient", &json!({ "name": "bert" })).unwrap_err();
    assert_eq!(error, SealError::Keys(KeysError::Taken { person: anna }));
    let client = site.fleet.clients.iter().next().unwrap().1.name.clone();
    assert!(site.keys.open(Purpose::Name, &client).unwrap().is_some());
}

#[test]
fn a_fingerprint_is_of_what_was_sent() {
    let keys = in_memory();
    let print = |text: &str| keys.fingerprint(&serde_json::from_str(text).unwrap()).unwrap();
    let first = print(r#"{"type":"SetClientPassword","data":{"client":"anna","password":"x"}}"#);
    let same = r#" { "data": {"password":"x", "client":"local/anna"}, "type":"SetClientPassword"}"#;
    assert_eq!(print(same), first);
    for other in [
        r#"{"type":"SetClientPassword","data":{"client":"anna","password":"y"}}"#,
        r#"{"type":"SetClientPassword","data":{"client":"bert","password":"x"}}"#,
        r#"{"type":"DeleteClient","data":{"client":"anna"}}"#,
    ] {
        assert_ne!(print(other), first);
    }
    assert_ne!(
        in_memory().fingerprint(&wire("DeleteClient", &json!({ "client": "anna" }))).unwrap(),
        print(r#"{"type":"DeleteClient","data":{"client":"anna"}}"#)
    );
}

#[test]
fn nothing_secret_is_printed() {
    let mut site = Site::new();
    let sealed = site.send("CreateClient", &json!({ "name": "anna", "password": "hunter2" }));
    let token = site.keys.new_token().unwrap();
    let host = site.keys.enrol_host(carrel_model::ids::HypervisorId::MIN).unwrap();
    let printed = format!("{:?} {sealed:?} {token:?} {host:?}", site.keys);
    let hex: String = host.expose().iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = format!("{:?}", host.expose());
    for hidden in ["anna", "hunter2", token.expose().as_str(), &hex, &decimal] {
        assert!(!printed.contains(hidden), "{printed}");
    }
}

#[test]
fn what_is_only_tried_out_leaves_nothing_behind() {
    let mut site = Site::new();
    let anna = json!({ "name": "anna", "password": "correct horse battery" });
    let mut ids = 0_u128;
    let mut fresh_id = || {
        ids += 1;
        Uuid::from_u128(1 << 90 | ids)
    };
    let mut tried = |site: &Site, name: &str, data: &Value| {
        site.keys.seal_to_try(wire(name, data), &site.fleet, &mut fresh_id)
    };
    let command = tried(&site, "CreateClient", &anna).unwrap();
    let context = Context {
        command_id: CommandId::MIN,
        fingerprint: Fingerprint([7; 32]),
        actor: ActorId::MIN,
        method: Method::new("test").unwrap(),
        now: Timestamp(START),
        entropy: [1; 16],
    };
    let would = decide(&site.fleet, &command, &context).unwrap();
    let (id, client) = would.after.clients.iter().next().unwrap();
    let person = id.uuid();
    let opened = site.keys.open(Purpose::Name, &client.name);
    assert_eq!(opened, Err(KeysError::NoKey { person }), "nobody has a key");
    // It is decided as what is sealed for good.
    site.send("CreateClient", &anna);
    let command = tried(&site, "CreateClient", &anna).unwrap();
    let refused = decide(&site.fleet, &command, &context).unwrap_err();
    let sealed = site.seal("CreateClient", &anna).unwrap();
    assert_eq!(site.decide(&sealed.command), Err(refused));
    // And what can't be sealed can't be tried.
    let nobody = json!({ "client": "nobody", "name": "berta" });
    assert!(matches!(tried(&site, "UpdateClient", &nobody), Err(SealError::NoSuch { .. })));
    let empty = json!({ "name": "berta", "password": "" });
    assert!(matches!(
        tried(&site, "CreateClient", &empty),
        Err(SealError::Keys(KeysError::PasswordLength { .. }))
    ));
}
