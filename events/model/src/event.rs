//! Every fact there is: its name in the log, its schema, and what it says.
//!
//! A fact is about one thing, and stands in that thing's stream. Names and schemas are part of the
//! log for all time; names in Rust may change.

use std::fmt;

use bytes::Bytes;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::ids::{
    AdminId, ClientId, ClusterId, CommandId, FromUuid, GroupId, HypervisorId, ImageId, LabId,
    MachineId, MediaId, NetworkId, PoolId, SessionId, StorageId, TemplateId, TerminalId, TokenId,
};
use crate::version::initial;
use crate::version::latest::{
    Nothing, admin, client, cluster, group, hypervisor, image, lab, machine, media, network,
    operation, pool, renewal, session, storage, template, terminal,
};

#[macro_use]
mod table;

/// Why bytes of the log are no fact that this version knows. Whoever folds the log stops there.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    #[error("this version knows no fact {kind} with schema {schema}; a later one wrote it")]
    Unknown { kind: String, schema: u16 },
    #[error("{kind} with schema {schema} does not have the shape that it should have: {cause}")]
    Malformed { kind: &'static str, schema: u16, cause: serde_json::Error },
    #[error("{kind} stands in a stream of the category {category}")]
    Misplaced { kind: &'static str, category: String },
}

/// What one row of the table says about one schema of one fact.
#[derive(Clone, Copy)]
pub struct Known {
    pub kind: &'static str,
    pub schema: u16,
    pub category: &'static str,
    /// The JSON Schema of its data.
    pub json_schema: fn(SchemaGenerator) -> Schema,
    /// Reads data of this schema and writes it again, without going on to a later one.
    pub reread: fn(&[u8]) -> Result<Vec<u8>, serde_json::Error>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.kind, self.schema)
    }
}

/// What goes into the log of a fact, beside its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub schema: u16,
    /// JSON.
    pub data: Bytes,
}

/// Ids that streams are named after, each with the facts that stand there.
pub trait Stream: Copy + FromUuid {
    const CATEGORY: &'static str;
    type Fact;
    /// All facts of the table.
    type Event;

    fn event(self, fact: Self::Fact) -> Self::Event;
}

fn write<T: Serialize>(schema: u16, data: &T) -> Result<Written, serde_json::Error> {
    Ok(Written { schema, data: serde_json::to_vec(data)?.into() })
}

fn read<T: DeserializeOwned>(
    kind: &'static str,
    schema: u16,
    data: &[u8],
) -> Result<T, Undecodable> {
    serde_json::from_slice(data).map_err(|cause| Undecodable::Malformed { kind, schema, cause })
}

fn reread<T: DeserializeOwned + Serialize>(data: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec_pretty(&serde_json::from_slice::<T>(data)?)
}

fn id_of<I: Stream>(kind: &'static str, (category, id): (&str, Uuid)) -> Result<I, Undecodable> {
    if category == I::CATEGORY {
        return Ok(I::from_uuid(id));
    }
    Err(Undecodable::Misplaced { kind, category: category.to_owned() })
}

