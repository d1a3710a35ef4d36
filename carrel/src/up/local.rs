//! Where this machine is a host itself: it is registered as what it is, with its storage and
//! libvirt's own network to begin with.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_decider::Decider;
use carrel_domain::Virtualization;
use carrel_driver::Hypervisor;
use carrel_driver::libvirt::LibvirtHost;
use carrel_libvirt::Capacity;
use carrel_libvirt::preflight::Verdict;
use carrel_model::fleet::Fleet;
use carrel_model::ids::HypervisorId;
use carrel_model::name::{HostAddress, Org};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::asked::ask;
use super::bound;
use super::held;
use super::here::Site;
use super::outside::millis;
use super::promised::{Promised, Room};
use crate::config::Config;
use crate::failure::Failure;
use crate::host::{Displays, Where, look, remarks};

/// In the data directory: the id that this machine has as a host.
pub(super) const HOST_FILE: &str = "host";
/// In the data directory: how guests have run here.
const BY_FILE: &str = "virtualization";
const KVM: &str = "kvm";
/// The first storage's.
const STORAGE: &str = "main";
/// libvirt's own, by which guests reach others and nobody reaches them, and the first network's.
const NETWORK: &str = "default";
/// What a host keeps for itself: libvirt, Carrel and the kernel.
const OWN_MEMORY_MIB: u64 = 1_024;
/// With less than this part of what is free now a storage is low on space, or with less than what
/// any storage should have.
const LOW_PART: u64 = 10;
const LOW_SPACE_MIB_MAX: u64 = 20 * 1_024;
/// Displays are for who sits at this machine, unless they have a certificate.
const DISPLAY_ADDRESS: &str = "127.0.0.1";
/// What this machine calls itself.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// A host's name that has no letter of which names are made.
const NAMELESS: &str = "host-1";

/// A host that was found, before anybody has registered it.
pub(super) struct Local {
    hypervisor: Arc<dyn Hypervisor>,
    name: String,
    capacity: Capacity,
    storage: String,
    free_mib: u64,
    displays: Option<IpAddr>,
    data: PathBuf,
}

/// Looks, and says what is not as it should be.
pub(super) async fn find(config: &Config, site: &Site) -> Result<Local, Failure> {
    let (storages, images) = (Arc::clone(&site.storages), Arc::clone(&site.images));
    let at = Where {
        uri: config.libvirt_uri.clone(),
        storage: config.storage.clone(),
        displays: Displays::of(config),
        now_unix: millis() / 1_000,
        storages: Some(Arc::clone(&storages)),
    };
    let (data, keys) = (config.data.clone(), site.keys.clone());
    let fleet = site.decider.standing().fleet;
    let known = known_id(&data, &fleet)?;
    let called = called(known, &fleet);
    let held = known.map(|id| held::on(&fleet, id)).unwrap_or_default();
    let looked = spawn_blocking(move || {
        if let Some(displays) = &at.displays {
            displays.certify(&keys, &called)?;
        }
        for (root, files) in held {
            let unmarked = |why| Failure::new("a storage can't be used").because(why);
            storages.holds(&root, &files).map_err(unmarked)?;
        }
        let here = look(&at)?;
        for remark in remarks(&here.report) {
            tracing::warn!("{remark}");
        }
        let next = "`carrel hypervisor check` shows the whole report";
        let unfit = || Failure::new("this machine can't be a host of desktops").next(next);
        if here.report.verdict() == Verdict::Fails {
            return Err(unfit().because(remarks(&here.report).join("; ")));
        }
        let ready = here.ready.ok_or_else(unfit)?;
        stays_walled(&data, ready.facts.virtualization)?;
        tracing::info!(by = ?ready.facts.virtualization, "guests run here");
        let clock = Box::new(|| millis() / 1_000);
        let free_mib = images.free_mib(&ready.storage).map_err(|why| unfit().because(why))?;
        let driver = LibvirtHost::new(here.host, images, ready.facts, clock);
        let hypervisor = driver.map_err(|why| unfit().because(why))?.on(storages);
        Ok(Local {
            hypervisor: Arc::new(hypervisor),
            name: name(&ready.capacity.hostname),
            capacity: ready.capacity,
            free_mib,
            storage: utf8(&ready.storage)?,
            displays: at.displays.map(|it| it.address),
            data,
        })
    });
    looked.await.map_err(|why| Failure::new("this machine can't be looked at").because(why))?
}

