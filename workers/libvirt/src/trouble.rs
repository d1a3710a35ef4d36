//! Why something could not be done, and whether trying again would help.

use virt::error::{Error, ErrorDomain, ErrorNumber};

/// libvirt repeats whole command lines in some of its messages.
const DETAIL_CHARS_MAX: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hope {
    /// It will be the same again: no such bridge, no such file.
    Never,
    /// It may work another time: a lock, a moment without memory.
    Again,
    /// libvirtd does not answer. What was asked for may have been done.
    Unreachable,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Trouble {
    pub hope: Hope,
    /// What it was, in a word that stays the same.
    pub code: &'static str,
    pub detail: String,
    /// libvirt's number, if it was libvirt that said so.
    pub libvirt: Option<ErrorNumber>,
}

impl Trouble {
    pub(crate) fn new(hope: Hope, code: &'static str, detail: &str) -> Self {
        let detail = detail.chars().take(DETAIL_CHARS_MAX).collect();
        Self { hope, code, detail, libvirt: None }
    }

    pub(crate) fn never(code: &'static str, detail: &str) -> Self {
        Self::new(Hope::Never, code, detail)
    }

    pub(crate) fn again(code: &'static str, detail: &str) -> Self {
        Self::new(Hope::Again, code, detail)
    }

    pub(crate) fn unreachable(detail: &str) -> Self {
        Self::new(Hope::Unreachable, "unreachable", detail)
    }

    pub fn is(&self, number: ErrorNumber) -> bool {
        self.libvirt == Some(number)
    }

    pub fn is_unreachable(&self) -> bool {
        self.hope == Hope::Unreachable
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let (hope, code) = judge(&error);
        Self { libvirt: Some(error.code()), ..Self::new(hope, code, error.message()) }
    }
}

/// What comes from the connection itself says nothing about what was asked for.
fn judge(error: &Error) -> (Hope, &'static str) {
    if error.domain() == ErrorDomain::Rpc || error.domain() == ErrorDomain::Remote {
        return (Hope::Unreachable, "unreachable");
    }
    let number = error.code();
    let is_vague = matches!(
        number,
        ErrorNumber::InternalError | ErrorNumber::OperationFailed | ErrorNumber::SystemError
    );
    let told = TOLD.iter().filter(|_| is_vague).find(|(words, ..)| error.message().contains(words));
    told.map_or_else(|| judge_number(number), |(_, hope, code)| (*hope, *code))
}

/// What libvirt and QEMU have no number for, by words that they have used for ten years. What they
/// say otherwise one day is tried again in vain, and no worse.
const TOLD: &[(&str, Hope, &str)] = &[
    ("write\" lock", Hope::Again, "locked"),
    ("Cannot allocate memory", Hope::Again, "memory"),
    ("No space left on device", Hope::Again, "full"),
    ("No such file or directory", Hope::Never, "no_file"),
    ("No such device", Hope::Never, "no_device"),
    ("Permission denied", Hope::Never, "denied"),
    ("Image is not in qcow2 format", Hope::Never, "image"),
    ("Could not open backing file", Hope::Never, "image"),
];

#[expect(clippy::wildcard_enum_match_arm, reason = "libvirt has a hundred, and makes new ones")]
fn judge_number(number: ErrorNumber) -> (Hope, &'static str) {
    use ErrorNumber as E;
    match number {
        E::NoConnect | E::InvalidConn | E::Rpc => (Hope::Unreachable, "unreachable"),
        // Somebody else holds the domain, or libvirt waits for QEMU.
        E::OperationTimeout | E::ResourceBusy | E::BlockCopyActive => (Hope::Again, "busy"),
        E::AgentUnresponsive | E::AgentUnsynced | E::AgentCommandTimeout => (Hope::Again, "agent"),
        E::AgentCommandFailed => (Hope::Never, "agent"),
        E::NoMemory => (Hope::Again, "memory"),
        E::OperationInvalid | E::OperationAborted => (Hope::Again, "state"),
        E::InternalError | E::OperationFailed | E::SystemError => (Hope::Again, "failed"),
        E::NoDomain => (Hope::Never, "no_domain"),
        E::NoNetwork => (Hope::Never, "no_network"),
        E::XmlError | E::XmlDetail | E::XmlInvalidSchema | E::InvalidArg => (Hope::Never, "xml"),
        E::ConfigUnsupported | E::ArgumentUnsupported | E::OperationUnsupported | E::NoSupport => {
            (Hope::Never, "unsupported")
        }
        E::AccessDenied | E::OperationDenied | E::AuthFailed => (Hope::Never, "denied"),
        E::MigrateUnsafe | E::CpuIncompatible => (Hope::Never, "migrate"),
        _ => (Hope::Never, "refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::{DETAIL_CHARS_MAX, Hope, Trouble, judge_number};
    use virt::error::ErrorNumber;

    #[test]
    fn what_is_said_is_bounded() {
        let trouble = Trouble::never("x", &"ä".repeat(10_000));
        assert_eq!(trouble.detail.chars().count(), DETAIL_CHARS_MAX);
    }

    #[test]
    fn a_lock_is_worth_another_try_and_bad_xml_is_not() {
        assert_eq!(judge_number(ErrorNumber::OperationTimeout).0, Hope::Again);
        assert_eq!(judge_number(ErrorNumber::XmlError).0, Hope::Never);
    }
}
