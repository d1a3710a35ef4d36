//! Facts are folded into a fleet that nobody else looks at: what a start from nothing takes.

use std::collections::BTreeMap;

use carrel_model::event::{Event, MachineFact};
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::ids::MachineId;
use carrel_testkit::site::{self, Site};
use serde_json::json;
use uuid::Uuid;

use crate::figures::{Goal, Spread};
use crate::report::{Section, Table, number};
use crate::{Failure, clock, say};

const SITE: Site =
    Site { hosts: 200, machines: 20_000, pools: 40, first_pool: 0, people: 20_000, one_in_runs: 1 };
/// How often every machine goes off and on again.
const CYCLES: u32 = 5;

struct Encoded {
    kind: &'static str,
    schema: u16,
    stream: (&'static str, Uuid),
    data: Vec<u8>,
}

pub(super) fn run(rounds: u16) -> Result<Section, Failure> {
    let facts = facts();
    let encoded = facts.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let (mut typed, mut decoded, mut plain) = (vec![], vec![], vec![]);
    for round in 1..=rounds {
        typed.push(rate(facts.len(), || {
            facts.iter().fold(Fleet::default(), evolve);
        }));
        let mut failure = None;
        decoded.push(rate(facts.len(), || {
            failure = fold_json(&encoded).err();
        }));
        if let Some(failure) = failure {
            return Err(failure);
        }
        plain.push(rate(facts.len(), || {
            fold_plain(&facts);
        }));
        say(&format!("round {round}, folding: {}", number(typed[typed.len() - 1])));
    }
    let (typed, decoded, plain) = (Spread::of(typed), Spread::of(decoded), Spread::of(plain));
    let goal =
        |what: &str, spread: Spread, least| Goal::at_least(least, "events/s", what, spread.median);
    Ok(Section {
        name: "fold",
        tables: vec![Table {
            title: format!(
                "Folding {} facts of {} machines",
                number(as_f64(facts.len())),
                number(f64::from(SITE.machines))
            ),
            notes: vec![String::from(
                "- A plain map: the last state of each machine in a BTreeMap, with no index and \
                 nothing shared. It answers no question of a broker; it is what can't be beaten.",
            )],
            columns: vec!["", "events/s", "min..max"],
            rows: vec![
                line("typed facts", typed),
                line("with their JSON read", decoded),
                line("a plain map", plain),
            ],
        }],
        goals: vec![
            goal("typed facts folded", typed, 500_000.0),
            goal("facts folded with their JSON read", decoded, 250_000.0),
        ],
        figures: json!({
            "typed": typed.median, "decoded": decoded.median, "plain": plain.median,
        }),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of facts are small")]
pub(super) fn as_f64(count: usize) -> f64 {
    count as f64
}

pub(super) fn line(what: &str, spread: Spread) -> Vec<String> {
    let range = format!("{}..{}", number(spread.min), number(spread.max));
    vec![what.to_owned(), number(spread.median), range]
}

fn rate(count: usize, run: impl FnOnce()) -> f64 {
    let (took, ()) = clock::timed(run);
    as_f64(count) / took.as_secs_f64()
}

fn facts() -> Vec<Event> {
    let mut facts: Vec<Event> = SITE.facts().collect();
    for _ in 0..CYCLES {
        for number in 0..SITE.machines {
            let id = site::machine(number);
            facts.extend(site::stops(id));
            facts.extend(site::starts(id, site::host(number % SITE.hosts)));
        }
    }
    facts
}

fn encode(event: &Event) -> Result<Encoded, Failure> {
    let written = event.written(u16::MAX).ok_or("a fact that nobody reads")??;
    Ok(Encoded {
        kind: event.kind(),
        schema: written.schema,
        stream: event.stream(),
        data: written.data.to_vec(),
    })
}

fn fold_json(facts: &[Encoded]) -> Result<Fleet, Failure> {
    let mut fleet = Fleet::default();
    for fact in facts {
        let event = Event::decode(fact.kind, fact.schema, fact.stream, &fact.data)?;
        fleet = evolve(fleet, &event);
    }
    Ok(fleet)
}

fn fold_plain(facts: &[Event]) -> BTreeMap<MachineId, (u64, Option<MachineFact>)> {
    let mut machines: BTreeMap<MachineId, (u64, Option<MachineFact>)> = BTreeMap::new();
    for event in facts {
        if let Event::Machine(id, fact) = event {
            let (count, last) = machines.entry(*id).or_default();
            *count += 1;
            *last = Some(fact.clone());
        }
    }
    machines
}
