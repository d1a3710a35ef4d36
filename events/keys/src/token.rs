//! Tokens by which people and programs sign in: random, and known by their hash alone.
//!
//! A token is `carrel_` and base32 of 32 random bytes and a checksum of 4. By its beginning a
//! leaked one is found in files and logs, and by its checksum told from what only looks like one.

use std::fmt;

use data_encoding::BASE32_NOPAD_NOCASE;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::entropy::EntropyError;
use crate::keys::Keys;
use crate::secret::Key;

const PREFIX: &str = "carrel_";
const CHECKSUM_BYTES: usize = 4;
/// 36 bytes, five bits in each letter.
const LETTERS: usize = 58;

/// What somebody shows to sign in. It can't be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Key);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of Carrel")]
pub struct NotAToken;

impl Token {
    /// Reads what somebody sent. Nothing is looked up for what was mistyped or made up.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let letters = text.strip_prefix(PREFIX).ok_or(NotAToken)?;
        if letters.len() != LETTERS {
            return Err(NotAToken);
        }
        let bytes = BASE32_NOPAD_NOCASE.decode(letters.as_bytes()).map_err(|_| NotAToken)?;
        let bytes = Zeroizing::new(bytes);
        let (secret, sum) = bytes.split_last_chunk().ok_or(NotAToken)?;
        let token = Self(Key::from_slice(secret).ok_or(NotAToken)?);
        if token.checksum() == *sum { Ok(token) } else { Err(NotAToken) }
    }

    /// For the one answer that shows it.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(self.secret().to_vec());
        bytes.extend_from_slice(&self.checksum());
        let mut letters = Zeroizing::new(BASE32_NOPAD_NOCASE.encode(&bytes));
        letters.make_ascii_lowercase();
        Zeroizing::new(format!("{PREFIX}{}", letters.as_str()))
    }

    pub(crate) fn secret(&self) -> &[u8; Key::BYTES] {
        self.0.expose()
    }

    fn checksum(&self) -> [u8; CHECKSUM_BYTES] {
        let whole = Sha256::new_with_prefix(PREFIX).chain_update(self.secret()).finalize();
        let mut sum = [0; CHECKSUM_BYTES];
        sum.copy_from_slice(&whole[..CHECKSUM_BYTES]);
        sum
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Keys {
    pub fn new_token(&self) -> Result<Token, EntropyError> {
        Ok(Token(Key::random(self.entropy())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token(Key::from([7; 32]))
    }

    #[test]
    fn a_token_is_read_as_it_was_shown() {
        let shown = token().expose();
        assert_eq!(shown.len(), PREFIX.len() + LETTERS);
        assert!(shown.starts_with("carrel_a4dqobyh"), "{}", shown.as_str());
        assert_eq!(Token::parse(&shown), Ok(token()));
    }

    #[test]
    fn what_is_mistyped_is_no_token() {
        let shown = token().expose();
        for at in 0..shown.len() {
            let mut other = shown.to_string();
            let letter = if other.as_bytes()[at] == b'q' { "r" } else { "q" };
            other.replace_range(at..=at, letter);
            assert_eq!(Token::parse(&other), Err(NotAToken), "letter {at}");
            assert_eq!(Token::parse(&shown[..at]), Err(NotAToken), "cut at {at}");
        }
        assert_eq!(Token::parse(&format!("{}a", shown.as_str())), Err(NotAToken));
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", token()), "Token(..)");
    }
}