facts! {
    Cluster(ClusterId, ClusterFact) "cluster" {
        FeatureLevelRaised "cluster.feature_level_raised": 1 => cluster::FeatureLevelRaised;
    }
    Hypervisor(HypervisorId, HypervisorFact) "hypervisor" {
        Registered "hypervisor.registered": 1 => hypervisor::Registered;
        Updated "hypervisor.updated": 1 => hypervisor::Updated;
        MaintenanceChanged "hypervisor.maintenance_changed": 1 => hypervisor::MaintenanceChanged;
        Removed "hypervisor.removed": 1 => Nothing;
    }
    Storage(StorageId, StorageFact) "storage" {
        Created "storage.created": 1 => storage::Created;
        Updated "storage.updated": 1 => storage::Updated;
        SpaceChanged "storage.space_changed": 1 => storage::SpaceChanged;
        SpaceLowChanged "storage.space_low_changed": 1 => storage::SpaceLowChanged;
        Removed "storage.removed": 1 => Nothing;
    }
    Network(NetworkId, NetworkFact) "network" {
        Created "network.created": 1 => network::Created;
        Updated "network.updated": 1 => network::Updated;
        Removed "network.removed": 1 => Nothing;
    }
    Media(MediaId, MediaFact) "media" {
        Added "media.added": 2 => media::Added, was 1 => initial::media::Added;
        Removed "media.removed": 1 => Nothing;
    }
    Template(TemplateId, TemplateFact) "template" {
        Created "template.created": 1 => template::Created;
        Updated "template.updated": 1 => template::Updated;
        Deleted "template.deleted": 1 => Nothing;
    }
    #[expect(clippy::large_enum_variant, reason = "facts are few at a time and live shortly")]
    Machine(MachineId, MachineFact) "machine" {
        Created "machine.created": 1 => machine::Created;
        Updated "machine.updated": 1 => machine::Updated;
        Locked "machine.locked": 1 => Nothing;
        Unlocked "machine.unlocked": 1 => Nothing;
        MaintenanceChanged "machine.maintenance_changed": 1 => machine::MaintenanceChanged;
        VirtualSnapshotChanged "machine.virtual_snapshot_changed": 1 => machine::VirtualSnapshotChanged;
        PoolChanged "machine.pool_changed": 1 => machine::PoolChanged;
        Assigned "machine.assigned": 1 => machine::Assigned;
        Unassigned "machine.unassigned": 1 => machine::Assigned;
        HandedOn "machine.handed_on": 1 => machine::HandedOn;
        StartRequested "machine.start_requested": 1 => machine::StartRequested;
        StopRequested "machine.stop_requested": 1 => machine::StopRequested;
        RestartRequested "machine.restart_requested": 1 => machine::RestartRequested;
        SuspendRequested "machine.suspend_requested": 1 => Nothing;
        ResumeRequested "machine.resume_requested": 1 => Nothing;
        ShutdownIgnored "machine.shutdown_ignored": 1 => machine::Failed;
        RestartIgnored "machine.restart_ignored": 1 => machine::Failed;
        Placed "machine.placed": 1 => machine::Placed;
        ReleaseRequested "machine.release_requested": 1 => Nothing;
        Released "machine.released": 1 => machine::Released;
        Applied "machine.applied": 1 => machine::Applied;
        WorkFailed "machine.work_failed": 1 => machine::WorkFailed;
        Started "machine.started": 1 => machine::Started;
        StartFailed "machine.start_failed": 1 => machine::StartFailed;
        BecameReady "machine.became_ready": 1 => machine::Ready;
        ReadyTimedOut "machine.ready_timed_out": 1 => machine::NotReady;
        StopBegun "machine.stop_begun": 1 => Nothing;
        Stopped "machine.stopped": 1 => machine::Stopped;
        Paused "machine.paused": 1 => machine::Paused;
        PmSuspended "machine.pmsuspended": 1 => Nothing;
        Resumed "machine.resumed": 1 => Nothing;
        CopyRequested "machine.copy_requested": 1 => machine::CopyRequested;
        Copied "machine.copied": 1 => Nothing;
        CopyFailed "machine.copy_failed": 1 => machine::Failed;
        SealRequested "machine.seal_requested": 1 => machine::SealRequested;
        Sealed "machine.sealed": 1 => machine::Sealed;
        SealFailed "machine.seal_failed": 1 => machine::Failed;
        RebaseRequested "machine.rebase_requested": 1 => machine::Rebased;
        Rebased "machine.rebased": 1 => machine::Rebased;
        RenewalRequested "machine.renewal_requested": 1 => renewal::Requested;
        RenewalAnnounced "machine.renewal_announced": 1 => renewal::Announced;
        RenewalBegun "machine.renewal_begun": 1 => renewal::Begun;
        OverlayRequested "machine.overlay_requested": 1 => renewal::OverlayRequested;
        RenewalDelayed "machine.renewal_delayed": 1 => renewal::Delayed;
        FirstBootBegun "machine.first_boot_begun": 1 => renewal::FirstBootBegun;
        FirstBootEnded "machine.first_boot_ended": 1 => Nothing;
        Populated "machine.populated": 1 => renewal::Done;
        Cleaned "machine.cleaned": 1 => renewal::Done;
        RenewalFailed "machine.renewal_failed": 1 => renewal::Failed;
        RenewalDropped "machine.renewal_dropped": 1 => renewal::Dropped;
        SnapshotRequested "machine.snapshot_requested": 1 => machine::SnapshotRequested;
        SnapshotTaken "machine.snapshot_taken": 1 => machine::OfSnapshot;
        SnapshotFailed "machine.snapshot_failed": 1 => machine::SnapshotFailed;
        SnapshotRevertRequested "machine.snapshot_revert_requested": 1 => machine::OfSnapshot;
        SnapshotReverted "machine.snapshot_reverted": 1 => machine::OfSnapshot;
        SnapshotDeleteRequested "machine.snapshot_delete_requested": 1 => machine::OfSnapshot;
        SnapshotDeleted "machine.snapshot_deleted": 1 => machine::OfSnapshot;
        MediaAttached "machine.media_attached": 1 => machine::OfMedia;
        MediaDetached "machine.media_detached": 1 => machine::OfMedia;
        DiskResized "machine.disk_resized": 1 => machine::DiskResized;
        MigrationRequested "machine.migration_requested": 1 => machine::MigrationRequested;
        Migrated "machine.migrated": 1 => machine::Migrated;
        MigrationFailed "machine.migration_failed": 1 => machine::MigrationFailed;
        MessageSent "machine.message_sent": 1 => machine::MessageSent;
        DeleteRequested "machine.delete_requested": 1 => machine::DeleteRequested;
        Deleted "machine.deleted": 1 => machine::Deleted;
    }
    #[expect(clippy::large_enum_variant, reason = "facts are few at a time and live shortly")]
    Image(ImageId, ImageFact) "image" {
        SealRequested "image.seal_requested": 1 => image::SealRequested;
        Sealed "image.sealed": 1 => image::Sealed;
        Verified "image.verified": 1 => image::Verified;
        Failed "image.failed": 1 => image::Failed;
        Tagged "image.tagged": 1 => image::Tagged;
        Untagged "image.untagged": 1 => image::Untagged;
        FileRequested "image.file_requested": 1 => image::FileRequested;
        FileMade "image.file_made": 1 => image::FileMade;
        FileFailed "image.file_failed": 1 => image::FileFailed;
        FileRetired "image.file_retired": 1 => image::FileRetired;
        FileRemoved "image.file_removed": 1 => image::FileRemoved;
        FlattenDelayed "image.flatten_delayed": 1 => image::FlattenDelayed;
        RebaseAdvanced "image.rebase_advanced": 1 => image::RebaseAdvanced;
        Retired "image.retired": 1 => Nothing;
        Removed "image.removed": 1 => Nothing;
    }
    Pool(PoolId, PoolFact) "pool" {
        Created "pool.created": 1 => pool::Created;
        Updated "pool.updated": 1 => pool::Updated;
        Entitled "pool.entitled": 1 => pool::Entitled;
        Revoked "pool.revoked": 1 => pool::Entitled;
        CalendarTurned "pool.calendar_turned": 1 => pool::CalendarTurned;
        ReviewAdvanced "pool.review_advanced": 1 => pool::ReviewAdvanced;
        Deleted "pool.deleted": 1 => Nothing;
    }
    Client(ClientId, ClientFact) "client" {
        Created "client.created": 1 => client::Created;
        Updated "client.updated": 1 => client::Updated;
        PasswordSet "client.password_set": 1 => client::PasswordSet;
        GroupsChanged "client.groups_changed": 1 => client::GroupsChanged;
        Blocked "client.blocked": 1 => Nothing;
        Unblocked "client.unblocked": 1 => Nothing;
        Deleted "client.deleted": 1 => Nothing;
    }
    Group(GroupId, GroupFact) "group" {
        Created "group.created": 1 => group::Created;
        Updated "group.updated": 1 => group::Updated;
        MemberAdded "group.member_added": 1 => group::MemberChanged;
        MemberRemoved "group.member_removed": 1 => group::MemberChanged;
        Deleted "group.deleted": 1 => Nothing;
    }
    Lab(LabId, LabFact) "lab" {
        Created "lab.created": 1 => lab::Created;
        Updated "lab.updated": 1 => lab::Updated;
        Deleted "lab.deleted": 1 => Nothing;
    }
    Terminal(TerminalId, TerminalFact) "terminal" {
        Registered "terminal.registered": 1 => terminal::Registered;
        Updated "terminal.updated": 1 => terminal::Updated;
        Removed "terminal.removed": 1 => Nothing;
    }
    Session(SessionId, SessionFact) "session" {
        Queued "session.queued": 1 => session::Queued;
        ProtocolChanged "session.protocol_changed": 1 => session::ProtocolChanged;
        Left "session.left": 2 => session::Left, was 1 => initial::session::Left;
        LeaseGranted "lease.granted": 1 => session::Granted;
        Moved "session.moved": 1 => session::Moved;
        TicketIssued "session.ticket_issued": 1 => session::TicketIssued;
        DisplayArmed "session.display_armed": 2 => session::DisplayArmed, was 1 => initial::session::DisplayArmed;
        TicketSpent "session.ticket_spent": 1 => session::TicketSpent;
        Disconnected "session.disconnected": 1 => Nothing;
        LeaseEnded "lease.ended": 1 => session::Ended;
    }
    Admin(AdminId, AdminFact) "admin" {
        Created "admin.created": 1 => admin::Created;
        PasswordSet "admin.password_set": 1 => admin::PasswordSet;
        RolesSet "admin.roles_set": 1 => admin::RolesSet;
        Deleted "admin.deleted": 1 => Nothing;
    }
    Token(TokenId, TokenFact) "token" {
        Issued "token.issued": 1 => admin::TokenIssued;
        Ended "token.ended": 1 => admin::TokenEnded;
    }
    Operation(CommandId, OperationFact) "operation" {
        Accepted "operation.accepted": 1 => operation::Accepted;
        Prepared "operation.prepared": 1 => Nothing;
        Advanced "operation.advanced": 1 => operation::Advanced;
        CancelAdvanced "operation.cancel_advanced": 1 => operation::CancelAdvanced;
        PartBegun "operation.part_begun": 1 => operation::PartBegun;
        PartEnded "operation.part_ended": 1 => operation::PartEnded;
        CancelRequested "operation.cancel_requested": 1 => Nothing;
        Retried "operation.retried": 1 => Nothing;
        Finished "operation.finished": 1 => operation::Finished;
        Forgotten "operation.forgotten": 1 => Nothing;
    }
}

#[cfg(test)]
#[path = "event/tests.rs"]
mod tests;
