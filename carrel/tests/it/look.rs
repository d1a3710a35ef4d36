//! tail, show, verify, stats, and what is not about a log at all.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use bytes::Bytes;
use carrel_testkit::units::{Units, stream};
use serde_json::{Value, json};

use crate::scene::{Scene, append, binary, carrel, overwrite, said, spawn};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn positions(text: &str) -> Vec<u64> {
    lines(text).iter().map(|line| line["position"].as_u64().unwrap()).collect()
}

#[test]
fn it_says_what_it_is_and_can_do() {
    assert!(carrel(&["--version"]).fine().starts_with("carrel 0."));
    let help = carrel(&["log", "--help"]).fine();
    for word in ["tail", "repair", "PGPASSFILE", "Exit codes", "carrel-data/log"] {
        assert!(help.contains(word), "{word}");
    }
    carrel(&[]).failed(2, &["Usage"]);
    carrel(&["log", "tail", "--sideways"]).failed(2, &["--sideways"]);
    assert!(carrel(&["completions", "bash"]).fine().contains("_carrel"));
}

#[test]
fn tail_prints_the_last_records_for_people() {
    let scene = Scene::new();
    let out = scene.log(&["tail"]).fine();
    assert_eq!(out.lines().count(), 5);
    let first = out.lines().next().unwrap();
    for part in ["1  2025-10-09T", "Z  machine.start_requested  machine/", "  v1  token  {\"note\""]
    {
        assert!(first.contains(part), "{part:?} in {first}");
    }
    assert_eq!(scene.log(&["tail", "-n", "2"]).fine().lines().count(), 2);
}

