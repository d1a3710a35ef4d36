//! A fact that a later version wrote.

use std::time::Duration;

use carrel_model::event::{ClientFact, GroupFact, Stream};
use carrel_model::ids::{FromUuid, GroupId};
use carrel_model::record::Position;
use carrel_model::version::latest::{Nothing, group};
use carrel_projections::{Kind, ReadModelError, ReadModels, Standing};
use carrel_testkit::site;
use carrel_testkit::site::Site;
use uuid::Uuid;

use crate::scene::{SOON, Scene, multi};

const SITE: Site =
    Site { hosts: 1, machines: 5, pools: 1, first_pool: 0, people: 2, one_in_runs: 2 };

#[test]
fn who_does_not_know_a_fact_stops_before_it_and_the_others_go_on() {
    multi(async {
        let mut scene = Scene::new().await;
        let facts: Vec<_> = SITE.facts().collect();
        scene.append(&facts).await;
        let id = GroupId::from_uuid(Uuid::from_u128(77));
        let settings = group::Settings::default();
        let made = group::Created { name: "staff".parse().expect("a name"), settings };
        let made = id.event(GroupFact::Created(made));
        scene.append_as(std::slice::from_ref(&made), |_| "group.invented".to_owned()).await;
        let at = scene.head().await;
        scene.append(&[site::person(0).event(ClientFact::Blocked(Nothing {}))]).await;
        scene.append(&site::starts(site::machine(1), site::host(0))).await;
        let head = scene.head().await;
        for moment in ["living", "opened again"] {
            scene.models.seen(Kind::Machines, head, SOON).await.expect("they go on");
            scene.models.seen(Kind::Sessions, head, SOON).await.expect("they go on");
            let refused = scene.models.seen(Kind::Clients, head, SOON).await;
            assert!(
                matches!(refused, Err(ReadModelError::Stopped { .. })),
                "{moment}: {refused:?}"
            );
            let before = Position(at.0 - 1);
            let seen = scene.models.seen(Kind::Clients, before, Duration::ZERO).await;
            assert!(seen.is_ok(), "{moment}: {seen:?}");
            let states = scene.models.state();
            let people = states.iter().find(|state| state.name == "people").expect("it is there");
            assert!(matches!(people.standing, Standing::Stopped { at: it, .. } if it == at));
            assert_eq!(people.position, before);
            let person = scene.one(Kind::Clients, &site::person(0).to_string()).await;
            assert_eq!(person.expect("it is there")["blocked"], false, "{moment}");
            scene.crash().await;
        }
        scene.models.seen(Kind::Machines, head, SOON).await.expect("they go on");
        scene.same_as_rebuilt().await;
    });
}
