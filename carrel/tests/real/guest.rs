//! What is known of a guest from within, and what is said to whoever sits there.

use std::io::Cursor;

use carrel_lab::eventually;
use serde_json::{Value, json};

use crate::network;
use crate::site::Site;

/// A record as utmp(5) has it, of a user process: its kind first, and a name.
const LOG_IN: &str = "{ printf '\\007\\000'; head -c 42 /dev/zero; printf ada; \
                      head -c 337 /dev/zero; } >/var/run/utmp";

fn guest(site: &Site, machine: &str) -> Option<Value> {
    let answer = site.answers(&format!("/v1/machines/{machine}/guest"))?;
    Some(serde_json::from_slice(&answer).expect("JSON"))
}

#[test]
fn a_guest_says_its_name_its_address_and_who_is_there() {
    let site = Site::on(network::lab(), Vec::new());
    site.import("gold");
    let says = site.boots_as("gold", 1);
    let (name, _) = says.split_once(',').expect("a name");
    let address = eventually("it has an address", || {
        let console = site.console("gold");
        let (_, address) = console.split_once("carrel-guest: address ")?;
        Some(address.split_once('/')?.0.to_owned())
    });
    let nobody = eventually("its agent answers", || guest(&site, "gold"));
    assert_eq!(nobody["users"], json!([]));
    site.runs("gold", LOG_IN);
    let said = eventually("somebody is there", || {
        guest(&site, "gold").filter(|said| said["users"] == json!(["ada"]))
    });
    assert_eq!(said["hostname"], name);
    let addresses = said["addresses"].as_array().expect("addresses");
    assert!(addresses.contains(&json!(address)), "{said}");
    assert!(said["agent"].as_str().is_some_and(|version| version.starts_with('7')), "{said}");
}

#[test]
fn what_a_machine_shows_is_sent_as_a_picture() {
    let site = Site::start();
    site.import("gold");
    let asked = || site.answers("/v1/machines/gold/screenshot");
    assert!(asked().is_none(), "it is off");
    site.boots_as("gold", 1);
    let picture = asked().expect("a picture");
    let mut reader = png::Decoder::new(Cursor::new(picture)).read_info().expect("PNG");
    let (width, height) = reader.info().size();
    assert!(width >= 640 && height >= 350, "{width} x {height}");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut bytes).expect("all of it");
    let shown = &bytes[..frame.buffer_size()];
    assert!(shown.iter().any(|byte| *byte != shown[0]), "there is text on it");
}

/// No part of it is for a shell, for `wall` or for a terminal.
const WORDS: &str = "--help /init \"ada's\" $(reboot -f) `reboot -f` <b>&amp;</b> \\n %s ; | *\n\
                     Grüße, 世界 🖥\n/init";

#[test]
fn words_come_to_whoever_sits_there_as_they_are() {
    let site = Site::start();
    site.import("gold");
    site.boots_as("gold", 1);
    eventually("its agent answers", || guest(&site, "gold"));
    let text = format!("--text={WORDS}");
    site.does(&["do", "MessageMachine", "--machines", "gold", &text, "--wait"]);
    let shown = eventually("they are shown", || {
        let console = site.console("gold").replace('\r', "");
        let (_, rest) = console.split_once("carrel-guest: message\n")?;
        let (words, _) = rest.split_once("\ncarrel-guest: end of message\n")?;
        Some(words.to_owned())
    });
    assert_eq!(shown, WORDS);
}
