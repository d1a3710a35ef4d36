//! Whose rows a fact changes.

use carrel_model::event::{
    AdminFact, ClientFact, ClusterFact, Event, GroupFact, HypervisorFact, ImageFact, LabFact,
    MachineFact, MediaFact, NetworkFact, OperationFact, PoolFact, SessionFact, StorageFact,
    TemplateFact, TerminalFact, TokenFact,
};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{
    ClientId, HypervisorId, ImageId, MachineId, PoolId, StorageId, TerminalId,
};
use carrel_model::machine::{Subject, Task};
use carrel_model::session::{Session, Target};
use carrel_model::version::latest::admin::Bearer;
use carrel_model::version::latest::hypervisor::Reason;

use super::Concerned;
use crate::kind::Kind;

/// Notes whom a fact concerns, as far as this fleet tells, which is the one before or after it.
pub(super) fn touch(concerned: &mut Concerned, event: &Event, fleet: &Fleet) {
    match event {
        Event::Cluster(_, ClusterFact::FeatureLevelRaised(_)) => {}
        Event::Hypervisor(id, fact) => hypervisor(concerned, *id, fact, fleet),
        Event::Storage(id, fact) => storage(concerned, *id, fact, fleet),
        Event::Network(
            id,
            NetworkFact::Created(_) | NetworkFact::Updated(_) | NetworkFact::Removed(_),
        ) => concerned.row(Kind::Networks, *id),
        Event::Media(id, MediaFact::Added(_) | MediaFact::Removed(_)) => {
            concerned.row(Kind::Media, *id);
        }
        Event::Template(
            id,
            TemplateFact::Created(_) | TemplateFact::Updated(_) | TemplateFact::Deleted(_),
        ) => concerned.row(Kind::Templates, *id),
        Event::Machine(id, fact) => {
            machine(concerned, *id, fleet);
            if renames(*id, fact, fleet) {
                machine_named(concerned, *id, fleet);
            }
        }
        Event::Image(id, fact) => image(concerned, *id, fact, fleet),
        Event::Pool(id, fact) => pool(concerned, *id, fact, fleet),
        Event::Client(id, fact) => client(concerned, *id, fact, fleet),
        Event::Group(
            id,
            GroupFact::Created(_)
            | GroupFact::Updated(_)
            | GroupFact::MemberAdded(_)
            | GroupFact::MemberRemoved(_)
            | GroupFact::Deleted(_),
        ) => concerned.row(Kind::Groups, *id),
        Event::Lab(id, fact) => {
            concerned.row(Kind::Labs, *id);
            match fact {
                LabFact::Created(_) | LabFact::Updated(_) | LabFact::Deleted(_) => {
                    concerned.rows(Kind::Terminals, fleet.terminals_in(*id));
                }
            }
        }
        Event::Terminal(id, fact) => terminal(concerned, *id, fact, fleet),
        Event::Session(id, fact) => {
            concerned.row(Kind::Sessions, *id);
            let session = fleet.sessions.get(*id);
            if let Some(held) = session.and_then(Session::machine) {
                machine(concerned, held, fleet);
            }
            let named = match fact {
                SessionFact::LeaseGranted(granted) => Some(granted.machine),
                SessionFact::Moved(moved) => Some(moved.machine),
                SessionFact::Queued(_)
                | SessionFact::ProtocolChanged(_)
                | SessionFact::Left(_)
                | SessionFact::TicketIssued(_)
                | SessionFact::DisplayArmed(_)
                | SessionFact::TicketSpent(_)
                | SessionFact::Disconnected(_)
                | SessionFact::LeaseEnded(_) => None,
            };
            if let Some(named) = named {
                machine(concerned, named, fleet);
            }
        }
        Event::Admin(id, fact) => {
            concerned.row(Kind::Admins, *id);
            match fact {
                AdminFact::Deleted(_) => concerned.erases = true,
                AdminFact::Created(_) | AdminFact::PasswordSet(_) | AdminFact::RolesSet(_) => {}
            }
        }
        Event::Token(id, fact) => {
            let issued_to = match fact {
                TokenFact::Issued(issued) => Some(issued.bearer),
                TokenFact::Ended(_) => fleet.tokens.get(*id).map(|token| token.bearer),
            };
            if let Some(Bearer::Admin(admin)) = issued_to {
                concerned.row(Kind::Admins, admin);
            }
        }
        Event::Operation(
            id,
            OperationFact::Accepted(_)
            | OperationFact::Prepared(_)
            | OperationFact::Advanced(_)
            | OperationFact::CancelAdvanced(_)
            | OperationFact::PartBegun(_)
            | OperationFact::PartEnded(_)
            | OperationFact::CancelRequested(_)
            | OperationFact::Retried(_)
            | OperationFact::Finished(_)
            | OperationFact::Forgotten(_),
        ) => concerned.row(Kind::Operations, *id),
    }
}

