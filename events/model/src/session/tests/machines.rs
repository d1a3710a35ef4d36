//! What machines do to leases.

use crate::testing::BEGINNING;
use serde_json::json;

use super::site::{HOST, IMAGE, Site, armed, fact, machine, of_sessions, person};
use crate::event::{Event, HypervisorFact, MachineFact, SessionFact};
use crate::machine::{State, StopCause};
use crate::session::{EndCause, Subject, Use};

fn arm(site: &mut Site, n: u32) {
    let session = site.session_id(n);
    site.story.happened(session, SessionFact::DisplayArmed(fact(armed())));
    assert_eq!(site.session(n).used, Use::Begun);
}

fn ends(events: &[Event]) -> Vec<EndCause> {
    let end = |event: &Event| {
        let Event::Session(_, SessionFact::LeaseEnded(ended)) = event else { return None };
        Some(ended.cause)
    };
    events.iter().filter_map(end).collect()
}

#[test]
fn a_guest_that_shuts_down_ends_the_lease() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    site.started(0);
    let events = site.stopped(0, StopCause::Guest);
    assert_eq!(ends(&events), [EndCause::Guest]);
    site.made_clean(0);
    assert_eq!(site.at(0).written, None, "and the machine is made clean");
}

#[test]
fn nobody_gets_their_own_machine_while_it_is_kept_up() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.assign(0, 0);
    let name = site.at(0).name.to_string();
    site.given("EnableVirtualSnapshot", json!({ "machines": [name] }));
    site.given("StartMachine", json!({ "machines": [name], "persistent_once": true }));
    site.started(0);
    assert!(site.at(0).is_kept_up());
    site.ask(0);
    assert_eq!(site.machine_of(0), None, "they wait");
    site.stopped(0, StopCause::Guest);
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

#[test]
fn a_machine_that_crashes_under_somebody_ends_the_lease() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.ask(0);
    site.started(0);
    arm(&mut site, 0);
    assert_eq!(ends(&site.stopped(0, StopCause::Crash)), [EndCause::Machine]);
    assert!(site.has(0).is_none());
}

#[test]
fn whoever_waits_for_a_machine_that_does_not_start_gets_another() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.ask(0);
    let events = site.start_failed(0);
    assert_eq!(of_sessions(&events), ["session.moved"]);
    assert_eq!(site.machine_of(0), Some(machine(1)));
    assert_eq!(site.at(1).observed.state, State::Starting);
    assert_eq!(of_sessions(&site.ask(0)), ["session.ticket_issued"], "with a ticket for that one");
}

#[test]
fn the_only_machine_is_tried_again_until_it_is_in_quarantine() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    let events = site.start_failed(0);
    assert_eq!(of_sessions(&events), [""; 0]);
    assert_eq!(site.at(0).observed.state, State::Starting);
    site.maintenance(0, "quarantine", "on");
    let events = site.start_failed(0);
    assert_eq!(of_sessions(&events), ["lease.ended", "session.queued", "session.left"]);
    assert!(site.has(0).is_none(), "nothing would come");
}

#[test]
fn whoever_waits_for_a_machine_that_is_not_ready_in_time_gets_another() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.ask(0);
    site.started(0);
    let late = fact(json!({ "boot_epoch": 1, "at": BEGINNING }));
    let events = site.story.happened(machine(0), MachineFact::ReadyTimedOut(late));
    assert_eq!(of_sessions(&events), ["session.moved"]);
}

#[test]
fn somebodys_own_machine_is_not_exchanged() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 2, 1);
    site.assign(0, 0);
    site.ask(0);
    site.start_failed(0);
    assert_eq!(site.at(0).observed.state, State::Starting, "it is tried again");
    site.maintenance(0, "quarantine", "on");
    assert_eq!(ends(&site.start_failed(0)), [EndCause::Machine]);
    assert_eq!(site.at(0).owners, [Subject::Client(person(0))]);
}

