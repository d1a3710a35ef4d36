//! What is given, asked for, and comes of it.

use std::convert::Infallible;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Bearer, LIFETIME_SECONDS, LIFETIME_SECONDS_MAX, Role, TOKENS_MAX};
use crate::client::Provider;
use crate::command::Command;
use crate::event::ClientFact;
use crate::fleet::Due;
use crate::hash::KeyedHash;
use crate::ids::{AdminId, ClientId, TerminalId, TokenId};
use crate::people::{PersonName, PersonRef, Seal};
use crate::reference::Ref;
use crate::sealed::{Purpose, SealedBox, Secret};
use crate::testing::{Story, command, kinds};
use crate::version::latest::Nothing;

fn hash(number: u8) -> KeyedHash {
    KeyedHash([number; 32])
}

fn id(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

fn sealed(number: u8) -> Value {
    json!({ "key": id(number), "data": "c2VhbGVk" })
}

fn create(number: u8, roles: &[&str]) -> Command {
    let name = json!({ "hash": hash(number), "sealed": sealed(number) });
    let admin =
        json!({ "id": id(number), "name": name, "password": sealed(number), "roles": roles });
    command("CreateAdmin", admin)
}

fn person(number: u8) -> Value {
    json!({ "name": { "provider": "local", "hash": hash(number) } })
}

fn set_roles(number: u8, roles: &[&str]) -> Command {
    command("SetAdminRoles", json!({ "admin": person(number), "roles": roles }))
}

fn delete(number: u8) -> Command {
    command("DeleteAdmin", json!({ "admin": { "id": id(number) } }))
}

fn issue(token: u8, more: Value) -> Command {
    let mut data = json!({ "token": hash(token), "of": { "admin": person(1) } });
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    command("IssueToken", data)
}

fn revoke(token: TokenId) -> Command {
    command("RevokeToken", json!({ "token": token }))
}

fn expire(token: TokenId) -> Command {
    command("ExpireToken", json!({ "token": token }))
}

/// One who may do everything.
fn given() -> Story {
    let mut story = Story::new();
    let events = story.given(create(1, &["admin"]));
    assert_eq!(kinds(&events), ["operation.accepted", "admin.created"]);
    story
}

fn token(story: &Story, hash_of: u8) -> TokenId {
    story.fleet.index.tokens[&hash(hash_of)]
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    let drawn = crate::testing::drawn(include_str!("mod.rs"));
    let of_admin = "admin:  created --> (password set, roles set)* --> deleted";
    let of_token = "token:  issued --> ended (revoked, expired)";
    assert_eq!(drawn, [of_admin, of_token]);
    let mut story = given();
    story.given(create(2, &["viewer"]));
    let password = json!({ "admin": person(2), "password": sealed(2) });
    let events = story.given(command("SetAdminPassword", password));
    assert_eq!(kinds(&events)[1..], ["admin.password_set"]);
    assert_eq!(kinds(&story.given(set_roles(2, &["operator"])))[1..], ["admin.roles_set"]);
    assert_eq!(kinds(&story.given(delete(2)))[1..], ["admin.deleted"]);
    story.refused(delete(2), "CRL-0001");
    for (number, end) in [(1, revoke as fn(TokenId) -> Command), (2, expire)] {
        assert_eq!(kinds(&story.given(issue(number, json!({}))))[1..], ["token.issued"]);
        let token = token(&story, number);
        story.wait(LIFETIME_SECONDS);
        assert!(kinds(&story.given(end(token))).contains(&"token.ended"));
        assert!(story.fleet.tokens.is_empty());
    }
}

#[test]
fn administrators_have_names_and_ids_of_their_own() {
    let mut story = given();
    story.refused(create(1, &["admin"]), "CRL-0007");
    let name = json!({ "hash": hash(1), "sealed": sealed(2) });
    let same = json!({ "id": id(2), "name": name, "password": sealed(2) });
    story.refused(command("CreateAdmin", same), "CRL-0002");
    story.refused(create(2, &[]), "CRL-0902");
    let elsewhere = json!({ "name": { "provider": "ldap", "hash": hash(1) } });
    story.refused(command("DeleteAdmin", json!({ "admin": elsewhere })), "CRL-0001");
    let name = json!({ "hash": hash(3), "sealed": sealed(3) });
    let looks = json!({ "id": id(3), "name": name, "password": sealed(3) });
    story.given(command("CreateAdmin", looks));
    let third = story.fleet.admins.get(AdminId::new(id(3))).expect("the third");
    assert_eq!(third.roles, [Role::Viewer].into());
}

#[test]
fn somebody_may_always_do_everything() {
    let mut story = given();
    story.given(create(2, &["operator"]));
    story.refused(delete(1), "CRL-0901");
    story.refused(set_roles(1, &["operator"]), "CRL-0901");
    story.refused(set_roles(1, &[]), "CRL-0902");
    assert_eq!(kinds(&story.given(set_roles(1, &["admin"]))), ["operation.accepted"]);
    story.given(set_roles(2, &["admin", "viewer"]));
    story.given(set_roles(1, &["operator"]));
    story.refused(delete(2), "CRL-0901");
    story.given(delete(1));
}

#[test]
fn tokens_end_with_their_bearer_and_with_the_old_password() {
    let mut story = given();
    story.given(create(2, &["admin"]));
    story.given(issue(10, json!({})));
    story.given(issue(11, json!({ "of": { "admin": person(2) } })));
    let of_another = json!({ "admin": person(1), "password": sealed(2) });
    story.refused(command("SetAdminPassword", of_another), "CRL-0010");
    let password = json!({ "admin": person(1), "password": sealed(1) });
    let events = story.given(command("SetAdminPassword", password));
    assert_eq!(kinds(&events)[1..], ["admin.password_set", "token.ended"]);
    (20..20 + 32).for_each(|at| drop(story.given(issue(at, json!({ "name": format!("t{at}") })))));
    let events = story.given(delete(1));
    assert_eq!(events.len(), 1 + TOKENS_MAX + 1);
    assert_eq!(story.fleet.tokens_of(Bearer::Admin(AdminId::new(id(1)))).count(), 0);
    assert_eq!(story.fleet.tokens.len(), 1);
}

#[test]
fn a_sign_in_makes_room_for_the_next_and_a_named_token_stays() {
    let mut story = given();
    (0..31).for_each(|at| drop(story.given(issue(at, json!({ "name": format!("t{at}") })))));
    story.given(issue(100, json!({})));
    let events = story.given(issue(101, json!({})));
    assert_eq!(kinds(&events)[1..], ["token.ended", "token.issued"]);
    assert!(!story.fleet.index.tokens.contains_key(&hash(100)));
    story.given(issue(102, json!({ "name": "last" })));
    story.refused(issue(103, json!({})), "CRL-0903");
}

#[test]
fn a_token_lives_as_long_as_it_is_for() {
    let mut story = given();
    for bad in [0, LIFETIME_SECONDS_MAX + 1] {
        story.refused(issue(1, json!({ "expires_in_seconds": bad })), "CRL-0904");
    }
    story.given(issue(1, json!({ "expires_in_seconds": 60 })));
    story.refused(issue(1, json!({})), "CRL-0007");
    let token = token(&story, 1);
    let due = (story.now.plus_seconds(60), Due::Token(token));
    assert!(story.fleet.index.times.contains(&due));
    story.wait(59);
    assert!(story.given(expire(token)).is_empty());
    story.wait(1);
    assert_eq!(kinds(&story.given(expire(token))), ["token.ended"]);
    assert!(story.given(expire(token)).is_empty());
    story.refused(revoke(token), "CRL-0906");
    assert!(story.fleet.index.times.is_empty());
}

#[test]
fn people_have_tokens_too_unless_they_are_blocked() {
    let mut story = given();
    let name = json!({ "hash": hash(5), "sealed": sealed(5) });
    story.given(command("CreateClient", json!({ "id": id(5), "name": name })));
    let of = json!({ "of": { "client": person(5) } });
    story.given(issue(1, of.clone()));
    let bearer = Bearer::Client(ClientId::new(id(5)));
    assert_eq!(story.fleet.tokens_of(bearer).count(), 1);
    story.was(ClientId::new(id(5)), ClientFact::Blocked(Nothing {}));
    story.refused(issue(2, of), "CRL-0905");
    story.refused(issue(3, json!({ "of": { "client": person(6) } })), "CRL-0001");
}

#[test]
fn a_token_is_issued_without_anybody_saying_what_it_is() {
    let sent = json!({ "type": "IssueToken", "data": { "of": { "admin": "anna" }, "name": "ci" } });
    let wire: crate::wire::Command = serde_json::from_value(sent).expect("it can be read");
    assert_eq!(wire.name(), "IssueToken");
    let chosen =
        json!({ "type": "IssueToken", "data": { "of": { "admin": "anna" }, "token": "x" } });
    serde_json::from_value::<crate::wire::Command>(chosen).expect_err("nobody chooses a token");
}

/// Seals by leaving everything as it is, as far as one can.
struct Open;

impl Seal for Open {
    type Error = Infallible;

    fn new_id(&mut self) -> Result<Uuid, Infallible> {
        Ok(id(7))
    }

    fn person(&mut self, _: &PersonRef) -> Result<Uuid, Infallible> {
        Ok(id(8))
    }

    fn admin(&mut self, _: &PersonRef) -> Result<Uuid, Infallible> {
        Ok(id(9))
    }

    fn terminal(&mut self, _: &Ref<TerminalId>) -> Result<Uuid, Infallible> {
        Ok(id(10))
    }

    fn new_token(&mut self) -> Result<KeyedHash, Infallible> {
        Ok(hash(7))
    }

    fn hash(&mut self, _: &Provider, name: &PersonName) -> Result<KeyedHash, Infallible> {
        Ok(hash(name.as_str().as_bytes()[0]))
    }

    fn seal(&mut self, key: Uuid, _: Purpose, _: &str) -> Result<SealedBox, Infallible> {
        Ok(SealedBox { key, data: "c2VhbGVk".into() })
    }

    fn password(&mut self, person: Uuid, _: &Secret) -> Result<SealedBox, Infallible> {
        Ok(SealedBox { key: person, data: "aGFzaA==".into() })
    }
}

#[test]
fn what_is_sent_is_sealed_under_the_key_of_the_one_it_is_about() {
    let sealed_as = |name: &str, data: Value| {
        let sent = json!({ "type": name, "data": data });
        let wire: crate::wire::Command = serde_json::from_value(sent).expect("it can be read");
        let Ok(sealed) = wire.seal(&mut Open);
        serde_json::to_value(sealed).expect("it can be written")["data"].clone()
    };
    let anna = json!({ "name": "anna", "password": "secret", "roles": ["admin"] });
    let created = sealed_as("CreateAdmin", anna);
    assert_eq!(created["id"], json!(id(7)));
    assert_eq!(created["name"]["sealed"]["key"], json!(id(7)));
    assert_eq!(created["name"]["hash"], json!(hash(b'a')));
    assert_eq!(created["password"], json!({ "key": id(7), "data": "aGFzaA==" }));
    let password = json!({ "admin": "anna", "password": "secret" });
    let set = sealed_as("SetAdminPassword", password);
    assert_eq!(set["admin"], json!({ "id": id(9) }));
    assert_eq!(set["password"]["key"], json!(id(9)));
    let by_name = json!({ "name": { "provider": "local", "hash": hash(b'a') } });
    let roles = sealed_as("SetAdminRoles", json!({ "admin": "anna", "roles": ["viewer"] }));
    assert_eq!(roles["admin"], by_name);
    assert_eq!(sealed_as("DeleteAdmin", json!({ "admin": "anna" }))["admin"], by_name);
    for of in ["admin", "client"] {
        let issued = sealed_as("IssueToken", json!({ "of": { of: "anna" } }));
        assert_eq!(issued["token"], json!(hash(7)));
        assert_eq!(issued["of"], json!({ of: by_name }));
    }
}
