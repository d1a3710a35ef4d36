//! Passwords.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use carrel_keys::limits::{HASHING_QUEUE_MAX, PASSWORD_BYTES_MAX};
use carrel_keys::memory::MemoryStore;
use carrel_keys::{
    Kept, Key, KeyStore, Keys, KeysError, OsEntropy, SecretName, Shredding, StoreError, Verdict,
};
use carrel_model::sealed::SealedBox;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::scene::{in_memory, person, secret};

#[tokio::test]
async fn the_right_password_is_right_and_no_other() {
    let keys = in_memory();
    let sealed = keys.seal_password(person(1), &secret("correct horse")).unwrap();
    for (given, verdict) in [
        ("correct horse", Verdict::Right),
        ("correct horse ", Verdict::Wrong),
        ("Correct horse", Verdict::Wrong),
        ("x", Verdict::Wrong),
    ] {
        assert_eq!(keys.verify(Some(sealed.clone()), secret(given)).await, Ok(verdict), "{given}");
    }
}

#[tokio::test]
async fn the_same_password_never_looks_the_same() {
    let keys = in_memory();
    let password = secret("correct horse");
    let boxes = [1, 1, 2].map(|nth| keys.seal_password(person(nth), &password).unwrap());
    assert_ne!(boxes[0], boxes[1]);
    assert_ne!(boxes[0], boxes[2]);
}

#[tokio::test]
async fn who_is_not_there_has_no_password() {
    let keys = in_memory();
    let password = secret("correct horse");
    assert_eq!(keys.verify(None, password.clone()).await, Ok(Verdict::Wrong));
    let sealed = keys.seal_password(person(1), &password).unwrap();
    keys.shred(person(1)).unwrap();
    assert_eq!(keys.verify(Some(sealed), password).await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn a_box_that_is_no_password_is_told() {
    let keys = in_memory();
    let name = crate::scene::seal(&keys, 1, "anna");
    let error = keys.verify(Some(name), secret("anna")).await;
    assert!(matches!(error, Err(KeysError::Damaged { .. })), "{error:?}");
}

#[tokio::test]
async fn what_is_too_long_is_not_hashed() {
    let keys = in_memory();
    let max = PASSWORD_BYTES_MAX;
    keys.seal_password(person(1), &secret(&"x".repeat(max))).unwrap();
    for given in [0, max + 1] {
        let refused = KeysError::PasswordLength { given, max };
        let password = secret(&"x".repeat(given));
        assert_eq!(keys.seal_password(person(1), &password), Err(refused.clone()));
        assert_eq!(keys.verify(None, password).await, Err(refused));
    }
}

/// A store that is as slow as a test wants it to be: each look at a person waits.
#[derive(Debug)]
struct Slow {
    store: MemoryStore,
    looks: Mutex<Sender<()>>,
    goes_on: Mutex<Receiver<()>>,
}

impl KeyStore for Slow {
    fn was_empty(&self) -> bool {
        self.store.was_empty()
    }

    fn person(&self, person: Uuid) -> Result<Option<Kept>, StoreError> {
        self.looks.lock().unwrap().send(()).unwrap();
        // An error says that the test is over.
        let _ = self.goes_on.lock().unwrap().recv();
        self.store.person(person)
    }

    fn keep(&self, person: Uuid, key: &Key) -> Result<(), StoreError> {
        self.store.keep(person, key)
    }

    fn shred(&self, person: Uuid) -> Result<Shredding, StoreError> {
        self.store.shred(person)
    }

    fn forget(&self, person: Uuid) -> Result<(), StoreError> {
        self.store.forget(person)
    }

    fn secret(&self, name: SecretName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.store.secret(name)
    }

    fn keep_secret(&self, name: SecretName, secret: &[u8]) -> Result<(), StoreError> {
        self.store.keep_secret(name, secret)
    }

    fn remove_secret(&self, name: SecretName) -> Result<(), StoreError> {
        self.store.remove_secret(name)
    }
}

/// Boxes are opened by the threads that hash, so neither a slow disk nor a long queue holds up
/// those who wait; and who comes when too many wait is told so.
#[tokio::test]
async fn only_so_many_wait() {
    let ((looks, looked), (go_on, goes_on)) = (channel(), channel());
    let (looks, goes_on) = (Mutex::new(looks), Mutex::new(goes_on));
    let store = Arc::new(Slow { store: MemoryStore::default(), looks, goes_on });
    let keys = Keys::start(store, Arc::new(OsEntropy), 1).unwrap();
    let sealed = SealedBox { key: person(1), data: "x".into() };
    let verify = || Box::pin(keys.verify(Some(sealed.clone()), secret("x")));

    let mut waiting = Vec::new();
    let enqueue = |waiting: &mut Vec<_>| {
        let mut asked = verify();
        let polled = asked_once(asked.as_mut());
        waiting.push(asked);
        polled
    };
    assert_eq!(enqueue(&mut waiting), None);
    // The one hasher has taken it out of the queue.
    looked.recv().unwrap();
    for _ in 0..HASHING_QUEUE_MAX {
        assert_eq!(enqueue(&mut waiting), None);
    }
    let busy = KeysError::Busy { max: HASHING_QUEUE_MAX };
    assert_eq!(enqueue(&mut waiting), Some(Err(busy)));

    // Nobody waits any more, so nobody is hashed for.
    waiting.truncate(1);
    drop(go_on);
    let no_key = KeysError::NoKey { person: person(1) };
    assert_eq!(waiting.remove(0).await, Err(no_key));
    // Their places are free as soon as the hasher has come by.
    let verdict = loop {
        match keys.verify(None, secret("x")).await {
            Err(KeysError::Busy { .. }) => tokio::task::yield_now().await,
            verdict => break verdict,
        }
    };
    assert_eq!(verdict, Ok(Verdict::Wrong));
    assert_eq!(looked.try_iter().count(), 0);
}

/// What a future says when it is asked once.
fn asked_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
