//! Why a command about images is refused. Codes: CRL-03xx.

use super::ImageName;
use super::keeps::Keeps;
use crate::name::{Name, NamePattern};
use crate::rejection::rejections;
use crate::text::Text;

rejections! {
    /// Each kind of machine has its place in the image chain: a source is copied, an initial is
    /// sealed, children are populated.
    OtherKind { machine: Name, wanted: &'static str } "CRL-0301" Conflict
        "{machine} is not {wanted}",
        clears "Name a machine of that kind.";
    /// One host has to read the one's files and write the other's.
    NoCommonHost { copied: Name, initial: Name, why: Text } "CRL-0302" Conflict
        "no host sees the files of both {copied} and {initial}: {why}",
        clears "Let a host see both storages (`UpdateStorage`), enable a host that does, or make the initial on another storage.";
    /// The initial was made by importing, so it has no source that could be copied by default.
    NoSource { initial: Name } "CRL-0303" Conflict
        "{initial} has no source",
        clears "Name the `source` to copy.";
    /// Names and MAC addresses are taken for all of them at once.
    TooManyChildren { given: u32, most: u32 } "CRL-0304" Malformed
        "{given} children are more than the {most} that one command can make",
        clears "Make them with several commands.";
    /// Each file that a disk stands on is one more place where a read may have to look, so that
    /// there is a limit. A file that stands alone is being made, and if that fails asked for again.
    TooDeep { initial: Name, depth: u8, most: u8 } "CRL-0331" Conflict
        "{initial} stands on {depth} files, and a version may have {most} until one that stands alone is made",
        clears "Wait until that file is made (it is tried again by itself, so make room where the images are), or copy the source to the initial anew (`CopyFromSource`).";
    /// Nothing was ever written to the initial's disk that could be a version.
    NothingToSeal { initial: Name } "CRL-0306" Conflict
        "{initial} was never started and nothing was copied to it, so there is nothing to seal",
        clears "Copy a source to it (`CopyFromSource`), or start it and install something.";
    /// A fixed tag stays on its version for ever, so that it always means the same content.
    TagIsFixed { initial: Name, tag: Name, number: u32 } "CRL-0307" Conflict
        "{initial}:{tag} is fixed on version {number}",
        clears "Use another tag.";
    /// `head` is always on the newest version, `head` and `default` are handed on when a version is
    /// retired.
    TagOfItsOwn { tag: Name } "CRL-0308" Conflict
        "{tag} can't be set or fixed like this",
        clears "Use `default` or a tag of your own. `head` moves by itself with each seal, and neither of both can be fixed.";
    /// Only a version that is sealed and not retired can be used.
    NotUsable { image: ImageName, state: &'static str } "CRL-0309" Conflict
        "{image} is {state}",
        clears "Use a version that is sealed or verified.";
    /// `head` and `default` go to the newest other version when theirs is retired; here is none.
    NoSuccessor { image: ImageName, tag: Name } "CRL-0310" Conflict
        "{image} is tagged {tag}, and there is no other version that could have the tag",
        clears "Seal a newer version first (`SealImage`). To be rid of the image as a whole, delete the initial (`DeleteMachine`): its versions go with it.";
    /// A version goes only when no disk stands on it and none is about to.
    StillUsed { image: ImageName, used_by: Text } "CRL-0311" Conflict
        "{image} is still used: {used_by}",
        clears "Populate those machines from another version, or delete them; wait for operations that bring machines onto it. An initial is off its version with the next one that is sealed (`SealImage`, when something was written since), or when its source is copied to it anew (`CopyFromSource`). To be rid of the image as a whole, delete the initial (`DeleteMachine`): its versions go with it.";
    /// A pool follows one of the version's tags, which would be gone.
    Followed { image: ImageName, tag: Name, pool: Name } "CRL-0312" Conflict
        "the pool {pool} follows the tag {tag} of {image}",
        clears "Move the tag to another version (`TagImage`), or let the pool follow another tag (`UpdatePool`).";
    /// Populate makes the system disk anew. What somebody keeps there would be lost, and the
    /// machine's snapshots with it.
    KeepsData { machine: Name, keeps: Keeps } "CRL-0313" Conflict
        "{machine} {keeps}, and populating it would lose what is on it",
        clears "Say `discard_data: true` if that may be lost.";
    /// Each child's host name in its guest is made from its name: at most 15 characters of letters,
    /// digits and `-`.
    NoHostnames { pattern: NamePattern, number: u32 } "CRL-0314" Conflict
        "{pattern} gives no host name of 1 to 15 letters, digits and inner '-' for number {number}",
        clears "Say a shorter `name_pattern`.";
    /// Only new children get names.
    PatternWithoutCount "CRL-0315" Malformed
        "a name pattern is for new children, and this makes none",
        clears "Say how many children to make (`count`), or leave `name_pattern` out.";
    /// What a version is to be named by: either the version itself or its initial with a number.
    WhichImage "CRL-0316" Malformed
        "this names no version, or names it in two ways",
        clears "Name either a version (`<initial>@<number>`, `<initial>:<tag>` or its id) or its initial, as the command's description says.";
    /// A throwaway overlay would take the first boot's writes away with it.
    FirstBootUnfinished { machine: Name } "CRL-0317" Conflict
        "the first boot of {machine} has not ended as it should",
        clears "Wait until it has ended, or populate the machine again.";
    /// A throwaway overlay and snapshots of the same disk don't go together.
    HasSnapshots { machine: Name, snapshots: usize } "CRL-0318" Conflict
        "{machine} has snapshots: {snapshots}",
        clears "Delete its snapshots first.";
    /// A child stands on versions of its own initial only.
    OtherInitial { machine: Name, initial: Name } "CRL-0319" Conflict
        "{machine} is not a child of {initial}",
        clears "Name children of that initial, or make new ones with `count`.";
    /// Machines in a pool that follows `head` are on the version that has it, or on their way to
    /// it.
    LeftBehind { initial: Name, machine: Name } "CRL-0322" Conflict
        "the pool of {machine} follows {initial}:head, which moves when {initial} is sealed for this",
        clears "Seal the initial first (`SealImage`): that populates the machines of such pools, too. Or populate all of its children.";
    /// Only a disk can become a machine's disk.
    NoDiskFile { media: Name } "CRL-0321" Conflict
        "{media} is not a disk",
        clears "Upload the disk as a medium of the kind `disk`.";
    /// The import ends with another disk in place of the one that the machine has.
    DiskInUse { machine: Name } "CRL-0332" Conflict
        "{machine} was started or copied to since its import failed, and importing again would lose what is on its disk",
        clears "Import the file under another name (`ImportImage`), or delete the machine first.";
    /// Only of a raw disk does the size follow from its file's.
    SizeUnknown { media: Name } "CRL-0330" Malformed
        "how large the disk in {media} is does not follow from the size of its file",
        clears "Say `size_gib`, as `qemu-img info` shows the virtual size.";
}
