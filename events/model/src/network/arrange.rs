//! Networks come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draft, Network};
use crate::arranged;
use crate::deciding::{Decide, Deciding};
use crate::event::NetworkFact as Fact;
use crate::fleet::Fleet;
use crate::ids::NetworkId;
use crate::image::ImageName;
use crate::name::Name;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::storage::rejection::Rejection as Refused;
use crate::version::latest::Nothing;

/// Makes a network known that the hosts have: a bridge, a VLAN, or a network of libvirt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateNetwork {
    pub name: Name,
    #[serde(default)]
    pub settings: Draft,
}

impl Decide for CreateNetwork {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        arranged::create::<Network>(deciding, &self.name, &self.settings)?;
        Ok(())
    }
}

/// Changes how machines reach a network. Those that run get it with their next power cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateNetwork {
    pub network: Ref<NetworkId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Refused when the network is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdateNetwork {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let change = Change::new(self.name.as_ref(), &self.settings, self.if_version);
        arranged::update::<Network>(deciding, &self.network, &change)
    }
}

/// Forgets a network that no machine is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveNetwork {
    pub network: Ref<NetworkId>,
}

impl Decide for RemoveNetwork {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, network) = deciding.find::<Network>(&self.network)?;
        if let Some(by) = user(&deciding.fleet, id) {
            return Err(Refused::NetworkInUse { network: network.name.clone(), by }.into());
        }
        deciding.fact(id, Fact::Removed(Nothing {}));
        Ok(())
    }
}

/// A machine that is on it, also one that only runs on it until its next power cycle, or a version
/// that new machines would bring it from. Looks at all of them, which is done rarely.
fn user(fleet: &Fleet, network: NetworkId) -> Option<String> {
    let machine = fleet.machines.iter().find(|(_, machine)| {
        let running_with = machine.running_with.iter();
        running_with.chain([&machine.settings]).any(|it| it.networks.contains(&network))
    });
    let image = || fleet.images.iter().find(|(_, it)| it.settings.networks.contains(&network));
    match machine {
        Some((_, machine)) => Some(machine.name.to_string()),
        None => image().map(|(_, image)| ImageName::of(fleet, image).to_string()),
    }
}
