//! A disk of two files becomes one that is sealed and durable; beside it `qemu-img convert` with
//! the same flags, and a sync.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use carrel_driver::{Place, Step};
use carrel_model::machine::Format;
use carrel_workers::lanes::Lanes;
use tokio::runtime::Runtime;

use super::machine::{self, Machine};
use super::times::Times;
use super::{Session, paused};
use crate::figures::Goal;
use crate::report::{Section, Table, number};
use crate::{Failure, clock, say};

const DISK_GIB: u32 = 4;
/// Of 8 MiB each, one in every 32 MiB of the disk: three quarters in the file below.
const PIECES: u64 = 128;
const PIECES_BELOW: u64 = 96;
const ROOM_BYTES: u64 = 6 << 30;
/// As carrel-images tells qemu-img (workers/images/src/tool/call.rs).
const FLAGS: [&str; 9] = [
    "-p",
    "-t",
    "none",
    "-O",
    "qcow2",
    "-o",
    "compat=1.1,cluster_size=65536,lazy_refcounts=off",
    "-f",
    "qcow2",
];

struct Scene<'a> {
    session: &'a Session<'a>,
    runtime: Runtime,
    lanes: Arc<Lanes>,
    machine: Machine,
    golden: Place,
    copy: Place,
    version: Place,
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    session.place.needs(ROOM_BYTES)?;
    let (host, runtime) = (session.host()?, session.runtime()?);
    let root = machine::root(&host)?;
    let golden = machine::place(&root, "golden.qcow2")?;
    let scene = Scene {
        session,
        runtime,
        lanes: paused::lanes(&host)?,
        machine: Machine::new(&root, 1, &golden)?,
        golden,
        copy: machine::place(&root, "copy.qcow2")?,
        version: machine::place(&root, "version.qcow2")?,
    };
    scene.prepare(&machine::place(&root, "below.qcow2")?)?;
    let mut ours = Times::of("Carrel's driver: copied, sealed, durable");
    let mut theirs = Times::of("qemu-img convert, and fsync");
    let mut whole = Times::of("Carrel's driver: the same, and its content's digest");
    for round in 1..=session.rounds() {
        ours.turns.push(scene.copied()?);
        theirs.turns.push(scene.converted()?);
        whole.turns.push(scene.copied_with_digest()?);
        let nth = ours.turns.len() - 1;
        say(&format!(
            "round {round}, copies: {:.2} s, {:.2} s, {:.2} s",
            ours.turns[nth], theirs.turns[nth], whole.turns[nth]
        ));
    }
    Ok(section(&[ours, theirs, whole]))
}

fn section(all: &[Times; 3]) -> Section {
    let [ours, theirs, _] = all;
    let times = ours.times(theirs);
    Section {
        name: "copy",
        goals: vec![Goal::at_least(
            0.95,
            "x",
            "a copy, sealed and durable ÷ qemu-img convert and fsync",
            times.median,
        )],
        figures: all.iter().map(Times::figures).collect(),
        tables: vec![Table {
            title: String::from("A disk of 4 GiB with 1 GiB in it, in two files, becomes one"),
            notes: vec![format!(
                "- Beside qemu-img: {} to {} times as fast.",
                number(times.min),
                number(times.max)
            )],
            columns: Times::COLUMNS.to_vec(),
            rows: all.iter().map(Times::row).collect(),
        }],
    }
}

impl Scene<'_> {
    fn does(&self, step: Step) -> Result<(), Failure> {
        self.session.stop.check()?;
        self.runtime.block_on(paused::one(&self.lanes, self.machine.doing(), step))?;
        Ok(())
    }

    fn prepare(&self, below: &Place) -> Result<(), Failure> {
        let (format, size_gib) = (Format::Qcow2, DISK_GIB);
        self.does(Step::MakeDisk { file: below.clone(), format, size_gib, on: None })?;
        self.write(below, 0..PIECES_BELOW)?;
        let on = Some((below.clone(), format));
        self.does(Step::MakeDisk { file: self.golden.clone(), format, size_gib, on })?;
        self.write(&self.golden, PIECES_BELOW..PIECES)
    }

    fn write(&self, disk: &Place, pieces: std::ops::Range<u64>) -> Result<(), Failure> {
        let mut command = Command::new("qemu-io");
        command.args(["-f", "qcow2"]).stdout(Stdio::null());
        for piece in pieces {
            let at = (piece * 32) << 20;
            command.args(["-c", &format!("write -P {} {at} 8M", 1 + piece % 255)]);
        }
        let status = self.session.stop.wait(command.arg(disk.path()).spawn()?)?;
        if !status.success() {
            return Err(format!("qemu-io: {status}").into());
        }
        Ok(File::open(disk.path())?.sync_all()?)
    }

    fn copied(&self) -> Result<f64, Failure> {
        let (from, to, format) = (self.golden.clone(), self.copy.clone(), Format::Qcow2);
        let begun = clock::now();
        self.does(Step::Copy { from, to, format })?;
        self.does(Step::Seal { from: self.copy.clone(), to: self.version.clone() })?;
        let took = clock::now() - begun;
        fs::remove_file(self.version.path())?;
        Ok(took.as_secs_f64())
    }

    fn copied_with_digest(&self) -> Result<f64, Failure> {
        let (from, to, format) = (self.golden.clone(), self.version.clone(), Format::Qcow2);
        let begun = clock::now();
        self.does(Step::CopyVersion { from, to, format })?;
        let took = clock::now() - begun;
        fs::remove_file(self.version.path())?;
        Ok(took.as_secs_f64())
    }

    fn converted(&self) -> Result<f64, Failure> {
        let to = self.copy.path();
        let begun = clock::now();
        let mut command = Command::new("qemu-img");
        command.arg("convert").args(FLAGS).args([self.golden.path(), to.clone()]);
        let status = self.session.stop.wait(command.stdout(Stdio::null()).spawn()?)?;
        if !status.success() {
            return Err(format!("qemu-img: {status}").into());
        }
        File::open(Path::new(&to))?.sync_all()?;
        let took = clock::now() - begun;
        fs::remove_file(&to)?;
        Ok(took.as_secs_f64())
    }
}
