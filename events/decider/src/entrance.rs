//! The way in for commands as they are sent: known ids are answered, the rest is sealed and asked.
//!
//! ```text
//!   submit --> known? --> seal, on a thread where that takes a disk or a hash --> ask --> answer
//!                |                        |                                        |
//!                +-- first answer         +-- refused: nothing stays               +-- refused:
//!                                                                                      keys go
//! ```

use std::fmt;
use std::sync::Arc;

use carrel_failpoint::{Point, reached};
use carrel_keys::{Keys, SealError, SealedCommand, Token};
use carrel_log::EventLog;
use carrel_model::client::Provider;
use carrel_model::command::{By, Command};
use carrel_model::context::Context;
use carrel_model::event::Event;
use carrel_model::fleet::Fleet;
use carrel_model::hash::KeyedHash;
use carrel_model::ids::{CommandId, TerminalId};
use carrel_model::people::{PersonName, PersonRef, Seal};
use carrel_model::record::Fingerprint;
use carrel_model::reference::Ref;
use carrel_model::sealed::{Purpose, SealedBox, Secret};
use carrel_model::wire;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::ask::{Accepted, Answer, Answered, Ask, Refusal, Sent};
use crate::desk::Decider;
use crate::limits::{SEALING_MAX, SEALING_WAITING_MAX};
use crate::newcomers::Newcomers;
use crate::outside::{Clock, SharedEntropy, fresh_id};

/// What all handles of a decider share.
pub(crate) struct Entrance {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: SharedEntropy,
    /// For who is sealed, waits for that, or has made keys.
    places: Arc<Semaphore>,
    turns: Semaphore,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Entrance {
    pub(crate) fn new(
        log: Arc<dyn EventLog>,
        keys: Keys,
        clock: Arc<dyn Clock>,
        entropy: SharedEntropy,
    ) -> Self {
        let places = Arc::new(Semaphore::new(SEALING_WAITING_MAX));
        Self { log, keys, clock, entropy, places, turns: Semaphore::new(SEALING_MAX) }
    }

    /// What the log says of a command that was accepted before.
    async fn known(
        &self,
        command_id: CommandId,
        fingerprint: Fingerprint,
    ) -> Result<Option<Accepted>, Refusal> {
        let Some(it) = self.log.lookup(command_id).await? else { return Ok(None) };
        if it.fingerprint != fingerprint {
            return Err(Refusal::IdReused { first: it.first });
        }
        Ok(Some(Accepted { command_id, first: it.first, last: it.last }))
    }

    async fn seal(&self, command: &wire::Command, fleet: Fleet) -> Result<Sealed, Refused> {
        let at_once = command.clone().seal(&mut AtOnce { keys: &self.keys });
        if let Ok(command) = at_once {
            return Ok(Sealed { command, token: None, newcomers: Newcomers::nobody() });
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refusal::Busy { waiting: SEALING_WAITING_MAX })?;
        let turn = self.turns.acquire().await;
        let (keys, command) = (self.keys.clone(), command.clone());
        let (now, drawn) = (self.clock.now(), self.entropy.draw());
        let beside = self.keys.clone();
        let sealing = beside.beside(move || {
            let mut numbers = 0_u16..;
            let mut fresh = || fresh_id(now, drawn, numbers.next().unwrap_or(u16::MAX));
            let sealed = keys.seal_command(command, &fleet, &mut fresh)?;
            let SealedCommand { command, token, newcomers } = sealed;
            if !newcomers.is_empty() {
                reached(Point::KeysMade);
            }
            // Nobody may wait for them any more, and then they are dropped here.
            Ok(Sealed { command, token, newcomers: Newcomers::of(keys, newcomers, place) })
        });
        let sealed = sealing.await;
        drop(turn);
        let ended = |_| Refusal::Unavailable("sealing was broken off".to_owned());
        sealed.map_err(ended)?.map_err(Refused::Seal)
    }
}

/// A command that was sealed and is not decided yet.
struct Sealed {
    command: Command,
    token: Option<Token>,
    newcomers: Newcomers,
}

enum Refused {
    Seal(SealError),
    Else(Refusal),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Else(refusal)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Seal(error) => error.into(),
            Refused::Else(refusal) => refusal,
        }
    }
}

impl Decider {
    /// Decides what somebody has sent. Nothing is sealed for a command that was accepted before.
    ///
    /// Dropping the future gives up waiting, not the command.
    pub async fn submit(&self, sent: Sent) -> Result<Answered, Refusal> {
        sent_by_somebody(&sent.command)?;
        self.submit_own(sent).await
    }

