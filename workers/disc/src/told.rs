//! `carrel.json`: everything, for scripts of whoever made the image.
//!
//! ```json
//! {
//!   "version": 1,
//!   "instance_id": "<another one when identity or system disk is>",
//!   "hostname": "win11-001",
//!   "uuid": "<as SMBIOS says it>",
//!   "serial": "<as SMBIOS says it>",
//!   "os": "linux" | "windows" | "other",
//!   "cards": [{"mac": "52:54:00:00:00:01", "network": "<id>"}],
//!   "properties": {"<name>": "<text>"},
//!   "first_boot": null | {"done": "guest_poweroff" | "agent"} | {"done": "tcp", "port": 3389}
//! }
//! ```
//!
//! Fields may come, and none goes or means something else while the version is the same. It is
//! ASCII but for characters above U+FFFF, and each property has a line of its own.

use std::fmt::Write as _;

use crate::cloud::mac;
use crate::disc::{Disc, FirstBoot, Os};
use crate::quoted::json as quoted;

const VERSION: u32 = 1;

pub(crate) fn json(disc: &Disc) -> Vec<u8> {
    let os = match disc.os {
        Os::Linux => "linux",
        Os::Windows => "windows",
        Os::Other => "other",
    };
    let cards = disc
        .cards
        .iter()
        .map(|card| format!(r#"{{"mac": "{}", "network": "{}"}}"#, mac(card.mac), card.network));
    let properties =
        disc.properties.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)));
    let first_boot = match disc.first_boot {
        None => "null".to_owned(),
        Some(FirstBoot::GuestPoweroff) => r#"{"done": "guest_poweroff"}"#.to_owned(),
        Some(FirstBoot::Agent) => r#"{"done": "agent"}"#.to_owned(),
        Some(FirstBoot::Tcp(port)) => format!(r#"{{"done": "tcp", "port": {port}}}"#),
    };
    let fields = [
        ("version", VERSION.to_string()),
        ("instance_id", quoted(&disc.instance_id())),
        ("hostname", quoted(&disc.hostname)),
        ("uuid", quoted(&disc.uuid.to_string())),
        ("serial", quoted(&disc.serial)),
        ("os", quoted(os)),
        ("cards", lines(cards, ['[', ']'])),
        ("properties", lines(properties, ['{', '}'])),
        ("first_boot", first_boot),
    ];
    let fields = fields.iter().map(|(name, value)| format!("\"{name}\": {value}"));
    let mut text = String::from("{\n  ");
    text.push_str(&fields.collect::<Vec<_>>().join(",\n  "));
    text.push_str("\n}\n");
    text.into_bytes()
}

fn lines(parts: impl Iterator<Item = String>, [open, close]: [char; 2]) -> String {
    let mut text = String::from(open);
    for (at, part) in parts.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n    {part}");
    }
    if text.len() > 1 {
        text.push_str("\n  ");
    }
    text.push(close);
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::json;
    use crate::disc::FirstBoot;
    use crate::disc::example::disc;

    #[test]
    fn it_is_everything() {
        let told: serde_json::Value = serde_json::from_slice(&json(&disc())).expect("JSON");
        let shall = value!({
            "version": 1,
            "instance_id": disc().instance_id(),
            "hostname": "win11-001",
            "uuid": "00000000-0000-0000-0000-000000000007",
            "serial": "C-0001",
            "os": "windows",
            "cards": [
                {"mac": "52:54:00:00:00:01", "network": "00000000-0000-0000-0000-000000000001"},
                {"mac": "52:54:00:00:00:02", "network": "00000000-0000-0000-0000-000000000002"},
            ],
            "properties": {"room": "A <&> \"1\"\n"},
            "first_boot": {"done": "tcp", "port": 3389},
        });
        assert_eq!(told, shall);
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let mut disc = disc();
        disc.cards.clear();
        disc.properties.clear();
        for (first_boot, shall) in [
            (None, value!(null)),
            (Some(FirstBoot::Agent), value!({"done": "agent"})),
            (Some(FirstBoot::GuestPoweroff), value!({"done": "guest_poweroff"})),
        ] {
            disc.first_boot = first_boot;
            let told: serde_json::Value = serde_json::from_slice(&json(&disc)).expect("JSON");
            assert_eq!(told["first_boot"], shall);
            assert_eq!((&told["cards"], &told["properties"]), (&value!([]), &value!({})));
        }
    }
}
