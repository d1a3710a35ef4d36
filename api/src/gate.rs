//! How many requests are under way: of all, and of each who is signed in. What is too much is
//! refused at once, so that what was let in stays quick.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::fault::Fault;
use crate::limits::{UNDER_WAY_MAX, UNDER_WAY_OF_ADMIN_MAX, UNDER_WAY_OF_CLIENT_MAX};
use crate::principal::{Principal, Who};
use crate::problem::Problem;

#[derive(Debug)]
pub struct Gate {
    all: Semaphore,
    /// Only of those who have something under way, so it is never longer than what is.
    of_each: Mutex<BTreeMap<Uuid, usize>>,
}

/// One request of somebody. It is over when this is dropped.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    of: Uuid,
}

impl Default for Gate {
    fn default() -> Self {
        Self { all: Semaphore::new(UNDER_WAY_MAX), of_each: Mutex::default() }
    }
}

impl Gate {
    pub fn enter(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let full = |_| {
            let detail = format!("{UNDER_WAY_MAX} requests are under way already");
            Problem::new(Fault::Overloaded, detail)
        };
        self.all.try_acquire().map_err(full)
    }

    pub fn enter_as(&self, principal: &Principal) -> Result<Pass<'_>, Problem> {
        let of = principal.uuid();
        let most = match principal.who {
            Who::Admin { .. } => UNDER_WAY_OF_ADMIN_MAX,
            Who::Client(_) => UNDER_WAY_OF_CLIENT_MAX,
        };
        let mut of_each = self.of_each();
        let under_way = of_each.entry(of).or_default();
        if *under_way >= most {
            let detail = format!("{most} requests of yours are under way already");
            return Err(Problem::new(Fault::TooManyRequests, detail));
        }
        *under_way += 1;
        Ok(Pass { gate: self, of })
    }

    /// Nothing that holds it can panic half-way.
    fn of_each(&self) -> MutexGuard<'_, BTreeMap<Uuid, usize>> {
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
        let permits: Vec<_> = (0..UNDER_WAY_MAX).map(|_| gate.enter()).collect();
        assert!(permits.iter().all(Result::is_ok));
        assert_eq!(gate.enter().map(drop).map_err(|it| it.status.as_u16()), Err(503));
        drop(permits);
        assert!(gate.enter().is_ok());
    }
}