#[test]
fn maintenance_does_not_disturb_somebody_who_works() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.ask(0);
    site.started(0);
    arm(&mut site, 0);
    for reason in ["admin", "drain", "quarantine"] {
        assert_eq!(of_sessions(&site.maintenance(0, reason, "on")), [""; 0]);
    }
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

#[test]
fn a_machine_that_is_taken_for_other_work_ends_its_lease() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(0);
    let renewal = json!({ "why": "reset", "image": IMAGE });
    let requested = fact(json!({ "renewal": renewal }));
    site.story.happened(machine(0), MachineFact::RenewalRequested(requested));
    if site.has(0).is_some() {
        let begun = fact(json!({ "deadline": BEGINNING }));
        site.story.happened(machine(0), MachineFact::RenewalBegun(begun));
    }
    assert!(site.has(0).is_none());
    assert_eq!(site.at(0).leases, []);
}

#[test]
fn a_machine_that_is_deleted_ends_its_lease_and_the_wait_for_it() {
    let mut site = Site::new();
    site.vdi(0);
    site.person(0);
    site.assign(0, 0);
    site.locked(0);
    let ask = json!({ "client": { "id": person(0) }, "machine": "m0" });
    site.given("RequestDesktop", ask);
    assert!(site.waits(0));
    let operation = crate::ids::CommandId::from_bytes([5; 16]);
    let delete = fact(json!({ "operation": operation }));
    let events = site.story.happened(machine(0), MachineFact::DeleteRequested(delete));
    assert_eq!(of_sessions(&events), ["session.left"]);
}

#[test]
fn nobody_is_moved_away_from_a_terminal_server() {
    let mut site = Site::new();
    site.pool("pool", json!({}));
    for n in 0..2 {
        site.external(n, 2);
        site.join(n, "pool");
    }
    site.person(0);
    site.entitle(0, "pool");
    site.ask(0);
    let server = site.machine_of(0);
    let late = fact(json!({ "boot_epoch": 0, "at": BEGINNING }));
    assert_eq!(
        of_sessions(&site.story.happened(machine(0), MachineFact::ReadyTimedOut(late))),
        [""; 0]
    );
    for n in 0..2 {
        assert_eq!(of_sessions(&site.maintenance(n, "quarantine", "on")), [""; 0]);
    }
    assert_eq!(site.machine_of(0), server);
}

#[test]
fn a_first_use_that_came_to_nothing_ties_nobody_to_a_machine() {
    for quarantined in [true, false] {
        let mut site = Site::with_pool(json!({ "mode": "sticky" }), 2, 1);
        site.ask(0);
        let owner = Subject::Client(person(0));
        assert_eq!(site.at(0).owners, [owner]);
        if quarantined {
            site.started(0);
            site.maintenance(0, "quarantine", "on");
        } else {
            site.start_failed(0);
        }
        assert_eq!(site.machine_of(0), Some(machine(1)));
        assert_eq!(
            (site.at(0).owners.as_slice(), site.at(1).owners.as_slice()),
            (&[][..], &[owner][..])
        );
        site.made_clean(0);
        assert_eq!(site.at(0).written, None, "others can have it");
        site.started(1);
        arm_second(&mut site);
        site.leave(0);
        site.ask(0);
        assert_eq!(site.machine_of(0), Some(machine(1)), "from now on it is theirs");
        site.maintenance(1, "quarantine", "on");
        assert_eq!(site.machine_of(0), Some(machine(1)));
    }
}

#[test]
fn whoever_waits_anew_in_a_sticky_pool_takes_any_machine() {
    let mut site = Site::with_pool(json!({ "mode": "sticky" }), 2, 1);
    site.locked(1);
    site.ask(0);
    site.maintenance(0, "quarantine", "on");
    site.start_failed(0);
    assert!(site.waits(0) && site.at(0).owners.is_empty());
    site.vdi(2);
    site.join(2, "pool");
    assert_eq!(site.machine_of(0), Some(machine(2)));
}

