//! `carrel hypervisor check`.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;

use carrel_domain::Virtualization;
use carrel_libvirt::preflight::{Item, Report, Verdict, What};
use clap::{Args, Subcommand};

use super::{Displays, Where, look};
use crate::config::Config;
use crate::failure::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum HypervisorCommand {
    Check(Check),
}

/// See whether this machine can be a host of desktops
///
/// A small guest is started to see how guests run here; it is gone again afterwards. Nothing else
/// is changed, but for the storage's folder, which is made.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  it can
  1  it can't, and the report says why

Example:
  carrel hypervisor check --storage /srv/desktops")]
pub(crate) struct Check {
    /// Which libvirt
    #[arg(long, value_name = "URI", env = "CARREL_LIBVIRT_URI")]
    libvirt_uri: Option<String>,
    /// Where disks shall lie
    #[arg(long, value_name = "DIRECTORY", env = "CARREL_STORAGE")]
    storage: Option<PathBuf>,
    /// Where other computers shall see displays
    #[arg(long, value_name = "ADDRESS", env = "CARREL_DISPLAYS")]
    displays: Option<IpAddr>,
    /// Where QEMU finds the certificate of displays
    #[arg(long, value_name = "DIRECTORY", env = "CARREL_DISPLAY_CERTIFICATES")]
    display_certificates: Option<PathBuf>,
}

pub(crate) fn run(command: HypervisorCommand, now_unix: u64) -> Result<Outcome, Failure> {
    let HypervisorCommand::Check(check) = command;
    let usual = Config::default();
    let folder = check.display_certificates.unwrap_or(usual.display_certificates);
    let here = look(&Where {
        uri: check.libvirt_uri.unwrap_or(usual.libvirt_uri),
        storage: check.storage.unwrap_or(usual.storage),
        displays: check.displays.map(|address| Displays { address, folder }),
        now_unix,
        storages: None,
    })?;
    let mut out = io::stdout().lock();
    print(&here.report, &mut out)?;
    out.flush()?;
    Ok(match here.report.verdict() {
        Verdict::Good | Verdict::Warns => Outcome::Fine,
        Verdict::Fails => Outcome::Findings,
    })
}

const fn name(what: What) -> &'static str {
    match what {
        What::Libvirt => "libvirt",
        What::Virtualization => "virtualization",
        What::Emulator => "emulator",
        What::Display => "displays",
        What::Tpm => "TPM",
        What::Firmware => "firmware",
        What::Security => "security",
        What::Kernel => "kernel",
        What::Storage => "storage",
        What::Clock => "clock",
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Warns => "warns",
        Verdict::Fails => "FAILS",
    }
}

fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for Item { what, verdict, detail } in &report.items {
        writeln!(out, "{:<6} {:<15} {detail}", word(*verdict), name(*what))?;
    }
    let summary = match (report.verdict(), report.virtualization) {
        (Verdict::Fails, _) | (_, None) => "This machine can't be a host yet.",
        (_, Some(Virtualization::Kvm)) => "This machine can be a host: guests run under KVM.",
        (_, Some(Virtualization::Tcg)) => {
            "This machine can be a host, to try Carrel out: guests are emulated (TCG), which is \
             slow and keeps no guest from its host."
        }
    };
    writeln!(out, "\n{summary}")
}

/// What is not good, for whoever starts Carrel.
pub(crate) fn remarks(report: &Report) -> Vec<String> {
    let remarkable = report.items.iter().filter(|item| item.verdict > Verdict::Good);
    let remark =
        |item: &Item| format!("{} {}: {}", word(item.verdict), name(item.what), item.detail);
    remarkable.map(remark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_wrong_and_what_it_comes_to() {
        let item = |what, verdict, detail: &str| Item { what, verdict, detail: detail.to_owned() };
        let mut report = Report {
            items: vec![
                item(What::Libvirt, Verdict::Good, "libvirt 9.0.0"),
                item(What::Tpm, Verdict::Warns, "no swtpm"),
            ],
            virtualization: Some(Virtualization::Tcg),
        };
        let said = |report: &Report| {
            let mut out = Vec::new();
            print(report, &mut out).expect("written");
            String::from_utf8(out).expect("text")
        };
        assert!(said(&report).contains("to try Carrel out"), "{}", said(&report));
        assert_eq!(remarks(&report), ["warns TPM: no swtpm"]);
        report.items.push(item(What::Storage, Verdict::Fails, "can't be written"));
        assert!(said(&report).ends_with("can't be a host yet.\n"), "{}", said(&report));
    }
}
