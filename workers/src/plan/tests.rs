//! What a plan promises: whatever there is, and however often it is interrupted, the steps lead to
//! what shall be, and touch nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use carrel_driver::sim::{Pace, SimHost, SteppedTimer, World};
use carrel_driver::{Cancel, Doing, Hypervisor, Place, Root, SilentAdvance, Step, StepKind};
use carrel_model::contract::Order;
use carrel_model::ids::{HypervisorId, MachineId, SessionId, StorageId};
use carrel_model::machine::{Outcome, Reported};
use carrel_model::name::HostPath;
use carrel_model::record::Incarnation;
use carrel_model::sealed::Secret;
use carrel_model::work::{Lane, Shall, Thing, Work};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Next, Passwords, Then, look, next};
use crate::entry::{Change, Entry, Said, apply};
use crate::news::news;

mod running;
mod snapshots;
mod storages;

const HOST: HypervisorId = HypervisorId::new(Uuid::from_u128(1));
const STORAGE: StorageId = StorageId::new(Uuid::from_u128(2));
const MACHINE: MachineId = MachineId::new(Uuid::from_u128(3));
const NEIGHBOUR: MachineId = MachineId::new(Uuid::from_u128(4));
const THING: Thing = Thing::Machine(MACHINE);

struct Fixed;

impl Passwords for Fixed {
    fn password(&self, _: SessionId, _: MachineId, _: u32) -> Option<Secret> {
        Some(Secret::new("password".to_owned()))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (drawn ^ (drawn >> 31)) % sides
    }
}

fn disk(overlay_generation: u64) -> Value {
    json!({
        "id": Uuid::from_u128(9), "role": "system", "storage": STORAGE, "path": "/srv",
        "overlay_generation": overlay_generation, "size_gib": 20, "format": "qcow2",
    })
}

fn order(generation: u64, shall: Shall) -> Order {
    let work = Work { hypervisor: HOST, thing: THING, generation, lane: Lane::Fast, shall };
    let personal = Default::default();
    Order { incarnation: Incarnation(1), work, personal, operation: None }
}

fn present(power: &Value, disk: &Value, with: &Value) -> Shall {
    let mut spec = json!({
        "name": "m",
        "identity": {
            "uuid": Uuid::from_u128(7), "mac": "52:54:00:00:00:01", "serial": "s",
            "hostname": "m-1", "machine_type": "q35", "cpu_model": "host-model",
        },
        "settings": {}, "power": power, "disks": [disk],
    });
    for (key, value) in with.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    Shall::Present(serde_json::from_value(spec).expect("a machine's work"))
}

/// How a worker is interrupted at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    Good,
    /// The step is done twice.
    Twice,
    /// It dies before the step is done.
    DiesBefore,
    /// It dies when the step is done, before that is entered.
    DiesAfter,
}

struct Host {
    world: World,
    sim: SimHost,
    entry: Option<Entry>,
    said: Vec<Reported>,
}

fn root() -> Root {
    Root { storage: STORAGE, path: HostPath::new("/srv").expect("a path") }
}

fn place(file: &str) -> Place {
    Place::new(&root(), file).expect("a file")
}

impl Host {
    fn new() -> Self {
        let timer = Arc::new(SteppedTimer::default());
        let world = World::new(7, Pace::INSTANT, timer).counting();
        let sim = world.host(HOST);
        world.has_foreign(HOST, Uuid::from_u128(99), true);
        world.has_file(&place(&format!("machines/{NEIGHBOUR}/disk.qcow2")), 20, None);
        world.has_file(&place("somebody/elses.qcow2"), 20, None);
        Self { world, sim, entry: None, said: Vec::new() }
    }

    fn enters(&mut self, change: Change) {
        self.entry = apply(self.entry.take(), change);
    }

    fn says(&mut self, what: Reported) {
        let entry = self.entry.as_ref().expect("an entry");
        let (incarnation, generation) = (entry.incarnation, entry.generation);
        let id = Uuid::from_u128(self.said.len() as u128);
        self.said.push(what.clone());
        let said = Said { id, incarnation, generation, what, confirmed: false };
        self.enters(Change::Says(Box::new(said)));
        self.enters(Change::Confirmed { id });
    }

    fn does(&self, step: &Step) {
        let generation = self.entry.as_ref().map_or(0, |entry| entry.generation);
        let doing = Doing { thing: THING, generation, boot_epoch: 0 };
        let done = self.sim.step(&doing, step, &SilentAdvance, &Cancel::new());
        done.unwrap_or_else(|trouble| panic!("{step:?}: {trouble}"));
    }

