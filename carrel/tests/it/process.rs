//! What happens to the server as a process: it is told to end or killed under load, there are two
//! of it, and what it needs is used up.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::json;
use uuid::Uuid;

use crate::site::{Answer, Client, Gone, Server, Site, Start, left};

fn client(site: &Site, server: &Server) -> Client {
    let mut client = Client::new(0);
    client.at(&server.url, &site.password()).expect("it is there");
    client
}

#[test]
fn a_second_server_is_refused_the_data_of_the_first() {
    let site = Site::new();
    let server = site.start();
    let second = site.start_with(&Start::default()).expect_err("there is one already");
    assert_eq!(second.status.code(), Some(3), "{second:?}");
    let owner = format!("carrel up, process {}", server.id());
    for part in ["in use", &owner, "next:"] {
        assert!(second.told.contains(part), "{part:?} in {}", second.told);
    }
    let mut client = client(&site, &server);
    client.does("CreateGroup", json!({ "name": "editors" })).expect("the first goes on");
    assert!(server.end().status.success());
}

/// Sends one command after the other until nobody answers, and says so of each that was accepted.
fn loads(client: &mut Client, accepted: &Sender<()>) {
    for number in 0.. {
        let name = format!("group-{}-{number}", client.seed());
        let entry = client.enters("CreateGroup", json!({ "name": name }));
        match client.sends(entry) {
            Ok(answer) if answer.status == 202 => {
                // Nobody may be counting any more.
                let _ = accepted.send(());
            }
            // It lets nobody in any more.
            Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
            Err(Gone) => return,
        }
    }
}

const CALLERS: u64 = 8;
const ACCEPTED_BEFORE: usize = 200;

/// Many send commands, and in the midst of it the server comes to its end.
fn ends_under_load(end: fn(&Client, Server)) {
    let site = Site::new();
    let server = site.start();
    let first = client(&site, &server);
    let mut callers: Vec<Client> = (1..=CALLERS).map(|seed| first.like(seed)).collect();
    let (accepted, counted): (Sender<()>, Receiver<()>) = channel();
    thread::scope(|scope| {
        for client in &mut callers {
            let accepted = accepted.clone();
            scope.spawn(move || loads(client, &accepted));
        }
        for _ in 0..ACCEPTED_BEFORE {
            counted.recv().expect("somebody is accepted");
        }
        end(&first, server);
    });
    let server = site.start();
    for client in &mut callers {
        client.at(&server.url, &site.password()).expect("it is there");
        for entry in 0..client.ledger.len() {
            let answer = client.sends(entry).expect("it is there");
            assert_eq!(answer.status, 202, "{answer:?}");
        }
    }
    assert!(server.end().status.success());
    let left = left(&site);
    for client in &callers {
        left.is_as_it_should_be(client);
    }
}

#[test]
fn nothing_that_was_accepted_is_lost_when_it_is_told_to_end_under_load() {
    ends_under_load(|_, server| {
        let ended = server.end();
        assert!(ended.status.success(), "{ended:?}");
    });
}

#[test]
fn nothing_that_was_accepted_is_lost_when_it_is_killed_under_load() {
    ends_under_load(|_, server| assert!(server.kill().was_killed()));
}

#[test]
fn rows_are_those_that_are_built_anew_while_commands_come() {
    ends_under_load(|client, server| {
        for _ in 0..3 {
            for how in ["verify", "rebuild"] {
                let path = format!("/v1/projections/{how}");
                let built = client.post(&path, &json!({}), &[]).expect("it is there").fine();
                assert!(built["position"].is_u64(), "{how}: {built}");
                assert_eq!(built["differences"], json!([]), "{how}");
            }
        }
        assert!(server.end().status.success());
    });
}

/// Everybody at once, each with a connection of their own.
fn at_once(client: &Client, each: impl Fn(&Client, usize) -> Answer + Sync) -> Vec<Answer> {
    let each = &each;
    thread::scope(|scope| {
        let all: Vec<_> =
            (0..100).map(|number| scope.spawn(move || each(client, number))).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    })
}

