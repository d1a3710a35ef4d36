//! ImportImage: an uploaded disk becomes a machine and its first version.

use serde_json::json;

use super::{Site, ended, failure, name_of};
use crate::event::{MediaFact, StorageFact};
use crate::hash::Digest;
use crate::ids::MediaId;
use crate::image::{Origin, outcome};
use crate::machine::{DiskSource, Format, Kind};
use crate::media::{Format as UploadFormat, Kind as MediaKind};
use crate::name::HostPath;
use crate::operation::Outcome;
use crate::testing::{STAT, kinds};
use crate::version::latest::Switch;
use crate::version::latest::media::Added;
use crate::version::latest::storage::SpaceLowChanged;
use crate::work::{FileTask, Shall, Thing, work};

fn upload(site: &mut Site, name: &str, kind: MediaKind) -> MediaId {
    upload_of(site, name, kind, (30 << 30) + 1)
}

fn upload_of(site: &mut Site, name: &str, kind: MediaKind, size_bytes: u64) -> MediaId {
    let id = MediaId::from_bytes([name.len().try_into().unwrap_or(1); 16]);
    let added = Added {
        name: name_of(name),
        kind,
        format: UploadFormat::Raw,
        storage: site.storage,
        size_bytes,
        digest: Digest([3; 32]),
        labels: Default::default(),
        properties: Default::default(),
    };
    site.happens(id, MediaFact::Added(added));
    id
}

#[test]
fn an_imported_disk_is_version_one_of_a_new_initial() {
    let mut site = Site::new();
    let media = upload(&mut site, "debian.qcow2", MediaKind::Disk);
    let data = json!({ "file": "debian.qcow2", "as": "initial", "name": "debian" });
    let events = site.given("ImportImage", data.clone());
    assert_eq!(
        kinds(&events),
        [
            "operation.accepted",
            "machine.created",
            "machine.placed",
            "image.seal_requested",
            "machine.seal_requested",
            "operation.part_begun",
            "operation.advanced",
        ]
    );
    let id = site.named("debian");
    assert_eq!(site.get(id).kind, Kind::Initial { source: None });
    let disk = site.get(id).system_disk().cloned().expect("a disk");
    assert_eq!((disk.source, disk.size_gib), (DiskSource::Blank, 31));
    let events = site.decides(|deciding| outcome::sealed(deciding, id, STAT));
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    let (_, image) = site.story.fleet.images.iter().next().expect("the version");
    assert_eq!((image.number, &image.origin), (1, &Origin::Imported { media }));
    assert_eq!(site.get(id).image(), Some(image.id));
    site.given("Populate", json!({ "initial": "debian", "count": 1 }));
    site.named("debian-001");
    site.refused("ImportImage", data, "CRL-0002");
}

#[test]
fn what_is_imported_is_on_the_network_that_machines_are_on() {
    let mut site = Site::new();
    site.given("CreateNetwork", json!({ "name": "default" }));
    let default = site.story.fleet.networks.iter().next().expect("the network").0;
    site.given("CreateNetwork", json!({ "name": "other" }));
    upload(&mut site, "golden", MediaKind::Disk);
    site.given("ImportImage", json!({ "file": "golden", "as": "source", "name": "debian" }));
    let debian = site.named("debian");
    assert_eq!(site.get(debian).settings.networks, [default]);
}

#[test]
fn an_imported_source_can_be_copied() {
    let mut site = Site::new();
    upload(&mut site, "golden", MediaKind::Disk);
    site.given("ImportImage", json!({ "file": "golden", "as": "source", "name": "fresh" }));
    let id = site.named("fresh");
    let copy = json!({ "initial": "win11", "source": "fresh" });
    site.refused("CopyFromSource", copy.clone(), "CRL-0204");
    site.decides(|deciding| outcome::sealed(deciding, id, STAT));
    site.given("CopyFromSource", copy);
}

#[test]
fn an_import_that_fails_leaves_no_version() {
    let mut site = Site::new();
    upload(&mut site, "broken", MediaKind::Disk);
    site.given("ImportImage", json!({ "file": "broken", "as": "initial", "name": "new" }));
    let id = site.named("new");
    let events = site.decides(|deciding| outcome::task_failed(deciding, id, &failure()));
    assert_eq!(ended(&events), Some(Outcome::Failed));
    assert!(site.story.fleet.images.is_empty());
    assert_eq!(site.get(id).image(), None);

    let operation = super::last_command(&site);
    site.happens(
        operation,
        crate::event::OperationFact::Retried(crate::version::latest::Nothing {}),
    );
    site.advance();
    let events = site.decides(|deciding| outcome::sealed(deciding, id, STAT));
    assert_eq!(ended(&events), Some(Outcome::Succeeded), "tried again it has a file of its own");
}

#[test]
fn only_disks_are_imported_where_there_is_room() {
    let mut site = Site::new();
    upload(&mut site, "cd", MediaKind::Iso);
    upload(&mut site, "disk", MediaKind::Disk);
    let data = |file: &str| json!({ "file": file, "as": "source", "name": "new" });
    site.refused("ImportImage", data("cd"), "CRL-0321");
    upload_of(&mut site, "too-large", MediaKind::Disk, 1 << 60);
    site.refused("ImportImage", data("too-large"), "CRL-0811");
    site.refused("ImportImage", data("nothing"), "CRL-0001");
    let low = SpaceLowChanged { switch: Switch::On, free_mib: 1 };
    let storage = site.storage;
    site.happens(storage, StorageFact::SpaceLowChanged(low));
    site.refused("ImportImage", data("disk"), "CRL-0218");
}

