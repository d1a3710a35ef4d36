//! What is given, asked for, and comes of it: spares and what waits for room.

use serde_json::{Value, json};

use crate::event::{Event, MachineFact};
use crate::machine::{StopCause, Wish};
use crate::renewal::ROOM_SECONDS;
use crate::session::Session;
use crate::session::tests::site::{IMAGE, Site, fact, machine, of_sessions};
use crate::testing::{Dice, kinds};
use crate::version::latest::Nothing;

/// What each machine takes of its host, if nothing else is said.
const VCPUS: u32 = 2;

/// A host promises what it has, and no more.
fn overcommit() -> Value {
    json!({ "memory_percent": 100, "vcpus_percent": 100 })
}

/// So many spares run in `pool`, and their host has this much.
fn with_spares(count: u32, capacity: &Value) -> Site {
    let mut site = Site::with_pool(json!({ "spares": { "keep_started": count } }), count, 0);
    (0..count).for_each(|n| drop(site.started(n)));
    has(&mut site, capacity);
    site
}

fn has(site: &mut Site, capacity: &Value) {
    let mut all = json!({ "memory_mib": 1 << 30, "vcpus": 1_000 });
    for (name, value) in capacity.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    let settings = json!({ "capacity": all, "overcommit": overcommit() });
    site.given("UpdateHypervisor", json!({ "hypervisor": "node1", "settings": settings }));
}

fn needs(site: &mut Site, n: u32, hardware: &Value) {
    let settings = json!({ "hardware": hardware });
    site.given("UpdateMachine", json!({ "machine": machine(n), "settings": settings }));
}

/// A machine whose first boot is to begin.
fn is_renewed(site: &mut Site, n: u32) -> Vec<Event> {
    is_renewed_with(site, n, &json!({}))
}

/// As [`is_renewed`], with this beside the hardware that comes with its version.
fn is_renewed_with(site: &mut Site, n: u32, hardware: &Value) -> Vec<Event> {
    let renewal = json!({
        "why": "reset", "image": IMAGE, "recipe": { "first_boot": { "done": "agent" } },
        "discard_data": true,
    });
    let requested = fact(json!({ "renewal": renewal }));
    site.story.happened(machine(n), MachineFact::RenewalRequested(requested));
    needs(site, n, hardware);
    site.overlays_are_made()
}

/// The next try.
fn tried_again(site: &mut Site, n: u32) -> Vec<&'static str> {
    site.story.wait(ROOM_SECONDS);
    kinds(&site.given("AdvanceRenewal", json!({ "machine": machine(n) })))
}

fn starts(events: &[Event]) -> bool {
    kinds(events).contains(&"machine.start_requested")
}

#[test]
fn a_spare_makes_way_for_a_first_boot_that_waits_and_comes_back_after_it() {
    let mut site = with_spares(1, &json!({ "vcpus": VCPUS }));
    site.vdi(1);
    let events = is_renewed(&mut site, 1);
    assert_eq!(kinds(&events), ["machine.applied", "machine.renewal_delayed"]);
    let put_off = tried_again(&mut site, 1);
    assert_eq!(put_off, ["machine.stop_requested", "machine.renewal_delayed"]);
    assert!(matches!(site.at(0).power.wish, Wish::Off(_)));
    assert_eq!(tried_again(&mut site, 1), ["machine.renewal_delayed"], "one is enough");
    let serve = json!({ "pool": site.pool_id("pool") });
    assert!(!starts(&site.stopped(0, StopCause::Command)));
    assert!(site.given("ServePool", serve.clone()).is_empty(), "the room is kept");
    assert_eq!(tried_again(&mut site, 1), ["machine.placed", "machine.first_boot_begun"]);
    site.started(1);
    site.story.happened(machine(1), MachineFact::FirstBootEnded(Nothing {}));
    site.stopped(1, StopCause::Command);
    assert!(site.story.fleet.index.waiting.iter().next().is_none());
    assert!(starts(&site.given("ServePool", serve)));
}

#[test]
fn a_try_takes_one_spare_at_a_time_and_only_as_many_as_are_needed() {
    let mut site = with_spares(3, &json!({ "vcpus": 3 * VCPUS }));
    site.vdi(3);
    let large = json!({ "cpu": { "sockets": 1, "cores": 2 * VCPUS, "threads": 1 } });
    is_renewed_with(&mut site, 3, &large);
    let going_off = |site: &Site| (0..3).filter(|n| site.at(*n).power.wish.is_off()).count();
    for expected in [1, 2, 2] {
        tried_again(&mut site, 3);
        assert_eq!(going_off(&site), expected);
    }
    let off: Vec<u32> = (0..3).filter(|n| site.at(*n).power.wish.is_off()).collect();
    off.into_iter().for_each(|n| drop(site.stopped(n, StopCause::Command)));
    assert!(tried_again(&mut site, 3).contains(&"machine.first_boot_begun"));
}

