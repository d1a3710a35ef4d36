//! A machine's settings as people write them: networks by id or name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hardware, Readiness, Settings};
use crate::deciding::Deciding;
use crate::ids::NetworkId;
use crate::network::Network;
use crate::reference::{Patch, Ref};
use crate::rejection::{Rejection, bad_settings};
use crate::template;
use crate::version::latest::display::Display;
use crate::version::latest::{Labels, Properties};

/// Network cards that a guest can have: its PCI bus has room for more, no installation needs them.
pub(super) const NETWORKS_MAX: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "MachineSettings")]
pub struct Draft {
    pub hardware: Hardware,
    /// By id or name; the first is the one of the machine's first network card.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Ref<NetworkId>>,
    pub display: Display,
    pub readiness: Readiness,
    /// Only hosts with all of these labels.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub host_labels: Labels,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl From<&Settings> for Draft {
    fn from(settings: &Settings) -> Self {
        Self {
            hardware: settings.hardware.clone(),
            networks: settings.networks.iter().copied().map(Ref::Id).collect(),
            display: settings.display.clone(),
            readiness: settings.readiness.clone(),
            host_labels: settings.host_labels.clone(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
        }
    }
}

/// What the settings become with a change, if a guest can have that.
pub(super) fn changed(
    deciding: &Deciding<'_>,
    change: &Patch<Draft>,
    to: &Settings,
) -> Result<Settings, Rejection> {
    let Draft { hardware, networks, display, readiness, host_labels, labels, properties } =
        change.apply(&Draft::from(to))?;
    template::check_hardware(&hardware)?;
    template::check_display(&display)?;
    if networks.len() > NETWORKS_MAX {
        return Err(bad_settings(format_args!("more than {NETWORKS_MAX} networks")));
    }
    let networks = networks.iter().map(|named| Ok(deciding.find::<Network>(named)?.0));
    let networks = networks.collect::<Result<_, Rejection>>()?;
    Ok(Settings { hardware, networks, display, readiness, host_labels, labels, properties })
}
