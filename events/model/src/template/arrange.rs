//! Templates come, change and go. Machines that were made of one keep what they have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Settings, Template, bounds};
use crate::arranged::{self, Arranged};
use crate::deciding::{Decide, Deciding};
use crate::event::TemplateFact as Fact;
use crate::fleet::Fleet;
use crate::ids::TemplateId;
use crate::name::Name;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::version::latest::Nothing;
use crate::version::latest::template::{Created, Updated};

impl Arranged for Template {
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
        bounds::check_hardware(&draft.hardware)?;
        bounds::check_disk(draft.disk_gib)?;
        bounds::check_display(&draft.display)?;
        Ok(draft.clone())
    }

    fn created(name: Name, settings: Settings) -> Fact {
        Fact::Created(Created { name, settings })
    }

    fn updated(name: Name, settings: Settings) -> Fact {
        Fact::Updated(Updated { name, settings })
    }
}

/// Says once what many new machines have in common. The one called `default` is taken for machines
/// that name none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTemplate {
    pub name: Name,
    #[serde(default)]
    pub settings: Settings,
}

impl Decide for CreateTemplate {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        arranged::create::<Template>(deciding, &self.name, &self.settings)?;
        Ok(())
    }
}

/// Changes what new machines will be made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTemplate {
    pub template: Ref<TemplateId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Settings>,
    /// Refused when the template is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdateTemplate {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let change = Change::new(self.name.as_ref(), &self.settings, self.if_version);
        arranged::update::<Template>(deciding, &self.template, &change)
    }
}

/// Forgets a template. Nothing stands on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteTemplate {
    pub template: Ref<TemplateId>,
}

impl Decide for DeleteTemplate {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Template>(&self.template)?;
        deciding.fact(id, Fact::Deleted(Nothing {}));
        Ok(())
    }
}