#[test]
fn tail_prints_json_for_programs() {
    let scene = Scene::new();
    let out = scene.log(&["tail", "-n", "1", "--json"]).fine();
    let record = &lines(&out)[0];
    let mut fields: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let mut expected = [
        "position",
        "stream",
        "version",
        "event_id",
        "type",
        "schema",
        "command_id",
        "causation_id",
        "correlation_id",
        "actor",
        "traceparent",
        "at",
        "data",
        "org",
        "incarnation",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(record["position"], 5);
    assert_eq!(record["stream"], format!("{}", stream(2)));
    assert_eq!((&record["version"], &record["schema"]), (&json!(2), &json!(1)));
    assert_eq!(record["actor"]["method"], "token");
    assert!(record["data"]["note"].is_string());
    assert_eq!(record["org"], "main");
}

#[test]
fn tail_chooses() {
    let scene = Scene::new();
    let tail = |more: &[&str]| positions(&scene.log(&[&["tail", "--json"], more].concat()).fine());
    let of_one = stream(1).to_string();
    assert_eq!(tail(&["--stream", &of_one]), [1, 3]);
    assert_eq!(tail(&["--stream", &of_one, "-n", "1"]), [3]);
    assert_eq!(tail(&["--stream", &of_one, "--after", "1"]), [3]);
    assert_eq!(tail(&["--after", "3"]), [4, 5]);
    assert_eq!(tail(&["--after", "99"]), [0; 0]);
    assert_eq!(tail(&["--type", "machine.*", "-n", "3"]), [3, 4, 5]);
    assert_eq!(tail(&["--type", "*.stopped"]), [0; 0]);
    assert_eq!(tail(&["--type", "machine.*", "--stream", &of_one]), [1, 3]);
    scene.log(&["tail", "--after", "1", "-n", "3"]).failed(2, &["--after"]);
    scene.log(&["tail", "--stream", "machine"]).failed(2, &["<category>/<uuid>"]);
}

#[test]
fn the_last_of_many_are_found_from_the_end_back() {
    let scene = Scene::of_chunks(3);
    let all = positions(&scene.log(&["tail", "--json", "--after", "0"]).fine());
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    let some = positions(&scene.log(&["tail", "--json", "-n", "17", "--type", "*"]).fine());
    assert_eq!(some, all[all.len() - 17..]);
}

#[test]
fn tail_follows() {
    let scene = Scene::new();
    let log = scene.open();
    let mut tail =
        scene.command(&["tail", "-f", "--json", "-n", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["position"], 5);
    let mut units = Units::new(9);
    append(&log, vec![units.small(1), units.small(8)]);
    assert_eq!(next()["position"], 6);
    assert_eq!(next()["position"], 7);
    append(&log, vec![units.small(1)]);
    assert_eq!(next()["position"], 8);
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn nobody_who_stops_reading_is_told_of_an_error() {
    let scene = Scene::of_chunks(3);
    let mut tail = scene.command(&["tail", "--after", "0"]);
    let mut tail = spawn(tail.stdout(Stdio::piped()).stderr(Stdio::piped()));
    drop(tail.stdout.take());
    let mut error = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!((tail.wait().unwrap().code(), error.as_str()), (Some(0), ""));
}

#[test]
fn data_that_is_not_json_is_shown_too() {
    let scene = Scene::new();
    let mut unit = Units::new(9).unit(&[stream(1), stream(1)], 10);
    unit.records[0].data = Bytes::from_static(b"\xff\x00");
    unit.records[1].data = Bytes::from_static(b"\x1b[2J");
    scene.append(vec![unit]);
    let out = scene.log(&["tail", "-n", "2", "--json"]).fine();
    assert_eq!(lines(&out)[0]["data"], json!({"base64": "/wA="}));
    let out = scene.log(&["tail", "-n", "2"]).fine();
    assert!(out.contains("<2 bytes>") && !out.contains('\x1b'), "{out:?}");
    assert!(scene.log(&["show", "6"]).fine().contains("base64: /wA="));
}

#[test]
fn show_tells_everything_of_a_record() {
    let scene = Scene::new();
    let text = scene.log(&["show", "3"]).fine();
    for part in ["positions 2 to 3", "0000000001.chunk", "offset", "fingerprint", "{\n  \"note\": "]
    {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let record = scene.log(&["show", "3", "--json"]).json();
    assert_eq!(record["unit"], json!({"first": 2, "last": 3}));
    assert_eq!(record["place"]["chunk"], 1);
    assert_eq!(record["position"], 3);
}

#[test]
fn show_says_which_positions_there_are() {
    let scene = Scene::new();
    for position in ["0", "6"] {
        let said = scene.log(&["show", position]);
        said.failed(3, &["no record at position", "positions 1 to 5"]);
    }
    scene.log(&["show", "first"]).failed(2, &["first"]);
}

#[test]
fn verify_finds_nothing_wrong_with_a_sound_log() {
    let scene = Scene::of_chunks(3);
    let text = scene.log(&["verify"]).fine();
    assert!(text.contains("sound") && text.contains("3 chunks"), "{text}");
    let report = scene.log(&["verify", "--json"]).json();
    assert_eq!(report["sound"], true);
    assert_eq!(report["first_bad"], Value::Null);
}

#[test]
fn verify_names_damage_and_ends_with_1() {
    let scene = Scene::of_chunks(3);
    let place = scene.log(&["show", "7", "--json"]).json()["place"].clone();
    let offset = place["offset"].as_u64().unwrap();
    overwrite(place["path"].as_str().unwrap().as_ref(), offset + 40, b"?");
    let said = scene.log(&["verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains(&format!("offset {offset} (position 7)")), "{}", said.out);
    assert!(said.out.contains("positions up to 6 can be trusted"), "{}", said.out);
    assert!(said.out.contains("carrel log repair --truncate-to 6"), "{}", said.out);
    let said = scene.log(&["verify", "--json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["first_bad"]["position"]), (Some(1), &json!(7)));
}

#[test]
fn verify_tells_stale_from_damaged() {
    let scene = Scene::of_chunks(3);
    std::fs::remove_file(scene.layout().index(1)).unwrap();
    let said = scene.log(&["verify"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("stale: ") && said.out.contains("sound; "), "{}", said.out);
}

#[test]
fn what_only_reads_works_beside_a_running_process() {
    let scene = Scene::new();
    let _log = scene.open();
    assert!(scene.log(&["verify"]).fine().contains("in use by a test"));
    for command in ["tail", "stats"] {
        scene.log(&[command]).fine();
    }
}

#[test]
fn stats_tells_how_large_it_is_and_who_reads_it() {
    let scene = Scene::new();
    let text = scene.log(&["stats"]).fine();
    for part in ["relay at 3, 2 behind", "relay at epoch 1", "1 active", "2025-10-09T"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let stats = scene.log(&["stats", "--types", "--json"]).json();
    assert_eq!(stats["types"], json!([{"type": "machine.start_requested", "records": 5}]));
    assert_eq!(stats["cursors"][0]["lag"], 2);
    assert_eq!(stats["files"]["chunks"], 1);
    assert_eq!(stats["position"], 5);
}

#[test]
fn it_says_that_there_is_no_log() {
    let dir = tempfile::tempdir().unwrap();
    for command in [["tail"].as_slice(), &["stats"], &["verify"], &["show", "1"]] {
        let empty = dir.path().to_str().unwrap();
        let said = carrel(&[&["log", "--log", empty], command].concat());
        said.failed(3, &["there is no log in", empty, "CARREL_LOG"]);
    }
}

#[test]
fn the_log_can_be_named_in_the_environment() {
    let scene = Scene::new();
    let mut command = binary();
    let tail = said(command.args(["log", "tail"]).env("CARREL_LOG", scene.log_dir()));
    assert_eq!(tail.fine().lines().count(), 5);
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let url = "postgres://carrel:hunter2@127.0.0.1/carrel";
    let said = carrel(&["log", "--log", url, "tail"]);
    said.failed(2, &["every user of this machine", "PGPASSFILE"]);
    assert!(!said.err.contains("hunter2"));
}

#[test]
fn a_record_is_read_up_to_damage_and_no_further() {
    let scene = Scene::new();
    let place = scene.log(&["show", "4", "--json"]).json()["place"].clone();
    let offset = place["offset"].as_u64().unwrap();
    overwrite(place["path"].as_str().unwrap().as_ref(), offset + 40, b"?");
    // A batch is there whole or not at all, and the one before is whole.
    let said = scene.log(&["tail", "--after", "0"]);
    said.failed(3, &["position", "carrel log verify"]);
    assert_eq!(said.out.lines().count(), 1);
}
