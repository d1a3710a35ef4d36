//! What hosts have, as they would say it.

use carrel_model::contract::{Held, HeldPower, Inventory};
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::record::Incarnation;
use carrel_model::work::Thing;

use super::{Domain, Hosts};

impl Hosts {
    /// Everything that a host has. It does things in one step, so that all of it is settled; of
    /// files it remembers nothing.
    pub fn inventory(&self, host: HypervisorId) -> Inventory {
        let own = self.domains.iter().filter(|((on, _), domain)| *on == host && domain.defined);
        let things = own.map(|((_, machine), domain)| Held {
            thing: Thing::Machine(*machine),
            generation: domain.generation,
            settled: true,
            power: Some(domain.held()),
        });
        Inventory {
            hypervisor: host,
            incarnation: Incarnation::default(),
            things: things.collect(),
            space: Vec::new(),
            foreign: 0,
        }
    }

    /// What a domain does, if it is defined there.
    pub fn power(&self, host: HypervisorId, machine: MachineId) -> Option<HeldPower> {
        let domain = self.domains.get(&(host, machine)).filter(|domain| domain.defined);
        domain.map(Domain::held)
    }

    /// It says again what it has said of one machine, when it is told again.
    pub fn says_again(&mut self, machine: MachineId) {
        let of_it = self.domains.iter_mut().filter(|((_, it), _)| *it == machine);
        of_it.for_each(|(_, domain)| domain.forget_reports());
    }

    /// Nobody hears anything of it.
    pub fn is_off(&self, host: HypervisorId) -> bool {
        self.lost.contains(&host)
    }
}

impl Domain {
    fn held(&self) -> HeldPower {
        HeldPower { boot_epoch: self.boot_epoch, runs: self.running }
    }
}
