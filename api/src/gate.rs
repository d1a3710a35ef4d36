//! How many requests are under way: of all, of each who is signed in, and of strangers by where
//! they ask from. What is too much is refused, so that what was let in stays quick: at once, or, to
//! a crowd that would ask again at once, a moment later.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use carrel_model::record::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;
use uuid::Uuid;

use crate::fault::Fault;
use crate::limits::{
    TURNED_AWAY_A_SECOND, TURNED_AWAY_AFTER, TURNED_AWAY_WAITING_MAX, UNDER_WAY_MAX,
    UNDER_WAY_OF_ADMIN_MAX, UNDER_WAY_OF_CLIENT_MAX, UNDER_WAY_OF_SOURCE_MAX,
    UNDER_WAY_OF_STRANGERS_MAX,
};
use crate::principal::{Principal, Who};
use crate::problem::Problem;

#[derive(Debug)]
pub struct Gate {
    turned_away: Mutex<TurnedAway>,
    /// For those who wait to be told so.
    waiting: Semaphore,
    known: Semaphore,
    strangers: Semaphore,
    /// Only of those who have something under way, so it is never longer than what is.
    of_each: Mutex<BTreeMap<Of, usize>>,
}

/// How many were turned away in the present second.
#[derive(Debug, Default)]
struct TurnedAway {
    second: i64,
    count: u32,
}

impl TurnedAway {
    fn is_crowd(&mut self, now: Timestamp) -> bool {
        let second = now.0 / 1_000_000;
        if self.second != second {
            *self = Self { second, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count > TURNED_AWAY_A_SECOND
    }
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Person(Uuid),
    Source(IpAddr),
}

/// One request of somebody. It is over when this is dropped.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    of: Of,
    _permit: SemaphorePermit<'a>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            turned_away: Mutex::default(),
            waiting: Semaphore::new(TURNED_AWAY_WAITING_MAX),
            known: Semaphore::new(UNDER_WAY_MAX),
            strangers: Semaphore::new(UNDER_WAY_OF_STRANGERS_MAX),
            of_each: Mutex::default(),
        }
    }
}

impl Gate {
    /// Somebody who is signed in.
    pub fn enter_as(&self, principal: &Principal) -> Result<Pass<'_>, Problem> {
        let most = match principal.who {
            Who::Admin { .. } => UNDER_WAY_OF_ADMIN_MAX,
            Who::Client(_) => UNDER_WAY_OF_CLIENT_MAX,
        };
        self.pass(&self.known, Of::Person(principal.uuid()), most)
    }

    /// Somebody of whom nothing is known but from where they ask.
    pub fn enter_from(&self, source: IpAddr) -> Result<Pass<'_>, Problem> {
        self.pass(&self.strangers, Of::Source(source), UNDER_WAY_OF_SOURCE_MAX)
    }

    /// Returns when whoever is refused may be told. A crowd that asks again as soon as it is told
    /// would otherwise take the cores from those who were let in.
    pub async fn may_be_told(&self, now: Timestamp) {
        let is_crowd = {
            let mut turned_away = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
            turned_away.is_crowd(now)
        };
        if is_crowd && let Ok(_place) = self.waiting.try_acquire() {
            sleep(TURNED_AWAY_AFTER).await;
        }
    }

    fn pass<'a>(&'a self, all: &'a Semaphore, of: Of, most: usize) -> Result<Pass<'a>, Problem> {
        let full = |_| Problem::new(Fault::Overloaded, "too many requests are under way already");
        let permit = all.try_acquire().map_err(full)?;
        let mut of_each = self.of_each();
        let under_way = of_each.entry(of).or_default();
        if *under_way >= most {
            let detail = format!("{most} requests of yours are under way already");
            return Err(Problem::new(Fault::TooManyRequests, detail));
        }
        *under_way += 1;
        Ok(Pass { gate: self, of, _permit: permit })
    }

    /// Nothing that holds it can panic half-way.
    fn of_each(&self) -> MutexGuard<'_, BTreeMap<Of, usize>> {
        self.of_each.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut of_each = self.gate.of_each();
        match of_each.get_mut(&self.of) {
            Some(under_way) if *under_way > 1 => *under_way -= 1,
            Some(_) | None => drop(of_each.remove(&self.of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use carrel_model::ids::{ClientId, TokenId};
    use futures_util::FutureExt as _;

    use super::*;

    fn client(number: u8) -> Principal {
        let who = Who::Client(ClientId::from_bytes([number; 16]));
        Principal { who, token: TokenId::from_bytes([number; 16]) }
    }

    #[test]
    fn one_person_never_takes_the_place_of_another() {
        let gate = Gate::default();
        let passes: Vec<_> =
            (0..UNDER_WAY_OF_CLIENT_MAX).map(|_| gate.enter_as(&client(1))).collect();
        assert!(passes.iter().all(Result::is_ok));
        let refused = gate.enter_as(&client(1)).expect_err("there are enough");
        assert_eq!(refused.status.as_u16(), 429);
        assert!(refused.retry_after_seconds.is_some());
        assert!(gate.enter_as(&client(2)).is_ok());
        drop(passes);
        assert!(gate.of_each().is_empty(), "nobody is remembered who has nothing under way");
        assert!(gate.enter_as(&client(1)).is_ok());
    }

    #[test]
    fn what_is_too_much_is_shed() {
        let gate = Gate::default();
        let people = (0..=u8::MAX).flat_map(|number| vec![client(number); 4]);
        let permits: Vec<_> = people.map(|it| gate.enter_as(&it)).collect();
        assert_eq!(permits.len(), UNDER_WAY_MAX);
        assert!(permits.iter().all(Result::is_ok));
        let more = gate.enter_as(&client(1)).map(drop);
        assert_eq!(more.map_err(|it| it.status.as_u16()), Err(503));
        drop(permits);
        assert!(gate.enter_as(&client(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_crowd_only_the_first_are_told_at_once() {
        let (gate, now) = (Gate::default(), Timestamp(7_000_000));
        for _ in 0..TURNED_AWAY_A_SECOND {
            assert!(gate.may_be_told(now).now_or_never().is_some());
        }
        assert!(gate.may_be_told(now).now_or_never().is_none(), "it waits");
        gate.may_be_told(now).await;
        let later = gate.may_be_told(now.plus_seconds(1));
        assert!(later.now_or_never().is_some(), "the crowd is gone");
    }

    #[test]
    fn strangers_never_take_the_place_of_who_is_known() {
        let gate = Gate::default();
        let from = |last: u8| IpAddr::from([192, 0, 2, last]);
        let of_one: Vec<_> =
            (0..UNDER_WAY_OF_SOURCE_MAX).map(|_| gate.enter_from(from(1))).collect();
        assert!(of_one.iter().all(Result::is_ok));
        let more = gate.enter_from(from(1)).map(drop);
        assert_eq!(more.map_err(|it| it.status.as_u16()), Err(429));
        let others: Vec<_> =
            (of_one.len()..UNDER_WAY_OF_STRANGERS_MAX).map(|_| gate.enter_from(from(2))).collect();
        assert!(others.iter().all(Result::is_ok));
        let more = gate.enter_from(from(3)).map(drop);
        assert_eq!(more.map_err(|it| it.status.as_u16()), Err(503));
        assert!(gate.enter_as(&client(1)).is_ok());
        drop((of_one, others));
        assert!(gate.of_each().is_empty());
    }
}
