//! What is due becomes a command, and what is decided is due no more.

use serde_json::json;

use super::*;
use crate::event::TokenFact;
use crate::hash::KeyedHash;
use crate::ids::{AdminId, CommandId, HypervisorId, SessionId, TokenId};
use crate::operation::{self, Plan, Targets};
use crate::testing::{BEGINNING, Story, machine_made};
use crate::version::latest::Switch;
use crate::version::latest::admin::{Bearer, TokenIssued};

fn token(story: &mut Story, number: u8, expires_at: Timestamp) {
    let bearer = Bearer::Admin(AdminId::from_bytes([1; 16]));
    let hash = KeyedHash([number; 32]);
    let issued = TokenIssued { bearer, hash, expires_at, name: None };
    story.was(TokenId::from_bytes([number; 16]), TokenFact::Issued(issued));
}

/// Does what is due until nothing is; each round has to change something.
fn rounds(story: &mut Story) -> usize {
    let mut rounds = 0;
    loop {
        let due = due(&story.fleet, story.now);
        if due.is_empty() {
            return rounds;
        }
        for command in due {
            let name = command.name();
            assert!(!story.given(command).is_empty(), "{name} was due and changes nothing");
        }
        rounds += 1;
    }
}

#[test]
fn nothing_is_due_in_an_empty_fleet() {
    let story = Story::new();
    assert_eq!(next_time(&story.fleet), None);
    assert!(due(&story.fleet, story.now).is_empty());
    assert!(Chores::default().due(&story.fleet, story.now).is_empty());
}

#[test]
fn a_token_is_due_at_its_time_and_once() {
    let mut story = Story::new();
    token(&mut story, 1, BEGINNING.plus_seconds(60));
    token(&mut story, 2, BEGINNING.plus_seconds(90));
    assert_eq!(next_time(&story.fleet), Some(BEGINNING.plus_seconds(60)));
    assert_eq!(rounds(&mut story), 0);
    story.wait(60);
    assert_eq!(rounds(&mut story), 1);
    assert_eq!(next_time(&story.fleet), Some(BEGINNING.plus_seconds(90)));
}

#[test]
fn an_operation_is_due_at_once_until_all_have_had_their_turn() {
    let mut story = Story::new();
    let kind = crate::machine::Kind::Simple;
    let mut machines: Vec<_> = (0..40)
        .map(|at| machine_made(&mut story, &format!("pc-{at}"), kind.clone(), Vec::new()))
        .collect();
    machines.sort();
    let plan = Plan::SetMaintenance { switch: Switch::On };
    let targets = Targets::Listed(machines);
    story.happens(|deciding| {
        operation::start_on(deciding, plan, targets).expect("it is accepted");
    });
    assert_eq!(next_time(&story.fleet), Some(Timestamp(0)));
    assert_eq!(rounds(&mut story), 3);
    assert!(story.fleet.operations.is_empty());
}

#[test]
fn no_more_is_sent_at_once_than_fits_and_both_kinds_have_their_share() {
    let mut story = Story::new();
    for at in 0..200 {
        token(&mut story, at, BEGINNING);
    }
    let machine = machine_made(&mut story, "pc", crate::machine::Kind::Simple, Vec::new());
    let sent = due(&story.fleet, story.now);
    assert_eq!(sent.len(), DUE_MAX);
    for byte in 1..=200 {
        let id = CommandId::from_bytes([byte; 16]);
        let name = crate::name::PlatformName::new("Test").expect("a name");
        let targets = Targets::Listed(vec![machine]);
        let plan = Plan::Resume;
        let task =
            operation::Task { plan, targets, total: 1, last_machine: None, after_seal: None };
        let fingerprint = crate::record::Fingerprint([7; 32]);
        let task = Some(task);
        let accepted = crate::version::latest::operation::Accepted { name, fingerprint, task };
        story.was(id, crate::event::OperationFact::Accepted(accepted));
    }
    let sent = due(&story.fleet, story.now);
    let operations = sent.iter().filter(|command| command.name() == "AdvanceOperation").count();
    assert_eq!((sent.len(), operations), (2 * DUE_MAX, DUE_MAX));
}

