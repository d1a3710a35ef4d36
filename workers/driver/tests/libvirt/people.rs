//! Who is let in in front of a machine, also when whoever armed its display is gone.

use std::net::TcpStream;

use carrel_driver::{Armed, Hypervisor, Step, TicketUse, Viewer};
use carrel_model::ids::SessionId;
use carrel_model::machine::Format;
use carrel_model::sealed::Secret;
use carrel_model::version::latest::display::Protocol;
use uuid::Uuid;

use crate::lab::{DISK, Lab, MACHINE, NAME, eventually};
use crate::spice::{Answer, PERMISSION_DENIED, is_cut, sign_in};

const SESSION: SessionId = SessionId::new(Uuid::from_u128(5));

fn password(ticket: u32) -> String {
    format!("KJHG2345KJHG2345KJHG2345{ticket}")
}

fn arm(lab: &Lab, ticket: u32) {
    lab.does(&Step::ArmDisplay {
        session: SESSION,
        ticket,
        protocol: Protocol::Spice,
        password: Secret::new(password(ticket)),
        valid_seconds: 60,
    });
}

fn come_in(lab: &Lab, ticket: u32) -> Answer<TcpStream> {
    let shown = lab.virsh(&["domdisplay", "--type", "spice", NAME]);
    let port = shown.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    sign_in(lab.connect(port), &password(ticket)).expect("a handshake")
}

#[test]
fn what_the_process_before_has_armed_lets_nobody_in() {
    let mut lab = Lab::start();
    let overlay = lab.place(&format!("machines/{MACHINE}/{DISK}-0.qcow2"));
    let on = Some((lab.place("media/guest.qcow2"), Format::Qcow2));
    let (file, format, size_gib) = (overlay.clone(), Format::Qcow2, 1);
    lab.does(&Step::MakeDisk { file, format, size_gib, on });
    lab.does(&lab.definition(1, &overlay));
    lab.does(&Step::Start { boot_epoch: 1 });
    arm(&lab, 1);
    let mut before = come_in(&lab, 1).must_be_in();
    eventually("it is used", || {
        let domain = lab.host.list().expect("a list").domains.remove(0);
        let used = Armed { session: SESSION, ticket: 1, is: TicketUse::Used };
        let viewer = Viewer { session: SESSION, ticket: 1 };
        domain.armed == [used] && domain.viewers == [viewer]
    });
    come_in(&lab, 1).must_be_refused();
    arm(&lab, 2);

    lab.begin_anew();
    let listing = lab.host.list().expect("a list");
    assert_eq!((&*listing.domains[0].armed, &*listing.domains[0].viewers), (&[][..], &[][..]));
    eventually("it lets nobody in", || match come_in(&lab, 2) {
        Answer::In(_) => {
            lab.host.list().expect("a list");
            false
        }
        Answer::Refused(error) => error == PERMISSION_DENIED,
    });

    // Who looks is nobody that anybody knows, and makes way for the next one.
    arm(&lab, 3);
    assert!(is_cut(&mut before));
    let domain = lab.sees().domain.expect("it is there");
    let open = Armed { session: SESSION, ticket: 3, is: TicketUse::Open };
    assert_eq!((domain.armed, domain.viewers), (vec![open], Vec::new()));
    let _after = come_in(&lab, 3).must_be_in();
    eventually("it is used", || {
        lab.sees().domain.is_some_and(|it| it.viewers == [Viewer { session: SESSION, ticket: 3 }])
    });
    come_in(&lab, 3).must_be_refused();
    lab.does(&Step::Destroy);
}