#[test]
fn a_spare_stays_where_its_end_would_not_help_and_others_are_started_beside_it() {
    let mut site = with_spares(1, &json!({ "counters": { "gpu/a16": 1 } }));
    for n in 1..4 {
        site.vdi(n);
    }
    let gpu = json!({ "counters": { "gpu/a16": 1 } });
    needs(&mut site, 1, &gpu);
    site.given("StartMachine", json!({ "machines": [machine(1)] }));
    site.started(1);
    is_renewed_with(&mut site, 2, &gpu);
    assert_eq!(tried_again(&mut site, 2), ["machine.renewal_delayed"]);
    site.join(3, "pool");
    let more = json!({ "spares": { "keep_started": 2 } });
    assert!(starts(&site.given("UpdatePool", json!({ "pool": "pool", "settings": more }))));
}

#[test]
fn the_host_is_chosen_where_the_fewest_spares_go_off() {
    let mut site = with_spares(2, &json!({ "vcpus": 2 * VCPUS }));
    let capacity = json!({ "memory_mib": 1 << 20, "vcpus": 2 * VCPUS });
    let second = json!({ "capacity": capacity, "overcommit": overcommit() });
    let second = json!({ "name": "node2", "settings": second });
    site.given("RegisterHypervisor", second);
    let hosts = json!({ "hosts": { "node2": "/var/lib/carrel" } });
    site.given("UpdateStorage", json!({ "storage": "disks", "settings": hosts }));
    for n in [2, 3] {
        site.vdi(n);
    }
    site.join(2, "pool");
    let more = json!({ "spares": { "keep_started": 3 } });
    site.given("UpdatePool", json!({ "pool": "pool", "settings": more }));
    site.started(2);
    assert_ne!(site.at(2).place, site.at(0).place);
    let large = json!({ "cpu": { "sockets": 1, "cores": 2 * VCPUS, "threads": 1 } });
    is_renewed_with(&mut site, 3, &large);
    tried_again(&mut site, 3);
    assert_eq!([0, 1, 2].map(|n| site.at(n).power.wish.is_off()), [false, false, true]);
}

#[test]
fn what_somebody_has_or_holds_is_no_spare() {
    type Hold<'a> = &'a dyn Fn(&mut Site);
    let lease: Hold<'_> = &|site| {
        site.person(0);
        site.entitle(0, "pool");
        site.ask(0);
    };
    let owner: Hold<'_> = &|site| {
        site.person(0);
        site.assign(0, 0);
    };
    let maintenance: Hold<'_> = &|site| drop(site.maintenance(0, "admin", "on"));
    let lock: Hold<'_> = &|site| site.locked(0);
    let upkeep: Hold<'_> = &|site| {
        site.given("PowerOffMachine", json!({ "machines": [machine(0)] }));
        site.stopped(0, StopCause::Command);
        site.given("EnableVirtualSnapshot", json!({ "machines": [machine(0)] }));
        let start = json!({ "machines": [machine(0)], "persistent_once": true });
        site.given("StartMachine", start);
        site.started(0);
        assert!(site.at(0).is_kept_up());
    };
    for (n, hold) in [lease, owner, maintenance, lock, upkeep].into_iter().enumerate() {
        let mut site = with_spares(1, &json!({}));
        let none = json!({ "spares": { "keep_started": 0 } });
        site.given("UpdatePool", json!({ "pool": "pool", "settings": none }));
        hold(&mut site);
        has(&mut site, &json!({ "vcpus": VCPUS }));
        site.vdi(1);
        is_renewed(&mut site, 1);
        assert_eq!(tried_again(&mut site, 1), ["machine.renewal_delayed"], "{n}");
    }
}

#[test]
fn a_spare_makes_way_for_somebody_who_waits_for_their_own() {
    let mut site = with_spares(1, &json!({ "vcpus": VCPUS }));
    site.pool("own", json!({ "mode": "dedicated" }));
    site.vdi(1);
    site.join(1, "own");
    site.person(0);
    site.assign(0, 1);
    makes_way_for_whoever_waits(&mut site, "own");
}

#[test]
fn a_spare_makes_way_for_somebody_who_waits_for_another_pool() {
    let mut site = with_spares(1, &json!({ "vcpus": VCPUS }));
    site.pool("other", json!({}));
    site.vdi(1);
    site.join(1, "other");
    site.person(0);
    site.entitle(0, "other");
    makes_way_for_whoever_waits(&mut site, "other");
}

