//! What stands together: of each pool, image or host, a set of its own.
//!
//! Beside pairs in one set, an entry takes half of the memory, and finding one costs as much as its
//! group is large, not as the fleet. It is for few and large groups: a set takes room for 16.

use std::ops::Bound::{Excluded, Unbounded};

use imbl::{OrdMap, OrdSet};

#[derive(Clone, Debug, PartialEq)]
pub struct Grouped<G: Ord, T: Ord>(pub(in crate::fleet) OrdMap<G, OrdSet<T>>);

impl<G: Ord, T: Ord> Default for Grouped<G, T> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

impl<G: Ord + Copy, T: Ord + Copy> Grouped<G, T> {
    /// A group, in order.
    pub fn of(&self, group: G) -> impl Iterator<Item = T> {
        self.0.get(&group).into_iter().flatten().copied()
    }

    /// What is larger in a group, in order.
    pub fn after(&self, group: G, after: Option<T>) -> impl Iterator<Item = T> {
        let from = after.map_or(Unbounded, Excluded);
        self.0.get(&group).into_iter().flat_map(move |set| set.range((from, Unbounded))).copied()
    }

    pub fn contains(&self, group: G, it: &T) -> bool {
        self.0.get(&group).is_some_and(|set| set.contains(it))
    }

    /// Of each group the first.
    pub fn firsts(&self) -> impl Iterator<Item = T> {
        self.0.values().filter_map(|set| set.get_min()).copied()
    }

    pub fn groups(&self) -> impl Iterator<Item = G> {
        self.0.keys().copied()
    }

    pub fn groups_len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (G, T)> {
        self.0.iter().flat_map(|(group, set)| set.iter().map(|it| (*group, *it)))
    }

    pub(super) fn insert(&mut self, group: G, it: T) {
        self.0.entry(group).or_default().insert(it);
    }

    /// Nothing stays of a group that is empty.
    pub(super) fn remove(&mut self, group: G, it: T) {
        let Some(set) = self.0.get_mut(&group) else { return };
        set.remove(&it);
        if set.is_empty() {
            self.0.remove(&group);
        }
    }

    /// Moves a thing from where it stood to where it stands.
    pub(super) fn moved(&mut self, before: Option<(G, T)>, after: Option<(G, T)>) {
        if before == after {
            return;
        }
        if let Some((group, it)) = before {
            self.remove(group, it);
        }
        if let Some((group, it)) = after {
            self.insert(group, it);
        }
    }

    /// As [`Grouped::moved`], for one that may stand in several groups.
    pub(super) fn moved_among<const N: usize>(
        &mut self,
        before: [Option<G>; N],
        after: [Option<G>; N],
        it: T,
    ) {
        if before == after {
            return;
        }
        for group in before.into_iter().flatten() {
            self.remove(group, it);
        }
        for group in after.into_iter().flatten() {
            self.insert(group, it);
        }
    }
}
