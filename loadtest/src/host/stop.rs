//! Whoever presses Ctrl-C wants nothing left behind: the run ends as one that failed does, and
//! everything that it started with it.

use std::process::{Child, ExitStatus};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::{Failure, clock};

const LOOK_AGAIN: Duration = Duration::from_millis(2);

#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<bool>);

fn stopped() -> Failure {
    "it was told to stop".into()
}

impl Stop {
    /// From now on a signal ends nothing by itself.
    pub(super) fn listen() -> Result<Self, Failure> {
        let (tell, told) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let inside = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        drop(inside);
        thread::Builder::new().name("stop".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            let _ = tell.send(true);
        })?;
        Ok(Self(told))
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if *self.0.borrow() { Err(stopped()) } else { Ok(()) }
    }

    /// What comes of it, unless it is stopped first.
    pub(super) async fn or<T>(
        &self,
        what: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut told = self.0.clone();
        tokio::select! {
            done = what => done,
            _ = told.wait_for(|told| *told) => Err(stopped()),
        }
    }

    pub(super) fn pause(&self, duration: Duration) -> Result<(), Failure> {
        let end = clock::now() + duration;
        while clock::now() < end {
            self.check()?;
            clock::pause(LOOK_AGAIN.max(duration / 100));
        }
        Ok(())
    }

    /// A process that leads a group of its own ends with all of that.
    pub(super) fn wait(&self, mut child: Child) -> Result<ExitStatus, Failure> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if let Err(stopped) = self.check() {
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let _ = child.wait();
                return Err(stopped);
            }
            clock::pause(LOOK_AGAIN);
        }
    }
}
