//! What is left of somebody who was deleted.

use std::sync::Arc;

use carrel_keys::memory::MemoryStore;
use carrel_keys::{Keys, OsEntropy};
use carrel_model::event::{ClientFact, Event, MachineFact, SessionFact, Stream};
use carrel_model::hash::KeyedHash;
use carrel_model::ids::{ClientId, FromUuid, SessionId};
use carrel_model::people::local;
use carrel_model::sealed::Purpose;
use carrel_model::version::latest::display::Protocol;
use carrel_model::version::latest::session::{EndCause, Ended, Granted, Subject, Target};
use carrel_model::version::latest::{Nothing, client, machine};
use carrel_projections::Kind;
use carrel_testkit::site::{self, Site};
use uuid::Uuid;

use crate::scene::{Scene, multi};

const NAME: &str = "ona.petrauskaite-of-room-7";
const DETAILS: &str = "Ona Petrauskaite, Gedimino 53";
const LABEL: &str = "left-handed";

const SITE: Site =
    Site { hosts: 1, machines: 5, pools: 1, first_pool: 0, people: 0, one_in_runs: 2 };

fn keys() -> Keys {
    Keys::start(Arc::new(MemoryStore::default()), Arc::new(OsEntropy), 1).expect("keys")
}

fn created(keys: &Keys, id: ClientId) -> Event {
    let seal = |purpose, text| keys.seal(id.uuid(), purpose, text).expect("it is sealed");
    let label = "note".parse().expect("a label");
    id.event(ClientFact::Created(client::Created {
        provider: local(),
        name_hash: KeyedHash([1; 32]),
        name: seal(Purpose::Name, NAME),
        details: Some(seal(Purpose::Personal, DETAILS)),
        password: None,
        sessions_max: None,
        labels: [(label, seal(Purpose::Label, LABEL))].into(),
        properties: Default::default(),
    }))
}

/// All bytes of the directory.
fn bytes(scene: &Scene) -> Vec<u8> {
    let entries = std::fs::read_dir(scene.directory.path()).expect("a directory");
    entries
        .flat_map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file"))
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nothing_of_somebody_deleted_can_be_read_in_the_files() {
    multi(async {
        let keys = keys();
        let mut scene = Scene::with(Arc::new(keys.clone())).await;
        let facts: Vec<_> = SITE.facts().collect();
        scene.append(&facts).await;
        let id = ClientId::from_uuid(Uuid::from_u128(501));
        let subject = Subject::Client(id);
        let session = SessionId::from_uuid(Uuid::from_u128(502));
        let granted = Granted {
            subject,
            target: Target::Pool(site::pool_of(0)),
            protocol: Protocol::Spice,
            machine: site::machine(0),
            return_after_seconds: 300,
            counts_for: Vec::new(),
        };
        let assigned = machine::Assigned { subject };
        scene
            .append(&[
                created(&keys, id),
                site::machine(0).event(MachineFact::Assigned(assigned.clone())),
                session.event(SessionFact::LeaseGranted(granted)),
            ])
            .await;
        scene.seen().await;
        let person = scene.one(Kind::Clients, NAME).await.expect("found by name");
        assert_eq!(person["details"], DETAILS);
        assert_eq!(person["labels"]["note"], LABEL);
        let labelled = scene.names(Kind::Clients, &[("label", "note=left-handed")]).await;
        assert_eq!(labelled, [NAME]);
        let machine = scene.one(Kind::Machines, "win11-000000").await.expect("it is there");
        assert_eq!(machine["owners"][0]["name"], NAME);
        let owned = scene.names(Kind::Machines, &[("owner", NAME)]).await;
        assert_eq!(owned, ["win11-000000"]);
        let row = scene.one(Kind::Sessions, &session.to_string()).await.expect("it is there");
        assert_eq!(row["client_name"], NAME);
        assert!(holds(&bytes(&scene), NAME) && holds(&bytes(&scene), LABEL));

        scene
            .append(&[
                session.event(SessionFact::LeaseEnded(Ended { cause: EndCause::Revoked })),
                site::machine(0).event(MachineFact::Unassigned(assigned)),
                id.event(ClientFact::Deleted(Nothing {})),
            ])
            .await;
        keys.shred(id.uuid()).expect("the key is destroyed");
        scene.seen().await;
        assert_eq!(scene.one(Kind::Clients, NAME).await, None);
        let row = scene.one(Kind::Sessions, &session.to_string()).await.expect("it stays");
        assert!(row["client_name"].is_null(), "{row}");
        scene.same_as_rebuilt().await;
        scene.stop().await;
        let bytes = bytes(&scene);
        for text in [NAME, DETAILS, LABEL] {
            assert!(!holds(&bytes, text), "{text} can still be read");
        }
        let beside = Scene::on(scene.log.clone(), scene.open.clone()).await;
        assert!(!holds(&self::bytes(&beside), NAME));
    });
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    multi(async {
        let scene = Scene::new().await;
        for entry in std::fs::read_dir(scene.directory.path()).expect("a directory") {
            let entry = entry.expect("an entry");
            let mode = entry.metadata().expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{entry:?}");
        }
    });
}
