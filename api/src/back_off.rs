//! After failed sign-ins, further ones to the same account from the same place have to wait: each
//! time twice as long.
//!
//! It counts before a password is looked at, so that guesses at once count like guesses in turn.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use carrel_model::hash::KeyedHash;
use carrel_model::record::Timestamp;

use crate::limits::{
    BACK_OFF_SECONDS_MAX, FAILURES_FREE, FAILURES_FREE_OF_SOURCE, FAILURES_REMEMBERED_MAX,
};

/// Whose failures are counted. Accounts are hashes: what was typed may be a password by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Account(KeyedHash, IpAddr),
    Source(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

#[derive(Debug, Default)]
pub struct BackOff(Mutex<BTreeMap<Of, Failures>>);

impl BackOff {
    /// Counts an attempt as failed, or says how many seconds it has to wait.
    pub fn attempt(&self, account: KeyedHash, from: IpAddr, now: Timestamp) -> Result<(), u32> {
        let mut failures = self.failures();
        let both = [
            (Of::Account(account, from), FAILURES_FREE),
            (Of::Source(from), FAILURES_FREE_OF_SOURCE),
        ];
        let wait = |(of, free): &(Of, u32)| failures.get(of).map_or(0, |it| it.wait(*free, now));
        let wait = both.iter().map(wait).max().unwrap_or_default();
        if wait > 0 {
            return Err(wait);
        }
        for (of, _) in both {
            remember(&mut failures, of, now);
        }
        Ok(())
    }

    /// The attempt was none of somebody who guesses.
    pub fn succeeded(&self, account: KeyedHash, from: IpAddr) {
        let mut failures = self.failures();
        failures.remove(&Of::Account(account, from));
        if let Some(of_source) = failures.get_mut(&Of::Source(from)) {
            of_source.count = of_source.count.saturating_sub(1);
        }
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<Of, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn wait(&self, free: u32, now: Timestamp) -> u32 {
        let Some(over) = self.count.checked_sub(free) else { return 0 };
        let whole = 1_u32.checked_shl(over).unwrap_or(u32::MAX).min(BACK_OFF_SECONDS_MAX);
        let until = self.last.plus_seconds(whole);
        // A clock that was set back makes nobody wait for longer than the whole.
        let micros = (until.0 - now.0).max(0);
        let seconds = u32::try_from(micros.div_euclid(1_000_000) + 1).unwrap_or(u32::MAX);
        if micros == 0 { 0 } else { seconds.min(whole) }
    }
}

fn remember(failures: &mut BTreeMap<Of, Failures>, of: Of, now: Timestamp) {
    if failures.len() >= FAILURES_REMEMBERED_MAX && !failures.contains_key(&of) {
        let oldest = failures.iter().min_by_key(|(_, it)| it.last).map(|(of, _)| *of);
        if let Some(oldest) = oldest {
            failures.remove(&oldest);
        }
    }
    let kept = failures.entry(of).or_insert(Failures { count: 0, last: now });
    // Long after the last failure it begins anew.
    if now > kept.last.plus_seconds(BACK_OFF_SECONDS_MAX) {
        kept.count = 0;
    }
    kept.count = kept.count.saturating_add(1);
    kept.last = now;
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ANNA: KeyedHash = KeyedHash([1; 32]);
    const JONAS: KeyedHash = KeyedHash([2; 32]);
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);
    const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

    #[test]
    fn each_failure_doubles_the_wait() {
        let back_off = BackOff::default();
        for _ in 0..FAILURES_FREE {
            assert_eq!(back_off.attempt(ANNA, HERE, NOW), Ok(()));
        }
        assert_eq!(back_off.attempt(ANNA, HERE, NOW), Err(1));
        let later = NOW.plus_seconds(1);
        assert_eq!(back_off.attempt(ANNA, HERE, later), Ok(()));
        assert_eq!(back_off.attempt(ANNA, HERE, later), Err(2));
        assert_eq!(back_off.attempt(JONAS, HERE, later), Ok(()), "another account");
        assert_eq!(back_off.attempt(ANNA, THERE, later), Ok(()), "from elsewhere");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let back_off = BackOff::default();
        let mut now = NOW;
        for _ in 0..60 {
            now = now.plus_seconds(BACK_OFF_SECONDS_MAX);
            assert_eq!(back_off.attempt(ANNA, HERE, now), Ok(()));
        }
        let wait = back_off.attempt(ANNA, HERE, now).expect_err("too many");
        assert!(wait <= BACK_OFF_SECONDS_MAX, "{wait}");
    }

    #[test]
    fn success_forgets_what_was_mistyped() {
        let back_off = BackOff::default();
        for _ in 0..20 {
            assert_eq!(back_off.attempt(ANNA, HERE, NOW), Ok(()));
            back_off.succeeded(ANNA, HERE);
        }
    }

    #[test]
    fn one_place_can_not_try_all_accounts() {
        let back_off = BackOff::default();
        let tries = (0..=u8::MAX).map(|nth| back_off.attempt(KeyedHash([nth; 32]), HERE, NOW));
        assert_eq!(tries.filter(Result::is_ok).count(), 50);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let back_off = BackOff::default();
        // Each is remembered by its account and by its source.
        for nth in 0..FAILURES_REMEMBERED_MAX / 2 + 10 {
            let from = Ipv4Addr::from_bits(u32::try_from(nth).unwrap_or_default());
            let _ = back_off.attempt(ANNA, from.into(), NOW);
        }
        assert_eq!(back_off.failures().len(), FAILURES_REMEMBERED_MAX);
    }
}
