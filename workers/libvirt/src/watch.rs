//! Hearing what libvirt tells, for as long as somebody wants to.
//!
//! ```text
//!   libvirt's event loop --- a short queue ---> this thread ---> what is known, marks --> listener
//!                                                    |
//!                        connection ends             +--- connects again, waiting longer each time
//! ```
//!
//! After each connection everything may have changed: that is a hint, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use crate::bridge::{Listener, Listening};
use crate::events::{Happened, Hint};
use crate::host::Host;
use crate::lines::{close, open};
use crate::target::Target;
use crate::trouble::Trouble;

/// A boot storm of 150 machines tells some ten things of each at once.
const HINTS_MAX: usize = 2048;
/// Doubled each time that libvirtd could not be connected to.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// So often a thread looks whether anybody still wants to hear.
const BREATH: Duration = Duration::from_secs(1);

/// Hints, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    hints: Receiver<Hint>,
    over: Arc<AtomicBool>,
}

impl Watch {
    /// Nothing: none came in time.
    pub fn next(&self, within: Duration) -> Option<Hint> {
        self.hints.recv_timeout(within).ok()
    }

    /// Nothing is heard any more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Host {
    /// Begins to listen, on a connection of its own. It ends with the watch or the host.
    pub fn watch(self: &Arc<Self>) -> Result<Watch, Trouble> {
        let (told, hints) = sync_channel(HINTS_MAX);
        let over = Arc::new(AtomicBool::new(false));
        let watcher = Watcher {
            host: Arc::downgrade(self),
            uri: self.settings.uri.clone(),
            told,
            owes: AtomicBool::new(false),
            over: Arc::clone(&over),
        };
        let thread = thread::Builder::new().name("libvirt-watch".to_owned());
        let spawned = thread.spawn(move || watcher.watch());
        spawned.map_err(|error| Trouble::again("thread", &error.to_string()))?;
        Ok(Watch { hints, over })
    }
}

struct Watcher {
    host: Weak<Host>,
    uri: String,
    told: SyncSender<Hint>,
    /// The listener has yet to hear that it was told more than it took.
    owes: AtomicBool,
    over: Arc<AtomicBool>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

struct Queue {
    hints: SyncSender<Hint>,
    lost: AtomicBool,
}

impl Queue {
    fn put(&self, hint: Hint) {
        if let Err(TrySendError::Full(_)) = self.hints.try_send(hint) {
            self.lost.store(true, Ordering::Relaxed);
        }
    }
}

impl Watcher {
    fn watch(self) {
        // Nobody sends anything: it is only waited at.
        let (_waiting, pause) = sync_channel::<()>(0);
        let (mut wait, mut is_missed) = (PAUSE_MIN, false);
        while !self.is_over() {
            match open(&self.uri) {
                Ok(connect) => {
                    (wait, is_missed) = (PAUSE_MIN, false);
                    self.listen(&connect);
                    close(Some(connect));
                }
                Err(trouble) => tracing::debug!(%trouble, "libvirtd can't be connected to"),
            }
            if !is_missed {
                is_missed = true;
                self.tell(Hint::Gone);
            }
            let _ = pause.recv_timeout(wait);
            wait = (wait * 2).min(PAUSE_MAX);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.host.strong_count() == 0
    }

    fn listen(&self, connect: &virt::connect::Connect) {
        let (put, hints) = sync_channel(HINTS_MAX);
        let queue = Arc::new(Queue { hints: put, lost: AtomicBool::new(false) });
        let putting = Arc::clone(&queue);
        let listener: Listener = Arc::new(move |hint| putting.put(hint));
        let listening = match Listening::new(connect, &listener) {
            Ok(listening) => listening,
            Err(error) => {
                tracing::warn!(error = error.message(), "libvirt tells nothing");
                return;
            }
        };
        self.tell(Hint::All);
        while !self.is_over() {
            let hint = match hints.recv_timeout(BREATH) {
                Ok(Hint::Gone) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(hint) => hint,
                Err(RecvTimeoutError::Timeout) if connect.is_alive().unwrap_or(false) => {
                    self.pay();
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => break,
            };
            self.tell(hint);
            if queue.lost.swap(false, Ordering::Relaxed) {
                self.tell(Hint::All);
            }
        }
        drop(listening);
    }

    /// What is known follows first, so that whoever hears the hint reads what is so.
    fn tell(&self, hint: Hint) {
        let Some(host) = self.host.upgrade() else { return };
        host.known.hear(&hint);
        if let Hint::Domain(uuid, happened) = &hint {
            host.follow(*uuid, happened);
        }
        self.pay();
        if let Err(TrySendError::Full(_)) = self.told.try_send(hint) {
            self.owes.store(true, Ordering::Relaxed);
        }
    }

    /// A listener that has missed something reads everything when it listens again.
    fn pay(&self) {
        if self.owes.load(Ordering::Relaxed) && self.told.try_send(Hint::All).is_ok() {
            self.owes.store(false, Ordering::Relaxed);
        }
    }
}

impl Host {
    /// What has to be written down before libvirtd forgets it. What can't be is written when it is
    /// seen the next time.
    fn follow(&self, uuid: Uuid, happened: &Happened) {
        let followed = match happened {
            Happened::Stopped => self.observe(uuid).map(|_| ()),
            Happened::Rebooted => self.follow_reboot(uuid),
            Happened::Defined
            | Happened::Undefined
            | Happened::Started
            | Happened::Paused
            | Happened::Resumed
            | Happened::ShutDown
            | Happened::Asleep
            | Happened::Crashed
            | Happened::Viewer(_)
            | Happened::IoError { .. }
            | Happened::Balloon { .. }
            | Happened::AgentConnected
            | Happened::AgentGone
            | Happened::Marked
            | Happened::Tray => Ok(()),
        };
        if let Err(trouble) = followed {
            tracing::debug!(%trouble, domain = %uuid, "an event could not be followed");
        }
    }

    fn follow_reboot(&self, uuid: Uuid) -> Result<(), Trouble> {
        let observed = self.observe(uuid)?;
        let ours = observed.and_then(|observed| observed.found.ours.clone());
        match ours.filter(|ours| ours.awaits.is_some()) {
            Some(ours) => self.booted_again(Target { uuid, machine: ours.machine }).map(|_| ()),
            None => Ok(()),
        }
    }
}
