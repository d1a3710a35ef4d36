//! A key for each person, and for each terminal: what is sealed under it can be read as long as it
//! is there.
//!
//! ```text
//!   of a person:  nothing --(something is sealed)--> key --(deleted)--> shredded
//!                    ^                                |
//!                    +------(never came to be)--------+
//! ```
//!
//! A box is base64 of `1 | nonce (24) | ciphertext | tag (16)`, by XChaCha20-Poly1305: its nonces
//! are long enough to be drawn at random, however many there are, and it takes the same time on
//! every processor. The person and the purpose are authenticated with it, so a box in the place of
//! another can't be opened. Boxes are in the log for all time: other bytes need another first byte.

use carrel_model::event::{AdminFact, ClientFact, Event, TerminalFact};
pub use carrel_model::sealed::Purpose;
use carrel_model::sealed::SealedBox;
use carrel_model::text::Text;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64_NOPAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cache::Shard;
use crate::error::{KeysError, StoreError};
use crate::keys::Keys;
use crate::limits::PLAIN_BYTES_MAX;
use crate::secret::Key;
use crate::store::{Kept, Shredding};

const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const LABEL: &[u8] = b"carrel box v1";

/// What a box is for, with what never leaves this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Name = 1,
    Personal = 2,
    Password = 3,
    Label = 4,
    Property = 5,
    Parameter = 6,
}

impl From<Purpose> for Tag {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Name => Self::Name,
            Purpose::Personal => Self::Personal,
            Purpose::Label => Self::Label,
            Purpose::Property => Self::Property,
            Purpose::Parameter => Self::Parameter,
        }
    }
}

/// Whose key has to be destroyed once this has happened. Whoever follows the log shreds them, and
/// does so again for the whole log after keys were restored.
pub fn shredded_by(event: &Event) -> Option<Uuid> {
    if let Event::Client(id, ClientFact::Deleted(_)) = event {
        return Some(id.uuid());
    }
    if let Event::Admin(id, AdminFact::Deleted(_)) = event {
        return Some(id.uuid());
    }
    // The passwords with which it signs in somewhere.
    if let Event::Terminal(id, TerminalFact::Removed(_)) = event {
        return Some(id.uuid());
    }
    None
}

impl Keys {
    /// Seals something under a person's key, which is made, and lasts, before their first box is
    /// there.
    pub fn seal(&self, person: Uuid, purpose: Purpose, text: &str) -> Result<SealedBox, KeysError> {
        self.seal_as(person, purpose.into(), text)
    }

    /// What is in a box. Nothing if the person's key was destroyed.
    pub fn open(&self, purpose: Purpose, sealed: &SealedBox) -> Result<Option<Text>, KeysError> {
        let Some(bytes) = self.open_as(purpose.into(), sealed)? else { return Ok(None) };
        let text = str::from_utf8(&bytes).ok().and_then(|text| Text::new(text).ok());
        let damaged = KeysError::Damaged { person: sealed.key, what: "there is no text in it" };
        text.map(Some).ok_or(damaged)
    }

    /// Gives somebody new a key of their own. Refused for whoever has one or had one: what is
    /// sealed under it must not be forgotten with a newcomer.
    pub fn make_person(&self, person: Uuid) -> Result<(), KeysError> {
        let mut shard = self.people().shard(person);
        if self.store().person(person)?.is_some() {
            return Err(KeysError::Taken { person });
        }
        self.make_key(&mut shard, person).map(drop)
    }

    /// Destroys a person's key, and with it everything that is sealed under it, in the log and in
    /// every copy of it. Doing it again is doing it once.
    pub fn shred(&self, person: Uuid) -> Result<Shredding, KeysError> {
        let mut shard = self.people().shard(person);
        // First, so that nobody reads by it even if the store fails.
        shard.remove(person);
        Ok(self.store().shred(person)?)
    }

