//! A libvirtd that nobody else sees: with processes, network and host name of its own.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

const SILENCE_MAX: Duration = Duration::from_secs(10);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/lab/libvirtd");

/// Packages libvirt-daemon-system, libvirt-clients, qemu-system-x86, qemu-utils, busybox-static and
/// iproute2. The guests' kernel is found by ops/lab/kernel.
const NEEDED: [&str; 6] = [
    "/usr/sbin/libvirtd",
    "/usr/bin/virsh",
    "/usr/bin/qemu-system-x86_64",
    "/usr/bin/qemu-img",
    "/bin/busybox",
    "/usr/sbin/ip",
];

#[derive(Debug)]
pub struct Lab {
    script: Child,
    /// Until it is told to end.
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    uri: String,
    folder: TempDir,
}

impl Lab {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The same, with what is put into its folder before.
    pub fn start_with(prepare: impl FnOnce(&Path)) -> Self {
        for path in NEEDED {
            assert!(Path::new(path).exists(), "this test takes {path}, which ops/test installs");
        }
        assert!(rustix::process::geteuid().is_root(), "this test takes root, for namespaces");
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

    /// Where this libvirtd is reached.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// `stop`, `cont`, `kill` and `start` are for libvirtd; `qemu SIGNAL NAME` is for a guest.
    pub fn tell(&self, command: &str) {
        let mut talk = self.talk.lock().expect("one at a time");
        let (input, output) = talk.as_mut().expect("it has not ended");
        writeln!(input, "{command}").expect("the script listens");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("it answers");
        assert_eq!(answer.trim(), "ok", "{command}");
    }

    /// Of the host, for a moment: guests and libvirtd are gone, and libvirtd begins again.
    pub fn loses_power(&self) {
        self.tell("power");
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// By libvirt's own tool, so that what we say is not judged by ourselves.
    pub fn virsh(&self, arguments: &[&str]) -> String {
        let output = Command::new("virsh").args(["--connect", &self.uri]).args(arguments).output();
        let output = output.expect("virsh");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "virsh {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    /// The same where it may not be possible yet. Nothing: it has failed.
    pub fn tries(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("virsh").args(["--connect", &self.uri]).args(arguments).output();
        let output = output.expect("virsh");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The first process within knows itself as 1; from outside it has a number of its own.
    pub fn first_process(&self) -> PathBuf {
        let outer = self.script.id();
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
        let children = children.expect("the script has a child");
        Path::new("/proc").join(children.split_whitespace().next().expect("one child"))
    }

    /// Calls it within the lab's network, in which its threads are then, too.
    pub fn within<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let network = File::open(self.first_process().join("ns/net")).expect("its network");
        // A thread of its own, so that the test stays where it is.
        let there = thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the lab's network can be entered");
            call()
        });
        there.join().expect("called")
    }

    /// A connection within the lab's network.
    pub fn connect(&self, port: u16) -> TcpStream {
        let connects = move || TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        let stream = self.within(connects);
        stream.set_read_timeout(Some(SILENCE_MAX)).expect("set");
        stream
    }

    /// A connection within the lab's network to a server that has to show a certificate of this
    /// authority.
    pub fn connect_by_tls(&self, server: &str, authority: &Path) -> Piped {
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
#[derive(Debug)]
pub struct Piped(Child);

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
    #[expect(clippy::print_stdout, reason = "it is shown of a test that failed")]
    fn drop(&mut self) {
        if thread::panicking() {
            let said = fs::read_to_string(self.folder.path().join("libvirtd.said"));
            let said = said.unwrap_or_default();
            let odd = said.lines().filter(|line| !line.contains("ethtool"));
            println!("libvirtd said:\n{}", odd.collect::<Vec<_>>().join("\n"));
        }
        // Whoever waits for the script waits for everything in there.
        if let Ok(talk) = self.talk.get_mut() {
            drop(talk.take());
        }
        let _ = self.script.wait();
    }
}

/// Two minutes: a guest without a processor of its own boots in five seconds on an idle machine.
const LOOKS_MAX: usize = 1_200;
const LOOK_EACH: Duration = Duration::from_millis(100);

/// What there is as soon as there is something.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    looks(look).unwrap_or_else(|| panic!("it has not come to it: {what}"))
}

/// There is this in the end; otherwise it is said what there was instead.
#[track_caller]
pub fn comes_to<T: PartialEq + Debug>(what: &str, wanted: &T, mut look: impl FnMut() -> T) {
    let mut last = None;
    let found = looks(|| {
        last = Some(look());
        (last.as_ref() == Some(wanted)).then_some(())
    });
    assert!(found.is_some(), "it has not come to it: {what}: {last:#?} instead of {wanted:#?}");
}

fn looks<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let (_waiting, pause) = sync_channel::<()>(0);
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return Some(found);
        }
        let _ = pause.recv_timeout(LOOK_EACH);
    }
    None
}
