//! `carrel storage check`, beside a server that runs: real files of qemu-img's in a real folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::scene::{Said, said};
use crate::site::{Client, Server, Site};

/// A server whose one host has its storage in a folder of the test's.
struct Scene {
    site: Site,
    server: Server,
    client: Client,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new();
        let server = site.start();
        let mut client = Client::new(1);
        client.at(&server.url, &site.password()).expect("it is there");
        let mut scene = Self { site, server, client };
        fs::create_dir(scene.root()).expect("a folder");
        let hosts = json!({ "sim-001": scene.root(), "sim-002": null, "sim-003": null });
        scene.does("UpdateStorage", json!({ "storage": "main", "settings": { "hosts": hosts } }));
        let password = scene.site.data().join("admin-password");
        scene.carrel(&["login", "--password-file", password.to_str().expect("UTF-8")]).fine();
        scene
    }

    fn root(&self) -> PathBuf {
        fs::canonicalize(self.site.folder()).expect("a folder").join("storage")
    }

    fn does(&mut self, name: &str, data: Value) {
        self.client.does(name, data).expect("it is there");
        self.client.rests().expect("it is there");
    }

    fn carrel(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carrel"));
        for name in ["CARREL_CONFIG", "CARREL_DATA", "CARREL_STORAGE", "CARREL_SERVER"] {
            command.env_remove(name);
        }
        command.args(arguments).args(["--server", &self.server.url]);
        said(command.env("XDG_CONFIG_HOME", self.site.folder()))
    }

    fn check(&self, more: &[&str]) -> Said {
        let root = self.root();
        let arguments = ["storage", "check", "--hypervisor", "sim-001", "--storage"];
        self.carrel(&[&arguments[..], &[root.to_str().expect("UTF-8")], more].concat())
    }

    /// What was found of which file, and what was done about it.
    #[track_caller]
    fn findings(&self, more: &[&str], code: i32) -> Vec<(String, String, Value)> {
        let said = self.check(&[&["--output", "json"], more].concat());
        assert_eq!(said.code, Some(code), "{said:?}");
        let all: Value = serde_json::from_str(&said.out).expect("JSON");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let all = all["findings"].as_array().expect("a list").iter();
        all.map(|it| (text(&it["found"]), text(&it["path"]), it["done"].clone())).collect()
    }

    fn get(&self, path: &str) -> Value {
        self.client.get(path).expect("it is there").fine()
    }

    fn writes(&self, path: &str, bytes: &str) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn makes(&self, path: &str, on: Option<&str>) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let mut command = Command::new("qemu-img");
        command.args(["create", "-q", "-f", "qcow2"]);
        match on {
            None => command.arg(&path).arg("1G"),
            Some(on) => command.args(["-F", "qcow2", "-b"]).arg(self.root().join(on)).arg(&path),
        };
        assert!(command.status().expect("qemu-img").success());
        path
    }

    /// A golden machine, one child, a version below it: with all files that they should have.
    fn with_files(mut self) -> (Self, Files) {
        self.does("CreateMachine", json!({ "name": "gold", "kind": "source" }));
        self.does("CreateMachine", json!({ "name": "win11", "kind": "initial", "source": "gold" }));
        self.does("CopyFromSource", json!({ "initial": "win11" }));
        self.does("Populate", json!({ "initial": "win11", "count": 1 }));
        let image = self.get("/v1/images/win11@1");
        let version = format!("images/{}/1-0.qcow2", image["initial"].as_str().expect("an id"));
        let disk = |machine: &str| {
            let machine = self.get(&format!("/v1/machines/{machine}"));
            let (id, disk) = (&machine["id"], &machine["disks"][0]);
            let (id, of) = (id.as_str().expect("an id"), disk["id"].as_str().expect("an id"));
            let folder = format!("machines/{id}");
            (format!("{folder}/{of}-{}.qcow2", disk["overlay_generation"]), folder)
        };
        let (child, folder) = disk("win11-001");
        self.makes(&version, None);
        self.seals(&version);
        self.makes(&child, Some(&version));
        self.makes(&disk("win11").0, Some(&version));
        if self.get("/v1/machines/gold")["has_files"] == true {
            self.makes(&disk("gold").0, None);
        }
        let other = folder.clone();
        (self, Files { version, child, folder: other })
    }

    fn seals(&self, path: &str) {
        let mode = fs::Permissions::from_mode(0o444);
        fs::set_permissions(self.root().join(path), mode).expect("sealed");
    }
}

struct Files {
    version: String,
    child: String,
    /// Of the child.
    folder: String,
}

fn is_sealed(path: &Path) -> bool {
    fs::metadata(path).expect("a file").permissions().readonly()
}

fn of_another_day(path: &Path) {
    let touched = Command::new("touch").args(["-d", "2 days ago"]).arg(path).status();
    assert!(touched.expect("touch").success());
}

#[test]
fn a_storage_as_it_should_be_has_nothing_to_find() {
    let (scene, files) = Scene::new().with_files();
    scene.writes(&format!("{}/config.iso", files.folder), "who it is");
    scene.writes(&format!("{}/.half.qcow2.part", files.folder), "of just now");
    scene.writes("private/notes", "not in a folder of Carrel's");
    assert_eq!(scene.findings(&[], 0), []);
    let said = scene.check(&[]);
    assert!(said.fine().contains("holds what it should, and nothing else"));
}

