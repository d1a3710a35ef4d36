//! Sealing without keys, for tests: what is sealed can be told apart and not be read.

use std::convert::Infallible;

use carrel_model::client::Provider;
use carrel_model::fleet::Fleet;
use carrel_model::hash::KeyedHash;
use carrel_model::ids::TerminalId;
use carrel_model::people::{PersonName, PersonRef, Seal};
use carrel_model::reference::Ref;
use carrel_model::sealed::{Purpose, SealedBox, Secret};
use carrel_model::terminal;
use uuid::Uuid;

use crate::random::Random;

/// Seals for people of one fleet.
#[derive(Debug)]
pub struct TestSeal<'a> {
    pub fleet: &'a Fleet,
    pub random: &'a mut Random,
}

/// The same for the same text, in every run.
fn hash(parts: &[&str]) -> KeyedHash {
    let mut bytes = [0; 32];
    let mut state = 0x6a09_e667_f3bc_c908_u64;
    for (at, byte) in parts.join("\0").bytes().cycle().take(256).enumerate() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        bytes[at % 32] ^= state.to_le_bytes()[3];
    }
    KeyedHash(bytes)
}

impl Seal for TestSeal<'_> {
    type Error = Infallible;

    fn new_id(&mut self) -> Result<Uuid, Infallible> {
        Ok(Uuid::from_bytes(self.random.bytes()))
    }

    /// Nobody's key for somebody who isn't there: the decision refuses them anyway.
    fn person(&mut self, person: &PersonRef) -> Result<Uuid, Infallible> {
        Ok(match person {
            PersonRef::Id(id) => *id,
            PersonRef::Name { provider, name } => {
                let key = (provider.clone(), hash(&[provider.as_str(), name.as_str()]));
                self.fleet.index.clients.get(&key).map(|id| id.uuid()).unwrap_or_default()
            }
        })
    }

    fn admin(&mut self, admin: &PersonRef) -> Result<Uuid, Infallible> {
        Ok(match admin {
            PersonRef::Id(id) => *id,
            PersonRef::Name { provider, name } => {
                let hash = hash(&[provider.as_str(), name.as_str()]);
                self.fleet.index.admins.get(&hash).map(|id| id.uuid()).unwrap_or_default()
            }
        })
    }

    fn terminal(&mut self, named: &Ref<TerminalId>) -> Result<Uuid, Infallible> {
        Ok(terminal::called(self.fleet, named).map(TerminalId::uuid).unwrap_or_default())
    }

    fn new_token(&mut self) -> Result<KeyedHash, Infallible> {
        let token = Uuid::from_bytes(self.random.bytes());
        Ok(hash(&[&token.to_string()]))
    }

    fn hash(&mut self, provider: &Provider, name: &PersonName) -> Result<KeyedHash, Infallible> {
        Ok(hash(&[provider.as_str(), name.as_str()]))
    }

    fn seal(&mut self, key: Uuid, _: Purpose, text: &str) -> Result<SealedBox, Infallible> {
        let data = hash(&[&key.to_string(), text]).to_string();
        Ok(SealedBox { key, data: data.into() })
    }

    fn password(&mut self, person: Uuid, password: &Secret) -> Result<SealedBox, Infallible> {
        self.seal(person, Purpose::Personal, password.expose())
    }
}
