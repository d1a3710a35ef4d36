//! What a machine shall be on its host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::disk::{DiskSpec, describe, disks, kept, path};
use super::guest::{personal, properties};
use super::{Lane, Shall, Thing, Work};
use crate::fleet::Fleet;
use crate::ids::{
    HypervisorId, ImageId, MachineId, MediaId, MessageId, NetworkId, SessionId, SnapshotId,
    StorageId,
};
use crate::image::Origin;
use crate::mac::Mac;
use crate::machine::{
    Identity, Kind, Machine, OnReboot, RenewalStep, RestartManner, Settings, SnapshotState,
    StopManner, Task, Wish,
};
use crate::media::Media;
use crate::name::{HostPath, Name};
use crate::sealed::Boxes;
use crate::session::{Session, TicketState};
use crate::text::Text;
use crate::version::latest::Properties;
use crate::version::latest::display::{Policy, Protocol};
use crate::version::latest::network::{Attachment, Policy as NetworkPolicy};
use crate::version::latest::renewal::FirstBoot;

/// A machine as it shall be on its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineSpec {
    pub name: Name,
    pub identity: Identity,
    /// What it runs with, or will be started with.
    pub settings: Settings,
    pub power: PowerSpec,
    /// Those that it has or, while it is copied to, is going to have.
    pub disks: Vec<DiskSpec>,
    /// Disks that it had before. What is there of their files stays until they are no longer here:
    /// what takes their place may turn out to be no good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<DiskSpec>,
    /// Where what is written in this epoch is thrown away. None: it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throwaway: Option<Throwaway>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediumSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkSpec>,
    /// What may pass between the desktop and its viewers.
    #[serde(default)]
    pub display: Policy,
    /// Each is armed at most once. A viewer whose session is not here is cut off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Ticket>,
    /// What the guest can read.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// The same of the people who have a session there, in boxes of theirs. Whoever publishes the
    /// work opens them and puts them over the properties: what is said of a person wins. A box
    /// whose key is gone says nothing any more.
    #[serde(default, skip_serializing_if = "Boxes::is_empty")]
    pub personal: Boxes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_boot: Option<FirstBootSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<FileTask>,
    /// Shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PowerSpec {
    /// Runs, in this epoch. A domain that runs in an earlier one gets there by `restart`.
    On {
        boot_epoch: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart: Option<RestartManner>,
    },
    Suspended {
        boot_epoch: u64,
    },
    Off {
        boot_epoch: u64,
        manner: StopManner,
    },
    /// As the domain was found, running or not. That it runs is said before anything else.
    AsFound,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Throwaway {
    pub storage: StorageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HostPath>,
    pub size_mib: u64,
    pub on_reboot: OnReboot,
}

/// A snapshot that shall be there, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSpec {
    pub id: SnapshotId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SnapshotId>,
    pub shall: SnapshotShall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotShall {
    BeThere,
    /// The same, taken while the guest's agent holds its file systems still.
    BeThereQuiesced,
    /// The disks shall be as they were then.
    BeRevertedTo,
    BeGone,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MediumSpec {
    pub medium: MediaId,
    pub storage: StorageId,
    /// None: the host doesn't see the storage and fetches the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HostPath>,
    pub digest: crate::hash::Digest,
    pub kind: crate::media::Kind,
    pub format: crate::media::Format,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    pub network: NetworkId,
    pub mac: Mac,
    pub attachment: Attachment,
    pub policy: NetworkPolicy,
}

/// The password that the display takes next is made from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    pub session: SessionId,
    pub number: u32,
    pub protocol: Protocol,
    /// It is to be armed. One that was armed or is spent never is again, also by a host to which
    /// the machine has moved; it says only whose viewer may stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub arm: bool,
}

