//! Why a command about operations is refused.

use crate::ids::CommandId;
use crate::rejection::rejections;

rejections! {
    /// Operations that ended well or were cancelled are over at once, those that failed a day
    /// later. Nothing of them can be changed any more.
    NotThere { operation: CommandId } "CRL-0701" Unknown
        "no operation {operation} is going on",
        clears "Look at the operation: if it is over, send the command anew for what is still to be done.";
    /// Everything of the operation has ended, so there is nothing left to cancel.
    Ended { operation: CommandId } "CRL-0702" Conflict
        "the operation {operation} has ended",
        clears "Nothing has to be cancelled. What failed stays as it is unless it is tried again (`RetryOperation`).";
    /// What failed can be tried again when everything else has ended.
    NotEnded { operation: CommandId } "CRL-0703" Conflict
        "the operation {operation} has not ended",
        clears "Wait until it has ended, or cancel it (`CancelOperation`).";
    /// A version is being sealed, and many operations wait for it already.
    TooManyWait { most: usize } "CRL-0704" Conflict
        "{most} operations wait for this version already",
        clears "Wait until the version is sealed, or cancel some of them (`CancelOperation`).";
}
