//! What each step changes in a simulated world.

use std::time::Duration;

use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::machine::PauseReason;
use carrel_model::work::Thing;

use crate::hypervisor::Doing;
use crate::place::Place;
use crate::seen::{Armed, End, TicketUse};
use crate::step::{Definition, Done, Step};
use crate::trouble::Trouble;

use super::domain::{Life, SimDomain};
use super::files::{Changed, Files};
use super::host::is_counted;
use super::{State, World};

impl World {
    pub(super) fn apply(
        &self,
        on: HypervisorId,
        doing: &Doing,
        step: &Step,
    ) -> Result<Done, Trouble> {
        let now = self.timer.now();
        let mut state = self.state();
        let (changed, done) = match doing.thing {
            Thing::Machine(machine) => {
                state.tick((on, machine), now, &self.pace);
                match state.on_files(step, now)? {
                    Some(answer) => answer,
                    None => (self.on_domain(&mut state, (on, machine), step, now)?, Done::So),
                }
            }
            Thing::Image(_) => state.on_files(step, now)?.unwrap_or((false, Done::So)),
        };
        if changed
            && is_counted(step.kind())
            && let Some(effects) = &mut state.effects
        {
            let effect = (on, *doing, step.kind(), file(step));
            let times = effects.get(&effect).copied().unwrap_or_default();
            effects.insert(effect, times + 1);
        }
        Ok(done)
    }

    fn on_domain(
        &self,
        state: &mut State,
        it: (HypervisorId, MachineId),
        step: &Step,
        now: Duration,
    ) -> Result<Changed, Trouble> {
        let (on, machine) = it;
        match step {
            Step::Define(definition) => state.define(it, SimDomain::defined(definition)),
            Step::Undefine { .. } => state.undefine(it),
            Step::PutConfig(definition) => Ok(state.put_config(it, definition)),
            Step::Start { boot_epoch } => self.start(state, it, *boot_epoch, now),
            Step::Migrate { to, .. } => state.migrate(it, *to),
            Step::WakeOnLan(mac) => {
                state.host(on).woken.push(*mac);
                Ok(true)
            }
            Step::ShowMessage(text) => {
                state.running(it)?;
                state.host(on).shown.push((machine, text.as_str().to_owned()));
                Ok(true)
            }
            Step::Reset { boot_epoch } => {
                let State { hosts, random, files, .. } = state;
                let host = hosts.get_mut(&on);
                let domain = host.and_then(|host| host.domains.get_mut(&machine));
                let Some(domain) = domain.filter(|domain| domain.is_on()) else {
                    return Err(not_running());
                };
                if domain.boot_epoch >= *boot_epoch {
                    return Ok(false);
                }
                domain.boot_epoch = *boot_epoch;
                domain.starts(now, &self.pace, random);
                files.renew(&domain.renewed());
                Ok(true)
            }
            Step::Shutdown => {
                let then = now + self.pace.shutdown.draw(&mut state.random);
                state.running(it)?.goes_off_at(then);
                Ok(true)
            }
            Step::Reboot { boot_epoch } => {
                let then = now + self.pace.shutdown.draw(&mut state.random);
                state.running(it)?.reboots_at(then, *boot_epoch);
                Ok(true)
            }
            Step::Destroy => Ok(state.destroy(it)),
            Step::MakeDisk { .. }
            | Step::Resize { .. }
            | Step::Rebase { .. }
            | Step::Copy { .. }
            | Step::CopyVersion { .. }
            | Step::Import { .. }
            | Step::Seal { .. }
            | Step::Verify { .. }
            | Step::Accept { .. }
            | Step::RemoveFiles { .. }
            | Step::TakeSnapshot { .. }
            | Step::RevertSnapshot { .. }
            | Step::DeleteSnapshot { .. }
            | Step::Suspend
            | Step::Resume
            | Step::Wake
            | Step::ArmDisplay { .. }
            | Step::CutViewers { .. }
            | Step::AttachMedium(_)
            | Step::DetachMedium(_) => state.on_running(it, step, now),
        }
    }

