//! What is answered about each kind of thing: flat, with names beside ids.
//!
//! Where a thing is named, `pool` is its id and `pool_name` what it is called. What there is not is
//! null. Names of fields and of values stay; fields may be added.

mod arranged;
mod image;
mod machine;
mod people;
mod session;

pub use arranged::{
    HostOfNetwork, HostOfStorage, Hypervisor, HypervisorState, Media, Network, Storage, Template,
};
pub use image::{Image, ImageFile, ImageState, ImageTag};
pub use machine::{
    Machine, MachineDisk, MachineKind, MachineSnapshot, MachineState, Owner, OwnerKind, PowerWish,
    RenewalState, RenewalStep, SnapshotState, TaskKind,
};
pub use people::{
    Admin, AdminToken, Client, Follows, Group, Lab, Launcher, OfferedPool, Pool, Terminal,
};
pub use session::{
    Operation, OperationFailure, OperationState, Session, SessionState, TicketState,
};
