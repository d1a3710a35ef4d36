//! What facts make of a thin client.

use super::Terminal;
use crate::event::TerminalFact as Fact;
use crate::fleet::Fleet;
use crate::ids::TerminalId;
use crate::record::Version;

pub(crate) fn evolve(fleet: &mut Fleet, id: TerminalId, fact: &Fact) {
    match fact {
        Fact::Registered(terminal) => fleet.put(
            id,
            Terminal {
                id,
                version: Version(1),
                termid: terminal.termid.clone(),
                settings: terminal.settings.clone(),
                parameters: terminal.parameters.clone(),
            },
        ),
        Fact::Updated(terminal) => fleet.step::<Terminal>(id, |it| {
            it.termid = terminal.termid.clone();
            it.settings = terminal.settings.clone();
            it.parameters = terminal.parameters.clone();
        }),
        Fact::Removed(_) => drop(fleet.take::<Terminal>(id)),
    }
}