/// The id that the site knows this machine by, if it was a host before.
pub(super) fn known_id(data: &Path, fleet: &Fleet) -> Result<Option<HypervisorId>, Failure> {
    let known = bound::kept(data, HOST_FILE)?.and_then(|id| id.parse().ok());
    Ok(known.filter(|id: &HypervisorId| fleet.hypervisors.get(*id).is_some()))
}

/// What viewers may call this host, beside its address.
fn called(known: Option<HypervisorId>, fleet: &Fleet) -> Vec<String> {
    let known = known.and_then(|id| fleet.hypervisors.get(id));
    let address = known.and_then(|host| host.settings.display_address.as_ref());
    let named = fs::read_to_string(HOST_NAME).ok().map(|name| name.trim().to_owned());
    let names = address.map(|address| address.as_str().to_owned()).into_iter().chain(named);
    names.filter(|name| name.is_ascii() && name != DISPLAY_ADDRESS).collect()
}

/// A host whose guests ran under KVM does not quietly become one that emulates them.
fn stays_walled(data: &Path, now: Virtualization) -> Result<(), Failure> {
    let name = match now {
        Virtualization::Kvm => KVM,
        Virtualization::Tcg => "tcg",
    };
    if now == Virtualization::Tcg && bound::kept(data, BY_FILE)?.as_deref() == Some(KVM) {
        let what = "guests ran under KVM here, and now they would be emulated: slow, and with no \
                    wall between a guest and its host";
        let file = data.join(BY_FILE);
        let next = format!(
            "`carrel hypervisor check` says what is wrong with KVM; to go on without it, remove {}",
            file.display()
        );
        return Err(Failure::new(what).next(next));
    }
    bound::keep(data, BY_FILE, name)
}

fn utf8(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(format!("{} is not UTF-8", path.display())))
}

/// What of a host's name can be one here.
fn name(hostname: &str) -> String {
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let name: String = hostname.chars().filter(allowed).take(63).collect();
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts_well { name } else { NAMELESS.to_owned() }
}

impl Local {
    pub(super) fn hypervisor(&self) -> Arc<dyn Hypervisor> {
        Arc::clone(&self.hypervisor)
    }

    /// The id that this host has. A site that doesn't know it learns of it, and of its storage if
    /// it has none.
    pub(super) async fn found(
        &self,
        decider: &Decider,
        org: &Org,
    ) -> Result<HypervisorId, Failure> {
        let there = self.registered(&decider.standing().fleet)?;
        match there {
            None => {
                let Room { memory_mib, vcpus } = self.room();
                let settings = json!({
                    "capacity": { "memory_mib": memory_mib, "vcpus": vcpus },
                    "display_address": self.display_address(),
                });
                let mut promised = Promised::default();
                promised.say(self.room());
                promised.keep(&self.data)?;
                let data = json!({ "name": self.name, "settings": settings });
                ask(decider, org, "RegisterHypervisor", data).await?;
            }
            Some(id) => {
                self.correct(decider, org, id).await?;
                self.show(decider, org, id).await?;
            }
        }
        let fleet = decider.standing().fleet;
        let id = self.registered(&fleet)?;
        let id = id.ok_or_else(|| Failure::new("this host could not be registered"))?;
        bound::keep(&self.data, HOST_FILE, &id.to_string())?;
        if fleet.storages.is_empty() {
            let hosts = json!({ id.to_string(): self.storage });
            let low_space_mib = (self.free_mib / LOW_PART).min(LOW_SPACE_MIB_MAX);
            let settings = json!({ "hosts": hosts, "low_space_mib": low_space_mib });
            let data = json!({ "name": STORAGE, "settings": settings });
            ask(decider, org, "CreateStorage", data).await?;
        } else if !fleet.storages.iter().any(|(_, it)| it.settings.hosts.contains_key(&id)) {
            tracing::warn!("this host sees no storage; UpdateStorage lets it see one");
        }
        if there.is_none() && fleet.networks.is_empty() && self.has_network() {
            let settings = json!({ "attachment": { "libvirt": { "name": NETWORK } } });
            let data = json!({ "name": NETWORK, "settings": settings });
            ask(decider, org, "CreateNetwork", data).await?;
        }
        Ok(id)
    }

