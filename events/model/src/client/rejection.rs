//! Why a command about people and groups is refused. Codes: CRL-05xx.

use crate::client::Provider;
use crate::name::Name;
use crate::rejection::rejections;

rejections! {
    /// An operator has blocked this person.
    Blocked "CRL-0501" Forbidden
        "this person is blocked",
        clears "An operator unblocks them (`UnblockClient`).";
    /// A name is told apart within its provider, so a new one is sealed for that provider.
    OtherProvider { provider: Provider } "CRL-0502" Conflict
        "this person is kept in {provider}",
        clears "Set `provider` to that one.";
    /// Passwords of people of a directory are not Carrel's.
    DirectoryHasPassword { provider: Provider } "CRL-0503" Conflict
        "the password of this person is kept in {provider}",
        clears "Change it there.";
    /// A person is deleted in one decision, together with everything that they have.
    HasTooMuch { things: usize, most: usize } "CRL-0504" Conflict
        "this person has {things} sessions, machines, groups and pools, and at most {most} can be taken from them at once",
        clears "End their sessions (`EndSession`), take machines (`UnassignClient`) and pools (`RevokePool`) from them, then delete them.";
    /// Who is in a directory's group, the directory says.
    DirectoryHasMembers { group: Name } "CRL-0505" Conflict
        "the members of {group} are kept in a directory",
        clears "Change them there, or use a group without `directory`.";
    /// A group is deleted in one decision, together with what it holds.
    HoldsTooMuch { group: Name, pools: usize, most: usize } "CRL-0506" Conflict
        "{group} holds {pools} pools, and at most {most} can be taken from it at once",
        clears "Revoke some of them (`RevokePool`) first.";
}
