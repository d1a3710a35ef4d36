//! The same by `qemu-img` and `virsh`, as a script does it who wants it fast, and as KVM-VDI does
//! it.

use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::stop::Stop;
use crate::Failure;

/// Arguments: lanes, where libvirt is, the file below. On its input there is a line for each
/// desktop: its name, its overlay, and the file of its definition.
const LOOPS: &str = r#"
set -euo pipefail
lanes=$1 uri=$2 base=$3
mapfile -t desktops
overlay() { qemu-img create -q -f qcow2 -F qcow2 -b "$base" "$1" 1G; }
ask() { virsh --quiet --connect "$uri" "$@" >/dev/null; }
mine() {
    local nth
    for ((nth = $1; nth < ${#desktops[@]}; nth += lanes)); do
        echo "${desktops[nth]}"
    done
}
lane() { :; }
together() {
    local nth lane=() failed=0
    for ((nth = 0; nth < lanes; nth++)); do
        lane "$nth" &
        lane+=($!)
    done
    for nth in "${lane[@]}"; do wait "$nth" || failed=1; done
    return "$failed"
}
"#;
/// Three processes for each desktop.
const KVM_VDI: &str = r#"
lane() {
    mine "$1" | while read -r name file xml; do
        overlay "$file"
        ask define "$xml" </dev/null
        ask start --paused "$name" </dev/null
    done
}
together
"#;
/// One virsh for each desktop.
const EACH: &str = r#"
lane() {
    mine "$1" | while read -r name file xml; do
        overlay "$file"
        ask "define $xml; start --paused $name" </dev/null
    done
}
together
"#;
/// One virsh for each lane, which makes overlays meanwhile.
const FED: &str = r#"
lane() {
    mine "$1" | while read -r name file xml; do
        overlay "$file"
        printf 'define %s\nstart --paused %s\n' "$xml" "$name"
    done | ask
}
together
"#;
const LANES: [usize; 3] = [2, 4, 8];

#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    how: &'static str,
    script: &'static str,
    lanes: usize,
}

impl Loop {
    pub(super) const SERIAL: Self =
        Self { how: "one command after the other", script: KVM_VDI, lanes: 1 };

    /// Of which the fastest counts.
    pub(super) fn parallel() -> impl Iterator<Item = Self> {
        let hows = [("a virsh for each desktop", EACH), ("a virsh for each lane", FED)];
        hows.into_iter()
            .flat_map(|(how, script)| LANES.map(move |lanes| Self { how, script, lanes }))
    }

    /// Whether all came to be is for the caller to see.
    pub(super) fn run(
        self,
        (uri, base): (&str, &Path),
        desktops: &Path,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let child = Command::new("bash")
            .args(["-c", &format!("{LOOPS}{}", self.script), "loop"])
            .args([&self.lanes.to_string(), uri])
            .arg(base)
            .stdin(std::fs::File::open(desktops)?)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        let status = stop.wait(child)?;
        if status.success() { Ok(()) } else { Err(format!("{self}: {status}").into()) }
    }
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lanes {
            1 => write!(f, "qemu-img and virsh, {}", self.how),
            lanes => write!(f, "qemu-img and virsh, {lanes} lanes, {}", self.how),
        }
    }
}
