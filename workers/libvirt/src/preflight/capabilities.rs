//! What libvirt and QEMU say that they can do.

use carrel_domain::HostFile;
use carrel_domain::tree::Element;
use virt::connect::Connect;

use crate::host::Host;
use crate::target::parse;
use crate::trouble::Trouble;

use super::{Report, Verdict, What};

/// The oldest that this was tried with, as libvirt numbers versions.
const LIBVIRT_MIN: u32 = 9_000_000;
const QEMU_MIN: u32 = 7_002_000;
const ARCHITECTURE: &str = "x86_64";
const BOARD: &str = "q35";

struct Said {
    libvirt: u32,
    qemu: u32,
    host: Element,
    /// Nothing: there is no such emulator, or libvirt can't use it.
    domain: Result<Element, String>,
}

pub(super) fn report(host: &Host, emulator: &HostFile, report: &mut Report) -> Result<(), Trouble> {
    let path = emulator.as_str().to_owned();
    let said = host.look(None, move |connect| ask(connect, &path))?;
    report_version(report, What::Libvirt, "libvirt", (said.libvirt, LIBVIRT_MIN));
    report_security(report, &said.host);
    match said.domain {
        Ok(domain) => {
            report_version(report, What::Emulator, "QEMU", (said.qemu, QEMU_MIN));
            report_devices(report, &domain);
        }
        Err(why) => report.say(What::Emulator, Verdict::Fails, format!("{emulator}: {why}")),
    }
    Ok(())
}

fn ask(connect: &Connect, emulator: &str) -> Result<Said, Trouble> {
    let domain = connect.get_domain_capabilities(
        Some(emulator),
        Some(ARCHITECTURE),
        Some(BOARD),
        Some("qemu"),
        0,
    );
    let domain = domain.map_err(|error| error.message().to_owned());
    Ok(Said {
        libvirt: connect.get_lib_version()?,
        qemu: connect.get_hyp_version().unwrap_or_default(),
        host: parse(&connect.get_capabilities()?)?,
        domain: domain.and_then(|text| parse(&text).map_err(|trouble| trouble.detail)),
    })
}

fn report_version(report: &mut Report, what: What, name: &str, (found, tried): (u32, u32)) {
    let text = |version: u32| {
        format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000)
    };
    let (verdict, rest) = if found < tried {
        (Verdict::Warns, format!("; older than {}, with which this was tried", text(tried)))
    } else {
        (Verdict::Good, String::new())
    };
    report.say(what, verdict, format!("{name} {}{rest}", text(found)));
}

fn report_security(report: &mut Report, host: &Element) {
    let models = host.child("host").into_iter().flat_map(|host| host.children("secmodel"));
    let models: Vec<&str> =
        models.filter_map(|model| model.child("model")).map(|model| model.text.as_str()).collect();
    let confines = models.iter().any(|model| matches!(*model, "apparmor" | "selinux"));
    if confines {
        report.say(
            What::Security,
            Verdict::Good,
            format!("guests are confined: {}", models.join(", ")),
        );
    } else {
        let detail = "neither AppArmor nor SELinux confines guests: who breaks out of QEMU has the \
                      rights of its user; switch one on in the kernel and in qemu.conf";
        report.say(What::Security, Verdict::Warns, detail);
    }
}

/// What a device of this kind may be, one of the values that libvirt lists.
fn offers(domain: &Element, device: &[&str], choice: &str, value: &str) -> bool {
    let Some(device) = domain.at(device).filter(|device| !device.is("supported", "no")) else {
        return false;
    };
    let choices = device.children("enum").filter(|it| it.is("name", choice));
    choices.flat_map(|it| it.children("value")).any(|it| it.text == value)
}

fn report_devices(report: &mut Report, domain: &Element) {
    let has = |device: &str, choice, value| offers(domain, &["devices", device], choice, value);
    let lacking: Vec<&str> = [
        ("SPICE", has("graphics", "type", "spice")),
        ("VNC", has("graphics", "type", "vnc")),
        ("QXL", has("video", "modelType", "qxl")),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| (!is_there).then_some(name))
    .collect();
    if lacking.is_empty() {
        report.say(What::Display, Verdict::Good, "SPICE, VNC and QXL");
    } else {
        let detail = format!("QEMU was built without {}", lacking.join(", "));
        report.say(What::Display, Verdict::Fails, detail);
    }
    if has("tpm", "backendModel", "emulator") {
        report.say(What::Tpm, Verdict::Good, "swtpm");
    } else {
        let detail = "no swtpm: guests with a TPM can't start; install swtpm and swtpm-tools";
        report.say(What::Tpm, Verdict::Warns, detail);
    }
    let is_uefi = offers(domain, &["os"], "firmware", "efi");
    if is_uefi {
        report.say(What::Firmware, Verdict::Good, "BIOS and UEFI");
    } else {
        let detail = "no UEFI firmware: guests that need it can't start; install ovmf";
        report.say(What::Firmware, Verdict::Warns, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::offers;
    use carrel_domain::tree::Element;

    #[test]
    fn what_is_not_listed_is_not_there() {
        let text = "<domainCapabilities><devices>\
            <graphics supported='yes'><enum name='type'><value>vnc</value></enum></graphics>\
            <tpm supported='no'><enum name='backendModel'><value>emulator</value></enum></tpm>\
            </devices></domainCapabilities>";
        let domain = Element::parse(text).expect("XML");
        assert!(offers(&domain, &["devices", "graphics"], "type", "vnc"));
        assert!(!offers(&domain, &["devices", "graphics"], "type", "spice"));
        assert!(!offers(&domain, &["devices", "tpm"], "backendModel", "emulator"));
        assert!(!offers(&domain, &["devices", "video"], "modelType", "qxl"));
    }
}
