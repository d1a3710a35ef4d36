//! A site of one real host.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use carrel_lab::{Lab, Room, eventually, guest_image};
use serde_json::{Value, json};

const CARREL: &str = env!("CARGO_BIN_EXE_carrel");
const PASSWORD: &str = "correct horse battery staple";

pub(crate) struct Site {
    /// Where its storage is, if that can get full.
    pub(crate) room: Option<Room>,
    pub(crate) lab: Lab,
    folder: PathBuf,
    up: Option<Child>,
    server: String,
    /// Of `carrel up`, beside those of every site.
    options: Vec<String>,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::on(Lab::start(), Vec::new())
    }

    /// On a storage of this size.
    pub(crate) fn start_small(mib: u32) -> Self {
        let mut room = None;
        let lab = Lab::start_with(|folder| room = Some(Room::of(&folder.join("storage"), mib)));
        Self::begin(lab, room, Vec::new())
    }

    pub(crate) fn on(lab: Lab, options: Vec<String>) -> Self {
        Self::begin(lab, None, options)
    }

    fn begin(lab: Lab, room: Option<Room>, options: Vec<String>) -> Self {
        let folder = lab.folder().join("carrel");
        fs::create_dir(&folder).expect("a folder");
        let mut site = Self { room, lab, folder, up: None, server: String::new(), options };
        site.up();
        site
    }

    /// What of `carrel` is run, with nothing of this user's.
    fn carrel(&self) -> Command {
        // Whoever starts it may let nobody see their files; QEMU has to, all the same.
        let mut command = Command::new("bash");
        command.args(["-c", "umask 077 && exec \"$0\" \"$@\"", CARREL]);
        for name in ["CARREL_CONFIG", "CARREL_DATA", "CARREL_LISTEN", "CARREL_SERVER"] {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", &self.folder).stdin(Stdio::null());
        command
    }

    pub(crate) fn storage(&self) -> PathBuf {
        self.lab.folder().join("storage")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it, and signs in.
    pub(crate) fn up(&mut self) {
        self.start_with(None);
    }

    /// It ends by itself at this moment: a failpoint, and how many times it is reached.
    pub(crate) fn up_until(&mut self, moment: &str) {
        self.start_with(Some(moment));
    }

    fn start_with(&mut self, kill_at: Option<&str>) {
        let said = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("said"))
            .expect("a file");
        let mut command = self.carrel();
        if let Some(moment) = kill_at {
            command.env("CARREL_KILL_AT", moment);
        }
        let mut up = command
            .args(["up", "--driver", "libvirt", "--listen", "127.0.0.1:0"])
            .args(["--libvirt-uri", self.lab.uri()])
            .arg("--storage")
            .arg(self.storage())
            .arg("--data")
            .arg(self.data())
            .args(&self.options)
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .expect("it starts");
        let output = BufReader::new(up.stdout.take().expect("its output"));
        self.up = Some(up);
        let ready = output.lines().map_while(Result::ok);
        let url =
            ready.filter_map(|line| line.strip_prefix("Carrel is ready: ").map(str::to_owned));
        let Some(url) = url.take(1).next() else {
            let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
            panic!("it does not say where it listens: {said}");
        };
        self.server = url;
        let password = self.data().join("admin-password");
        self.does(&["login", "--password-file", password.to_str().expect("UTF-8")]);
    }

    /// It is told to end, and has ended.
    pub(crate) fn stop(&mut self) {
        if let Some(up) = &mut self.up {
            let pid = up.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &pid]).status();
            let _ = up.wait();
        }
        self.up = None;
    }

    /// It has ended by itself, or is about to.
    pub(crate) fn has_ended(&mut self) {
        if let Some(mut up) = self.up.take() {
            let _ = up.wait();
        }
    }

    /// As the power would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut up) = self.up.take() {
            let _ = up.kill();
            let _ = up.wait();
        }
    }

    pub(crate) fn asks(&self, arguments: &[&str]) -> Output {
        let output = self.carrel().args(arguments).args(["--server", &self.server]).output();
        output.expect("carrel")
    }

    #[track_caller]
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let output = self.asks(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "carrel {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Why an operation that was asked for has failed, as people are told.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let refused = self.asks(arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "carrel {arguments:?} is done");
        let Some((_, rest)) = said.split_once("carrel get operations ") else { return said };
        let operation = rest.split_whitespace().next().expect("its id");
        self.does(&["get", "operations", operation, "--output", "yaml"])
    }

    #[track_caller]
    pub(crate) fn get(&self, kind: &str, which: &str) -> Value {
        let text = self.does(&["get", kind, which, "--output", "json"]);
        serde_json::from_str(&text).expect("JSON")
    }

    #[track_caller]
    pub(crate) fn id(&self, kind: &str, which: &str) -> String {
        self.get(kind, which)["id"].as_str().expect("an id").to_owned()
    }

    /// A source that boots, from a disk that somebody has made elsewhere.
    pub(crate) fn import(&self, source: &str) {
        let image = self.folder.join("guest.qcow2");
        guest_image(&image);
        self.does(&["upload", image.to_str().expect("UTF-8"), "--name", "disk"]);
        let size = ["--size-gib", "1", "--wait"];
        let import = ["do", "ImportImage", "--file", "disk", "--as", "source", "--name", source];
        self.does(&[&import[..], &size[..]].concat());
        let hardware = json!({
            "firmware": "bios", "memory_mib": 128,
            "cpu": { "sockets": 1, "cores": 1, "threads": 1 },
        });
        let update = json!({ "machine": source, "settings": { "hardware": hardware } });
        self.does(&["do", "UpdateMachine", "--data", &update.to_string(), "--wait"]);
    }

    /// Nothing lies on its storage that should not, and nothing is missing.
    #[track_caller]
    pub(crate) fn has_what_it_should(&self) {
        let (data, storage) = (self.data(), self.storage());
        let said = self.asks(&[
            "storage",
            "check",
            "--data",
            data.to_str().expect("UTF-8"),
            "--storage",
            storage.to_str().expect("UTF-8"),
        ]);
        assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stdout));
    }

    /// What it has said to whoever reads its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }

    /// Where it listens, and what lets the first administrator in.
    pub(crate) fn server(&self) -> (&str, String) {
        let kept = fs::read_to_string(self.folder.join("carrel/sign-ins.json")).expect("a file");
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        let token = kept["servers"][&self.server]["token"].as_str().expect("a token").to_owned();
        (&self.server, token)
    }

    /// What the API answers to the first administrator. Nothing: not for now.
    pub(crate) fn answers(&self, path: &str) -> Option<Vec<u8>> {
        let (url, token) = self.server();
        let asked = ureq::get(format!("{url}{path}"));
        let answer = asked.header("authorization", format!("Bearer {token}")).call();
        answer.ok().map(|mut answer| answer.body_mut().read_to_vec().expect("it is sent whole"))
    }

    /// Its guest runs this by its agent, which comes up with it.
    pub(crate) fn runs(&self, machine: &str, script: &str) {
        let command = json!({
            "execute": "guest-exec", "arguments": { "path": "/bin/sh", "arg": ["-c", script] },
        });
        let command = command.to_string();
        eventually("its agent listens", || {
            self.lab.tries(&["qemu-agent-command", machine, &command])
        });
    }

    /// With a golden machine, copied from a source that was imported.
    pub(crate) fn with_initial(initial: &str) -> Self {
        let site = Self::start();
        site.makes_initial(initial);
        site
    }

    pub(crate) fn makes_initial(&self, initial: &str) {
        self.import("gold");
        self.creates_initial(initial);
        self.does(&["do", "CopyFromSource", "--initial", initial, "--wait"]);
    }

    /// Without a disk.
    pub(crate) fn creates_initial(&self, initial: &str) {
        let create = ["do", "CreateMachine", "--kind", "initial", "--source", "gold", "--wait"];
        self.does(&[&create[..], &["--name", initial]].concat());
    }

    /// The only session that there is ends.
    pub(crate) fn ends_session(&self) {
        let sessions = self.does(&["get", "sessions", "--output", "json"]);
        let sessions: Value = serde_json::from_str(&sessions).expect("JSON");
        let session = sessions[0]["id"].as_str().expect("a session");
        self.does(&["do", "EndSession", "--session", session, "--wait"]);
    }

    pub(crate) fn person(&self, name: &str) {
        let file = self.folder.join("password");
        fs::write(&file, PASSWORD).expect("written");
        let password = format!("@{}", file.display());
        self.does(&["do", "CreateClient", "--name", name, "--password", &password, "--wait"]);
    }

    pub(crate) fn connects(&self, name: &str, desktop: &str) -> Viewer {
        Viewer::read(&fs::read_to_string(self.viewer_file(name, desktop)).expect("text"))
    }

    /// What the person's viewer opens.
    pub(crate) fn viewer_file(&self, name: &str, desktop: &str) -> PathBuf {
        let (file, answered) = self.tries_to_connect(name, desktop);
        let complaint = String::from_utf8_lossy(&answered.stderr);
        assert!(answered.status.success(), "carrel connect {desktop}: {complaint}");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
        file
    }

    /// Where it is to be, and what comes of it.
    pub(crate) fn tries_to_connect(&self, name: &str, desktop: &str) -> (PathBuf, Output) {
        let (file, password) = (self.folder.join("a.vv"), self.folder.join("password"));
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (shown, password) = (path(&file), path(&password));
        let who = ["--user", name, "--password-file", &password, "--file", &shown];
        let answered = self.asks(&[&["connect", desktop], &who[..]].concat());
        (file, answered)
    }

    /// The password was of use for all channels of a viewer, and is none any more: whoever tried it
    /// before would push that viewer out.
    pub(crate) fn takes_back(&self, machine: &str, password: &str) {
        eventually("the password is taken back", || {
            let told = self.lab.virsh(&["dumpxml", "--security-info", machine]);
            (!told.contains(password)).then_some(())
        });
    }

    /// It is started. Who its guest says it is, at the boot that this has to be: its name and its
    /// serial number.
    pub(crate) fn boots_as(&self, machine: &str, boot: u32) -> String {
        let said = || {
            let console = self.console(machine);
            let begin = format!("carrel-guest: boot {boot} of ");
            let lines = console.lines().filter_map(|line| line.strip_prefix(&begin));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let before = said().len();
        self.does(&["do", "StartMachine", "--machines", machine, "--wait"]);
        eventually(&format!("{machine} is at boot {boot}"), || said().into_iter().nth(before))
    }

    /// What its guest has said since its host knows it.
    pub(crate) fn console(&self, machine: &str) -> String {
        let file = format!("consoles/{}.log", self.id("machines", machine));
        let bytes = fs::read(self.storage().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The file that its guest writes: while it is off, its domain may still name the one before.
    pub(crate) fn disk(&self, machine: &str) -> PathBuf {
        let found = self.get("machines", machine);
        let (id, disk) = (found["id"].as_str(), &found["disks"][0]);
        let (of, generation) = (disk["id"].as_str(), &disk["overlay_generation"]);
        let (id, of) = (id.expect("an id"), of.expect("an id"));
        self.storage().join(format!("machines/{id}/{of}-{generation}.qcow2"))
    }

    /// The attributes or texts that its domain has there, by an XPath: as it runs, if it does.
    pub(crate) fn xml(&self, machine: &str, path: &str) -> Vec<String> {
        self.dumped(&[machine], path)
    }

    /// The same of its definition.
    pub(crate) fn defined_xml(&self, machine: &str, path: &str) -> Vec<String> {
        self.dumped(&["--inactive", machine], path)
    }

    fn dumped(&self, of: &[&str], path: &str) -> Vec<String> {
        let dump = ["dumpxml", "--security-info", "--xpath", path];
        let told = self.lab.virsh(&[&dump[..], of].concat());
        // Each on a line of its own, an attribute with its name: name="value".
        let value = |line: &str| line.split('"').nth(1).unwrap_or(line).to_owned();
        told.lines().map(value).collect()
    }

    /// The disks of its domain, as libvirt has them.
    pub(crate) fn domain_disks(&self, machine: &str) -> Vec<PathBuf> {
        let text = self.lab.virsh(&["domblklist", "--details", machine]);
        let disks = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let is_disk = words.next() == Some("file") && words.next() == Some("disk");
            is_disk.then(|| words.nth(1).map(PathBuf::from))?
        });
        disks.collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            println!("{}", fs::read_to_string(self.folder.join("said")).unwrap_or_default());
        }
    }
}

/// Of virt-viewer's file, what a viewer needs.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) port: u16,
    pub(crate) password: String,
    pub(crate) machine: String,
}

impl Viewer {
    pub(crate) fn read(text: &str) -> Self {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
        };
        let of = |name: &str| field(name).unwrap_or_else(|| panic!("no {name} in {text}"));
        assert_eq!((of("type"), of("host")), ("spice".to_owned(), "127.0.0.1".to_owned()));
        let port = of("port").parse().expect("a port");
        Self { port, password: of("password"), machine: of("title") }
    }
}
