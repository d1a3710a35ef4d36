//! What hosts are told about the files of disks: which to write, which to keep, and what they stand
//! on.

use serde_json::json;

use crate::hash::Digest;
use crate::ids::MachineId;
use crate::image::tests::{Site, failure, made};
use crate::image::{Base, outcome};
use crate::machine::StopCause;
use crate::testing::STAT;
use crate::work::{DiskSpec, FileTask, MachineSpec, Shall, Thing, work};

fn spec(site: &Site, machine: MachineId) -> MachineSpec {
    let told = work(&site.story.fleet, Thing::Machine(machine)).expect("work");
    let Shall::Present(spec) = told.shall else { panic!("{:?}", told.shall) };
    *spec
}

fn generations(disks: &[DiskSpec]) -> Vec<u32> {
    disks.iter().map(|disk| disk.overlay_generation).collect()
}

/// The version and the depth of each file that a disk stands on.
fn backing(disk: &DiskSpec) -> Vec<(u32, u8)> {
    disk.backing.iter().map(|file| (file.version, file.depth)).collect()
}

#[test]
fn a_copy_is_written_to_new_files_while_the_old_ones_stay() {
    for succeeds in [true, false] {
        let mut site = Site::sealed();
        let (source, initial) = (site.source, site.initial);
        site.on(source);
        site.off(source, StopCause::Guest);
        assert_eq!(generations(&spec(&site, initial).disks), [2]);
        site.given("CopyFromSource", json!({ "initial": "win11" }));
        let told = spec(&site, initial);
        assert_eq!((generations(&told.disks), generations(&told.keep)), (vec![3], vec![2]));
        assert_eq!(backing(&told.disks[0]), [], "a full copy stands alone");
        assert_eq!(backing(&told.keep[0]), [(1, 1)]);
        let Some(FileTask::Copying { source, from }) = told.task else { panic!("it is copied") };
        assert_eq!((source, from[0].id), (site.source, site.get(source).disks[0].id));
        site.decides(|deciding| match succeeds {
            true => outcome::copied(deciding, initial),
            false => outcome::task_failed(deciding, initial, &failure()),
        });
        let told = spec(&site, initial);
        assert_eq!(generations(&told.disks), [if succeeds { 3 } else { 2 }]);
        assert_eq!(told.keep, []);
    }
}

#[test]
fn a_first_copy_has_nothing_to_keep() {
    let mut site = Site::new();
    site.given("CloneMachine", json!({ "machine": "gold", "name": "clone" }));
    let clone = spec(&site, site.named("clone"));
    assert_eq!((clone.disks.len(), clone.keep), (1, vec![]));
}

#[test]
fn the_overlay_before_is_kept_until_the_new_one_has_booted() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    assert_eq!(spec(&site, child).keep, []);
    site.prepare();
    site.seal();
    let first_boot = json!({ "done": "agent", "timeout_seconds": 600 });
    site.given("Populate", json!({ "initial": "win11", "first_boot": first_boot }));
    let kept = |site: &Site| {
        let told = spec(site, child);
        let keep: Vec<_> = told.keep.iter().map(backing).collect();
        (generations(&told.disks), generations(&told.keep), keep)
    };
    let both = (vec![2], vec![1], vec![vec![(1, 1)]]);
    assert_eq!(kept(&site), both);
    site.applied(child);
    site.started(child);
    assert_eq!(kept(&site), both, "while it boots for the first time");
    let ended = crate::version::latest::Nothing {};
    site.happens(child, crate::event::MachineFact::FirstBootEnded(ended));
    site.off(child, StopCause::Guest);
    assert_eq!(kept(&site), (vec![2], vec![], vec![]));
}

#[test]
fn each_file_below_a_disk_can_be_told_from_another_without_reading_it() {
    let mut site = Site::sealed();
    site.prepare();
    site.seal();
    let disks = spec(&site, site.initial).disks;
    let stats: Vec<_> = disks[0].backing.iter().map(|file| file.stat).collect();
    assert_eq!(stats, [Some(STAT), Some(STAT)]);
}

#[test]
fn an_overlay_stands_on_the_nearest_file_and_that_on_those_of_its_bases() {
    let mut site = Site::sealed();
    let initial = site.initial;
    let stands_on = |site: &Site| backing(&spec(site, initial).disks[0]);
    for _ in 2..=5 {
        site.prepare();
        site.seal();
    }
    assert_eq!(stands_on(&site), [(5, 5), (4, 4), (3, 3), (2, 2), (1, 1)]);
    let (host, image) = (site.host, site.version(5).id);
    let digest = Digest([1; 32]);
    site.decides(|deciding| outcome::file_made(deciding, host, image, made(1, digest)));
    site.decides(|deciding| outcome::verified(deciding, image, digest));
    site.given("FlattenImage", json!({ "image": image }));
    assert_eq!(stands_on(&site), [(5, 1)]);
    site.prepare();
    site.seal();
    assert_eq!(stands_on(&site), [(6, 2), (5, 1)]);
    // What is copied anew stands on nothing, and the versions after that on each other only.
    site.copy();
    assert_eq!(stands_on(&site), []);
    site.seal();
    site.prepare();
    site.seal();
    assert_eq!(site.version(8).base, Some(Base { image: site.version(7).id, file: 0 }));
    assert_eq!(stands_on(&site), [(8, 2), (7, 1)]);
}
