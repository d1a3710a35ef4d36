//! What happens and passes: sessions and operations.

use carrel_model::ids::{
    ActorId, ClientId, CommandId, CorrelationId, MachineId, PoolId, SessionId, TerminalId,
};
use carrel_model::name::{Method, Name, PlatformName};
use carrel_model::record::{Timestamp, Version};
use carrel_model::text::Text;
use carrel_model::version::latest::display::Protocol;
use carrel_model::version::latest::operation::Keeps;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Queued,
    Leased,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    None,
    Issued,
    Armed,
    Spent,
}

/// The history of one lease.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct Session {
    pub id: SessionId,
    pub version: Version,
    pub state: SessionState,
    /// Whose it is: a person's or a terminal's.
    pub client: Option<ClientId>,
    pub client_name: Option<String>,
    pub terminal: Option<TerminalId>,
    pub terminal_name: Option<String>,
    /// None: a machine was asked for.
    pub pool: Option<PoolId>,
    pub pool_name: Option<Name>,
    pub machine: Option<MachineId>,
    pub machine_name: Option<Name>,
    pub protocol: Protocol,
    /// Of one that waits; smaller ones come first.
    pub place: Option<u64>,
    pub ticket: u32,
    pub ticket_state: TicketState,
    pub return_after_seconds: Option<u32>,
    /// When somebody asked.
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// When they got a machine.
    pub granted_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Why it ended: `request`, `silence`, `guest`, `revoked` or `machine`; of one that
    /// waited also `maintenance`.
    pub cause: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    Running,
    Cancelling,
    Succeeded,
    PartiallyFailed,
    Failed,
    Cancelled,
}

/// What became of one machine of an operation that was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationFailure {
    pub machine: MachineId,
    pub machine_name: Option<Name>,
    /// A code of docs/errors, or the name of the step that failed.
    pub code: PlatformName,
    pub detail: Text,
    /// What keeps it from being populated.
    pub would_lose: Option<Keeps>,
}

/// What became of one accepted command.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Operation")]
pub struct Operation {
    pub id: CommandId,
    /// The command's.
    pub name: PlatformName,
    pub version: Version,
    pub state: OperationState,
    /// A version is being sealed before the first machine's turn.
    pub sealing: bool,
    /// How many machines it is for; an estimate until all have had their turn.
    pub total: u32,
    pub done: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub superseded: u32,
    /// Machines with which something was begun.
    pub running: u32,
    /// Those of them that wait for people to leave.
    pub waiting: u32,
    /// The first of those that failed, by their ids.
    pub failures: Vec<OperationFailure>,
    /// What failed can be tried again until then.
    pub retry_until: Option<Timestamp>,
    pub actor: ActorId,
    /// How the actor proved who they are.
    pub method: Method,
    pub correlation_id: CorrelationId,
    /// The position of the fact that it was accepted.
    pub position: u64,
    /// When it was accepted.
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}
