//! Domains on a host that Carrel has not made, and what it would take to adopt them.

use axum::Json;
use axum::extract::State;
use carrel_model::contract::Question;
use carrel_model::fleet::Fleet;
use carrel_model::foreign::{ForeignDisk, ForeignDomain};
use carrel_model::ids::HypervisorId;
use carrel_model::machine::AdoptedDisk;
use carrel_model::machine::commands::AdoptMachine;
use carrel_model::name::FilePath;
use carrel_model::reference::{Patch, Ref};
use carrel_model::text::Text;
use carrel_projections::Kind;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::body::Segment;
use crate::edge::Edge;
use crate::look::ask;
use crate::problem::Problem;
use crate::reads;

const GIB: u64 = 1 << 30;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    pub items: Vec<Adoptable>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adoptable {
    pub domain: ForeignDomain,
    /// What `AdoptMachine` takes to make a machine of it, as it is. Nothing: it can't be adopted
    /// like this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptMachine>,
    /// Why it can't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hindered: Option<Text>,
}

/// `GET /v1/hypervisors/{id}/foreign`.
pub async fn list(
    State(edge): State<Edge>,
    Segment(named): Segment,
) -> Result<Json<Foreign>, Problem> {
    let host = reads::id(&edge, Kind::Hypervisors, &named).await?;
    let said = ask(&edge, host, &Question::Foreign).await?;
    let domains: Vec<ForeignDomain> =
        serde_json::from_slice(&said).map_err(|error| Problem::internal(&error))?;
    let fleet = edge.ports.commands.standing().fleet;
    let items = domains.into_iter().map(|domain| {
        let (adopt, hindered) = match adoption(&fleet, host, &domain) {
            Ok(adopt) => (Some(adopt), None),
            Err(why) => (None, Some(Text::cut(&why))),
        };
        Adoptable { domain, adopt, hindered }
    });
    Ok(Json(Foreign { items: items.collect() }))
}

fn adoption(
    fleet: &Fleet,
    host: HypervisorId,
    domain: &ForeignDomain,
) -> Result<AdoptMachine, String> {
    let name = domain.name.as_str();
    let mut macs = domain.macs.iter().copied();
    let disks = domain.disks.iter().map(|disk| adopted(fleet, host, disk));
    let firmware = if domain.uefi { "uefi" } else { "bios" };
    let cpu =
        json!({ "sockets": domain.sockets, "cores": domain.cores, "threads": domain.threads });
    // As near to what it has as Carrel would make it: for its clones, as itself stays what it is.
    let bus = match domain.disks.first().map(|disk| disk.bus.as_str()) {
        Some("virtio") | None => "virtio",
        Some("scsi") => "scsi",
        Some(_) => "sata",
    };
    let card = match domain.card_model.as_ref().map(Text::as_str) {
        Some("rtl8139") => "rtl8139",
        Some("e1000" | "e1000e") => "e1000e",
        Some(_) | None => "virtio",
    };
    let hardware = json!({
        "memory_mib": domain.memory_mib, "cpu": cpu, "firmware": firmware,
        "tpm": if domain.tpm { "v2" } else { "none" },
        "os": if domain.clock_is_local { "windows" } else { "linux" },
        "devices": { "disk_bus": bus, "network_card": card },
    });
    Ok(AdoptMachine {
        hypervisor: Ref::Id(host),
        name: name.parse().map_err(|why| format!("a machine can't be called {name:?}: {why}"))?,
        uuid: domain.uuid,
        mac: macs.next().ok_or("it has no network card, by which machines are told apart")?,
        further_macs: macs.collect(),
        hostname: None,
        machine_type: None,
        cpu_model: None,
        settings: Patch::from(json!({ "hardware": hardware })),
        disks: disks.collect::<Result<_, _>>()?,
    })
}

fn adopted(fleet: &Fleet, host: HypervisorId, disk: &ForeignDisk) -> Result<AdoptedDisk, String> {
    let target = &disk.target;
    let file = disk.file.as_ref().ok_or_else(|| format!("its disk {target} is no file"))?;
    let outside = |file: &Text| {
        format!("{file} lies in no storage of this host; CreateStorage makes one of its folder")
    };
    // The deepest folder: one storage may lie within another.
    let storages = fleet.storages.iter().filter_map(|(id, storage)| {
        let path = storage.settings.hosts.get(&host)?.as_str().trim_end_matches('/');
        let below = within(path, file.as_str())?;
        Some((path, id, below))
    });
    let (path, storage, below) =
        storages.max_by_key(|(path, ..)| path.len()).ok_or_else(|| outside(file))?;
    let backing = disk.backing.iter().map(|file| within(path, file.as_str()).ok_or(file));
    let size = disk.size_bytes.ok_or_else(|| format!("nobody knows how large {target} is"))?;
    Ok(AdoptedDisk {
        storage: Ref::Id(storage),
        file: below,
        backing: backing.collect::<Result<_, _>>().map_err(outside)?,
        format: disk.format.ok_or_else(|| format!("nobody knows what format {target} has"))?,
        size_gib: u32::try_from(size.div_ceil(GIB)).unwrap_or(u32::MAX),
    })
}

fn within(path: &str, file: &str) -> Option<FilePath> {
    FilePath::new(file.strip_prefix(path)?.strip_prefix('/')?).ok()
}
