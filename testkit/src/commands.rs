//! Commands made up from their schemas, that name what is in a fleet often enough to be accepted.

use std::collections::BTreeMap;

use carrel_model::command::{self, About, By};
use carrel_model::fleet::{Fleet, Table, Thing};
use carrel_model::wire;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::described::generator;
use crate::random::Random;
use crate::sample::{Fullness, Sampler};
use crate::site::BEGINNING;

/// Few, so that they meet each other again.
const PEOPLE: [&str; 4] = ["anna", "jonas", "ona", "petras"];
const NAMES: [&str; 6] = ["a", "b", "room1", "win11", "debian", "exam"];

/// Schemas are made once; there are many commands.
#[derive(Debug)]
pub struct Commands {
    schemas: BTreeMap<&'static str, Value>,
}

impl Default for Commands {
    fn default() -> Self {
        let schema = |about: &About| (about.name, (about.json_schema)(generator()).to_value());
        Self { schemas: command::ALL.iter().map(schema).collect() }
    }
}

impl Commands {
    /// Any command that people or automation may send.
    pub fn of_people(&self, fleet: &Fleet, random: &mut Random) -> Option<wire::Command> {
        let sent: Vec<_> = command::ALL.iter().filter(|about| about.by != By::System).collect();
        self.one(sent[random.index(sent.len())], fleet, random)
    }

    /// Any command at all.
    pub fn any(&self, fleet: &Fleet, random: &mut Random) -> Option<wire::Command> {
        self.one(&command::ALL[random.index(command::ALL.len())], fleet, random)
    }

    /// None when what the schema allows is not what the command takes: a schema can't say all.
    pub fn one(&self, about: &About, fleet: &Fleet, random: &mut Random) -> Option<wire::Command> {
        let mut sampler = Sampler {
            root: self.schemas.get(about.name)?,
            random,
            fullness: Fullness::Some,
            known: &mut |name, random| known(fleet, name, random),
        };
        let data = sampler.value();
        serde_json::from_value(json!({ "type": about.name, "data": data })).ok()
    }
}

fn known(fleet: &Fleet, name: &str, random: &mut Random) -> Option<Value> {
    // Now and then something that isn't there.
    if random.chance(30) {
        return None;
    }
    let uuid = |id: Option<Uuid>| id.map(|id| json!(id.to_string()));
    match name {
        "The id or the name of a host." | "HypervisorId" => uuid(any(&fleet.hypervisors, random)),
        "The id or the name of a storage." | "StorageId" => uuid(any(&fleet.storages, random)),
        "The id or the name of a network." | "NetworkId" => uuid(any(&fleet.networks, random)),
        "The id or the name of a medium." | "MediaId" => uuid(any(&fleet.media, random)),
        "The id or the name of a template." | "TemplateId" => uuid(any(&fleet.templates, random)),
        "The id or the name of a machine." | "MachineId" => uuid(any(&fleet.machines, random)),
        "The id or the name of a pool." | "PoolId" => uuid(any(&fleet.pools, random)),
        "The id or the name of a group." | "GroupId" => uuid(any(&fleet.groups, random)),
        "The id or the name of a lab." | "LabId" => uuid(any(&fleet.labs, random)),
        "The id or the name of a terminal." | "TerminalId" => uuid(any(&fleet.terminals, random)),
        "ClientId" => uuid(any(&fleet.clients, random)),
        "AdminId" => uuid(any(&fleet.admins, random)),
        "TokenId" => uuid(any(&fleet.tokens, random)),
        "SessionId" => uuid(any(&fleet.sessions, random)),
        "ImageId" => uuid(any(&fleet.images, random)),
        "Timestamp" => {
            // Before those who look at the end have stopped waiting.
            let hours = u32::try_from(random.below(24)).unwrap_or_default();
            Some(json!(BEGINNING.plus_seconds(hours * 3_600)))
        }
        "CommandId" => uuid(any(&fleet.operations, random)),
        "PersonName" | "PersonRef" => Some(json!(PEOPLE[random.index(PEOPLE.len())])),
        "Name" => Some(json!(format!("{}{}", NAMES[random.index(NAMES.len())], random.below(9)))),
        _ => None,
    }
}

/// Tables are in order of ids: one that follows a random id, or the first.
fn any<T: Thing>(table: &Table<T>, random: &mut Random) -> Option<Uuid>
where
    T::Id: carrel_model::ids::FromUuid + Into<Uuid>,
{
    let nth = random.index(table.len().max(1));
    table.iter().nth(nth).map(|(id, _)| id.into())
}
