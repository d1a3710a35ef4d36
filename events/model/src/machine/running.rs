//! Commands that switch machines on and off, move them, delete them, speak to whoever sits in front
//! of them, and keep them from people. Each is for many machines; what one machine's turn is stands in
//! the folder `turn`.

use crate::deciding::{Decide, Deciding};
use crate::hypervisor::Hypervisor;
use crate::ids::HypervisorId;
use crate::machine::{RestartManner, StopManner};
use crate::operation::{self, Plan, for_machines};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::text::Text;
use crate::version::latest::Switch;

for_machines! {
    /// While it is on, the machines are not given to people; who has one keeps it. Switching it off
    /// ends a quarantine, too.
    SetMaintenance {
        on: bool,
    }
}

impl Decide for SetMaintenance {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let switch = if self.on { Switch::On } else { Switch::Off };
        operation::start(deciding, Plan::SetMaintenance { switch }, &self.selection())
    }
}

for_machines! {
    /// Starts machines, each on the host that suits it best. External ones are woken.
    StartMachine {
        /// What is written until the next power-off is kept, although there is a virtual snapshot.
        #[serde(default)]
        persistent_once: bool,
    }
}

impl Decide for StartMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let plan = Plan::Start { persistent_once: self.persistent_once };
        operation::start(deciding, plan, &self.selection())
    }
}

for_machines! {
    /// Asks the guests, once, to shut down (ACPI). A guest that doesn't within three minutes stays
    /// on, and its part fails.
    ShutdownMachine {}
}

impl Decide for ShutdownMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = StopManner::Acpi;
        operation::start(deciding, Plan::Stop { manner }, &self.selection())
    }
}

for_machines! {
    /// Cuts the power. What the guest has not written to its disks is lost.
    PowerOffMachine {}
}

impl Decide for PowerOffMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = StopManner::Hard;
        operation::start(deciding, Plan::Stop { manner }, &self.selection())
    }
}

for_machines! {
    /// Asks the guests to reboot.
    RebootMachine {}
}

impl Decide for RebootMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = RestartManner::Reboot;
        operation::start(deciding, Plan::Restart { manner }, &self.selection())
    }
}

for_machines! {
    /// Presses the reset button.
    ResetMachine {}
}

impl Decide for ResetMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = RestartManner::Reset;
        operation::start(deciding, Plan::Restart { manner }, &self.selection())
    }
}

for_machines! {
    /// Holds the machines still, with everything in their memory.
    SuspendMachine {}
}

impl Decide for SuspendMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Suspend, &self.selection())
    }
}

for_machines! {
    /// Lets suspended machines go on, and wakes guests that are asleep.
    ResumeMachine {}
}

impl Decide for ResumeMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Resume, &self.selection())
    }
}

for_machines! {
    /// Deletes machines with their disks. An initial goes when it has no versions and no children
    /// left, a machine in use when its person has left.
    DeleteMachine {
        /// Also machines that run: their power is cut.
        #[serde(default)]
        force: bool,
    }
}

impl Decide for DeleteMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Delete { force: self.force }, &self.selection())
    }
}

for_machines! {
    /// Moves running machines to another host without stopping them. Both hosts have to see the
    /// files.
    MigrateMachine {
        /// If it is left out, the host that suits best.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Ref<HypervisorId>>,
    }
}

impl Decide for MigrateMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let to = match &self.to {
            Some(to) => Some(deciding.find::<Hypervisor>(to)?.0),
            None => None,
        };
        operation::start(deciding, Plan::Migrate { to }, &self.selection())
    }
}

for_machines! {
    /// Shows words to whoever sits in front of the machines.
    MessageMachine {
        text: Text,
    }
}

impl Decide for MessageMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Message { text: self.text.clone() }, &self.selection())
    }
}
