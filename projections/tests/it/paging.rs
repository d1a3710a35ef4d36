//! Pages.

use std::collections::BTreeMap;

use carrel_model::event::{Event, MachineFact, Stream};
use carrel_model::ids::{FromUuid, MachineId};
use carrel_model::version::latest::machine;
use carrel_projections::Kind;
use carrel_testkit::site::{self, Site, starts, stops};
use uuid::Uuid;

use crate::scene::{Scene, multi};

const SITE: Site =
    Site { hosts: 3, machines: 250, pools: 4, first_pool: 0, people: 10, one_in_runs: 5 };

async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    let facts: Vec<Event> = SITE.facts().collect();
    scene.append(&facts).await;
    scene.seen().await;
    scene
}

#[test]
fn pages_show_each_row_exactly_once_while_others_come_change_and_go() {
    multi(async {
        let mut scene = scene().await;
        for (sort, filter) in [
            ("name", None),
            ("-name", None),
            ("created_at", None),
            ("-created_at", Some(("state", "off,running"))),
            ("name", Some(("state", "off,running,starting,stopping"))),
            ("name", Some(("kind", "vdi"))),
        ] {
            let mut seen: BTreeMap<Uuid, u32> = BTreeMap::new();
            let mut cursor: Option<String> = None;
            for turn in 0.. {
                let mut parameters = vec![("sort", sort), ("limit", "23")];
                parameters.extend(filter);
                parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                let page = scene.page(Kind::Machines, &parameters).await;
                assert!(page.items.len() <= 23);
                for item in &page.items {
                    *seen.entry(item.id).or_default() += 1;
                }
                // What changes meanwhile changes no place in this order.
                let busy = site::machine(turn * 5 + 1);
                scene.append(&starts(busy, site::host(0))).await;
                scene.append(&stops(busy)).await;
                let id = MachineId::from_uuid(Uuid::from_u128(0xffff_0000 + u128::from(turn)));
                let gone = MachineFact::Deleted(machine::Deleted::default());
                scene.append(&[id.event(gone)]).await;
                scene.seen().await;
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert!(seen.values().all(|count| *count == 1), "{sort}: something came twice");
            let expected = if filter == Some(("kind", "vdi")) { 250 } else { 252 };
            assert_eq!(seen.len(), expected, "{sort} {filter:?}");
        }
    });
}

#[test]
fn every_filter_and_every_order_can_be_asked_for() {
    use carrel_projections::Filtered;
    multi(async {
        let scene = scene().await;
        for kind in Kind::ALL {
            for sort in kind.sorts() {
                let descending = format!("-{}", sort.name);
                scene.page(kind, &[("sort", &descending)]).await;
                for field in kind.filters() {
                    let values: Vec<String> = match field.filtered {
                        Filtered::Text => vec!["a".into(), "a*".into(), "a,b*".into()],
                        Filtered::Word(words) => vec![words[0].into(), words.join(",")],
                        Filtered::Thing(Kind::Sessions) => vec![],
                        Filtered::Thing(_) => {
                            let id = Uuid::from_u128(1);
                            vec![id.to_string(), "win11".into(), format!("pool0,{id}")]
                        }
                        Filtered::Id => vec![Uuid::from_u128(1).to_string()],
                        Filtered::Flag => vec!["true".into(), "false".into(), "true,false".into()],
                        Filtered::Label => vec!["site".into(), "site=a,b".into()],
                    };
                    for value in values {
                        scene.page(kind, &[(field.name, &value), ("sort", sort.name)]).await;
                    }
                }
            }
        }
    });
}

#[test]
fn filters_find_by_name_and_by_id() {
    multi(async {
        let scene = scene().await;
        let by_name = scene.names(Kind::Machines, &[("pool", "pool1"), ("limit", "1000")]).await;
        let id = site::pool_of(1).to_string();
        let by_id = scene.names(Kind::Machines, &[("pool", &id), ("limit", "1000")]).await;
        assert_eq!(by_name.len(), 63);
        assert_eq!(by_name, by_id);
        let running = [("pool", "pool0"), ("state", "running"), ("limit", "1000")];
        assert_eq!(scene.names(Kind::Machines, &running).await.len(), 13);
        let some = scene.names(Kind::Machines, &[("name", "win11-00000*")]).await;
        assert_eq!(some.len(), 10);
        assert_eq!(scene.names(Kind::Machines, &[("image", "win11@1")]).await.len(), 100);
        let machine = scene.one(Kind::Machines, "win11-000007").await.expect("it is there");
        assert_eq!(machine["pool_name"], "pool3");
        assert_eq!(machine["image_name"], "win11@1");
        assert_eq!(machine["initial_name"], "win11");
        let id = site::machine(7).to_string();
        assert_eq!(scene.one(Kind::Machines, &id).await, Some(machine));
        assert_eq!(scene.one(Kind::Machines, "nobody").await, None);
        assert_eq!(scene.one(Kind::Operations, "Populate").await, None);
    });
}
