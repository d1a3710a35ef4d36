//! Desktops come to be: an overlay on one file, a definition, and a QEMU that waits. Beside it the
//! same by shell loops, with the same definitions.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use carrel_domain::Domain;
use carrel_driver::{Root, Step};
use carrel_model::machine::Format;
use carrel_workers::lanes::Lanes;
use tokio::runtime::Runtime;

use super::machine::{self, DISK_GIB, Machine};
use super::shell::Loop;
use super::times::Times;
use super::{Host, Session, paused};
use crate::figures::Goal;
use crate::report::{Section, Table, number};
use crate::{Failure, clock, say};

const DESKTOPS: usize = 50;

struct Scene<'a> {
    session: &'a Session<'a>,
    runtime: Runtime,
    lanes: Arc<Lanes>,
    machines: Vec<Machine>,
    base: PathBuf,
    /// What the loops read.
    desktops: PathBuf,
    host: Host,
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let scene = Scene::new(session)?;
    let best = scene.fastest()?;
    let mut ours = Times::of("Carrel's driver, as a worker calls it");
    let mut parallel = Times::of(best.to_string());
    let mut serial = Times::of(Loop::SERIAL.to_string());
    for round in 1..=session.rounds() {
        ours.turns.push(scene.by_driver()?);
        parallel.turns.push(scene.by(best)?);
        serial.turns.push(scene.by(Loop::SERIAL)?);
        let nth = ours.turns.len() - 1;
        say(&format!(
            "round {round}, {DESKTOPS} desktops: {:.2} s, {:.2} s, {:.2} s",
            ours.turns[nth], parallel.turns[nth], serial.turns[nth]
        ));
    }
    Ok(section(&[ours, parallel, serial]))
}

fn section(all: &[Times; 3]) -> Section {
    let [ours, parallel, serial] = all;
    let (of_best, of_serial) = (ours.times(parallel), ours.times(serial));
    let range = |who: &str, it: crate::figures::Spread| {
        format!("- {who}: {} to {} times as fast.", number(it.min), number(it.max))
    };
    Section {
        name: "making",
        goals: vec![
            Goal::at_least(
                0.95,
                "x",
                "50 desktops made, paused ÷ the best parallel shell loop",
                of_best.median,
            ),
            Goal::at_least(
                2.0,
                "x",
                "50 desktops made, paused ÷ the serial shell loop",
                of_serial.median,
            ),
        ],
        figures: all.iter().map(Times::figures).collect(),
        tables: vec![Table {
            title: format!("{DESKTOPS} overlays, definitions, and QEMUs that wait"),
            notes: vec![
                range("Beside the parallel loop", of_best),
                range("Beside the serial loop", of_serial),
            ],
            columns: Times::COLUMNS.to_vec(),
            rows: all.iter().map(Times::row).collect(),
        }],
    }
}

impl<'a> Scene<'a> {
    fn new(session: &'a Session<'a>) -> Result<Self, Failure> {
        let (host, runtime) = (session.host()?, session.runtime()?);
        let root = machine::root(&host)?;
        let lanes = paused::lanes(&host)?;
        let base = machine::place(&root, "images/base.qcow2")?;
        let machines = (1..=DESKTOPS).map(|number| Machine::new(&root, number, &base));
        let machines = machines.collect::<Result<Vec<_>, _>>()?;
        let scene = Self {
            session,
            base: base.path().into(),
            desktops: host.storage.path().join("desktops"),
            runtime,
            lanes,
            machines,
            host,
        };
        scene.prepare(&root)?;
        Ok(scene)
    }

    /// The file below, and what of a desktop is not made again each time: its folder, its CD, and
    /// for the loops its definition, as the driver has it.
    fn prepare(&self, root: &Root) -> Result<(), Failure> {
        let (file, format) = (machine::place(root, "images/base.qcow2")?, Format::Qcow2);
        let blank = Step::MakeDisk { file, format, size_gib: DISK_GIB, on: None };
        self.runtime.block_on(paused::one(&self.lanes, self.machines[0].doing(), blank))?;
        self.for_all(|it| Ok(vec![it.make_disk(), it.define()?]))?;
        let mut desktops = String::new();
        for machine in &self.machines {
            let defined = self.host.lab.virsh(&["dumpxml", "--inactive", &machine.name]);
            let file = self.host.folder("definitions")?.join(format!("{}.xml", machine.name));
            fs::write(&file, Domain::read(&defined)?.render())?;
            let (name, overlay) = (&machine.name, machine.overlay.path());
            desktops.push_str(&format!("{name} {overlay} {}\n", file.display()));
        }
        fs::write(&self.desktops, desktops)?;
        self.remove()
    }

    fn for_all(
        &self,
        steps: impl Fn(&Machine) -> Result<Vec<Step>, Failure>,
    ) -> Result<(), Failure> {
        let stop = &self.session.stop;
        self.runtime.block_on(paused::all(&self.lanes, &self.machines, steps, stop))
    }

    /// Seconds.
    fn by_driver(&self) -> Result<f64, Failure> {
        self.took(|| {
            self.for_all(|it| Ok(vec![it.make_disk(), it.define()?, Step::Start { boot_epoch: 1 }]))
        })
    }

    fn by(&self, how: Loop) -> Result<f64, Failure> {
        let at = (self.host.lab.uri(), self.base.as_path());
        self.took(|| how.run(at, &self.desktops, &self.session.stop))
    }

    fn took(&self, make: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
        let (took, made) = clock::timed(make);
        made?;
        let there = self.host.lab.virsh(&["list", "--state-paused", "--name"]);
        let there = there.split_whitespace().count();
        if there != DESKTOPS {
            return Err(format!("{there} of {DESKTOPS} are there").into());
        }
        self.remove()?;
        Ok(took.as_secs_f64())
    }

    /// In no time, because nothing is measured of it: QEMU is killed.
    fn remove(&self) -> Result<(), Failure> {
        let running = self.host.lab.virsh(&["list", "--name"]);
        for name in running.split_whitespace() {
            self.host.lab.tell(&format!("qemu KILL {name}"));
        }
        self.for_all(|_| Ok(vec![Step::Destroy, Step::Undefine { deleted: true }]))?;
        for machine in &self.machines {
            fs::remove_file(machine.overlay.path())?;
        }
        Ok(())
    }

    fn fastest(&self) -> Result<Loop, Failure> {
        let mut best = (f64::INFINITY, Loop::SERIAL);
        for how in Loop::parallel() {
            let took = self.by(how)?;
            say(&format!("{how}: {took:.2} s"));
            if took < best.0 {
                best = (took, how);
            }
        }
        Ok(best.1)
    }
}
