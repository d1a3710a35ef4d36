//! What a host sees of a machine without having been told to do anything. Pure.

use carrel_driver::{Domain, DomainState, End, TicketUse, is_answered};
use carrel_model::machine::{Outcome, PauseReason, Probe, StopCause};
use carrel_model::session::SpentBy;
use carrel_model::version::latest::renewal::FirstBootDone;

use crate::entry::{Entry, ToldPower, ToldState, Watched};
use crate::plan::cause;

/// What is to be said, in order, of what was not said yet.
pub fn news(entry: &Entry, domain: Option<&Domain>) -> Vec<Outcome> {
    let Some(watched) = entry.watched.as_ref().filter(|_| !entry.is_gone) else {
        return Vec::new();
    };
    let Some(told) = entry.told.power else { return Vec::new() };
    let mut news = Vec::new();
    match domain.filter(|domain| domain.state.is_on()) {
        Some(domain) => {
            power(told, domain, &mut news);
            if domain.state == DomainState::Running {
                answers(entry, watched, domain, &mut news);
            }
            people(entry, domain, &mut news);
        }
        None => went_off((entry, watched), told, domain, &mut news),
    }
    news
}

fn power(told: ToldPower, domain: &Domain, news: &mut Vec<Outcome>) {
    let boot_epoch = domain.boot_epoch;
    let mut is = told.is;
    if is == ToldState::Off || told.boot_epoch < boot_epoch {
        news.push(Outcome::Started { boot_epoch });
        is = ToldState::On;
    }
    match (domain.state, is) {
        (DomainState::Running, ToldState::Paused(_) | ToldState::Asleep) => {
            news.push(Outcome::Resumed);
        }
        (DomainState::Paused(reason), ToldState::Paused(before)) if reason == before => {}
        // Whose pause it is was said when it was asked for.
        (DomainState::Paused(PauseReason::Foreign), ToldState::Paused(PauseReason::Command)) => {}
        (DomainState::Paused(reason), _) => news.push(Outcome::Paused { reason }),
        (DomainState::Asleep, ToldState::Asleep) => {}
        (DomainState::Asleep, _) => news.push(Outcome::Asleep),
        (DomainState::Running, ToldState::On | ToldState::Off) | (DomainState::Off { .. }, _) => {}
    }
}

fn answers(entry: &Entry, watched: &Watched, domain: &Domain, news: &mut Vec<Outcome>) {
    let boot_epoch = domain.boot_epoch;
    let probe = match &watched.first_boot {
        Some(FirstBootDone::Agent) => Some(Probe::Agent),
        Some(FirstBootDone::Tcp { port }) => Some(Probe::Tcp { port: *port }),
        Some(FirstBootDone::GuestPoweroff) | None => None,
    };
    let through = probe.is_some_and(|probe| is_answered(domain, &probe));
    if through && entry.told.first_boot != Some(boot_epoch) {
        news.push(Outcome::FirstBootEnded { boot_epoch });
    }
    if entry.told.ready != Some(boot_epoch) && is_answered(domain, &watched.ready) {
        news.push(Outcome::Ready { boot_epoch });
    }
}

fn people(entry: &Entry, domain: &Domain, news: &mut Vec<Outcome>) {
    for armed in &domain.armed {
        let (session, ticket) = (armed.session, armed.ticket);
        let by = match armed.is {
            TicketUse::Open => continue,
            TicketUse::Used => SpentBy::Used,
            TicketUse::Expired => SpentBy::Expired,
        };
        if entry.told.ticket(session, ticket).is_some_and(|told| told.spent.is_none()) {
            news.push(Outcome::TicketSpent { session, ticket, by });
        }
    }
    for session in &domain.logged_off {
        if !entry.told.logged_off.contains(session) {
            news.push(Outcome::LoggedOff { session: *session });
        }
    }
}

/// A first boot that ends by going off has done its work if the guest did so by itself.
fn went_off(
    (entry, watched): (&Entry, &Watched),
    told: ToldPower,
    domain: Option<&Domain>,
    news: &mut Vec<Outcome>,
) {
    if told.is == ToldState::Off {
        return;
    }
    let ended = domain.and_then(|domain| match domain.state {
        DomainState::Off { ended } => ended,
        DomainState::Running | DomainState::Paused(_) | DomainState::Asleep => None,
    });
    // One that was rebooted into another epoch and went off there ends that one.
    let boot_epoch = domain.map_or(0, |domain| domain.boot_epoch).max(told.boot_epoch);
    let by_itself = ended == Some(End::Guest);
    let first = watched.first_boot == Some(FirstBootDone::GuestPoweroff);
    if by_itself && first && entry.told.first_boot != Some(boot_epoch) {
        news.push(Outcome::FirstBootEnded { boot_epoch });
    }
    let cause = match ended {
        Some(_) if entry.acted.shutdown.is_some() && by_itself => StopCause::Command,
        Some(_) => cause(ended),
        None => StopCause::Crash,
    };
    news.push(Outcome::Stopped { boot_epoch, cause });
}
