//! N people and N-1 machines: exactly one waits, and gets the first that frees.

use serde_json::json;

use super::site::{Site, machine};
use crate::event::{Event, SessionFact};
use crate::ids::MachineId;
use crate::machine::StopCause;
use crate::session::{Session, Subject, Target};
use crate::testing::Dice;

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

/// What can happen next.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Somebody comes, polls, or asks for what they have.
    Ask(u32),
    /// Somebody gives back their desktop or their place.
    End(u32),
    /// Nothing was heard of somebody for too long.
    Expire(u32),
    /// Somebody's guest shuts down.
    GoOff(u32),
    /// A machine that was used is clean again.
    Clean(u32),
}

fn moves(site: &Site, people: u32) -> Vec<Move> {
    let mut moves = Vec::new();
    for n in 0..people {
        moves.push(Move::Ask(n));
        if site.has(n).is_some() {
            moves.extend([Move::End(n), Move::Expire(n)]);
        }
        if site.machine_of(n).is_some() {
            moves.push(Move::GoOff(n));
        }
    }
    let used = |n: &u32| site.at(*n).written.is_some() && site.at(*n).leases.is_empty();
    moves.extend((0..people - 1).filter(used).map(Move::Clean));
    moves
}

fn make(site: &mut Site, made: Move) -> Vec<Event> {
    let session = |site: &Site, n| json!({ "session": site.session_id(n) });
    match made {
        Move::Ask(n) => {
            let is_polled = site.has(n).is_some_and(Session::is_queued);
            let events = site.ask(n);
            assert!(!is_polled || events.is_empty(), "asking again appends nothing");
            assert_eq!(site.ask(n), [], "and so it is for who has what they want");
            events
        }
        Move::End(n) => site.given("EndSession", session(site, n)),
        Move::Expire(n) => {
            let name = if site.waits(n) { "ExpirePlace" } else { "ExpireLease" };
            site.given(name, session(site, n))
        }
        Move::GoOff(n) => {
            let number = number_of(site, site.machine_of(n).expect("a machine"));
            site.stopped(number, StopCause::Guest)
        }
        Move::Clean(n) => site.made_clean(n),
    }
}

fn number_of(site: &Site, id: MachineId) -> u32 {
    let count = u32::try_from(site.story.fleet.machines.len()).expect("few");
    (0..count).find(|at| machine(*at) == id).expect("one of them")
}

fn queued(site: &Site) -> Vec<Subject> {
    let queue = site.story.fleet.queue(Target::Pool(site.pool_id("pool")));
    queue.map(|id| site.story.fleet.sessions.get(id).expect("it").subject).collect()
}

/// Whoever leaves the queue with a desktop stood before all who stay in it.
fn first_come_first_served(before: &[Subject], site: &Site, events: &[Event]) {
    let granted = |subject: &Subject| {
        events.iter().any(|event| {
            matches!(event, Event::Session(_, SessionFact::LeaseGranted(it)) if it.subject == *subject)
        })
    };
    let after = queued(site);
    let last_served = before.iter().rposition(granted);
    let first_left = before.iter().position(|subject| after.contains(subject));
    if let (Some(served), Some(left)) = (last_served, first_left) {
        assert!(served < left, "somebody was overtaken");
    }
}

/// Everything that can happen, in every order, so many times.
fn explore(site: &mut Site, people: u32, steps: u32) -> u32 {
    check(site, people, people - 1);
    if steps == 0 {
        return 1;
    }
    let mut seen = 1;
    for made in moves(site, people) {
        let before = site.story.clone();
        let waiting = queued(site);
        let events = make(site, made);
        first_come_first_served(&waiting, site, &events);
        seen += explore(site, people, steps - 1);
        site.story = before;
    }
    seen
}

#[test]
fn of_few_people_everything_in_every_order() {
    for (people, steps, least) in [(2, 6, 5_000), (3, 5, 5_000)] {
        let mut site = Site::with_pool(json!({}), people - 1, people);
        let seen = explore(&mut site, people, steps);
        assert!(seen > least, "{people} people: {seen}");
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
        let (people, mut dice) = (24, Dice(seed));
        let mut site = Site::with_pool(json!({}), people - 1, people);
        for _ in 0..400 {
            let made = dice.one_of(&moves(&site, people));
            let waiting = queued(&site);
            let events = make(&mut site, made);
            first_come_first_served(&waiting, &site, &events);
            check(&site, people, people - 1);
        }
        for n in 0..people - 1 {
            if site.at(n).leases.is_empty() {
                site.made_clean(n);
            }
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
