//! What a ledger promises.

use carrel_model::contract::Order;
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::machine::{Outcome, Reported};
use carrel_model::record::Incarnation;
use carrel_model::text::Text;
use carrel_model::work::{Lane, Shall, Thing, Work};
use tokio::task::JoinSet;
use tokio::time::advance;
use uuid::Uuid;

use super::{FileStore, Ledger, LedgerError, MemoryStore, Store, open};
use crate::entry::{Age, Change, Said};
use crate::limits::LEDGER_ERASED_WITHIN;

const HOST: HypervisorId = HypervisorId::new(Uuid::from_u128(1));

fn thing(number: u128) -> Thing {
    Thing::Machine(MachineId::new(Uuid::from_u128(number)))
}

fn heard(thing: Thing, generation: u64) -> Change {
    let work =
        Work { hypervisor: HOST, thing, generation, lane: Lane::Fast, shall: Shall::Released };
    let incarnation = Incarnation(1);
    let personal = Default::default();
    Change::Heard(Box::new(Order { incarnation, work, personal, operation: None }))
}

/// Something about people who sit there.
const CANARY: &str = "ona.petrauskaite@example.org";

fn heard_of(thing: Thing, generation: u64) -> Change {
    let Change::Heard(mut order) = heard(thing, generation) else { unreachable!("it is heard") };
    let label = "mail".parse().expect("a label");
    order.personal.insert(label, Text::new(CANARY).expect("a text"));
    Change::Heard(order)
}

fn holds_canary(store: &MemoryStore) -> bool {
    store.bytes().windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes())
}

fn says(id: u128) -> Change {
    let machine = MachineId::new(Uuid::from_u128(1));
    let what = Reported::Machine { id: machine, outcome: Outcome::Released };
    let (id, incarnation) = (Uuid::from_u128(id), Incarnation(1));
    Change::Says(Box::new(Said { id, incarnation, generation: 1, what, confirmed: false }))
}

fn begun(store: impl Store + 'static) -> (Ledger, JoinSet<Result<(), LedgerError>>) {
    let (ledger, writer) = open(Box::new(store)).expect("it opens");
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run());
    (ledger, tasks)
}

#[tokio::test]
async fn what_was_entered_is_there_for_the_next_worker() {
    let store = MemoryStore::default();
    let (ledger, mut tasks) = begun(store.clone());
    ledger.enter(HOST, thing(1), vec![heard(thing(1), 1), says(7)]).await.expect("entered");
    let before = ledger.entry(HOST, thing(1));
    drop(ledger);
    while tasks.join_next().await.is_some() {}
    let (again, _) = open(Box::new(store)).expect("it opens");
    assert_eq!(again.entry(HOST, thing(1)), before);
    assert!(!before.expect("an entry").is_reported());
}

#[tokio::test]
async fn whatever_a_torn_write_has_left_is_cut_off() {
    let store = MemoryStore::default();
    let (ledger, _tasks) = begun(store.clone());
    for generation in 1..=3 {
        ledger.enter(HOST, thing(1), vec![heard(thing(1), generation)]).await.expect("entered");
    }
    let bytes = store.bytes();
    for length in 0..bytes.len() {
        let mut torn = MemoryStore::default();
        torn.append(&bytes[..length]).expect("written");
        let (ledger, _) = open(Box::new(torn.clone())).expect("it opens");
        let generation = ledger.entry(HOST, thing(1)).map_or(0, |entry| entry.generation);
        let whole = length / (bytes.len() / 3);
        assert_eq!(generation, whole as u64);
        assert_eq!(torn.bytes().len(), whole * (bytes.len() / 3));
    }
}

#[tokio::test]
async fn a_flipped_bit_is_never_believed() {
    let store = MemoryStore::default();
    let (ledger, _tasks) = begun(store.clone());
    ledger.enter(HOST, thing(1), vec![heard(thing(1), 1)]).await.expect("entered");
    let bytes = store.bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let mut damaged = MemoryStore::default();
        damaged.append(&flipped).expect("written");
        let (ledger, _) = open(Box::new(damaged)).expect("it opens");
        assert_eq!(ledger.entry(HOST, thing(1)), None, "byte {at}");
    }
}

