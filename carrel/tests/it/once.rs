//! What a host is told to do is done once, wherever the server is killed while it is being done;
//! what a guest is asked for or shown is so at most once.

use std::thread;

use carrel_driver::StepKind;
use carrel_failpoint::Point;
use serde_json::{Value, json};

use crate::site::{Client, Gone, Server, Site, Start, left};

/// Around the moment at which a host does something, from the order to what came of it.
const POINTS: [Point; 8] = [
    Point::Answering,
    Point::OrderEntered,
    Point::StepEntered,
    Point::StepDone,
    Point::ReportEntered,
    Point::ReportPublished,
    Point::ReportRead,
    Point::ReportDecided,
];

/// Something that is done with a machine.
#[derive(Clone, Copy)]
struct Deed {
    /// Whether the machine runs before.
    machine: Machine,
    command: &'static str,
    data: fn(&Client) -> Result<Value, Gone>,
    did: StepKind,
    often: Often,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Machine {
    Off,
    Running,
}

#[derive(Clone, Copy)]
enum Often {
    Once,
    /// If the server was killed before it could be seen, nobody knows whether it was done, and it
    /// is not done again. Then this command does what was wished.
    AtMostOnce(Option<&'static str>),
}

fn of_m(_: &Client) -> Result<Value, Gone> {
    Ok(json!({ "machines": ["m"] }))
}

/// Another host than the machine's own.
fn away(client: &Client) -> Result<Value, Gone> {
    let machine = client.get("/v1/machines/m")?.fine();
    let to = if machine["hypervisor_name"] == "sim-001" { "sim-002" } else { "sim-001" };
    Ok(json!({ "machines": ["m"], "to": to }))
}

/// The deed in its turn, on a server that is killed at the first time that it reaches a point.
fn done(deed: Deed, point: Point) {
    let site = Site::new();
    let mut client = Client::new(point as u64);
    let started = |client: &mut Client, server: &Server| {
        client.at(&server.url, &site.password())?;
        client.does("CreateMachine", json!({ "name": "m", "kind": "simple" }))?;
        if deed.machine == Machine::Running {
            client.does("StartMachine", json!({ "machines": ["m"] }))?;
        }
        client.rests()
    };
    let server = site.start();
    started(&mut client, &server).expect("nobody kills this one");
    let data = (deed.data)(&client).expect("nobody kills this one");
    assert!(server.end().status.success());

    let does = |client: &mut Client, entry: usize, server: &Server| {
        client.at(&server.url, &site.password())?;
        let answer = client.sends(entry)?;
        assert_eq!(answer.status, 202, "{answer:?}");
        client.follows(entry)?;
        client.rests()
    };
    let server = site.start_with(&Start::killed_at(format!("{}:1", point.name())));
    let server = server.expect("it starts: nothing is to be done yet");
    let entry = client.enters(deed.command, data);
    let was_done = does(&mut client, entry, &server);
    assert_eq!(was_done, Err(Gone), "{} never came to {}", deed.command, point.name());
    assert!(server.ended().was_killed());

    let server = site.start();
    match deed.often {
        Often::AtMostOnce(Some(remedy)) if point == Point::StepEntered => {
            client.at(&server.url, &site.password()).expect("nobody kills this one");
            client.sends(entry).expect("nobody kills this one");
            client.does(remedy, json!({ "machines": ["m"] })).expect("nobody kills this one");
            client.rests().expect("nobody kills this one");
        }
        Often::Once | Often::AtMostOnce(_) => {
            does(&mut client, entry, &server).expect("nobody kills this one");
        }
    }
    assert!(server.end().status.success());
    let left = left(&site);
    left.is_as_it_should_be(&client);
    let times = match deed.often {
        Often::AtMostOnce(_) if point == Point::StepEntered => 0,
        Often::Once | Often::AtMostOnce(_) => 1,
    };
    let (command, point) = (deed.command, point.name());
    assert_eq!(left.times(deed.did, "m"), times, "{command}, killed at {point}");
}

/// Beside each other: most of the time goes by with waiting.
fn done_wherever_it_is_killed(deed: Deed) {
    thread::scope(|scope| {
        for point in POINTS {
            scope.spawn(move || done(deed, point));
        }
    });
}

macro_rules! deeds {
    ($($test:ident $machine:ident $command:literal $data:expr, $did:ident $often:expr;)*) => {
        $(#[test]
        fn $test() {
            done_wherever_it_is_killed(Deed {
                machine: Machine::$machine,
                command: $command,
                data: $data,
                did: StepKind::$did,
                often: $often,
            });
        })*
    };
}

deeds! {
    a_machine_is_started_once Off "StartMachine" of_m, Start Often::Once;
    a_snapshot_is_taken_once
        Off "TakeSnapshot" |_| Ok(json!({ "machine": "m", "name": "now" })),
        TakeSnapshot Often::Once;
    a_guest_is_asked_to_shut_down_at_most_once
        Running "ShutdownMachine" of_m, Shutdown Often::AtMostOnce(Some("PowerOffMachine"));
    a_guest_is_asked_to_reboot_at_most_once
        Running "RebootMachine" of_m, Reboot Often::AtMostOnce(Some("ResetMachine"));
    words_are_shown_at_most_once
        Running "MessageMachine" |_| Ok(json!({ "machines": ["m"], "text": "Save your work." })),
        ShowMessage Often::AtMostOnce(None);
    a_machine_is_reset_once Running "ResetMachine" of_m, Reset Often::Once;
    power_is_cut_once Running "PowerOffMachine" of_m, Destroy Often::Once;
    a_machine_is_suspended_once Running "SuspendMachine" of_m, Suspend Often::Once;
    a_machine_moves_once Running "MigrateMachine" away, Migrate Often::Once;
}
