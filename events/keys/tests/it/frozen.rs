//! What is in the log for all time, or has to be the same at two ends, byte for byte. What is
//! expected was computed by other programs than this one.

use std::sync::Arc;

use carrel_keys::memory::MemoryStore;
use carrel_keys::{Entropy, HostKey, Keys, Purpose, Token};
use carrel_model::ids::{MachineId, SessionId};
use carrel_model::people::{PersonName, local};
use carrel_model::sealed::SealedBox;
use carrel_model::wire;
use serde_json::json;

use crate::scene::person;

/// The same byte again and again.
#[derive(Debug)]
struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), carrel_keys::entropy::EntropyError> {
        bytes.fill(7);
        Ok(())
    }
}

fn keys() -> Keys {
    Keys::start(Arc::new(MemoryStore::default()), Arc::new(Sevens), 1).unwrap()
}

#[test]
fn boxes() {
    let keys = keys();
    // The nonce is the same each time, so the same text has the same first bytes.
    let start = "AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB1j5Ko5";
    for (purpose, rest) in [
        (Purpose::Name, "FCFDZg3LIO/E29TjQ3+e8"),
        (Purpose::Personal, "AycvIa6w4j3HFZ3m90a1b"),
        (Purpose::Label, "AS8OnOyAZNnLiTPqXtTmZ"),
        (Purpose::Property, "ADD+XI1qJifJwvzqFp/83"),
        (Purpose::Parameter, "AzbqGC5T53HL/MXtymcXW"),
    ] {
        let sealed = keys.seal(person(1), purpose, "anna").unwrap();
        let data = format!("{start}{rest}").into();
        assert_eq!(sealed, SealedBox { key: person(1), data }, "{purpose:?}");
    }
}

#[test]
fn hashes() {
    let keys = keys();
    let name = keys.name_hash(&local(), &PersonName::new("anna").unwrap());
    let shown = "carrel_a4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4d2h5aj64";
    assert_eq!(keys.new_token().unwrap().expose().as_str(), shown);
    let token = keys.token_hash(&Token::parse(shown).unwrap());
    let command = json!({ "type": "DeleteClient", "data": { "client": "anna" } });
    let command: wire::Command = serde_json::from_value(command).unwrap();
    let fingerprint = keys.fingerprint(&command).unwrap();
    let found =
        [name.to_string(), token.to_string(), fingerprint.to_string(), keys.identity().to_string()];
    assert_eq!(
        found,
        [
            "9ea3c91beb6244593b57998e2fa6efe31434bbd5bd318294541b773be00ef62e",
            "0f88c0074a776736d8d7c1ddd0ed8c5151322e43d704334330294176c5c69cd3",
            "1e6d57e11601617aaf8d0621162c680091add4d2eba335e53cc3f179792c975c",
            "5c47e8541478f71fa2ba8c003234e00e554b7ffddf9c7e9bbef025033582e7a2"
        ]
    );
}

#[test]
fn display_passwords() {
    let key = HostKey::from_slice(&[7; 32]).unwrap();
    let (session, machine) = (SessionId::from_bytes([1; 16]), MachineId::from_bytes([2; 16]));
    assert_eq!(key.display_password(session, machine, 3).expose(), "PKFX3CAWS5L25U7UBG222JPIAL");
}

#[test]
fn signatures() {
    let keys = keys();
    let signature = keys.sign(b"work");
    let hex: String = signature.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "2e4d07f9c41bf88f6fa637021fc6a66914fe0e8e9a1529db4b9d85b8f9913727",
        "df7c996e85c3d2c9ad75e2fbcdd1e7b4354f583191540d51a6bb4287a7e54709",
    );
    assert_eq!((signature.key.to_string().as_str(), &*hex), ("fe812c12f3ab4ce6", expected));
}
