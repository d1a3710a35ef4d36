//! Ids that follow from what they are of, so that what is said twice is known again.

use carrel_model::hash::Fingerprint;
use carrel_model::record::Incarnation;
use carrel_model::work::Thing;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Of the order that brings a thing to a generation.
pub(crate) fn order(incarnation: Incarnation, thing: Thing, generation: u64) -> Uuid {
    id(&[b"carrel order v1", &about(incarnation, thing, generation)])
}

/// Of what is said of a thing at a generation because somebody has seen it.
pub(crate) fn sighting(
    incarnation: Incarnation,
    thing: Thing,
    generation: u64,
    said: &[u8],
) -> Uuid {
    id(&[b"carrel sighting v1", &about(incarnation, thing, generation), said])
}

/// Of a command that a message became beside others.
pub(crate) fn part(message: Uuid, which: &[u8]) -> Uuid {
    id(&[b"carrel part v1", message.as_bytes(), which])
}

/// Of a command of the system: there is nothing in one that must not be guessed.
pub(crate) fn fingerprint(json: &[u8]) -> Fingerprint {
    Fingerprint(digest(&[b"carrel system command v1", json]))
}

/// All of the same length, so that no two of them look alike.
fn about(incarnation: Incarnation, thing: Thing, generation: u64) -> Vec<u8> {
    let (kind, id) = match thing {
        Thing::Machine(id) => (1, id.uuid()),
        Thing::Image(id) => (2, id.uuid()),
    };
    let mut bytes = vec![kind];
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(&incarnation.0.to_be_bytes());
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Of version 8, whose bits are what one makes of them (RFC 9562, section 5.8).
fn id(parts: &[&[u8]]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(parts)[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use carrel_model::ids::{ImageId, MachineId};

    use super::*;

    #[test]
    fn what_is_the_same_has_the_same_id_and_nothing_else_has() {
        let machine = Thing::Machine(MachineId::from_bytes([1; 16]));
        let image = Thing::Image(ImageId::from_bytes([1; 16]));
        let now = Incarnation(1);
        let one = order(now, machine, 7);
        assert_eq!(one, order(now, machine, 7));
        assert_eq!(one.get_version_num(), 8);
        let others = [
            order(now, machine, 8),
            order(now, image, 7),
            order(Incarnation(2), machine, 7),
            sighting(now, machine, 7, b""),
            sighting(now, machine, 7, b"runs"),
            part(one, b"heard"),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(one, *other);
            assert!(!others[..at].contains(other), "{at}");
        }
    }
}
