//! A fleet is told commands as JSON, whatever they are: no bytes make deciding panic.
//!
//! It knows nothing of the rest of the testkit: fuzzing builds it alone.

use carrel_model::command::Command;
use carrel_model::context::Context;
use carrel_model::decide::{Decision, EVENTS_MAX, decide};
use carrel_model::event::Event;
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ActorId, CommandId};
use carrel_model::name::Method;
use carrel_model::record::{Fingerprint, Timestamp};
use serde_json::Deserializer;

/// 64 commands are a day: enough for every time limit to pass.
const SECONDS_BETWEEN: u32 = 86_400 / 64;

/// Decides one JSON command after the other until one is none, and answers what became of the
/// fleet.
pub fn tell(commands: &[u8]) -> Fleet {
    let mut fleet = Fleet::default();
    let mut now = Timestamp(1_767_225_600_000_000);
    for (number, command) in read(commands).enumerate() {
        now = now.plus_seconds(SECONDS_BETWEEN);
        let Ok(Decision { events, after }) = decide(&fleet, &command, &context(number, now)) else {
            continue;
        };
        assert!(events.len() <= EVENTS_MAX);
        let folded = events.iter().fold(fleet, |fleet, event| evolve(fleet, &again(event)));
        assert!(folded == after, "the facts of {} give another fleet", command.name());
        fleet = after;
    }
    fleet
}

/// The commands one after the other, until one is none.
pub fn read(commands: &[u8]) -> impl Iterator<Item = Command> {
    let commands = Deserializer::from_slice(commands).into_iter::<Command>();
    commands.map_while(Result::ok)
}

/// As it comes back from the log.
pub fn again(event: &Event) -> Event {
    let written = event.written(u16::MAX).and_then(Result::ok);
    let read = written
        .map(|written| Event::decode(event.kind(), written.schema, event.stream(), &written.data));
    match read {
        Some(Ok(read)) => read,
        other => panic!("{event:?} is not read as it was written: {other:?}"),
    }
}

fn context(number: usize, now: Timestamp) -> Context {
    let number = (number as u128 + 1).to_be_bytes();
    let Ok(method) = Method::new("fuzz") else { unreachable!() };
    Context {
        command_id: CommandId::from_bytes(number),
        fingerprint: Fingerprint([7; 32]),
        actor: ActorId::from_bytes([9; 16]),
        method,
        now,
        entropy: number,
    }
}
