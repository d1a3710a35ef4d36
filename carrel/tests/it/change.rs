//! export, import, archive and repair.

use std::fs;

use serde_json::{Value, json};

use crate::scene::{Scene, overwrite};
use carrel_testkit::units::Units;

#[test]
fn a_log_goes_into_a_file_and_comes_out_as_the_same() {
    let scene = Scene::of_chunks(3);
    let file = scene.path("log.export");
    let exported = scene.log(&["export", "--to", &file, "--json"]).json();
    assert!(exported["resumed_after"].is_null());
    assert!(scene.log(&["verify", "--export", &file]).fine().contains("sound"));
    let imported = scene.other(&["import", "--from", &file, "--json"]).json();
    assert_eq!(imported["link"], exported["link"]);
    assert_eq!(imported["incarnation"], 2);
    let all = ["tail", "--json", "--after", "0"];
    assert_eq!(scene.other(&all).fine(), scene.log(&all).fine());
    scene.other(&["verify"]).fine();
    let again = scene.other(&["import", "--from", &file]);
    again.failed(3, &["nothing to do", "finished before"]);
}

#[test]
fn an_interrupted_export_goes_on() {
    let scene = Scene::of_chunks(2);
    let file = scene.path("log.export");
    scene.log(&["export", "--to", &file]).fine();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    scene.other(&["import", "--from", &file]).failed(3, &["is not finished", "export again"]);
    let text = scene.log(&["export", "--to", &file]).fine();
    assert!(text.contains("resumed after"), "{text}");
    assert!(fs::read(&file).unwrap() == whole);
}

#[test]
fn an_export_does_not_write_over_other_files() {
    let scene = Scene::new();
    let file = scene.path("diary");
    fs::write(&file, "dear diary").unwrap();
    scene.log(&["export", "--to", &file]).failed(3, &["not an unfinished export", "--to"]);
    assert_eq!(fs::read(&file).unwrap(), b"dear diary");
}

#[test]
fn a_damaged_export_is_refused() {
    let scene = Scene::of_chunks(2);
    let file = scene.path("log.export");
    scene.log(&["export", "--to", &file]).fine();
    overwrite(file.as_ref(), 5_000, b"???");
    let said = scene.log(&["verify", "--export", &file]);
    assert_eq!(said.code, Some(1), "{said:?}");
    scene.other(&["import", "--from", &file]).failed(3, &["damaged", "verify --export"]);
    let missing = scene.path("nothing");
    scene.other(&["import", "--from", &missing]).failed(3, &["could not read", &missing]);
}

#[test]
fn an_import_leaves_another_log_alone() {
    let scene = Scene::new();
    let file = scene.path("log.export");
    scene.log(&["export", "--to", &file]).fine();
    scene.append(vec![Units::new(9).small(1)]);
    scene.log(&["import", "--from", &file]).failed(3, &["ends at position 6", "--log"]);
}

#[test]
fn what_writes_needs_the_log_to_itself() {
    let scene = Scene::of_chunks(2);
    let file = scene.path("log.export");
    scene.log(&["export", "--to", &file]).fine();
    let _log = scene.open();
    let archive = scene.path("archive");
    for command in [
        ["import", "--from", &file].as_slice(),
        &["archive", "--keep", "0", "--to", &archive],
        &["repair", "--truncate-to", "1", "--yes"],
    ] {
        scene.log(command).failed(3, &["in use by a test", "stop that process"]);
    }
}

#[test]
fn sealed_chunks_move_to_an_archive() {
    let scene = Scene::of_chunks(4);
    let all = ["tail", "--json", "--after", "0"];
    let before = scene.log(&all).fine();
    let archive = scene.path("archive");
    let moved = scene.log(&["archive", "--to", &archive, "--keep", "1", "--json"]).json();
    assert_eq!((&moved["moved"], &moved["before"]), (&json!([1, 2]), &json!([])));
    assert_eq!(scene.log(&all).fine(), before);
    let again = scene.log(&["archive", "--to", &archive, "--keep", "1"]).fine();
    assert!(again.contains("moved          0 chunks"), "{again}");
    assert!(scene.log(&["verify"]).fine().contains("4 chunks, 2 archived"));
    assert!(scene.log(&["stats"]).fine().contains("1 sealed, 2 archived"));
    fs::rename(&archive, scene.path("unmounted")).unwrap();
    scene.log(&["tail"]).failed(3, &["archived chunk", "0000000001.chunk"]);
}

