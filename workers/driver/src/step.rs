//! Everything that a hypervisor can be told to do.

use carrel_model::hash::Digest;
use carrel_model::ids::{DiskId, HypervisorId, MachineId, MediaId, SessionId, SnapshotId};
use carrel_model::mac::Mac;
use carrel_model::machine::{Format, Identity, OnReboot, Settings};
use carrel_model::name::Name;
use carrel_model::sealed::Secret;
use carrel_model::text::Text;
use carrel_model::version::latest::Properties;
use carrel_model::version::latest::display::{Policy, Protocol};
use carrel_model::version::latest::image::Stat;
use carrel_model::work::{FirstBootSpec, MediumSpec, NetworkSpec};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::place::Place;

/// One thing to do. If it is so already, nothing is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A blank disk, or an overlay on a file. On a file that is not there it fails.
    MakeDisk {
        file: Place,
        format: Format,
        size_gib: u32,
        on: Option<(Place, Format)>,
    },
    /// It only grows. A guest that runs on it sees so at once.
    Resize {
        file: Place,
        format: Format,
        size_gib: u32,
    },
    /// An overlay is put onto another file of the same content. Nothing is written to it meanwhile.
    Rebase {
        file: Place,
        onto: Place,
        format: Format,
    },
    /// A disk with everything that it stands on becomes one file: sparse, under a temporary name
    /// until it is whole and durable.
    Copy {
        from: Place,
        to: Place,
        format: Format,
    },
    /// The same of a version; the file that is made is sealed.
    CopyVersion {
        from: Place,
        to: Place,
        format: Format,
    },
    /// The same of an upload, which is fetched if the host doesn't see it.
    Import {
        medium: Box<MediumSpec>,
        to: Place,
    },
    /// From now on nobody writes to what was a disk, and it has another name.
    Seal {
        from: Place,
        to: Place,
    },
    /// Reads a version's content.
    Verify {
        file: Place,
    },
    /// Reads a version's file that is not the one that was made. If it reads as it should, it is
    /// remembered that it may be stood on as it is.
    Accept {
        file: Place,
        digest: Digest,
    },
    RemoveFiles {
        files: Vec<Place>,
    },

    /// What each disk holds is kept under another name; it goes on in a new file.
    TakeSnapshot {
        snapshot: SnapshotId,
        quiesced: bool,
        disks: Vec<Frozen>,
    },
    /// Each disk begins anew on what it held.
    RevertSnapshot {
        snapshot: SnapshotId,
        disks: Vec<Frozen>,
    },
    /// What stands on it keeps its content.
    DeleteSnapshot {
        snapshot: SnapshotId,
        disks: Vec<Frozen>,
    },

    /// In the place of what was defined before. Not while it runs.
    Define(Box<Definition>),
    /// Its files stay. Not while it runs.
    Undefine {
        /// There is no such machine any more: what the host keeps of it beside its files, its TPM
        /// among that, goes, too.
        deleted: bool,
    },
    /// The domain that was defined for this epoch.
    Start {
        boot_epoch: u64,
    },
    /// The guest is asked by ACPI.
    Shutdown,
    /// The same; with its next boot it is in this epoch.
    Reboot {
        boot_epoch: u64,
    },
    /// The reset button. It is in this epoch then.
    Reset {
        boot_epoch: u64,
    },
    /// The power is cut.
    Destroy,
    Suspend,
    /// From a pause.
    Resume,
    /// From its sleep.
    Wake,
    Migrate {
        to: HypervisorId,
        address: String,
    },

    /// The display takes this password for so long.
    ArmDisplay {
        session: SessionId,
        ticket: u32,
        protocol: Protocol,
        password: Secret,
        valid_seconds: u32,
    },
    /// Viewers of these are cut off, and what was armed for them is taken back.
    CutViewers {
        of: Vec<(SessionId, u32)>,
    },
    /// The CD by which its guest learns who it is says what the definition says, also in a domain
    /// that runs. Nothing else of that changes.
    PutConfig(Box<Definition>),
    AttachMedium(Box<MediumSpec>),
    DetachMedium(MediaId),
    ShowMessage(Text),
    WakeOnLan(Mac),
}

/// A disk, and where a snapshot keeps what it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    pub disk: Place,
    pub format: Format,
    pub kept: Place,
}

