//! What the guest's agent says and does. It runs where the guest's users may be anybody: what it
//! says is bounded, and nothing depends on it being true.

use std::net::IpAddr;

use serde_json::{Value, json};
use virt::connect::Connect;

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
                addresses: addresses(&or_nothing("guest-network-get-interfaces")?),
                users: users(&or_nothing("guest-get-users")?),
            })
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

fn addresses(answer: &Value) -> Vec<IpAddr> {
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let cards = list(answer);
    let of_card = |card: &Value| card.get("ip-addresses").map(list).unwrap_or_default();
    let all = cards.iter().flat_map(of_card);
    let parsed = all.filter_map(|it| it.get("ip-address")?.as_str()?.parse().ok());
    parsed.filter(|address: &IpAddr| !address.is_loopback()).take(ITEMS_MAX).collect()
}

fn users(answer: &Value) -> Vec<String> {
    let users = answer.as_array().into_iter().flatten();
    users.filter_map(|user| text(user, "user")).take(ITEMS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::{addresses, users};
    use serde_json::json;

    #[test]
    fn what_a_guest_says_is_read_as_far_as_it_makes_sense() {
        let answer = json!([
            {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1"}]},
            {"name": "eth0", "ip-addresses": [
                {"ip-address": "192.0.2.9"}, {"ip-address": "<script>"}, {"ip-address": "fe80::1"},
            ]},
            {"name": "eth1"}, 7,
        ]);
        let found: Vec<_> = addresses(&answer).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.9", "fe80::1"]);
        assert_eq!(users(&json!([{"user": "a\u{1b}[2J"}, {}])), ["a[2J"]);
        assert_eq!(users(&json!("x")), Vec::<String>::new());
    }
}
