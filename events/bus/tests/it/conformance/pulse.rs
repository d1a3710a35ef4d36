//! The pulse.

use carrel_bus::{Beat, Progress};
use carrel_model::fleet::Silence;
use carrel_model::ids::{MachineId, TerminalId};
use carrel_model::work::Thing;

use super::{Adapter, HOST, OTHER};

const WORKER: Beat = Beat::Of(Silence::Worker(HOST));
const TERMINAL: Beat = Beat::Terminal(TerminalId::from_bytes([1; 16]));

pub(crate) async fn a_beat_is_told_from_the_one_before<A: Adapter>() {
    let adapter = A::fresh().await;
    let pulse = adapter.pulse().await;
    let mut before = None;
    for _ in 0..3 {
        pulse.beat(WORKER).await.expect("heard");
        let now = pulse.beats(&[WORKER]).await.expect("beats")[0];
        assert_ne!(now, before);
        assert_eq!(pulse.beats(&[WORKER]).await.expect("beats"), [now], "nobody was heard since");
        before = now;
    }
}

pub(crate) async fn who_was_never_heard_has_no_beat<A: Adapter>() {
    let adapter = A::fresh().await;
    let pulse = adapter.pulse().await;
    pulse.beat(WORKER).await.expect("heard");
    let other = Beat::Of(Silence::Worker(OTHER));
    let beats = pulse.beats(&[other, WORKER, TERMINAL]).await.expect("beats");
    assert!(matches!(beats[..], [None, Some(_), None]), "{beats:?}");
}

pub(crate) async fn who_is_forgotten_was_never_heard<A: Adapter>() {
    let adapter = A::fresh().await;
    let pulse = adapter.pulse().await;
    pulse.beat(WORKER).await.expect("heard");
    pulse.beat(TERMINAL).await.expect("heard");
    pulse.forget(&[WORKER]).await.expect("forgotten");
    let beats = pulse.beats(&[WORKER, TERMINAL]).await.expect("beats");
    assert!(matches!(beats[..], [None, Some(_)]), "{beats:?}");
}

pub(crate) async fn progress_is_what_was_said_last<A: Adapter>() {
    let adapter = A::fresh().await;
    let pulse = adapter.pulse().await;
    let machine = |byte| Thing::Machine(MachineId::from_bytes([byte; 16]));
    let at = |done_bytes| {
        let step = "copying win11".to_owned();
        Some(Progress { step, done_bytes, of_bytes: Some(10), operation: None })
    };
    pulse.progress(machine(1), at(1)).await.expect("said");
    pulse.progress(machine(1), at(2)).await.expect("said");
    pulse.progress(machine(2), at(3)).await.expect("said");
    pulse.progress(machine(2), None).await.expect("said");
    let said = pulse.progress_of(&[machine(2), machine(1)]).await.expect("progress");
    assert_eq!(said, [None, at(2)]);
}
