//! What a fact makes of a fleet. Total: whatever is in the log can be folded, also what no decision
//! of this version would write.

use crate::event::{ClusterFact, Event};
use crate::fleet::Fleet;
use crate::{
    admin, client, group, hypervisor, image, lab, machine, media, network, operation, pool,
    session, storage, template, terminal,
};

/// The fleet after the fact.
#[must_use]
pub fn evolve(mut fleet: Fleet, event: &Event) -> Fleet {
    fleet.apply(event);
    fleet
}

impl Fleet {
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Cluster(_, ClusterFact::FeatureLevelRaised(raised)) => {
                self.feature_level = self.feature_level.max(raised.level);
            }
            Event::Hypervisor(id, fact) => hypervisor::evolve::evolve(self, *id, fact),
            Event::Storage(id, fact) => storage::evolve::evolve(self, *id, fact),
            Event::Network(id, fact) => network::evolve::evolve(self, *id, fact),
            Event::Media(id, fact) => media::evolve::evolve(self, *id, fact),
            Event::Template(id, fact) => template::evolve::evolve(self, *id, fact),
            Event::Machine(id, fact) => machine::evolve::evolve(self, *id, fact),
            Event::Image(id, fact) => image::evolve::evolve(self, *id, fact),
            Event::Pool(id, fact) => pool::evolve::evolve(self, *id, fact),
            Event::Client(id, fact) => client::evolve::evolve(self, *id, fact),
            Event::Group(id, fact) => group::evolve::evolve(self, *id, fact),
            Event::Lab(id, fact) => lab::evolve::evolve(self, *id, fact),
            Event::Terminal(id, fact) => terminal::evolve::evolve(self, *id, fact),
            Event::Session(id, fact) => session::evolve::evolve(self, *id, fact),
            Event::Admin(id, fact) => admin::evolve::evolve(self, *id, fact),
            Event::Token(id, fact) => admin::evolve::evolve_token(self, *id, fact),
            Event::Operation(id, fact) => operation::evolve::evolve(self, *id, fact),
        }
    }
}
