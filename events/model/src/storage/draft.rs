//! A storage's settings as people write them, and what they can't be.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Medium, Role, Settings, Storage, holds};
use crate::arranged::{self, Arranged};
use crate::deciding::Deciding;
use crate::event::StorageFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{HypervisorId, StorageId};
use crate::name::{HostPath, Name};
use crate::reference::{Patch, Ref};
use crate::rejection::Rejection;
use crate::version::latest::storage::{Created, Updated, low_space_mib_default};
use crate::version::latest::{Labels, Properties};

/// 1 PiB: more than storages for desktops hold.
const LOW_SPACE_MIB_MAX: u64 = 1 << 30;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StorageSettings")]
pub struct Draft {
    /// What kinds of files live there. If nothing is said: all; in memory `volatile` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<Role>>,
    /// The hosts that see it, by id or name, each with its path there.
    #[serde(default)]
    pub hosts: BTreeMap<Ref<HypervisorId>, HostPath>,
    #[serde(default)]
    pub medium: Medium,
    /// Below so much free space nothing new is put there, in MiB.
    #[serde(default = "low_space_mib_default")]
    pub low_space_mib: u64,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl Arranged for Storage {
    type Name = Name;
    type Settings = Settings;
    type Draft = Draft;

    fn name(&self) -> &Name {
        &self.name
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn draft(fleet: &Fleet, settings: &Settings) -> Draft {
        Draft {
            roles: Some(settings.roles.clone()),
            hosts: arranged::drafted_hosts(fleet, &settings.hosts),
            medium: settings.medium,
            low_space_mib: settings.low_space_mib,
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
        }
    }

    fn settle(deciding: &Deciding<'_>, name: &Name, draft: &Draft) -> Result<Settings, Rejection> {
        let volatile = BTreeSet::from([Role::Volatile]);
        let roles = match (&draft.roles, draft.medium) {
            (Some(roles), _) => roles.clone(),
            (None, Medium::Disk) => Role::ALL.into(),
            (None, Medium::Memory) => volatile.clone(),
        };
        if roles.is_empty() {
            return Err(Refused::NoRoles { storage: name.clone() }.into());
        }
        if draft.medium == Medium::Memory && roles != volatile {
            return Err(Refused::MemoryKeepsNothing { storage: name.clone() }.into());
        }
        if draft.low_space_mib > LOW_SPACE_MIB_MAX {
            let (what, given) = ("the low space in MiB", draft.low_space_mib);
            let (least, most) = (0, LOW_SPACE_MIB_MAX);
            return Err(Refused::OutOfBounds { what, given, least, most }.into());
        }
        Ok(Settings {
            roles,
            hosts: arranged::hosts(deciding, &draft.hosts)?,
            medium: draft.medium,
            low_space_mib: draft.low_space_mib,
            labels: draft.labels.clone(),
            properties: draft.properties.clone(),
        })
    }

    fn by_ids(deciding: &Deciding<'_>, patch: &Patch<Draft>) -> Result<Patch<Draft>, Rejection> {
        arranged::hosts_by_id(deciding, patch)
    }

    fn may_become(&self, fleet: &Fleet, settings: &Settings) -> Result<(), Rejection> {
        for role in self.settings.roles.difference(&settings.roles) {
            holds::nothing(fleet, self, *role)?;
        }
        for (host, path) in &self.settings.hosts {
            if settings.hosts.get(host) != Some(path) {
                holds::nothing_for(fleet, self, *host)?;
            }
        }
        Ok(())
    }

    fn is_free(
        fleet: &Fleet,
        own: Option<StorageId>,
        settings: &Settings,
    ) -> Result<(), Rejection> {
        let others = || fleet.storages.iter().filter(|(id, _)| Some(*id) != own);
        for (host, path) in &settings.hosts {
            let same = |other: &HostPath| folder(other) == folder(path);
            let mut there =
                others().filter(|(_, it)| it.settings.hosts.get(host).is_some_and(same));
            if let Some((_, storage)) = there.next() {
                let host = fleet.hypervisors.get(*host);
                let Some(host) = host.map(|host| host.name.clone()) else { continue };
                let (storage, path) = (storage.name.clone(), path.clone());
                return Err(Refused::FolderTaken { storage, host, path }.into());
            }
        }
        Ok(())
    }

    fn created(name: Name, settings: Settings) -> Fact {
        Fact::Created(Created { name, settings })
    }

    fn updated(name: Name, settings: Settings) -> Fact {
        Fact::Updated(Updated { name, settings })
    }
}

/// However it is written.
fn folder(path: &HostPath) -> Vec<&str> {
    path.as_str().split('/').filter(|part| !part.is_empty() && *part != ".").collect()
}