#[test]
fn without_an_address_there_is_no_machine() {
    let mut site = Site::new();
    upload(&mut site, "disk", MediaKind::Disk);
    // Where the search is going to begin.
    let context = site.story.clone().context();
    let [.., a, b, c] = *crate::context::FreshIds::new(&context).next().as_bytes();
    let start = u32::from_be_bytes([0, a, b, c]);
    for step in 0..crate::machine::new::MACS_TRIED_MAX {
        let mac = crate::mac::Mac::of_guest((start + step) % (1 << 24));
        site.story.fleet.index.macs.insert(mac, site.source);
    }
    let data = json!({ "file": "disk", "as": "source", "name": "new" });
    site.refused("ImportImage", data, "CRL-0226");
}

#[test]
fn a_host_is_told_which_file_becomes_the_version() {
    let mut site = Site::new();
    let media = upload(&mut site, "debian", MediaKind::Disk);
    site.given("ImportImage", json!({ "file": "debian", "as": "initial" }));
    let id = site.named("debian");
    let told = |site: &Site| match work(&site.story.fleet, Thing::Machine(id)).map(|it| it.shall) {
        Some(Shall::Present(spec)) => spec.task,
        other => panic!("{other:?}"),
    };
    let Some(FileTask::Importing { image, version: 1, medium }) = told(&site) else {
        panic!("{:?}", told(&site));
    };
    assert_eq!((medium.medium, medium.storage), (media, site.storage));
    assert_eq!((medium.format, medium.digest), (UploadFormat::Raw, Digest([3; 32])));
    assert_eq!(medium.path.as_ref().map(HostPath::as_str), Some("/carrel"));
    assert_eq!(site.story.fleet.images.get(image).map(|it| it.files[0].format), Some(Format::Raw));
    site.decides(|deciding| outcome::sealed(deciding, id, STAT));
    assert_eq!(told(&site), None);
    let disk = site.get(id).system_disk().map(|disk| disk.format);
    assert_eq!(disk, Some(Format::Qcow2), "it is an overlay on a raw file");
}

#[test]
fn a_file_that_says_less_than_it_holds_needs_a_size() {
    let mut site = Site::new();
    let added = json!({
        "name": "small", "kind": "disk", "storage": "fast", "size_bytes": 1, "digest": "0".repeat(64),
    });
    let roles = json!({ "roles": ["images", "disks", "volatile", "media"] });
    site.given("UpdateStorage", json!({ "storage": "fast", "settings": roles }));
    site.refused("AddMedia", added.clone(), "CRL-0812");
    let mut said = added;
    said["format"] = json!("qcow2");
    site.given("AddMedia", said);
    site.refused("ImportImage", json!({ "file": "small", "as": "source" }), "CRL-0330");
    site.given("ImportImage", json!({ "file": "small", "as": "source", "size_gib": 60 }));
    let id = site.named("small");
    assert_eq!(site.get(id).system_disk().map(|disk| disk.size_gib), Some(60));
}

#[test]
fn what_no_disk_is_in_becomes_qcow2() {
    for format in ["vmdk", "vhd", "vhdx"] {
        let mut site = Site::new();
        let roles = json!({ "roles": ["images", "disks", "volatile", "media"] });
        site.given("UpdateStorage", json!({ "storage": "fast", "settings": roles }));
        let added = json!({
            "name": "foreign", "kind": "disk", "format": format, "storage": "fast",
            "size_bytes": 1, "digest": "0".repeat(64),
        });
        site.given("AddMedia", added);
        let mut import = json!({ "file": "foreign", "as": "source" });
        site.refused("ImportImage", import.clone(), "CRL-0330");
        import["size_gib"] = json!(60);
        site.given("ImportImage", import);
        let work = work(&site.story.fleet, Thing::Machine(site.named("foreign")));
        let Some(Shall::Present(spec)) = work.map(|it| it.shall) else { panic!("no work") };
        let Some(FileTask::Importing { image, medium, .. }) = spec.task else {
            panic!("{:?}", spec.task);
        };
        assert_eq!(serde_json::to_value(medium.format).ok(), Some(json!(format)));
        let image = site.story.fleet.images.get(image);
        assert_eq!(image.map(|it| it.files[0].format), Some(Format::Qcow2));
    }
}

#[test]
fn an_import_is_not_tried_again_when_its_file_is_forgotten() {
    let mut site = Site::new();
    let media = upload(&mut site, "broken", MediaKind::Disk);
    site.given("ImportImage", json!({ "file": "broken", "as": "initial", "name": "new" }));
    let id = site.named("new");
    site.decides(|deciding| outcome::task_failed(deciding, id, &failure()));
    site.given("RemoveMedia", json!({ "media": media }));
    let operation = super::last_command(&site);
    site.given("RetryOperation", json!({ "operation": operation }));
    site.advance();
    assert_eq!(site.get(id).task, None, "no host waits for a file that nobody has");
}

#[test]
fn an_import_is_not_tried_again_over_what_was_installed_meanwhile() {
    let mut site = Site::new();
    upload(&mut site, "broken", MediaKind::Disk);
    site.given("ImportImage", json!({ "file": "broken", "as": "source", "name": "new" }));
    let (id, operation) = (site.named("new"), super::last_command(&site));
    site.decides(|deciding| outcome::task_failed(deciding, id, &failure()));
    site.on(id);
    site.off(id, crate::machine::StopCause::Guest);
    site.applied(id);
    site.given("RetryOperation", json!({ "operation": operation }));
    assert_eq!(site.get(id).task, None);
    let failed = site.operation().failed.get(&id).map(|failure| failure.code.as_str());
    assert_eq!(failed, Some("CRL-0332"));
}
