//! What we write into the metadata of a domain of ours: it is how we know it again, and what must
//! survive libvirtd, which forgets how a run ended when it is restarted.
//!
//! ```text
//!   defined            epoch = 7
//!   before the guest's first instruction        epoch = 7, ran
//!   asked for a reboot                          epoch = 7, ran, awaits = 8
//!   it has booted again                         epoch = 8, ran
//!   off, and libvirt says why                   epoch = 8, ran, ended = guest
//! ```

use uuid::Uuid;

use crate::text::Label;
use crate::tree::Element;

/// Metadata belongs to whoever owns its namespace.
pub const NAMESPACE: &str = "urn:carrel:domain:1";
pub const PREFIX: &str = "carrel";
const NAME: &str = "machine";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    pub machine: Uuid,
    /// Somebody else has written it, and all that isn't Carrel's stays as it is.
    pub adopted: bool,
    /// Of the log that ordered it.
    pub incarnation: u64,
    pub generation: u64,
    /// The epoch that it was defined for, or that it has got to by a reset or a reboot.
    pub boot_epoch: u64,
    /// The guest has run in this epoch, if only for one instruction.
    pub ran: bool,
    /// The epoch that it is in with its next boot.
    pub awaits: Option<u64>,
    /// How it ended, once it was seen.
    pub ended: Option<Ended>,
    /// Of its disks, in their order.
    pub disks: Vec<Uuid>,
    /// By what it is found that its guest can be used, in the words of whoever has defined it.
    pub probes: Vec<Label>,
    /// Who came in last by each of its displays, in the words of whoever let them in.
    pub viewers: Vec<Label>,
    /// Of whom its configuration CD says something.
    pub people: Vec<Uuid>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The guest powered itself off.
    Guest,
    /// Its power was cut.
    Cut,
    /// QEMU ended by itself, or the guest said that it panicked.
    Crash,
    /// The host went down under it, or nobody looked while libvirtd still knew.
    Unknown,
}

impl Ended {
    const ALL: [Self; 4] = [Self::Guest, Self::Cut, Self::Crash, Self::Unknown];

    const fn word(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Cut => "cut",
            Self::Crash => "crash",
            Self::Unknown => "unknown",
        }
    }
}

impl Ours {
    /// As it was first defined.
    pub fn new(machine: Uuid, (incarnation, generation): (u64, u64), boot_epoch: u64) -> Self {
        Self {
            machine,
            adopted: false,
            incarnation,
            generation,
            boot_epoch,
            ran: false,
            awaits: None,
            ended: None,
            disks: Vec::new(),
            probes: Vec::new(),
            viewers: Vec::new(),
            people: Vec::new(),
        }
    }

    /// The element with its namespace spelt out, as it stands in a whole domain.
    pub fn element(&self) -> Element {
        let mut element = self.bare();
        element.attributes.insert(0, (format!("xmlns:{PREFIX}"), NAMESPACE.to_owned()));
        qualify(&mut element);
        element
    }

    /// As libvirt wants it when metadata are set by themselves: it adds prefix and namespace.
    pub fn bare(&self) -> Element {
        let mut element = Element::new(NAME)
            .with("id", self.machine)
            .with("incarnation", self.incarnation)
            .with("generation", self.generation)
            .with("epoch", self.boot_epoch);
        if self.adopted {
            element.set("adopted", "yes");
        }
        if self.ran {
            element.set("ran", "yes");
        }
        if let Some(epoch) = self.awaits {
            element.set("awaits", epoch);
        }
        if let Some(ended) = self.ended {
            element.set("ended", ended.word());
        }
        let disks = self.disks.iter().map(|id| Element::new("disk").with("id", id));
        let probes = self.probes.iter().map(|word| Element::new("probe").with("by", word));
        let viewers = self.viewers.iter().map(|word| Element::new("viewer").with("is", word));
        let people = self.people.iter().map(|id| Element::new("person").with("id", id));
        element.within(disks.chain(probes).chain(viewers).chain(people))
    }

    /// Nothing: it is not ours, or somebody has put something else in its place.
    pub fn read(element: &Element) -> Option<Self> {
        let number = |name: &str| element.attribute(name)?.parse().ok();
        if local(&element.name) != NAME {
            return None;
        }
        let ids = |name: &'static str| {
            let named = element.children.iter().filter(move |child| local(&child.name) == name);
            named.map(|child| child.attribute("id")?.parse().ok()).collect::<Option<Vec<Uuid>>>()
        };
        let labels = |name: &'static str, attribute: &'static str| {
            let named = element.children.iter().filter(move |child| local(&child.name) == name);
            named.map(move |child| Label::new(child.attribute(attribute)?).ok())
        };
        Some(Self {
            machine: element.attribute("id")?.parse().ok()?,
            adopted: element.is("adopted", "yes"),
            incarnation: number("incarnation")?,
            generation: number("generation")?,
            boot_epoch: number("epoch")?,
            ran: element.is("ran", "yes"),
            awaits: number("awaits"),
            ended: Ended::ALL.into_iter().find(|it| element.is("ended", it.word())),
            disks: ids("disk")?,
            probes: labels("probe", "by").flatten().collect(),
            viewers: labels("viewer", "is").flatten().collect(),
            people: ids("person")?,
        })
    }

    /// Whatever prefix somebody has given to our namespace.
    pub fn find(domain: &Element) -> Option<Self> {
        let metadata = domain.child("metadata")?;
        let mut ours = metadata.children.iter().filter(|it| is_ours(it, [metadata, domain]));
        ours.next().and_then(Self::read)
    }
}

fn is_ours(element: &Element, [metadata, domain]: [&Element; 2]) -> bool {
    let prefix = element.name.split_once(':').map_or("", |(prefix, _)| prefix);
    let attribute = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
    let mut scopes = [element, metadata, domain].into_iter();
    scopes.find_map(|scope| scope.attribute(&attribute)) == Some(NAMESPACE)
}

/// What others have written into its metadata.
pub(crate) fn of_others(domain: &Element) -> Vec<Element> {
    let Some(metadata) = domain.child("metadata") else { return Vec::new() };
    let others = metadata.children.iter().filter(|it| !is_ours(it, [metadata, domain]));
    others.cloned().collect()
}

fn qualify(element: &mut Element) {
    element.name = format!("{PREFIX}:{}", element.name);
    element.children.iter_mut().for_each(qualify);
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Ended, NAMESPACE, Ours};
    use crate::tree::Element;

    fn ours() -> Ours {
        let mut ours = Ours::new(Uuid::from_u128(1), (2, 3), 4);
        ours.ran = true;
        ours.ended = Some(Ended::Guest);
        ours.disks = vec![Uuid::from_u128(5)];
        ours.people = vec![Uuid::from_u128(6)];
        ours
    }

    #[test]
    fn it_is_known_again_by_its_namespace_alone() {
        let domain = Element::new("domain").with("xmlns:x", NAMESPACE);
        let mut element = ours().bare();
        element.name = "x:machine".to_owned();
        let found = Ours::find(&domain.within([Element::new("metadata").within([element])]));
        assert_eq!(found, Some(ours()));
    }

    #[test]
    fn what_others_have_written_is_not_ours() {
        for (namespace, name) in [("urn:other", "machine"), (NAMESPACE, "other")] {
            let mut element = ours().bare();
            element.name = format!("x:{name}");
            element.set("xmlns:x", namespace);
            let metadata = Element::new("metadata").within([element]);
            assert_eq!(Ours::find(&Element::new("domain").within([metadata])), None);
        }
    }
}
