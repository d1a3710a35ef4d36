//! What the server knows of a storage's files, from what everybody can read by the API.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use carrel_driver::place::{
    Beside, Place, Root, beside_file, config_disc, disk_file, firmware_file, firmware_of_file,
    machine_folder, medium_named, snapshot_file, throwaway_folder, version_file,
};
use carrel_model::ids::{DiskId, ImageId, MachineId, MediaId, SnapshotId, StorageId};
use carrel_model::machine::{DiskRole, Format};
use carrel_model::media::{Format as MediaFormat, Kind as MediaKind};
use carrel_model::name::HostPath;
use carrel_model::version::latest::machine::FoundFile;
use carrel_model::work::DiskSpec;
use carrel_projections::Kind;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{Http, all};
use crate::failure::Failure;

/// What a file should be, of which somebody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Whose it is, for people.
    pub(super) of: String,
    pub(super) must_be_there: bool,
    pub(super) sealed: bool,
    pub(super) stands: Stands,
}

/// What a file should stand on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Stands {
    #[default]
    Anyhow,
    Alone,
    /// On any of these, perhaps with files of its machine's in between.
    On(Vec<(PathBuf, Format)>),
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// By their paths below the storage's.
    pub(super) named: BTreeMap<String, Named>,
    /// Beginnings of paths of which all may be of use, for as long as their machines are.
    pub(super) spared: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Storage {
    id: StorageId,
    name: String,
    hosts: Vec<HostOfStorage>,
}

#[derive(Deserialize)]
struct HostOfStorage {
    hypervisor: String,
    hypervisor_name: Option<String>,
    path: HostPath,
}

#[derive(Deserialize)]
struct Machine {
    id: MachineId,
    name: String,
    state: String,
    boot_epoch: u64,
    generation: u64,
    applied: u64,
    deleting: bool,
    task: Option<Value>,
    renewal: Option<Value>,
    has_files: bool,
    disks: Vec<Disk>,
    other_disks: Vec<Disk>,
    snapshots: Vec<Snapshot>,
}

#[derive(Deserialize)]
struct Disk {
    id: DiskId,
    storage: StorageId,
    format: Format,
    overlay_generation: u32,
    image: Option<ImageId>,
    file: Option<FoundFile>,
}

#[derive(Deserialize)]
struct Snapshot {
    id: SnapshotId,
    state: String,
}

#[derive(Deserialize)]
struct Image {
    id: ImageId,
    name: String,
    initial: MachineId,
    number: u32,
    base: Option<ImageId>,
    files: Vec<ImageFile>,
}

#[derive(Deserialize)]
struct ImageFile {
    number: u16,
    storage: StorageId,
    format: Format,
    depth: u8,
    state: String,
}

#[derive(Deserialize)]
struct Medium {
    id: MediaId,
    name: String,
    kind: MediaKind,
    format: MediaFormat,
    storage: StorageId,
}

impl Known {
    /// As of now, or later: whatever was known when this was asked is in it.
    pub(super) fn ask(http: &Http, host: &str, root: &Path) -> Result<Self, Failure> {
        let position = http.get("/readyz", &[])?.fine()?["position"].as_u64();
        let unsaid = || Failure::new("the server does not say how much it knows");
        let position = position.ok_or_else(unsaid)?.to_string();
        let seen = [("min_position", position.as_str())];
        let storages: Vec<Storage> = read(http, Kind::Storages, &seen)?;
        let here = Here::of(&storages, host, root)?;
        let images: Vec<Image> = read(http, Kind::Images, &seen)?;
        let images = images.into_iter().map(|image| (image.id, image)).collect();
        let all = All { here, images, known: Self::default() };
        let machines: Vec<Machine> = read(http, Kind::Machines, &seen)?;
        Ok(all.gather(&machines, &read::<Medium>(http, Kind::Media, &seen)?))
    }
}

fn read<T: DeserializeOwned>(
    http: &Http,
    kind: Kind,
    query: &[(&str, &str)],
) -> Result<Vec<T>, Failure> {
    let unread = |why| {
        let failure =
            Failure::new(format!("what the server says of {} is not understood", kind.name()));
        failure.because(why).next("use the same version of Carrel as the server")
    };
    let items = all(http, kind, query)?;
    items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>().map_err(unread)
}

/// The storage that is looked at, and where this host has the others.
struct Here {
    root: Root,
    roots: BTreeMap<StorageId, Root>,
}

impl Here {
    fn of(storages: &[Storage], host: &str, root: &Path) -> Result<Self, Failure> {
        let mut roots = BTreeMap::new();
        let mut found = None;
        for storage in storages {
            let here = storage
                .hosts
                .iter()
                .find(|it| it.hypervisor == host || it.hypervisor_name.as_deref() == Some(host));
            let Some(here) = here else { continue };
            let of = Root { storage: storage.id, path: here.path.clone() };
            if fs::canonicalize(here.path.as_str()).is_ok_and(|path| path == root) {
                found = Some(of.clone());
            }
            roots.insert(storage.id, of);
        }
        let strange = || {
            let what = format!(
                "{} is none of the storages that the server knows on this host",
                root.display()
            );
            let known = storages.iter().filter(|it| roots.contains_key(&it.id));
            let known: Vec<String> =
                known.map(|it| format!("{} at {}", it.name, roots[&it.id].path)).collect();
            let why = if known.is_empty() { "it knows none".to_owned() } else { known.join(", ") };
            Failure::new(what)
                .because(why)
                .next("name one with --storage, or the host with --hypervisor")
        };
        Ok(Self { root: found.ok_or_else(strange)?, roots })
    }

