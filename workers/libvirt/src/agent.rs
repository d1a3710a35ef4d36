//! What the guest's agent says and does. It runs where the guest's users may be anybody: what it
//! says is bounded, and nothing depends on it being true.

use std::net::IpAddr;

use carrel_domain::{Found, Mac};
use serde_json::{Value, json};
use virt::connect::Connect;

use crate::bridge;
use crate::host::Host;
use crate::target::{Held, Target};
use crate::trouble::Trouble;

/// An agent that takes longer is busy, or not there.
const ANSWER_SECONDS: i32 = 5;
/// More of anything is more than anybody wants to see.
const ITEMS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 255;

/// What is known of a guest from within.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    pub hostname: Option<String>,
    pub addresses: Vec<IpAddr>,
    pub users: Vec<String>,
    pub version: Option<String>,
}

/// How a guest shows words to its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// `wall`, on terminals.
    Unix,
    /// `msg`, on all screens.
    Windows,
}

impl Host {
    /// Whether it answers.
    pub fn agent_answers(&self, target: Target) -> Result<bool, Trouble> {
        self.ask_agent(target.uuid, move |connect| {
            let held = target.take(connect)?;
            if !held.state.is_on() {
                return Ok(false);
            }
            match say(&held, &json!({"execute": "guest-ping"})) {
                Ok(_) => Ok(true),
                Err(trouble) if trouble.is_unreachable() => Err(trouble),
                Err(_) => Ok(false),
            }
        })
    }

    /// What it says of its guest. What it refuses to say is left out.
    pub fn inside(&self, target: Target) -> Result<Inside, Trouble> {
        self.ask_agent(target.uuid, move |connect: &Connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            let ask = |what: &str| say(&held, &json!({"execute": what}));
            let version = ask("guest-info")?;
            let or_nothing = |what| match ask(what) {
                Err(trouble) if trouble.is_unreachable() => Err(trouble),
                other => Ok(other.unwrap_or_default()),
            };
            Ok(Inside {
                version: text(&version, "version"),
                hostname: text(&or_nothing("guest-get-host-name")?, "host-name"),
                addresses: addresses(&or_nothing("guest-network-get-interfaces")?, None),
                users: users(&or_nothing("guest-get-users")?),
            })
        })
    }

    /// Who is logged in there. An error: it doesn't say.
    pub fn users(&self, target: Target) -> Result<Vec<String>, Trouble> {
        self.ask_agent(target.uuid, move |connect: &Connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            let answer = say(&held, &json!({"execute": "guest-get-users"}))?;
            Ok(users(&answer))
        })
    }

    /// Where a guest may be reached from here: what its agent says of those of its cards that the
    /// domain has, then what was leased to them, then what the host has seen on the wire. What a
    /// guest has made for itself may lead anywhere, and is left out.
    pub fn addresses(&self, target: Target) -> Result<Vec<IpAddr>, Trouble> {
        self.ask_agent(target.uuid, move |connect: &Connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            let cards = Found::of(&held.live()?).map(|found| found.cards).unwrap_or_default();
            let ours: Vec<Mac> = cards.iter().filter_map(|card| card.mac).collect();
            let said = match say(&held, &json!({"execute": "guest-network-get-interfaces"})) {
                Err(trouble) if trouble.is_unreachable() => return Err(trouble),
                other => addresses(&other.unwrap_or_default(), Some(&ours)),
            };
            let seen = bridge::ADDRESSES_BY.into_iter().flat_map(|source| {
                // A network of somebody else's has no leases that libvirt knows of.
                bridge::addresses(&held.domain, source).unwrap_or_default()
            });
            let mut all = Vec::new();
            for address in said.into_iter().chain(seen).filter(may_lead_there) {
                if !all.contains(&address) {
                    all.push(address);
                }
            }
            all.truncate(ITEMS_MAX);
            Ok(all)
        })
    }

    /// Words for whoever sits there. They are handed over as they are, through no shell.
    pub fn show(&self, target: Target, shown: Shown, words: &str) -> Result<(), Trouble> {
        let (path, arguments) = match shown {
            Shown::Unix => ("/usr/bin/wall", vec![words.to_owned()]),
            Shown::Windows => ("msg.exe", vec!["*".to_owned(), words.to_owned()]),
        };
        let command =
            json!({"execute": "guest-exec", "arguments": {"path": path, "arg": arguments}});
        self.ask_agent(target.uuid, move |connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            say(&held, &command).map(|_| ())
        })
    }
}

