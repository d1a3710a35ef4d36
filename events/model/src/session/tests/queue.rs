//! N people and N-1 machines: exactly one waits, and gets the first that frees.

use serde_json::json;

use super::site::{Site, machine};
use crate::machine::StopCause;
use crate::session::Session;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((drawn ^ (drawn >> 31)) % u64::from(most)).expect("below a u32")
    }
}

/// No machine is given twice, and nobody waits while one is free.
fn check(site: &Site, people: u32, machines: u32) {
    let mut given: Vec<_> = (0..people).filter_map(|n| site.machine_of(n)).collect();
    let count = given.len();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), count, "no machine is given twice");
    for n in 0..machines {
        assert!(site.at(n).leases.len() <= 1);
    }
    let tally = site.story.fleet.tally(site.pool_id("pool"));
    let waiting = (0..people).filter(|n| site.has(*n).is_some_and(Session::is_queued)).count();
    let free = tally.ready + tally.running + tally.stopped;
    assert!(waiting == 0 || free == 0, "{waiting} wait and {free} are free");
}

/// Everything that can be done next: somebody comes, or somebody's guest shuts down.
fn explore(site: &mut Site, people: u32, steps: u32, seen: &mut u32) {
    check(site, people, people - 1);
    *seen += 1;
    if steps == 0 {
        return;
    }
    for n in 0..people {
        let before = site.story.clone();
        match site.machine_of(n) {
            None => {
                let first = site.has(n).is_none();
                let events = site.ask(n);
                assert!(first || events.is_empty(), "asking again appends nothing");
            }
            Some(_) => free(site, people, n),
        }
        explore(site, people, steps - 1, seen);
        site.story = before;
    }
}

/// Somebody's machine becomes free and clean; the one who waits longest has it then.
fn free(site: &mut Site, people: u32, n: u32) {
    let leased = site.machine_of(n).expect("a machine");
    let queue = site.story.fleet.queue(crate::session::Target::Pool(site.pool_id("pool")));
    let first = queue.map(|id| site.story.fleet.sessions.get(id).expect("it").subject).next();
    let number = (0..people).find(|at| machine(*at) == leased).expect("one of them");
    site.stopped(number, StopCause::Guest);
    site.made_clean(number);
    if let Some(first) = first {
        let leases = &site.at(number).leases;
        let holder = leases.first().and_then(|id| site.story.fleet.sessions.get(*id));
        assert_eq!(holder.map(|it| it.subject), Some(first), "the first in the queue has it");
    }
}

#[test]
fn of_few_people_every_order_of_coming_and_going() {
    for (people, steps) in [(2, 7), (3, 6), (4, 5)] {
        let mut site = Site::with_pool(json!({}), people - 1, people);
        let mut seen = 0;
        explore(&mut site, people, steps, &mut seen);
        assert_eq!(seen, (0..=steps).map(|step| people.pow(step)).sum::<u32>());
    }
}

#[test]
fn of_few_people_every_order_of_coming_leaves_exactly_one_waiting() {
    fn all_come(site: &mut Site, people: u32) {
        let absent: Vec<u32> = (0..people).filter(|n| site.has(*n).is_none()).collect();
        if absent.is_empty() {
            assert_eq!((0..people).filter(|n| site.waits(*n)).count(), 1);
            return;
        }
        for n in absent {
            let before = site.story.clone();
            site.ask(n);
            all_come(site, people);
            site.story = before;
        }
    }
    for people in 2..=4 {
        all_come(&mut Site::with_pool(json!({}), people - 1, people), people);
    }
}

#[test]
fn of_many_people_random_orders() {
    for seed in [1, 2, 3, 0xc0ffee] {
        let (people, mut random) = (24, Random(seed));
        let mut site = Site::with_pool(json!({}), people - 1, people);
        for _ in 0..200 {
            let n = random.below(people);
            match (site.has(n).is_some(), site.machine_of(n)) {
                (true, Some(_)) if random.below(3) == 0 => free(&mut site, people, n),
                (true, None) if random.below(8) == 0 => drop(site.leave(n)),
                (true, _) => assert_eq!(site.ask(n), []),
                (false, _) => drop(site.ask(n)),
            }
            check(&site, people, people - 1);
        }
        for n in 0..people {
            if site.has(n).is_none() {
                site.ask(n);
            }
        }
        assert_eq!((0..people).filter(|n| site.waits(*n)).count(), 1);
    }
}

#[test]
fn whoever_waits_for_another_protocol_does_not_hold_up_those_behind() {
    let mut site = Site::new();
    site.pool("pool", json!({}));
    site.external(0, 1);
    site.join(0, "pool");
    site.vdi(1);
    site.join(1, "pool");
    for n in 0..4 {
        site.person(n);
        site.entitle(n, "pool");
    }
    let ask = |site: &mut Site, n: u32, protocol: &str| {
        let client = json!({ "id": super::site::person(n) });
        let ask = json!({ "client": client, "pool": "pool", "protocol": protocol });
        site.given("RequestDesktop", ask);
    };
    ask(&mut site, 0, "rdp");
    ask(&mut site, 1, "rdp");
    assert_eq!(site.machine_of(0), Some(machine(0)));
    assert!(site.waits(1), "the free one has no RDP");
    ask(&mut site, 2, "spice");
    assert_eq!(site.machine_of(2), Some(machine(1)), "who comes later wants what is free");
    ask(&mut site, 3, "spice");
    site.leave(2);
    site.made_clean(1);
    assert_eq!(site.machine_of(3), Some(machine(1)), "so does who waits behind");
    site.leave(0);
    assert_eq!(site.machine_of(1), Some(machine(0)));
}