    fn hears(&mut self, order: Order) {
        self.enters(Change::Heard(Box::new(order)));
    }

    /// Goes on until nothing is left to do, or something has to be waited for.
    fn works(&mut self, luck: &mut dyn FnMut(&Step) -> Luck) {
        for _ in 0..500 {
            let entry = self.entry.clone().expect("an entry");
            let Some(order) = entry.order.clone() else { return };
            let seen = self.sim.observe(&look(THING, Some(&order), &entry)).expect("seen");
            let told = crate::wanted::is_told(Some(&order));
            let news = if told { news(&entry, seen.domain.as_ref()) } else { Vec::new() };
            if !news.is_empty() {
                for outcome in news {
                    self.says(Reported::Machine { id: MACHINE, outcome });
                }
                continue;
            }
            match next(THING, &order, (&seen, &entry), &Fixed) {
                Next::Do(doable) => {
                    let (step, word) = (doable.step, "step".to_owned());
                    let luck = luck(&step);
                    self.enters(Change::Begins { step: word, act: doable.act });
                    match luck {
                        Luck::DiesBefore => continue,
                        Luck::Twice if doable.act.is_none() => self.does(&step),
                        Luck::Good | Luck::Twice | Luck::DiesAfter => {}
                    }
                    self.does(&step);
                    if luck == Luck::DiesAfter {
                        continue;
                    }
                    let made = doable.makes.into_iter().collect();
                    self.enters(Change::Ends { made, removed: Vec::new() });
                    if let Then::Say(what) = doable.then {
                        self.says(what);
                    }
                }
                Next::Say(what) => {
                    let last = matches!(
                        &what,
                        Reported::Machine {
                            outcome: Outcome::Applied | Outcome::Released | Outcome::Absent,
                            ..
                        }
                    );
                    self.says(what);
                    if last {
                        self.enters(Change::Settled(entry.age()));
                    }
                }
                Next::Note(act) => {
                    self.enters(Change::Begins { step: "none".to_owned(), act: Some(act) });
                }
                Next::Wait(_) => return,
                Next::Fail(failure) => panic!("{failure:?}"),
                Next::Settled => self.enters(Change::Settled(entry.age())),
            }
        }
        panic!("it goes round in circles: {:?}", self.entry);
    }

    fn told(&mut self, order: Order) {
        self.hears(order);
        self.works(&mut |_| Luck::Good);
    }

    fn own(&self) -> BTreeSet<String> {
        let files = self.world.files().into_keys().map(|(_, file)| file.to_string());
        let neighbour = format!("machines/{NEIGHBOUR}/");
        files.filter(|it| !it.starts_with(&neighbour) && !it.starts_with("somebody/")).collect()
    }

    fn nothing_else_was_touched(&self) {
        assert_eq!(self.sim.list().expect("a list").foreign, 1);
        let files = self.world.files();
        assert_eq!(files.len() - self.own().len(), 2, "{files:?}");
    }
}

fn on(epoch: u64) -> Value {
    json!({ "on": { "boot_epoch": epoch } })
}

fn off(epoch: u64, manner: &str) -> Value {
    json!({ "off": { "boot_epoch": epoch, "manner": manner } })
}

fn throwaway() -> Value {
    json!({ "storage": STORAGE, "path": "/srv", "size_mib": 1, "on_reboot": "keep" })
}

/// Whatever somebody may have wished once.
fn any(dice: &mut Dice, epoch: &mut u64) -> Shall {
    let power = match dice.below(8) {
        0 => off(*epoch, "acpi"),
        1 => off(*epoch, "hard"),
        2 => json!({ "suspended": { "boot_epoch": *epoch } }),
        3 => {
            *epoch += 1;
            json!({ "on": { "boot_epoch": *epoch, "restart": "reset" } })
        }
        4 => {
            *epoch += 1;
            json!({ "on": { "boot_epoch": *epoch, "restart": "reboot" } })
        }
        5 => on(*epoch),
        _ => {
            *epoch += 1;
            on(*epoch)
        }
    };
    let mut with = json!({});
    if dice.below(3) == 0 {
        with["throwaway"] = throwaway();
    }
    if dice.below(3) == 0 {
        let number = 1 + dice.below(3);
        with["tickets"] = json!([{
            "session": Uuid::from_u128(8), "number": number, "protocol": "spice", "arm": true,
        }]);
    }
    if dice.below(3) == 0 {
        with["snapshots"] = json!([{ "id": Uuid::from_u128(6), "shall": "be_there" }]);
    }
    if dice.below(4) == 0 {
        with["message"] = json!({ "id": Uuid::from_u128(dice.below(3).into()), "text": "hi" });
    }
    match dice.below(12) {
        0 => Shall::Released,
        _ => present(&power, &disk(0), &with),
    }
}

