//! Every id type of Carrel, in one place.
//!
//! Ids are UUIDs (RFC 9562), version 7 where Carrel makes them, so that ids made later sort later.
//! Nothing here makes one: fresh ids come in from outside.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Any of the ids below.
pub trait FromUuid {
    fn from_uuid(id: Uuid) -> Self;
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// No id sorts before this one, and nothing has it.
            pub const MIN: Self = Self(Uuid::nil());

            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }

        impl FromUuid for $name {
            fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )*};
}

typed_ids! {
    /// One command, made by its caller, kept by the caller until it has a final answer.
    CommandId;
    /// One fact.
    EventId;
    /// The command or event that made this command happen; its own id when nothing did.
    CausationId;
    /// What all commands and events share that go back to one first cause.
    CorrelationId;
    /// Who did it: a person, an automation or a part of Carrel itself.
    ActorId;
    /// One log, from its first record on; an export keeps it.
    LogId;
    /// Carrel itself; there is one, [`ClusterId::THE`].
    ClusterId;
    /// A host with libvirt.
    HypervisorId;
    StorageId;
    NetworkId;
    MediaId;
    TemplateId;
    MachineId;
    /// A disk of a machine.
    DiskId;
    /// One version of an image.
    ImageId;
    PoolId;
    ClientId;
    GroupId;
    LabId;
    TerminalId;
    /// The history of one lease.
    SessionId;
    AdminId;
    TokenId;
    SnapshotId;
    /// Words that were sent to a screen.
    MessageId;
}

impl ClusterId {
    pub const THE: Self = Self(Uuid::nil());
}
