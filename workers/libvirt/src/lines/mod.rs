//! Connections to one libvirtd, each with a thread of its own that makes one call at a time.
//!
//! ```text
//!   call --- queue ---> line 1   connection   in libvirt's hands
//!                  \--> line 2   connection   idle
//!                       line 3   connection   stuck: nobody waits for it any more
//! ```
//!
//! - Who calls waits until its deadline, not longer, whatever becomes of the call.
//! - A line whose caller has given up takes no more calls. It ends when libvirt lets go of it, and
//!   until then it counts: when so many are stuck as there may be, nobody is made to wait.
//! - A domain whose QEMU hangs costs one line: what is asked about it after that is refused at
//!   once, until libvirt lets go of the first.
//! - Whatever panics within a call has spoilt its connection, and nothing else.

mod line;
#[cfg(test)]
mod tests;

pub(crate) use line::{close, open};

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use uuid::Uuid;
use virt::connect::Connect;

use crate::trouble::Trouble;

/// How many lines there may be, and what they lead to.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) uri: String,
    /// What they are for, as threads are named.
    pub(crate) name: &'static str,
    pub(crate) lines_max: usize,
    /// Beside those that work.
    pub(crate) stuck_max: usize,
}

#[derive(Debug)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    plan: Plan,
    state: Mutex<State>,
    /// There is something to do, or nobody wants anything any more.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: VecDeque<Task>,
    /// Tasks in libvirt's hands, by number, and which domain they are about.
    running: BTreeMap<u64, Option<Uuid>>,
    /// The same of those whose callers have given up.
    stuck: BTreeMap<u64, Option<Uuid>>,
    /// Those that take calls.
    lines: usize,
    idle: usize,
    closed: bool,
}

struct Task {
    number: u64,
    about: Option<Uuid>,
    run: Run,
}

/// With a connection, or with why there is none.
type Run = Box<dyn FnOnce(Result<&Connect, Trouble>) -> Afterwards + Send>;

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {}", self.number)
    }
}

/// What is left of a connection after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    Good,
    Spoilt,
}

/// How many calls are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub waiting: usize,
    pub running: usize,
    pub stuck: usize,
}

impl Lines {
    pub(crate) fn new(plan: Plan) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared { plan, state, changed: Condvar::new() }))
    }

    pub(crate) fn load(&self) -> Load {
        let state = self.0.state();
        let (waiting, running) = (state.waiting.len(), state.running.len());
        Load { waiting, running, stuck: state.stuck.len() }
    }

    /// Whoever waits for a line at its deadline has asked for nothing yet; whoever waits for
    /// libvirt may have.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        within: Duration,
        about: Option<Uuid>,
        call: impl FnOnce(&Connect) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (reply, answer) = sync_channel(1);
        let run = Box::new(move |connect: Result<&Connect, Trouble>| {
            let (said, afterwards) = line::attempt(connect, call);
            // Whoever has given up hears nothing.
            let _ = reply.send(said);
            afterwards
        });
        let number = self.enqueue(about, run)?;
        match answer.recv_timeout(within) {
            Ok(said) => said,
            Err(RecvTimeoutError::Disconnected) => Err(Trouble::unreachable("the line broke")),
            Err(RecvTimeoutError::Timeout) => {
                let gave_up = self.give_up(number, within);
                // It may have come in this moment.
                answer.try_recv().unwrap_or(Err(gave_up))
            }
        }
    }

    fn enqueue(&self, about: Option<Uuid>, run: Run) -> Result<u64, Trouble> {
        let mut state = self.0.state();
        let plan = &self.0.plan;
        if about.is_some() && state.stuck.values().any(|it| *it == about) {
            return Err(Trouble::again("stuck", "an earlier call about this domain still hangs"));
        }
        let all_stuck = state.stuck.len() >= plan.stuck_max;
        if all_stuck && state.lines == 0 {
            return Err(Trouble::unreachable(
                "libvirtd answers none of the calls that wait for it",
            ));
        }
        if state.idle <= state.waiting.len() && state.lines < plan.lines_max && !all_stuck {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name(format!("libvirt-{}", plan.name));
            match thread.spawn(move || line::work(&shared)) {
                Ok(_) => state.lines += 1,
                Err(error) if state.lines == 0 => {
                    return Err(Trouble::again("thread", &error.to_string()));
                }
                Err(_) => {}
            }
        }
        state.next += 1;
        let number = state.next;
        state.waiting.push_back(Task { number, about, run });
        drop(state);
        self.0.changed.notify_one();
        Ok(number)
    }

    fn give_up(&self, number: u64, within: Duration) -> Trouble {
        let mut state = self.0.state();
        let seconds = within.as_secs_f32();
        if let Some(at) = state.waiting.iter().position(|task| task.number == number) {
            state.waiting.remove(at);
            let detail = format!("no line to libvirtd was free for {seconds} s");
            return if state.stuck.is_empty() {
                Trouble::again("busy", &detail)
            } else {
                Trouble::unreachable(&detail)
            };
        }
        if let Some(about) = state.running.remove(&number) {
            state.stuck.insert(number, about);
            state.lines -= 1;
        }
        Trouble::unreachable(&format!("libvirtd has not answered for {seconds} s"))
    }
}

impl Drop for Lines {
    /// Lines that are stuck end when libvirt lets go of them.
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