#[test]
fn an_archive_has_to_be_told_what_to_move() {
    let scene = Scene::of_chunks(2);
    scene.log(&["archive", "--to", "/tmp/x"]).failed(2, &["--keep"]);
    let chunks = scene.layout().chunks();
    let chunks = chunks.to_str().unwrap();
    scene.log(&["archive", "--to", chunks, "--keep", "0"]).failed(3, &["chunks are there now"]);
}

#[test]
fn a_log_is_cut_off_and_goes_on() {
    let scene = Scene::new();
    let refused = scene.log(&["repair", "--truncate-to", "1"]);
    refused.failed(2, &["nobody can be asked", "--yes"]);
    for part in ["is cut         4 records, up to position 5", "2025-10-09T", "cut-1"] {
        assert!(refused.out.contains(part), "{part:?} in {}", refused.out);
    }
    assert_eq!(scene.log(&["stats", "--json"]).json()["position"], 5);
    let text = scene.log(&["repair", "--truncate-to", "1", "--yes"]).fine();
    assert!(text.contains("the log ends at position 1"), "{text}");
    let stats = scene.log(&["stats", "--json"]).json();
    assert_eq!((&stats["position"], &stats["incarnation"]), (&json!(1), &json!(2)));
    assert_eq!(stats["cursors"][0]["position"], 1);
    scene.log(&["verify"]).fine();
    scene.append(vec![Units::new(9).small(1)]);
    scene.log(&["verify"]).fine();
}

#[test]
fn a_cut_inside_a_batch_is_refused_with_what_is_possible() {
    let scene = Scene::new();
    let said = scene.log(&["repair", "--truncate-to", "3", "--yes"]);
    said.failed(3, &["middle of a batch", "ends at 1 and at 4"]);
    let said = scene.log(&["repair", "--truncate-to", "9", "--yes"]);
    said.failed(3, &["only up to 5", "the log ends there"]);
    scene.log(&["repair", "--truncate-to", "5", "--yes"]).failed(3, &["nothing behind position 5"]);
}

#[test]
fn a_log_that_does_not_open_is_repaired_as_verify_says() {
    let scene = Scene::of_chunks(3);
    fs::remove_file(scene.layout().chunk(2)).unwrap();
    scene.log(&["tail"]).failed(3, &["chunk 2 is missing", "carrel log repair"]);
    let said = scene.log(&["verify", "--json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let trusted = report["trusted"].as_u64().unwrap();
    let last_good = trusted.to_string();
    let repaired = scene.log(&["repair", "--truncate-to", &last_good, "--yes", "--json"]).json();
    assert_eq!(repaired["damaged_chunks"], json!([2]));
    assert_eq!(scene.log(&["tail", "--after", "0"]).fine().lines().count() as u64, trusted);
}

#[test]
fn what_verify_says_can_be_trusted_is_where_the_log_can_be_cut() {
    let scene = Scene::of_chunks(2);
    // The second command of a batch: the first goes with it.
    let place = scene.log(&["show", "9", "--json"]).json()["place"].clone();
    let offset = place["offset"].as_u64().unwrap();
    overwrite(place["path"].as_str().unwrap().as_ref(), offset + 40, b"?");
    let said = scene.log(&["verify"]);
    let (_, command) = said.out.trim_end().split_once("carrel log repair").unwrap();
    let arguments: Vec<&str> =
        ["repair"].into_iter().chain(command.split_whitespace()).chain(["--yes"]).collect();
    scene.log(&arguments).fine();
}

#[test]
fn databases_are_not_for_what_works_on_files() {
    let url = "postgres://carrel@127.0.0.1:1/carrel";
    for command in
        [["archive", "--to", "/x", "--keep", "1"].as_slice(), &["repair", "--truncate-to", "1"]]
    {
        let said = crate::scene::carrel(&[&["log", "--log", url], command].concat());
        said.failed(2, &["works on a log in a directory"]);
    }
}
