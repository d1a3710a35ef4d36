//! Hosts come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Hypervisor, Settings};
use crate::arranged::{self, Arranged};
use crate::deciding::{Decide, Deciding};
use crate::event::HypervisorFact as Fact;
use crate::fleet::Fleet;
use crate::ids::HypervisorId;
use crate::name::Name;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::version::latest::Nothing;
use crate::version::latest::hypervisor::{Registered, Updated};

impl Arranged for Hypervisor {
    type Name = Name;
    type Settings = Settings;
    type Draft = Settings;

    fn name(&self) -> &Name {
        &self.name
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn draft(_: &Fleet, settings: &Settings) -> Settings {
        settings.clone()
    }

    fn settle(_: &Deciding<'_>, _: &Name, draft: &Settings) -> Result<Settings, Rejection> {
        Ok(draft.clone())
    }

    fn created(name: Name, settings: Settings) -> Fact {
        Fact::Registered(Registered { name, settings })
    }

    fn updated(name: Name, settings: Settings) -> Fact {
        Fact::Updated(Updated { name, settings })
    }
}

/// Takes a host in. Its worker can sign in from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterHypervisor {
    pub name: Name,
    pub settings: Settings,
}

impl Decide for RegisterHypervisor {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        arranged::create::<Hypervisor>(deciding, &self.name, &self.settings)?;
        Ok(())
    }
}

/// Changes what a host can give and how it is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateHypervisor {
    pub hypervisor: Ref<HypervisorId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Settings>,
    /// Refused when the host is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdateHypervisor {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let change = Change::new(self.name.as_ref(), &self.settings, self.if_version);
        arranged::update::<Hypervisor>(deciding, &self.hypervisor, &change)
    }
}

/// Forgets a host that is responsible for nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveHypervisor {
    pub hypervisor: Ref<HypervisorId>,
}

impl Decide for RemoveHypervisor {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, host) = deciding.find::<Hypervisor>(&self.hypervisor)?;
        let machines = deciding.fleet.machines_on(id).count();
        if machines > 0 {
            return Err(Refused::StillHasMachines { host: host.name.clone(), machines }.into());
        }
        let seen =
            deciding.fleet.storages.iter().find(|(_, it)| it.settings.hosts.contains_key(&id));
        if let Some((_, storage)) = seen {
            let (host, storage) = (host.name.clone(), storage.name.clone());
            return Err(Refused::StillSeesStorage { host, storage }.into());
        }
        deciding.fact(id, Fact::Removed(Nothing {}));
        Ok(())
    }
}
