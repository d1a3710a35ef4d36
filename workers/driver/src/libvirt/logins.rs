//! Who has logged off. Pure.
//!
//! A guest says who is logged in, not by whose viewer. Whoever logs in while a session's viewer is
//! there is taken for that session's person, and has logged off when none of them is any more. Who
//! was logged in when the viewer came is nobody's, until they come again: a guest that never says
//! anybody, or always the same, never says that anybody has left.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::ids::SessionId;

/// Names of one session. More than that are made up.
const NAMES_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Login {
    /// Somebody of `theirs` is there still, or nobody has logged in yet.
    In {
        before: BTreeSet<String>,
        theirs: BTreeSet<String>,
    },
    Over,
}

impl Login {
    fn hears(&mut self, users: &BTreeSet<String>) {
        let Self::In { before, theirs } = self else { return };
        if !theirs.is_empty() && theirs.is_disjoint(users) {
            *self = Self::Over;
            return;
        }
        before.retain(|name| users.contains(name));
        let new = users.iter().filter(|name| !before.contains(*name));
        let room = NAMES_MAX.saturating_sub(theirs.len());
        let new: Vec<_> = new.filter(|name| !theirs.contains(*name)).take(room).cloned().collect();
        theirs.extend(new);
    }
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
        // Nobody has logged off by a reset, and after it nobody is logged in but who comes then.
        if self.boot_epoch != boot_epoch {
            self.boot_epoch = boot_epoch;
            let nobody = || Login::In { before: BTreeSet::new(), theirs: BTreeSet::new() };
            let open = self.of.values_mut().filter(|login| **login != Login::Over);
            open.for_each(|login| *login = nobody());
        }
        for session in viewers {
            match self.of.get_mut(session) {
                Some(login) => login.hears(users),
                None => {
                    let before = users.iter().take(NAMES_MAX).cloned().collect();
                    self.of.insert(*session, Login::In { before, theirs: BTreeSet::new() });
                }
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

    use super::{Login, Logins, NAMES_MAX};

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
    fn who_came_and_is_not_there_any_more_has_logged_off() {
        assert!(over_after(&[(1, &[]), (1, &["ada"]), (1, &["ada"]), (1, &[])]));
        assert!(over_after(&[(1, &[]), (1, &["ada"]), (1, &["bob"])]), "somebody else came");
        assert!(over_after(&[(1, &[]), (1, &["ada"]), (1, &[]), (1, &["ada"])]), "for good");
        assert!(over_after(&[(1, &["root"]), (1, &["root", "ada"]), (1, &["root"])]));
        assert!(over_after(&[(1, &[]), (2, &["ada"]), (2, &[])]), "after a reset");
    }

    #[test]
    fn who_was_never_seen_to_come_has_not() {
        assert!(!over_after(&[(1, &[]), (1, &[])]));
        assert!(!over_after(&[(1, &[]), (1, &["ada"])]));
        assert!(!over_after(&[(1, &["ada"]), (1, &[])]), "they were there before");
        assert!(!over_after(&[(1, &[]), (1, &["ada"]), (1, &["ada", "bob"]), (1, &["bob"])]));
        assert!(!over_after(&[(1, &[]), (1, &["ada"]), (2, &[]), (2, &["ada"])]), "by a reset");
    }

    #[test]
    fn who_was_there_before_and_comes_again_is_theirs() {
        assert!(over_after(&[(1, &["ada"]), (1, &[]), (1, &["ada"]), (1, &[])]));
    }

    #[test]
    fn a_guest_fills_no_memory_with_names() {
        let mut logins = Logins::default();
        for round in 1..5 {
            let names = (0..round * 50).map(|it| it.to_string()).collect();
            logins.hears(1, &[SESSION], &names);
        }
        let held = logins.of.get(&SESSION).map(|login| match login {
            Login::In { before, theirs } => before.len() + theirs.len(),
            Login::Over => 0,
        });
        assert!(held.is_some_and(|held| held > 1 && held <= 2 * NAMES_MAX), "{held:?}");
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