/// How one learns that the first boot has done its work.
pub type FirstBootSpec = FirstBoot;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FileTask {
    /// The machine's own disks become full copies of these, in their order. None: the source was
    /// never on a host, so that its disks have no files, and the machine's are as blank.
    Copying {
        source: MachineId,
        from: Vec<DiskSpec>,
    },
    /// The system disk becomes this version.
    Sealing {
        image: ImageId,
        version: u32,
    },
    /// What is in this file becomes this version. The machine's disk is blank until then and
    /// needn't be made for it: nobody has written to it, and its next file stands on the version.
    Importing {
        image: ImageId,
        version: u32,
        medium: MediumSpec,
    },
    Migrating {
        to: HypervisorId,
        address: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub id: MessageId,
    pub text: Text,
}

/// While a host has yet to let go, that is all there is to do; nobody else hears of the machine.
pub(super) fn work(fleet: &Fleet, machine: &Machine) -> Option<Work> {
    let (hypervisor, shall) = match (machine.leaving, machine.place) {
        (Some(leaving), _) => (leaving, Shall::Released),
        (None, Some(place)) => (place, shall_be(fleet, machine, place)?),
        (None, None) => return None,
    };
    let lane = match (&shall, machine.task) {
        (Shall::Present(_), Some(_)) => Lane::Bulk,
        _ => Lane::Fast,
    };
    let thing = Thing::Machine(machine.id);
    Some(Work { hypervisor, thing, generation: machine.generation, lane, shall })
}

fn shall_be(fleet: &Fleet, machine: &Machine, host: HypervisorId) -> Option<Shall> {
    if let Kind::External(external) = &machine.kind {
        let boot_epoch = machine.power.boot_epoch;
        return external.wake_on_lan.map(|mac| Shall::Woken { mac, boot_epoch });
    }
    if machine.deleting {
        let disks = disks(machine).iter().chain(kept(machine));
        return Some(Shall::Absent { disks: describe(fleet, machine, disks, host) });
    }
    Some(Shall::Present(Box::new(present(fleet, machine, host))))
}

fn present(fleet: &Fleet, machine: &Machine, host: HypervisorId) -> MachineSpec {
    let settings = machine.running_with.as_ref().unwrap_or(&machine.settings);
    let sessions: Vec<&Session> = shown(fleet, machine).collect();
    MachineSpec {
        name: machine.name.clone(),
        identity: machine.identity.clone(),
        settings: Settings::clone(settings),
        power: power(machine),
        disks: describe(fleet, machine, disks(machine), host),
        keep: describe(fleet, machine, kept(machine), host),
        throwaway: throwaway(fleet, machine, host),
        snapshots: machine.snapshots.iter().map(snapshot).collect(),
        media: media(fleet, machine, host),
        networks: networks(fleet, (settings, &machine.identity), host),
        display: machine.allows.clone().unwrap_or_else(|| fleet.policy_of(machine)),
        properties: properties(fleet, machine, settings),
        personal: personal(fleet, &sessions),
        tickets: sessions.into_iter().map(ticket).collect(),
        first_boot: first_boot(machine),
        task: machine.task.and_then(|task| file_task(fleet, task, host)),
        message: machine
            .message
            .as_ref()
            .map(Arc::as_ref)
            .map(|message| Message { id: message.id, text: message.text.clone() }),
    }
}

fn power(machine: &Machine) -> PowerSpec {
    let boot_epoch = machine.power.boot_epoch;
    match machine.power.wish {
        Wish::Off(_) if machine.is_as_found() => PowerSpec::AsFound,
        Wish::On => PowerSpec::On { boot_epoch, restart: machine.power.restart },
        Wish::Suspended => PowerSpec::Suspended { boot_epoch },
        Wish::Off(manner) => PowerSpec::Off { boot_epoch, manner },
    }
}

/// It is there for as long as the epoch that it was made for, whatever is set meanwhile.
fn throwaway(fleet: &Fleet, machine: &Machine, host: HypervisorId) -> Option<Throwaway> {
    let volatile = machine.reserved.volatile.as_ref()?;
    if machine.power.wish.is_off() && machine.running_with.is_none()
        || machine.power.persistent_once
    {
        return None;
    }
    let on_reboot = machine.virtual_snapshot.as_ref().map(|setting| setting.on_reboot);
    Some(Throwaway {
        storage: volatile.storage,
        path: path(fleet, volatile.storage, host),
        size_mib: volatile.size_mib,
        on_reboot: on_reboot.unwrap_or_default(),
    })
}

fn snapshot(snapshot: &crate::machine::Snapshot) -> SnapshotSpec {
    let shall = match snapshot.state {
        SnapshotState::Taking | SnapshotState::Taken if snapshot.quiesced => {
            SnapshotShall::BeThereQuiesced
        }
        SnapshotState::Taking | SnapshotState::Taken => SnapshotShall::BeThere,
        SnapshotState::Reverting => SnapshotShall::BeRevertedTo,
        SnapshotState::Deleting => SnapshotShall::BeGone,
    };
    SnapshotSpec { id: snapshot.id, parent: snapshot.parent, shall }
}

fn media(fleet: &Fleet, machine: &Machine, host: HypervisorId) -> Vec<MediumSpec> {
    let there = machine.media.iter().filter_map(|id| fleet.media.get(*id));
    there.map(|medium| describe_medium(fleet, medium, host)).collect()
}

fn describe_medium(fleet: &Fleet, medium: &Media, host: HypervisorId) -> MediumSpec {
    MediumSpec {
        medium: medium.id,
        storage: medium.storage,
        path: path(fleet, medium.storage, host),
        digest: medium.digest,
        kind: medium.kind,
        format: medium.format,
    }
}

/// A network that has nothing to do with the host is left out.
fn networks(
    fleet: &Fleet,
    (settings, identity): (&Settings, &Identity),
    host: HypervisorId,
) -> Vec<NetworkSpec> {
    let cards = (0..).zip(&settings.networks);
    let described = cards.filter_map(|(card, id)| {
        let network = fleet.networks.get(*id)?;
        let settings = &network.settings;
        let attachment = settings.hosts.get(&host).or(settings.attachment.as_ref())?;
        Some(NetworkSpec {
            network: network.id,
            mac: identity.mac_of(card),
            attachment: attachment.clone(),
            policy: settings.policy.clone(),
        })
    });
    described.collect()
}

/// The sessions whose viewers may be there. That a ticket is armed or spent says the host itself:
/// it is no news for it, but for another host to which the machine moves it is.
fn shown<'a>(fleet: &'a Fleet, machine: &'a Machine) -> impl Iterator<Item = &'a Session> {
    let leases = machine.leases.iter().filter_map(|session| fleet.sessions.get(*session));
    leases.filter(|session| match session.ticket.state {
        TicketState::Issued | TicketState::Armed | TicketState::Spent => true,
        TicketState::None => false,
    })
}

fn ticket(session: &Session) -> Ticket {
    let arm = session.ticket.state == TicketState::Issued;
    let number = session.ticket.number;
    Ticket { session: session.id, number, protocol: session.protocol, arm }
}

fn first_boot(machine: &Machine) -> Option<FirstBootSpec> {
    let renewing = machine.renewal.as_ref()?;
    let is_first = match renewing.step {
        RenewalStep::FirstBoot | RenewalStep::Finishing => machine.power.wish == Wish::On,
        RenewalStep::Pending | RenewalStep::Stopping | RenewalStep::Overlaying => false,
    };
    renewing.renewal.recipe.first_boot.clone().filter(|_| is_first)
}

fn file_task(fleet: &Fleet, task: Task, host: HypervisorId) -> Option<FileTask> {
    match task {
        Task::Copying { source } => {
            let copied = fleet.machines.get(source)?;
            let disks = if copied.has_files { copied.disks.as_slice() } else { &[] };
            let from = describe(fleet, copied, disks, host);
            Some(FileTask::Copying { source, from })
        }
        Task::Sealing { image } => {
            let made = fleet.images.get(image)?;
            let version = made.number;
            Some(match made.origin {
                Origin::Sealed => FileTask::Sealing { image, version },
                Origin::Imported { media } => {
                    let medium = describe_medium(fleet, fleet.media.get(media)?, host);
                    FileTask::Importing { image, version, medium }
                }
            })
        }
        Task::Migrating { to } => {
            let host = fleet.hypervisors.get(to)?;
            let address = host.settings.display_address.as_ref();
            let address = address.map_or(host.name.as_str(), |address| address.as_str());
            Some(FileTask::Migrating { to, address: address.to_owned() })
        }
    }
}
