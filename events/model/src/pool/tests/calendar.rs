//! Pools open and close by their calendars.

use serde_json::{Value, json};

use crate::pool::Pool;
use crate::record::Timestamp;
use crate::session::tests::site::{Site, of_sessions};
use crate::testing::{BEGINNING, kinds};

const HOUR: u32 = 3_600;

/// Closed at night, from 20:00 to 08:00, every day. The beginning is a Thursday at 00:00 UTC.
fn nights(time_zone: &str) -> Value {
    json!([{
        "days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
        "from_minute": 1200,
        "until_minute": 480,
        "time_zone": time_zone,
        "effect": { "closed": true },
    }])
}

fn pool(site: &Site) -> &Pool {
    site.story.fleet.pools.get(site.pool_id("pool")).expect("the pool")
}

fn after(hours: u32) -> Option<Timestamp> {
    Some(BEGINNING.plus_seconds(hours * HOUR))
}

fn turn(site: &mut Site) -> Vec<&'static str> {
    let pool = site.pool_id("pool");
    kinds(&site.given("TurnCalendar", json!({ "pool": pool })))
}

#[test]
fn a_pool_opens_and_closes_as_it_is_drawn() {
    let drawn = include_str!("../mod.rs");
    assert!(drawn.contains("created --> open <--> closed by its calendar --> deleted"));
    let mut site = Site::with_pool(json!({ "calendars": nights("UTC") }), 1, 1);
    assert!(pool(&site).closed(), "it is night already when it is made");
    assert_eq!(pool(&site).next_turn, after(8));
    site.ask_refused(0, "CRL-0418");
    site.story.wait(8 * HOUR);
    assert_eq!(turn(&mut site), ["pool.calendar_turned"]);
    assert!(!pool(&site).closed());
    assert_eq!(pool(&site).next_turn, after(20));
    assert_eq!(turn(&mut site), [""; 0], "a repeated turn changes nothing");
    site.ask(0);
    site.story.wait(12 * HOUR);
    turn(&mut site);
    assert!(pool(&site).closed());
    site.leave(0);
    site.given("RemoveFromPool", json!({ "pool": "pool" }));
    site.given("DeletePool", json!({ "pool": "pool" }));
    assert!(site.story.fleet.pools.is_empty());
}

#[test]
fn a_turn_of_a_pool_that_is_gone_changes_nothing() {
    let mut site = Site::new();
    let pool = crate::ids::PoolId::from_bytes([1; 16]);
    assert_eq!(site.given("TurnCalendar", json!({ "pool": pool })), []);
    assert_eq!(site.given("ServePool", json!({ "pool": pool })), []);
}

#[test]
fn the_time_is_that_of_the_time_zone() {
    let site = Site::with_pool(json!({ "calendars": nights("Europe/Vilnius") }), 0, 0);
    assert_eq!(pool(&site).next_turn, after(6), "Vilnius is two hours ahead in winter");
}

#[test]
fn clocks_that_go_forward_make_a_night_shorter() {
    let mut site = Site::with_pool(json!({ "calendars": nights("Europe/Vilnius") }), 0, 0);
    // 2026-03-28T20:00 in Vilnius, the evening before summer time begins.
    let evening = (31 + 28 + 27) * 24 + 18;
    site.story.wait(evening * HOUR);
    turn(&mut site);
    assert!(pool(&site).closed());
    assert_eq!(pool(&site).next_turn, after(evening + 11));
}

#[test]
fn who_waits_is_served_when_the_pool_opens() {
    let calendars = json!([{
        "days": ["thursday"], "from_minute": 60, "until_minute": 120, "time_zone": "UTC",
        "effect": { "closed": true },
    }]);
    let mut site = Site::with_pool(json!({ "calendars": calendars }), 1, 2);
    site.ask(0);
    site.ask(1);
    site.story.wait(HOUR);
    turn(&mut site);
    site.leave(0);
    site.made_clean(0);
    assert!(site.waits(1), "who waits keeps their place while it is closed");
    site.story.wait(HOUR);
    let id = site.pool_id("pool");
    let events = site.given("TurnCalendar", json!({ "pool": id }));
    assert_eq!(of_sessions(&events), ["lease.granted"]);
}

#[test]
fn spares_are_those_of_the_time_and_none_are_started_while_it_is_closed() {
    let spares = |closed: bool, ready: u32| {
        let effect = json!({ "closed": closed, "spares": { "keep_ready": ready } });
        let day = json!({
            "days": ["thursday"], "from_minute": 60, "until_minute": 1440, "time_zone": "UTC",
            "effect": effect,
        });
        let mut site = Site::with_pool(json!({ "calendars": [day] }), 4, 0);
        site.story.wait(HOUR);
        turn(&mut site);
        assert_eq!(pool(&site).next_turn, after(24));
        (0..4).filter(|n| !site.at(*n).at_rest()).count()
    };
    assert_eq!(spares(false, 3), 3);
    assert_eq!(spares(true, 3), 0);
}

#[test]
fn calendars_that_cannot_be_are_refused() {
    let mut site = Site::new();
    let mut refuse = |change: Value, code: &str| {
        let mut calendars = nights("UTC");
        for (key, value) in change.as_object().expect("a change") {
            calendars[0][key] = value.clone();
        }
        let settings = json!({ "calendars": calendars });
        site.refused("CreatePool", json!({ "name": "pool", "settings": settings }), code);
    };
    refuse(json!({ "days": [] }), "CRL-0403");
    refuse(json!({ "from_minute": 1440 }), "CRL-0403");
    refuse(json!({ "until_minute": 1441 }), "CRL-0403");
    refuse(json!({ "time_zone": "Europe/Atlantis" }), "CRL-0404");
    refuse(json!({ "time_zone": "Etc/Unknown" }), "CRL-0404");
    let many = vec![nights("UTC")[0].clone(); 29];
    let settings = json!({ "calendars": many });
    site.refused("CreatePool", json!({ "name": "pool", "settings": settings }), "CRL-0403");
}
