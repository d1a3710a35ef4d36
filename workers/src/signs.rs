//! What is worth nothing later: how far long steps are, and who looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_driver::{Advance, Listing};
use carrel_model::contract::{LongStep, Signs};
use carrel_model::ids::{CommandId, HypervisorId};
use carrel_model::machine::Probe;
use carrel_model::text::Text;
use carrel_model::work::Thing;

/// The long steps of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct LongSteps(Arc<Mutex<Steps>>);

#[derive(Debug, Default)]
struct Steps {
    now: BTreeMap<Thing, LongStep>,
    /// Those that ended since somebody asked.
    ended: Vec<LongStep>,
}

impl LongSteps {
    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begins(&self, thing: Thing, step: &str, operation: Option<CommandId>) {
        let step = LongStep {
            thing,
            step: Text::cut(&step.replace('_', " ")),
            done_bytes: 0,
            of_bytes: None,
            operation,
            ended: false,
        };
        self.steps().now.insert(thing, step);
    }

    pub(crate) fn ends(&self, thing: Thing) {
        let mut steps = self.steps();
        if let Some(step) = steps.now.remove(&thing) {
            steps.ended.push(LongStep { ended: true, ..step });
        }
    }

    /// Hears how far the step of a thing is.
    pub(crate) fn advance(&self, thing: Thing) -> Arc<dyn Advance> {
        Arc::new(Advancing { steps: self.clone(), thing })
    }

    fn take(&self) -> Vec<LongStep> {
        let mut steps = self.steps();
        let ended = std::mem::take(&mut steps.ended);
        steps.now.values().cloned().chain(ended).collect()
    }
}

#[derive(Debug)]
struct Advancing {
    steps: LongSteps,
    thing: Thing,
}

impl Advance for Advancing {
    fn is(&self, done_bytes: u64, of_bytes: Option<u64>) {
        if let Some(step) = self.steps.steps().now.get_mut(&self.thing) {
            step.done_bytes = done_bytes;
            step.of_bytes = of_bytes;
        }
    }
}

/// What there is to say now.
pub(crate) fn signs(
    hypervisor: HypervisorId,
    steps: &LongSteps,
    listing: Option<&Listing>,
) -> Signs {
    let domains = || listing.iter().flat_map(|listing| &listing.domains);
    let viewers = domains().flat_map(|domain| domain.viewers.iter().map(|it| it.session));
    let agents = domains().filter(|domain| domain.answers.contains(&Probe::Agent));
    Signs {
        hypervisor,
        steps: steps.take(),
        viewers: viewers.collect(),
        agents: agents.map(|domain| domain.machine).collect(),
    }
}

pub(crate) fn is_silent(signs: &Signs) -> bool {
    signs.steps.is_empty() && signs.viewers.is_empty() && signs.agents.is_empty()
}
