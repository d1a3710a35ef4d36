//! A network's settings as people write them, and what they can't be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AddressRange, Attachment, Network, Policy, Settings};
use crate::arranged::{self, Arranged};
use crate::deciding::Deciding;
use crate::event::NetworkFact as Fact;
use crate::fleet::Fleet;
use crate::ids::HypervisorId;
use crate::name::Name;
use crate::reference::{Patch, Ref};
use crate::rejection::Rejection;
use crate::storage::rejection::Rejection as Refused;
use crate::version::latest::network::{Created, Updated};
use crate::version::latest::{Labels, Properties};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NetworkSettings")]
pub struct Draft {
    /// For hosts that are not named below. A patch that puts another kind of attachment in its
    /// place takes the old one away with null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// For single hosts, by id or name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<Ref<HypervisorId>, Attachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressRange>,
    pub policy: Policy,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl Arranged for Network {
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
            attachment: settings.attachment.clone(),
            hosts: arranged::drafted_hosts(fleet, &settings.hosts),
            addresses: settings.addresses.clone(),
            policy: settings.policy.clone(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
        }
    }

    fn settle(deciding: &Deciding<'_>, name: &Name, draft: &Draft) -> Result<Settings, Rejection> {
        for attachment in draft.attachment.iter().chain(draft.hosts.values()) {
            check_tag(name, attachment)?;
        }
        if let Some(addresses) = &draft.addresses {
            check_range(name, addresses)?;
        }
        Ok(Settings {
            attachment: draft.attachment.clone(),
            hosts: arranged::hosts(deciding, &draft.hosts)?,
            addresses: draft.addresses.clone(),
            policy: draft.policy.clone(),
            labels: draft.labels.clone(),
            properties: draft.properties.clone(),
        })
    }

    fn by_ids(deciding: &Deciding<'_>, patch: &Patch<Draft>) -> Result<Patch<Draft>, Rejection> {
        arranged::hosts_by_id(deciding, patch)
    }

    fn created(name: Name, settings: Settings) -> Fact {
        Fact::Created(Created { name, settings })
    }

    fn updated(name: Name, settings: Settings) -> Fact {
        Fact::Updated(Updated { name, settings })
    }
}

fn check_tag(network: &Name, attachment: &Attachment) -> Result<(), Refused> {
    match attachment {
        // IEEE 802.1Q, table 9-2: 0 is no VLAN, 4095 is reserved.
        Attachment::Vlan { tag, .. } if !(1..=4094).contains(tag) => {
            Err(Refused::NoVlanTag { network: network.clone(), tag: *tag })
        }
        Attachment::Bridge { .. } | Attachment::Vlan { .. } | Attachment::Libvirt { .. } => Ok(()),
    }
}

fn check_range(network: &Name, addresses: &AddressRange) -> Result<(), Refused> {
    let (first, last) = (addresses.first, addresses.last);
    if first.is_ipv4() == last.is_ipv4() && first <= last {
        return Ok(());
    }
    Err(Refused::NoAddressRange { network: network.clone(), first, last })
}
