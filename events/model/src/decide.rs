//! Commands in, facts out. Pure and total: no I/O, no clock, no randomness, and no panic whatever
//! comes.

use crate::command::Command;
use crate::context::Context;
use crate::deciding::Deciding;
use crate::event::Event;
use crate::fleet::Fleet;
use crate::follow::follow;
use crate::rejection::{Rejection, general};

/// A decision has at most so many events; what is larger is an operation that advances in slices.
pub const EVENTS_MAX: usize = 256;

/// What a command becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub events: Vec<Event>,
    /// The fleet after them: what folding the events over the fleet before gives.
    pub after: Fleet,
}

pub fn decide(fleet: &Fleet, command: &Command, context: &Context) -> Result<Decision, Rejection> {
    let mut deciding = Deciding::new(fleet, command.name(), command.by(), context);
    command.decide(&mut deciding)?;
    follow(&mut deciding);
    let decision = deciding.end();
    match decision.events.iter().find(|event| !event.is_readable_at(fleet.feature_level)) {
        None => Ok(decision),
        Some(event) => {
            let fact = event.kind().to_owned();
            Err(general::Rejection::NotYetReadable { fact }.into())
        }
    }
}