#[test]
fn from_any_state_and_through_any_interruption_it_comes_to_be_as_it_shall_be() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let mut host = Host::new();
        let config = format!("machines/{MACHINE}/config.iso");
        host.world.has_file(&place(&config), 1, None);
        let mut epoch = 0;
        let mut generation = 0;
        for _ in 0..dice.below(6) {
            generation += 1;
            let shall = any(&mut dice, &mut epoch);
            host.hears(order(generation, shall));
            let mut patience = dice.below(12);
            let mut luck = Dice(seed ^ generation);
            // Each step may be interrupted, and something newer may come before it is done.
            host.works(&mut |_| {
                patience = patience.saturating_sub(1);
                match luck.below(6) {
                    0 => Luck::Twice,
                    1 => Luck::DiesBefore,
                    2 => Luck::DiesAfter,
                    _ => Luck::Good,
                }
            });
        }
        epoch += 1;
        generation += 1;
        let runs = dice.below(2) == 0;
        let thrown = dice.below(2) == 0;
        let with = if thrown { json!({ "throwaway": throwaway() }) } else { json!({}) };
        let power = if runs { on(epoch) } else { off(epoch, "hard") };
        host.told(order(generation, present(&power, &disk(0), &with)));
        assert_eq!(host.world.running(HOST), usize::from(runs), "seed {seed}");
        let own = host.own();
        let disk = format!("machines/{MACHINE}/{}-0.qcow2", Uuid::from_u128(9));
        let covered = own.iter().filter(|file| file.starts_with("throwaway/")).count();
        assert_eq!(covered, usize::from(runs && thrown), "seed {seed}: {own:?}");
        assert!(own.contains(&disk) && own.contains(&config), "seed {seed}: {own:?}");
        host.nothing_else_was_touched();

        host.told(order(
            generation + 1,
            Shall::Absent { disks: vec![serde_json::from_value(self::disk(0)).expect("a disk")] },
        ));
        assert_eq!(host.own(), BTreeSet::new(), "seed {seed}");
        assert_eq!(host.world.running(HOST), 0);
        host.nothing_else_was_touched();
    }
}

/// The kinds of steps that an order leads to.
fn steps(host: &mut Host, order: Order) -> Vec<StepKind> {
    let mut steps = Vec::new();
    host.hears(order);
    host.works(&mut |step| {
        steps.push(step.kind());
        Luck::Good
    });
    steps
}

#[test]
fn a_start_makes_what_is_missing_defines_and_starts() {
    let mut host = Host::new();
    let with = json!({ "throwaway": throwaway() });
    let shall = present(&on(1), &disk(0), &with);
    assert_eq!(
        steps(&mut host, order(1, shall.clone())),
        [StepKind::MakeDisk, StepKind::MakeDisk, StepKind::Define, StepKind::Start]
    );
    assert_eq!(steps(&mut host, order(2, shall)), []);
    let shall = present(&off(1, "hard"), &disk(0), &with);
    assert_eq!(steps(&mut host, order(3, shall)), [StepKind::Destroy, StepKind::RemoveFiles]);
}

#[test]
fn what_runs_in_an_earlier_epoch_without_a_restart_makes_way() {
    let mut host = Host::new();
    host.told(order(1, present(&on(1), &disk(0), &json!({}))));
    let shall = present(&on(2), &disk(0), &json!({}));
    assert_eq!(
        steps(&mut host, order(2, shall)),
        [StepKind::Destroy, StepKind::Define, StepKind::Start]
    );
}

#[test]
fn a_copy_of_disks_that_nobody_has_made_is_blank() {
    let mut host = Host::new();
    let task = json!({ "task": { "copying": { "source": NEIGHBOUR, "from": [] } } });
    let made = steps(&mut host, order(1, present(&off(0, "hard"), &disk(1), &task)));
    assert_eq!(made, [StepKind::MakeDisk]);
    let copied = Reported::Machine { id: MACHINE, outcome: Outcome::Copied };
    assert!(host.said.contains(&copied), "{:?}", host.said);
}

