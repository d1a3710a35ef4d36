//! Why a command about those who run the system, their tokens or the system itself is refused.

use crate::ids::TokenId;
use crate::rejection::rejections;

rejections! {
    /// If nobody were left who may do everything, nobody could ever be given that right again.
    LastAdmin "CRL-0901" Conflict
        "nobody else has the role admin",
        clears "Give somebody else the role `admin` first (`SetAdminRoles`).";
    /// Without a role one could sign in and do nothing.
    NoRole "CRL-0902" Malformed
        "this leaves no role",
        clears "Give one of `viewer`, `operator` and `admin`, or delete the administrator (`DeleteAdmin`).";
    /// A person or program can have so many tokens. Sign-ins make room by themselves; tokens with a
    /// name are somebody's and stay.
    TooManyTokens { most: usize } "CRL-0903" Conflict
        "there are {most} tokens with names already",
        clears "Revoke one that is not needed any more (`RevokeToken`).";
    /// A token has to end some time, and not at once.
    NoSuchLifetime { given: u32, most: u32 } "CRL-0904" Malformed
        "a token lives from 1 to {most} seconds, and this is for {given}",
        clears "Give a time within these bounds, and issue another token when it has ended.";
    /// Who is blocked does not sign in.
    Blocked "CRL-0905" Conflict
        "this person is blocked",
        clears "Unblock the person (`UnblockClient`).";
    /// The token has ended: it was revoked, or its time is over.
    NoSuchToken { token: TokenId } "CRL-0906" Unknown
        "there is no token {token}",
        clears "Nothing has to be done: what has ended lets nobody in.";
    /// Every process of this version would have to read what none of them knows.
    UnknownLevel { given: u16, most: u16 } "CRL-0907" Malformed
        "this version knows feature levels up to {most}, not {given}",
        clears "Update every process of Carrel first.";
    /// What was written with a level can't be read with a lower one.
    LevelFalls { given: u16, current: u16 } "CRL-0908" Conflict
        "the feature level is {current} and can't fall to {given}",
        clears "Nothing: to go back, restore a backup from before the level was raised.";
}
