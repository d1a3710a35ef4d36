//! One line: a thread, and the connection that it keeps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use virt::connect::Connect;

use crate::events;
use crate::trouble::Trouble;

use super::{Afterwards, Shared, Task};

/// So often libvirtd is asked whether it is there, and so many times it may owe the answer before a
/// connection counts as dead: whatever is stuck in it comes back after 20 s at most.
const KEEPALIVE_SECONDS: i32 = 5;
const KEEPALIVES_MISSED_MAX: u32 = 3;

pub(super) fn work(shared: &Shared) {
    let mut connect = None;
    while let Some(task) = next(shared) {
        let number = task.number;
        let afterwards = serve(&shared.plan.uri, &mut connect, task);
        if afterwards == Afterwards::Spoilt {
            close(connect.take());
        }
        let mut state = shared.state();
        if state.stuck.remove(&number).is_some() {
            drop(state);
            break;
        }
        state.running.remove(&number);
    }
    close(connect);
}

/// The next task is from now on in the hands of whoever asks.
fn next(shared: &Shared) -> Option<Task> {
    let mut state = shared.state();
    loop {
        if state.closed {
            state.lines = state.lines.saturating_sub(1);
            return None;
        }
        if let Some(task) = state.waiting.pop_front() {
            state.running.insert(task.number, task.about);
            return Some(task);
        }
        state.idle += 1;
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
    }
}

fn serve(uri: &str, connect: &mut Option<Connect>, task: Task) -> Afterwards {
    let is_alive = |connect: &Connect| connect.is_alive().unwrap_or(false);
    if !connect.as_ref().is_some_and(is_alive) {
        close(connect.take());
        match open(uri) {
            Ok(opened) => *connect = Some(opened),
            Err(trouble) => return (task.run)(Err(trouble)),
        }
    }
    match connect {
        Some(connect) => (task.run)(Ok(connect)),
        None => (task.run)(Err(Trouble::unreachable("there is no connection"))),
    }
}

/// What can't be connected to can't be reached, whatever it is that libvirt says of it.
pub(crate) fn open(uri: &str) -> Result<Connect, Trouble> {
    events::run_for_good()?;
    let opened = catch_unwind(|| Connect::open(Some(uri)));
    let opened = opened.map_err(|_| Trouble::unreachable("connecting panicked"))?;
    let connect = opened.map_err(|error| Trouble::unreachable(error.message()))?;
    // Without it a connection still works; it is only missed later when it doesn't.
    let _ = connect.set_keep_alive(KEEPALIVE_SECONDS, KEEPALIVES_MISSED_MAX);
    Ok(connect)
}

/// The crate leaves connections open that are only dropped.
pub(crate) fn close(connect: Option<Connect>) {
    if let Some(mut connect) = connect {
        // What libvirt refuses to close is gone.
        let _ = catch_unwind(AssertUnwindSafe(|| connect.close().ok()));
    }
}

pub(super) fn attempt<T>(
    connect: Result<&Connect, Trouble>,
    call: impl FnOnce(&Connect) -> Result<T, Trouble>,
) -> (Result<T, Trouble>, Afterwards) {
    let said = connect.and_then(|connect| {
        let called = catch_unwind(AssertUnwindSafe(|| call(connect)));
        called.unwrap_or_else(|_| Err(Trouble::unreachable("a call to libvirt panicked")))
    });
    let spoilt = said.as_ref().is_err_and(Trouble::is_unreachable);
    (said, if spoilt { Afterwards::Spoilt } else { Afterwards::Good })
}
