//! Passwords, hashed by Argon2id (RFC 9106) on threads of their own.
//!
//! Hashing takes a core and much memory on purpose. There are few threads for it, and a queue with
//! an end; whoever signs in waits there without a thread of their own.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use carrel_model::sealed::{SealedBox, Secret};
use data_encoding::BASE64_NOPAD;
use tokio::sync::oneshot;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, EntropyError};
use crate::error::{KeysError, OpenError};
use crate::keys::Keys;
use crate::limits::{HASHING_QUEUE_MAX, PASSWORD_BYTES_MAX};
use crate::person::Tag;

/// OWASP Password Storage Cheat Sheet: "Argon2id with a minimum configuration of 19 MiB of memory,
/// an iteration count of 2, and 1 degree of parallelism".
pub const MEMORY_KIB: u32 = 19 * 1024;
pub const PASSES: u32 = 2;
pub const LANES: u32 = 1;
/// RFC 9106, section 3.1: 16 bytes are recommended for passwords.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What became of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// Another password, or nobody who could have one.
    Wrong,
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads that hash. They end when whoever started them is gone.
pub(crate) struct Hashers {
    /// Nothing: each password is hashed where it is asked for.
    queue: Option<SyncSender<Job>>,
}

impl fmt::Debug for Hashers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashers(..)")
    }
}

impl Hashers {
    pub(crate) fn start(count: usize) -> Result<Self, OpenError> {
        if count == 0 {
            return Ok(Self { queue: None });
        }
        let (queue, jobs) = sync_channel(HASHING_QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for nth in 1..=count {
            let jobs = Arc::clone(&jobs);
            let hasher = thread::Builder::new().name(format!("carrel-hash-{nth}"));
            hasher
                .spawn(move || work(&jobs))
                .map_err(|error| OpenError::NoThread(error.to_string()))?;
        }
        Ok(Self { queue: Some(queue) })
    }

    pub(crate) const fn are_here(&self) -> bool {
        self.queue.is_none()
    }

    fn enqueue(&self, job: Job) -> Result<(), KeysError> {
        let Some(queue) = &self.queue else {
            job();
            return Ok(());
        };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => KeysError::Busy { max: HASHING_QUEUE_MAX },
            TrySendError::Disconnected(_) => gone(),
        })
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

fn gone() -> KeysError {
    KeysError::Hashing("its thread is gone".to_owned())
}

impl Keys {
    /// Whether this is the password in the box. Without a box, or with that of somebody who was
    /// deleted, it takes as long to say that it is not.
    pub async fn verify(
        &self,
        sealed: Option<SealedBox>,
        password: Secret,
    ) -> Result<Verdict, KeysError> {
        is_long_enough_and_not_too_long(&password)?;
        let (answer, verdict) = oneshot::channel();
        let keys = self.clone();
        self.hashers().enqueue(Box::new(move || {
            // Who has given up is not answered.
            if !answer.is_closed() {
                let _ = answer.send(keys.verify_here(sealed.as_ref(), &password));
            }
        }))?;
        verdict.await.map_err(|_| gone())?
    }

    fn verify_here(
        &self,
        sealed: Option<&SealedBox>,
        password: &Secret,
    ) -> Result<Verdict, KeysError> {
        let opened = sealed.map_or(Ok(None), |sealed| self.open_as(Tag::Password, sealed));
        let known = opened.as_ref().ok().and_then(Option::as_ref);
        let written = known.map_or(self.dummy().as_bytes(), |hash| hash.as_slice());
        let is_same = is_same(written, password);
        match (opened?, is_same?) {
            (Some(_), true) => Ok(Verdict::Right),
            (Some(_), false) | (None, _) => Ok(Verdict::Wrong),
        }
    }

    /// A new password's hash, sealed. It waits for a thread that hashes.
    pub fn seal_password(&self, person: Uuid, password: &Secret) -> Result<SealedBox, KeysError> {
        is_long_enough_and_not_too_long(password)?;
        let mut salt = [0; SALT_BYTES];
        self.entropy().fill(&mut salt)?;
        let (answer, hashed) = sync_channel(1);
        let password = password.clone();
        self.hashers().enqueue(Box::new(move || {
            // Nobody hears it who is gone.
            let _ = answer.send(hash(&password, &salt));
        }))?;
        let written = hashed.recv().map_err(|_| gone())??;
        self.seal_as(person, Tag::Password, &written)
    }
}

pub(crate) fn is_long_enough_and_not_too_long(password: &Secret) -> Result<(), KeysError> {
    let (given, max) = (password.expose().len(), PASSWORD_BYTES_MAX);
    if (1..=max).contains(&given) {
        return Ok(());
    }
    Err(KeysError::PasswordLength { given, max })
}

fn failed(error: impl fmt::Display) -> KeysError {
    KeysError::Hashing(error.to_string())
}

/// A hash with its parameters and its salt: a PHC string.
fn hash(password: &Secret, salt: &[u8]) -> Result<Zeroizing<String>, KeysError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).map_err(failed)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(password.expose().as_bytes(), salt);
    Ok(Zeroizing::new(hash.map_err(failed)?.to_string()))
}

fn is_same(written: &[u8], password: &Secret) -> Result<bool, KeysError> {
    let written = str::from_utf8(written).map_err(failed)?;
    let written = PasswordHash::new(written).map_err(failed)?;
    // The parameters are those that were written.
    match Argon2::default().verify_password(password.expose().as_bytes(), &written) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// What looks like a hash with the parameters of today, and is that of no password.
pub(crate) fn dummy(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    let (mut salt, mut hash) = ([0; SALT_BYTES], [0; HASH_BYTES]);
    entropy.fill(&mut salt)?;
    entropy.fill(&mut hash)?;
    let (salt, hash) = (BASE64_NOPAD.encode(&salt), BASE64_NOPAD.encode(&hash));
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsEntropy;

    #[test]
    fn a_hash_says_how_it_was_made() {
        let hash = hash(&Secret::new("secret".to_owned()), &[1; SALT_BYTES]).unwrap();
        let expected = "$argon2id$v=19$m=19456,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ$";
        assert!(hash.starts_with(expected), "{}", hash.as_str());
    }

    #[test]
    fn the_dummy_is_hashed_like_any_other() {
        let dummy = dummy(&OsEntropy).unwrap();
        let other = hash(&Secret::new("secret".to_owned()), &[1; SALT_BYTES]).unwrap();
        let before_the_salt =
            |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(before_the_salt(&dummy), before_the_salt(&other));
        assert_eq!(dummy.len(), other.len());
        assert_eq!(is_same(dummy.as_bytes(), &Secret::new("secret".to_owned())), Ok(false));
    }
}
