//! Terminals come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draft, Terminal, canonical};
use crate::arranged;
use crate::client::{TAKEN_MAX, ends_count};
use crate::deciding::{Decide, Deciding};
use crate::event::TerminalFact as Fact;
use crate::ids::{MachineId, SessionId, TerminalId};
use crate::lab::rejection::Rejection as Refused;
use crate::name::TerminalLabel;
use crate::pool::unassign;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::session::{EndCause, Subject, end, end_without_right};
use crate::version::latest::Nothing;

/// Makes a thin client known: by its MAC or IP address, or by any other string that it sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterTerminal {
    pub termid: TerminalLabel,
    pub settings: Draft,
}

impl Decide for RegisterTerminal {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        arranged::create::<Terminal>(deciding, &canonical(&self.termid), &self.settings)?;
        Ok(())
    }
}

/// Changes where a terminal stands and what it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTerminal {
    pub terminal: Ref<TerminalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termid: Option<TerminalLabel>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Refused when the terminal is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdateTerminal {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let termid = self.termid.as_ref().map(canonical);
        let change = Change::new(termid.as_ref(), &self.settings, self.if_version);
        let (id, _) = deciding.find::<Terminal>(&by_canonical(&self.terminal))?;
        arranged::update::<Terminal>(deciding, &Ref::Id(id), &change)?;
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
        let (id, terminal) = deciding.find::<Terminal>(&by_canonical(&self.terminal))?;
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

fn by_canonical(named: &Ref<TerminalId>) -> Ref<TerminalId> {
    match named {
        Ref::Id(id) => Ref::Id(*id),
        Ref::Name(name) => match TerminalLabel::new(name) {
            Ok(termid) => Ref::Name(canonical(&termid).as_str().into()),
            Err(_) => named.clone(),
        },
    }
}
