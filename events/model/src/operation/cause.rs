//! Why something failed that was begun, apart from what refuses a turn (docs/errors) and from what
//! hosts say in words of their own.

use super::{Failure, PartEnd};

macro_rules! causes {
    ($($(#[doc = $about:literal])+ $name:ident $code:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Cause {$(
            $(#[doc = $about])+
            $name,
        )*}

        impl Cause {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            /// As it stands in a failure. Once released it stays the same.
            const fn code(self) -> &'static str {
                match self {$(Self::$name => $code,)*}
            }
        }
    };
}

causes! {
    /// The host that was at it is gone for good.
    HostLost "host_lost";
    /// No host is responsible for the machine any more.
    NoHost "no_host";
    /// The machine was deleted meanwhile.
    Deleted "deleted";
    /// What was awaited will not come: somebody took it back.
    Gone "gone";
    /// A machine that was to run went off before.
    WentOff "went_off";
    /// A start took too long.
    StartTimeout "start_timeout";
    /// The guest was asked to shut down and runs on.
    ShutdownIgnored "shutdown_ignored";
    /// The guest was asked to reboot and runs on.
    RebootIgnored "reboot_ignored";
    /// A host has not cut a machine's power.
    PowerOffTimeout "power_off_timeout";
    /// A machine's power could not be cut for its renewal.
    StaysOn "stays_on";
    /// Nothing is heard of a host.
    HostSilent "host_silent";
    /// A renewal waits for something else to end.
    Held "held";
    /// The version can't be stood on, or the machine stands on none.
    NotUsable "not_usable";
    /// The host sees no file of the version.
    NoFile "no_file";
    /// A host did not make an overlay in time.
    OverlayLate "overlay_late";
    /// A machine was started while its disk was made anew.
    IsOn "is_on";
    /// A first boot ended in another way than it should.
    FirstBoot "first_boot";
    /// A first boot was not done in time.
    FirstBootLate "first_boot_late";
    /// A file does not have the content of its version.
    OtherContent "other_content";
}

impl Failure {
    pub(crate) fn because(cause: Cause, detail: &str) -> Self {
        Self::new(cause.code(), detail)
    }

    pub(super) fn is_because(&self, cause: Cause) -> bool {
        self.code.as_str() == cause.code()
    }
}

impl PartEnd {
    pub(super) fn because(cause: Cause, detail: &str) -> Self {
        Self::Failed(Failure::because(cause, detail))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Cause;
    use crate::operation::Failure;

    #[test]
    fn each_cause_has_a_code_of_its_own() {
        let codes = Cause::ALL.iter().map(|cause| Failure::because(*cause, "").code);
        let codes: BTreeSet<_> = codes.map(|code| code.to_string()).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
        assert!(!codes.contains("unknown"), "each is a name");
    }
}
