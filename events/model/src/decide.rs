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
    readable(deciding.end(), |event| event.is_readable_at(fleet.feature_level))
}

/// Nothing is written that another process of the cluster can't read.
fn readable(decision: Decision, is: impl Fn(&Event) -> bool) -> Result<Decision, Rejection> {
    match decision.events.iter().find(|event| !is(event)) {
        None => Ok(decision),
        Some(event) => {
            let fact = event.kind().to_owned();
            Err(general::Rejection::NotYetReadable { fact }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{decide, readable};
    use crate::testing::{Story, command};

    #[test]
    fn what_not_every_process_can_read_is_not_written() {
        let mut story = Story::new();
        let context = story.context();
        let create = command("CreateGroup", json!({ "name": "class" }));
        let decided = decide(&story.fleet, &create, &context).expect("it is accepted");
        assert_eq!(readable(decided.clone(), |_| true).as_ref(), Ok(&decided));
        let refused = readable(decided, |event| event.kind() != "group.created");
        let refused = refused.expect_err("a process can't read it");
        assert_eq!(refused.code(), "CRL-0009");
        assert!(refused.to_string().contains("group.created"), "{refused}");
    }
}
