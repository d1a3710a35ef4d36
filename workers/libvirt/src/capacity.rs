//! What a host has to give.

use carrel_domain::{HostFile, Virtualization};
use virt::connect::Connect;

use crate::host::Host;
use crate::target::parse;
use crate::trouble::Trouble;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub hostname: String,
    pub memory_mib: u64,
    pub cpus: u32,
    /// Of processors that guests can be shown here. What all hosts have in common migrates.
    pub cpu_models: Vec<String>,
    /// What `q35` stands for here: a board with its version, for domains that are made now.
    pub board: Option<String>,
    /// Those of libvirt's networks that are up.
    pub networks: Vec<String>,
}

impl Host {
    pub fn capacity(&self, emulator: &HostFile, by: Virtualization) -> Result<Capacity, Trouble> {
        let emulator = emulator.clone();
        self.look(None, move |connect| capacity(connect, &emulator, by))
    }
}

fn capacity(
    connect: &Connect,
    emulator: &HostFile,
    by: Virtualization,
) -> Result<Capacity, Trouble> {
    let kind = match by {
        Virtualization::Kvm => "kvm",
        Virtualization::Tcg => "qemu",
    };
    let emulator = Some(emulator.as_str());
    let text =
        connect.get_domain_capabilities(emulator, Some("x86_64"), Some("q35"), Some(kind), 0)?;
    let domain = parse(&text)?;
    let modes = domain.child("cpu").into_iter().flat_map(|cpu| cpu.children("mode"));
    let custom = modes.filter(|mode| mode.is("name", "custom"));
    let models = custom.flat_map(|mode| mode.children("model"));
    let usable = models.filter(|model| model.is("usable", "yes"));
    let node = connect.get_node_info()?;
    Ok(Capacity {
        hostname: connect.get_hostname()?,
        memory_mib: node.memory >> 10,
        cpus: node.cpus,
        cpu_models: usable.map(|model| model.text.clone()).collect(),
        networks: connect.list_networks()?,
        board: domain.child("machine").map(|machine| machine.text.clone()),
    })
}
