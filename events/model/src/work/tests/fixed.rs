//! What a guest and its viewers find is what was so when the machine was started.

use serde_json::{Value, json};

use super::spec;
use crate::image::tests::Site;
use crate::machine::tests::scene::{create, machine, on, report, run, site};
use crate::machine::{Outcome, StopCause};
use crate::name::Label;
use crate::session::tests::site::{Site as People, person, sealed};
use crate::testing::{Story, command};
use crate::work::{Shall, Thing, work};

fn update_pool(story: &mut Story, settings: &Value) {
    story.given(command("UpdatePool", json!({ "pool": "office", "settings": settings })));
}

#[test]
fn what_may_pass_between_a_desktop_and_its_viewers_waits_for_the_next_power_cycle() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story.given(command(
        "CreatePool",
        json!({ "name": "office", "settings": { "mode": "dedicated" } }),
    ));
    story.given(command("AddToPool", json!({ "machines": ["m"], "pool": "office" })));
    run(&mut story, "m");
    let clipboard = |story: &Story| {
        let m = machine(story, "m");
        (spec(story, "m").display.clipboard, story.fleet.has_pending(&m))
    };
    assert_eq!(clipboard(&story), (false, false));
    update_pool(&mut story, &json!({ "display": { "clipboard": true } }));
    assert_eq!(clipboard(&story), (false, true), "it is pending");
    story.given(on("ResetMachine", "m"));
    assert_eq!(clipboard(&story), (false, true), "a reset is no power cycle");
    report(&mut story, "m", Outcome::Started { boot_epoch: 2 });
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 2, cause: StopCause::Guest });
    run(&mut story, "m");
    assert_eq!(clipboard(&story), (true, false));
}

#[test]
fn properties_of_what_is_nearer_to_the_person_win() {
    let mut site = Site::sealed();
    let of_image = json!({ "a": "image", "b": "image", "c": "image" });
    let settings = json!({ "properties": of_image });
    site.given("UpdateMachine", json!({ "machine": "win11", "settings": settings }));
    site.prepare();
    site.given("Populate", json!({ "initial": "win11", "count": 1 }));
    site.is_sealed();
    site.advance();
    let child = site.named("win11-001");
    site.applied(child);
    let of_pool = json!({ "properties": { "b": "pool", "c": "pool" }, "mode": "dedicated" });
    site.pool("office", of_pool, &[child]);
    let own = json!({ "properties": { "c": "machine" } });
    site.given("UpdateMachine", json!({ "machine": "win11-001", "settings": own }));
    site.given("StartMachine", json!({ "machines": ["win11-001"] }));
    let told = work(&site.story.fleet, Thing::Machine(child)).expect("work");
    let Shall::Present(spec) = told.shall else { panic!("it is there") };
    for (key, from) in [("a", "image"), ("b", "pool"), ("c", "machine")] {
        let value = spec.properties.get(&Label::new(key).expect("a key"));
        assert_eq!(value.map(crate::text::Text::as_str), Some(from), "{key}");
    }
}

#[test]
fn what_is_known_of_a_person_goes_to_their_desktop_in_boxes() {
    let mut site = People::with_pool(json!({}), 1, 1);
    let properties = json!({ "mail": sealed(0) });
    let update = json!({ "client": { "id": person(0) }, "properties": properties });
    site.given("UpdateClient", update);
    site.ask(0);
    let told = work(&site.story.fleet, Thing::Machine(site.machine_of(0).expect("a desktop")));
    let Shall::Present(spec) = told.expect("work").shall else { panic!("it is there") };
    let personal = spec.personal.iter().map(|(label, sealed)| (label.as_str(), sealed.key));
    assert_eq!(personal.collect::<Vec<_>>(), [("mail", person(0).uuid())]);
    assert!(spec.properties.is_empty());
}