#[test]
fn what_nobody_knows_is_shown_and_put_aside_only_when_that_is_asked_for() {
    let (scene, files) = Scene::new().with_files();
    let gone = "01990000-0000-7000-8000-000000000001";
    let orphan = format!("machines/{gone}/{gone}-1.qcow2");
    let older = format!("{}/{gone}-7.qcow2", files.folder);
    let media = format!("media/{gone}.iso");
    scene.makes(&orphan, Some(&files.version));
    scene.makes(&older, None);
    scene.writes(&media, "of a medium that was removed");
    let part = scene.writes("media/.x.iso.part", "left by somebody who was killed");
    of_another_day(&part);
    let found = |what: &str, path: &str, done: Value| (what.to_owned(), path.to_owned(), done);
    let mut expected = [
        found("half_made", "media/.x.iso.part", Value::Null),
        found("orphan", &orphan, Value::Null),
        found("orphan", &older, Value::Null),
        found("orphan", &media, Value::Null),
    ];
    expected.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    assert_eq!(scene.findings(&[], 1), expected);
    assert!(scene.root().join(&orphan).exists(), "looking changes nothing");

    let said = scene.check(&["--fix"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out.contains("to put all of it back") && said.out.contains("to delete"),
        "{said:?}"
    );
    assert!(!part.exists());
    assert_eq!(scene.findings(&[], 0), []);
    let mut days = fs::read_dir(scene.root().join("lost+found-carrel")).expect("a folder");
    let aside = days.next().expect("a day").expect("a day").path();
    for path in [&orphan, &older, &media] {
        assert!(aside.join(path).exists() && !scene.root().join(path).exists(), "{path}");
    }
    // What it says undoes it.
    let undo = said.out.lines().find_map(|line| line.trim().strip_prefix("to put all of it back:"));
    let undo = Command::new("sh").args(["-c", undo.expect("a way back")]).status();
    assert!(undo.expect("sh").success());
    assert!(!aside.exists());
    assert_eq!(scene.findings(&[], 1).len(), 3, "all are there again");
}

#[test]
fn what_carrel_knows_is_judged_and_never_moved() {
    let (scene, files) = Scene::new().with_files();
    let elsewhere = "images/01990000-0000-7000-8000-000000000001/1-0.qcow2";
    scene.makes(elsewhere, None);
    scene.makes(&files.child, Some(elsewhere));
    let version = scene.root().join(&files.version);
    fs::set_permissions(&version, fs::Permissions::from_mode(0o644)).expect("opened");
    let found = |what: &str, path: &str, done: Value| (what.to_owned(), path.to_owned(), done);
    let expected = [
        found("other_backing", &files.child, Value::Null),
        found("writable", &files.version, json!("sealed")),
    ];
    assert_eq!(scene.findings(&["--fix"], 1), expected);
    assert!(is_sealed(&version));
    assert!(scene.root().join(elsewhere).exists(), "something that is known stands on it");

    fs::remove_file(&version).expect("removed");
    fs::write(scene.root().join(&files.child), "no disk").expect("written");
    let expected = [
        found("missing", &files.version, Value::Null),
        found("damaged", &files.child, Value::Null),
        found("orphan", elsewhere, json!("put aside")),
    ];
    assert_eq!(scene.findings(&["--fix"], 1), expected);
    assert!(scene.root().join(&files.child).exists());
}

#[test]
fn who_can_not_ask_finds_nothing_lost() {
    let (mut scene, _) = Scene::new().with_files();
    let orphan = scene.writes("media/lost.iso", "nobody's");
    let root = scene.root();
    let root = root.to_str().expect("UTF-8");
    let nothing = |said: &Said, says: &[&str]| {
        said.failed(2, says);
        assert_eq!(said.out, "");
    };
    // Another folder, another host, and no host at all.
    let other = scene.site.folder().join("other");
    fs::create_dir_all(other.join("media")).expect("a folder");
    fs::write(other.join("media/x.iso"), "of somebody else").expect("written");
    let other = other.to_str().expect("UTF-8").to_owned();
    let at = |host: &str, storage: &str| {
        scene.carrel(&["storage", "check", "--fix", "--hypervisor", host, "--storage", storage])
    };
    nothing(&at("sim-001", &other), &["none of the storages that the server knows", "main at"]);
    nothing(&at("sim-002", root), &["none of the storages that the server knows"]);
    nothing(&at("sim-001", "/no/such/folder"), &["is no storage"]);
    let data = scene.site.data();
    let data = ["--data", data.to_str().expect("UTF-8")];
    let said = scene.carrel(&[&["storage", "check", "--storage", root], &data[..]].concat());
    nothing(&said, &["does not say which host this is"]);
    // A server that is not there, and one that knows nobody.
    let url = std::mem::replace(&mut scene.server.url, "http://127.0.0.1:9".to_owned());
    nothing(&scene.check(&["--fix"]), &["nobody is signed in"]);
    scene.server.url = url;
    scene.carrel(&["logout"]).fine();
    nothing(&scene.check(&["--fix"]), &["nobody is signed in"]);
    let password = scene.site.data().join("admin-password");
    scene.carrel(&["login", "--password-file", password.to_str().expect("UTF-8")]).fine();
    scene.server.asked_to_end();
    while scene.server.runs() {
        std::thread::yield_now();
    }
    nothing(&scene.check(&["--fix"]), &["can't be reached"]);
    assert!(orphan.exists());
}
