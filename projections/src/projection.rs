//! The projections: which tables each keeps, and of which facts it has to understand all.
//!
//! All follow one fold of the log. Where a fact can't be read, those that hear its category stop
//! before it, and the others go on without it.

use carrel_model::record::{Incarnation, Position};

use crate::kind::Kind;
use crate::page::{ProjectionState, Standing};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Projection {
    pub(crate) name: &'static str,
    /// Raised whenever the same log gives other rows: they are built anew then.
    pub(crate) version: u16,
    pub(crate) kinds: &'static [Kind],
    /// Categories of facts that its rows follow from.
    pub(crate) hears: &'static [&'static str],
}

pub(crate) const PROJECTIONS: [Projection; 4] = [
    Projection {
        name: "inventory",
        version: 1,
        kinds: &[
            Kind::Hypervisors,
            Kind::Storages,
            Kind::Networks,
            Kind::Media,
            Kind::Templates,
            Kind::Machines,
            Kind::Images,
            Kind::Pools,
            Kind::Labs,
            Kind::Terminals,
        ],
        hears: &[
            "cluster",
            "hypervisor",
            "storage",
            "network",
            "media",
            "template",
            "machine",
            "image",
            "pool",
            "lab",
            "terminal",
            "session",
            "client",
        ],
    },
    Projection {
        name: "people",
        version: 1,
        kinds: &[Kind::Clients, Kind::Groups, Kind::Admins],
        hears: &["cluster", "client", "group", "admin", "token"],
    },
    Projection {
        name: "sessions",
        version: 1,
        kinds: &[Kind::Sessions],
        hears: &["cluster", "session", "client", "terminal", "pool", "machine"],
    },
    Projection {
        name: "operations",
        version: 1,
        kinds: &[Kind::Operations],
        hears: &["cluster", "operation", "machine"],
    },
];

impl Projection {
    /// The one that keeps a kind.
    pub(crate) fn of(kind: Kind) -> Option<&'static Self> {
        PROJECTIONS.iter().find(|projection| projection.kinds.contains(&kind))
    }

    pub(crate) fn hears(&self, category: &str) -> bool {
        self.hears.contains(&category)
    }
}

/// How far all of them have come, in the order of [`PROJECTIONS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress(pub(crate) [ProjectionState; PROJECTIONS.len()]);

impl Progress {
    pub(crate) fn at(position: Position, incarnation: Incarnation) -> Self {
        Self(PROJECTIONS.map(|projection| ProjectionState {
            name: projection.name,
            version: projection.version,
            position,
            incarnation,
            standing: Standing::Follows,
        }))
    }

    pub(crate) fn of(&self, kind: Kind) -> Option<&ProjectionState> {
        let projection = Projection::of(kind)?;
        self.0.iter().find(|state| state.name == projection.name)
    }

    /// Where the first of them is.
    pub(crate) fn behind(&self) -> Position {
        self.0.iter().map(|state| state.position).min().unwrap_or_default()
    }

    /// Whether rows of a kind are written for a fact at this place.
    pub(crate) fn wants(&self, kind: Kind, at: Position) -> bool {
        self.of(kind)
            .is_some_and(|state| state.standing == Standing::Follows && state.position < at)
    }

    /// All that follow have come so far.
    pub(crate) fn advance(&mut self, position: Position) {
        for state in &mut self.0 {
            if state.standing == Standing::Follows {
                state.position = state.position.max(position);
            }
        }
    }

    /// Those that hear of it stop before a fact that nobody can read. Says whether any did.
    pub(crate) fn stop(&mut self, category: &str, at: Position, cause: &str) -> bool {
        let mut stopped = false;
        // What is in no projection's field may be in all of them.
        let by_name = PROJECTIONS.iter().any(|projection| projection.hears(category));
        for (state, projection) in self.0.iter_mut().zip(PROJECTIONS) {
            let follows = state.standing == Standing::Follows && state.position < at;
            if follows && (projection.hears(category) || !by_name) {
                state.position = Position(at.0.saturating_sub(1));
                state.standing = Standing::Stopped { at, cause: cause.to_owned() };
                stopped = true;
            }
        }
        stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_kept_by_one_projection() {
        for kind in Kind::ALL {
            let keepers = PROJECTIONS.iter().filter(|it| it.kinds.contains(&kind)).count();
            assert_eq!(keepers, 1, "{kind}");
        }
    }

    #[test]
    fn every_category_is_heard_by_somebody() {
        for known in carrel_model::event::KNOWN {
            let heard = PROJECTIONS.iter().any(|projection| projection.hears(known.category));
            assert!(heard, "{}", known.category);
        }
    }
}