#[test]
fn labs_are_looked_after_a_few_machines_at_a_time() {
    use crate::lab::tests::{runs, with_machines};
    let settings = json!({ "pools": ["office"], "start_instances": 6, "restart_after_hours": 1 });
    let (mut story, machines) = with_machines(&settings, 6);
    let names = |story: &Story| -> Vec<_> {
        Chores::default().due(&story.fleet, story.now).iter().map(Command::name).collect()
    };
    assert_eq!(names(&story), ["KeepLab"]);
    machines.iter().for_each(|machine| runs(&mut story, *machine));
    assert!(names(&story).is_empty());
    story.wait(3600);
    assert_eq!(names(&story), ["RestartAged"; RESTARTS_MAX]);
    for command in Chores::default().due(&story.fleet, story.now) {
        assert!(!story.given(command).is_empty());
    }
    assert_eq!(names(&story), ["KeepLab", "RestartAged", "RestartAged"]);
}

#[test]
fn every_silence_and_every_time_is_translated() {
    let session = SessionId::from_bytes([1; 16]);
    let becomes = |silence| lapsed(silence).name();
    assert_eq!(becomes(Silence::Lease(session)), "ExpireLease");
    assert_eq!(becomes(Silence::Place(session)), "ExpirePlace");
    let host = HypervisorId::from_bytes([1; 16]);
    assert_eq!(becomes(Silence::Worker(host)), "ReportHostSilent");
    let machine = MachineId::from_bytes([1; 16]);
    let name = |due| command(due).name();
    let operation = CommandId::from_bytes([1; 16]);
    assert_eq!(name(Due::Operation(operation)), "AdvanceOperation");
    assert_eq!(name(Due::Ticket(session, 1)), "ExpireTicket");
    assert_eq!(name(Due::Token(TokenId::from_bytes([1; 16]))), "ExpireToken");
    assert_eq!(name(Due::Power(machine)), "ExpirePower");
    assert_eq!(name(Due::Readiness(machine)), "ExpireReadiness");
    assert_eq!(name(Due::Renewal(machine)), "AdvanceRenewal");
    let pool = PoolId::from_bytes([1; 16]);
    assert_eq!(name(Due::Calendar(pool)), "TurnCalendar");
    assert_eq!(name(Due::Rights(pool)), "ReviewRights");
}

#[test]
fn what_cannot_be_helped_hides_nothing() {
    let mut rounds = Rounds::default();
    let mut now = BEGINNING;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let round = rounds.round(now, (SERVE_SECONDS, POOLS_MAX), || (0..300).collect());
        assert_eq!(round.len(), POOLS_MAX);
        seen.extend(round);
        now = now.plus_seconds(SERVE_SECONDS);
    }
    assert_eq!(seen.len(), 300, "everybody has had a turn");
    let few = rounds.round(now, (SERVE_SECONDS, POOLS_MAX), || [1, 2].into());
    assert_eq!(few, [1, 2]);
}

#[test]
fn each_kind_of_chore_comes_in_its_own_time() {
    let settings = json!({ "pools": ["office"], "start_instances": 1 });
    let (mut story, _) = crate::lab::tests::with_machines(&settings, 1);
    let spares = json!({ "spares": { "keep_started": 1 } });
    for (name, data) in [
        ("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true })),
        ("UpdatePool", json!({ "pool": "office", "settings": spares })),
    ] {
        story.given(crate::testing::command(name, data));
    }
    let mut chores = Chores::default();
    let mut counts = std::collections::BTreeMap::new();
    let end = story.now.plus_seconds(2 * LABS_SECONDS);
    while story.now < end {
        for command in chores.due(&story.fleet, story.now) {
            *counts.entry(command.name()).or_insert(0) += 1;
        }
        assert_eq!(chores.due(&story.fleet, story.now), [], "once in each round");
        story.now = chores.next_time();
    }
    let expected = [("KeepLab", 2), ("ServePool", 2 * LABS_SECONDS / SERVE_SECONDS)];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}