fn hypervisor(concerned: &mut Concerned, id: HypervisorId, fact: &HypervisorFact, fleet: &Fleet) {
    concerned.row(Kind::Hypervisors, id);
    match fact {
        HypervisorFact::Registered(_) | HypervisorFact::Updated(_) | HypervisorFact::Removed(_) => {
            concerned.rows(Kind::Machines, fleet.machines_on(id));
            let sees = fleet.storages.iter().filter(|(_, it)| it.settings.hosts.contains_key(&id));
            concerned.rows(Kind::Storages, sees.map(|(storage, _)| storage));
            let on = fleet.networks.iter().filter(|(_, it)| it.settings.hosts.contains_key(&id));
            concerned.rows(Kind::Networks, on.map(|(network, _)| network));
        }
        HypervisorFact::MaintenanceChanged(changed) => match changed.reason {
            // What a silent host's machines do is not known.
            Reason::Silent => concerned.rows(Kind::Machines, fleet.machines_on(id)),
            Reason::Admin | Reason::Drain | Reason::Lost => {}
        },
    }
}

fn storage(concerned: &mut Concerned, id: StorageId, fact: &StorageFact, fleet: &Fleet) {
    concerned.row(Kind::Storages, id);
    match fact {
        StorageFact::Created(_) | StorageFact::Updated(_) | StorageFact::Removed(_) => {
            let there = fleet.media.iter().filter(|(_, media)| media.storage == id);
            concerned.rows(Kind::Media, there.map(|(media, _)| media));
        }
        StorageFact::SpaceChanged(_) | StorageFact::SpaceLowChanged(_) => {}
    }
}

/// A machine, and those who count it: its pool and its hosts.
fn machine(concerned: &mut Concerned, id: MachineId, fleet: &Fleet) {
    concerned.row(Kind::Machines, id);
    let Some(machine) = fleet.machines.get(id) else { return };
    concerned.rows(Kind::Pools, machine.pool.into_iter());
    let next = match machine.task {
        Some(Task::Migrating { to }) => Some(to),
        Some(Task::Copying { .. } | Task::Sealing { .. }) | None => None,
    };
    let hosts = [machine.place, machine.leaving, next];
    concerned.rows(Kind::Hypervisors, hosts.into_iter().flatten());
}

/// Whether it is called otherwise after the fact. Of most machines nobody tells the name, and
/// that most facts leave it alone is worth knowing.
fn renames(id: MachineId, fact: &MachineFact, fleet: &Fleet) -> bool {
    match fact {
        MachineFact::Created(_) | MachineFact::Deleted(_) => true,
        MachineFact::Updated(updated) => {
            fleet.machines.get(id).is_some_and(|machine| machine.name != updated.name)
        }
        MachineFact::Locked(_)
        | MachineFact::Unlocked(_)
        | MachineFact::MaintenanceChanged(_)
        | MachineFact::VirtualSnapshotChanged(_)
        | MachineFact::PoolChanged(_)
        | MachineFact::Assigned(_)
        | MachineFact::Unassigned(_)
        | MachineFact::HandedOn(_)
        | MachineFact::StartRequested(_)
        | MachineFact::StopRequested(_)
        | MachineFact::RestartRequested(_)
        | MachineFact::SuspendRequested(_)
        | MachineFact::ResumeRequested(_)
        | MachineFact::ShutdownIgnored(_)
        | MachineFact::RestartIgnored(_)
        | MachineFact::Placed(_)
        | MachineFact::ReleaseRequested(_)
        | MachineFact::Released(_)
        | MachineFact::Applied(_)
        | MachineFact::WorkFailed(_)
        | MachineFact::Started(_)
        | MachineFact::StartFailed(_)
        | MachineFact::BecameReady(_)
        | MachineFact::ReadyTimedOut(_)
        | MachineFact::StopBegun(_)
        | MachineFact::Stopped(_)
        | MachineFact::Paused(_)
        | MachineFact::PmSuspended(_)
        | MachineFact::Resumed(_)
        | MachineFact::CopyRequested(_)
        | MachineFact::Copied(_)
        | MachineFact::CopyFailed(_)
        | MachineFact::SealRequested(_)
        | MachineFact::Sealed(_)
        | MachineFact::SealFailed(_)
        | MachineFact::RebaseRequested(_)
        | MachineFact::Rebased(_)
        | MachineFact::RenewalRequested(_)
        | MachineFact::RenewalAnnounced(_)
        | MachineFact::RenewalBegun(_)
        | MachineFact::OverlayRequested(_)
        | MachineFact::RenewalDelayed(_)
        | MachineFact::FirstBootBegun(_)
        | MachineFact::FirstBootEnded(_)
        | MachineFact::Populated(_)
        | MachineFact::Cleaned(_)
        | MachineFact::RenewalFailed(_)
        | MachineFact::RenewalDropped(_)
        | MachineFact::SnapshotRequested(_)
        | MachineFact::SnapshotTaken(_)
        | MachineFact::SnapshotFailed(_)
        | MachineFact::SnapshotRevertRequested(_)
        | MachineFact::SnapshotReverted(_)
        | MachineFact::SnapshotDeleteRequested(_)
        | MachineFact::SnapshotDeleted(_)
        | MachineFact::MediaAttached(_)
        | MachineFact::MediaDetached(_)
        | MachineFact::DiskResized(_)
        | MachineFact::MigrationRequested(_)
        | MachineFact::Migrated(_)
        | MachineFact::MigrationFailed(_)
        | MachineFact::MessageSent(_)
        | MachineFact::DeleteRequested(_) => false,
    }
}