    /// Destroys the keys of all who were deleted, as the log says. Says how many were there again:
    /// they came with a backup.
    pub fn shred_all(&self, people: impl IntoIterator<Item = Uuid>) -> Result<usize, KeysError> {
        let mut destroyed = 0;
        for person in people {
            destroyed += usize::from(self.shred(person)? == Shredding::Destroyed);
        }
        Ok(destroyed)
    }

    /// Removes the key of somebody whom no decision made: nothing in the log is sealed under it.
    pub fn forget(&self, person: Uuid) -> Result<(), KeysError> {
        let mut shard = self.people().shard(person);
        shard.remove(person);
        Ok(self.store().forget(person)?)
    }

    pub(crate) fn seal_as(
        &self,
        person: Uuid,
        tag: Tag,
        text: &str,
    ) -> Result<SealedBox, KeysError> {
        let (given, max) = (text.len(), PLAIN_BYTES_MAX);
        if given > max {
            return Err(KeysError::TooLong { given, max });
        }
        let key = self.key_or_new(person)?;
        let mut nonce = [0; NONCE_BYTES];
        self.entropy().fill(&mut nonce)?;
        let aad = associated(person, tag);
        let payload = Payload { msg: text.as_bytes(), aad: &aad };
        let sealed = cipher(&key).encrypt(&XNonce::from(nonce), payload);
        // A cipher refuses what is longer than memory; this is shorter.
        let sealed = sealed.map_err(|_| KeysError::TooLong { given, max })?;
        let data = BASE64_NOPAD.encode(&[&[FORMAT], nonce.as_slice(), &sealed].concat());
        Ok(SealedBox { key: person, data: data.into() })
    }

    pub(crate) fn open_as(
        &self,
        tag: Tag,
        sealed: &SealedBox,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
        let person = sealed.key;
        let key = match self.key(person)? {
            Some(Kept::Key(key)) => key,
            Some(Kept::Shredded) => return Ok(None),
            None => return Err(KeysError::NoKey { person }),
        };
        let damaged = |what| KeysError::Damaged { person, what };
        if sealed.data.len() > SealedBox::DATA_LENGTH_MAX {
            return Err(damaged("it is too long"));
        }
        let bytes = BASE64_NOPAD.decode(sealed.data.as_bytes());
        let bytes = bytes.map_err(|_| damaged("it is no base64"))?;
        let (format, rest) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if *format != FORMAT {
            return Err(damaged("this version does not know its format"));
        }
        let (nonce, msg) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(|| damaged("it ends too early"))?;
        let aad = associated(person, tag);
        let opened = cipher(&key).decrypt(&XNonce::from(*nonce), Payload { msg, aad: &aad });
        let what = "it was changed, is in another's place, or is of another key";
        opened.map(|bytes| Some(Zeroizing::new(bytes))).map_err(|_| damaged(what))
    }

    fn key(&self, person: Uuid) -> Result<Option<Kept>, StoreError> {
        let mut shard = self.people().shard(person);
        if let Some(key) = shard.get(person) {
            return Ok(Some(Kept::Key(key)));
        }
        let kept = self.store().person(person)?;
        if let Some(Kept::Key(key)) = &kept {
            shard.put(person, key.clone());
        }
        Ok(kept)
    }

    fn key_or_new(&self, person: Uuid) -> Result<Key, KeysError> {
        let mut shard = self.people().shard(person);
        if let Some(key) = shard.get(person) {
            return Ok(key);
        }
        let key = match self.store().person(person)? {
            Some(Kept::Key(key)) => key,
            Some(Kept::Shredded) => return Err(KeysError::Shredded { person }),
            None => return self.make_key(&mut shard, person),
        };
        shard.put(person, key.clone());
        Ok(key)
    }

    fn make_key(&self, shard: &mut Shard, person: Uuid) -> Result<Key, KeysError> {
        let key = Key::random(self.entropy())?;
        self.store().keep(person, &key)?;
        shard.put(person, key.clone());
        Ok(key)
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose().into())
}

fn associated(person: Uuid, tag: Tag) -> Vec<u8> {
    [LABEL, person.as_bytes(), &[tag as u8]].concat()
}
