//! What a domain is doing, as libvirt numbers it.

use std::ffi::{c_int, c_uint};

use carrel_domain::Ended;
use virt_sys as sys;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No process writes to its disks. How it ended, as far as libvirtd knows: it forgets with its
    /// own end, and has never known of what was only defined.
    Off(Option<Ended>),
    Running,
    Paused(Pause),
    /// The guest has put itself to sleep.
    Asleep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Somebody has asked for it, or it has not begun to run yet.
    Command,
    /// A disk could not be written or read: [`crate::Host::disk_errors`] knows why.
    Io,
    /// libvirt is about to do something else with it: it moves, or is being saved.
    Passing,
    Other,
}

impl State {
    /// There is a process that may write to its disks.
    pub const fn is_on(self) -> bool {
        match self {
            Self::Off(_) => false,
            Self::Running | Self::Paused(_) | Self::Asleep => true,
        }
    }

    pub(crate) fn of(state: c_int, reason: c_int) -> Self {
        let [state, reason] = [state, reason].map(|it| c_uint::try_from(it).unwrap_or_default());
        match state {
            sys::VIR_DOMAIN_PAUSED => Self::Paused(pause(reason)),
            sys::VIR_DOMAIN_SHUTOFF => Self::Off(ended(reason)),
            sys::VIR_DOMAIN_PMSUSPENDED => Self::Asleep,
            // The guest has crashed, and somebody else's definition says that it is kept.
            sys::VIR_DOMAIN_CRASHED => Self::Paused(Pause::Other),
            // That it shuts down is no matter before it is down.
            _ => Self::Running,
        }
    }
}

fn pause(reason: c_uint) -> Pause {
    match reason {
        sys::VIR_DOMAIN_PAUSED_USER
        | sys::VIR_DOMAIN_PAUSED_STARTING_UP
        | sys::VIR_DOMAIN_PAUSED_UNKNOWN => Pause::Command,
        sys::VIR_DOMAIN_PAUSED_IOERROR => Pause::Io,
        sys::VIR_DOMAIN_PAUSED_MIGRATION
        | sys::VIR_DOMAIN_PAUSED_SAVE
        | sys::VIR_DOMAIN_PAUSED_DUMP
        | sys::VIR_DOMAIN_PAUSED_SNAPSHOT
        | sys::VIR_DOMAIN_PAUSED_SHUTTING_DOWN => Pause::Passing,
        _ => Pause::Other,
    }
}

fn ended(reason: c_uint) -> Option<Ended> {
    match reason {
        sys::VIR_DOMAIN_SHUTOFF_SHUTDOWN => Some(Ended::Guest),
        sys::VIR_DOMAIN_SHUTOFF_DESTROYED => Some(Ended::Cut),
        sys::VIR_DOMAIN_SHUTOFF_CRASHED => Some(Ended::Crash),
        // It could not be started, was saved or has moved, or libvirtd has just begun to look.
        _ => None,
    }
}
