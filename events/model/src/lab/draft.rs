//! A lab's settings as people write them, and what they can't be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Lab, Launcher, Settings};
use crate::arranged::Arranged;
use crate::deciding::Deciding;
use crate::event::LabFact as Fact;
use crate::fleet::Fleet;
use crate::ids::PoolId;
use crate::name::Name;
use crate::pool::Pool;
use crate::reference::Ref;
use crate::rejection::{Rejection, bad_settings, general};
use crate::terminal;
use crate::version::latest::lab::{Created, Updated};
use crate::version::latest::{Labels, Properties};

/// More desktops than one can choose from on one screen.
pub const POOLS_MAX: usize = 64;
/// More kinds of terminals than one room has.
pub const CLASSES_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "LabSettings")]
pub struct Draft {
    /// What is offered there, in order; the first one is the default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Ref<PoolId>>,
    /// So many machines of the default pool run at any time.
    pub start_instances: u32,
    /// At most so many machines of its pools run at once, whoever starts them; none: as many as
    /// there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<u32>,
    /// A machine that nobody uses restarts when it has run so long; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_after_hours: Option<u32>,
    /// What its terminals run: a command line for each class, in which `%HOST%` stands for the
    /// terminal's parameter of that name, `%TERMID%` and `%LAB%` for what the terminal and the lab
    /// are called, and `%%` for a percent sign.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<Name, Launcher>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl Arranged for Lab {
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
        let there = settings.pools.iter().filter(|pool| fleet.pools.contains(**pool));
        Draft {
            pools: there.map(|pool| Ref::Id(*pool)).collect(),
            start_instances: settings.start_instances,
            max_instances: settings.max_instances,
            restart_after_hours: settings.restart_after_hours,
            classes: settings.classes.clone(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
        }
    }

    fn settle(deciding: &Deciding<'_>, _: &Name, draft: &Draft) -> Result<Settings, Rejection> {
        for (given, most) in [(draft.pools.len(), POOLS_MAX), (draft.classes.len(), CLASSES_MAX)] {
            if given > most {
                return Err(general::Rejection::TooMany { given, most }.into());
            }
        }
        if let Some(most) = draft.max_instances
            && draft.start_instances > most
        {
            let start = draft.start_instances;
            return Err(Refused::StartsMoreThanMay { start, most }.into());
        }
        if draft.restart_after_hours == Some(0) {
            return Err(bad_settings(
                "`restart_after_hours` is 1 or more; without it nothing restarts",
            ));
        }
        for (class, launcher) in &draft.classes {
            terminal::check_template(launcher.template.as_str())
                .map_err(|why| Refused::NotALauncher { class: class.clone(), why })?;
        }
        Ok(Settings {
            pools: pools(deciding, &draft.pools)?,
            start_instances: draft.start_instances,
            max_instances: draft.max_instances,
            restart_after_hours: draft.restart_after_hours,
            classes: draft.classes.clone(),
            labels: draft.labels.clone(),
            properties: draft.properties.clone(),
        })
    }

    fn may_become(&self, fleet: &Fleet, settings: &Settings) -> Result<(), Rejection> {
        let terminals = fleet.terminals_in(self.id).filter_map(|id| fleet.terminals.get(id));
        for terminal in terminals {
            let class = &terminal.settings.class;
            if !settings.classes.contains_key(class) {
                let (class, terminal) = (class.clone(), terminal.termid.clone());
                return Err(Refused::ClassInUse { class, terminal }.into());
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

fn pools(deciding: &Deciding<'_>, drafted: &[Ref<PoolId>]) -> Result<Vec<PoolId>, Rejection> {
    let mut pools = Vec::with_capacity(drafted.len());
    for named in drafted {
        let (id, pool) = deciding.find::<Pool>(named)?;
        if pools.contains(&id) {
            return Err(bad_settings(format_args!("the pool {} is named twice", pool.name)));
        }
        pools.push(id);
    }
    Ok(pools)
}