fn arm_second(site: &mut Site) {
    site.ask(0);
    let session = site.session_id(0);
    let ticket = site.session(0).ticket.number;
    let expires_at = site.story.now.plus_seconds(60);
    let armed = fact(json!({ "ticket": ticket, "expires_at": expires_at }));
    site.story.happened(session, SessionFact::DisplayArmed(armed));
}

fn log_off(session: crate::ids::SessionId, host: crate::ids::HypervisorId) -> serde_json::Value {
    let outcome = json!({ "logged_off": { "session": session } });
    let thing = json!({ "machine": { "id": machine(0), "outcome": outcome } });
    json!({ "hypervisor": host, "generation": 1, "thing": thing })
}

#[test]
fn a_log_off_in_the_guest_ends_the_lease_once_and_only_that_one() {
    let mut site = Site::with_pool(json!({ "reset": "on_assign" }), 1, 1);
    site.ask(0);
    site.started(0);
    let first = site.session_id(0);
    let foreign = log_off(first, crate::ids::HypervisorId::from_bytes([1; 16]));
    assert_eq!(site.given("ReportOutcome", foreign), []);
    let said = log_off(first, HOST);
    assert_eq!(ends(&site.given("ReportOutcome", said.clone())), [EndCause::Guest]);
    assert_eq!(site.given("ReportOutcome", said.clone()), [], "it is told again");
    site.made_clean(0);
    site.ask(0);
    assert_ne!(site.session_id(0), first);
    assert_eq!(site.given("ReportOutcome", said), [], "it is late");
}

fn pc(site: &mut Site, wake_on_lan: Option<&str>) {
    let external = json!({
        "address": "10.0.0.9", "protocols": ["rdp"], "seats": 2, "wake_on_lan": wake_on_lan,
    });
    site.machine(0, &crate::machine::Kind::External(fact(external)));
    site.join(0, "pool");
}

fn woken(site: &Site) -> Option<u64> {
    let work = crate::work::work(&site.story.fleet, crate::work::Thing::Machine(machine(0)));
    match work?.shall {
        crate::work::Shall::Woken { boot_epoch, .. } => Some(boot_epoch),
        crate::work::Shall::Present(_)
        | crate::work::Shall::Released
        | crate::work::Shall::Absent { .. }
        | crate::work::Shall::Files(_) => None,
    }
}

#[test]
fn a_pc_is_woken_for_the_first_who_gets_it() {
    let mut site = Site::with_pool(json!({}), 0, 2);
    pc(&mut site, Some("52:54:00:00:00:01"));
    assert_eq!(woken(&site), None);
    site.ask(0);
    assert_eq!(woken(&site), Some(1));
    site.ask(1);
    assert_eq!(woken(&site), Some(1), "somebody is there already");
    site.leave(0);
    site.leave(1);
    site.ask(0);
    assert_eq!(woken(&site), Some(2));
}

