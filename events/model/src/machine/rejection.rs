//! Why a command about machines is refused. Codes: CRL-02xx.

use crate::name::{FilePath, Name};
use crate::rejection::rejections;
use crate::text::Text;

rejections! {
    /// Every host falls out: not enabled, without a label that is asked for, without the files, or
    /// without room. The message counts them.
    NoHost { machine: Name, why: Text } "CRL-0201" Conflict
        "no host can take {machine}: {why}",
        clears "Enable or add a host, free memory on one, or let the machine's storage be seen by more hosts.";
    /// A locked machine is not started, stopped, copied, populated, reverted or deleted.
    Locked { machine: Name } "CRL-0202" Conflict
        "{machine} is locked",
        clears "Unlock it (`UnlockMachine`).";
    /// A full copy of another machine's disks is being put there.
    Copying { machine: Name } "CRL-0203" Conflict
        "{machine} is copying: the disks of another machine are being copied to it",
        clears "Wait for the end of the copy; its operation shows how far it is.";
    /// The disk of an initial is becoming a version of its image.
    Sealing { machine: Name } "CRL-0204" Conflict
        "{machine} is sealing: its disk is becoming a version of its image",
        clears "Wait for the end of the seal; its operation shows how far it is.";
    /// A running machine is on its way to another host.
    Migrating { machine: Name } "CRL-0205" Conflict
        "{machine} is migrating to another host",
        clears "Wait for the end of the migration.";
    /// Once a machine's deletion was accepted, only its end is left to come.
    Deleting { machine: Name } "CRL-0206" Conflict
        "{machine} is being deleted",
        clears "Nothing: choose another machine.";
    /// Populate or a reset is giving it fresh disks.
    BeingRenewed { machine: Name } "CRL-0207" Conflict
        "{machine} is being renewed: it is getting fresh disks",
        clears "Wait for the end of the Populate or of the reset.";
    /// Carrel doesn't run an external machine: it can be woken and leased.
    External { machine: Name } "CRL-0208" Conflict
        "{machine} is external: Carrel doesn't run it",
        clears "Nothing for this machine. `StartMachine` wakes it if it has a Wake-on-LAN address.";
    /// While a host says nothing, nobody knows what its machines do.
    HostSilent { machine: Name, host: Name } "CRL-0209" Conflict
        "the state of {machine} is unknown: its host {host} is silent",
        clears "Wait until the host is heard again, or, if it is off and stays off, confirm that (`ConfirmHypervisorLost`).";
    /// The command is for a machine that runs.
    NotRunning { machine: Name, state: &'static str } "CRL-0210" Conflict
        "{machine} is not running, it is {state}",
        clears "Start it, or wait until it runs.";
    /// The command is for a machine that is off.
    NotOff { machine: Name, state: &'static str } "CRL-0211" Conflict
        "{machine} is not off, it is {state}",
        clears "Shut it down (`ShutdownMachine`) or cut its power (`PowerOffMachine`) first.";
    /// An external machine without a Wake-on-LAN address.
    CannotBeWoken { machine: Name } "CRL-0212" Conflict
        "{machine} has no Wake-on-LAN address",
        clears "Start it by hand.";
    /// A disk that is copied must not change meanwhile.
    BeingCopied { machine: Name, copies: usize } "CRL-0213" Conflict
        "{copies} copies of {machine} are being made",
        clears "Wait for the end of the copies.";
    /// A machine is on one host at a time: it goes to a third only when the first has let go.
    StillLeaving { machine: Name, host: Name } "CRL-0214" Conflict
        "{machine} is still leaving {host}, which has not confirmed it",
        clears "Wait for the host. If it is off and stays off, confirm that (`ConfirmHypervisorLost`).";
    /// Somebody uses it.
    Leased { machine: Name } "CRL-0215" Conflict
        "{machine} is in use",
        clears "Wait until its person has left, or end the session (`EndSession`).";
    /// Children of an initial stand on its versions, and on no other initial's. So an initial goes
    /// when they are gone, with all its versions.
    HasChildren { machine: Name, children: usize } "CRL-0216" Conflict
        "{machine} has {children} children, which stand on its versions",
        clears "Delete its children first (`DeleteMachine` with `children_of`), and wait until they are gone.";
    /// A new disk has to go somewhere.
    NoStorage "CRL-0218" Conflict
        "there is no storage with the role `disks` that has room and is seen by a host which sees the rest of the machine",
        clears "Create one (`CreateStorage`), give an existing one the role `disks`, or make room.";
    /// The storage that was named can't have the disks of machines.
    WrongStorage { storage: Name, why: &'static str } "CRL-0219" Conflict
        "{storage} can't take a disk: {why}",
        clears "Name another storage, or leave it out so that one is chosen.";
    /// An initial names its `source`, a child its `initial`, an external machine its address.
    KindNeeds { kind: &'static str, field: &'static str } "CRL-0220" Malformed
        "a machine of the kind {kind} needs the field `{field}`",
        clears "Add the field.";
    /// A field that only machines of another kind have.
    KindHasNo { kind: &'static str, field: &'static str } "CRL-0221" Malformed
        "a machine of the kind {kind} has no field `{field}`",
        clears "Leave the field out, or choose another kind.";
    /// A child stands on a version of its initial's image.
    NoVersion { initial: Name } "CRL-0222" Conflict
        "the image of {initial} has no version yet",
        clears "Seal it (`SealImage`), or let `Populate` seal it and make the children.";
    /// Only a source can be the `source` of an initial, and only an initial the `initial` of a
    /// child.
    WrongKind { machine: Name, needed: &'static str } "CRL-0223" Conflict
        "{machine} is not of the kind {needed}",
        clears "Name a machine of that kind.";
    /// One command makes at least one and at most so many.
    BadCount { given: u16, most: u16 } "CRL-0224" Malformed
        "{given} machines can't be made at once: from 1 to {most}",
        clears "Send several commands, or let `Populate` make the children of an initial.";
    /// With the number at its end the name is too long or not a name.
    NameTooLong { name: Name } "CRL-0225" Malformed
        "{name} leaves no room for the number at its end",
        clears "Choose a shorter name.";
    /// Almost all addresses of QEMU's prefix are taken.
    NoMacLeft "CRL-0226" Conflict
        "no unused MAC address was found",
        clears "Delete machines that are no longer needed.";
    /// The domain is known already, or its network card has the address of another machine's.
    AlreadyKnown { machine: Name } "CRL-0227" Conflict
        "{machine} has this UUID or MAC address already",
        clears "Adopt another domain, or delete the machine.";
    /// Two machines that write one file ruin it, and so does one that writes what another's file
    /// stands on.
    FileTaken { file: FilePath, machine: Name } "CRL-0250" Conflict
        "{file} is a disk of {machine}, or a file that one of its disks stands on",
        clears "Name the file of each disk once; delete the other machine if it is not to have it. What the files of several machines stand on can be no machine's disk.";
    /// What lies in the folders that Carrel makes belongs to a machine, a version or a medium
    /// already, and goes with that.
    OwnFile { file: FilePath } "CRL-0254" Conflict
        "{file} lies in a folder that Carrel keeps for itself",
        clears "Copy the disk out of it (`qemu-img convert`), have the domain use the copy, and adopt it then.";
    /// A raw file is nothing but its content, so it can stand on no other.
    RawStandsAlone { file: FilePath } "CRL-0252" Malformed
        "{file} is raw, and stands on no other file",
        clears "Leave out `backing`, or say which format the file has.";
    /// Nothing stands on itself.
    StandsOnItself { file: FilePath } "CRL-0253" Malformed
        "{file} is named among the files that it stands on",
        clears "Name in `backing` only the files below it, the nearest first.";
    /// It was a domain before, and may run: nothing is done to it before that is known.
    NotYetSeen { machine: Name } "CRL-0251" Conflict
        "the host of {machine} has yet to say whether it runs",
        clears "Wait until the host has reported what it found.";
    /// The disk that was named isn't one of the machine's.
    NoSuchDisk { machine: Name } "CRL-0228" Unknown
        "{machine} has no such disk",
        clears "Leave `disk` out for the system disk, or take an id that the machine shows.";
    /// What is beyond the new end would be lost.
    CannotShrink { machine: Name, from_gib: u32, to_gib: u32 } "CRL-0229" Conflict
        "the disk of {machine} has {from_gib} GiB: it can grow, but not to {to_gib} GiB",
        clears "Choose a larger size.";
    /// What is written goes to a throwaway overlay, so the disks themselves are left alone.
    HasVirtualSnapshot { machine: Name } "CRL-0230" Conflict
        "{machine} has a virtual snapshot",
        clears "Shut it down and switch the virtual snapshot off (`DisableVirtualSnapshot`).";
    /// Snapshots remember the size of the disk.
    HasSnapshots { machine: Name } "CRL-0231" Conflict
        "{machine} has snapshots",
        clears "Delete them first (`DeleteSnapshot`).";
    /// The disk of a running machine is in the middle of something.
    NotQuiesced { machine: Name } "CRL-0232" Conflict
        "{machine} is running",
        clears "Shut it down. On a simulated host, ask for `quiesced`: the guest agent then holds its file systems still.";
    /// Snapshots stand on each other, and each makes reading slower.
    TooManySnapshots { machine: Name, deep: usize, all: usize } "CRL-0233" Conflict
        "{machine} has {all} snapshots and stands on {deep} of them; at most 32 and 8 are possible",
        clears "Delete some.";
    /// Snapshots of one machine have different names.
    SnapshotNameTaken { machine: Name, name: Name } "CRL-0234" Conflict
        "{machine} has a snapshot {name} already",
        clears "Choose another name.";
    /// The machine has no snapshot of that id or name.
    NoSuchSnapshot { machine: Name, given: String } "CRL-0235" Unknown
        "{machine} has no snapshot {given}",
        clears "Take one that the machine shows.";
    /// One thing is done with a machine's snapshots at a time.
    SnapshotBusy { machine: Name, name: Name } "CRL-0236" Conflict
        "the snapshot {name} of {machine} is being taken, reverted to or deleted",
        clears "Wait until that has ended.";
    /// An initial is kept by sealing it.
    InitialHasVersions { machine: Name } "CRL-0237" Conflict
        "{machine} is an initial: its states are the versions of its image",
        clears "Seal it (`SealImage`) to keep what it is now.";
    /// A disk image that was uploaded becomes a machine's own disk, not a CD.
    NotInsertable { medium: Name } "CRL-0238" Conflict
        "{medium} is a disk, not a CD or a driver image",
        clears "Import it (`ImportImage`).";
    /// A machine has only so many drives.
    TooManyMedia { machine: Name, most: usize } "CRL-0239" Conflict
        "{machine} has {most} media already",
        clears "Detach one (`DetachMedia`).";
    /// Live migration would leave behind what the guest has written since its start.
    ThrowawayStaysBehind { machine: Name, host: String } "CRL-0240" Conflict
        "what {machine} has written since its start lies in a throwaway overlay that can't be seen from {host}",
        clears "Shut it down and start it on the other host, or put throwaway overlays on storage that both see.";
    /// A suspended machine is resumed, not started.
    Suspended { machine: Name } "CRL-0241" Conflict
        "{machine} is suspended",
        clears "Resume it (`ResumeMachine`).";
    /// It runs on its throwaway overlay, and what would be done for its upkeep would go with that.
    WritesThrownAway { machine: Name } "CRL-0242" Conflict
        "{machine} is on already, and what is written on it is thrown away",
        clears "Shut it down first (`ShutdownMachine`), then start it with `persistent_once`.";
}
