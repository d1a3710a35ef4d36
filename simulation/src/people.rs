//! Those who send commands, ask again when they don't know what became of them, and remember every
//! answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carrel_decider::{Accepted, Answer, Decider, Refusal, Sent};
use carrel_log::EventLog;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId};
use carrel_model::name::{Method, Org};
use carrel_model::record::{Actor, Record};
use carrel_model::wire;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::{Builder, Uuid};

use crate::outside::{Clock, locked};

/// What somebody who has sent a command knows of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// It may have been accepted.
    Nothing,
    Accepted(Accepted),
    Unchanged,
    Refused(String),
}

#[derive(Debug, Default)]
struct Book {
    answers: BTreeMap<CommandId, (&'static str, Known)>,
    sent: u64,
}

/// Clones share what they know.
#[derive(Clone, Debug)]
pub(crate) struct People {
    door: watch::Receiver<Option<Decider>>,
    clock: Clock,
    book: Arc<Mutex<Book>>,
}

/// Whoever gets no answer asks again after so long, and so often; longer than anybody is dead.
const AGAIN: Duration = Duration::from_millis(400);
const TRIES_MAX: u32 = 60;

impl People {
    pub(crate) fn new(door: watch::Receiver<Option<Decider>>, clock: Clock) -> Self {
        Self { door, clock, book: Arc::default() }
    }

    /// A command as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub(crate) fn command(name: &str, data: &Value) -> wire::Command {
        let command = serde_json::from_value(json!({ "type": name, "data": data }));
        command.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// An id of a client's own making.
    pub(crate) fn fresh_id(&self) -> CommandId {
        let mut book = locked(&self.book);
        book.sent += 1;
        let mut bytes = [0xc1; 10];
        bytes[2..].copy_from_slice(&book.sent.to_be_bytes());
        let id = Builder::from_unix_timestamp_millis(self.clock.millis(), &bytes).into_uuid();
        CommandId::new(id)
    }

    /// Sends it until there is an answer.
    ///
    /// # Panics
    /// If the answer is another one than before.
    pub(crate) async fn send(&self, id: CommandId, command: wire::Command) -> Known {
        let name = command.name();
        let before = locked(&self.book).answers.get(&id).map(|(_, known)| known.clone());
        if before.is_none() {
            locked(&self.book).answers.insert(id, (name, Known::Nothing));
        }
        let mut may_be_known = before.is_some();
        for _ in 0..TRIES_MAX {
            let decider = self.decider().await;
            let known = match decider.submit(sent(id, command.clone())).await {
                Ok(answered) => match answered.answer {
                    Answer::Accepted(accepted) => Known::Accepted(accepted),
                    Answer::Known(accepted) => {
                        assert!(may_be_known, "{name} {id} was never sent, and is known");
                        Known::Accepted(accepted)
                    }
                    Answer::Unchanged { .. } => Known::Unchanged,
                },
                Err(
                    refusal @ (Refusal::Rejected(_)
                    | Refusal::IdReused { .. }
                    | Refusal::OfTheSystem { .. }
                    | Refusal::Unsealable(_)),
                ) => Known::Refused(refusal.to_string()),
                Err(refusal @ (Refusal::Busy { .. } | Refusal::Unavailable(_))) => {
                    self.waits(&refusal).await;
                    continue;
                }
                Err(refusal @ Refusal::OutcomeUnknown) => {
                    may_be_known = true;
                    self.waits(&refusal).await;
                    continue;
                }
            };
            self.hears(id, name, before, known.clone());
            return known;
        }
        panic!("{name} {id} is never answered");
    }

    async fn waits(&self, _: &Refusal) {
        sleep(AGAIN).await;
    }

    /// Sends something else by an id that was used.
    ///
    /// # Panics
    /// If that is accepted.
    pub(crate) async fn reuse(&self, id: CommandId, command: wire::Command) {
        for _ in 0..TRIES_MAX {
            let decider = self.decider().await;
            match decider.submit(sent(id, command.clone())).await {
                Err(Refusal::IdReused { .. }) => return,
                Err(
                    refusal @ (Refusal::Busy { .. }
                    | Refusal::Unavailable(_)
                    | Refusal::OutcomeUnknown),
                ) => self.waits(&refusal).await,
                other => panic!("{id} was used before, and another command by it is {other:?}"),
            }
        }
        panic!("{id} is never answered");
    }

    async fn decider(&self) -> Decider {
        let mut door = self.door.clone();
        loop {
            let open = door.wait_for(Option::is_some).await.map(|decider| decider.clone());
            if let Some(decider) = open.expect("the process outlives its clients") {
                return decider;
            }
        }
    }

    fn hears(&self, id: CommandId, name: &'static str, before: Option<Known>, known: Known) {
        if let Some(first @ Known::Accepted(_)) = before {
            assert_eq!(first, known, "{name} {id} was accepted, and now is something else");
        }
        locked(&self.book).answers.insert(id, (name, known));
    }

    /// A command that was accepted, if there is one.
    pub(crate) fn accepted(&self, nth: u64) -> Option<CommandId> {
        let book = locked(&self.book);
        let accepted: Vec<CommandId> = book
            .answers
            .iter()
            .filter(|(_, (_, known))| matches!(known, Known::Accepted(_)))
            .map(|(id, _)| *id)
            .collect();
        let count = u64::try_from(accepted.len()).unwrap_or_default().max(1);
        accepted.get(usize::try_from(nth % count).unwrap_or_default()).copied()
    }

    /// How many were accepted, changed nothing, and were refused.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for (_, known) in locked(&self.book).answers.values() {
            match known {
                Known::Accepted(_) => counts[0] += 1,
                Known::Unchanged => counts[1] += 1,
                Known::Refused(_) | Known::Nothing => counts[2] += 1,
            }
        }
        counts
    }

    /// # Panics
    /// Unless the log holds each command that was accepted once, where its answer says, and none
    /// that was refused.
    pub(crate) async fn check(&self, log: &dyn EventLog, records: &[Record]) {
        let mut places: BTreeMap<CommandId, (u64, u64)> = BTreeMap::new();
        for record in records {
            let at = record.position.0;
            let place = places.entry(record.unit.command_id).or_insert((at, at - 1));
            assert_eq!(place.1 + 1, at, "{} is in two places", record.unit.command_id);
            place.1 = at;
        }
        let answers = locked(&self.book).answers.clone();
        for (id, (name, known)) in answers {
            let place = places.get(&id).copied();
            match known {
                Known::Accepted(accepted) => {
                    let answered = Some((accepted.first.0, accepted.last.0));
                    assert_eq!(place, answered, "{name} {id} was accepted");
                    let again = log.lookup(id).await.expect("a log in memory");
                    let again = again.map(|it| (it.first.0, it.last.0));
                    assert_eq!(again, answered, "{name} {id} is looked up");
                }
                Known::Unchanged | Known::Refused(_) => {
                    assert_eq!(place, None, "{name} {id} was not accepted: {known:?}");
                }
                Known::Nothing => panic!("{name} {id} was never answered"),
            }
        }
    }
}

fn sent(id: CommandId, command: wire::Command) -> Sent {
    let uuid: Uuid = id.uuid();
    Sent {
        command_id: id,
        command,
        org: Org::new("main").expect("a name"),
        actor: Actor {
            id: ActorId::from_bytes([9; 16]),
            method: Method::new("simulation").expect("a name"),
        },
        causation_id: CausationId::new(uuid),
        correlation_id: CorrelationId::new(uuid),
        trace_parent: None,
    }
}