#[test]
fn a_pc_that_can_not_be_woken_is_given_all_the_same_and_outlives_the_host_that_woke_it() {
    let mut site = Site::with_pool(json!({}), 0, 1);
    pc(&mut site, None);
    site.ask(0);
    assert_eq!((woken(&site), site.machine_of(0)), (None, Some(machine(0))));
    let mut site = Site::with_pool(json!({}), 0, 1);
    pc(&mut site, Some("52:54:00:00:00:01"));
    site.ask(0);
    assert_eq!(of_sessions(&site.start_failed(0)), [""; 0]);
    site.leave(0);
    site.ask(0);
    site.given("ReportHostSilent", json!({ "hypervisor": HOST }));
    site.given("ConfirmHypervisorLost", json!({ "hypervisor": HOST }));
    while let Some(operation) = site.story.fleet.operations.last() {
        site.given("AdvanceOperation", json!({ "operation": operation }));
    }
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

/// A site where somebody's own machine runs, and they are away.
fn own_runs() -> Site {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    site.ask(0);
    site.started(0);
    site.leave(0);
    assert_eq!(site.at(0).observed.state, State::Running);
    site
}

#[test]
fn an_owner_waits_until_the_silent_host_of_their_machine_is_heard() {
    let mut site = own_runs();
    let host = json!({ "hypervisor": HOST });
    site.given("ReportHostSilent", host.clone());
    site.ask(0);
    assert!(site.waits(0), "nobody knows whether it runs");
    site.given("ReportHostHeard", host);
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

#[test]
fn an_owner_waits_while_the_host_of_their_machine_counts_as_lost() {
    let mut site = own_runs();
    let lost = |switch: &str| fact(json!({ "reason": "lost", "switch": switch }));
    site.story.was(HOST, HypervisorFact::MaintenanceChanged(lost("on")));
    site.ask(0);
    assert!(site.waits(0), "its machines are given up, one after the other");
    site.story.was(HOST, HypervisorFact::MaintenanceChanged(lost("off")));
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

#[test]
fn an_owner_goes_on_where_a_host_only_gets_no_further_machines() {
    let mut site = own_runs();
    site.given("SetHypervisorMaintenance", json!({ "hypervisor": HOST, "on": true }));
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

#[test]
fn a_desktop_that_is_going_off_is_not_resumed_and_cut_off_after_that() {
    let mut site = Site::new();
    site.vdi(0);
    site.person(0);
    site.assign(0, 0);
    site.runs(0);
    site.given("SuspendMachine", json!({ "machines": [machine(0)] }));
    let paused = fact(json!({ "reason": "command" }));
    site.story.happened(machine(0), MachineFact::Paused(paused));
    site.given("PowerOffMachine", json!({ "machines": [machine(0)] }));
    let own = json!({ "client": { "id": person(0) }, "machine": machine(0) });
    site.given("RequestDesktop", own);
    assert!(site.waits(0) && site.at(0).power.wish.is_off());
    site.stopped(0, StopCause::Command);
    assert_eq!(site.machine_of(0), Some(machine(0)), "it is started for them");
}

#[test]
fn a_machine_that_is_about_to_be_suspended_is_not_given() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.runs(0);
    site.ready(0);
    site.given("SuspendMachine", json!({ "machines": [machine(0)] }));
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(1)));

    let mut site = Site::new();
    site.vdi(0);
    site.person(0);
    site.assign(0, 0);
    site.runs(0);
    site.given("SuspendMachine", json!({ "machines": [machine(0)] }));
    let own = json!({ "client": { "id": person(0) }, "machine": machine(0) });
    site.given("RequestDesktop", own);
    assert!(site.waits(0));
    let paused = fact(json!({ "reason": "command" }));
    site.story.happened(machine(0), MachineFact::Paused(paused));
    assert_eq!(site.machine_of(0), Some(machine(0)), "it is resumed for them");
}

/// The first boot of machine 0 fails, and somebody ends its quarantine.
fn half_made(site: &mut Site) {
    let first_boot = json!({ "done": "agent", "timeout_seconds": 60 });
    let why = json!({ "populate": { "operation": uuid::Uuid::nil() } });
    let renewal = json!({ "why": why, "image": IMAGE, "recipe": { "first_boot": first_boot },
        "when": "on_release", "discard_data": true });
    let requested = fact(json!({ "renewal": renewal }));
    site.story.happened(machine(0), MachineFact::RenewalRequested(requested));
    site.overlays_are_made();
    site.started(0);
    site.story.wait(61);
    site.given("AdvanceRenewal", json!({ "machine": machine(0) }));
    site.maintenance(0, "quarantine", "off");
    assert!(site.at(0).half_made);
}

#[test]
fn a_half_made_machine_is_given_to_nobody() {
    for mode in ["floating", "dedicated"] {
        let mut site = Site::with_pool(json!({ "mode": mode }), 1, 1);
        if mode == "dedicated" {
            site.assign(0, 0);
        }
        half_made(&mut site);
        site.ask(0);
        assert!(site.waits(0), "an administrator populates it again");
    }
}
