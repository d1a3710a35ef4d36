//! Why a command about storages, networks, media or templates is refused.

use std::net::IpAddr;

use crate::name::{HostPath, Name};
use crate::rejection::rejections;

rejections! {
    /// A storage can't go, or stop being used for something, while files of that kind are there:
    /// nobody would find them any more.
    StillHolds { storage: Name, files: &'static str, of: String } "CRL-0801" Conflict
        "{storage} still holds {files} of {of}",
        clears "Delete or move what is there, or leave the storage as it is.";
    /// A host that is responsible for a machine has to see the machine's files, and where they are
    /// can't change under it.
    HostNeedsStorage { storage: Name, host: Name, what: String } "CRL-0802" Conflict
        "{host} needs {storage} for {what}",
        clears "Migrate the machine away from that host (`MigrateMachine`, `DrainHypervisor`), or wait until the file is made.";
    /// Two storages in one folder would each take the other's files for leftovers.
    FolderTaken { storage: Name, host: Name, path: HostPath } "CRL-0816" Conflict
        "{storage} is at {path} on {host} already",
        clears "Choose another folder. What a storage is for can be changed instead (`roles` in `UpdateStorage`).";
    /// A storage that is for nothing would never be used.
    NoRoles { storage: Name } "CRL-0803" Malformed
        "{storage} is for nothing",
        clears "Give it at least one of the roles `images`, `disks`, `volatile` and `media`.";
    /// What is in memory is gone when the host restarts, so it can only be for files that may go.
    MemoryKeepsNothing { storage: Name } "CRL-0804" Malformed
        "{storage} is in memory and can hold `volatile` files only",
        clears "Leave `volatile` as its only role, or put it on disk.";
    /// VLAN ids are 12 bits, of which the first and the last value mean something else
    /// (IEEE 802.1Q, table 9-2).
    NoVlanTag { network: Name, tag: u16 } "CRL-0805" Malformed
        "{tag} is no VLAN that {network} can be",
        clears "Use a tag from 1 to 4094.";
    /// A range of addresses begins at or before its end, and both ends are of the same family.
    NoAddressRange { network: Name, first: IpAddr, last: IpAddr } "CRL-0806" Malformed
        "there are no addresses from {first} to {last} for {network}",
        clears "Give the lower address first, and two IPv4 or two IPv6 addresses.";
    /// A machine or a version of an image has an interface there.
    NetworkInUse { network: Name, by: String } "CRL-0807" Conflict
        "{by} is on {network}",
        clears "Take the machine off the network (`UpdateMachine`), or retire the version of the image (`RetireImage`).";
    /// Media live on storages that are meant for them.
    NotForMedia { storage: Name } "CRL-0808" Conflict
        "{storage} is not for media",
        clears "Use a storage with the role `media`, or give it that role (`UpdateStorage`).";
    /// A machine has it in its drive.
    StillAttached { media: Name, machine: Name } "CRL-0809" Conflict
        "{media} is still attached to {machine}",
        clears "Take it out (`DetachMedia`).";
    /// An image is being made from it.
    StillImported { media: Name, image: String } "CRL-0810" Conflict
        "{image} is being made from {media}",
        clears "Wait until the import has ended, or cancel it.";
    /// A guest can write anything at the beginning of its disk, so the format is never guessed.
    FormatUnknown { media: Name } "CRL-0812" Malformed
        "{media} is a disk whose format isn't said",
        clears "Say its `format`: `raw`, `qcow2`, `vmdk`, `vhd` or `vhdx`.";
    /// A guest gets a CD or drivers as they were sent, and nothing looks into their file before:
    /// a file of any other format could name others, which a guest would then read.
    ForImportOnly { media: Name } "CRL-0813" Malformed
        "{media} is no disk, and only a disk can be anything but raw",
        clears "Add it as a `disk` and import it, or convert it to `raw` (`qemu-img convert -O raw`).";
    /// Something of a machine is smaller or larger than can be.
    OutOfBounds { what: &'static str, given: u64, least: u64, most: u64 } "CRL-0811" Malformed
        "{what} is {given}, and can be from {least} to {most}",
        clears "Give a value within these bounds.";
}
