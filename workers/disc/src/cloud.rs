//! What cloud-init reads: its data source NoCloud takes `meta-data` and `user-data`, and if it is
//! there `network-config`, from a file system with the label `cidata` (cloud-init's documentation,
//! "NoCloud"). cloudbase-init does the same on Windows.

use std::fmt::Write as _;

use crate::disc::{Disc, FirstBoot};
use crate::quoted::json;

/// Metrics of routes, so that a guest with several cards goes out by the first that can.
const METRIC_EACH: usize = 100;

/// Templates of whoever made the image find properties under `ds.meta_data.properties`.
pub(crate) fn meta_data(disc: &Disc) -> Vec<u8> {
    let mut text = String::new();
    let _ = writeln!(text, "instance-id: {}", json(&disc.instance_id()));
    let _ = writeln!(text, "local-hostname: {}", json(&disc.hostname));
    if !disc.properties.is_empty() {
        text.push_str("properties:\n");
    }
    for (name, value) in &disc.properties {
        let _ = writeln!(text, "  {}: {}", json(name), json(value));
    }
    text.into_bytes()
}

/// The modules "Set Hostname", "Update Etc Hosts" and "Power State Change". A guest that is renamed
/// has its new name with its next boot.
pub(crate) fn user_data(disc: &Disc) -> Vec<u8> {
    let mut text = String::from("#cloud-config\n");
    let _ = writeln!(text, "hostname: {}", json(&disc.hostname));
    text.push_str("preserve_hostname: false\nmanage_etc_hosts: localhost\n");
    match disc.first_boot {
        // With the last of its modules, when all else is done.
        Some(FirstBoot::GuestPoweroff) => {
            text.push_str("power_state:\n  mode: poweroff\n  delay: now\n  condition: true\n");
        }
        Some(FirstBoot::Agent | FirstBoot::Tcp(_)) | None => {}
    }
    text.into_bytes()
}

/// In version 2 ("Networking Config Version 2"). One card asks for an address by DHCP without being
/// told to; nobody else's would. A card that is known by its address has to be given a name, or
/// those who write `/etc/network/interfaces` take the key for one that it has.
pub(crate) fn network_config(disc: &Disc) -> Option<Vec<u8>> {
    if disc.cards.len() < 2 {
        return None;
    }
    let mut text = String::from("version: 2\nethernets:\n");
    for (at, card) in disc.cards.iter().enumerate() {
        let metric = METRIC_EACH * (at + 1);
        let _ = write!(
            text,
            "  eth{at}:\n    match:\n      macaddress: {}\n    set-name: eth{at}\n    \
             dhcp4: true\n    dhcp4-overrides:\n      route-metric: {metric}\n",
            json(&mac(card.mac)),
        );
        // Nobody waits for it.
        if at > 0 {
            text.push_str("    optional: true\n");
        }
    }
    Some(text.into_bytes())
}

pub(crate) fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use serde_yaml_ng::Value;

    use super::{meta_data, network_config, user_data};
    use crate::disc::FirstBoot;
    use crate::disc::example::disc;

    fn yaml(bytes: &[u8]) -> Value {
        serde_yaml_ng::from_slice(bytes).expect("YAML")
    }

    #[test]
    fn a_guest_learns_its_name() {
        let (meta, user) = (yaml(&meta_data(&disc())), yaml(&user_data(&disc())));
        assert_eq!(meta["instance-id"], disc().instance_id());
        assert_eq!(meta["local-hostname"], "win11-001");
        assert_eq!(meta["properties"]["room"], "A <&> \"1\"\n");
        assert!(user_data(&disc()).starts_with(b"#cloud-config\n"));
        assert_eq!(user["hostname"], "win11-001");
        assert_eq!(user["preserve_hostname"], false);
        assert_eq!(user["manage_etc_hosts"], "localhost");
        assert!(user.get("power_state").is_none());
    }

    #[test]
    fn it_goes_off_only_after_a_first_boot_that_ends_so() {
        let mut disc = disc();
        disc.first_boot = Some(FirstBoot::GuestPoweroff);
        assert_eq!(yaml(&user_data(&disc))["power_state"]["mode"], "poweroff");
        disc.first_boot = Some(FirstBoot::Agent);
        assert!(yaml(&user_data(&disc)).get("power_state").is_none());
    }

    #[test]
    fn one_card_needs_no_words() {
        let mut disc = disc();
        let told = yaml(&network_config(&disc).expect("two cards"));
        assert_eq!(told["version"], 2);
        let second = &told["ethernets"]["eth1"];
        assert_eq!(second["match"]["macaddress"], "52:54:00:00:00:02");
        assert_eq!(second["set-name"], "eth1");
        assert_eq!((&second["dhcp4"], &second["optional"]), (&true.into(), &true.into()));
        assert!(told["ethernets"]["eth0"].get("optional").is_none());
        disc.cards.truncate(1);
        assert_eq!(network_config(&disc), None);
    }
}
