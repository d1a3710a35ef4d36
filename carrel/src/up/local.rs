//! Where this machine is a host itself: it is registered as what it is, with its storage and
//! libvirt's own network to begin with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_decider::Decider;
use carrel_domain::Virtualization;
use carrel_driver::Hypervisor;
use carrel_driver::libvirt::{LibvirtHost, Storages};
use carrel_driver::place::{Place, Root, machine_folder, version_file};
use carrel_images::Images;
use carrel_libvirt::Capacity;
use carrel_libvirt::preflight::Verdict;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::name::Org;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::asked::ask;
use super::bound;
use super::outside::millis;
use crate::config::Config;
use crate::failure::Failure;
use crate::host::{Where, look, remarks};

/// In the data directory: the id that this machine has as a host.
pub(super) const HOST_FILE: &str = "host";
/// In the data directory: how guests have run here.
const BY_FILE: &str = "virtualization";
const KVM: &str = "kvm";
/// The first storage's.
const STORAGE: &str = "main";
/// What a host keeps for itself: libvirt, Carrel and the kernel.
const OWN_MEMORY_MIB: u64 = 1_024;
/// With less than this part of what is free now a storage is low on space, or with less than what
/// any storage should have.
const LOW_PART: u64 = 10;
const LOW_SPACE_MIB_MAX: u64 = 20 * 1_024;
/// Display passwords are for who sits at this machine, until its displays have a certificate.
const DISPLAY_ADDRESS: &str = "127.0.0.1";
/// A host's name that has no letter of which names are made.
const NAMELESS: &str = "host-1";

/// A host that was found, before anybody has registered it.
pub(super) struct Local {
    hypervisor: Arc<dyn Hypervisor>,
    name: String,
    capacity: Capacity,
    storage: String,
    free_mib: u64,
    data: PathBuf,
}

/// Looks, and says what is not as it should be.
pub(super) async fn find(
    config: &Config,
    storages: &Arc<Storages>,
    fleet: &Fleet,
) -> Result<Local, Failure> {
    let storages = Arc::clone(storages);
    let at = Where {
        uri: config.libvirt_uri.clone(),
        storage: config.storage.clone(),
        now_unix: millis() / 1_000,
        storages: Some(Arc::clone(&storages)),
    };
    let data = config.data.clone();
    let held = known_id(&data, fleet)?.map(|id| held(fleet, id)).unwrap_or_default();
    let looked = spawn_blocking(move || {
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
        let driver = LibvirtHost::new(here.host, Images::default(), ready.facts, clock);
        let hypervisor = driver.map_err(|why| unfit().because(why))?.on(storages);
        Ok(Local {
            hypervisor: Arc::new(hypervisor),
            name: name(&ready.capacity.hostname),
            capacity: ready.capacity,
            free_mib: Images::default()
                .free_mib(&ready.storage)
                .map_err(|why| unfit().because(why))?,
            storage: utf8(&ready.storage)?,
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

/// What the site has on each storage of a host, as far as its host has said that it is there.
fn held(fleet: &Fleet, host: HypervisorId) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let storages = fleet.storages.iter().filter_map(|(id, storage)| {
        let root = Root { storage: id, path: storage.settings.hosts.get(&host)?.clone() };
        let versions = fleet.images.iter().flat_map(|(_, image)| {
            let files = image.files.iter().filter(|file| file.stat.is_some());
            let on_it = files.filter(|file| file.storage == id);
            on_it.filter_map(|file| {
                let number = (image.number, file.number);
                version_file(&root, image.initial, number, file.format)
            })
        });
        let machines = fleet.machines.iter().filter(|(_, machine)| machine.has_files);
        let disks = machines.flat_map(|(machine, it)| it.disks.iter().map(move |it| (machine, it)));
        let disks = disks.filter(|(_, disk)| disk.storage == id);
        let disks = disks.filter_map(|(machine, disk)| match disk.file.as_deref() {
            // It was there before Carrel.
            Some(found) => Some(Place { root: root.clone(), file: found.path.clone() }),
            None => Place::new(&root, &folder(machine)),
        });
        let files = versions.chain(disks).map(|place| place.path().into()).collect();
        Some((PathBuf::from(root.path.as_str()), files))
    });
    storages.collect()
}

fn folder(machine: MachineId) -> String {
    machine_folder(machine).trim_end_matches('/').to_owned()
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
                let settings = json!({
                    "capacity": { "memory_mib": self.memory_mib(), "vcpus": self.capacity.cpus },
                    "display_address": DISPLAY_ADDRESS,
                });
                let data = json!({ "name": self.name, "settings": settings });
                ask(decider, org, "RegisterHypervisor", data).await?;
            }
            Some(id) => self.correct(decider, org, id).await?,
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
        Ok(id)
    }

    /// By its id, whatever it is called by now; the first time by its name.
    fn registered(&self, fleet: &Fleet) -> Result<Option<HypervisorId>, Failure> {
        if let Some(id) = known_id(&self.data, fleet)? {
            return Ok(Some(id));
        }
        let mut hosts = fleet.hypervisors.iter();
        Ok(hosts.find(|(_, host)| host.name.as_str() == self.name).map(|(id, _)| id))
    }

    /// An administrator may promise less than there is, and nobody more.
    async fn correct(&self, decider: &Decider, org: &Org, id: HypervisorId) -> Result<(), Failure> {
        let fleet = decider.standing().fleet;
        let Some(promised) = fleet.hypervisors.get(id).map(|host| &host.settings.capacity) else {
            return Ok(());
        };
        let (memory_mib, vcpus) = (self.memory_mib(), self.capacity.cpus);
        if promised.memory_mib <= memory_mib && promised.vcpus <= vcpus {
            return Ok(());
        }
        tracing::warn!(memory_mib, vcpus, "this host has less than was promised of it");
        let memory_mib = memory_mib.min(promised.memory_mib);
        let capacity = json!({ "memory_mib": memory_mib, "vcpus": vcpus.min(promised.vcpus) });
        let data = json!({ "hypervisor": id, "settings": { "capacity": capacity } });
        ask(decider, org, "UpdateHypervisor", data).await.map(drop)
    }

    fn memory_mib(&self) -> u64 {
        self.capacity.memory_mib.saturating_sub(OWN_MEMORY_MIB).max(1)
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
