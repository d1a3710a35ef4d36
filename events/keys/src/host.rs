//! What a host and Carrel have in common, and the display passwords that both derive from it, so
//! that none is ever sent.

use carrel_model::ids::{HypervisorId, MachineId, SessionId};
use carrel_model::sealed::Secret;
use data_encoding::BASE32_NOPAD;
use hmac::Mac;
use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::hash::{finish, mac};
use crate::keys::Keys;
use crate::secret::Key;
use crate::store::SecretName;

/// 26 letters of base32 are 130 bits, and fit into what SPICE takes (60 bytes).
pub const DISPLAY_PASSWORD_LETTERS: usize = 26;

const LABEL: &[u8] = b"carrel display v1";

/// What a host is given at its enrolment. It can't be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey(Key);

impl HostKey {
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Key::from_slice(bytes).map(Self)
    }

    /// For the one answer that gives it to the host.
    pub fn expose(&self) -> &[u8; Key::BYTES] {
        self.0.expose()
    }

    /// The password of one ticket. Workers compute the same, with ids as their 16 bytes and the
    /// ticket as 4, the highest first:
    ///
    /// ```text
    /// base32(HMAC-SHA-256(key, "carrel display v1" | session | machine | ticket))[..26]
    /// ```
    pub fn display_password(&self, session: SessionId, machine: MachineId, ticket: u32) -> Secret {
        let mut mac = mac(&self.0);
        for part in [LABEL, session.as_bytes(), machine.as_bytes(), &ticket.to_be_bytes()] {
            mac.update(part);
        }
        let bytes = Zeroizing::new(finish(mac));
        let letters = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
        Secret::new(letters[..DISPLAY_PASSWORD_LETTERS].to_owned())
    }
}

impl Keys {
    /// Makes a new key for a host, in the place of the one that it may have had.
    pub fn enrol_host(&self, host: HypervisorId) -> Result<HostKey, KeysError> {
        let key = Key::random(self.entropy())?;
        self.store().keep_secret(SecretName::Host(host), key.expose())?;
        Ok(HostKey(key))
    }

    pub fn host_key(&self, host: HypervisorId) -> Result<HostKey, KeysError> {
        let secret = self.store().secret(SecretName::Host(host))?;
        secret.and_then(|secret| HostKey::from_slice(&secret)).ok_or(KeysError::NoHost { host })
    }

    pub fn remove_host(&self, host: HypervisorId) -> Result<(), KeysError> {
        Ok(self.store().remove_secret(SecretName::Host(host))?)
    }
}
