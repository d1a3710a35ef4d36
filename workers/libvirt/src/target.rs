//! Whose a domain is. Nothing is done to one that is not ours.

use carrel_domain::ours::{NAMESPACE, PREFIX};
use carrel_domain::tree::Element;
use carrel_domain::{Found, Ours};
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt_sys as sys;

use crate::state::State;
use crate::trouble::Trouble;

/// A domain, and the machine that it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub uuid: Uuid,
    pub machine: Uuid,
}

/// One of ours, in libvirt's hands.
pub(crate) struct Held {
    pub(crate) domain: Domain,
    pub(crate) ours: Ours,
    pub(crate) state: State,
}

pub(crate) fn find(connect: &Connect, uuid: Uuid) -> Result<Option<Domain>, Trouble> {
    match Domain::lookup_by_uuid(connect, uuid) {
        Ok(domain) => Ok(Some(domain)),
        Err(error) if error.code() == ErrorNumber::NoDomain => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Target {
    pub(crate) fn take(self, connect: &Connect) -> Result<Held, Trouble> {
        let held = self.take_if_there(connect)?;
        held.ok_or_else(|| Trouble::never("no_domain", "the domain is not there"))
    }

    /// Nothing: it is not there.
    pub(crate) fn take_if_there(self, connect: &Connect) -> Result<Option<Held>, Trouble> {
        let Some(domain) = find(connect, self.uuid)? else { return Ok(None) };
        let ours = marks(&domain)?.filter(|ours| ours.machine == self.machine);
        let ours =
            ours.ok_or_else(|| Trouble::never("foreign", "the domain is somebody else's"))?;
        let state = state(&domain)?;
        Ok(Some(Held { domain, ours, state }))
    }
}

pub(crate) fn state(domain: &Domain) -> Result<State, Trouble> {
    let (state, reason) = domain.get_state()?;
    Ok(State::of(i32::try_from(state).unwrap_or_default(), reason))
}

const ELEMENT: i32 = sys::VIR_DOMAIN_METADATA_ELEMENT as i32;

/// What we have written into it. What runs is a copy of what is defined and may be older, but is
/// all there is if somebody has undefined it meanwhile.
pub(crate) fn marks(domain: &Domain) -> Result<Option<Ours>, Trouble> {
    let read = |flags| domain.get_metadata(ELEMENT, Some(NAMESPACE), flags);
    let nothing = |error: &Error| error.code() == ErrorNumber::NoDomainMetadata;
    let text = match read(sys::VIR_DOMAIN_AFFECT_CONFIG) {
        Ok(text) => text,
        Err(error) if nothing(&error) => return Ok(None),
        Err(error) if is_transient(&error) => match read(sys::VIR_DOMAIN_AFFECT_LIVE) {
            Ok(text) => text,
            Err(error) if nothing(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    Ok(Element::parse(&text).ok().and_then(|element| Ours::read(&element)))
}

fn is_transient(error: &Error) -> bool {
    matches!(error.code(), ErrorNumber::OperationInvalid | ErrorNumber::InvalidArg)
}

impl Held {
    /// It is durable when this returns: libvirt writes the definition, with an fsync.
    pub(crate) fn mark(&mut self, change: impl FnOnce(&mut Ours)) -> Result<(), Trouble> {
        let mut ours = self.ours.clone();
        change(&mut ours);
        if ours == self.ours {
            return Ok(());
        }
        write(&self.domain, &ours)?;
        self.ours = ours;
        Ok(())
    }

    /// As it runs, or as it is defined if it is off.
    pub(crate) fn live(&self) -> Result<Element, Trouble> {
        parse(&self.domain.get_xml_desc(0)?)
    }

    pub(crate) fn must_run(&self) -> Result<(), Trouble> {
        if self.state.is_on() {
            Ok(())
        } else {
            Err(Trouble::never("not_running", "the domain does not run"))
        }
    }
}

pub(crate) fn write(domain: &Domain, ours: &Ours) -> Result<(), Trouble> {
    let text = ours.bare().write();
    let config = sys::VIR_DOMAIN_AFFECT_CONFIG;
    domain.set_metadata(ELEMENT, Some(&text), Some(PREFIX), Some(NAMESPACE), config)?;
    Ok(())
}

pub(crate) fn parse(text: &str) -> Result<Element, Trouble> {
    Element::parse(text).map_err(|error| Trouble::never("unreadable", &error.to_string()))
}

/// As it is defined; of one that is not, as it runs.
pub(crate) fn found(domain: &Domain) -> Result<Found, Trouble> {
    let text = domain.get_xml_desc(sys::VIR_DOMAIN_XML_INACTIVE)?;
    let found = Found::of(&parse(&text)?);
    found.map_err(|error| Trouble::never("unreadable", &error.to_string()))
}
