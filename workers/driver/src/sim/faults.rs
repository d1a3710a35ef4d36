//! What can go wrong on simulated hosts.

use crate::step::StepKind;
use crate::trouble::{Hope, Trouble};

use super::pace::Random;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// So many times as long as usual.
    Slow { times: u32 },
    /// Until it is cancelled, or the host goes down.
    Hung,
    /// Nothing is done.
    Fails(Trouble),
    /// It is done, and whoever asked hears of it so many times later than usual.
    Late { times: u32 },
    /// It is done, and whoever asked never hears of it.
    LosesAnswer,
    /// The host goes down with everything on it, before anything is done.
    Dies,
}

/// How often it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Often {
    Once,
    Always,
    /// One time in so many, by chance.
    OneIn(u32),
}

#[derive(Clone, Debug)]
pub(super) struct Faults {
    /// Nothing: any step.
    set: Vec<(Option<StepKind>, Fault, Often)>,
    random: Random,
}

impl Faults {
    pub(super) const fn new(seed: u64) -> Self {
        Self { set: Vec::new(), random: Random::new(seed) }
    }

    pub(super) fn add(&mut self, step: Option<StepKind>, fault: Fault, often: Often) {
        self.set.push((step, fault, often));
    }

    pub(super) fn clear(&mut self) {
        self.set.clear();
    }

    /// What happens to this step, if anything does.
    pub(super) fn draw(&mut self, step: StepKind) -> Option<Fault> {
        let random = &mut self.random;
        let at = self.set.iter().position(|(of, _, often)| {
            of.is_none_or(|of| of == step)
                && match often {
                    Often::Once | Often::Always => true,
                    Often::OneIn(many) => random.chance(*many),
                }
        })?;
        match self.set.get(at)? {
            (_, _, Often::Once) => Some(self.set.remove(at).1),
            (_, fault, Often::Always | Often::OneIn(_)) => Some(fault.clone()),
        }
    }
}

impl Fault {
    pub fn fails_once_more(step: StepKind) -> Self {
        Self::Fails(Trouble::new(Hope::Again, step.word(), "try again"))
    }

    pub fn fails_for_good(step: StepKind) -> Self {
        Self::Fails(Trouble::new(Hope::Never, step.word(), "it can't be done"))
    }
}
