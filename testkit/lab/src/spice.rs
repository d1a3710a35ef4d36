//! As much of a SPICE viewer as it takes to sign in: the link of a main channel.

use std::fs;
use std::io::{self, Read, Write};
use std::process::Command;

const MAGIC: &[u8; 4] = b"REDQ";
const VERSION: [u32; 2] = [2, 2];
const MAIN: u8 = 1;
/// Where capabilities would begin, of which it has none.
const CAPABILITIES_AT: u32 = 18;
const KEY_BYTES: usize = 162;

/// What the server says to who signs in.
#[derive(Debug)]
pub enum Answer<S> {
    In(S),
    Refused(u32),
}

/// The password was not taken.
pub const PERMISSION_DENIED: u32 = 7;

impl<S> Answer<S> {
    #[track_caller]
    pub fn must_be_in(self) -> S {
        match self {
            Self::In(stream) => stream,
            Self::Refused(error) => panic!("refused: {error}"),
        }
    }

    #[track_caller]
    pub fn must_be_refused(&self) {
        match self {
            Self::In(_) => panic!("let in"),
            Self::Refused(error) => assert_eq!(*error, PERMISSION_DENIED),
        }
    }
}

pub fn sign_in<S: Read + Write>(mut stream: S, password: &str) -> io::Result<Answer<S>> {
    let mut message = Vec::new();
    message.extend(0_u32.to_le_bytes());
    message.extend([MAIN, 0]);
    for word in [0, 0, CAPABILITIES_AT] {
        message.extend(u32::to_le_bytes(word));
    }
    let mut link = MAGIC.to_vec();
    for word in [VERSION[0], VERSION[1], u32::try_from(message.len()).expect("small")] {
        link.extend(word.to_le_bytes());
    }
    link.extend(message);
    stream.write_all(&link)?;
    stream.flush()?;

    let mut header = [0; 16];
    stream.read_exact(&mut header)?;
    let size = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
    let mut reply = vec![0; usize::try_from(size).expect("small")];
    stream.read_exact(&mut reply)?;
    let error = word(&reply);
    if error != 0 {
        return Ok(Answer::Refused(error));
    }
    let ticket = encrypt(&reply[4..4 + KEY_BYTES], password);
    stream.write_all(&ticket)?;
    stream.flush()?;
    let mut result = [0; 4];
    stream.read_exact(&mut result)?;
    Ok(match word(&result) {
        0 => Answer::In(stream),
        error => Answer::Refused(error),
    })
}

/// Whether the server has ended it. What it says before that is passed over.
pub fn is_cut(stream: &mut impl Read) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// By a tool that every Debian has, rather than by a crate for this alone.
fn encrypt(key: &[u8], password: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("key"), key).expect("written");
    fs::write(path("password"), [password.as_bytes(), &[0]].concat()).expect("written");
    let output = Command::new("openssl")
        .args(["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER"])
        .args(["-pkeyopt", "rsa_padding_mode:oaep"])
        .arg("-inkey")
        .arg(path("key"))
        .arg("-in")
        .arg(path("password"))
        .output()
        .expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