#[test]
fn a_disk_that_was_replaced_goes_when_it_is_no_longer_kept() {
    let mut host = Host::new();
    host.told(order(1, present(&off(0, "hard"), &disk(0), &json!({}))));
    let keep = json!({ "keep": [disk(0)] });
    let first = present(&off(0, "hard"), &disk(1), &keep);
    assert_eq!(steps(&mut host, order(2, first.clone())), [StepKind::MakeDisk]);
    // And with it what its firmware and its TPM had kept.
    let beside = |number: u32, ending: &str| {
        place(&format!("machines/{MACHINE}/{}-{number}.{ending}", Uuid::from_u128(9)))
    };
    let kept = [beside(0, "nvram"), beside(0, "tpm"), beside(1, "nvram"), beside(1, "tpm")];
    kept.iter().for_each(|file| host.world.has_file(file, 0, None));
    assert_eq!(steps(&mut host, order(3, first)), []);
    let second = present(&off(0, "hard"), &disk(1), &json!({}));
    assert_eq!(steps(&mut host, order(4, second)), [StepKind::RemoveFiles]);
    let there = host.world.files();
    let is_there = |file: Place| there.contains_key(&(file.root.storage, file.file));
    assert_eq!(kept.map(is_there), [false, false, true, true]);
}

#[test]
fn while_a_guest_ignores_the_request_to_go_off_it_is_not_asked_again() {
    let mut host = Host::new();
    host.told(order(1, present(&on(1), &disk(0), &json!({}))));
    host.hears(order(2, present(&off(1, "acpi"), &disk(0), &json!({}))));
    // It dies before the guest is asked, and can't know that it wasn't.
    let mut asked = 0;
    host.works(&mut |step| {
        asked += u32::from(step.kind() == StepKind::Shutdown);
        Luck::DiesBefore
    });
    assert_eq!(asked, 1);
    // Wished again later, it is asked again.
    host.told(order(3, present(&on(1), &disk(0), &json!({}))));
    let shall = present(&off(1, "acpi"), &disk(0), &json!({}));
    assert_eq!(steps(&mut host, order(4, shall)), [StepKind::Shutdown]);
}

/// A machine that is to run on a version's file, and that file.
fn on_a_version(host: &Host) -> (impl Fn(u64) -> Shall + use<>, Place) {
    let initial = Uuid::from_u128(5);
    let file = place(&format!("images/{initial}/1-0.qcow2"));
    host.world.has_file(&file, 20, None);
    let look = carrel_driver::Look { places: vec![file.clone()], ..Default::default() };
    let seen = host.sim.observe(&look).expect("seen");
    let doing = Doing { thing: THING, generation: 0, boot_epoch: 0 };
    let verify = Step::Verify { file: file.clone() };
    let done = host.sim.step(&doing, &verify, &SilentAdvance, &Cancel::new()).expect("read");
    let carrel_driver::Done::Verified(digest) = done else { panic!("{done:?}") };
    let backing = json!({
        "image": Uuid::from_u128(6), "initial": initial, "version": 1, "file": 0, "depth": 1,
        "storage": STORAGE, "path": "/srv", "format": "qcow2", "digest": digest,
        "stat": seen.files[0].stat,
    });
    let mut disk = disk(0);
    disk["backing"] = json!([backing]);
    (move |epoch| present(&on(epoch), &disk, &json!({})), file)
}

#[test]
fn a_version_that_came_back_from_a_backup_is_read_once_and_stood_on() {
    let mut host = Host::new();
    let (shall, file) = on_a_version(&host);
    let first = steps(&mut host, order(1, shall(1)));
    assert_eq!(first, [StepKind::MakeDisk, StepKind::Define, StepKind::Start]);
    host.told(order(2, present(&off(1, "hard"), &disk(0), &json!({}))));
    host.world.puts_anew(&file, true);
    let then = steps(&mut host, order(3, shall(2)));
    assert_eq!(then, [StepKind::Accept, StepKind::Define, StepKind::Start]);
    host.told(order(4, present(&off(2, "hard"), &disk(0), &json!({}))));
    let then = steps(&mut host, order(5, shall(3)));
    assert_eq!(then, [StepKind::Define, StepKind::Start]);
}

#[test]
#[should_panic(expected = "backing_changed")]
fn nothing_starts_on_a_version_that_reads_as_something_else() {
    let mut host = Host::new();
    let (shall, file) = on_a_version(&host);
    host.world.puts_anew(&file, false);
    host.told(order(1, shall(1)));
}
