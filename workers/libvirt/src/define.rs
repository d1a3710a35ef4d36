//! Making a domain known to libvirt, and forgetting it.

use carrel_domain::tree::Element;
use carrel_domain::{Changes, Domain, Ours};
use virt::connect::Connect;
use virt::domain::Domain as Defined;
use virt_sys as sys;

use crate::host::Host;
use crate::state::{Pause, State};
use crate::target::{Held, Target, find, marks, parse, state, write};
use crate::trouble::Trouble;

/// What becomes of what libvirt keeps of a guest beside its definition: the variables of its
/// firmware, and the state of its TPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmly {
    /// It stays for whoever has the machine next.
    Kept,
    Gone,
}

impl Host {
    /// In the place of what was defined before. Not while it runs, and not in the place of what is
    /// not ours.
    pub fn define(&self, domain: &Domain) -> Result<(), Trouble> {
        domain.check().map_err(|refused| Trouble::never("xml", &refused.to_string()))?;
        let target = Target { uuid: domain.uuid, machine: domain.ours.machine };
        let text = domain.render();
        let defined = self.act(Some(domain.uuid), move |connect| define(connect, target, &text));
        self.known.forget(domain.uuid);
        defined
    }

    /// One that was adopted, for another epoch: it stays as somebody else has written it, but for
    /// what has to be Carrel's. Where it is not defined it becomes what it was, from
    /// [`Host::written`]. Not while it runs.
    pub fn define_adopted(
        &self,
        target: Target,
        changes: Changes,
        was: Option<Element>,
    ) -> Result<(), Trouble> {
        let defined = self.act(Some(target.uuid), move |connect| {
            let there = target.take_if_there(connect)?;
            let written = there.as_ref().map(written).transpose()?.or(was);
            let written =
                written.ok_or_else(|| Trouble::never("no_domain", "the domain is not there"))?;
            if let Some(held) = there {
                must_be_off(&held.domain, &held.ours, held.state)?;
            }
            let changed = changes.onto(&written);
            let changed = changed.map_err(|why| Trouble::never("adopted", &why.to_string()))?;
            Defined::define_xml(connect, &changed.write())?;
            Ok(())
        });
        self.known.forget(target.uuid);
        defined
    }

    /// As it is defined, whoever has written it.
    pub fn written(&self, target: Target) -> Result<Element, Trouble> {
        self.look(Some(target.uuid), move |connect| written(&target.take(connect)?))
    }

    /// Its disks stay. Nothing is done if it is not there; not while it runs.
    pub fn undefine(&self, target: Target, firmly: Firmly) -> Result<(), Trouble> {
        let undefined =
            self.act(Some(target.uuid), move |connect| undefine(connect, target, firmly));
        self.known.forget(target.uuid);
        undefined
    }

    /// A domain that is there already becomes ours. Nothing of it changes but our metadata.
    pub fn adopt(&self, target: Target, ours: Ours) -> Result<(), Trouble> {
        let adopted = self.act(Some(target.uuid), move |connect| {
            let Some(domain) = find(connect, target.uuid)? else {
                return Err(Trouble::never("no_domain", "the domain is not there"));
            };
            match marks(&domain)? {
                Some(before) if before.machine != target.machine => Err(foreign()),
                Some(_) => Ok(()),
                // Whoever finds it running takes it as it is: it has run in the epoch that it gets.
                None => {
                    let ran = ours.ran || state(&domain)?.is_on();
                    write(&domain, &Ours { adopted: true, ran, ..ours })
                }
            }
        });
        self.known.forget(target.uuid);
        adopted
    }
}

fn written(held: &Held) -> Result<Element, Trouble> {
    parse(&held.domain.get_xml_desc(sys::VIR_DOMAIN_XML_INACTIVE)?)
}

fn foreign() -> Trouble {
    Trouble::never("foreign", "the domain is somebody else's")
}

fn runs() -> Trouble {
    Trouble::again("running", "the domain runs")
}

/// One whose start was cut short has a QEMU and no guest that ever ran: nobody else would end it.
fn must_be_off(domain: &Defined, ours: &Ours, state: State) -> Result<(), Trouble> {
    match state {
        State::Off(_) => Ok(()),
        State::Paused(Pause::Command) if !ours.ran => Ok(domain.destroy()?),
        State::Running | State::Paused(_) | State::Asleep => Err(runs()),
    }
}

fn define(connect: &Connect, target: Target, text: &str) -> Result<(), Trouble> {
    if let Some(before) = find(connect, target.uuid)? {
        let Some(ours) = marks(&before)?.filter(|ours| ours.machine == target.machine) else {
            return Err(foreign());
        };
        must_be_off(&before, &ours, state(&before)?)?;
    }
    // Another domain of this name, which is libvirt's to find, is refused by it.
    Defined::define_xml(connect, text)?;
    Ok(())
}

fn undefine(connect: &Connect, target: Target, firmly: Firmly) -> Result<(), Trouble> {
    let Some(held) = target.take_if_there(connect)? else { return Ok(()) };
    // libvirt would make a domain of it that is gone with its end.
    must_be_off(&held.domain, &held.ours, held.state)?;
    let kept = match firmly {
        Firmly::Kept => sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | sys::VIR_DOMAIN_UNDEFINE_KEEP_TPM,
        Firmly::Gone => sys::VIR_DOMAIN_UNDEFINE_NVRAM | sys::VIR_DOMAIN_UNDEFINE_TPM,
    };
    let rest = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
    held.domain.undefine_flags(kept | rest)?;
    Ok(())
}
