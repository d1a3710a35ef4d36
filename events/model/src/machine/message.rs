//! Words are shown to whoever sits in front of machines.

use super::Machine;
use super::obstacle::host_answers;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::MessageId;
use crate::operation::{self, Begun, Plan, for_machines};
use crate::rejection::Rejection;
use crate::text::Text;
use crate::version::latest::machine::MessageSent;

for_machines! {
    /// Shows words to whoever sits in front of the machines. They are kept in the log for good, so
    /// no password belongs into them, and nothing about a person.
    MessageMachine {
        text: Text,
    }
}

impl Decide for MessageMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Message { text: self.text.clone() }, &self.selection())
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    text: &Text,
) -> Result<Begun, Rejection> {
    machine.is_not_external()?;
    host_answers(&deciding.fleet, machine)?;
    machine.is_running()?;
    let message: MessageId = deciding.fresh();
    deciding.fact(machine.id, Fact::MessageSent(MessageSent { message, text: text.clone() }));
    Ok(Begun::until_applied(deciding, machine.id))
}
