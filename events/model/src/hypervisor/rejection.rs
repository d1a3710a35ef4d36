//! Why a command about hosts is refused.

use crate::name::Name;
use crate::rejection::rejections;

rejections! {
    /// A host that is responsible for machines can't be forgotten: nobody would look after them.
    StillHasMachines { host: Name, machines: usize } "CRL-0101" Conflict
        "{host} is still responsible for {machines} machines",
        clears "Drain the host (`DrainHypervisor`), or, if it is gone for good, confirm that (`ConfirmHypervisorLost`).";
    /// Every storage names the hosts that see it.
    StillSeesStorage { host: Name, storage: Name } "CRL-0102" Conflict
        "{host} still sees the storage {storage}",
        clears "Take the host out of that storage (`UpdateStorage`) first.";
    /// A host is lost when it is off and stays off. One that is heard is not.
    StillHeard { host: Name } "CRL-0103" Conflict
        "{host} has been heard a moment ago",
        clears "Switch the host off; when it has been silent for 45 seconds, confirm that it is lost. To empty a host that works, drain it (`DrainHypervisor`).";
}
