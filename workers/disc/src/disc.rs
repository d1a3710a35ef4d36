//! What a guest is told, and what can't be told.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::iso::{self, File};
use crate::{cloud, told, windows};

/// By it a guest finds the CD among all drives.
pub const LABEL: &str = "cidata";

/// All that somebody has written, in all. Readers hold it in memory, some of them twice.
const TEXT_BYTES_MAX: usize = 1 << 20;
const PROPERTIES_MAX: usize = 4096;
/// A key of YAML is at most 1024 characters long, and a byte may take six of them.
const PROPERTY_NAME_BYTES_MAX: usize = 160;
const CARDS_MAX: usize = 64;
/// Of a label in the DNS (RFC 1035, 2.3.4).
const HOSTNAME_BYTES_MAX: usize = 63;
/// Of a NetBIOS name, which Windows makes of its computer name.
const COMPUTER_NAME_BYTES_MAX: usize = 15;
/// Enough of a digest: it tells one machine's lives apart.
const LIFE_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    Linux,
    Windows,
    Other,
}

/// How a guest says that its first boot has done its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBoot {
    /// It powers itself off.
    GuestPoweroff,
    /// Its QEMU guest agent answers.
    Agent,
    /// Something listens on this TCP port.
    Tcp(u16),
}

/// A network card. Its address is for the network to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    pub mac: [u8; 6],
    pub network: Uuid,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disc {
    pub hostname: String,
    pub uuid: Uuid,
    pub serial: String,
    pub os: Os,
    /// What its system disk's file is called. A machine that gets a new one begins a new life, and
    /// is prepared once more; it stays in it for as long as it has the file.
    pub system_disk: String,
    pub cards: Vec<Card>,
    pub properties: BTreeMap<String, String>,
    /// Set while a first boot is asked for.
    pub first_boot: Option<FirstBoot>,
}

/// What no guest can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "a host name has at most {HOSTNAME_BYTES_MAX} letters, digits and '-', none at either end"
    )]
    Hostname,
    #[error(
        "Windows takes names of at most {COMPUTER_NAME_BYTES_MAX} characters, not digits alone"
    )]
    ComputerName,
    #[error("a property has a name, of at most {PROPERTY_NAME_BYTES_MAX} bytes")]
    PropertyName,
    #[error("there are more than {PROPERTIES_MAX} properties")]
    ManyProperties,
    #[error("all properties have {TEXT_BYTES_MAX} bytes at most, with their names")]
    Long,
    #[error("there are more than {CARDS_MAX} network cards")]
    ManyCards,
}

impl Disc {
    /// The bytes of the CD.
    ///
    /// # Errors
    ///
    /// There is more of it than a guest will read, or a name is none.
    pub fn image(&self) -> Result<Vec<u8>, Refused> {
        self.check()?;
        let mut files = vec![
            File { name: "meta-data", short: "METADATA.;1", bytes: cloud::meta_data(self) },
            File { name: "user-data", short: "USERDATA.;1", bytes: cloud::user_data(self) },
            File { name: "carrel.json", short: "CARREL.JSN;1", bytes: told::json(self) },
        ];
        if let Some(bytes) = cloud::network_config(self) {
            files.push(File { name: "network-config", short: "NETWORK.;1", bytes });
        }
        if self.os == Os::Windows {
            let bytes = windows::answers(self);
            let (name, short) = ("autounattend.xml", "AUTOUNAT.XML;1");
            files.push(File { name, short, bytes: bytes.clone() });
            files.push(File { name: "unattend.xml", short: "UNATTEND.XML;1", bytes });
        }
        Ok(iso::image(LABEL, files))
    }

