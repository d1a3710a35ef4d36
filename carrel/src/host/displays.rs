//! Where displays of this host are seen from, if not from this host alone, and the certificates by
//! which QEMU shows that they are its own (remote-viewer(1), `ca`; QEMU, `-spice x509-dir`).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use carrel_domain::Listen;
use carrel_keys::{Certified, Keys};

use crate::config::Config;
use crate::failure::Failure;

/// As QEMU looks for them.
const AUTHORITY: &str = "ca-cert.pem";
const CERTIFICATE: &str = "server-cert.pem";
const KEY: &str = "server-key.pem";
/// Beside them, where they are Carrel's: those of somebody else are never written over.
const MARK: &str = "made-by-carrel";

/// QEMU's user reads the key as a member of the folder's group, which its files come to have.
const KEY_MODE: u32 = 0o640;
const MODE: u32 = 0o644;

/// Beyond this machine.
#[derive(Clone, Debug)]
pub(crate) struct Displays {
    pub(crate) address: IpAddr,
    pub(crate) folder: PathBuf,
}

impl Displays {
    /// Nothing: they are for who sits at this machine.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let folder = config.display_certificates.clone();
        config.displays.map(|address| Self { address, folder })
    }

    pub(crate) const fn listen(&self) -> Listen {
        Listen::Tls(self.address)
    }

    pub(crate) fn are_certified(&self) -> bool {
        self.folder.join(KEY).exists()
    }

    /// A new certificate. A QEMU that runs keeps the one that it has begun with.
    pub(crate) fn certify(&self, keys: &Keys, more_names: &[String]) -> Result<(), Failure> {
        let failed = || {
            let failure = Failure::new(format!(
                "{} can't have the certificate of this host's displays",
                self.folder.display()
            ));
            failure.next("see \"Displays on other computers\" in hypervisor-host.md")
        };
        let mut names = vec![self.address.to_string()];
        names.extend_from_slice(more_names);
        names.dedup();
        let made = keys.certify_displays(&names).map_err(|why| failed().because(why))?;
        self.write(&made).map_err(|why| failed().because(why))
    }

    fn write(&self, made: &Certified) -> io::Result<()> {
        let mark = self.folder.join(MARK);
        if !mark.exists() {
            if [AUTHORITY, CERTIFICATE, KEY].iter().any(|name| self.folder.join(name).exists()) {
                return Err(io::Error::other("there are certificates that Carrel has not made"));
            }
            put(&mark, MODE, b"Carrel makes these anew at each start.\n")?;
        }
        put(&self.folder.join(AUTHORITY), MODE, made.authority.as_bytes())?;
        put(&self.folder.join(CERTIFICATE), MODE, made.certificate.as_bytes())?;
        put(&self.folder.join(KEY), KEY_MODE, made.key.as_bytes())
    }
}

/// Whole under its name, or not there. The mode is what it is, whatever the process's mask.
fn put(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carrel_keys::OsEntropy;
    use carrel_keys::memory::MemoryStore;

    use super::*;

    fn keys() -> Keys {
        Keys::start(Arc::new(MemoryStore::default()), Arc::new(OsEntropy), 0).expect("keys")
    }

    fn displays(folder: &Path) -> Displays {
        Displays { address: [192, 0, 2, 1].into(), folder: folder.to_owned() }
    }

    #[test]
    fn a_certificate_is_made_anew_and_its_key_is_for_a_group_at_most() {
        let folder = tempfile::tempdir().expect("a folder");
        let (displays, keys) = (displays(folder.path()), keys());
        assert!(!displays.are_certified());
        displays.certify(&keys, &["desk.example".to_owned()]).expect("made");
        assert!(displays.are_certified());
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("text");
        let before = (read(AUTHORITY), read(CERTIFICATE));
        displays.certify(&keys, &[]).expect("made again");
        assert_eq!(read(AUTHORITY), before.0);
        assert_ne!(read(CERTIFICATE), before.1);
        let mode = fs::metadata(folder.path().join(KEY)).expect("the key").permissions().mode();
        assert_eq!(mode & 0o777, KEY_MODE);
    }

    #[test]
    fn certificates_of_somebody_else_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let theirs = folder.path().join(CERTIFICATE);
        fs::write(&theirs, "theirs").expect("written");
        let error = displays(folder.path()).certify(&keys(), &[]).expect_err("it is theirs");
        assert!(error.to_string().contains("has not made"), "{error}");
        assert_eq!(fs::read_to_string(&theirs).expect("text"), "theirs");
    }
}
