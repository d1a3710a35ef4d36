//! Displays: arming them, cutting viewers off, and who looks.
//!
//! A display is closed from its start: its password is empty, which QEMU takes as one that nobody
//! can give. What is armed is told to QEMU alone and stands in no definition.

use std::collections::BTreeMap;

use carrel_domain::Label;
use carrel_domain::device::{Kind, Until, Viewers, armed};
use serde_json::Value;
use virt::connect::Connect;
use virt_sys as sys;
use zeroize::Zeroizing;

use crate::host::Host;
use crate::target::{Held, Target};
use crate::trouble::Trouble;

/// Somebody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewing {
    pub by: Kind,
    /// QEMU's number for a viewer of SPICE, below zero by chance; all of its channels have it.
    pub connection: i64,
    pub address: Option<String>,
    /// Its main channel is up: it has given a password that was taken.
    pub signed_in: bool,
}

/// SPICE numbers its kinds of channels; this one is a viewer's first.
const MAIN_CHANNEL: u64 = 1;

impl Host {
    /// The display takes this password until then, and who looks may stay.
    pub fn arm(
        &self,
        target: Target,
        by: Kind,
        password: &Zeroizing<String>,
        until_unix: u64,
    ) -> Result<(), Trouble> {
        self.change(target, by, (password.clone(), Until::Unix(until_unix)), Viewers::Stay)
    }

    /// The same, and who looked before is cut off first.
    pub fn arm_anew(
        &self,
        target: Target,
        by: Kind,
        password: &Zeroizing<String>,
        until_unix: u64,
    ) -> Result<(), Trouble> {
        let viewers = cut(by);
        self.change(target, by, (password.clone(), Until::Unix(until_unix)), viewers)
    }

    /// The display takes no password any more. Who looks may stay.
    pub fn disarm(&self, target: Target, by: Kind) -> Result<(), Trouble> {
        self.change(target, by, (Zeroizing::default(), Until::Closed), Viewers::Stay)
    }

    /// Nobody looks by SPICE any more, and nobody new can. QEMU has no means to cut off a viewer of
    /// VNC: that is for whoever stands between its socket and the viewer.
    pub fn cut_viewers(&self, target: Target) -> Result<(), Trouble> {
        self.change(target, Kind::Spice, (Zeroizing::default(), Until::Closed), Viewers::AreCut)
    }

    /// Who came in last by each display, for whoever finds them there later.
    pub fn note_viewers(&self, target: Target, viewers: Vec<Label>) -> Result<(), Trouble> {
        let noted = self.act(Some(target.uuid), move |connect: &Connect| {
            let mut held = target.take(connect)?;
            held.mark(|ours| ours.viewers = viewers)
        });
        self.known.forget(target.uuid);
        noted
    }

    pub fn viewers(&self, target: Target) -> Result<Vec<Viewing>, Trouble> {
        self.ask_monitor(target.uuid, move |connect| {
            let held = target.take(connect)?;
            if !held.state.is_on() {
                return Ok(Vec::new());
            }
            let mut viewers = spice_viewers(&ask(&held, "query-spice")?);
            viewers.extend(vnc_viewers(&ask(&held, "query-vnc")?));
            Ok(viewers)
        })
    }

    fn change(
        &self,
        target: Target,
        by: Kind,
        (password, until): (Zeroizing<String>, Until),
        viewers: Viewers,
    ) -> Result<(), Trouble> {
        self.act(Some(target.uuid), move |connect: &Connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            let device = armed(&held.live()?, by, (&password, until), viewers);
            let device =
                device.ok_or_else(|| Trouble::never("no_display", "it has no such display"))?;
            held.domain.update_device_flags(&device, sys::VIR_DOMAIN_AFFECT_LIVE)?;
            Ok(())
        })
    }
}

const fn cut(by: Kind) -> Viewers {
    match by {
        Kind::Spice => Viewers::AreCut,
        Kind::Vnc => Viewers::Stay,
    }
}

/// QEMU answers at once, or with an error that libvirt hands on as an answer.
pub(crate) fn ask(held: &Held, command: &str) -> Result<Value, Trouble> {
    let question = format!("{{\"execute\":\"{command}\"}}");
    let answer = held
        .domain
        .qemu_monitor_command(&question, sys::VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT)?;
    let answer: Value = serde_json::from_str(&answer)
        .map_err(|error| Trouble::again("monitor", &error.to_string()))?;
    match answer.get("return") {
        Some(answer) => Ok(answer.clone()),
        None => Err(Trouble::again("monitor", &answer.to_string())),
    }
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name)?.as_str().map(str::to_owned)
}

fn spice_viewers(answer: &Value) -> Vec<Viewing> {
    let mut viewers = BTreeMap::new();
    let channels = answer.get("channels").and_then(Value::as_array);
    for channel in channels.into_iter().flatten() {
        let number = |name| channel.get(name).and_then(Value::as_u64);
        let connection = channel.get("connection-id").and_then(Value::as_i64).unwrap_or_default();
        let viewer = viewers.entry(connection).or_insert_with(|| Viewing {
            by: Kind::Spice,
            connection,
            address: text(channel, "host"),
            signed_in: false,
        });
        viewer.signed_in |= number("channel-type") == Some(MAIN_CHANNEL);
    }
    viewers.into_values().collect()
}

fn vnc_viewers(answer: &Value) -> Vec<Viewing> {
    let clients = answer.get("clients").and_then(Value::as_array);
    let viewers = (0..).zip(clients.into_iter().flatten());
    let viewers = viewers.map(|(connection, client)| Viewing {
        by: Kind::Vnc,
        connection,
        address: text(client, "host").filter(|address| !address.is_empty()),
        signed_in: true,
    });
    viewers.collect()
}

#[cfg(test)]
mod tests {
    use super::{spice_viewers, vnc_viewers};
    use serde_json::json;

    #[test]
    fn a_viewer_is_one_whatever_channels_it_has() {
        let channel =
            |kind, id: i64| json!({"connection-id": id, "channel-type": kind, "host": "192.0.2.1"});
        let channels = [channel(1, 7), channel(2, 7), channel(2, 9), channel(1, -5)];
        let viewers = spice_viewers(&json!({ "channels": channels }));
        let seen: Vec<_> = viewers.iter().map(|it| (it.connection, it.signed_in)).collect();
        assert_eq!(seen, [(-5, true), (7, true), (9, false)]);
        assert_eq!(viewers[0].address.as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn what_is_not_there_is_nobody() {
        assert_eq!(spice_viewers(&json!({"enabled": false})), []);
        assert_eq!(vnc_viewers(&json!({"enabled": true, "clients": []})), []);
    }
}