    /// Another one whenever the machine's identity or its system disk is: whoever prepares a guest
    /// once for each instance does it again then.
    pub fn instance_id(&self) -> String {
        let mut hash = Sha256::new();
        let macs = self.cards.iter().map(|card| card.mac.as_slice());
        let texts = [&self.hostname, &self.serial, &self.system_disk].map(String::as_bytes);
        for part in texts.into_iter().chain(macs) {
            // Lengths keep parts apart.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut id = format!("{}-", self.uuid);
        for byte in hash.finalize().iter().take(LIFE_BYTES) {
            let _ = write!(id, "{byte:02x}");
        }
        id
    }

    fn check(&self) -> Result<(), Refused> {
        if !is_hostname(&self.hostname) {
            return Err(Refused::Hostname);
        }
        let digits_only = self.hostname.bytes().all(|byte| byte.is_ascii_digit());
        let is_long = self.hostname.len() > COMPUTER_NAME_BYTES_MAX;
        if self.os == Os::Windows && (is_long || digits_only) {
            return Err(Refused::ComputerName);
        }
        if self.cards.len() > CARDS_MAX {
            return Err(Refused::ManyCards);
        }
        if self.properties.len() > PROPERTIES_MAX {
            return Err(Refused::ManyProperties);
        }
        let fits = |name: &String| (1..=PROPERTY_NAME_BYTES_MAX).contains(&name.len());
        if !self.properties.keys().all(fits) {
            return Err(Refused::PropertyName);
        }
        let lengths = self.properties.iter().map(|(name, value)| name.len() + value.len());
        let bytes = self.serial.len() + lengths.sum::<usize>();
        if bytes > TEXT_BYTES_MAX { Err(Refused::Long) } else { Ok(()) }
    }
}

fn is_hostname(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=HOSTNAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(is_plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
pub(crate) mod example {
    use super::{Card, Disc, FirstBoot, Os, Uuid};

    pub(crate) fn disc() -> Disc {
        let card = |last: u8| Card {
            mac: [0x52, 0x54, 0, 0, 0, last],
            network: Uuid::from_u128(u128::from(last)),
        };
        Disc {
            hostname: "win11-001".to_owned(),
            uuid: Uuid::from_u128(7),
            serial: "C-0001".to_owned(),
            os: Os::Windows,
            system_disk: "9-0.qcow2".to_owned(),
            cards: vec![card(1), card(2)],
            properties: [("room".to_owned(), "A <&> \"1\"\n".to_owned())].into(),
            first_boot: Some(FirstBoot::Tcp(3389)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::example::disc;
    use super::{Disc, Os, Refused};

    #[track_caller]
    fn must_be(refused: Option<Refused>, change: impl FnOnce(&mut Disc)) {
        let mut disc = disc();
        change(&mut disc);
        assert_eq!(disc.image().err(), refused);
    }

    #[test]
    fn what_no_guest_can_be_told_is_refused() {
        for name in ["", "-a", "a-", "a.b", "a b", "ä", "a\n", &"a".repeat(64)] {
            must_be(Some(Refused::Hostname), |disc| disc.hostname = name.to_owned());
        }
        must_be(Some(Refused::ComputerName), |disc| disc.hostname = "a".repeat(16));
        must_be(Some(Refused::ComputerName), |disc| disc.hostname = "123".to_owned());
        must_be(None, |disc| (disc.hostname, disc.os) = ("a".repeat(63), Os::Linux));
        must_be(Some(Refused::ManyCards), |disc| disc.cards = vec![disc.cards[0]; 65]);
        must_be(Some(Refused::PropertyName), |disc| {
            disc.properties = [(String::new(), "1".to_owned())].into();
        });
        must_be(Some(Refused::PropertyName), |disc| {
            disc.properties = [("n".repeat(161), "1".to_owned())].into();
        });
    }

    #[test]
    fn there_is_an_end_to_properties() {
        let many = |count: u32| (0..count).map(|at| (at.to_string(), String::new())).collect();
        must_be(None, |disc| disc.properties = many(4096));
        must_be(Some(Refused::ManyProperties), |disc| disc.properties = many(4097));
        let long = |bytes: usize| [("p".to_owned(), "\u{1}".repeat(bytes))].into();
        let rest = (1 << 20) - "p".len() - "C-0001".len();
        must_be(None, |disc| disc.properties = long(rest));
        must_be(Some(Refused::Long), |disc| disc.properties = long(rest + 1));
    }

    #[test]
    fn another_identity_or_disk_is_another_instance() {
        let before = disc().instance_id();
        let other = |change: fn(&mut Disc)| {
            let mut disc = disc();
            change(&mut disc);
            disc.instance_id()
        };
        assert_ne!(other(|disc| disc.hostname = "other".to_owned()), before);
        assert_ne!(other(|disc| disc.serial = "other".to_owned()), before);
        assert_ne!(other(|disc| disc.system_disk = "9-1.qcow2".to_owned()), before);
        assert_ne!(other(|disc| disc.cards[0].mac[5] = 9), before);
        assert_ne!(other(|disc| disc.uuid = super::Uuid::from_u128(8)), before);
        // What is written down once a first boot has ended is the life that it began.
        assert_eq!(other(|disc| disc.first_boot = None), before);
        assert_eq!(other(|disc| disc.properties.clear()), before);
    }
}