/// The first person asks for the pool of the second machine.
fn makes_way_for_whoever_waits(site: &mut Site, pool: &str) {
    let asks = |site: &mut Site| site.story.given(Site::request(0, pool));
    let events = asks(site);
    assert!(kinds(&events).contains(&"machine.stop_requested"));
    assert!(site.has(0).is_some_and(Session::is_queued));
    assert!(asks(site).is_empty(), "one is enough");
    assert!(!starts(&site.stopped(0, StopCause::Command)), "the room is kept");
    assert!(of_sessions(&asks(site)).contains(&"lease.granted"));
    assert!(!site.at(1).at_rest());
}

#[test]
fn those_who_wait_get_the_room_of_one_spare_after_the_other() {
    let mut site = with_spares(2, &json!({ "vcpus": 2 * VCPUS }));
    site.pool("other", json!({}));
    for n in 0..2 {
        site.vdi(2 + n);
        site.join(2 + n, "other");
        site.person(n);
        site.entitle(n, "other");
        site.story.given(Site::request(n, "other"));
    }
    let other = site.pool_id("other");
    for n in 0..2 {
        let goes = |it: &u32| site.at(*it).power.wish.is_off() && !site.at(*it).at_rest();
        let going: Vec<u32> = (0..2).filter(goes).collect();
        assert_eq!(going.len(), 1);
        assert!(!starts(&site.stopped(going[0], StopCause::Command)), "the room is kept");
        assert!(site.has(n).is_some_and(Session::is_queued), "until their pool is served");
        let events = site.given("ServePool", json!({ "pool": other }));
        assert_eq!(of_sessions(&events), ["lease.granted"]);
        assert!(site.has(n).is_some_and(|it| !it.is_queued()));
    }
}

#[test]
fn a_spare_makes_way_in_a_lab_that_is_full() {
    let mut site = with_spares(1, &json!({}));
    site.vdi(1);
    site.join(1, "pool");
    let settings = json!({ "pools": ["pool"], "max_instances": 1 });
    site.given("CreateLab", json!({ "name": "b12", "settings": settings }));
    is_renewed(&mut site, 1);
    let put_off = tried_again(&mut site, 1);
    assert_eq!(put_off, ["machine.stop_requested", "machine.renewal_delayed"]);
    assert_eq!(tried_again(&mut site, 1), ["machine.renewal_delayed"], "one is enough");
    assert!(!starts(&site.stopped(0, StopCause::Command)), "its place is kept");
    assert!(tried_again(&mut site, 1).contains(&"machine.first_boot_begun"));
}

#[test]
fn a_lab_keeps_nothing_running_where_something_waits_for_the_room() {
    let mut site = with_spares(1, &json!({ "vcpus": VCPUS }));
    let none = json!({ "spares": { "keep_started": 0 } });
    site.given("UpdatePool", json!({ "pool": "pool", "settings": none }));
    let settings = json!({ "pools": ["pool"], "start_instances": 1 });
    site.given("CreateLab", json!({ "name": "b12", "settings": settings }));
    let lab = site.story.fleet.labs.last().expect("the lab");
    site.vdi(1);
    is_renewed(&mut site, 1);
    tried_again(&mut site, 1);
    site.stopped(0, StopCause::Command);
    assert!(site.given("KeepLab", json!({ "lab": lab })).is_empty());
    assert!(tried_again(&mut site, 1).contains(&"machine.first_boot_begun"));
}

/// Where nothing but spares runs, whatever fits onto an empty host gets room, however large it and
/// they are, and however many are to be kept.
#[test]
fn what_waits_behind_spares_alone_gets_room() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let vcpus = 4 + dice.below(12);
        let gpus = 1 + dice.below(3);
        let count = 1 + dice.below(6);
        let mut site = Site::with_pool(json!({}), count, 0);
        let sizes = |dice: &mut Dice| {
            let cpu = json!({ "sockets": 1, "cores": 1 + dice.below(4), "threads": 1 });
            let gpu = [json!({}), json!({ "gpu/a16": 1 })][dice.throw(2)].clone();
            json!({ "cpu": cpu, "counters": gpu })
        };
        site.vdi(count);
        for n in 0..count {
            needs(&mut site, n, &sizes(&mut dice));
        }
        has(&mut site, &json!({ "vcpus": vcpus, "counters": { "gpu/a16": gpus } }));
        let keep = json!({ "spares": { "keep_started": count } });
        site.given("UpdatePool", json!({ "pool": "pool", "settings": keep }));
        for n in 0..count {
            if !site.at(n).at_rest() {
                site.started(n);
            }
        }
        is_renewed_with(&mut site, count, &sizes(&mut dice));
        for _ in 0..=2 * count {
            if site.at(count).uses_host() {
                break;
            }
            tried_again(&mut site, count);
            for n in 0..count {
                if site.at(n).uses_host() && site.at(n).power.wish.is_off() {
                    site.stopped(n, StopCause::Command);
                }
            }
        }
        assert!(site.at(count).uses_host(), "it waits for ever with {seed}");
    }
}
