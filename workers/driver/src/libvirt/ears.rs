//! What libvirt tells: whoever waits for it looks at once instead of the next time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use carrel_libvirt::{Happened, Hint, Watch};

use super::rounds::Asking;
use crate::told::Told;
use crate::trouble::Trouble;

/// So often it is looked whether anybody still wants to hear.
const BREATH: Duration = Duration::from_secs(1);

/// Hears until it is dropped.
#[derive(Debug)]
pub(super) struct Ears(Arc<AtomicBool>);

impl Drop for Ears {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Ears {
    pub(super) fn new(watch: Watch, asking: Asking, told: Told) -> Result<Self, Trouble> {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = thread::Builder::new().name("libvirt-hear".to_owned());
        let spawned = thread.spawn(move || {
            while !is_over.load(Ordering::Relaxed) && !watch.is_over() {
                match watch.next(BREATH) {
                    Some(Hint::Domain(uuid, happened)) if is_of_guest(&happened) => {
                        asking.happened(uuid);
                    }
                    Some(Hint::Domain(_, happened)) if is_news(&happened) => told.tell(),
                    Some(Hint::All) => told.tell(),
                    Some(Hint::Domain(..) | Hint::Gone) | None => {}
                }
            }
        });
        spawned.map_err(|error| Trouble::again("thread", &error.to_string()))?;
        Ok(Self(over))
    }
}

/// Only whoever asks learns what it means.
fn is_of_guest(happened: &Happened) -> bool {
    matches!(happened, Happened::Viewer(_) | Happened::AgentConnected)
}

/// Whoever looks sees it.
fn is_news(happened: &Happened) -> bool {
    match happened {
        Happened::Undefined
        | Happened::Started
        | Happened::Paused
        | Happened::Resumed
        | Happened::Stopped
        | Happened::Asleep
        | Happened::Crashed
        | Happened::Rebooted
        | Happened::IoError { .. } => true,
        // QEMU ends next, and that is told, too.
        Happened::ShutDown
        | Happened::Defined
        | Happened::Viewer(_)
        | Happened::Balloon { .. }
        | Happened::AgentConnected
        | Happened::AgentGone
        | Happened::Marked
        | Happened::Tray => false,
    }
}
