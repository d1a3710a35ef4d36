//! By what it is found that a guest can be used. It stands in the metadata of its domain, in these
//! words, so that whoever comes next asks the same.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use carrel_domain::{Label, Ours};
use carrel_model::machine::Probe;
use carrel_model::version::latest::renewal::FirstBootDone;

use crate::step::Definition;
use crate::trouble::Trouble;

const AGENT: &str = "agent";
const TCP: &str = "tcp:";

/// A guest on this host's own networks answers at once; who drops packets is not there.
const CONNECT_MAX: Duration = Duration::from_millis(700);
/// A guest says by itself how many addresses it has.
const ADDRESSES_MAX: usize = 4;

/// That of its readiness and that of its first boot. A display needs no word: it is always looked
/// at.
pub(super) fn words(of: &Definition) -> Result<Vec<Label>, Trouble> {
    let first = of.first_boot.as_ref().and_then(|first| match &first.done {
        FirstBootDone::Agent => Some(Probe::Agent),
        FirstBootDone::Tcp { port } => Some(Probe::Tcp { port: *port }),
        FirstBootDone::GuestPoweroff => None,
    });
    let mut words = Vec::new();
    for probe in [Some(&of.settings.readiness.probe), first.as_ref()].into_iter().flatten() {
        let Some(word) = word(probe) else { continue };
        let word = Label::new(&word)
            .map_err(|unfit| Trouble::never("text", &format!("{word}: {unfit}")))?;
        if !words.contains(&word) {
            words.push(word);
        }
    }
    Ok(words)
}

fn word(probe: &Probe) -> Option<String> {
    match probe {
        Probe::Display => None,
        Probe::Agent => Some(AGENT.to_owned()),
        Probe::Tcp { port } => Some(format!("{TCP}{port}")),
    }
}

/// What somebody else has written there is no probe.
pub(super) fn wanted(ours: &Ours) -> Vec<Probe> {
    let probe = |word: &Label| match word.as_str() {
        AGENT => Some(Probe::Agent),
        word => {
            let port = word.strip_prefix(TCP)?.parse().ok()?;
            Some(Probe::Tcp { port })
        }
    };
    ours.probes.iter().filter_map(probe).collect()
}

/// Whether a connection is taken at one of these. Nothing is said on it.
pub(super) fn listens(addresses: &[IpAddr], port: u16) -> bool {
    addresses.iter().take(ADDRESSES_MAX).any(|address| {
        TcpStream::connect_timeout(&SocketAddr::new(*address, port), CONNECT_MAX).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener};

    use carrel_domain::{Label, Ours};
    use carrel_model::machine::Probe;
    use uuid::Uuid;

    use super::{listens, wanted, word};

    #[test]
    fn a_probe_is_known_again_by_its_word() {
        let mut ours = Ours::new(Uuid::from_u128(1), (0, 1), 1);
        let probes = [Probe::Agent, Probe::Tcp { port: 3389 }];
        let words = probes.iter().filter_map(word);
        let odd = ["tcp:", "tcp:65536", "telnet:23"].map(str::to_owned);
        ours.probes = words.chain(odd).map(|it| Label::new(&it).expect("a label")).collect();
        assert_eq!(wanted(&ours), probes);
        assert_eq!(word(&Probe::Display), None);
    }

    #[test]
    fn a_port_answers_while_somebody_listens() {
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let listener = TcpListener::bind((here[0], 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert!(listens(&here, port));
        drop(listener);
        assert!(!listens(&here, port));
        assert!(!listens(&[], port));
    }
}