    /// A domain runs only on files that QEMU could open, and on one host at a time.
    fn start(
        &self,
        state: &mut State,
        (on, machine): (HypervisorId, MachineId),
        boot_epoch: u64,
        now: Duration,
    ) -> Result<Changed, Trouble> {
        let elsewhere = state.hosts.iter().any(|(host, it)| {
            *host != on && it.domains.get(&machine).is_some_and(SimDomain::is_on)
        });
        if elsewhere {
            return Err(Trouble::never("locked", "another host has its disks open"));
        }
        let State { hosts, files, random, .. } = state;
        let domain = hosts.get_mut(&on).and_then(|host| host.domains.get_mut(&machine));
        let Some(domain) = domain else {
            return Err(Trouble::never("start", "the domain is not defined"));
        };
        match domain.life {
            Life::On(_) => return Ok(false),
            // It has run in this epoch already.
            Life::Off { ended: Some(_) } if domain.boot_epoch >= boot_epoch => return Ok(false),
            Life::Off { .. } => {}
        }
        for disk in &domain.disks {
            files.opens(&disk.file)?;
        }
        for disk in &domain.disks {
            files.write(&disk.file)?;
        }
        domain.boot_epoch = boot_epoch;
        domain.starts(now, &self.pace, random);
        Ok(true)
    }
}

/// Of several that are made or changed for one order.
fn file(step: &Step) -> String {
    if let Step::MakeDisk { file, .. }
    | Step::Resize { file, .. }
    | Step::Rebase { file, .. }
    | Step::Copy { to: file, .. }
    | Step::CopyVersion { to: file, .. }
    | Step::Import { to: file, .. }
    | Step::Seal { to: file, .. } = step
    {
        return file.file.to_string();
    }
    if let Step::RemoveFiles { files } = step {
        return files.iter().map(|place| place.file.to_string()).collect::<Vec<_>>().join(" ");
    }
    String::new()
}

fn not_running() -> Trouble {
    Trouble::never("not_running", "the domain does not run")
}

/// Where an answer is more than that it is so.
fn sealed(files: &Files, to: &Place) -> Result<Done, Trouble> {
    Ok(Done::Made { digest: files.digest(to)?, stat: files.stat(to)? })
}

impl State {
    /// Steps on files alone. Nothing: it is none of them.
    fn on_files(&mut self, step: &Step, now: Duration) -> Result<Option<(Changed, Done)>, Trouble> {
        let files = &mut self.files;
        let changed = match step {
            Step::MakeDisk { file, size_gib, on, .. } => {
                files.make_disk(file, (*size_gib, on.as_ref()), now)?
            }
            Step::Resize { file, size_gib, .. } => files.resize(file, *size_gib)?,
            Step::Rebase { file, onto, .. } => files.rebase(file, onto)?,
            Step::Copy { from, to, .. } => files.copy((from, to), false, now)?,
            Step::CopyVersion { from, to, .. } => {
                let changed = files.copy((from, to), true, now)?;
                return Ok(Some((changed, sealed(files, to)?)));
            }
            Step::Import { medium, to } => {
                let changed = files.import(&medium.digest, to, now);
                return Ok(Some((changed, Done::Sealed(files.stat(to)?))));
            }
            Step::Seal { from, to } => {
                let changed = files.seal(from, to)?;
                return Ok(Some((changed, Done::Sealed(files.stat(to)?))));
            }
            Step::Verify { file } => {
                return Ok(Some((false, Done::Verified(files.digest(file)?))));
            }
            Step::Accept { file, digest } => files.accept(file, digest)?,
            Step::RemoveFiles { files: places } => files.remove(places),
            Step::TakeSnapshot { disks, .. } => files.take_snapshot(disks, now)?,
            Step::RevertSnapshot { disks, .. } => files.revert(disks, now)?,
            Step::DeleteSnapshot { disks, .. } => files.forget_snapshot(disks),
            Step::Define(_)
            | Step::Undefine { .. }
            | Step::PutConfig(_)
            | Step::Start { .. }
            | Step::Shutdown
            | Step::Reboot { .. }
            | Step::Reset { .. }
            | Step::Destroy
            | Step::Suspend
            | Step::Resume
            | Step::Wake
            | Step::Migrate { .. }
            | Step::ArmDisplay { .. }
            | Step::CutViewers { .. }
            | Step::AttachMedium(_)
            | Step::DetachMedium(_)
            | Step::ShowMessage(_)
            | Step::WakeOnLan(_) => return Ok(None),
        };
        Ok(Some((changed, Done::So)))
    }