    /// The same for what the system says of people, such as that somebody has signed in. Whatever
    /// people or programs send goes to [`Decider::submit`].
    pub async fn submit_own(&self, sent: Sent) -> Result<Answered, Refusal> {
        let entrance = &*self.entrance;
        let fingerprint = entrance.keys.fingerprint(&sent.command)?;
        let known = |accepted| Answered { answer: Answer::Known(accepted), token: None };
        if let Some(accepted) = entrance.known(sent.command_id, fingerprint).await? {
            return Ok(known(accepted));
        }
        let Sealed { command, token, newcomers } = match self.seal(&sent.command).await {
            Ok(sealed) => sealed,
            Err(refusal) => {
                // Whom it names may be gone because the same command was accepted meanwhile.
                let first = entrance.known(sent.command_id, fingerprint).await?;
                return first.map(known).ok_or(refusal);
            }
        };
        let ask = Ask {
            command_id: sent.command_id,
            fingerprint,
            command,
            org: sent.org,
            actor: sent.actor,
            causation_id: sent.causation_id,
            correlation_id: sent.correlation_id,
            trace_parent: sent.trace_parent,
        };
        let answer = self.ask_with(ask, newcomers).await?;
        let token = match answer {
            Answer::Accepted(_) => token,
            Answer::Known(_) | Answer::Unchanged { .. } => None,
        };
        Ok(Answered { answer, token })
    }

    async fn seal(&self, command: &wire::Command) -> Result<Sealed, Refusal> {
        let mut standing = self.standing();
        match self.entrance.seal(command, standing.fleet.clone()).await {
            // Another process may have made whoever it names.
            Err(Refused::Seal(SealError::NoSuch { kind, given })) => {
                let before = standing.position;
                standing.catch_up(&*self.entrance.log).await?;
                if standing.position == before {
                    return Err(SealError::NoSuch { kind, given }.into());
                }
                Ok(self.entrance.seal(command, standing.fleet).await?)
            }
            sealed => Ok(sealed?),
        }
    }

    /// What would be written if this were sent now; nothing, if it was accepted before. No key is
    /// made, nothing is written, and what the facts' boxes hold can't be opened.
    pub async fn would(&self, sent: Sent) -> Result<Vec<Event>, Refusal> {
        sent_by_somebody(&sent.command)?;
        let entrance = &*self.entrance;
        let fingerprint = entrance.keys.fingerprint(&sent.command)?;
        if entrance.known(sent.command_id, fingerprint).await?.is_some() {
            return Ok(Vec::new());
        }
        let (now, drawn) = (entrance.clock.now(), entrance.entropy.draw());
        let mut numbers = 0_u16..;
        let mut fresh = || fresh_id(now, drawn, numbers.next().unwrap_or(u16::MAX));
        let fleet = self.standing().fleet;
        let command = entrance.keys.seal_to_try(sent.command, &fleet, &mut fresh)?;
        let context = Context {
            command_id: sent.command_id,
            fingerprint,
            actor: sent.actor.id,
            method: sent.actor.method,
            now,
            entropy: entrance.entropy.draw(),
        };
        let decision = self.try_out(&command, &context).map_err(Refusal::Rejected)?;
        Ok(decision.events)
    }
}

fn sent_by_somebody(command: &wire::Command) -> Result<(), Refusal> {
    match command.by() {
        By::System => Err(Refusal::OfTheSystem { name: command.name() }),
        By::Subject | By::Operator | By::Admin => Ok(()),
    }
}

/// Seals what takes neither a key nor a disk, where it stands: most commands name nobody, or
/// somebody by their name alone.
struct AtOnce<'a> {
    keys: &'a Keys,
}

/// It takes a thread that may wait.
struct TakesTime;

impl Seal for AtOnce<'_> {
    type Error = TakesTime;

    fn new_id(&mut self) -> Result<Uuid, TakesTime> {
        Err(TakesTime)
    }

    fn person(&mut self, _: &PersonRef) -> Result<Uuid, TakesTime> {
        Err(TakesTime)
    }

    fn admin(&mut self, _: &PersonRef) -> Result<Uuid, TakesTime> {
        Err(TakesTime)
    }

    fn terminal(&mut self, _: &Ref<TerminalId>) -> Result<Uuid, TakesTime> {
        Err(TakesTime)
    }

    fn new_token(&mut self) -> Result<KeyedHash, TakesTime> {
        Err(TakesTime)
    }

    fn hash(&mut self, provider: &Provider, name: &PersonName) -> Result<KeyedHash, TakesTime> {
        Ok(self.keys.name_hash(provider, name))
    }

    fn seal(&mut self, _: Uuid, _: Purpose, _: &str) -> Result<SealedBox, TakesTime> {
        Err(TakesTime)
    }

    fn password(&mut self, _: Uuid, _: &Secret) -> Result<SealedBox, TakesTime> {
        Err(TakesTime)
    }
}
