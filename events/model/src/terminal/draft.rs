//! A terminal's settings as people write them, and what they can't be.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Settings, Terminal};
use crate::arranged::Arranged;
use crate::deciding::Deciding;
use crate::event::TerminalFact as Fact;
use crate::fleet::Fleet;
use crate::ids::LabId;
use crate::lab::Lab;
use crate::lab::rejection::Rejection as Refused;
use crate::mac::Mac;
use crate::name::{Name, TerminalLabel};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::terminal::{Registered, Updated};
use crate::version::latest::{Labels, Properties};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TerminalSettings")]
pub struct Draft {
    pub lab: Ref<LabId>,
    /// One of the lab's classes.
    pub class: Name,
    /// What its class's template is filled with.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub parameters: Properties,
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

impl Arranged for Terminal {
    type Name = TerminalLabel;
    type Settings = Settings;
    type Draft = Draft;

    fn name(&self) -> &TerminalLabel {
        &self.termid
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn draft(_: &Fleet, settings: &Settings) -> Draft {
        Draft {
            lab: Ref::Id(settings.lab),
            class: settings.class.clone(),
            parameters: settings.parameters.clone(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
        }
    }

    fn settle(
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
        let broken = draft.parameters.iter().find(|(_, value)| value.as_str().contains('\n'));
        if let Some((parameter, _)) = broken {
            return Err(Refused::NotInOneLine { parameter: parameter.clone() }.into());
        }
        Ok(Settings {
            lab,
            class: draft.class.clone(),
            parameters: draft.parameters.clone(),
            labels: draft.labels.clone(),
            properties: draft.properties.clone(),
        })
    }

    fn created(termid: TerminalLabel, settings: Settings) -> Fact {
        Fact::Registered(Registered { termid, settings })
    }

    fn updated(termid: TerminalLabel, settings: Settings) -> Fact {
        Fact::Updated(Updated { termid, settings })
    }
}
