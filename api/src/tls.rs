//! TLS (RFC 8446, and 1.2): by a certificate that somebody brings, or by one that is made at the
//! first start and kept.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How an address is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// As it is. Only where nobody else listens.
    Off,
    /// By a certificate of somebody's own.
    Files { certificate: PathBuf, key: PathBuf },
    /// By one that is made when there is none, for these names and addresses.
    SelfSigned { folder: PathBuf, names: Vec<String> },
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{action} {path}: {cause}")]
    File { action: &'static str, path: PathBuf, cause: io::Error },
    #[error("{path} is no {what} in PEM: {cause}")]
    Pem { path: PathBuf, what: &'static str, cause: String },
    #[error("{path} has the mode {mode:04o}: others than its owner may read it; chmod it to 0600")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the certificate and its key can't be used: {0}")]
    Unusable(String),
    #[error("no certificate could be made: {0}")]
    Make(String),
}

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// What serves TLS. Nothing: it is off.
pub fn acceptor(tls: &Tls) -> Result<Option<RustlsConfig>, TlsError> {
    let (certificate, key) = match tls {
        Tls::Off => return Ok(None),
        Tls::Files { certificate, key } => (certificate.clone(), key.clone()),
        Tls::SelfSigned { folder, names } => made(folder, names)?,
    };
    let config = config(&certificate, &key)?;
    Ok(Some(RustlsConfig::from_config(Arc::new(config))))
}

fn config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &Path, what| {
        let path = path.to_owned();
        move |cause: rustls::pki_types::pem::Error| TlsError::Pem {
            path,
            what,
            cause: cause.to_string(),
        }
    };
    is_private(key)?;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key, "private key"))?;
    let unusable = |error: rustls::Error| TlsError::Unusable(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn is_private(key: &Path) -> Result<(), TlsError> {
    let about = fs::metadata(key).map_err(failed("look at", key))?;
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(TlsError::Exposed { path: key.to_owned(), mode })
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    let path = path.to_owned();
    move |cause| TlsError::File { action, path, cause }
}

/// The certificate of before, or a new one. The key comes last under its name: as long as it is
/// not there, both are made anew.
fn made(folder: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    if key.exists() {
        return Ok((certificate, key));
    }
    let make = |error: rcgen::Error| TlsError::Make(error.to_string());
    let pair = KeyPair::generate().map_err(make)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(make)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Carrel");
    let signed = params.self_signed(&pair).map_err(make)?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(failed("make", folder))?;
    write(&certificate, 0o644, signed.pem().as_bytes())?;
    write(&key, 0o600, pair.serialize_pem().as_bytes())?;
    Ok((certificate, key))
}

/// Whole and on the disk, or not there under its name.
fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), TlsError> {
    let beside = path.with_extension("new");
    let opened =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside);
    let mut file = opened.map_err(failed("write", &beside))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(failed("write", &beside))?;
    fs::rename(&beside, path).map_err(failed("rename", &beside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn self_signed(folder: &Path) -> Tls {
        Tls::SelfSigned { folder: folder.join("tls"), names: vec!["localhost".to_owned()] }
    }

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let tls = self_signed(folder.path());
        assert!(acceptor(&tls).expect("it can be made").is_some());
        let key = folder.path().join("tls/key.pem");
        let before = fs::read(&key).expect("the key");
        assert_eq!(fs::metadata(&key).expect("it").permissions().mode() & 0o777, 0o600);
        assert!(acceptor(&tls).expect("it can be read").is_some());
        assert_eq!(fs::read(&key).expect("the key"), before);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let tls = self_signed(folder.path());
        acceptor(&tls).expect("it can be made");
        let key = folder.path().join("tls/key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
        assert!(matches!(acceptor(&tls), Err(TlsError::Exposed { mode: 0o644, .. })));
    }

    #[test]
    fn what_is_no_certificate_is_refused_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key.pem");
        fs::write(&key, "nothing").expect("a file");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod");
        let tls = Tls::Files { certificate: key.clone(), key };
        let error = acceptor(&tls).expect_err("it is none").to_string();
        assert!(error.contains("key.pem"), "{error}");
    }
}
