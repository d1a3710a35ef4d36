//! What facts make of a template.

use super::Template;
use crate::event::TemplateFact as Fact;
use crate::fleet::Fleet;
use crate::ids::TemplateId;
use crate::record::Version;

pub(crate) fn evolve(fleet: &mut Fleet, id: TemplateId, fact: &Fact) {
    match fact {
        Fact::Created(created) => fleet.put(
            id,
            Template {
                id,
                version: Version(1),
                name: created.name.clone(),
                settings: created.settings.clone(),
            },
        ),
        Fact::Updated(updated) => fleet.step::<Template>(id, |it| {
            it.name = updated.name.clone();
            it.settings = updated.settings.clone();
        }),
        Fact::Deleted(_) => drop(fleet.take::<Template>(id)),
    }
}
