//! Network cards.

use super::reading::{attribute, odd};
use super::{Unreadable, Words, label, meant, number, required, word};
use crate::network::{Attachment, Card, CardModel};
use crate::tree::Element;

const MODELS: Words<CardModel> = &[
    (CardModel::Virtio, "virtio"),
    (CardModel::E1000e, "e1000e"),
    (CardModel::Rtl8139, "rtl8139"),
];

/// libvirt brings it along: no address of others, neither MAC nor IP.
const FILTER: &str = "clean-traffic";

pub(super) fn render(cards: &[Card]) -> impl Iterator<Item = Element> {
    cards.iter().map(card)
}

fn card(card: &Card) -> Element {
    let kind = match &card.attachment {
        Attachment::Bridge(_) | Attachment::Tagged { .. } => "bridge",
        Attachment::Network(_) => "network",
    };
    let mac = Element::new("mac").with("address", card.mac);
    let mut element = Element::new("interface").with("type", kind).within([mac]);
    element = match &card.attachment {
        Attachment::Bridge(name) => element.within([Element::new("source").with("bridge", name)]),
        Attachment::Network(name) => element.within([Element::new("source").with("network", name)]),
        Attachment::Tagged { bridge, tag } => element.within([
            Element::new("source").with("bridge", bridge),
            Element::new("vlan").within([Element::new("tag").with("id", tag)]),
            Element::new("virtualport").with("type", "openvswitch"),
        ]),
    };
    if card.isolated {
        element.children.push(Element::new("port").with("isolated", "yes"));
    }
    let link = if card.link { "up" } else { "down" };
    element.children.push(Element::new("model").with("type", word(MODELS, card.model)));
    if card.no_spoofing {
        element.children.push(Element::new("filterref").with("filter", FILTER));
    }
    element.within([Element::new("link").with("state", link)])
}

pub(super) fn read(devices: &Element) -> Result<Vec<Card>, Unreadable> {
    devices.children("interface").map(read_card).collect()
}

fn read_card(card: &Element) -> Result<Card, Unreadable> {
    let mac = attribute(required(card, &["mac"], "mac")?, "address")?;
    let model = required(card, &["model"], "interface/model")?;
    let is = |element: &str, attribute, value| {
        card.child(element).is_some_and(|element| element.is(attribute, value))
    };
    Ok(Card {
        mac: number(mac, "mac")?,
        model: meant(MODELS, model.attribute("type"), "card model")?,
        attachment: read_attachment(card)?,
        link: !is("link", "state", "down"),
        no_spoofing: is("filterref", "filter", FILTER),
        isolated: is("port", "isolated", "yes"),
    })
}

fn read_attachment(card: &Element) -> Result<Attachment, Unreadable> {
    let source = required(card, &["source"], "interface/source")?;
    let name = |kind| label(attribute(source, kind)?, kind);
    match (card.attribute("type").unwrap_or_default(), card.at(&["vlan", "tag"])) {
        ("network", _) => Ok(Attachment::Network(name("network")?)),
        ("bridge", None) => Ok(Attachment::Bridge(name("bridge")?)),
        ("bridge", Some(tag)) => {
            let tag = number(attribute(tag, "id")?, "vlan tag")?;
            Ok(Attachment::Tagged { bridge: name("bridge")?, tag })
        }
        (other, _) => Err(odd("interface type", other)),
    }
}
