//! Terminals come, change and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draft::settle;
use super::{Draft, Terminal, called, canonical};
use crate::client::{TAKEN_MAX, ends_count};
use crate::deciding::{Decide, Deciding};
use crate::event::TerminalFact as Fact;
use crate::ids::{FromUuid, MachineId, SessionId, TerminalId};
use crate::lab::rejection::Rejection as Refused;
use crate::name::{Label, TerminalLabel};
use crate::people::{Form, Plain, Seal, SealCommand, Sealed};
use crate::pool::unassign;
use crate::record::Version;
use crate::reference::{Patch, Ref};
use crate::rejection::{Kind, Rejection, general};
use crate::sealed::{Changes, Purpose, are_of, changed};
use crate::session::{EndCause, Subject, end, end_without_right};
use crate::version::latest::Nothing;
use crate::version::latest::terminal::{Registered, Updated};

/// Makes a thin client known: by its MAC or IP address, or by any other string that it sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "RegisterTerminal", bound = "")]
pub struct RegisterTerminal<F: Form = Sealed> {
    /// Made when the command is sealed.
    #[serde(default)]
    #[schemars(skip)]
    pub id: F::NewId,
    pub termid: TerminalLabel,
    pub settings: Draft,
    /// What its class's template is filled with, passwords among it. Only the values are secret,
    /// not what they are called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<Label, F::Parameter>,
}

impl SealCommand for RegisterTerminal<Plain> {
    type Sealed = RegisterTerminal;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<RegisterTerminal, S::Error> {
        let id = seal.new_id()?;
        let parameters = seal.boxes(id, Purpose::Parameter, self.parameters)?;
        Ok(RegisterTerminal { id, termid: self.termid, settings: self.settings, parameters })
    }
}

impl Decide for RegisterTerminal {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let id = TerminalId::from_uuid(self.id);
        if deciding.fleet.terminals.contains(id) {
            return Err(general::Rejection::IdTaken { kind: Kind("terminal") }.into());
        }
        let termid = canonical(&self.termid);
        deciding.name_is_free::<TerminalId>(termid.as_str(), None)?;
        let settings = settle(deciding, &termid, &self.settings)?;
        are_of(&self.parameters, self.id)?;
        let parameters = self.parameters.clone();
        deciding.fact(id, Fact::Registered(Registered { termid, settings, parameters }));
        Ok(())
    }
}

/// Changes where a terminal stands and what it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "UpdateTerminal", bound = "")]
pub struct UpdateTerminal<F: Form = Sealed> {
    pub terminal: Ref<TerminalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termid: Option<TerminalLabel>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Those that are left out stay as they are, null takes one away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: Changes<F::Parameter>,
    /// Refused when the terminal is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl SealCommand for UpdateTerminal<Plain> {
    type Sealed = UpdateTerminal;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<UpdateTerminal, S::Error> {
        let parameters = if self.parameters.is_empty() {
            Changes::new()
        } else {
            let terminal = seal.terminal(&self.terminal)?;
            seal.changes(terminal, Purpose::Parameter, self.parameters)?
        };
        Ok(UpdateTerminal {
            terminal: self.terminal,
            termid: self.termid,
            settings: self.settings,
            parameters,
            if_version: self.if_version,
        })
    }
}

impl Decide for UpdateTerminal {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, terminal) = find(deciding, &self.terminal)?;
        deciding.is_version(&*terminal, self.if_version)?;
        let known = Updated {
            termid: terminal.termid.clone(),
            settings: terminal.settings.clone(),
            parameters: terminal.parameters.clone(),
        };
        let termid = self.termid.as_ref().map_or_else(|| known.termid.clone(), canonical);
        let draft = self.settings.apply(&Draft::of(&known.settings))?;
        let settings = settle(deciding, &termid, &draft)?;
        let parameters = changed(&known.parameters, &self.parameters, id.uuid())?;
        let updated = Updated { termid, settings, parameters };
        if updated == known {
            return Ok(());
        }
        deciding.name_is_free(updated.termid.as_str(), Some(id))?;
        deciding.fact(id, Fact::Updated(updated));
        // In another lab other pools are offered.
        end_without_right(deciding, Subject::Terminal(id));
        Ok(())
    }
}

/// Forgets a terminal. Its sessions end, and machines that were assigned to it no longer are; what
/// was written on them stays there until they are populated with `discard_data`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveTerminal {
    pub terminal: Ref<TerminalId>,
}

impl Decide for RemoveTerminal {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, terminal) = find(deciding, &self.terminal)?;
        let subject = Subject::Terminal(id);
        let sessions: Vec<SessionId> = deciding.fleet.sessions_of(subject).collect();
        let machines: Vec<MachineId> = deciding.fleet.owned_by(subject).collect();
        if ends_count(&deciding.fleet, &sessions) + machines.len() > TAKEN_MAX {
            let (termid, things) = (terminal.termid.clone(), sessions.len() + machines.len());
            return Err(Refused::TerminalHasTooMuch { termid, things, most: TAKEN_MAX }.into());
        }
        for session in sessions {
            end(deciding, session, EndCause::Revoked);
        }
        for machine in machines {
            unassign(deciding, subject, machine);
        }
        deciding.fact(id, Fact::Removed(Nothing {}));
        Ok(())
    }
}

fn find(
    deciding: &Deciding<'_>,
    named: &Ref<TerminalId>,
) -> Result<(TerminalId, Arc<Terminal>), Rejection> {
    let id = called(&deciding.fleet, named);
    deciding.find::<Terminal>(&id.map_or_else(|| named.clone(), Ref::Id))
}