    fn has_network(&self) -> bool {
        self.capacity.networks.iter().any(|name| name == NETWORK)
    }

    /// By its id, whatever it is called by now; the first time by its name.
    fn registered(&self, fleet: &Fleet) -> Result<Option<HypervisorId>, Failure> {
        if let Some(id) = known_id(&self.data, fleet)? {
            return Ok(Some(id));
        }
        let mut hosts = fleet.hypervisors.iter();
        Ok(hosts.find(|(_, host)| host.name.as_str() == self.name).map(|(id, _)| id))
    }

    /// An administrator may promise less than there is, and nobody more. Without that, all that
    /// there is now counts.
    async fn correct(&self, decider: &Decider, org: &Org, id: HypervisorId) -> Result<(), Failure> {
        let fleet = decider.standing().fleet;
        let Some(host) = fleet.hypervisors.get(id) else { return Ok(()) };
        let (stands, has) = (Room::of(&host.settings.capacity), self.room());
        let mut promised = Promised::kept(&self.data)?;
        promised.hear(stands, has);
        let says = promised.say(has);
        promised.keep(&self.data)?;
        if says == stands {
            return Ok(());
        }
        let Room { memory_mib, vcpus } = says;
        tracing::warn!(memory_mib, vcpus, "this host has not what was promised of it, and says so");
        let capacity = json!({ "memory_mib": memory_mib, "vcpus": vcpus });
        let data = json!({ "hypervisor": id, "settings": { "capacity": capacity } });
        ask(decider, org, "UpdateHypervisor", data).await?;
        promised.hear(says, has);
        promised.keep(&self.data)
    }

    /// Viewers are sent to where displays are seen. An administrator may have given it a name, or
    /// another address by which it is reached.
    async fn show(&self, decider: &Decider, org: &Org, id: HypervisorId) -> Result<(), Failure> {
        let fleet = decider.standing().fleet;
        let Some(host) = fleet.hypervisors.get(id) else { return Ok(()) };
        let told = host.settings.display_address.as_ref().map(HostAddress::as_str);
        match (told, self.displays) {
            (Some(DISPLAY_ADDRESS) | None, Some(_)) => {
                let settings = json!({ "display_address": self.display_address() });
                let data = json!({ "hypervisor": id, "settings": settings });
                ask(decider, org, "UpdateHypervisor", data).await.map(drop)
            }
            (Some(told), None) if told != DISPLAY_ADDRESS => {
                tracing::warn!(told, "viewers are sent there, and displays are seen here only");
                Ok(())
            }
            (Some(_), Some(_)) | (_, None) => Ok(()),
        }
    }

    fn display_address(&self) -> String {
        self.displays.map_or_else(|| DISPLAY_ADDRESS.to_owned(), |address| address.to_string())
    }

    fn room(&self) -> Room {
        let memory_mib = self.capacity.memory_mib.saturating_sub(OWN_MEMORY_MIB).max(1);
        Room { memory_mib, vcpus: self.capacity.cpus }
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMELESS, Virtualization, name, stays_walled};

    #[test]
    fn a_host_with_kvm_does_not_quietly_emulate() {
        let folder = tempfile::tempdir().expect("a folder");
        let stays = |by| stays_walled(folder.path(), by);
        stays(Virtualization::Tcg).expect("the first time");
        stays(Virtualization::Kvm).expect("better");
        assert!(stays(Virtualization::Tcg).is_err());
        stays(Virtualization::Kvm).expect("mended");
    }

    #[test]
    fn a_host_is_called_what_it_calls_itself_as_far_as_names_go() {
        assert_eq!(name("node1.example.org"), "node1.example.org");
        assert_eq!(name("nöde 1"), "nde1");
        assert_eq!(name("-"), NAMELESS);
    }
}