#[test]
fn one_command_sent_a_hundred_times_at_once_is_done_once_and_another_by_its_id_is_refused() {
    let site = Site::new();
    let server = site.start();
    let client = client(&site, &server);
    let id = Uuid::from_u64_pair(0x0199_c0de_0000_7000, 0b10 << 62);
    let names = ["editors", "proofreaders"];
    let answers = at_once(&client, |client, number| {
        let data = json!({ "name": names[number % 2] });
        client.send(id, "CreateGroup", &data).expect("it is there")
    });
    let of = |one: usize| answers.iter().skip(one).step_by(2).collect::<Vec<_>>();
    let won = usize::from(of(0)[0].status != 202);
    for answer in of(won) {
        assert_eq!((answer.status, answer), (202, of(won)[0]));
    }
    for answer in of(1 - won) {
        assert_eq!((answer.status, answer.body["code"].as_str()), (422, Some("CRL-1010")));
    }
    let groups = client.get("/v1/groups").expect("it is there").fine();
    assert_eq!(groups["items"].as_array().map(Vec::len), Some(1), "{groups}");
    assert!(server.end().status.success());
    assert_eq!(left(&site).commands[&id].len(), 1);
}

#[test]
fn of_a_hundred_who_change_the_same_version_of_a_thing_one_wins() {
    let site = Site::new();
    let server = site.start();
    let mut client = client(&site, &server);
    client.does("CreatePool", json!({ "name": "room" })).expect("it is there");
    let version = client.get("/v1/pools/room").expect("it is there").fine()["version"].clone();
    let answers = at_once(&client, |client, number| {
        let id = Uuid::from_u64_pair(0x0199_c0de_0000_7000, (0b11 << 62) | number as u64);
        let settings = json!({ "return_after_seconds": 600 + number });
        let data = json!({ "pool": "room", "settings": settings, "if_version": version });
        client.send(id, "UpdatePool", &data).expect("it is there")
    });
    let won = answers.iter().filter(|answer| answer.status == 202).count();
    let refused: BTreeSet<u16> =
        answers.iter().map(|answer| answer.status).filter(|status| *status != 202).collect();
    assert_eq!((won, refused), (1, BTreeSet::from([412])));
    assert!(server.end().status.success());
}

/// Enough for a server at rest, and not for a hundred callers more.
const FILES_MAX: u32 = 96;

#[test]
fn without_file_descriptors_callers_wait_and_it_goes_on_when_there_are_some_again() {
    let site = Site::new();
    let limit = format!("--nofile={FILES_MAX}:{FILES_MAX}");
    let under = vec!["prlimit".to_owned(), limit];
    let start = Start { under, ..Start::default() };
    let mut server = site.start_with(&start).expect("it starts with few");
    let mut client = client(&site, &server);
    let address = server.url.strip_prefix("http://").expect("without TLS").to_owned();
    // The kernel takes their connections, and the server can't.
    let callers: Vec<TcpStream> =
        (0..2 * FILES_MAX).map(|_| TcpStream::connect(&address).expect("a queue")).collect();
    let entry = client.enters("CreateMachine", json!({ "name": "m", "kind": "simple" }));
    // Whether it is answered depends on whether it came before the last descriptor was gone.
    drop(client.sends_within(entry, 2));
    assert!(server.runs(), "{}", server.told());
    let open = server.descriptors();
    assert!(open >= FILES_MAX as usize, "{open} are in use, so there are some");
    drop(callers);
    assert_eq!(client.sends(entry).map(|answer| answer.status), Ok(202));
    client.follows(entry).expect("it is there");
    client.does("StartMachine", json!({ "machines": ["m"] })).expect("it is there");
    client.rests().expect("it is there");
    assert!(server.end().status.success());
    left(&site).is_as_it_should_be(&client);
}
