//! What was said last of a thing, as it follows from what is said.

use carrel_model::ids::SessionId;
use carrel_model::machine::Outcome;

use super::{Told, ToldPower, ToldState, ToldTicket};

impl Told {
    pub fn ticket(&self, session: SessionId, ticket: u32) -> Option<&ToldTicket> {
        self.tickets.iter().find(|it| (it.session, it.ticket) == (session, ticket))
    }

    fn is(&mut self, boot_epoch: Option<u64>, is: ToldState) {
        let before = self.power.map_or(0, |power| power.boot_epoch);
        self.power = Some(ToldPower { boot_epoch: boot_epoch.unwrap_or(before), is });
    }

    pub(super) fn hear(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Started { boot_epoch } => self.is(Some(*boot_epoch), ToldState::On),
            Outcome::Stopped { boot_epoch, .. } => self.is(Some(*boot_epoch), ToldState::Off),
            Outcome::Paused { reason } => self.is(None, ToldState::Paused(*reason)),
            Outcome::Asleep => self.is(None, ToldState::Asleep),
            Outcome::Resumed => self.is(None, ToldState::On),
            // It runs elsewhere.
            Outcome::Migrated => self.power = None,
            Outcome::Ready { boot_epoch } => self.ready = Some(*boot_epoch),
            Outcome::FirstBootEnded { boot_epoch } => self.first_boot = Some(*boot_epoch),
            Outcome::Stopping { boot_epoch } => self.stopping = Some(*boot_epoch),
            Outcome::SnapshotTaken { snapshot } => self.snapshots.push(*snapshot),
            Outcome::SnapshotDeleted { snapshot } => self.snapshots.retain(|it| it != snapshot),
            Outcome::DisplayArmed { session, ticket, .. } => {
                self.tickets.retain(|it| it.session != *session);
                let (session, ticket) = (*session, *ticket);
                self.tickets.push(ToldTicket { session, ticket, spent: None });
            }
            Outcome::TicketSpent { session, ticket, by } => {
                let it =
                    |told: &&mut ToldTicket| (told.session, told.ticket) == (*session, *ticket);
                for told in self.tickets.iter_mut().filter(it) {
                    told.spent = Some(*by);
                }
            }
            Outcome::LoggedOff { session } => self.logged_off.push(*session),
            Outcome::Applied
            | Outcome::Released
            | Outcome::Absent
            | Outcome::Failed { .. }
            | Outcome::Copied
            | Outcome::Sealed { .. }
            | Outcome::SnapshotReverted { .. }
            | Outcome::SnapshotFailed { .. }
            | Outcome::MigrationFailed { .. } => {}
        }
    }
}
