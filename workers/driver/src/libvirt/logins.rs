//! Who has logged off. Pure.
//!
//! A guest says who is logged in, not by whose viewer. Whoever is while a session's viewer is there
//! is taken for that session's person, and has logged off when none of them is any more. A guest
//! that never says anybody, or in which somebody always is, never says that anybody has left.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::ids::SessionId;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Login {
    /// Of these at least one is there still.
    In(BTreeSet<String>),
    Over,
}

/// Of one machine.
#[derive(Debug, Default)]
pub(super) struct Logins {
    boot_epoch: u64,
    of: BTreeMap<SessionId, Login>,
}

impl Logins {
    /// Users of a guest, asked in this epoch, while these sessions had viewers.
    pub(super) fn hears(
        &mut self,
        boot_epoch: u64,
        viewers: &[SessionId],
        users: &BTreeSet<String>,
    ) {
        // Nobody has logged off by a reset.
        if self.boot_epoch != boot_epoch {
            self.boot_epoch = boot_epoch;
            self.of.retain(|_, login| *login == Login::Over);
        }
        for session in viewers {
            match self.of.get_mut(session) {
                None if users.is_empty() => {}
                None => {
                    self.of.insert(*session, Login::In(users.clone()));
                }
                Some(Login::In(seen)) if !seen.is_disjoint(users) => {
                    seen.extend(users.iter().cloned());
                }
                Some(login) => *login = Login::Over,
            }
        }
    }

    pub(super) fn keep(&mut self, of: impl Fn(SessionId) -> bool) {
        self.of.retain(|session, _| of(*session));
    }

    pub(super) fn over(&self) -> impl Iterator<Item = SessionId> {
        let over = self.of.iter().filter(|(_, login)| **login == Login::Over);
        over.map(|(session, _)| *session)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use carrel_model::ids::SessionId;
    use uuid::Uuid;

    use super::Logins;

    const SESSION: SessionId = SessionId::new(Uuid::from_u128(1));

    fn users(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn over_after(answers: &[(u64, &[&str])]) -> bool {
        let mut logins = Logins::default();
        for (boot_epoch, names) in answers {
            logins.hears(*boot_epoch, &[SESSION], &users(names));
        }
        logins.over().any(|session| session == SESSION)
    }

    #[test]
    fn who_was_seen_and_is_not_any_more_has_logged_off() {
        assert!(over_after(&[(1, &[]), (1, &["ada"]), (1, &["ada"]), (1, &[])]));
        assert!(over_after(&[(1, &["ada"]), (1, &["bob"])]), "somebody else came");
        assert!(over_after(&[(1, &["ada"]), (1, &[]), (1, &["ada"])]), "for good");
    }

    #[test]
    fn who_was_never_seen_has_not() {
        assert!(!over_after(&[(1, &[]), (1, &[])]));
        assert!(!over_after(&[(1, &["ada"])]));
        assert!(!over_after(&[(1, &["ada"]), (1, &["ada", "bob"]), (1, &["bob"])]));
        assert!(!over_after(&[(1, &["ada"]), (2, &[]), (2, &["ada"])]), "by a reset");
    }

    #[test]
    fn a_session_without_a_viewer_is_nobodys() {
        let mut logins = Logins::default();
        logins.hears(1, &[], &users(&["ada"]));
        logins.hears(1, &[SESSION], &users(&[]));
        assert_eq!(logins.over().count(), 0);
        logins.hears(1, &[SESSION], &users(&["ada"]));
        logins.hears(1, &[], &users(&[]));
        assert_eq!(logins.over().count(), 0);
        logins.hears(1, &[SESSION], &users(&[]));
        assert_eq!(logins.over().count(), 1);
        logins.keep(|_| false);
        assert_eq!(logins.over().count(), 0);
    }
}
