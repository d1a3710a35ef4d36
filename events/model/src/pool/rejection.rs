//! Why a command about pools and desktops is refused. Codes: CRL-04xx.

use crate::name::{Name, TimeZoneName};
use crate::rejection::rejections;

rejections! {
    /// In a floating pool, the next person would find what the last one left.
    NeverCleaned "CRL-0401" Malformed
        "a floating pool can't have the reset `never`",
        clears "Use `on_release` or `on_assign`, or make the pool `dedicated` or `sticky`.";
    /// A number in the settings is outside of what it can be.
    OutOfBounds { field: &'static str, least: u32, most: u32 } "CRL-0402" Malformed
        "{field} is between {least} and {most}",
        clears "Choose a value within these bounds. To give no desktops for a time, use a calendar with `closed`.";
    /// A calendar needs days, and times within a day.
    BadCalendar { number: usize, why: &'static str } "CRL-0403" Malformed
        "calendar {number} can't be: {why}",
        clears "Correct the calendar. Minutes are counted from midnight: 08:30 is 510.";
    /// The name isn't one of the IANA time zone database.
    UnknownTimeZone { time_zone: TimeZoneName } "CRL-0404" Malformed
        "there is no time zone {time_zone}",
        clears "Use a name of the IANA time zone database, such as `Europe/Vilnius` or `UTC`.";
    /// The pool follows a tag of something that isn't an initial.
    NoInitial "CRL-0405" Conflict
        "what the pool's image names is no initial",
        clears "Set `image.initial` to the id of a machine of the kind `initial`, or leave `image` out.";
    /// While machines are in a pool it can't be deleted, nor can it change between giving machines
    /// to anybody and giving each to one person.
    HasMachines { pool: Name, machines: u32 } "CRL-0406" Conflict
        "{machines} machines are in {pool}",
        clears "Take them out first (`RemoveFromPool`).";
    /// A lab offers the pool to its terminals.
    OfferedInLab { pool: Name, lab: Name } "CRL-0407" Conflict
        "the lab {lab} offers {pool}",
        clears "Take the pool out of that lab (`UpdateLab`) first.";
    /// More people wait for the pool than one decision can send away.
    TooManyWait { pool: Name, waiting: usize } "CRL-0408" Conflict
        "{waiting} people wait for {pool}",
        clears "Revoke it from those who hold it (`RevokePool`), or wait until they have gone.";
    /// A machine is in at most one pool.
    InAnotherPool { machine: Name, pool: Name } "CRL-0409" Conflict
        "{machine} is in the pool {pool}",
        clears "Take it out of that pool (`RemoveFromPool`) first.";
    /// Sources and initials are what images are made from; people don't use them.
    NotForPeople { machine: Name } "CRL-0410" Conflict
        "{machine} is a source or an initial",
        clears "Give people its children: `Populate` makes them.";
    /// The machines of a floating pool, and of any other with a `reset`, are made clean between two
    /// uses, by a new overlay on their version or by a power cycle with a virtual snapshot. This
    /// one has neither, or it has disks beside its system disk, which nothing makes clean.
    CannotBeCleaned { machine: Name, pool: Name } "CRL-0411" Conflict
        "{machine} can't be made clean, and {pool} makes its machines clean between two uses",
        clears "Enable a virtual snapshot for it, or use a child of an initial, without further disks; or use a dedicated or sticky pool with the reset `never`.";
    /// Somebody has the machine now.
    InUse { machine: Name } "CRL-0412" Conflict
        "somebody uses {machine}",
        clears "Wait until they have gone, or end their session (`EndSession`).";
    /// The machine is being deleted.
    BeingDeleted { machine: Name } "CRL-0413" Conflict
        "{machine} is being deleted",
        clears "Choose another machine.";
    /// Neither the person or terminal nor one of their groups or labs may use what is asked for; or
    /// the pool gives each person a machine of their own and this one has none yet.
    NothingAssigned "CRL-0414" Forbidden
        "nothing is assigned to you there",
        clears "An operator assigns a machine or the pool (`AssignClient`), or adds the pool to the lab.";
    /// Nothing is in the pool, so nobody could ever be served.
    EmptyPool "CRL-0415" Conflict
        "the pool is empty",
        clears "Add machines to it (`AddToPool`).";
    /// `maintenance`: every machine that could be given is in maintenance.
    InMaintenance "CRL-0416" Conflict
        "all machines are in maintenance",
        clears "Try again later. An operator ends it (`SetMaintenance` with `on: false`).";
    /// `protocol_unavailable`: the machine doesn't have the protocol, or it is VNC, which only
    /// browsers can use.
    ProtocolUnavailable "CRL-0417" Conflict
        "the protocol can't be had there",
        clears "Ask without a protocol, or for one that the machine has. VNC is for browsers only.";
    /// A calendar says that the pool gives no desktops now.
    Closed "CRL-0418" Conflict
        "the pool is closed now",
        clears "Come back when it opens; its calendars say when.";
    /// A desktop is either a pool or a machine.
    PoolOrMachine "CRL-0419" Malformed
        "this needs either a pool or a machine",
        clears "Name one of them.";
    /// A pool is held by a person or by a group.
    ClientOrGroup "CRL-0420" Malformed
        "this needs either a person or a group",
        clears "Name one of them.";
    /// A request for a desktop says who asks.
    NobodyAsks "CRL-0421" Malformed
        "this doesn't say who asks",
        clears "Name the person, or the terminal.";
    /// A machine belongs to at most as many as it has seats.
    Taken { machine: Name } "CRL-0422" Conflict
        "{machine} belongs to somebody else",
        clears "Take it from them first (`UnassignClient`), or choose another machine.";
    /// Somebody else has used the machine since it was made clean, and the new owner would see what
    /// they left.
    WrittenByAnother { machine: Name } "CRL-0423" Conflict
        "somebody else has written to {machine}",
        clears "Make it clean (`Populate` with `discard_data`, which leaves disks beside the system disk as they are), or, if its data is meant to be handed on, say `keep_data`.";
    /// Machines are assigned to persons; groups get pools.
    GroupOfOne "CRL-0424" Malformed
        "a machine can't be assigned to a group",
        clears "Assign a pool to the group, or the machine to a person.";
    /// A floating pool would throw away what somebody has written to the machine.
    HoldsData { machine: Name, pool: Name } "CRL-0425" Conflict
        "somebody has written to {machine}, and {pool} would throw that away",
        clears "Throw it away (`Populate` with `discard_data`), or hand it on: `AssignClient` with `keep_data`, without this pool.";
    /// One person or terminal has only so many desktops and places in queues at once.
    HasEnough { most: usize } "CRL-0426" Conflict
        "you have or wait for {most} desktops already",
        clears "Give one of them back (`EndSession`).";
}
