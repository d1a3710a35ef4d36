//! What the guest's agent says and does. It runs where the guest's users may be anybody: what it
//! says is bounded, and nothing depends on it being true.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carrel_domain::{Found, Mac};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
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
/// Longer than what a guest with hundreds of cards says.
const ANSWER_BYTES_MAX: usize = 256 << 10;

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

/// What an agent says in a shape that Carrel knows (QEMU, "Guest Agent Protocol Reference").
/// Whatever else is in it is passed over.
#[derive(Deserialize)]
struct Answer<T> {
    #[serde(rename = "return")]
    is: T,
}

#[derive(Default, Deserialize)]
struct Info {
    version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct HostName {
    host_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Card {
    hardware_address: Option<String>,
    #[serde(default)]
    ip_addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Address {
    ip_address: String,
}

#[derive(Deserialize)]
struct User {
    user: String,
}

impl Host {
    /// Whether it answers.
    pub fn agent_answers(&self, target: Target) -> Result<bool, Trouble> {
        self.ask_agent(target.uuid, move |connect| {
            let held = target.take(connect)?;
            if !held.state.is_on() {
                return Ok(false);
            }
            match say::<IgnoredAny>(&held, &json!({"execute": "guest-ping"})) {
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
            let info: Info = say(&held, &json!({"execute": "guest-info"}))?;
            let name: HostName = or_nothing(say_what(&held, "guest-get-host-name"))?;
            let cards: Vec<Card> = or_nothing(say_what(&held, "guest-network-get-interfaces"))?;
            let said: Vec<User> = or_nothing(say_what(&held, "guest-get-users"))?;
            Ok(Inside {
                version: info.version.as_deref().map(cut),
                hostname: name.host_name.as_deref().map(cut),
                addresses: addresses(&cards, None),
                users: users(&said),
            })
        })
    }

    /// Who is logged in there. An error: it doesn't say.
    pub fn users(&self, target: Target) -> Result<Vec<String>, Trouble> {
        self.ask_agent(target.uuid, move |connect: &Connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            let said: Vec<User> = say_what(&held, "guest-get-users")?;
            Ok(users(&said))
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
            let said: Vec<Card> = or_nothing(say_what(&held, "guest-network-get-interfaces"))?;
            let said = addresses(&said, Some(&ours));
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
        let run = match shown {
            // As arguments they could be options to it, or a file that it reads out.
            Shown::Unix => json!({ "path": "/usr/bin/wall", "input-data": BASE64.encode(words) }),
            Shown::Windows => json!({ "path": "msg.exe", "arg": ["*", words] }),
        };
        let command = json!({ "execute": "guest-exec", "arguments": run });
        self.ask_agent(target.uuid, move |connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            say::<IgnoredAny>(&held, &command).map(|_| ())
        })
    }
}

fn say_what<T: DeserializeOwned>(held: &Held, what: &str) -> Result<T, Trouble> {
    say(held, &json!({ "execute": what }))
}

fn say<T: DeserializeOwned>(held: &Held, command: &Value) -> Result<T, Trouble> {
    let answer = held.domain.qemu_agent_command(&command.to_string(), ANSWER_SECONDS, 0);
    let answer = answer.map_err(|error| match Trouble::from(error) {
        trouble if trouble.is_unreachable() => trouble,
        // Whatever number libvirt has for it, it is the agent that could not.
        trouble => Trouble { code: "agent", ..trouble },
    })?;
    read(&answer)
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, Trouble> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(Trouble::again("agent", "its answer is longer than anything it was asked"));
    }
    let answer: Answer<T> = serde_json::from_str(answer)
        .map_err(|error| Trouble::again("agent", &error.to_string()))?;
    Ok(answer.is)
}

/// What it refuses to say, or says in no words that anybody knows.
fn or_nothing<T: Default>(said: Result<T, Trouble>) -> Result<T, Trouble> {
    match said {
        Err(trouble) if trouble.is_unreachable() => Err(trouble),
        other => Ok(other.unwrap_or_default()),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// Of all cards, or of those with one of these addresses.
fn addresses(cards: &[Card], of: Option<&[Mac]>) -> Vec<IpAddr> {
    let is_meant = |card: &&Card| {
        let mac = || card.hardware_address.as_ref()?.parse::<Mac>().ok();
        of.is_none_or(|of| mac().is_some_and(|mac| of.contains(&mac)))
    };
    let all = cards.iter().filter(is_meant).flat_map(|card| &card.ip_addresses);
    let parsed = all.filter_map(|it| it.ip_address.parse().ok());
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

fn users(said: &[User]) -> Vec<String> {
    said.iter().map(|it| cut(&it.user)).take(ITEMS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde_json::{Value, json};

    use super::{ANSWER_BYTES_MAX, Card, User, addresses, may_lead_there, read, users};

    fn cards(said: &Value) -> Vec<Card> {
        read(&json!({ "return": said }).to_string()).unwrap_or_default()
    }

    #[test]
    fn what_a_guest_says_is_read_as_far_as_it_makes_sense() {
        let found = addresses(
            &cards(&json!([
                {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1"}]},
                {"name": "eth0", "ip-addresses": [
                    {"ip-address": "192.0.2.9"}, {"ip-address": "<script>"},
                    {"ip-address": "fe80::1", "prefix": 64},
                ]},
                {"name": "eth1"},
            ])),
            None,
        );
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.9", "fe80::1"]);
        assert!(cards(&json!([7])).is_empty() && cards(&json!("x")).is_empty());
        let said: Vec<User> = read(r#"{"return": [{"user": "a\u001b[2J"}]}"#).expect("users");
        assert_eq!(users(&said), ["a[2J"]);
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let said = |name: usize| {
            let user = json!([{ "user": "a".repeat(name) }]);
            read::<Vec<User>>(&json!({ "return": user }).to_string()).map(|said| users(&said))
        };
        assert_eq!(said(1000).map(|users| users[0].len()).ok(), Some(super::TEXT_CHARS_MAX));
        assert!(said(ANSWER_BYTES_MAX).is_err());
    }

    #[test]
    fn a_guest_is_where_its_cards_are_and_not_where_it_says_else() {
        let card = |mac: &str, address: &str| {
            let addresses = json!([{"ip-address": address}]);
            json!({"hardware-address": mac, "ip-addresses": addresses})
        };
        let said = cards(&json!([
            card("52:54:00:00:00:01", "192.0.2.9"),
            card("02:42:00:00:00:01", "172.17.0.1"),
            {"ip-addresses": [{"ip-address": "192.0.2.10"}]},
        ]));
        let ours = ["52:54:00:00:00:01".parse().expect("an address")];
        assert_eq!(addresses(&said, Some(&ours)), ["192.0.2.9".parse::<IpAddr>().expect("one")]);
        let may = |text: &str| may_lead_there(&text.parse().expect("an address"));
        assert!(may("192.0.2.9") && may("2001:db8::1"));
        for text in ["127.0.0.1", "169.254.1.1", "fe80::1", "::1", "0.0.0.0", "224.0.0.1"] {
            assert!(!may(text), "{text}");
        }
    }
}
