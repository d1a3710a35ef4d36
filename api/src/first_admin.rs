//! Where nobody runs the system yet, there is `admin` with a password that nobody could guess.

use std::collections::BTreeSet;
use std::io;

use carrel_decider::{Answer, Refusal};
use carrel_keys::entropy::EntropyError;
use carrel_model::admin::Role;
use carrel_model::admin::commands::CreateAdmin;
use carrel_model::ids::{CausationId, CommandId, CorrelationId};
use carrel_model::people::PersonName;
use carrel_model::rejection::{Rejection, general};
use carrel_model::sealed::Secret;
use carrel_model::wire::Command;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::edge::Edge;
use crate::port::Sent;
use crate::principal::actor;

pub const NAME: &str = "admin";

/// Without letters and digits that look like others.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Five bits in each letter: 120 bits, which nobody guesses.
const LENGTH: usize = 24;

#[derive(Debug)]
pub enum FirstAdmin {
    /// It is there from now on, and this is how to sign in.
    Made { name: &'static str, password: Secret },
    /// Somebody is there already, or another process was faster.
    There,
}

#[derive(Debug, thiserror::Error)]
pub enum FirstAdminError {
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("the password of the first administrator could not be kept: {0}")]
    Keep(#[from] io::Error),
    #[error("the first administrator could not be made: {0}")]
    Refused(Refusal),
}

/// Makes the first administrator if there is none. `keep` is called with the password before the
/// command is sent: whatever happens then, nobody is made whose password is nowhere. If it turns
/// out that somebody is there, what it kept is of no use and can go.
pub async fn first_admin(
    edge: &Edge,
    keep: impl FnOnce(&Secret) -> io::Result<()>,
) -> Result<FirstAdmin, FirstAdminError> {
    let ports = &edge.ports;
    if !ports.commands.standing().fleet.admins.is_empty() {
        return Ok(FirstAdmin::There);
    }
    let mut drawn = Zeroizing::new([0; LENGTH]);
    ports.entropy.fill(&mut *drawn)?;
    let letters = drawn.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let password = Secret::new(letters.collect());
    keep(&password)?;
    let mut id = [0; 16];
    ports.entropy.fill(&mut id)?;
    let id = uuid::Builder::from_random_bytes(id).into_uuid();
    #[expect(clippy::expect_used, reason = "a literal that the tests have seen")]
    let name = PersonName::new(NAME).expect("a name");
    let roles = BTreeSet::from([Role::Admin]);
    let create = CreateAdmin { id: (), name, password: password.clone(), roles };
    let sent = Sent {
        command_id: CommandId::new(id),
        command: Command::CreateAdmin(create),
        org: ports.org.clone(),
        actor: actor(Uuid::nil(), "start"),
        causation_id: CausationId::new(id),
        correlation_id: CorrelationId::new(id),
        trace_parent: None,
    };
    match ports.commands.submit(sent).await.map(|answered| answered.answer) {
        Ok(Answer::Accepted(_) | Answer::Known(_)) => Ok(FirstAdmin::Made { name: NAME, password }),
        // Two started, and the other one's is there.
        Ok(Answer::Unchanged { .. })
        | Err(Refusal::Rejected(Rejection::General(general::Rejection::NameTaken { .. }))) => {
            Ok(FirstAdmin::There)
        }
        Err(refusal) => Err(FirstAdminError::Refused(refusal)),
    }
}
