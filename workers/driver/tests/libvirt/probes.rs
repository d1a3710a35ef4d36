//! What a guest answers is found by itself, and only what somebody waits for is asked.

use carrel_driver::{Domain, Hypervisor, Step};
use carrel_model::machine::Probe;
use carrel_model::version::latest::renewal::{FirstBoot, FirstBootDone};
use serde_json::json;

use crate::lab::{Lab, MACHINE, eventually};

const PORT: u16 = 7000;

fn listed(lab: &Lab) -> Domain {
    lab.host.list().expect("a list").domains.remove(0)
}

#[test]
fn a_guest_is_asked_what_somebody_waits_for_until_it_answers() {
    let mut lab = Lab::start();
    let overlay = lab.makes_disk();

    let mut definition = lab.definition_of(1, &overlay);
    definition.settings.readiness.probe = Probe::Agent;
    let done = FirstBootDone::Tcp { port: PORT };
    definition.first_boot = Some(FirstBoot { done, timeout_seconds: 60 });
    let network = json!({
        "network": MACHINE, "mac": "52:54:00:00:00:01",
        "attachment": { "bridge": { "name": "br0" } },
        "policy": { "no_spoofing": false },
    });
    definition.networks = vec![serde_json::from_value(network).expect("a network")];
    lab.does(&Step::Define(Box::new(definition)));
    lab.does(&Step::Start { boot_epoch: 1 });
    assert_eq!(listed(&lab).answers, [Probe::Display]);

    eventually("its agent answers", || listed(&lab).answers.contains(&Probe::Agent));
    assert!(lab.console().contains("boot 1 of"), "it is up: {}", lab.console());
    let answers = lab.sees().domain.expect("it is there").answers;
    assert_eq!(answers, [Probe::Display, Probe::Agent], "nobody listens");

    lab.exec("/bin/ip", &["address", "add", "192.0.2.9/24", "dev", "eth0"]);
    lab.exec("/bin/httpd", &["-p", &PORT.to_string()]);
    let port = Probe::Tcp { port: PORT };
    eventually("its port answers", || listed(&lab).answers.contains(&port));

    // Whoever comes next knows what to ask, and asks anew.
    lab.begin_anew();
    assert_eq!(listed(&lab).answers, [Probe::Display]);
    eventually("both answer", || {
        let answers = listed(&lab).answers;
        answers.contains(&Probe::Agent) && answers.contains(&port)
    });
    // In another epoch nothing has answered yet.
    lab.does(&Step::Reset { boot_epoch: 2 });
    assert_eq!(listed(&lab).answers, [Probe::Display]);
    eventually("its agent answers", || listed(&lab).answers.contains(&Probe::Agent));
    assert!(!listed(&lab).answers.contains(&port), "it was started by hand");
    lab.does(&Step::Destroy);
    assert_eq!(listed(&lab).answers, []);
}
