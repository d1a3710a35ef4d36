//! docs/guides/first-site.md does what it says, word for word.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

const GUIDE: &str = include_str!("../../../docs/guides/first-site.md");
const CARREL: &str = env!("CARGO_BIN_EXE_carrel");

/// The blocks between ``` of one kind.
fn blocks(kind: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = GUIDE.lines();
    while let Some(line) = lines.next() {
        if line != format!("```{kind}") {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(block.join("\n"));
    }
    blocks
}

/// In a folder of its own, with nothing of this user's.
fn shell(folder: &Path, script: &str) -> Command {
    let folder_of_carrel = Path::new(CARREL).parent().expect("a folder").display();
    let script = format!("PATH='{folder_of_carrel}':$PATH\n{script}");
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(folder).env("HOME", folder);
    for name in ["CARREL_CONFIG", "CARREL_DATA", "CARREL_LISTEN", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    command
}

/// Ends with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it on a port that is free, and waits until it says where it listens.
fn started(folder: &Path) -> (Running, String) {
    let start = blocks("sh start").remove(0);
    let mut command = shell(folder, &format!("exec {start}"));
    command.env("CARREL_LISTEN", "127.0.0.1:0").stdout(Stdio::piped());
    let mut running = Running(command.spawn().expect("it starts"));
    let said = BufReader::new(running.0.stdout.take().expect("its output"));
    let url = said.lines().map_while(Result::ok).find_map(|line| {
        let at = line.find("http://")?;
        line[at..].split_whitespace().next().map(str::to_owned)
    });
    (running, url.expect("it says where it listens"))
}

/// What it says there is, after all that.
fn there_is_what_the_guide_says(get: impl Fn(&str) -> Vec<Value>) {
    let desktops = get("machines --filter kind=vdi");
    assert_eq!(desktops.len(), 200, "none is gone, also not the one of the dry run");
    assert!(desktops.iter().all(|machine| machine["virtual_snapshot"] == true));
    // Each look is a process, and a simulated machine starts within some hundred of them.
    let session = (0..LOOKS_MAX).find_map(|_| {
        let sessions = get("sessions");
        let [session] = sessions.as_slice() else { panic!("one person asked once: {sessions:?}") };
        session["machine_name"].as_str().map(str::to_owned)
    });
    let machine = session.expect("anna has a machine");
    let state = || desktop(&get("machines --filter kind=vdi"), &machine)["state"].clone();
    assert!((0..LOOKS_MAX).any(|_| state() == "running"), "{machine} is {}", state());
}

const LOOKS_MAX: usize = 300;

fn desktop(desktops: &[Value], name: &str) -> Value {
    desktops.iter().find(|machine| machine["name"] == name).cloned().unwrap_or_default()
}

#[test]
fn the_first_site_is_as_the_guide_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, url) = started(folder.path());
    let steps = blocks("sh");
    assert!(steps.len() > 5, "the guide has its steps: {steps:?}");
    let does = |step: &str| {
        let mut command = shell(folder.path(), step);
        let output = command.env("CARREL_SERVER", &url).output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{step}\n{said}\n{told}");
        said
    };
    for step in steps {
        does(&step);
    }
    there_is_what_the_guide_says(|what| {
        let said = does(&format!("carrel get {what} --all -o json"));
        let found: Value = serde_json::from_str(&said).expect("JSON");
        found.as_array().cloned().unwrap_or_else(|| panic!("a list: {said}"))
    });
}