    fn is_here(&self, storage: StorageId) -> bool {
        self.root.storage == storage
    }
}

struct All {
    here: Here,
    images: BTreeMap<ImageId, Image>,
    known: Known,
}

impl All {
    fn gather(mut self, machines: &[Machine], media: &[Medium]) -> Known {
        for machine in machines {
            self.machine(machine);
        }
        let images: Vec<(PathBuf, Named)> =
            self.images.values().flat_map(|it| self.image(it)).collect();
        for (path, named) in images {
            self.name(&path.to_string_lossy(), named);
        }
        for medium in media {
            if !self.here.is_here(medium.storage) {
                continue;
            }
            let place = medium_named(&self.here.root, medium.id, (medium.kind, medium.format));
            let named = Named { of: medium.name.clone(), must_be_there: true, ..Named::default() };
            self.place(place, named);
        }
        self.known
    }

    fn name(&mut self, path: &str, named: Named) {
        self.known.named.insert(path.to_owned(), named);
    }

    fn place(&mut self, place: Option<Place>, named: Named) {
        if let Some(place) = place.filter(|place| self.here.is_here(place.root.storage)) {
            self.name(place.file.as_str(), named);
        }
    }

    fn machine(&mut self, machine: &Machine) {
        let id = machine.id;
        self.known.spared.insert(format!("consoles/{id}."));
        let rests = rests(machine);
        if !rests {
            self.known.spared.extend([machine_folder(id), throwaway_folder(id)]);
        }
        let mine = || Named { of: machine.name.clone(), ..Named::default() };
        for (at, disk) in machine.disks.iter().chain(&machine.other_disks).enumerate() {
            let Some(root) = self.here.roots.get(&disk.storage).cloned() else { continue };
            let spec = spec(disk, &root);
            let place = disk_file(id, &spec);
            let is_its_own = rests && machine.has_files && at < machine.disks.len();
            let stands = if is_its_own { self.below(disk) } else { Stands::Anyhow };
            for below in disk.file.iter().flat_map(|found| &found.backing) {
                let named = Named { must_be_there: is_its_own, ..mine() };
                self.place(Place::new(&root, below.as_str()), named);
            }
            for snapshot in &machine.snapshots {
                self.place(snapshot_file(id, &spec, snapshot.id), mine());
            }
            if let Some(place) = &place {
                self.place(config_disc(id, place), mine());
                self.place(firmware_file(id, place), mine());
                self.place(firmware_of_file(id, place), mine());
                let snapshots = machine.snapshots.iter();
                let kept = snapshots.filter_map(|it| snapshot_file(id, &spec, it.id));
                for with in kept.chain([place.clone()]) {
                    for what in Beside::ALL {
                        self.place(beside_file(id, &with, what), mine());
                    }
                }
            }
            self.place(place, Named { must_be_there: is_its_own, stands, ..mine() });
            let throwaway =
                format!("{}{}-{}.qcow2", throwaway_folder(id), disk.id, machine.boot_epoch);
            self.name(&throwaway, mine());
        }
    }

    /// A disk that was there before Carrel stands on whatever it stood on.
    fn below(&self, disk: &Disk) -> Stands {
        match (disk.image, &disk.file) {
            (_, Some(_)) => Stands::Anyhow,
            (None, None) => Stands::Alone,
            (Some(image), None) => self.on(image),
        }
    }

    fn on(&self, image: ImageId) -> Stands {
        let Some(image) = self.images.get(&image) else { return Stands::Anyhow };
        let files = image.files.iter().map(|file| Some((self.version(image, file)?, file.format)));
        files.collect::<Option<_>>().map_or(Stands::Anyhow, Stands::On)
    }

    fn version(&self, image: &Image, file: &ImageFile) -> Option<PathBuf> {
        let root = self.here.roots.get(&file.storage)?;
        let place = version_file(root, image.initial, (image.number, file.number), file.format);
        place.map(|place| place.path().into())
    }

    fn image<'a>(&'a self, image: &'a Image) -> impl Iterator<Item = (PathBuf, Named)> + 'a {
        let here = image.files.iter().filter(|file| self.here.is_here(file.storage));
        here.filter_map(|file| {
            let (number, root) = ((image.number, file.number), &self.here.root);
            let place = version_file(root, image.initial, number, file.format)?;
            let is_made = matches!(file.state.as_str(), "there" | "unverified");
            let stands = match (is_made, file.depth, image.base) {
                (true, 1, _) => Stands::Alone,
                (true, _, Some(base)) => self.on(base),
                (_, _, _) => Stands::Anyhow,
            };
            let of = image.name.clone();
            let named = Named { of, must_be_there: is_made, sealed: is_made, stands };
            Some((place.file.as_str().into(), named))
        })
    }
}

/// Its host has done all that it was told, and nothing writes to its files.
fn rests(machine: &Machine) -> bool {
    matches!(machine.state.as_str(), "off" | "crashed")
        && machine.applied == machine.generation
        && !machine.deleting
        && machine.task.is_none()
        && machine.renewal.is_none()
        && machine.snapshots.iter().all(|it| it.state == "taken")
}

/// As much of it as says where its file lies.
fn spec(disk: &Disk, root: &Root) -> DiskSpec {
    DiskSpec {
        id: disk.id,
        role: DiskRole::System,
        storage: disk.storage,
        path: Some(root.path.clone()),
        overlay_generation: disk.overlay_generation,
        size_gib: 0,
        format: disk.format,
        file: disk.file.clone(),
        backing: Vec::new(),
    }
}