    /// Steps that only a domain that runs can take.
    fn on_running(
        &mut self,
        it: (HypervisorId, MachineId),
        step: &Step,
        now: Duration,
    ) -> Result<Changed, Trouble> {
        let domain = self.running(it)?;
        Ok(match step {
            Step::Suspend => pause(domain, Some(PauseReason::Command)),
            Step::Resume => pause(domain, None),
            Step::Wake => {
                let asleep = domain.run().map(|run| std::mem::replace(&mut run.asleep, false));
                asleep == Some(true)
            }
            Step::ArmDisplay { session, ticket, valid_seconds, .. } => {
                let armed = Armed { session: *session, ticket: *ticket, is: TicketUse::Open };
                let until = now + Duration::from_secs((*valid_seconds).into());
                let known = domain.armed.iter().any(|(before, _)| {
                    (before.session, before.ticket) == (armed.session, armed.ticket)
                });
                if !known {
                    domain.armed.retain(|(before, _)| before.session != armed.session);
                    domain.armed.push((armed, until));
                }
                !known
            }
            Step::CutViewers { of } => {
                let before = (domain.viewers.len(), domain.armed.len());
                domain.viewers.retain(|it| !of.contains(&(it.session, it.ticket)));
                domain.armed.retain(|(it, _)| !of.contains(&(it.session, it.ticket)));
                before != (domain.viewers.len(), domain.armed.len())
            }
            Step::AttachMedium(medium) => {
                let new = !domain.media.contains(&medium.medium);
                if new {
                    domain.media.push(medium.medium);
                }
                new
            }
            Step::DetachMedium(medium) => {
                let before = domain.media.len();
                domain.media.retain(|it| it != medium);
                domain.media.len() != before
            }
            // Those that files or a domain that is off are enough for.
            Step::MakeDisk { .. }
            | Step::Resize { .. }
            | Step::Rebase { .. }
            | Step::Copy { .. }
            | Step::CopyVersion { .. }
            | Step::Import { .. }
            | Step::Seal { .. }
            | Step::Verify { .. }
            | Step::Accept { .. }
            | Step::RemoveFiles { .. }
            | Step::TakeSnapshot { .. }
            | Step::RevertSnapshot { .. }
            | Step::DeleteSnapshot { .. }
            | Step::Define(_)
            | Step::Undefine { .. }
            | Step::PutConfig(_)
            | Step::Start { .. }
            | Step::Shutdown
            | Step::Reboot { .. }
            | Step::Reset { .. }
            | Step::Destroy
            | Step::Migrate { .. }
            | Step::ShowMessage(_)
            | Step::WakeOnLan(_) => false,
        })
    }

    fn running(
        &mut self,
        (on, machine): (HypervisorId, MachineId),
    ) -> Result<&mut SimDomain, Trouble> {
        let domain = self.host(on).domains.get_mut(&machine);
        domain.filter(|domain| domain.is_on()).ok_or_else(not_running)
    }

    fn define(
        &mut self,
        (on, machine): (HypervisorId, MachineId),
        domain: SimDomain,
    ) -> Result<Changed, Trouble> {
        let domains = &mut self.host(on).domains;
        if domains.get(&machine).is_some_and(SimDomain::is_on) {
            return Err(Trouble::again("define", "the domain runs"));
        }
        domains.insert(machine, domain);
        Ok(true)
    }

    fn undefine(&mut self, (on, machine): (HypervisorId, MachineId)) -> Result<Changed, Trouble> {
        let domains = &mut self.host(on).domains;
        if domains.get(&machine).is_some_and(SimDomain::is_on) {
            return Err(Trouble::again("undefine", "the domain runs"));
        }
        Ok(domains.remove(&machine).is_some())
    }

    fn put_config(
        &mut self,
        (on, machine): (HypervisorId, MachineId),
        definition: &Definition,
    ) -> Changed {
        let Some(domain) = self.host(on).domains.get_mut(&machine) else { return false };
        let changed = domain.people != definition.people;
        domain.people.clone_from(&definition.people);
        changed
    }

    fn destroy(&mut self, (on, machine): (HypervisorId, MachineId)) -> Changed {
        let domain = self.host(on).domains.get_mut(&machine);
        domain.filter(|domain| domain.is_on()).map(|domain| domain.ends(End::Cut)).is_some()
    }

    fn migrate(
        &mut self,
        it: (HypervisorId, MachineId),
        to: HypervisorId,
    ) -> Result<Changed, Trouble> {
        self.running(it)?;
        if !self.host(to).is_up {
            return Err(Trouble::never("migrate", "the other host can't be reached"));
        }
        let (on, machine) = it;
        let Some(domain) = self.host(on).domains.remove(&machine) else { return Ok(false) };
        self.host(to).domains.insert(machine, domain);
        Ok(true)
    }
}

fn pause(domain: &mut SimDomain, reason: Option<PauseReason>) -> Changed {
    let before = domain.run().map(|run| std::mem::replace(&mut run.paused, reason));
    before.is_some_and(|before| before != reason)
}

impl Files {
    /// Throwaway overlays whose guest has booted anew hold nothing again.
    pub(super) fn renew(&mut self, places: &[Place]) {
        for place in places {
            self.forget_writes(place);
        }
    }
}
