//! A real host as a worker has it, on which no guest begins: a start is over when QEMU is there.

use std::sync::Arc;

use carrel_domain::{HostFile, Listen, Virtualization};
use carrel_driver::libvirt::{Facts, LibvirtHost};
use carrel_driver::{
    Advance, Cancel, Doing, Done, Hypervisor, Listener, Listing, Look, Root, Seen, SilentAdvance,
    Step, Trouble,
};
use carrel_images::Images;
use carrel_libvirt::{Host as Libvirt, Settings, Target};
use carrel_model::contract::{Guest, Taken};
use carrel_model::foreign::ForeignDomain;
use carrel_model::ids::MachineId;
use carrel_model::name::HostPath;
use carrel_model::work::Thing;
use carrel_workers::AtOnce;
use carrel_workers::lanes::{Lanes, Pool, width};
use tokio::task::JoinSet;

use super::Host;
use super::machine::Machine;
use super::stop::Stop;
use crate::Failure;

const EMULATOR: &str = "/usr/bin/qemu-system-x86_64";
/// No ticket is armed here, so nobody asks for the time.
const NOW: u64 = 4_000_000_000;

/// By whom steps are done: at once as many as a worker does at once.
pub(super) fn lanes(host: &Host) -> Result<Arc<Lanes>, Failure> {
    let hypervisor = Arc::new(Paused::new(host)?);
    Ok(Arc::new(Lanes::new(hypervisor, Pool::default(), AtOnce::default())))
}

/// For each machine its steps, one after the other; all machines together.
pub(super) async fn all(
    lanes: &Arc<Lanes>,
    machines: &[Machine],
    steps: impl Fn(&Machine) -> Result<Vec<Step>, Failure>,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    for machine in machines {
        let (lanes, doing, steps) = (Arc::clone(lanes), machine.doing(), steps(machine)?);
        tasks.spawn(async move {
            for step in steps {
                one(&lanes, doing, step).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    stop.or(async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    })
    .await
}

pub(super) async fn one(lanes: &Lanes, doing: Doing, step: Step) -> Result<Done, Failure> {
    let _place = lanes.place(width(step.kind())).await?;
    Ok(lanes.step((doing, step), Arc::new(SilentAdvance), Cancel::new()).await?)
}

#[derive(Debug)]
struct Paused {
    whole: LibvirtHost,
    libvirt: Arc<Libvirt>,
}

impl Paused {
    fn new(host: &Host) -> Result<Self, Failure> {
        let facts = Facts {
            virtualization: Virtualization::Tcg,
            emulator: HostFile::new(EMULATOR)?,
            uefi: None,
            uefi_secure: None,
            spice: Listen::Loopback,
            consoles: host.folder("consoles")?,
            tpms: host.folder("tpms")?,
            transport: String::from("tcp"),
        };
        let libvirt = Arc::new(Libvirt::new(Settings::new(host.lab.uri())));
        let of = Arc::clone(&libvirt);
        let whole = LibvirtHost::new(of, Images::default(), facts, Box::new(|| NOW))?;
        Ok(Self { whole, libvirt })
    }

    fn start(&self, machine: MachineId, boot_epoch: u64) -> Result<Done, Trouble> {
        let found = self.libvirt.find_machine(machine.uuid())?;
        let uuid = found.ok_or_else(|| Trouble::never("no_domain", "it has no domain here"))?;
        self.libvirt.start_paused(Target { uuid, machine: machine.uuid() }, boot_epoch)?;
        Ok(Done::So)
    }
}

impl Hypervisor for Paused {
    fn observe(&self, look: &Look) -> Result<Seen, Trouble> {
        self.whole.observe(look)
    }

    fn list(&self) -> Result<Listing, Trouble> {
        self.whole.list()
    }

    fn step(
        &self,
        doing: &Doing,
        step: &Step,
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble> {
        match (step, doing.thing) {
            (Step::Start { boot_epoch }, Thing::Machine(machine)) => {
                self.start(machine, *boot_epoch)
            }
            _ => self.whole.step(doing, step, advance, cancel),
        }
    }

    fn screenshot(&self, machine: MachineId) -> Result<Vec<u8>, Trouble> {
        self.whole.screenshot(machine)
    }

    fn guest(&self, machine: MachineId) -> Result<Guest, Trouble> {
        self.whole.guest(machine)
    }

    fn foreign(&self) -> Result<Vec<ForeignDomain>, Trouble> {
        self.whole.foreign()
    }

    fn taken(&self, machines: &[MachineId], storages: &[HostPath]) -> Result<Vec<Taken>, Trouble> {
        self.whole.taken(machines, storages)
    }

    fn tells(&self, listener: Listener) {
        self.whole.tells(listener);
    }

    fn free_mib(&self, storage: &Root) -> Result<u64, Trouble> {
        self.whole.free_mib(storage)
    }
}
