//! What the simulated hypervisor promises.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::machine::Format;
use carrel_model::name::HostPath;
use carrel_model::work::Thing;
use uuid::Uuid;

use super::{Fault, Often, Pace, SimHost, Span, SteppedTimer, World};
use crate::cancel::Cancel;
use crate::hypervisor::{Doing, Hypervisor, Look, SilentAdvance};
use crate::place::{Place, Root};
use crate::step::{Done, Frozen, Step, StepKind};
use crate::trouble::{Hope, Trouble};

const HOST: HypervisorId = HypervisorId::new(Uuid::from_u128(1));
const DOING: Doing = Doing {
    thing: Thing::Machine(MachineId::new(Uuid::from_u128(3))),
    generation: 1,
    boot_epoch: 1,
};

fn place(file: &str) -> Place {
    let path = HostPath::new("/srv").expect("a path");
    let root = Root { storage: StorageId::new(Uuid::from_u128(2)), path };
    Place::new(&root, file).expect("a file")
}

fn begun(pace: Pace) -> (World, SimHost, Arc<SteppedTimer>) {
    let timer = Arc::new(SteppedTimer::default());
    let world = World::new(1, pace, Arc::clone(&timer) as _).counting();
    let host = world.host(HOST);
    (world, host, timer)
}

fn does(host: &SimHost, step: &Step) -> Result<Done, Trouble> {
    host.step(&DOING, step, &SilentAdvance, &Cancel::new())
}

fn overlay(file: &str, on: &str) -> Step {
    let on = Some((place(on), Format::Qcow2));
    Step::MakeDisk { file: place(file), format: Format::Qcow2, size_gib: 1, on }
}

fn blank(file: &str) -> Step {
    Step::MakeDisk { file: place(file), format: Format::Qcow2, size_gib: 1, on: None }
}

#[test]
fn nothing_stands_on_a_file_that_is_not_there() {
    let (_, host, _) = begun(Pace::INSTANT);
    let trouble = does(&host, &overlay("a", "b")).expect_err("refused");
    assert_eq!((trouble.hope, trouble.failure.code.as_str()), (Hope::Never, "file_missing"));
}

#[test]
fn what_stands_on_a_file_that_was_written_since_can_not_be_opened() {
    let (world, host, _) = begun(Pace::INSTANT);
    for step in [blank("b"), overlay("a", "b")] {
        does(&host, &step).expect("done");
    }
    world.state().files.write(&place("b")).expect("written");
    let trouble = does(&host, &Step::Verify { file: place("a") }).expect_err("refused");
    assert_eq!(trouble.failure.code.as_str(), "backing_written");
}

#[test]
fn copies_have_the_content_of_what_they_were_made_of_and_snapshots_bring_it_back() {
    let (world, host, _) = begun(Pace::INSTANT);
    let verify = |file: &str| does(&host, &Step::Verify { file: place(file) }).expect("read");
    does(&host, &blank("a")).expect("done");
    world.state().files.write(&place("a")).expect("written");
    let before = verify("a");
    let copy = Step::Copy { from: place("a"), to: place("b"), format: Format::Qcow2 };
    does(&host, &copy).expect("done");
    assert_eq!(verify("b"), before);
    let disks = vec![Frozen { disk: place("a"), format: Format::Qcow2, kept: place("kept") }];
    let snapshot = carrel_model::ids::SnapshotId::MIN;
    let (quiesced, frozen) = (false, disks.clone());
    does(&host, &Step::TakeSnapshot { snapshot, quiesced, disks: frozen }).expect("done");
    world.state().files.write(&place("a")).expect("written");
    assert_ne!(verify("a"), before);
    let frozen = disks.clone();
    does(&host, &Step::RevertSnapshot { snapshot, disks: frozen }).expect("done");
    assert_eq!(verify("a"), before);
    does(&host, &Step::DeleteSnapshot { snapshot, disks }).expect("done");
    assert_eq!(verify("a"), before);
}

#[test]
fn files_are_seen_by_all_hosts_and_outlive_each_of_them() {
    let (world, host, _) = begun(Pace::INSTANT);
    does(&host, &blank("a")).expect("done");
    world.host_dies(HOST);
    let look = Look { places: vec![place("a")], ..Look::default() };
    assert_eq!(host.observe(&look).map_err(|it| it.hope), Err(Hope::Unreachable));
    let other = world.host(HypervisorId::new(Uuid::from_u128(9)));
    assert_eq!(other.observe(&look).expect("seen").files.len(), 1);
    world.host_is_back(HOST);
    assert_eq!(host.observe(&look).expect("seen").files.len(), 1);
}

