//! What is promised of this machine as a host: all that it has, or what an administrator has said
//! where that is less. Which of the two a figure is can't be seen in it, so what this process has
//! said itself is kept in the data directory.

use std::path::Path;

use carrel_model::hypervisor::Capacity;
use serde::{Deserialize, Serialize};

use super::bound;
use crate::failure::Failure;

/// In the data directory.
const FILE: &str = "promised";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) memory_mib: u64,
    pub(super) vcpus: u32,
}

impl Room {
    pub(super) const fn of(capacity: &Capacity) -> Self {
        Self { memory_mib: capacity.memory_mib, vcpus: capacity.vcpus }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Promised {
    memory_mib: Figure<u64>,
    vcpus: Figure<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Figure<N> {
    /// By this process. There are two while nobody knows whether the newer one was heard.
    said: Vec<N>,
    /// By an administrator.
    at_most: Option<N>,
}

impl<N: Copy + Ord> Figure<N> {
    /// What stands was said by this process or by an administrator. Of a site where nothing was
    /// kept, only what is less than there is must have been somebody's wish.
    fn hear(&mut self, stands: N, has: N) {
        if self.said.is_empty() {
            self.at_most = (stands < has).then_some(stands);
        } else if !self.said.contains(&stands) {
            self.at_most = Some(stands);
        }
        self.said = vec![stands];
    }

    fn say(&mut self, has: N) -> N {
        let says = self.at_most.map_or(has, |most| most.min(has));
        if !self.said.contains(&says) {
            self.said.push(says);
        }
        says
    }
}

impl Promised {
    pub(super) fn kept(data: &Path) -> Result<Self, Failure> {
        let line = bound::kept(data, FILE)?.unwrap_or_default();
        if line.is_empty() {
            return Ok(Self::default());
        }
        let path = data.join(FILE);
        serde_json::from_str(&line)
            .map_err(|why| Failure::new(format!("{} can't be read", path.display())).because(why))
    }

    /// Before it is said: whoever ends in between knows both.
    pub(super) fn keep(&self, data: &Path) -> Result<(), Failure> {
        let line = serde_json::to_string(self);
        let line = line.map_err(|why| Failure::new("figures can't be written").because(why))?;
        bound::keep(data, FILE, &line)
    }

    pub(super) fn hear(&mut self, stands: Room, has: Room) {
        self.memory_mib.hear(stands.memory_mib, has.memory_mib);
        self.vcpus.hear(stands.vcpus, has.vcpus);
    }

    /// What is to stand.
    pub(super) fn say(&mut self, has: Room) -> Room {
        Room { memory_mib: self.memory_mib.say(has.memory_mib), vcpus: self.vcpus.say(has.vcpus) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Promised, Room};

    const fn room(memory_mib: u64, vcpus: u32) -> Room {
        Room { memory_mib, vcpus }
    }

    /// A start on a host that has so much, where so much stands.
    fn start(data: &std::path::Path, stands: Room, has: Room) -> Room {
        let mut promised = Promised::kept(data).expect("what was kept");
        promised.hear(stands, has);
        let says = promised.say(has);
        promised.keep(data).expect("it is kept");
        says
    }

    /// A host that has these one after the other, and what stands in the end.
    fn goes(before: Room, has: &[Room]) -> Room {
        let folder = tempfile::tempdir().expect("a folder");
        has.iter().fold(before, |stands, has| start(folder.path(), stands, *has))
    }

    #[test]
    fn what_a_host_has_is_promised_whether_it_is_less_or_more() {
        let (small, large) = (room(8, 2), room(64, 16));
        assert_eq!(goes(large, &[large, small]), small);
        assert_eq!(goes(large, &[large, small, large]), large);
        assert_eq!(goes(small, &[small, large]), large);
        assert_eq!(goes(room(8, 16), &[room(8, 16), room(64, 2)]), room(64, 2));
    }

    #[test]
    fn what_an_administrator_has_said_is_the_most() {
        let folder = tempfile::tempdir().expect("a folder");
        let has = room(64, 16);
        assert_eq!(start(folder.path(), has, has), has);
        let lowered = room(32, 16);
        assert_eq!(start(folder.path(), lowered, has), lowered);
        // Less was there for a while.
        assert_eq!(start(folder.path(), lowered, room(16, 4)), room(16, 4));
        assert_eq!(start(folder.path(), room(16, 4), has), lowered);
        assert_eq!(start(folder.path(), lowered, room(128, 32)), room(32, 32));
        // They say that all may be promised.
        assert_eq!(start(folder.path(), room(1_000, 32), room(128, 32)), room(128, 32));
        assert_eq!(start(folder.path(), room(128, 32), room(256, 32)), room(256, 32));
    }

    #[test]
    fn less_than_a_host_had_when_nothing_was_kept_was_somebodys_wish() {
        assert_eq!(goes(room(32, 16), &[room(64, 16), room(64, 32)]), room(32, 32));
    }

    #[test]
    fn a_figure_that_was_kept_and_not_heard_is_nobodys_wish() {
        let folder = tempfile::tempdir().expect("a folder");
        let (small, large) = (room(8, 2), room(64, 16));
        start(folder.path(), large, large);
        assert_eq!(start(folder.path(), large, small), small);
        // The process ended before it was heard.
        assert_eq!(start(folder.path(), large, small), small);
        assert_eq!(start(folder.path(), small, large), large);
    }
}
