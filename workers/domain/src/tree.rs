//! XML as a tree: the one place where text becomes markup, and markup text.
//!
//! What libvirt writes has either text or elements within an element, never both among each other,
//! so that a tree keeps them apart.

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer, XmlVersion, escape};

/// The largest that libvirt takes for a domain is 10 MB; what it writes for one has 20 kB.
const BYTES_MAX: usize = 1 << 20;
/// libvirt's own schema for domains goes to 12, and backing chains one deeper for each file.
const DEPTH_MAX: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("more than {BYTES_MAX} bytes")]
    Long,
    #[error("elements more than {DEPTH_MAX} deep")]
    Deep,
    #[error("an entity of its own")]
    Entity,
    #[error("no whole element")]
    Open,
    #[error("{0}")]
    Xml(String),
}

#[expect(clippy::needless_pass_by_value, reason = "numbers, words and ids are handed over alike")]
impl Element {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    #[must_use]
    pub fn with(mut self, attribute: &str, value: impl ToString) -> Self {
        self.attributes.push((attribute.to_owned(), value.to_string()));
        self
    }

    #[must_use]
    pub fn with_text(mut self, text: impl ToString) -> Self {
        self.text = text.to_string();
        self
    }

    #[must_use]
    pub fn within(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// In the place of what it was.
    pub fn set(&mut self, attribute: &str, value: impl ToString) {
        match self.attributes.iter_mut().find(|(name, _)| name == attribute) {
            Some((_, old)) => *old = value.to_string(),
            None => self.attributes.push((attribute.to_owned(), value.to_string())),
        }
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(attribute, _)| attribute == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn is(&self, attribute: &str, value: &str) -> bool {
        self.attribute(attribute) == Some(value)
    }

    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Down from here, the first of each name.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    pub fn write(&self) -> String {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        // A vector takes everything.
        let written = write(self, &mut writer);
        debug_assert!(written.is_ok(), "{written:?}");
        String::from_utf8(writer.into_inner()).unwrap_or_default()
    }

    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > BYTES_MAX {
            return Err(Malformed::Long);
        }
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        loop {
            let event = reader.read_event().map_err(|error| Malformed::Xml(error.to_string()))?;
            let whole = match event {
                Event::Start(start) if open.len() < DEPTH_MAX => {
                    open.push(begun(&start)?);
                    continue;
                }
                Event::Start(_) => return Err(Malformed::Deep),
                Event::Empty(start) => begun(&start)?,
                Event::End(_) => open.pop().map(ended).ok_or(Malformed::Open)?,
                Event::Eof => return Err(Malformed::Open),
                Event::DocType(_) => return Err(Malformed::Entity),
                Event::Text(text) => {
                    hear(&mut open, &text.xml10_content());
                    continue;
                }
                Event::CData(text) => {
                    hear(&mut open, &text.xml10_content());
                    continue;
                }
                Event::GeneralRef(reference) => {
                    hear(&mut open, &meant(&reference)?);
                    continue;
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
            match open.last_mut() {
                Some(parent) => parent.children.push(whole),
                None => return Ok(whole),
            }
        }
    }
}

fn write(element: &Element, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
    let attributes = element.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let start = BytesStart::new(element.name.as_str()).with_attributes(attributes);
    if element.text.is_empty() && element.children.is_empty() {
        return writer.write_event(Event::Empty(start));
    }
    writer.write_event(Event::Start(start))?;
    if element.children.is_empty() {
        writer.write_event(Event::Text(BytesText::new(&element.text)))?;
    }
    for child in &element.children {
        write(child, writer)?;
    }
    writer.write_event(Event::End(BytesEnd::new(element.name.as_str())))
}

fn begun(start: &BytesStart<'_>) -> Result<Element, Malformed> {
    let mut element = Element::new(start.name().0);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| Malformed::Xml(error.to_string()))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.map_err(|error| Malformed::Xml(error.to_string()))?;
        element.attributes.push((attribute.key.0.to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// The white space between elements is for people.
fn ended(mut element: Element) -> Element {
    if !element.children.is_empty() || element.text.trim().is_empty() {
        element.text.clear();
    }
    element
}

fn hear(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Only what every parser knows.
fn meant(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, Malformed> {
    let character =
        reference.resolve_char_ref().map_err(|error| Malformed::Xml(error.to_string()))?;
    if let Some(character) = character {
        return Ok(character.to_string());
    }
    let name = reference.xml10_content();
    escape::resolve_xml_entity(&name).map(str::to_owned).ok_or(Malformed::Entity)
}

#[cfg(test)]
mod tests {
    use super::{Element, Malformed};

    #[test]
    fn what_is_written_reads_back() {
        let element = Element::new("a")
            .with("b", "<'\"&> ä")
            .within([Element::new("c").with_text("]]> &amp; <d/>"), Element::new("e")]);
        assert_eq!(Element::parse(&element.write()), Ok(element));
    }

    #[test]
    fn nobody_brings_entities() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
        assert_eq!(Element::parse(bomb), Err(Malformed::Entity));
        assert_eq!(Element::parse("<a>&b;</a>"), Err(Malformed::Entity));
        assert_eq!(Element::parse("<a>&lt;&#x41;</a>").map(|a| a.text), Ok("<A".to_owned()));
    }

    #[test]
    fn what_is_not_whole_is_not_read() {
        for text in ["", "<a>", "<a><b></a>", "<a b='1' b='2'/>", "text"] {
            assert!(Element::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Element::parse(&"<a>".repeat(300)), Err(Malformed::Deep));
        let whole = "<?xml version='1.0'?><!-- of nobody --><a>b</a>";
        assert_eq!(Element::parse(whole).map(|a| a.text), Ok("b".to_owned()));
    }
}
