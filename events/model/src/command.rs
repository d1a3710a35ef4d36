//! Every command there is.
//!
//! A command is one thing under one name everywhere: in a URL, as a routing key, as a schema's file
//! name, and here.

use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::admin::commands::*;
use crate::client::commands::*;
use crate::cluster::commands::*;
use crate::deciding::{Decide, Deciding};
use crate::group::commands::*;
use crate::hypervisor::commands::*;
use crate::image::commands::*;
use crate::lab::commands::*;
use crate::machine::commands::*;
use crate::media::commands::*;
use crate::network::commands::*;
use crate::operation::commands::*;
use crate::people::{Form, Plain, Seal, SealCommand, Sealed};
use crate::pool::commands::*;
use crate::rejection::Rejection;
use crate::renewal::commands::*;
use crate::session::commands::*;
use crate::storage::commands::*;
use crate::template::commands::*;
use crate::terminal::commands::*;

/// Who may send a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// Whoever uses desktops, for themselves. Asking for what is so already appends nothing.
    Subject,
    Operator,
    Admin,
    /// Carrel itself. It appends what changed or nothing, and makes no operation.
    System,
}

/// What one row of the table says about a command.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub name: &'static str,
    pub by: By,
    /// The JSON Schema of its data, as it is sent.
    pub json_schema: fn(SchemaGenerator) -> Schema,
    /// The same among other schemas.
    pub subschema: fn(&mut SchemaGenerator) -> Schema,
}

macro_rules! commands {
    (
        plain { $($plain:ident by $plain_by:ident;)* }
        of_people { $($people:ident by $people_by:ident;)* }
    ) => {
        /// As it is sent ([`crate::wire::Command`]), or with everything about people sealed.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data", bound = "")]
        pub enum Command<F: Form = Sealed> {
            $($plain($plain),)*
            $($people($people<F>),)*
        }

        /// All commands, in the order of the table.
        pub const ALL: &[About] = &[
            $(About {
                name: stringify!($plain),
                by: By::$plain_by,
                json_schema: SchemaGenerator::into_root_schema_for::<$plain>,
                subschema: SchemaGenerator::subschema_for::<$plain>,
            },)*
            $(About {
                name: stringify!($people),
                by: By::$people_by,
                json_schema: SchemaGenerator::into_root_schema_for::<$people<Plain>>,
                subschema: SchemaGenerator::subschema_for::<$people<Plain>>,
            },)*
        ];

        impl<F: Form> Command<F> {
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$plain(_) => stringify!($plain),)*
                    $(Self::$people(_) => stringify!($people),)*
                }
            }

            pub const fn by(&self) -> By {
                match self {
                    $(Self::$plain(_) => By::$plain_by,)*
                    $(Self::$people(_) => By::$people_by,)*
                }
            }
        }

        impl Command {
            pub(crate) fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
                match self {
                    $(Self::$plain(command) => command.decide(deciding),)*
                    $(Self::$people(command) => command.decide(deciding),)*
                }
            }
        }

        impl Command<Plain> {
            /// The same with everything about people sealed.
            pub fn seal<S: Seal>(self, seal: &mut S) -> Result<Command, S::Error> {
                Ok(match self {
                    $(Self::$plain(command) => Command::$plain(command),)*
                    $(Self::$people(command) => Command::$people(command.seal(seal)?),)*
                })
            }
        }

        $(impl From<$plain> for Command {
            fn from(command: $plain) -> Self {
                Self::$plain(command)
            }
        })*
        $(impl From<$people> for Command {
            fn from(command: $people) -> Self {
                Self::$people(command)
            }
        })*
    };
}

commands! {
    plain {
        // Hosts.
        RegisterHypervisor by Admin;
        UpdateHypervisor by Admin;
        SetHypervisorMaintenance by Operator;
        RemoveHypervisor by Admin;
        DrainHypervisor by Operator;
        ConfirmHypervisorLost by Admin;
        // Storages, networks, media, templates.
        CreateStorage by Admin;
        UpdateStorage by Admin;
        RemoveStorage by Admin;
        CreateNetwork by Admin;
        UpdateNetwork by Admin;
        RemoveNetwork by Admin;
        AddMedia by Operator;
        RemoveMedia by Operator;
        CreateTemplate by Operator;
        UpdateTemplate by Operator;
        DeleteTemplate by Operator;

        // Machines.
        CreateMachine by Operator;
        CloneMachine by Operator;
        AdoptMachine by Admin;
        UpdateMachine by Operator;
        DeleteMachine by Operator;
        LockMachine by Operator;
        UnlockMachine by Operator;
        SetMaintenance by Operator;
        StartMachine by Operator;
        ShutdownMachine by Operator;
        RebootMachine by Operator;
        ResetMachine by Operator;
        PowerOffMachine by Operator;
        SuspendMachine by Operator;
        ResumeMachine by Operator;
        ResizeDisk by Operator;
        TakeSnapshot by Operator;
        RevertSnapshot by Operator;
        DeleteSnapshot by Operator;
        AttachMedia by Operator;
        DetachMedia by Operator;
        MigrateMachine by Operator;
        MessageMachine by Operator;

        CopyFromSource by Operator;
        Populate by Operator;
        EnableVirtualSnapshot by Operator;
        DisableVirtualSnapshot by Operator;
        // Images.
        SealImage by Operator;
        ImportImage by Operator;
        TagImage by Operator;
        RetireImage by Operator;

        // Pools.
        CreatePool by Admin;
        UpdatePool by Admin;
        DeletePool by Admin;
        AddToPool by Operator;
        RemoveFromPool by Operator;
        TurnCalendar by System;
        ServePool by System;
        ReviewRights by System;
        // Groups of people.
        CreateGroup by Operator;
        DeleteGroup by Operator;

        // Labs and terminals.
        AssignTerminal by Operator;
        CreateLab by Operator;
        UpdateLab by Operator;
        DeleteLab by Operator;
        RemoveTerminal by Operator;
        KeepLab by System;
        RestartAged by System;

        // Operations.
        CancelOperation by Operator;
        RetryOperation by Operator;
        AdvanceOperation by System;
        // What hosts say.
        ReportOutcome by System;
        // Leases.
        DisconnectSession by Subject;
        EndSession by Subject;
        ExpireLease by System;
        ExpirePlace by System;
        ExpireTicket by System;
        ReportHostSilent by System;
        ReportHostHeard by System;
        ReportStorageSpace by System;
        // What time brings about.
        ExpirePower by System;
        ExpireReadiness by System;
        // Carrel itself.
        AdvanceRenewal by System;
        FlattenImage by System;
        RaiseFeatureLevel by Admin;
        RevokeToken by Admin;
        ExpireToken by System;
    }
    of_people {
        // People and groups.
        CreateClient by Operator;
        UpdateClient by Operator;
        DeleteClient by Operator;
        SetClientPassword by Operator;
        BlockClient by Operator;
        UnblockClient by Operator;
        UpdateGroup by Operator;
        RecordSignIn by System;
        // Desktops.
        EntitlePool by Operator;
        RevokePool by Operator;
        AssignClient by Operator;
        UnassignClient by Operator;
        RequestDesktop by Subject;
        // Terminals: their parameters may be passwords.
        RegisterTerminal by Operator;
        UpdateTerminal by Operator;

        // Administrators and tokens.
        CreateAdmin by Admin;
        SetAdminPassword by Admin;
        SetAdminRoles by Admin;
        DeleteAdmin by Admin;
        IssueToken by Admin;
    }
}
