//! Bytes as hexadecimal digits in lower case.

use std::fmt;

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// As many digits as the longest that is written has: one hash.
const PIECE: usize = 64;

pub(crate) fn write(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for bytes in bytes.chunks(PIECE / 2) {
        let mut text = [0; PIECE];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        let digits = std::str::from_utf8(&text[..2 * bytes.len()]);
        f.write_str(digits.map_err(|_| fmt::Error)?)?;
    }
    Ok(())
}

pub(crate) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
