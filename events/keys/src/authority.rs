//! Carrel's own authority: it signs the certificates by which hosts show that a display is theirs.
//!
//! Only its key is kept. What it says of itself follows from that, so it is the same authority
//! after each start. Neither it nor what it signs has an end (RFC 5280, 4.1.2.5): a host gets
//! another certificate whenever Carrel starts there, and whoever has lost their trust in one has
//! another authority made.

use std::fmt;
use std::sync::{Arc, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::keys::Keys;
use crate::store::SecretName;

/// Before any clock that is right.
const BEGIN: (i32, u8, u8) = (2020, 1, 1);
/// No end, in the words of RFC 5280.
const END: (i32, u8, u8) = (9999, 12, 31);
const NAME: &str = "Carrel displays";

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// What a host shows, all of it PEM.
pub struct Certified {
    /// Of the authority that has signed it.
    pub authority: Arc<str>,
    pub certificate: String,
    pub key: Zeroizing<String>,
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certified").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The authority, once somebody has asked for it.
#[derive(Clone)]
pub(crate) struct Authority {
    issuer: Arc<Issuer>,
    certificate: Arc<str>,
}

impl Authority {
    fn of(pair: KeyPair) -> Result<Self, rcgen::Error> {
        let mut params = params(&[], NAME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, pair)?;
        Ok(Self { certificate: issuer.pem().into(), issuer: Arc::new(issuer) })
    }

    fn certify(&self, names: &[String]) -> Result<Certified, rcgen::Error> {
        let pair = KeyPair::generate()?;
        let mut params = params(names, names.first().map_or(NAME, String::as_str))?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&pair, &self.issuer)?.pem();
        let key = Zeroizing::new(pair.serialize_pem());
        Ok(Certified { authority: Arc::clone(&self.certificate), certificate, key })
    }
}

fn params(names: &[String], called: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let date = |(year, month, day)| date_time_ymd(year, month, day);
    (params.not_before, params.not_after) = (date(BEGIN), date(END));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, called);
    Ok(params)
}

impl Keys {
    /// The certificate that a viewer trusts, as PEM. The authority is made when it is asked for
    /// first.
    pub fn authority(&self) -> Result<Arc<str>, KeysError> {
        Ok(self.displays()?.certificate)
    }

    /// A new certificate for a host's displays, by the names and addresses that viewers call it.
    pub fn certify_displays(&self, names: &[String]) -> Result<Certified, KeysError> {
        Ok(self.displays()?.certify(names)?)
    }

    fn displays(&self) -> Result<Authority, KeysError> {
        let mut known = self.known_authority().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(authority) = &*known {
            return Ok(authority.clone());
        }
        let pair = match self.store().secret(SecretName::Authority)? {
            Some(secret) => KeyPair::try_from(secret.as_slice())?,
            None => {
                let pair = KeyPair::generate()?;
                let written = Zeroizing::new(pair.serialize_der());
                self.store().keep_secret(SecretName::Authority, &written)?;
                pair
            }
        };
        let authority = Authority::of(pair)?;
        Ok(known.insert(authority).clone())
    }
}