/// What a domain is made from. Nothing in it is anybody's XML.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    pub machine: MachineId,
    pub name: Name,
    pub identity: Identity,
    pub generation: u64,
    pub boot_epoch: u64,
    pub settings: Settings,
    pub disks: Vec<DefinedDisk>,
    /// The name of the first disk's file, or of the one that what is thrown away stands on: it is
    /// another one after each renewal.
    pub system_disk: String,
    pub media: Vec<MediumSpec>,
    pub networks: Vec<NetworkSpec>,
    pub display: Policy,
    /// What the guest can read.
    pub properties: Properties,
    /// Whose some of the properties are.
    pub people: Vec<Uuid>,
    /// It is told that this is its first boot, and how it says that it is through.
    pub first_boot: Option<FirstBootSpec>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinedDisk {
    pub id: DiskId,
    pub file: Place,
    pub format: Format,
    /// Set if nothing that is written there is worth keeping.
    pub throwaway: Option<OnReboot>,
    /// The file that stays, of one that is thrown away.
    pub below: Option<Place>,
}

impl DefinedDisk {
    /// The file that stays.
    pub fn own(&self) -> &Place {
        self.below.as_ref().unwrap_or(&self.file)
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    So,
    Sealed(Stat),
    Made { digest: Digest, stat: Stat },
    Verified(Digest),
}

macro_rules! kinds {
    ($($name:ident $word:literal,)*) => {
        /// A step without what it is done with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum StepKind {$($name,)*}

        impl StepKind {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it stands in failures and in ledgers. Once released it stays the same.
            pub const fn word(self) -> &'static str {
                match self {$(Self::$name => $word,)*}
            }
        }
    };
}

kinds! {
    MakeDisk "make_disk",
    Resize "resize",
    Rebase "rebase",
    Copy "copy",
    CopyVersion "copy_version",
    Import "import",
    Seal "seal",
    Verify "verify",
    Accept "accept",
    RemoveFiles "remove_files",
    TakeSnapshot "take_snapshot",
    RevertSnapshot "revert_snapshot",
    DeleteSnapshot "delete_snapshot",
    Define "define",
    Undefine "undefine",
    Start "start",
    Shutdown "shutdown",
    Reboot "reboot",
    Reset "reset",
    Destroy "destroy",
    Suspend "suspend",
    Resume "resume",
    Wake "wake",
    Migrate "migrate",
    ArmDisplay "arm_display",
    CutViewers "cut_viewers",
    PutConfig "put_config",
    AttachMedium "attach_medium",
    DetachMedium "detach_medium",
    ShowMessage "show_message",
    WakeOnLan "wake_on_lan",
}

impl Step {
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::MakeDisk { .. } => StepKind::MakeDisk,
            Self::Resize { .. } => StepKind::Resize,
            Self::Rebase { .. } => StepKind::Rebase,
            Self::Copy { .. } => StepKind::Copy,
            Self::CopyVersion { .. } => StepKind::CopyVersion,
            Self::Import { .. } => StepKind::Import,
            Self::Seal { .. } => StepKind::Seal,
            Self::Verify { .. } => StepKind::Verify,
            Self::Accept { .. } => StepKind::Accept,
            Self::RemoveFiles { .. } => StepKind::RemoveFiles,
            Self::TakeSnapshot { .. } => StepKind::TakeSnapshot,
            Self::RevertSnapshot { .. } => StepKind::RevertSnapshot,
            Self::DeleteSnapshot { .. } => StepKind::DeleteSnapshot,
            Self::Define(_) => StepKind::Define,
            Self::Undefine { .. } => StepKind::Undefine,
            Self::Start { .. } => StepKind::Start,
            Self::Shutdown => StepKind::Shutdown,
            Self::Reboot { .. } => StepKind::Reboot,
            Self::Reset { .. } => StepKind::Reset,
            Self::Destroy => StepKind::Destroy,
            Self::Suspend => StepKind::Suspend,
            Self::Resume => StepKind::Resume,
            Self::Wake => StepKind::Wake,
            Self::Migrate { .. } => StepKind::Migrate,
            Self::ArmDisplay { .. } => StepKind::ArmDisplay,
            Self::CutViewers { .. } => StepKind::CutViewers,
            Self::PutConfig(_) => StepKind::PutConfig,
            Self::AttachMedium(_) => StepKind::AttachMedium,
            Self::DetachMedium(_) => StepKind::DetachMedium,
            Self::ShowMessage(_) => StepKind::ShowMessage,
            Self::WakeOnLan(_) => StepKind::WakeOnLan,
        }
    }
}
