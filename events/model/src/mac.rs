//! MAC addresses, as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An address of IEEE 802 (EUI-48): `52:54:00:12:34:56`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// The prefix that QEMU and libvirt give to guests.
const QEMU_PREFIX: [u8; 3] = [0x52, 0x54, 0x00];

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a MAC address is six pairs of hexadecimal digits with colons between, not a multicast address"
)]
pub struct MacError;

impl Mac {
    /// One of the 2^24 addresses of QEMU's prefix.
    pub fn of_guest(number: u32) -> Self {
        let [_, high, middle, low] = number.to_be_bytes();
        let [a, b, c] = QEMU_PREFIX;
        Self([a, b, c, high, middle, low])
    }

    /// Of another card of the guest whose first card has this one. Those of two guests differ if
    /// their first ones do and come from [`Mac::of_guest`], since their third byte counts the
    /// cards.
    #[must_use]
    pub fn of_card(self, card: u8) -> Self {
        let [a, b, c, rest @ ..] = self.0;
        // The second bit of the first byte says that nobody sold the address.
        Self([a | 0b10, b, c.wrapping_add(card), rest[0], rest[1], rest[2]])
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut bytes = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2).ok_or(MacError)?;
            let hex = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten().ok_or(MacError)?;
        }
        // The lowest bit of the first byte marks a group of receivers.
        let single = bytes[0] & 1 == 0;
        if pairs.next().is_some() || !single || bytes == [0; 6] {
            return Err(MacError);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Mac {
    fn schema_name() -> Cow<'static, str> {
        "Mac".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$",
            "examples": ["52:54:00:12:34:56"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_round_trips_in_lower_case() {
        let mac: Mac = "52:54:00:AB:cd:01".parse().expect("a MAC address");
        assert_eq!(mac.to_string(), "52:54:00:ab:cd:01");
        assert_eq!(Mac::of_guest(0x00ab_cd01), mac);
    }

    #[test]
    fn further_cards_of_guests_have_addresses_that_no_first_one_has() {
        let first = Mac::of_guest(0x00ab_cd01);
        assert_eq!(first.of_card(1).to_string(), "52:54:01:ab:cd:01");
        assert_eq!(first.of_card(7).to_string(), "52:54:07:ab:cd:01");
    }

    #[test]
    fn what_no_network_card_has_is_refused() {
        for bad in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:01:02",
            "52-54-00-ab-cd-01",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "+2:54:00:ab:cd:01",
            "5g:54:00:ab:cd:01",
        ] {
            assert_eq!(bad.parse::<Mac>(), Err(MacError), "{bad:?}");
        }
    }
}
