//! Why a command about labs and terminals is refused.

use crate::name::{Name, TerminalLabel};
use crate::rejection::rejections;

rejections! {
    /// Every terminal stands in a lab, so a lab goes last.
    StillHasTerminals { lab: Name, terminals: usize } "CRL-0601" Conflict
        "{terminals} terminals are still in {lab}",
        clears "Move the terminals to another lab (`UpdateTerminal`) or remove them (`RemoveTerminal`).";
    /// A terminal runs what its class says, and classes are those of its lab.
    NoSuchClass { lab: Name, class: Name } "CRL-0602" Unknown
        "{lab} has no class {class}",
        clears "Use one of the lab's classes, or add this one (`UpdateLab`).";
    /// A class of which there are terminals can't go: they would have nothing to run.
    ClassInUse { class: Name, terminal: TerminalLabel } "CRL-0603" Conflict
        "the terminal {terminal} is of the class {class}",
        clears "Give the terminal another class (`UpdateTerminal`), or keep this one.";
    /// So many machines are to run at any time, and fewer may run at once.
    StartsMoreThanMay { start: u32, most: u32 } "CRL-0604" Malformed
        "{start} machines are to run at any time, and at most {most} may",
        clears "Raise `max_instances` or lower `start_instances`.";
    /// A terminal runs one line. In it, `%NAME%` stands for a parameter and `%%` for a percent
    /// sign.
    NotALauncher { class: Name, why: &'static str } "CRL-0605" Malformed
        "the template of {class} is no command line: {why}",
        clears "Write it in one line, with a percent sign at both ends of every parameter's name.";
    /// Every place that takes an id also takes a name, so a terminal can't be called like an id.
    CalledLikeAnId { termid: TerminalLabel } "CRL-0607" Malformed
        "{termid} looks like an id of Carrel's own",
        clears "Call the terminal by its MAC or IP address, or by any other string.";
    /// A terminal is removed in one decision, together with everything that it has.
    TerminalHasTooMuch { termid: TerminalLabel, things: usize, most: usize } "CRL-0608" Conflict
        "{termid} has {things} sessions and machines, and at most {most} can be taken from it at once",
        clears "End its sessions (`EndSession`), or delete machines that were assigned to it.";
    /// As many machines of the lab's pools run as may run at once.
    Full { lab: Name } "CRL-0609" Conflict
        "as many machines run in {lab} as may",
        clears "Stop another machine of its pools, or raise `max_instances` (`UpdateLab`).";
}