#[tokio::test]
async fn after_a_write_that_failed_nothing_more_is_taken() {
    let store = MemoryStore::default();
    let (ledger, mut tasks) = begun(store.clone());
    store.dies_after(1);
    ledger.enter(HOST, thing(1), vec![heard(thing(1), 1)]).await.expect("entered");
    let failed = ledger.enter(HOST, thing(1), vec![heard(thing(1), 2)]).await;
    assert!(matches!(failed, Err(LedgerError::Broken(_))), "{failed:?}");
    store.revive();
    let failed = ledger.enter(HOST, thing(2), vec![heard(thing(2), 1)]).await;
    assert!(matches!(failed, Err(LedgerError::Broken(_))), "{failed:?}");
    assert_eq!(ledger.entry(HOST, thing(1)).map(|entry| entry.generation), Some(1));
    drop(ledger);
    let ended = tasks.join_next().await.expect("a writer").expect("no panic");
    assert!(ended.is_err());
}

#[tokio::test]
async fn a_file_has_one_worker_and_is_written_anew_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let mut store = FileStore::open(&path, "one").expect("it opens");
    let second = FileStore::open(&path, "two");
    assert!(matches!(second, Err(LedgerError::Held { holder, .. }) if holder == "one"));
    store.append(b"something").expect("written");
    store.replace(b"other").expect("written");
    store.append(b"wise").expect("written");
    drop(store);
    let mut store = FileStore::open(&path, "two").expect("it opens");
    assert_eq!(store.read().expect("read"), b"otherwise");
}

#[tokio::test]
async fn compaction_changes_nothing_that_is_said() {
    let store = MemoryStore::default();
    let (ledger, mut writer) = open(Box::new(store.clone())).expect("it opens");
    let mut tasks = JoinSet::new();
    let entering = ledger.clone();
    tasks.spawn(async move {
        for generation in 1..=20 {
            let changes = vec![heard(thing(1), generation), says(generation.into())];
            entering.enter(HOST, thing(1), changes).await.expect("entered");
        }
    });
    let run = async { while tasks.join_next().await.is_some() {} };
    // The writer is driven by hand, so that it is still there afterwards.
    tokio::select! {
        () = run => {}
        () = async { while writer.write_group().await {} } => {}
    }
    let (before, long) = (ledger.entry(HOST, thing(1)), store.bytes().len());
    writer.compact().await.expect("written anew");
    assert!(store.bytes().len() < long);
    let (again, _) = open(Box::new(store)).expect("it opens");
    assert_eq!(again.entry(HOST, thing(1)), before);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_of_people_is_erased_soon_after_it_is_over() {
    let store = MemoryStore::default();
    let (ledger, _tasks) = begun(store.clone());
    let enter = async |change| ledger.enter(HOST, thing(1), vec![change]).await.expect("entered");
    enter(heard_of(thing(1), 1)).await;
    advance(2 * LEDGER_ERASED_WITHIN).await;
    enter(says(7)).await;
    assert!(holds_canary(&store), "they are still there");
    enter(heard(thing(1), 2)).await;
    advance(LEDGER_ERASED_WITHIN).await;
    enter(says(8)).await;
    assert!(!holds_canary(&store));
    assert_eq!(ledger.entry(HOST, thing(1)).map(|entry| entry.generation), Some(2));
}

#[tokio::test]
async fn what_was_said_of_people_does_not_outlive_its_worker() {
    let store = MemoryStore::default();
    let changes = [heard_of(thing(1), 1), Change::Settled(age(1, 1))];
    let (ledger, tasks) = begun(store.clone());
    ledger.enter(HOST, thing(1), changes.to_vec()).await.expect("entered");
    drop(ledger);
    tasks.join_all().await.into_iter().for_each(|ended| ended.expect("it ends well"));
    assert!(!holds_canary(&store));
    // One that was killed leaves it to the next.
    let mut killed = MemoryStore::default();
    let mut bytes = Vec::new();
    for change in &changes {
        super::frame::write(&mut bytes, HOST, thing(1), change).expect("a frame");
    }
    killed.append(&bytes).expect("written");
    assert!(holds_canary(&killed));
    let (ledger, tasks) = begun(killed.clone());
    drop(ledger);
    tasks.join_all().await.into_iter().for_each(|ended| ended.expect("it ends well"));
    assert!(!holds_canary(&killed));
}

fn age(incarnation: u32, generation: u64) -> Age {
    Age { incarnation: Incarnation(incarnation), generation }
}

#[test]
fn a_log_that_begins_anew_counts_anew() {
    assert!(age(2, 1) > age(1, 9));
    assert!(age(1, 2) > age(1, 1));
}
