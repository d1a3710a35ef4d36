//! A fleet that was folded from a log, made small.
//!
//! A tree splits a full leaf in the middle. Ids ascend, so nothing comes into the left half any
//! more and every leaf stays half empty. Filled in two rounds, with every second entry first, the
//! leaves are half full after the first round and full after the second.

use imbl::{OrdMap, OrdSet};

use super::{Fleet, Grouped, Index, Table, Thing};

impl Fleet {
    /// The same fleet in less memory, for whoever has folded a long log.
    pub fn pack(&mut self) {
        self.index.pack();
        self.clients.pack();
        self.machines.pack();
        self.sessions.pack();
    }
}

impl Index {
    /// What grows with machines and people. What one leaves, the next takes.
    fn pack(&mut self) {
        pack(&mut self.clients);
        pack(&mut self.names);
        pack(&mut self.macs);
        self.free.pack();
        self.idle_since.pack();
        self.yielding.pack();
        self.children.pack();
        self.in_pool.pack();
        self.on_host.pack();
        self.on_image.pack();
        pack_set(&mut self.owned);
        pack_set(&mut self.sessions_of);
        pack_set(&mut self.sessions_in);
    }
}

impl<T: Thing> Table<T> {
    fn pack(&mut self) {
        pack(&mut self.0);
    }
}

impl<G: Ord + Copy, T: Ord + Copy> Grouped<G, T> {
    fn pack(&mut self) {
        let groups: Vec<G> = self.0.keys().copied().collect();
        for group in groups {
            self.0.get_mut(&group).into_iter().for_each(pack_set);
        }
    }
}

fn pack<K: Ord + Clone, V: Clone>(map: &mut OrdMap<K, V>) {
    let every_second = |first| map.iter().skip(first).step_by(2);
    let in_two_rounds = every_second(0).chain(every_second(1));
    *map = in_two_rounds.map(|(key, value)| (key.clone(), value.clone())).collect();
}

fn pack_set<T: Ord + Copy>(set: &mut OrdSet<T>) {
    let every_second = |first| set.iter().skip(first).step_by(2);
    *set = every_second(0).chain(every_second(1)).copied().collect();
}
