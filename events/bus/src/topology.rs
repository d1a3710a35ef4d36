//! All names that the bus has: where messages are sent to, and where they wait.

use std::fmt;

use carrel_model::ids::HypervisorId;
use carrel_model::work::Lane;

/// Where a message is sent to: an exchange and a routing key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// `carrel.commands`, by the command's name.
    Command(String),
    /// `carrel.events`, by `<category>.<event>`. It may be that nobody listens.
    Event(String),
    /// `carrel.work`, by host and lane.
    Work(HypervisorId, Lane),
    /// `carrel.outcomes`.
    Outcomes,
    /// `carrel.progress`: whoever listens now hears it, and nobody later.
    Progress,
    /// The queue that a command's sender has named.
    Reply(String),
}

/// Where messages wait for a consumer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    Commands,
    Work(HypervisorId, Lane),
    Outcomes,
    /// What could not be handled.
    Dead,
    /// A subscriber's own, with every event whose key begins so. Transient: it is there for as long
    /// as its consumer, and loses the oldest if that falls behind; what was missed is in the log.
    Events {
        subscriber: String,
        prefix: String,
    },
    /// A subscriber's own, transient.
    Progress {
        subscriber: String,
    },
    /// What a sender of commands has named. Transient.
    Reply(String),
}

impl Queue {
    /// It is there for as long as its consumer.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Events { .. } | Self::Progress { .. } | Self::Reply(_) => true,
            Self::Commands | Self::Work(..) | Self::Outcomes | Self::Dead => false,
        }
    }

    /// The durable queue that an address leads to. None: it leads to those who listen now.
    pub const fn of(address: &Address) -> Option<Self> {
        match address {
            Address::Command(_) => Some(Self::Commands),
            Address::Work(host, lane) => Some(Self::Work(*host, *lane)),
            Address::Outcomes => Some(Self::Outcomes),
            Address::Event(_) | Address::Progress | Address::Reply(_) => None,
        }
    }

    /// Whether a message sent there waits here.
    pub fn hears(&self, address: &Address) -> bool {
        match self {
            Self::Events { prefix, .. } => {
                matches!(address, Address::Event(key) if key.starts_with(prefix.as_str()))
            }
            Self::Progress { .. } => *address == Address::Progress,
            Self::Reply(name) => matches!(address, Address::Reply(to) if to == name),
            Self::Commands | Self::Work(..) | Self::Outcomes | Self::Dead => {
                Self::of(address).as_ref() == Some(self)
            }
        }
    }
}

const fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Fast => "fast",
        Lane::Bulk => "bulk",
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commands => f.write_str("carrel.commands"),
            Self::Work(host, by) => write!(f, "work.{host}.{}", lane(*by)),
            Self::Outcomes => f.write_str("carrel.outcomes"),
            Self::Dead => f.write_str("carrel.dead"),
            Self::Events { subscriber, .. } => write!(f, "events.{subscriber}"),
            Self::Progress { subscriber } => write!(f, "progress.{subscriber}"),
            Self::Reply(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(name) => write!(f, "carrel.commands/{name}"),
            Self::Event(key) => write!(f, "carrel.events/{key}"),
            Self::Work(host, by) => write!(f, "carrel.work/{host}.{}", lane(*by)),
            Self::Outcomes => f.write_str("carrel.outcomes"),
            Self::Progress => f.write_str("carrel.progress"),
            Self::Reply(name) => f.write_str(name),
        }
    }
}
