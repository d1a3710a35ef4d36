//! A lab for one test: a libvirtd of its own, and guests that do as they are told.

pub(crate) mod guest;
pub(crate) mod lab;
pub(crate) mod spice;

use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// A minute: nothing that is waited for takes ten seconds on an idle machine.
const LOOKS_MAX: usize = 1200;
const LOOK_EACH: Duration = Duration::from_millis(50);

/// Waits until it is so.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let (_waiting, pause) = sync_channel::<()>(0);
    for _ in 0..LOOKS_MAX {
        if let Some(found) = so() {
            return found;
        }
        let _ = pause.recv_timeout(LOOK_EACH);
    }
    panic!("it has not come to it: {what}");
}
