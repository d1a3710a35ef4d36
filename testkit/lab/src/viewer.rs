//! The viewer that people have, on a screen that nobody sees.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::host::Lab;

/// An X server of its own. Package xvfb.
#[derive(Debug)]
pub struct Screen {
    server: Child,
    name: String,
}

impl Screen {
    pub fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb, which ops/test installs");
        let mut number = String::new();
        let mut said = BufReader::new(server.stdout.take().expect("its output"));
        said.read_line(&mut number).expect("it says its number");
        Self { server, name: format!(":{}", number.trim()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// `remote-viewer` in the lab's network. Package virt-viewer.
#[derive(Debug)]
pub struct Viewer {
    process: Child,
    said: PathBuf,
}

impl Viewer {
    /// Opens such a file, and writes beside it what it does.
    pub fn open(lab: &Lab, screen: &Screen, file: &Path) -> Self {
        let said = file.with_extension("said");
        let output = File::create(&said).expect("a file");
        let home = file.parent().expect("a folder");
        let process = Command::new("nsenter")
            .arg(format!("--net={}", lab.first_process().join("ns/net").display()))
            .args(["remote-viewer", "--debug"])
            .arg(file)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home)
            .env("DISPLAY", &screen.name)
            .env("NO_AT_BRIDGE", "1")
            .env("G_MESSAGES_DEBUG", "all")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("remote-viewer, which ops/test installs");
        Self { process, said }
    }

    pub fn said(&self) -> String {
        let bytes = fs::read(&self.said).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