#[test]
fn a_step_takes_its_time_and_ends_when_it_is_cancelled_or_the_host_goes_down() {
    let pace = Pace { file: Span::millis(1_000), ..Pace::INSTANT };
    let (world, host, timer) = begun(pace);
    let cancel = Cancel::new();
    thread::scope(|scope| {
        let done = scope.spawn(|| does(&host, &blank("a")));
        while !done.is_finished() {
            timer.step(Duration::from_millis(100));
        }
        assert_eq!(done.join().expect("no panic"), Ok(Done::So));
        let hope = |it: Result<Done, Trouble>| it.map_err(|trouble| trouble.hope);
        let cancelled = scope.spawn(|| host.step(&DOING, &blank("b"), &SilentAdvance, &cancel));
        cancel.cancel();
        assert_eq!(hope(cancelled.join().expect("no panic")), Err(Hope::Cancelled));
        world.inject(HOST, None, Fault::Hung, Often::Once);
        let hung = scope.spawn(|| does(&host, &blank("c")));
        while !hung.is_finished() {
            world.host_dies(HOST);
            thread::yield_now();
        }
        assert_eq!(hope(hung.join().expect("no panic")), Err(Hope::Unreachable));
    });
}

#[test]
fn faults_come_as_often_as_they_were_asked_for() {
    let (world, host, _) = begun(Pace::INSTANT);
    let fails = |step| does(&host, &step).is_err();
    let once = Fault::fails_once_more(StepKind::MakeDisk);
    world.inject(HOST, Some(StepKind::MakeDisk), once, Often::Once);
    assert!(fails(blank("a")) && !fails(blank("a")));
    let always = Fault::fails_for_good(StepKind::MakeDisk);
    world.inject(HOST, Some(StepKind::MakeDisk), always.clone(), Often::OneIn(4));
    let failed = (0..400).filter(|number| fails(blank(&format!("f{number}")))).count();
    assert!((50..150).contains(&failed), "{failed}");
    world.calm(HOST);
    assert!(!fails(blank("b")));
    world.inject(HOST, None, Fault::LosesAnswer, Often::Once);
    assert!(fails(blank("c")) && world.files().keys().any(|(_, file)| file.as_str() == "c"));
}

#[test]
fn an_effect_is_counted_once_however_often_it_is_asked_for() {
    let (world, host, _) = begun(Pace::INSTANT);
    for _ in 0..3 {
        does(&host, &blank("a")).expect("done");
    }
    assert_eq!(world.effects().values().sum::<u32>(), 1);
}

/// What a worker would find on the host.
fn found(host: &SimHost, file: &str) -> String {
    let look = Look { places: vec![place(file)], ..Look::default() };
    format!("{:?}", host.observe(&look).expect("it is up"))
}

#[test]
fn a_site_that_is_kept_is_the_same_in_the_next_process_also_after_a_torn_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("site.json");
    let kept = || begun(Pace::INSTANT).0.kept_in(&path).expect("a site").host(HOST);
    let host = kept();
    for step in [blank("a"), overlay("b", "a"), blank("c"), remove("c")] {
        does(&host, &step).expect("done");
    }
    let before: Vec<String> = ["a", "b", "c"].map(|file| found(&host, file)).into();
    drop(host);
    let mut text = std::fs::read(&path).expect("it is there");
    text.extend(b"{\"File\":[\"0000");
    std::fs::write(&path, text).expect("written");
    for _ in 0..2 {
        let host = kept();
        assert_eq!(Vec::from(["a", "b", "c"].map(|file| found(&host, file))), before);
    }
    let host = kept();
    does(&host, &blank("d")).expect("done");
    assert_ne!(found(&host, "d"), found(&host, "e"), "it goes on being kept");
    assert_eq!(found(&kept(), "d"), found(&host, "d"));
}

#[test]
fn what_was_done_is_kept_with_its_count_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("site.json");
    let kept = || begun(Pace::INSTANT).0.kept_in(&path).expect("a site");
    let host = kept().host(HOST);
    for step in [blank("a"), overlay("b", "a"), remove("b")] {
        does(&host, &step).expect("done");
    }
    drop(host);
    let whole = std::fs::read(&path).expect("it is there");
    for length in 0..=whole.len() {
        std::fs::write(&path, &whole[..length]).expect("written");
        let world = kept();
        let effects = world.effects();
        let times = |did: StepKind, file: &str| {
            let those =
                effects.iter().filter(|((_, _, kind, name), _)| *kind == did && name == file);
            those.map(|(_, times)| *times).sum::<u32>()
        };
        let files = world.files();
        let is_there = |file: &str| u32::from(files.keys().any(|(_, path)| path.as_str() == file));
        assert_eq!(times(StepKind::MakeDisk, "a"), is_there("a"), "{length}");
        let left = times(StepKind::MakeDisk, "b") - times(StepKind::RemoveFiles, "b");
        assert_eq!(left, is_there("b"), "{length}");
    }
    assert_eq!(kept().effects().len(), 3, "and the whole of it says all");
}

fn remove(file: &str) -> Step {
    Step::RemoveFiles { files: vec![place(file)] }
}