/// Everything beside which a machine's name stands.
fn machine_named(concerned: &mut Concerned, id: MachineId, fleet: &Fleet) {
    concerned.rows(Kind::Machines, fleet.children_after(id, None));
    for version in fleet.versions_of(id) {
        concerned.row(Kind::Images, version);
        on_image(concerned, version, fleet);
    }
    let follows = fleet.pools.iter().filter(|(_, pool)| {
        pool.settings.image.as_ref().is_some_and(|follow| follow.initial == id)
    });
    concerned.rows(Kind::Pools, follows.map(|(pool, _)| pool));
    concerned.rows(Kind::Sessions, fleet.sessions_in(Target::Machine(id)));
    let leases = fleet.machines.get(id).into_iter().flat_map(|machine| &machine.leases).copied();
    concerned.rows(Kind::Sessions, leases);
    concerned.through.insert((Kind::Machines, "source", id.uuid()));
}

fn on_image(concerned: &mut Concerned, id: ImageId, fleet: &Fleet) {
    concerned.rows(Kind::Machines, fleet.on_image(id));
    concerned.rows(Kind::Machines, fleet.awaiting_image(id));
}

fn image(concerned: &mut Concerned, id: ImageId, fact: &ImageFact, fleet: &Fleet) {
    concerned.row(Kind::Images, id);
    match fact {
        // It comes to have a name, or has none any more.
        ImageFact::SealRequested(_) | ImageFact::Failed(_) | ImageFact::Removed(_) => {
            on_image(concerned, id, fleet);
        }
        ImageFact::Sealed(_)
        | ImageFact::Verified(_)
        | ImageFact::Tagged(_)
        | ImageFact::Untagged(_)
        | ImageFact::FileRequested(_)
        | ImageFact::FileMade(_)
        | ImageFact::FileFailed(_)
        | ImageFact::FileRetired(_)
        | ImageFact::FileRemoved(_)
        | ImageFact::FlattenDelayed(_)
        | ImageFact::RebaseAdvanced(_)
        | ImageFact::Retired(_) => {}
    }
}

fn pool(concerned: &mut Concerned, id: PoolId, fact: &PoolFact, fleet: &Fleet) {
    concerned.row(Kind::Pools, id);
    let is_renamed = match fact {
        PoolFact::Created(_) | PoolFact::Deleted(_) => true,
        PoolFact::Updated(updated) => {
            fleet.pools.get(id).is_some_and(|pool| pool.name != updated.name)
        }
        PoolFact::Entitled(_)
        | PoolFact::Revoked(_)
        | PoolFact::CalendarTurned(_)
        | PoolFact::ReviewAdvanced(_) => false,
    };
    if is_renamed {
        concerned.rows(Kind::Machines, fleet.in_pool_after(id, None));
        concerned.rows(Kind::Sessions, fleet.sessions_in(Target::Pool(id)));
        let offered = fleet.labs.iter().filter(|(_, lab)| lab.settings.pools.contains(&id));
        concerned.rows(Kind::Labs, offered.map(|(lab, _)| lab));
    }
}

fn client(concerned: &mut Concerned, id: ClientId, fact: &ClientFact, fleet: &Fleet) {
    concerned.row(Kind::Clients, id);
    match fact {
        ClientFact::Created(_) | ClientFact::Updated(_) | ClientFact::Deleted(_) => {
            concerned.rows(Kind::Machines, fleet.owned_by(Subject::Client(id)));
            concerned.through.insert((Kind::Sessions, "client", id.uuid()));
        }
        ClientFact::PasswordSet(_)
        | ClientFact::GroupsChanged(_)
        | ClientFact::Blocked(_)
        | ClientFact::Unblocked(_) => {}
    }
    concerned.erases |= matches!(fact, ClientFact::Deleted(_));
}

fn terminal(concerned: &mut Concerned, id: TerminalId, fact: &TerminalFact, fleet: &Fleet) {
    concerned.row(Kind::Terminals, id);
    match fact {
        TerminalFact::Registered(_) | TerminalFact::Updated(_) | TerminalFact::Removed(_) => {
            concerned.rows(Kind::Machines, fleet.owned_by(Subject::Terminal(id)));
            concerned.through.insert((Kind::Sessions, "terminal", id.uuid()));
        }
    }
}
