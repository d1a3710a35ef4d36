//! Places at which a test kills the process: each lies between two things that have to go together
//! although nothing makes them one.
//!
//! A build with debug assertions has them, and does nothing at any of them unless it is armed. A
//! build without has nothing in their place. A process that is armed kills itself at the place, by
//! the signal that nobody can handle: it is exactly there, and none of its threads gets any
//! further.
//!
//! This crate must never know what is done around its points. Start reading at [`Point`].

use std::str::FromStr;

#[cfg(debug_assertions)]
mod armed;

macro_rules! points {
    ($($name:ident $text:literal: $after:literal, $before:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Point {$($name,)*}

        impl Point {
            /// On the way that a command takes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it stands in what arms it, and in documents.
            pub const fn name(self) -> &'static str {
                match self {$(Self::$name => $text,)*}
            }

            /// What has happened there already.
            pub const fn after(self) -> &'static str {
                match self {$(Self::$name => $after,)*}
            }

            /// What has yet to happen.
            pub const fn before(self) -> &'static str {
                match self {$(Self::$name => $before,)*}
            }
        }
    };
}

points! {
    KeysMade "decider.keys_made":
        "a new person's key is durable", "their command is decided";
    Appended "decider.appended":
        "a batch is durable", "anybody in this process sees it";
    Answering "api.answering":
        "a command is accepted and shown", "its caller is answered";
    TailRead "relay.tail_read":
        "facts were read from the log", "anything of them is published";
    OrderQueued "bus.order_queued":
        "an order is in its queue", "that is confirmed";
    OrderConfirmed "relay.order_confirmed":
        "an order is confirmed", "the cursor is saved";
    FactQueued "bus.fact_queued":
        "a fact is with those who listen", "that is confirmed";
    FactsTold "relay.facts_told":
        "facts are confirmed", "the cursor is saved";
    CursorSaved "relay.cursor_saved":
        "the cursor is saved", "the next facts are told";
    OrderRead "worker.order_read":
        "a worker has read an order", "it is in the ledger";
    OrderEntered "worker.order_entered":
        "an order is in the ledger", "the bus is told that it is done";
    StepEntered "worker.step_entered":
        "a step is in the ledger as begun", "the host does it";
    StepDone "worker.step_done":
        "the host has done a step", "that is in the ledger";
    ReportEntered "worker.report_entered":
        "an outcome is in the ledger", "it is published";
    ReportQueued "bus.report_queued":
        "an outcome is in its queue", "that is confirmed";
    ReportPublished "worker.report_published":
        "an outcome is confirmed", "that is in the ledger";
    ReportRead "relay.report_read":
        "the relay has read an outcome", "its facts are appended";
    ReportDecided "relay.report_decided":
        "an outcome's facts are durable", "the bus is told that it is done";
    FactsRead "projector.facts_read":
        "the projector has read facts", "their rows are written";
    RowsWritten "projector.rows_written":
        "rows are written", "their place in the log is, in the same transaction";
    PlaceWritten "projector.place_written":
        "rows and their place are written", "the transaction is committed";
    RowsCommitted "projector.rows_committed":
        "rows and their place are committed", "readers hear of it";
    SnapshotBody "snapshot.body_written":
        "a fleet is written to a file", "its header is";
    SnapshotSynced "snapshot.synced":
        "a snapshot is durable", "it has its name";
    KeysDestroyed "shredder.keys_destroyed":
        "the keys of those who were deleted are gone", "the shredder's cursor is saved";
}

/// Why nothing was armed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotArmed {
    #[error("this build has no failpoints; they are for tests")]
    NoneHere,
    #[error("`{0}` is no failpoint; say <name>:<how many times it is reached>")]
    Unknown(String),
    #[error("something is armed already")]
    Already,
}

/// The last of so many times that a point is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub point: Point,
    pub times: u64,
}

impl FromStr for Moment {
    type Err = NotArmed;

    fn from_str(text: &str) -> Result<Self, NotArmed> {
        let unknown = || NotArmed::Unknown(text.to_owned());
        let (name, times) = text.split_once(':').ok_or_else(unknown)?;
        let point = Point::ALL.iter().find(|point| point.name() == name).ok_or_else(unknown)?;
        let times = times.parse().ok().filter(|times| *times > 0).ok_or_else(unknown)?;
        Ok(Self { point: *point, times })
    }
}

/// From now on the process ends at a moment, said as `relay.tail_read:3`.
pub fn arm(moment: &str) -> Result<(), NotArmed> {
    #[cfg(debug_assertions)]
    return armed::arm(moment.parse()?);
    #[cfg(not(debug_assertions))]
    {
        let _ = moment;
        Err(NotArmed::NoneHere)
    }
}

/// The process is at a point.
#[inline(always)]
pub fn reached(point: Point) {
    #[cfg(debug_assertions)]
    armed::reached(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_is_said() {
        let said = |text: &str| text.parse::<Moment>();
        let third = Moment { point: Point::TailRead, times: 3 };
        assert_eq!(said("relay.tail_read:3"), Ok(third));
        for wrong in ["relay.tail_read", "relay.tail_read:0", "relay.tail_read:x", "nowhere:1"] {
            assert_eq!(said(wrong), Err(NotArmed::Unknown(wrong.to_owned())));
        }
    }

    #[test]
    fn no_two_points_have_one_name() {
        let names: std::collections::BTreeSet<_> =
            Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn a_release_has_none() {
        assert_eq!(arm("relay.tail_read:1"), Err(NotArmed::NoneHere));
        reached(Point::TailRead);
    }
}
