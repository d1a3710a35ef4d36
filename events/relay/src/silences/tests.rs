//! Who was still for how long, tick by tick.

use std::collections::BTreeMap;

use carrel_model::fleet::Silence;
use carrel_model::ids::{HypervisorId, SessionId};
use imbl::OrdMap;

use super::{Listening, step};
use crate::limits::{HELD_TICKS, HELD_TICKS_MOST, LAPSES_AT_ONCE, STILL_FEW};

fn lease(number: u32) -> Silence {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Silence::Lease(SessionId::from_bytes(bytes))
}

/// Leases, and what is counted of each.
#[derive(Default)]
struct Scene {
    listening: Listening,
    all: OrdMap<Silence, u32>,
    counts: BTreeMap<Silence, u64>,
    held: usize,
    looks_most: usize,
}

impl Scene {
    fn with(leases: u32, allowance: u32) -> Self {
        let all = (0..leases).map(|number| (lease(number), allowance)).collect();
        Self { all, ..Self::default() }
    }

    /// So many ticks pass, in which some are heard all the time. Who lapses is gone.
    fn passes(&mut self, ticks: u64, heard: impl Fn(Silence) -> bool) -> Vec<(u64, Silence)> {
        let mut lapsed = Vec::new();
        for _ in 0..ticks {
            self.listening.follow(&self.all);
            let looks = self.listening.next_tick();
            self.looks_most = self.looks_most.max(looks.len());
            for silence in looks.iter().filter(|it| heard(**it)) {
                *self.counts.entry(*silence).or_default() += 1;
            }
            let counts = looks.into_iter().map(|it| (it, self.counts.get(&it).copied()));
            let ended = self.listening.look(counts.collect::<Vec<_>>().into_iter());
            self.held += ended.held.len();
            for silence in ended.lapsed {
                lapsed.push((self.listening.tick, silence));
                self.all.remove(&silence);
            }
        }
        lapsed
    }
}

#[test]
fn who_is_heard_never_lapses_and_who_is_not_lapses_in_time() {
    let mut scene = Scene::with(4, 80);
    let lapsed = scene.passes(400, |it| it != lease(2));
    let [(at, who)] = lapsed[..] else { panic!("{lapsed:?}") };
    assert_eq!(who, lease(2));
    // A restart is a fresh sign, noticed at the first look.
    assert!((80..=80 + step(80)).contains(&at), "{at}");
    assert_eq!(scene.listening.each.len(), 3);
}

#[test]
fn a_sign_that_comes_late_is_as_good() {
    let mut scene = Scene::with(1, 80);
    assert_eq!(scene.passes(85, |_| false), []);
    assert_eq!(scene.passes(10, |_| true), []);
    assert_eq!(scene.passes(70, |_| false), []);
    assert_eq!(scene.passes(30, |_| false).len(), 1);
}

#[test]
fn what_nothing_comes_of_is_said_again_only_after_its_allowance() {
    let mut scene = Scene::with(1, 80);
    let all = scene.all.clone();
    let mut said = Vec::new();
    for _ in 0..400 {
        said.extend(scene.passes(1, |_| false));
        scene.all = all.clone();
    }
    assert!((3..=4).contains(&said.len()), "{said:?}");
}

#[test]
fn if_many_are_still_at_once_all_are_held_until_signs_come_again() {
    let mut scene = Scene::with(100, 80);
    assert_eq!(scene.passes(200, |_| true), []);
    assert_eq!(scene.passes(300, |_| false), [], "the network is gone");
    assert_eq!(scene.held, 1, "somebody is told once");
    assert_eq!(scene.passes(100, |_| true), []);
    let lapsed = scene.passes(200, |it| it != lease(7));
    assert_eq!(lapsed.iter().map(|(_, it)| *it).collect::<Vec<_>>(), [lease(7)]);
}

#[test]
fn a_few_may_fall_silent_together_at_any_site() {
    let few = u32::try_from(STILL_FEW).expect("few");
    let mut scene = Scene::with(few, 80);
    assert_eq!(scene.passes(200, |_| false).len(), STILL_FEW);
    assert_eq!(scene.held, 0);
}

#[test]
fn nobody_is_held_for_ever() {
    let mut scene = Scene::with(1_000, 80);
    scene.passes(100, |_| true);
    let lapsed = scene.passes(HELD_TICKS_MOST + 200, |_| false);
    assert_eq!(lapsed.len(), 1_000);
    let first = lapsed[0].0;
    assert!(first >= HELD_TICKS_MOST, "{first}");
    let at_first = lapsed.iter().filter(|(at, _)| *at == first).count();
    assert!(at_first <= LAPSES_AT_ONCE, "{at_first}");
}

#[test]
fn hosts_are_not_held_because_of_people() {
    let mut scene = Scene::with(100, 80);
    let host = Silence::Worker(HypervisorId::from_bytes([1; 16]));
    scene.all.insert(host, 80);
    scene.passes(100, |_| true);
    let lapsed = scene.passes(100, |_| false);
    assert_eq!(lapsed.iter().map(|(_, it)| *it).collect::<Vec<_>>(), [host]);
}

#[test]
fn many_are_looked_at_a_part_at_a_time() {
    // They came one after the other, as people do.
    let mut scene = Scene::default();
    for number in 0..60 {
        for more in 0..100 {
            scene.all.insert(lease(number * 100 + more), 300);
        }
        scene.passes(1, |_| true);
    }
    scene.looks_most = 0;
    assert_eq!(scene.passes(600, |_| true), []);
    let at_once = scene.looks_most;
    assert!(at_once <= 6_000 / 10, "{at_once} of 6,000 in one tick");
    assert!(HELD_TICKS < step(300));
}
