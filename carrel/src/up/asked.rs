//! What this process itself asks for when it starts.

use carrel_decider::{Answered, Decider, Refusal, Sent};
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId};
use carrel_model::name::{Method, Org};
use carrel_model::record::Actor;
use carrel_model::wire::Command;
use serde_json::{Value, json};

use super::outside::fresh_id;
use crate::failure::Failure;

pub(super) async fn ask(
    decider: &Decider,
    org: &Org,
    name: &str,
    data: Value,
) -> Result<Answered, Failure> {
    let failed = || Failure::new(format!("{name} could not be asked for"));
    let command = json!({ "type": name, "data": data });
    let command =
        serde_json::from_value::<Command>(command).map_err(|why| failed().because(why))?;
    let id = fresh_id();
    // Nobody in particular: the process that starts.
    let method = Method::new("start").map_err(|why| failed().because(why))?;
    let actor = Actor { id: ActorId::MIN, method };
    let sent = Sent {
        command_id: CommandId::new(id),
        command,
        org: org.clone(),
        actor,
        causation_id: CausationId::new(id),
        correlation_id: CorrelationId::new(id),
        trace_parent: None,
    };
    decider.submit(sent).await.map_err(|why: Refusal| failed().because(why))
}
