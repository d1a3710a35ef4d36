//! Machines.

use carrel_model::ids::MachineId;
use carrel_model::machine::{
    self, Disk, Kind, Machine, Renewing, Snapshot, State, Subject, Task, Wish,
};
use carrel_model::sealed::Purpose;
use carrel_model::version::latest::renewal::Why;

use super::{Render, RenderError, Rendered, row, word};
use crate::doc;
use crate::lookup::protocols;
use crate::memo::Memo;
use crate::row::Cell;

impl Render<'_> {
    pub(super) fn machine(&self, id: MachineId, memo: &Memo) -> Rendered {
        let Some(machine) = self.fleet.machines.get(id) else { return Ok(None) };
        let doc = self.machine_doc(machine, memo)?;
        let (state, kind) = (word(&doc.state), word(&doc.kind));
        let cells = vec![
            Cell::Text(state.clone()),
            Cell::Text(kind.clone()),
            doc.pool.into(),
            doc.hypervisor.into(),
            doc.initial.into(),
            doc.source.into(),
            doc.image.into(),
            doc.ready.into(),
            doc.in_use.into(),
            doc.locked.into(),
        ];
        let owners = machine.owners.iter().map(|owner| match owner {
            Subject::Client(client) => client.uuid(),
            Subject::Terminal(terminal) => terminal.uuid(),
        });
        let row = row(id, &machine.name, memo, cells, &doc)?;
        let row = row.facets("maintenance", machine.maintenance.iter().map(word));
        let row = row.facets("owner", owners).labelled(&machine.settings.labels);
        Ok(Some(row.counted("state", &state).counted("kind", &kind)))
    }

    fn machine_doc(&self, machine: &Machine, memo: &Memo) -> Result<doc::Machine, RenderError> {
        let (state, paused_for) = state(self.fleet.state_of(machine));
        let settings = &machine.settings;
        let initial = machine.initial();
        let (source, address, wake_on_lan, seats) = match &machine.kind {
            Kind::Simple | Kind::Source | Kind::Vdi { .. } => (None, None, None, 1),
            Kind::Initial { source } => (*source, None, None, 1),
            Kind::External(it) => (None, Some(it.address.clone()), it.wake_on_lan, it.seats),
        };
        let pool = machine.pool.and_then(|pool| self.fleet.pools.get(pool));
        let owners = machine.owners.iter().map(|owner| self.owner(*owner));
        let other_disks = machine.disks_to_come.iter().chain(machine.disk_before.as_deref());
        let snapshots = machine.snapshots.iter().map(|it| snapshot(it, machine));
        Ok(doc::Machine {
            id: machine.id,
            name: machine.name.clone(),
            version: machine.version,
            kind: kind(&machine.kind),
            state,
            paused_for,
            ready: machine.is_ready(),
            power: power(machine.power.wish),
            boot_epoch: machine.power.boot_epoch,
            started_at: machine.observed.started,
            generation: machine.generation,
            applied: machine.applied,
            hypervisor: machine.place,
            hypervisor_name: machine.place.and_then(|host| self.host_name(host)),
            pool: machine.pool,
            pool_name: pool.map(|pool| pool.name.clone()),
            initial,
            initial_name: initial.and_then(|id| self.machine_name(id)),
            source,
            source_name: source.and_then(|id| self.machine_name(id)),
            image: machine.image(),
            image_name: machine.image().and_then(|image| self.image_name(image)),
            owners: owners.collect::<Result<_, _>>()?,
            sessions: machine.leases.to_vec(),
            in_use: !machine.leases.is_empty(),
            maintenance: machine.maintenance.clone(),
            locked: machine.locked,
            deleting: machine.deleting,
            virtual_snapshot: machine.virtual_snapshot.is_some(),
            on_reboot: machine.virtual_snapshot.as_ref().map(|it| it.on_reboot),
            task: machine.task.map(task),
            renewal: machine.renewal.as_deref().map(|it| self.renewal(it)),
            unsealed: machine.unsealed,
            trouble: machine.trouble.as_deref().cloned(),
            pending: machine.has_pending_settings(),
            uuid: machine.identity.uuid,
            mac: machine.identity.mac,
            serial: machine.identity.serial.clone(),
            hostname: machine.identity.hostname.clone(),
            machine_type: machine.identity.machine_type.clone(),
            cpu_model: machine.identity.cpu_model.clone(),
            os: settings.hardware.os,
            vcpus: settings.hardware.cpu.vcpus(),
            memory_mib: settings.hardware.memory_mib,
            hardware: settings.hardware.clone(),
            display: settings.display.clone(),
            allows: machine.allows.clone(),
            readiness: settings.readiness.clone(),
            protocols: protocols(machine),
            seats,
            address,
            wake_on_lan,
            networks: settings.networks.clone(),
            host_labels: settings.host_labels.clone(),
            has_files: machine.has_files,
            disks: machine.disks.iter().map(disk).collect(),
            other_disks: other_disks.map(disk).collect(),
            snapshots: snapshots.collect(),
            media: machine.media.to_vec(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        })
    }

    fn owner(&self, owner: Subject) -> Result<doc::Owner, RenderError> {
        Ok(match owner {
            Subject::Client(id) => {
                let client = self.fleet.clients.get(id);
                let name = client.map(|client| self.open(Purpose::Name, &client.name));
                let name = name.transpose()?.flatten();
                doc::Owner { kind: doc::OwnerKind::Client, id: id.uuid(), name }
            }
            Subject::Terminal(id) => {
                let terminal = self.fleet.terminals.get(id);
                let name = terminal.map(|terminal| terminal.termid.to_string());
                doc::Owner { kind: doc::OwnerKind::Terminal, id: id.uuid(), name }
            }
        })
    }

    fn renewal(&self, renewing: &Renewing) -> doc::RenewalState {
        use machine::RenewalStep as Step;
        let step = match renewing.step {
            Step::Pending => doc::RenewalStep::Pending,
            Step::Stopping => doc::RenewalStep::Stopping,
            Step::Overlaying => doc::RenewalStep::Overlaying,
            Step::FirstBoot => doc::RenewalStep::FirstBoot,
            Step::Finishing => doc::RenewalStep::Finishing,
        };
        doc::RenewalState {
            step,
            image: renewing.renewal.image,
            image_name: self.image_name(renewing.renewal.image),
            operation: match renewing.renewal.why {
                Why::Populate { operation } => Some(operation),
                Why::Reset => None,
            },
            announced: renewing.announced,
            deadline: renewing.deadline,
        }
    }
}

