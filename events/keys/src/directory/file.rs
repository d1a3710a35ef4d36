//! The bytes of a key file.
//!
//! ```text
//!   magic     8   "CRLKEYS\n"
//!   format    2   1, the lowest byte first
//!   kind      1   what it keeps
//!   length    1   of what it keeps
//!   owner    16   whose it is: a file under another's name is not taken for theirs
//!   secret    length
//!   checksum  8   the first bytes of the SHA-256 of all before
//! ```

use std::path::Path;

use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::limits::FILE_BYTES_MAX;

pub(super) const FORMAT: u16 = 1;
const MAGIC: &[u8; 8] = b"CRLKEYS\n";
const HEADER_BYTES: usize = 28;
const CHECKSUM_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Person = 1,
    /// Of a person whose key was destroyed. It keeps nothing.
    Shredded = 2,
    Installation = 3,
    WorkSigning = 4,
    Host = 5,
    Authority = 6,
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&Sha256::digest(bytes)[..CHECKSUM_BYTES]);
    sum
}

/// Nothing if the secret is longer than a file may keep.
pub(super) fn encode(kind: Kind, owner: Uuid, secret: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let length = u8::try_from(secret.len()).ok()?;
    let total = HEADER_BYTES + secret.len() + CHECKSUM_BYTES;
    if total > FILE_BYTES_MAX {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(total));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[kind as u8, length]);
    bytes.extend_from_slice(owner.as_bytes());
    bytes.extend_from_slice(secret);
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    Some(bytes)
}

/// What a file keeps, if it is what was written.
pub(super) fn decode(
    path: &Path,
    bytes: &[u8],
    kind: Kind,
    owner: Uuid,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let damaged = |what| StoreError::Damaged { path: path.to_owned(), what };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it is no key file"))?;
    let (format, _) = rest.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
    let format = u16::from_le_bytes(*format);
    if format > FORMAT {
        return Err(StoreError::Newer { path: path.to_owned(), format, known: FORMAT });
    }
    let (whole, sum) = bytes.split_last_chunk().ok_or_else(|| damaged("it ends too early"))?;
    if checksum(whole) != *sum {
        return Err(damaged("its checksum is wrong"));
    }
    let (header, secret) =
        whole.split_first_chunk::<HEADER_BYTES>().ok_or_else(|| damaged("it ends too early"))?;
    if format != FORMAT || usize::from(header[11]) != secret.len() {
        return Err(damaged("its header is wrong"));
    }
    if header[10] != kind as u8 || header[12..] != *owner.as_bytes() {
        return Err(damaged("it is another's file"));
    }
    Ok(Zeroizing::new(secret.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Uuid = Uuid::from_u128(7);

    fn read(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        decode(Path::new("x"), bytes, Kind::Person, OWNER)
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = encode(Kind::Person, OWNER, &[9; 32]).unwrap();
        assert_eq!(read(&bytes).unwrap().as_slice(), [9; 32]);
    }

    #[test]
    fn no_changed_byte_and_no_cut_goes_unnoticed() {
        let bytes = encode(Kind::Person, OWNER, &[9; 32]).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at}");
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn anothers_file_is_not_taken() {
        for (kind, owner) in [(Kind::Host, OWNER), (Kind::Person, Uuid::nil())] {
            let bytes = encode(kind, owner, &[9; 32]).unwrap();
            let what = "it is another's file";
            let damaged = StoreError::Damaged { path: "x".into(), what };
            assert_eq!(read(&bytes), Err(damaged));
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let mut bytes = encode(Kind::Person, OWNER, &[9; 32]).unwrap();
        bytes[8] = 2;
        let newer = StoreError::Newer { path: "x".into(), format: 2, known: FORMAT };
        assert_eq!(read(&bytes), Err(newer));
    }

    #[test]
    fn a_secret_has_at_most_so_many_bytes() {
        let most = FILE_BYTES_MAX - HEADER_BYTES - CHECKSUM_BYTES;
        assert_eq!(encode(Kind::Person, OWNER, &vec![1; most]).unwrap().len(), FILE_BYTES_MAX);
        assert_eq!(encode(Kind::Person, OWNER, &vec![1; most + 1]), None);
    }
}
