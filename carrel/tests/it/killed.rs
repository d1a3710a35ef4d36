//! The server is killed at each failpoint, and the next one goes on: nothing that was accepted is
//! lost, nothing is done twice, and everything comes to rest without a hand.

use std::thread;

use carrel_driver::StepKind;
use carrel_failpoint::Point;
use carrel_model::machine::State;
use carrel_testkit::random::Random;
use serde_json::{Value, json};

use crate::site::{Client, Ended, Gone, Server, Site, Start, left};

/// A command, in its turn.
struct Step(&'static str, Value);

/// Everything from the first machine to a person who is deleted: each failpoint is on the way.
fn story() -> Vec<Step> {
    let machines = |names: &[&str]| json!({ "machines": names });
    let mut story = vec![
        Step("CreateMachine", json!({ "name": "gold", "kind": "source" })),
        Step("CreateMachine", json!({ "name": "win11", "kind": "initial", "source": "gold" })),
        Step("CopyFromSource", json!({ "initial": "win11" })),
        Step("Populate", json!({ "initial": "win11", "count": 12 })),
        Step("CreatePool", json!({ "name": "room" })),
    ];
    let pooled = ["win11-009", "win11-010", "win11-011", "win11-012"];
    story.push(Step("AddToPool", json!({ "pool": "room", "machines": pooled })));
    for person in ["anna", "jonas", "maria"] {
        story.push(Step("CreateClient", json!({ "name": person, "details": "room 12" })));
        story.push(Step("AssignClient", json!({ "client": person, "pool": "room" })));
    }
    let running = ["win11-001", "win11-002", "win11-003", "win11-004", "win11-005"];
    story.extend([
        Step("RequestDesktop", json!({ "client": "anna", "pool": "room" })),
        Step("StartMachine", machines(&running)),
        Step("ShutdownMachine", machines(&["win11-001"])),
        Step("RebootMachine", machines(&["win11-002"])),
        Step("ResetMachine", machines(&["win11-003"])),
        Step("PowerOffMachine", machines(&["win11-004"])),
        Step("TakeSnapshot", json!({ "machine": "win11-004", "name": "before" })),
        Step("DeleteClient", json!({ "client": "anna" })),
        Step("DeleteMachine", machines(&["win11-008"])),
        Step("DeleteClient", json!({ "client": "jonas" })),
        Step("DeleteClient", json!({ "client": "maria" })),
    ]);
    story
}

/// Two entries that were answered before are sent again: they get the same answer, and that is all.
fn asks_again(client: &Client, random: &mut Random) -> Result<(), Gone> {
    let answered: Vec<_> = client.ledger.iter().filter(|it| it.answer.is_some()).collect();
    for _ in 0..2.min(answered.len()) {
        let asked = answered[random.index(answered.len())];
        let again = client.send(asked.id, &asked.name, &asked.data)?;
        assert_eq!(Some(&again), asked.answer.as_ref(), "{asked:?}");
    }
    Ok(())
}

/// Tells the story from where it is.
fn tell(client: &mut Client, story: &[Step]) -> Result<(), Gone> {
    for (entry, Step(name, data)) in story.iter().enumerate() {
        if client.ledger.len() <= entry {
            client.enters(name, data.clone());
        }
        let answer = client.sends(entry)?;
        assert_eq!(answer.status, 202, "{name}: {answer:?}");
        client.follows(entry)?;
    }
    client.rests()
}

/// The story on a server that is killed once, at this moment; whether it was.
fn killed_once(moment: &str, random: &mut Random) -> bool {
    let site = Site::new();
    let (story, mut client) = (story(), Client::new(random.next() >> 40));
    let goes_on = |client: &mut Client, random: &mut Random, server: &Server| {
        client.at(&server.url, &site.password())?;
        asks_again(client, random)?;
        tell(client, &story)
    };
    let was_killed = |ended: &Ended| {
        assert!(ended.was_killed(), "{ended:?}");
        true
    };
    let killed = match site.start_with(&Start::killed_at(moment.to_owned())) {
        Err(ended) => was_killed(&ended),
        Ok(server) => match goes_on(&mut client, random, &server) {
            Err(Gone) => was_killed(&server.ended()),
            Ok(()) => false,
        },
    };
    let server = site.start();
    goes_on(&mut client, random, &server).expect("nobody kills this one");
    let compared = client.post("/v1/projections/verify", &json!({}), &[]).map(|it| it.fine());
    assert_eq!(compared.expect("nobody kills this one")["differences"], json!([]));
    let ended = server.end();
    assert!(ended.status.success(), "{ended:?}");
    let left = left(&site);
    left.is_as_it_should_be(&client);
    let running = ["win11-002", "win11-003", "win11-005"];
    for (name, state) in [("win11-001", State::Off), ("win11-004", State::Off)]
        .into_iter()
        .chain(running.map(|name| (name, State::Running)))
    {
        assert_eq!(left.state(name), state, "{name}");
    }
    for (did, name, at_least) in [
        (StepKind::Shutdown, "win11-001", 0),
        (StepKind::Reboot, "win11-002", 0),
        (StepKind::Reset, "win11-003", 1),
        (StepKind::TakeSnapshot, "win11-004", 1),
    ] {
        let times = left.times(did, name);
        assert!((at_least..=1).contains(&times), "{did:?} of {name}: {times} times");
    }
    killed
}

/// Kills it at the first time that a point is reached, and at later ones.
fn killed_at(point: Point) {
    let seed = 0x4b11 + point as u64;
    let mut drawn = Random::new(seed);
    // Nothing is written so often that all stories come to more of these, nor does a quick one
    // last long enough for a cursor that is kept every so often.
    let scarce = [
        Point::KeysMade,
        Point::KeysDestroyed,
        Point::SnapshotBody,
        Point::SnapshotSynced,
        Point::CursorSaved,
    ];
    let later = if scarce.contains(&point) { [2, 3] } else { [3, 4 + drawn.below(12)] };
    // Beside each other: most of a story's time goes by with waiting for guests.
    thread::scope(|scope| {
        for times in [1, later[0], later[1]] {
            let mut random = Random::new(seed << 8 | times);
            scope.spawn(move || {
                let moment = format!("{}:{times}", point.name());
                println!("{moment}, seed {seed}");
                assert!(killed_once(&moment, &mut random), "the story never came to {moment}");
            });
        }
    });
}

const FAULTS: &str = include_str!("../../../docs/faults.md");

macro_rules! killed_at {
    ($($test:ident $point:ident;)*) => {
        $(#[test]
        fn $test() {
            killed_at(Point::$point);
        })*

        #[test]
        fn there_are_a_test_and_a_row_for_each_failpoint() {
            assert_eq!(Point::ALL, [$(Point::$point,)*]);
            let rows = [$((Point::$point, stringify!($test)),)*];
            for (point, test) in rows {
                let (name, after, before) = (point.name(), point.after(), point.before());
                let row = format!("| `{name}` | {after} | {before} | `{test}` |\n");
                assert!(FAULTS.contains(&row), "docs/faults.md has no row {row}");
            }
            let listed = FAULTS.lines().skip_while(|line| !line.starts_with("| failpoint"));
            assert_eq!(listed.skip(2).take_while(|line| line.starts_with('|')).count(), rows.len());
        }
    };
}

killed_at! {
    keys_made KeysMade;
    appended Appended;
    answering Answering;
    tail_read TailRead;
    order_queued OrderQueued;
    order_confirmed OrderConfirmed;
    fact_queued FactQueued;
    facts_told FactsTold;
    cursor_saved CursorSaved;
    order_read OrderRead;
    order_entered OrderEntered;
    step_entered StepEntered;
    step_done StepDone;
    report_entered ReportEntered;
    report_queued ReportQueued;
    report_published ReportPublished;
    report_read ReportRead;
    report_decided ReportDecided;
    facts_read FactsRead;
    rows_written RowsWritten;
    place_written PlaceWritten;
    rows_committed RowsCommitted;
    snapshot_body SnapshotBody;
    snapshot_synced SnapshotSynced;
    keys_destroyed KeysDestroyed;
}
