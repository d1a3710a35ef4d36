//! Power: each call can be made again, and finds that it is so.
//!
//! A guest runs at most once in an epoch, and whoever looks later can tell whether it did, wherever
//! one of us was killed:
//!
//! ```text
//!   create, paused     QEMU is there; the guest has run no instruction
//!   mark `ran`         durable in the definition
//!   resume             the guest runs
//! ```
//!
//! A reset is the same with a domain that is there already.

use carrel_domain::ours::Ours;
use uuid::Uuid;
use virt::connect::Connect;
use virt::error::ErrorNumber;
use virt_sys as sys;

use crate::host::Host;
use crate::state::{Pause, State};
use crate::target::{Held, Target};
use crate::trouble::Trouble;

/// What a call has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    Done,
    /// There was nothing to do.
    So,
}

/// How a guest is asked to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By the power button.
    Acpi,
    /// By its agent.
    Agent,
}

impl Host {
    /// The domain that was defined for this epoch. If it has run in it and ended, it stays off.
    pub fn start(&self, target: Target, boot_epoch: u64) -> Result<Was, Trouble> {
        self.powered(target, move |held| start(held, boot_epoch, Then::Run))
    }

    /// The same, and its guest runs no instruction before [`Host::resume`].
    pub fn start_paused(&self, target: Target, boot_epoch: u64) -> Result<Was, Trouble> {
        self.powered(target, move |held| start(held, boot_epoch, Then::Wait))
    }

    /// The guest may ignore it.
    pub fn shutdown(&self, target: Target, asked: Asked) -> Result<Was, Trouble> {
        self.powered(target, move |held| {
            if !held.state.is_on() {
                return Ok(Was::So);
            }
            held.domain.shutdown_flags(match asked {
                Asked::Acpi => sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
                Asked::Agent => sys::VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
            })?;
            Ok(Was::Done)
        })
    }

    /// The guest is asked at most once to boot again: what is marked before it is asked outlives
    /// everybody. It is in this epoch when it does ([`Host::booted_again`]).
    ///
    /// libvirt tells of a boot once, and nothing of QEMU or libvirt shows later that there was one.
    /// If nobody listens then, the guest is taken for one that has not heeded: it stays in its
    /// epoch and is not asked again, and its next boot is taken for the one that was asked for.
    pub fn reboot(&self, target: Target, boot_epoch: u64) -> Result<Was, Trouble> {
        self.powered(target, move |held| {
            held.must_run()?;
            if held.ours.boot_epoch >= boot_epoch || held.ours.awaits >= Some(boot_epoch) {
                return Ok(Was::So);
            }
            held.mark(|ours| ours.awaits = Some(boot_epoch))?;
            held.domain.reboot(sys::VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)?;
            Ok(Was::Done)
        })
    }

    /// The guest boots again: if it was asked to, it is in another epoch.
    pub fn booted_again(&self, target: Target) -> Result<Was, Trouble> {
        self.powered(target, |held| {
            let Some(epoch) = held.ours.awaits else { return Ok(Was::So) };
            held.mark(|ours| enter(ours, epoch))?;
            Ok(Was::Done)
        })
    }

    /// The reset button.
    pub fn reset(&self, target: Target, boot_epoch: u64) -> Result<Was, Trouble> {
        self.powered(target, move |held| {
            held.must_run()?;
            if held.ours.boot_epoch >= boot_epoch {
                return Ok(Was::So);
            }
            // While it stands still, one reset is as good as two.
            if held.state == State::Running {
                held.domain.suspend()?;
            }
            held.domain.reset()?;
            held.mark(|ours| enter(ours, boot_epoch))?;
            held.domain.resume()?;
            Ok(Was::Done)
        })
    }

    /// The power is cut. QEMU is asked to end, and killed if it doesn't: also one that has not
    /// answered for long.
    pub fn destroy(&self, target: Target) -> Result<Was, Trouble> {
        self.powered_about(None, target, |held| {
            if !held.state.is_on() {
                return Ok(Was::So);
            }
            match held.domain.destroy_flags(sys::VIR_DOMAIN_DESTROY_DEFAULT) {
                Ok(_) => Ok(Was::Done),
                // It has ended by itself.
                Err(error) if error.code() == ErrorNumber::OperationInvalid => Ok(Was::So),
                Err(error) => Err(error.into()),
            }
        })
    }

    pub fn suspend(&self, target: Target) -> Result<Was, Trouble> {
        self.powered(target, |held| {
            held.must_run()?;
            if matches!(held.state, State::Paused(_)) {
                return Ok(Was::So);
            }
            held.domain.suspend()?;
            Ok(Was::Done)
        })
    }

    /// From a pause; one that has not begun to run begins.
    pub fn resume(&self, target: Target) -> Result<Was, Trouble> {
        self.powered(target, |held| {
            held.must_run()?;
            run(held)
        })
    }

    /// From its sleep.
    pub fn wake(&self, target: Target) -> Result<Was, Trouble> {
        self.powered(target, |held| {
            held.must_run()?;
            if held.state != State::Asleep {
                return Ok(Was::So);
            }
            held.domain.pm_wakeup(0)?;
            Ok(Was::Done)
        })
    }

    fn powered(
        &self,
        target: Target,
        call: impl FnOnce(&mut Held) -> Result<Was, Trouble> + Send + 'static,
    ) -> Result<Was, Trouble> {
        self.powered_about(Some(target.uuid), target, call)
    }

    fn powered_about(
        &self,
        about: Option<Uuid>,
        target: Target,
        call: impl FnOnce(&mut Held) -> Result<Was, Trouble> + Send + 'static,
    ) -> Result<Was, Trouble> {
        let done = self.power(about, move |connect: &Connect| call(&mut target.take(connect)?));
        self.known.forget(target.uuid);
        done
    }
}

/// What follows when QEMU is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Run,
    Wait,
}

fn start(held: &mut Held, boot_epoch: u64, then: Then) -> Result<Was, Trouble> {
    if held.ours.boot_epoch > boot_epoch {
        return Ok(Was::So);
    }
    if held.ours.boot_epoch == boot_epoch && held.ours.ran {
        // Somebody was stopped between the mark and this.
        let is_to_run = then == Then::Run && held.state == State::Paused(Pause::Command);
        return if is_to_run { run(held) } else { Ok(Was::So) };
    }
    if held.ours.boot_epoch < boot_epoch {
        return Err(Trouble::never("epoch", "the domain was defined for an earlier epoch"));
    }
    let created = !held.state.is_on();
    if created {
        held.domain.create_with_flags(sys::VIR_DOMAIN_START_PAUSED)?;
        held.state = State::Paused(Pause::Command);
    }
    match then {
        Then::Run => run(held),
        Then::Wait if created => Ok(Was::Done),
        Then::Wait => Ok(Was::So),
    }
}

fn run(held: &mut Held) -> Result<Was, Trouble> {
    held.mark(|ours| {
        ours.ran = true;
        ours.ended = None;
    })?;
    match held.state {
        State::Paused(_) => {
            held.domain.resume()?;
            Ok(Was::Done)
        }
        State::Running | State::Asleep | State::Off(_) => Ok(Was::So),
    }
}

fn enter(ours: &mut Ours, epoch: u64) {
    ours.boot_epoch = epoch;
    ours.ran = true;
    ours.awaits = None;
    ours.ended = None;
}
