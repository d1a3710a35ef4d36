//! What libvirt tells by itself: hints, on which nothing depends. What is so is read.

use std::sync::{Mutex, PoisonError};
use std::thread;

use uuid::Uuid;

use crate::trouble::Trouble;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Of one domain, ours or not.
    Domain(Uuid, Happened),
    /// Anything may have changed: libvirtd was connected to, or hints were lost.
    All,
    /// libvirtd can't be reached.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Or changed, or brought here.
    Defined,
    Undefined,
    Started,
    Paused,
    Resumed,
    /// The guest has shut down; QEMU ends next.
    ShutDown,
    Stopped,
    Asleep,
    Crashed,
    /// The guest boots again.
    Rebooted,
    Viewer(ViewerIs),
    /// Of a disk, by its alias; the reason is QEMU's word, `enospc` if there is no room.
    IoError {
        disk: String,
        reason: String,
    },
    /// The guest has this much memory now.
    Balloon {
        kib: u64,
    },
    AgentConnected,
    AgentGone,
    /// Somebody has written metadata.
    Marked,
    /// A CD was put in or taken out.
    Tray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerIs {
    Connected,
    SignedIn,
    Gone,
}

/// One for all connections of a process: libvirt knows no other way.
static RUNS: Mutex<bool> = Mutex::new(false);

/// It must run before a connection is opened that is to be kept alive or to tell anything.
pub(crate) fn run_for_good() -> Result<(), Trouble> {
    let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    if *runs {
        return Ok(());
    }
    virt::error::clear_error_callback();
    virt::event::event_register_default_impl()?;
    let thread = thread::Builder::new().name("libvirt-events".to_owned());
    let spawned = thread.spawn(|| {
        loop {
            // It waits for something to happen, and fails only for a moment without memory.
            if let Err(error) = virt::event::event_run_default_impl() {
                tracing::warn!(error = error.message(), "libvirt's event loop stumbled");
            }
        }
    });
    spawned.map_err(|error| Trouble::again("thread", &error.to_string()))?;
    *runs = true;
    Ok(())
}