fn kind(kind: &Kind) -> doc::MachineKind {
    match kind {
        Kind::Simple => doc::MachineKind::Simple,
        Kind::Source => doc::MachineKind::Source,
        Kind::Initial { .. } => doc::MachineKind::Initial,
        Kind::Vdi { .. } => doc::MachineKind::Vdi,
        Kind::External(_) => doc::MachineKind::External,
    }
}

fn state(state: State) -> (doc::MachineState, Option<machine::PauseReason>) {
    match state {
        State::Off => (doc::MachineState::Off, None),
        State::Starting => (doc::MachineState::Starting, None),
        State::Running => (doc::MachineState::Running, None),
        State::Paused(reason) => (doc::MachineState::Paused, Some(reason)),
        State::Asleep => (doc::MachineState::Asleep, None),
        State::Stopping => (doc::MachineState::Stopping, None),
        State::Crashed => (doc::MachineState::Crashed, None),
        State::Unknown => (doc::MachineState::Unknown, None),
    }
}

fn power(wish: Wish) -> doc::PowerWish {
    match wish {
        Wish::On => doc::PowerWish::On,
        Wish::Suspended => doc::PowerWish::Suspended,
        Wish::Off(_) => doc::PowerWish::Off,
    }
}

fn task(task: Task) -> doc::TaskKind {
    match task {
        Task::Copying { .. } => doc::TaskKind::Copying,
        Task::Sealing { .. } => doc::TaskKind::Sealing,
        Task::Migrating { .. } => doc::TaskKind::Migrating,
    }
}

fn disk(disk: &Disk) -> doc::MachineDisk {
    doc::MachineDisk {
        id: disk.id,
        role: disk.role,
        storage: disk.storage,
        size_gib: disk.size_gib,
        format: disk.format,
        overlay_generation: disk.overlay_generation,
        image: disk.image(),
        file: disk.file.as_deref().cloned(),
    }
}

fn snapshot(snapshot: &Snapshot, machine: &Machine) -> doc::MachineSnapshot {
    let state = match snapshot.state {
        machine::SnapshotState::Taking => doc::SnapshotState::Taking,
        machine::SnapshotState::Taken => doc::SnapshotState::Taken,
        machine::SnapshotState::Reverting => doc::SnapshotState::Reverting,
        machine::SnapshotState::Deleting => doc::SnapshotState::Deleting,
    };
    doc::MachineSnapshot {
        id: snapshot.id,
        name: snapshot.name.clone(),
        parent: snapshot.parent,
        quiesced: snapshot.quiesced,
        state,
        current: machine.snapshot == Some(snapshot.id),
    }
}
