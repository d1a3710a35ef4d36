//! Asks the decider for what hosts, time and silence bring about, until it has answered.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use carrel_decider::{Answer, Ask, Clock, Decider, Entropy, Refusal};
use carrel_model::command::Command;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, HypervisorId};
use carrel_model::name::{Method, NameError, Org};
use carrel_model::record::{Actor, Position};
use carrel_model::rejection::Rejection;
use carrel_model::trace::TraceParent;
use uuid::{Builder, Uuid};

use crate::back_off::BackOff;
use crate::derived;

/// A command of the system, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub(crate) id: CommandId,
    pub(crate) by: By,
    pub(crate) command: Command,
    /// What made it happen; its own id when nothing did.
    pub(crate) causation: Uuid,
    /// The operation that it belongs to; its own id when it does to none.
    pub(crate) correlation: Uuid,
    pub(crate) trace_parent: Option<TraceParent>,
}

/// Which part of Carrel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The worker of a host.
    Worker(HypervisorId),
    Clockwork,
}

/// Why a command came to nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refused {
    Rejected(Rejection),
    /// The id was used for something else.
    IdReused {
        first: Position,
    },
    /// It can't be asked for like this, now or later.
    Unaskable(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::IdReused { first } => {
                write!(f, "its id was used before for another command, at position {first}")
            }
            Self::Unaskable(why) => f.write_str(why),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Asking {
    decider: Decider,
    org: Org,
    worker: Method,
    clockwork: Method,
    fresh: Arc<Fresh>,
}

/// Ids that nobody has yet.
struct Fresh {
    clock: Arc<dyn Clock>,
    entropy: Mutex<Box<dyn Entropy>>,
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fresh(..)")
    }
}

impl Asking {
    pub(crate) fn new(
        decider: Decider,
        clock: Arc<dyn Clock>,
        entropy: Box<dyn Entropy>,
    ) -> Result<Self, NameError> {
        let fresh = Arc::new(Fresh { clock, entropy: Mutex::new(entropy) });
        let (worker, clockwork) = (Method::new("worker")?, Method::new("clockwork")?);
        Ok(Self { decider, org: Org::new("main")?, worker, clockwork, fresh })
    }

    /// A command that nobody has said before.
    pub(crate) fn fresh(&self, command: Command) -> Saying {
        let id = self.fresh.id();
        let mut correlation = id;
        if let Command::AdvanceOperation(advance) = &command {
            correlation = advance.operation.uuid();
        }
        Saying {
            id: CommandId::new(id),
            by: By::Clockwork,
            command,
            causation: id,
            correlation,
            trace_parent: None,
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.fresh.clock
    }

    /// Asks with the same id until there is an answer.
    pub(crate) async fn ask(&self, saying: Saying) -> Result<Answer, Refused> {
        let json = serde_json::to_vec(&saying.command);
        let json = json.map_err(|error| Refused::Unaskable(error.to_string()))?;
        let ask = Ask {
            command_id: saying.id,
            fingerprint: derived::fingerprint(&json),
            command: saying.command,
            org: self.org.clone(),
            actor: self.actor(saying.by),
            causation_id: CausationId::new(saying.causation),
            correlation_id: CorrelationId::new(saying.correlation),
            trace_parent: saying.trace_parent,
        };
        let mut back_off = BackOff::default();
        loop {
            let refusal = match self.decider.ask(ask.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Rejected(rejection)) => return Err(Refused::Rejected(rejection)),
                Err(Refusal::IdReused { first }) => return Err(Refused::IdReused { first }),
                Err(refusal @ (Refusal::OfTheSystem { .. } | Refusal::Unsealable(_))) => {
                    return Err(Refused::Unaskable(refusal.to_string()));
                }
                Err(
                    refusal @ (Refusal::Busy { .. }
                    | Refusal::Unavailable(_)
                    | Refusal::OutcomeUnknown),
                ) => refusal,
            };
            if back_off.is_first() {
                let (command, id) = (ask.command.name(), ask.command_id);
                tracing::debug!(%refusal, command, command.id = %id, "it is asked for again");
            }
            back_off.wait().await;
        }
    }

    fn actor(&self, by: By) -> Actor {
        match by {
            By::Worker(host) => {
                Actor { id: ActorId::new(host.uuid()), method: self.worker.clone() }
            }
            // There is one, as there is one cluster.
            By::Clockwork => Actor { id: ActorId::MIN, method: self.clockwork.clone() },
        }
    }
}

impl Fresh {
    /// Of version 7.
    fn id(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().0 / 1_000).unwrap_or_default();
        let drawn = self.entropy.lock().unwrap_or_else(PoisonError::into_inner).draw();
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&drawn[..10]);
        Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}
