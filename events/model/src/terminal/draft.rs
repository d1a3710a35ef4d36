//! A terminal's settings as people write them, and what they can't be.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Settings;
use crate::deciding::Deciding;
use crate::fleet::{Fleet, Space};
use crate::ids::{FromUuid, LabId, TerminalId};
use crate::lab::Lab;
use crate::lab::rejection::Rejection as Refused;
use crate::mac::Mac;
use crate::name::{Name, TerminalLabel};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::{Labels, Properties};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TerminalSettings")]
pub struct Draft {
    pub lab: Ref<LabId>,
    /// One of the lab's classes.
    pub class: Name,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

/// As addresses are written by those who print them: a terminal is the same one whether its MAC is
/// in capitals or not, and however its IPv6 address is shortened.
pub fn canonical(termid: &TerminalLabel) -> TerminalLabel {
    let text = termid.as_str();
    let mac = text.parse::<Mac>().map(|mac| mac.to_string());
    let address = || text.parse::<IpAddr>().map(|address| address.to_string());
    let canonical = mac.or_else(|_| address()).map(|text| TerminalLabel::new(&text));
    match canonical {
        Ok(Ok(canonical)) => canonical,
        Ok(Err(_)) | Err(_) => termid.clone(),
    }
}

/// The terminal that a command names.
pub fn called(fleet: &Fleet, named: &Ref<TerminalId>) -> Option<TerminalId> {
    let id = match named {
        Ref::Id(id) => Some(*id),
        Ref::Name(name) => {
            let termid = TerminalLabel::new(name).ok()?;
            let name = canonical(&termid).as_str().into();
            let id = fleet.index.names.get(&(Space::Terminal, name));
            id.map(|id| TerminalId::from_uuid(*id))
        }
    };
    id.filter(|id| fleet.terminals.contains(*id))
}

impl Draft {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            lab: Ref::Id(settings.lab),
            class: settings.class.clone(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
        }
    }
}

/// Finds what the draft names, and refuses what can't be.
pub(super) fn settle(
    deciding: &Deciding<'_>,
    termid: &TerminalLabel,
    draft: &Draft,
) -> Result<Settings, Rejection> {
    if Uuid::try_parse(termid.as_str()).is_ok() {
        return Err(Refused::CalledLikeAnId { termid: termid.clone() }.into());
    }
    let (lab, found) = deciding.find::<Lab>(&draft.lab)?;
    if !found.settings.classes.contains_key(&draft.class) {
        let (lab, class) = (found.name.clone(), draft.class.clone());
        return Err(Refused::NoSuchClass { lab, class }.into());
    }
    Ok(Settings {
        lab,
        class: draft.class.clone(),
        labels: draft.labels.clone(),
        properties: draft.properties.clone(),
    })
}
