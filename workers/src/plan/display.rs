//! What the people in front of a running machine notice: displays, media, words.

use carrel_driver::Step;
use carrel_model::ids::SessionId;
use carrel_model::machine::Outcome;
use carrel_model::work::PowerSpec;

use super::{Case, Fails, Next, doable, step};
use crate::entry::Act;
use crate::limits::TICKET_SECONDS;

impl Case<'_> {
    /// Whoever's session is over is cut off, and so is who came in with an earlier ticket, before
    /// the next one is armed.
    pub(super) fn cut_off(&self) -> Option<Next> {
        let domain = self.seen.domain.as_ref().filter(|domain| domain.state.is_on())?;
        let may = |it: &(SessionId, u32)| {
            self.spec.tickets.iter().any(|ticket| (ticket.session, ticket.number) == *it)
        };
        let viewers = domain.viewers.iter().map(|it| (it.session, it.ticket));
        let armed = domain.armed.iter().map(|it| (it.session, it.ticket));
        let mut of: Vec<(SessionId, u32)> = viewers.chain(armed).filter(|it| !may(it)).collect();
        of.sort();
        of.dedup();
        (!of.is_empty()).then(|| step(Step::CutViewers { of }))
    }

    pub(super) fn display(&self) -> Option<Next> {
        let domain = self.seen.domain.as_ref().filter(|domain| domain.state.is_on())?;
        self.spec.tickets.iter().filter(|ticket| ticket.arm).find_map(|ticket| {
            let (session, number) = (ticket.session, ticket.number);
            if self.entry.told.ticket(session, number).is_some() {
                return None;
            }
            let is_armed =
                domain.armed.iter().any(|it| (it.session, it.ticket) == (session, number));
            if is_armed {
                let ports = domain.ports;
                return Some(self.say(Outcome::DisplayArmed { session, ticket: number, ports }));
            }
            let password = self.passwords.password(session, self.machine, number)?;
            Some(step(Step::ArmDisplay {
                session,
                ticket: number,
                protocol: ticket.protocol,
                password,
                valid_seconds: TICKET_SECONDS,
            }))
        })
    }

    /// While it is off, that is a matter of its next definition.
    pub(super) fn media(&self) -> Option<Next> {
        let domain = self.seen.domain.as_ref().filter(|domain| domain.state.is_on())?;
        // What a domain had before Carrel nobody has listed.
        if self.spec.power == PowerSpec::AsFound || domain.generation == 0 {
            return None;
        }
        let gone = domain
            .media
            .iter()
            .find(|id| !self.spec.media.iter().any(|medium| medium.medium == **id));
        if let Some(gone) = gone {
            return Some(step(Step::DetachMedium(*gone)));
        }
        let new = self.spec.media.iter().find(|it| !domain.media.contains(&it.medium))?;
        Some(step(Step::AttachMedium(Box::new(new.clone()))))
    }

    /// Words for whoever sits there now. Nobody does when it is off, and later they are stale.
    pub(super) fn message(&self) -> Option<Next> {
        let message = self.spec.message.as_ref()?;
        if self.entry.acted.message == Some(message.id) {
            return None;
        }
        let act = Act::Message(message.id);
        if !self.is_on() {
            return Some(Next::Note(act));
        }
        Some(doable(Step::ShowMessage(message.text.clone()), |it| {
            it.act = Some(act);
            it.fails = Fails::Nothing;
        }))
    }
}
