//! Carrel itself: what all of its processes can do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::ClusterFact;
use crate::ids::ClusterId;
use crate::rejection::Rejection;
use crate::version::latest::cluster::FeatureLevelRaised;

/// What this version can read and write. It grows by one with every release that writes something
/// that the release before can't read.
pub const FEATURE_LEVEL: u16 = 1;

/// The commands of this file.
pub mod commands {
    pub use super::RaiseFeatureLevel;
}

/// Allows to write what only this version and later ones can read. To be sent when every process
/// was updated; there is no way back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RaiseFeatureLevel {
    pub level: u16,
}

impl Decide for RaiseFeatureLevel {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (given, current, most) = (self.level, deciding.fleet.feature_level, FEATURE_LEVEL);
        if given < current {
            return Err(Refused::LevelFalls { given, current }.into());
        }
        if given > current && given > most {
            return Err(Refused::UnknownLevel { given, most }.into());
        }
        if given > current {
            let raised = FeatureLevelRaised { level: given };
            deciding.fact(ClusterId::THE, ClusterFact::FeatureLevelRaised(raised));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::FEATURE_LEVEL;
    use crate::command::Command;
    use crate::testing::{Story, command, kinds};

    fn raise(level: u16) -> Command {
        command("RaiseFeatureLevel", json!({ "level": level }))
    }

    #[test]
    fn a_level_rises_to_what_this_version_knows_and_never_falls() {
        let mut story = Story::new();
        let refused = story.refused(raise(FEATURE_LEVEL + 1), "CRL-0907");
        assert_eq!(refused.to_string(), "this version knows feature levels up to 1, not 2");
        let events = story.given(raise(FEATURE_LEVEL));
        assert_eq!(kinds(&events), ["operation.accepted", "cluster.feature_level_raised"]);
        assert_eq!(story.fleet.feature_level, FEATURE_LEVEL);
        assert_eq!(kinds(&story.given(raise(FEATURE_LEVEL))), ["operation.accepted"]);
        story.refused(raise(FEATURE_LEVEL - 1), "CRL-0908");
    }
}