fn say(held: &Held, command: &Value) -> Result<Value, Trouble> {
    let answer = held.domain.qemu_agent_command(&command.to_string(), ANSWER_SECONDS, 0);
    let answer = answer.map_err(|error| match Trouble::from(error) {
        trouble if trouble.is_unreachable() => trouble,
        // Whatever number libvirt has for it, it is the agent that could not.
        trouble => Trouble { code: "agent", ..trouble },
    })?;
    let answer: Value = serde_json::from_str(&answer)
        .map_err(|error| Trouble::again("agent", &error.to_string()))?;
    Ok(answer.get("return").cloned().unwrap_or_default())
}

fn cut(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(TEXT_CHARS_MAX).collect()
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name)?.as_str().map(cut)
}

/// Of all cards, or of those with one of these addresses.
fn addresses(answer: &Value, of: Option<&[Mac]>) -> Vec<IpAddr> {
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let is_meant = |card: &Value| {
        let mac = || card.get("hardware-address")?.as_str()?.parse::<Mac>().ok();
        of.is_none_or(|of| mac().is_some_and(|mac| of.contains(&mac)))
    };
    let cards = list(answer).into_iter().filter(is_meant);
    let all = cards.flat_map(|card| card.get("ip-addresses").map(list).unwrap_or_default());
    let parsed = all.filter_map(|it| it.get("ip-address")?.as_str()?.parse().ok());
    parsed.filter(|address: &IpAddr| !address.is_loopback()).take(ITEMS_MAX).collect()
}

/// One of a link says nothing without the link.
fn may_lead_there(address: &IpAddr) -> bool {
    // An address of IPv4 is one in whatever clothes.
    let address = &address.to_canonical();
    let is_of_link = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !is_of_link && !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

fn users(answer: &Value) -> Vec<String> {
    let users = answer.as_array().into_iter().flatten();
    users.filter_map(|user| text(user, "user")).take(ITEMS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::{addresses, may_lead_there, users};
    use serde_json::json;
    use std::net::IpAddr;

    #[test]
    fn what_a_guest_says_is_read_as_far_as_it_makes_sense() {
        let answer = json!([
            {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1"}]},
            {"name": "eth0", "ip-addresses": [
                {"ip-address": "192.0.2.9"}, {"ip-address": "<script>"}, {"ip-address": "fe80::1"},
            ]},
            {"name": "eth1"}, 7,
        ]);
        let found: Vec<_> = addresses(&answer, None).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.9", "fe80::1"]);
        assert_eq!(users(&json!([{"user": "a\u{1b}[2J"}, {}])), ["a[2J"]);
        assert_eq!(users(&json!("x")), Vec::<String>::new());
    }

    #[test]
    fn a_guest_is_where_its_cards_are_and_not_where_it_says_else() {
        let card = |mac: &str, address: &str| {
            let addresses = json!([{"ip-address": address}]);
            json!({"hardware-address": mac, "ip-addresses": addresses})
        };
        let answer = json!([
            card("52:54:00:00:00:01", "192.0.2.9"),
            card("02:42:00:00:00:01", "172.17.0.1"),
            {"ip-addresses": [{"ip-address": "192.0.2.10"}]},
        ]);
        let ours = ["52:54:00:00:00:01".parse().expect("an address")];
        assert_eq!(addresses(&answer, Some(&ours)), ["192.0.2.9".parse::<IpAddr>().expect("one")]);
        let may = |text: &str| may_lead_there(&text.parse().expect("an address"));
        assert!(may("192.0.2.9") && may("2001:db8::1"));
        for text in ["127.0.0.1", "169.254.1.1", "fe80::1", "::1", "0.0.0.0", "224.0.0.1"] {
            assert!(!may(text), "{text}");
        }
    }
}
