//! Who is let in in front of a machine, also when whoever armed its display is gone.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use carrel_driver::{Armed, Domain, Hope, Hypervisor, Step, TicketUse, Viewer};
use carrel_lab::spice::{Answer, PERMISSION_DENIED, is_cut, sign_in};
use carrel_model::ids::SessionId;
use carrel_model::machine::Probe;
use carrel_model::sealed::Secret;
use carrel_model::version::latest::display::Protocol;
use uuid::Uuid;

use crate::lab::{Lab, NAME, eventually};

/// Nothing is told at all if it takes so long.
const TOLD_MAX: Duration = Duration::from_secs(60);
const SESSION: SessionId = SessionId::new(Uuid::from_u128(5));

fn password(ticket: u32) -> String {
    format!("KJHG2345KJHG2345KJHG2345{ticket}")
}

fn armed(ticket: u32) -> Step {
    Step::ArmDisplay {
        session: SESSION,
        ticket,
        protocol: Protocol::Spice,
        password: Secret::new(password(ticket)),
        valid_seconds: 60,
    }
}

fn arm(lab: &Lab, ticket: u32) {
    lab.does(&armed(ticket));
}

fn come_in(lab: &Lab, ticket: u32) -> Answer<TcpStream> {
    let shown = lab.virsh(&["domdisplay", "--type", "spice", NAME]);
    let port = shown.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    sign_in(lab.connect(port), &password(ticket)).expect("a handshake")
}

/// All channels of whoever has come in had time to, and then somebody looks.
fn closes(lab: &Lab) {
    lab.passes(10);
    lab.sees();
}

fn start(lab: &Lab) {
    let overlay = lab.makes_disk();
    lab.does(&lab.definition(1, &overlay));
    lab.does(&Step::Start { boot_epoch: 1 });
}

fn listed(lab: &Lab) -> Domain {
    lab.host.list().expect("a list").domains.remove(0)
}

#[test]
fn what_the_process_before_has_armed_lets_nobody_in() {
    let mut lab = Lab::start();
    start(&lab);
    arm(&lab, 1);
    let mut before = come_in(&lab, 1).must_be_in();
    eventually("it is used", || {
        let domain = listed(&lab);
        let used = Armed { session: SESSION, ticket: 1, is: TicketUse::Used };
        let viewer = Viewer { session: SESSION, ticket: 1 };
        domain.armed == [used] && domain.viewers == [viewer]
    });
    closes(&lab);
    come_in(&lab, 1).must_be_refused();
    arm(&lab, 2);

    lab.begin_anew();
    let domain = listed(&lab);
    assert_eq!((domain.armed, domain.viewers), (Vec::new(), Vec::new()), "not known yet");
    eventually("it lets nobody in", || match come_in(&lab, 2) {
        Answer::In(_) => {
            listed(&lab);
            false
        }
        Answer::Refused(error) => error == PERMISSION_DENIED,
    });

    // Who looks stays who they were, and makes way as with whoever let them in.
    let used = Armed { session: SESSION, ticket: 1, is: TicketUse::Used };
    let viewer = Viewer { session: SESSION, ticket: 1 };
    eventually("they are known again", || {
        let domain = lab.sees().domain.expect("it is there");
        domain.armed == [used] && domain.viewers == [viewer]
    });
    lab.does(&Step::CutViewers { of: vec![(SESSION, 1)] });
    assert!(is_cut(&mut before));
    arm(&lab, 3);
    let domain = lab.sees().domain.expect("it is there");
    let open = Armed { session: SESSION, ticket: 3, is: TicketUse::Open };
    assert_eq!((domain.armed, domain.viewers), (vec![open], Vec::new()));
    let mut after = come_in(&lab, 3).must_be_in();
    let viewer = Viewer { session: SESSION, ticket: 3 };
    eventually("it is used", || listed(&lab).viewers == [viewer]);
    closes(&lab);
    come_in(&lab, 3).must_be_refused();

    // Nobody is let in before it is known who is there.
    lab.begin_anew();
    let refused = lab.try_step(&armed(4)).expect_err("somebody may be there");
    assert_eq!((refused.hope, refused.failure.code.as_str()), (Hope::Again, "display"));
    assert_eq!(lab.sees().domain.expect("it is there").viewers, [viewer]);
    lab.does(&Step::CutViewers { of: vec![(SESSION, 3)] });
    assert!(is_cut(&mut after));
    arm(&lab, 4);
    let _last = come_in(&lab, 4).must_be_in();
    lab.does(&Step::Destroy);
}

/// Nobody looks before something was told.
#[test]
fn whoever_comes_in_or_goes_off_is_told_of_and_closes_the_door_behind_them() {
    let lab = Lab::start();
    start(&lab);
    listed(&lab);
    let (tell, told) = channel();
    lab.host.tells(Arc::new(move || {
        let _ = tell.send(());
    }));
    let sees = |what: &str, so: &dyn Fn(&Domain) -> bool| {
        while !so(&listed(&lab)) {
            told.recv_timeout(TOLD_MAX).expect(what);
        }
    };
    arm(&lab, 1);
    let viewer = come_in(&lab, 1).must_be_in();
    sees("they are there", &|domain| {
        domain.viewers.contains(&Viewer { session: SESSION, ticket: 1 })
    });
    closes(&lab);
    come_in(&lab, 1).must_be_refused();
    drop(viewer);
    sees("they have left", &|domain| domain.viewers.is_empty());
    lab.virsh(&["destroy", NAME]);
    sees("it is off", &|domain| !domain.state.is_on());
}

/// A record as utmp(5) has it, of a user process: its kind first, and a name.
const LOG_IN: &str = "{ printf '\\007\\000'; head -c 42 /dev/zero; printf ada; \
                      head -c 337 /dev/zero; } >/var/run/utmp";
const LOG_OFF: &str = ": >/var/run/utmp";
/// With this many listings a guest is asked more than once.
const LOOKS_EACH: u32 = 20;

#[test]
fn whoever_logs_off_in_the_guest_is_told_of() {
    let lab = Lab::start();
    start(&lab);
    arm(&lab, 1);
    let viewer = come_in(&lab, 1).must_be_in();
    eventually("somebody looks", || !listed(&lab).viewers.is_empty());
    eventually("its agent was heard", || listed(&lab).answers.contains(&Probe::Agent));
    assert_eq!(listed(&lab).logged_off, [], "nobody was there");
    // They come and go until they were seen to do both.
    let mut looks = 0;
    eventually("they have logged off", || {
        match looks % (2 * LOOKS_EACH) {
            0 => lab.exec("/bin/sh", &["-c", LOG_IN]),
            LOOKS_EACH => lab.exec("/bin/sh", &["-c", LOG_OFF]),
            _ => {}
        }
        looks += 1;
        let over = listed(&lab).logged_off;
        assert!(over.is_empty() || looks > LOOKS_EACH, "they are there");
        over == [SESSION]
    });
    drop(viewer);
    lab.does(&Step::Destroy);
    assert_eq!(listed(&lab).logged_off, []);
}
