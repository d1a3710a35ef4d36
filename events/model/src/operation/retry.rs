//! What failed is tried again, and only that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::State;
use super::rejection::Rejection as Refused;
use super::run::advance;
use crate::deciding::{Decide, Deciding};
use crate::event::OperationFact as Fact;
use crate::ids::CommandId;
use crate::rejection::Rejection;
use crate::version::latest::Nothing;

/// Tries what failed in an operation once more: the same operation goes on with just those
/// machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryOperation {
    pub operation: CommandId,
}

impl Decide for RetryOperation {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let operation = self.operation;
        let found = deciding.fleet.operations.get(operation);
        match found.map(|found| found.state) {
            None => Err(Refused::NotThere { operation }.into()),
            Some(State::Sealing | State::Running | State::Cancelling { .. }) => {
                Err(Refused::NotEnded { operation }.into())
            }
            Some(State::Ended { .. }) => {
                deciding.fact(operation, Fact::Retried(Nothing {}));
                advance(deciding, operation);
                Ok(())
            }
        }
    }
}
