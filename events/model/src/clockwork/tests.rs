//! What is due becomes a command, and what is decided is due no more.

use serde_json::json;

use super::*;
use crate::event::TokenFact;
use crate::hash::KeyedHash;
use crate::ids::{AdminId, HypervisorId, PoolId, SessionId, TokenId};
use crate::operation::{self, Plan, Targets};
use crate::testing::{BEGINNING, Story, machine_made};
use crate::version::latest::Switch;
use crate::version::latest::admin::{Bearer, TokenIssued};

fn token(story: &mut Story, number: u8, expires: Timestamp) {
    let bearer = Bearer::Admin(AdminId::from_bytes([1; 16]));
    let hash = KeyedHash([number; 32]);
    let issued = TokenIssued { bearer, hash, expires, name: None };
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
    assert!(chores(&story.fleet, story.now).is_empty());
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
        let task = operation::Task { plan, targets, total: 1, until: None, after_seal: None };
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
        chores(&story.fleet, story.now).iter().map(Command::name).collect()
    };
    assert_eq!(names(&story), ["KeepLab"]);
    machines.iter().for_each(|machine| runs(&mut story, *machine));
    assert!(names(&story).is_empty());
    story.wait(3600);
    assert_eq!(names(&story), ["RestartAged"; RESTARTS_MAX]);
    for command in chores(&story.fleet, story.now) {
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
    assert_eq!(name(Due::Calendar(PoolId::from_bytes([1; 16]))), "TurnCalendar");
}

#[test]
fn what_cannot_be_helped_hides_nothing() {
    let mut now = BEGINNING;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let round = of_this_round((0..300).collect(), now, POOLS_MAX);
        assert_eq!(round.len(), POOLS_MAX);
        assert_eq!(round, of_this_round((0..300).collect(), now, POOLS_MAX), "it is determined");
        seen.extend(round);
        now = now.plus_seconds(CHORES_SECONDS);
    }
    assert_eq!(seen.len(), 300, "everybody has had a turn");
    assert_eq!(of_this_round(vec![1, 2], now, POOLS_MAX), [1, 2]);
}
