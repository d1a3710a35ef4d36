//! A libvirtd that nobody else sees.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use carrel_libvirt::{Host, Settings, Target};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use carrel_domain::{Domain, HostFile};

const SILENCE_MAX: Duration = Duration::from_secs(10);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/lab/libvirtd");

/// Packages libvirt-daemon-system, libvirt-clients, qemu-system-x86, qemu-utils, busybox-static and
/// iproute2. The guests' kernel is of linux-image-cloud-amd64.
const NEEDED: [&str; 6] = [
    "/usr/sbin/libvirtd",
    "/usr/bin/virsh",
    "/usr/bin/qemu-system-x86_64",
    "/usr/bin/qemu-img",
    "/bin/busybox",
    "/usr/sbin/ip",
];

pub(crate) struct Lab {
    script: Child,
    /// Until it is told to end.
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    uri: String,
    folder: TempDir,
}

pub(crate) fn lab() -> Lab {
    lab_with(|_| {})
}

/// The same, with what is put into its folder before.
pub(crate) fn lab_with(prepare: impl FnOnce(&Path)) -> Lab {
    for path in NEEDED {
        assert!(Path::new(path).exists(), "this test takes {path}, which ops/test installs");
    }
    assert!(rustix::process::geteuid().is_root(), "this test takes root, for namespaces");
    Lab::start(prepare)
}

impl Lab {
    fn start(prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("carrel-lab-").tempdir().expect("a folder");
        prepare(folder.path());
        let mut script = Command::new(SCRIPT)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab's script");
        let input = script.stdin.take().expect("its input");
        let mut output = BufReader::new(script.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it says that it is ready");
        let uri = line.trim().strip_prefix("ready ").expect("it is ready").to_owned();
        Self { script, talk: Mutex::new(Some((input, output))), uri, folder }
    }

    pub(crate) fn host(&self) -> Arc<Host> {
        self.host_with(|_| {})
    }

    pub(crate) fn host_with(&self, set: impl FnOnce(&mut Settings)) -> Arc<Host> {
        let mut settings = Settings::new(&self.uri);
        set(&mut settings);
        Arc::new(Host::new(settings))
    }

    /// `stop`, `cont`, `kill` and `start` are for libvirtd; `qemu SIGNAL NAME` is for a guest.
    pub(crate) fn tell(&self, command: &str) {
        let mut talk = self.talk.lock().expect("one at a time");
        let (input, output) = talk.as_mut().expect("it has not ended");
        writeln!(input, "{command}").expect("the script listens");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("it answers");
        assert_eq!(answer.trim(), "ok", "{command}");
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> HostFile {
        let path = self.folder.path().join(name);
        HostFile::new(path.to_str().expect("UTF-8")).expect("a path")
    }

    /// What a guest wrote to its serial port.
    pub(crate) fn console(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(format!("{name}.console")));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// By libvirt's own tool, so that what we say is not judged by ourselves.
    pub(crate) fn virsh(&self, arguments: &[&str]) -> String {
        let output = Command::new("virsh").args(["--connect", &self.uri]).args(arguments).output();
        let output = output.expect("virsh");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "virsh {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    /// The first process within knows itself as 1; from outside it has a number of its own.
    pub(crate) fn first_process(&self) -> PathBuf {
        let outer = self.script.id();
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
        let children = children.expect("the script has a child");
        Path::new("/proc").join(children.split_whitespace().next().expect("one child"))
    }

    /// A connection within the lab's network.
    pub(crate) fn connect(&self, port: u16) -> TcpStream {
        let network = File::open(self.first_process().join("ns/net")).expect("its network");
        // A thread of its own, so that the test stays where it is.
        let connecting = thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the lab's network can be entered");
            TcpStream::connect(("127.0.0.1", port)).expect("somebody listens")
        });
        let stream = connecting.join().expect("connected");
        stream.set_read_timeout(Some(SILENCE_MAX)).expect("set");
        stream
    }

    /// A connection within the lab's network to a server that has to show a certificate of this
    /// authority.
    pub(crate) fn connect_by_tls(&self, server: &str, authority: &Path) -> Piped {
        let network = self.first_process().join("ns/net");
        let child = Command::new("nsenter")
            .arg(format!("--net={}", network.display()))
            .args(["openssl", "s_client", "-quiet", "-verify_return_error", "-connect", server])
            .arg("-CAfile")
            .arg(authority)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Piped(child.expect("openssl"))
    }
}

/// What a process reads and writes.
pub(crate) struct Piped(Child);

impl Read for Piped {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.stdout.as_mut().map_or(Ok(0), |output| output.read(bytes))
    }
}

impl Write for Piped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.stdin.as_mut().map_or(Ok(0), |input| input.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.stdin.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Lab {
    /// The end of its input is the end of all of it.
    fn drop(&mut self) {
        if thread::panicking() {
            let said = fs::read_to_string(self.folder.path().join("libvirtd.said"));
            let said = said.unwrap_or_default();
            let odd = said.lines().filter(|line| !line.contains("ethtool"));
            println!("libvirtd said:\n{}", odd.collect::<Vec<_>>().join("\n"));
            println!("the first guest said:\n{}", self.console("carrel-test-1"));
        }
        // Whoever waits for the script waits for everything in there.
        if let Ok(talk) = self.talk.get_mut() {
            drop(talk.take());
        }
        let _ = self.script.wait();
    }
}

/// An image, by QEMU's own tool.
#[track_caller]
pub(crate) fn make(arguments: &[&str]) {
    let output = Command::new("qemu-img").args(arguments).output().expect("qemu-img");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn target(domain: &Domain) -> Target {
    Target { uuid: domain.uuid, machine: domain.ours.machine }
}
