//! What goes wrong on hosts: something else happens than what would have been reported.

use carrel_model::hash::Digest;
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::image;
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::machine::{Outcome, PauseReason, Reported, StopCause};
use carrel_model::operation::Failure;
use carrel_model::session::SpentBy;

use super::{Domain, Hosts};
use crate::random::Random;

impl Hosts {
    /// What is reported instead. From now on the host is as if that were true.
    pub fn fails(&mut self, report: &ReportOutcome, random: &mut Random) -> ReportOutcome {
        let thing = match &report.thing {
            Reported::Image { id, outcome } => {
                Reported::Image { id: *id, outcome: with_a_file(outcome) }
            }
            Reported::Machine { id, outcome } => {
                let domain = self.domains.entry((report.hypervisor, *id)).or_default();
                // What has been overtaken can't turn out otherwise any more.
                let outcome = if domain.generation > report.generation {
                    failed()
                } else if *outcome == Outcome::Migrated {
                    self.stays((report.hypervisor, *id), random)
                } else {
                    domain.fails(outcome, random)
                };
                Reported::Machine { id: *id, outcome }
            }
        };
        ReportOutcome { thing, ..report.clone() }
    }

    /// Its host says that it has it still. Either that is so, and it has arrived nowhere, or it has
    /// arrived all the same, and its host sees later that it is no longer there.
    fn stays(
        &mut self,
        (host, machine): (HypervisorId, MachineId),
        random: &mut Random,
    ) -> Outcome {
        let arrived = random.chance(2);
        for ((on, _), domain) in self.domains.iter_mut().filter(|((_, it), _)| *it == machine) {
            if *on == host {
                domain.told = false;
            }
            if !arrived {
                domain.running = *on == host;
            }
        }
        Outcome::MigrationFailed { failure: failure() }
    }
}

impl Domain {
    fn fails(&mut self, instead_of: &Outcome, random: &mut Random) -> Outcome {
        match instead_of {
            Outcome::Started { .. } => {
                self.running = false;
                failed()
            }
            Outcome::Ready { boot_epoch } | Outcome::FirstBootEnded { boot_epoch } => {
                self.comes_to_nothing(*boot_epoch, random)
            }
            // Its power can't be cut.
            Outcome::Stopped { .. } => {
                self.running = true;
                failed()
            }
            Outcome::SnapshotTaken { snapshot } => {
                self.snapshots.remove(snapshot);
                Outcome::SnapshotFailed { snapshot: *snapshot, failure: failure() }
            }
            Outcome::SnapshotReverted { snapshot } | Outcome::SnapshotDeleted { snapshot } => {
                Outcome::SnapshotFailed { snapshot: *snapshot, failure: failure() }
            }
            Outcome::DisplayArmed { session, ticket, .. } => {
                let by = if random.chance(2) { SpentBy::Used } else { SpentBy::Expired };
                Outcome::TicketSpent { session: *session, ticket: *ticket, by }
            }
            Outcome::Applied
            | Outcome::Released
            | Outcome::Absent
            | Outcome::Failed { .. }
            | Outcome::Stopping { .. }
            | Outcome::Paused { .. }
            | Outcome::Asleep
            | Outcome::Resumed
            | Outcome::Copied
            | Outcome::Sealed { .. }
            | Outcome::Migrated
            | Outcome::SnapshotFailed { .. }
            | Outcome::MigrationFailed { .. }
            | Outcome::TicketSpent { .. }
            | Outcome::LoggedOff { .. } => failed(),
        }
    }

    /// Its guest runs, and doesn't get further.
    fn comes_to_nothing(&mut self, boot_epoch: u64, random: &mut Random) -> Outcome {
        match random.below(5) {
            0 => {
                self.running = false;
                Outcome::Stopped { boot_epoch, cause: StopCause::Crash }
            }
            1 => {
                self.paused = true;
                Outcome::Paused { reason: PauseReason::Io }
            }
            2 => {
                self.paused = true;
                Outcome::Paused { reason: PauseReason::Foreign }
            }
            3 => {
                self.paused = true;
                Outcome::Asleep
            }
            _ => Outcome::Stopping { boot_epoch },
        }
    }
}

fn with_a_file(instead_of: &image::Outcome) -> image::Outcome {
    match instead_of {
        image::Outcome::Verified { .. } => image::Outcome::Verified { digest: OTHER_CONTENT },
        image::Outcome::FileMade { file, .. }
        | image::Outcome::FileFailed { file, .. }
        | image::Outcome::FileRemoved { file } => {
            image::Outcome::FileFailed { file: *file, failure: failure() }
        }
    }
}

fn failed() -> Outcome {
    Outcome::Failed { failure: failure() }
}

fn failure() -> Failure {
    Failure::new("io", "the disk is full")
}

const OTHER_CONTENT: Digest = Digest([6; 32]);
