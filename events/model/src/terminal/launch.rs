//! The one command line that a terminal runs.

use std::collections::BTreeMap;
use std::fmt;

use super::Terminal;
use crate::fleet::Fleet;
use crate::name::{Label, Name};
use crate::text::Text;

/// What a terminal's line can't be made without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Lab,
    Class(Name),
    /// In the order in which the template asks for them.
    Parameters(Vec<String>),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab => f.write_str("the terminal's lab is gone"),
            Self::Class(class) => write!(f, "the terminal's lab has no class {class}"),
            Self::Parameters(names) => {
                write!(f, "the terminal lacks the parameters {}", names.join(", "))
            }
        }
    }
}

impl std::error::Error for Missing {}

/// Fills the template of the terminal's class with what was in the boxes of its parameters; whoever
/// answers the terminal has opened them. `%TERMID%` and `%LAB%` need no parameter. Values are put
/// in as they are: whoever sets them decides what the terminal runs.
pub fn launch(
    fleet: &Fleet,
    terminal: &Terminal,
    opened: &BTreeMap<Label, Text>,
) -> Result<String, Missing> {
    let lab = fleet.labs.get(terminal.settings.lab).ok_or(Missing::Lab)?;
    let class = &terminal.settings.class;
    let launcher = lab.settings.classes.get(class);
    let template = launcher.ok_or_else(|| Missing::Class(class.clone()))?.template.as_str();
    let mut line = String::with_capacity(template.len());
    let mut missing = Vec::new();
    for piece in pieces(template) {
        match piece {
            Piece::Words(words) => line.push_str(words),
            Piece::Parameter(name) => match value(opened, terminal, &lab.name, name) {
                Some(value) => line.push_str(value),
                None if missing.iter().any(|it| it == name) => {}
                None => missing.push(name.to_owned()),
            },
        }
    }
    if missing.is_empty() { Ok(line) } else { Err(Missing::Parameters(missing)) }
}

/// Parameters are found whether they are written in capitals or not.
fn value<'a>(
    opened: &'a BTreeMap<Label, Text>,
    terminal: &'a Terminal,
    lab: &'a Name,
    name: &str,
) -> Option<&'a str> {
    let mut parameters = opened.iter();
    let found = parameters.find(|(key, _)| key.as_str().eq_ignore_ascii_case(name));
    match (found, name) {
        (Some((_, value)), _) => Some(value.as_str()),
        (None, "TERMID") => Some(terminal.termid.as_str()),
        (None, "LAB") => Some(lab.as_str()),
        (None, _) => None,
    }
}

enum Piece<'a> {
    Words(&'a str),
    Parameter(&'a str),
}

/// Every second piece between percent signs is a parameter, or a percent sign where it is empty.
fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    template.split('%').enumerate().map(|(at, text)| match (at % 2, text) {
        (0, words) => Piece::Words(words),
        (_, "") => Piece::Words("%"),
        (_, name) => Piece::Parameter(name),
    })
}

/// Why it is no template for one line.
pub(crate) fn check_template(template: &str) -> Result<(), &'static str> {
    if template.trim().is_empty() {
        return Err("it is empty");
    }
    if template.contains('\n') {
        return Err("it has a line break");
    }
    if template.matches('%').count() % 2 == 1 {
        return Err("a percent sign is without the one that belongs to it");
    }
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._/-".contains(letter);
    for piece in pieces(template) {
        if let Piece::Parameter(name) = piece
            && !name.chars().all(plain)
        {
            return Err("between two percent signs stands what is no parameter's name");
        }
    }
    Ok(())
}
