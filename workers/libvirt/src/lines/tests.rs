//! Lines to the driver that libvirt has for tests, which runs in this process and needs no daemon.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use crate::trouble::{Hope, Trouble};

use super::{Lines, Plan};

const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(30);

fn lines(lines_max: usize, stuck_max: usize) -> Arc<Lines> {
    let uri = "test:///default".to_owned();
    Arc::new(Lines::new(Plan { uri, name: "test", lines_max, stuck_max }))
}

/// Holds its line until what is answered is dropped. Its caller waits so long.
fn hold(
    lines: &Arc<Lines>,
    about: u128,
    within: Duration,
) -> (Sender<()>, thread::JoinHandle<Hope>) {
    let (free, held) = channel::<()>();
    let (begun, begins) = channel();
    let lines = Arc::clone(lines);
    let caller = thread::spawn(move || {
        let called = lines.call(within, Some(Uuid::from_u128(about)), move |_| {
            let _ = begun.send(());
            let _ = held.recv();
            Ok(())
        });
        called.map_or_else(|trouble| trouble.hope, |()| Hope::Never)
    });
    begins.recv_timeout(LATE).expect("it has begun");
    (free, caller)
}

fn name(lines: &Lines, within: Duration) -> Result<String, Trouble> {
    lines.call(within, None, |connect| Ok(connect.get_type()?))
}

#[test]
fn a_call_that_hangs_costs_its_line_and_no_other() {
    let lines = lines(1, 2);
    let (free, caller) = hold(&lines, 0, SOON);
    assert_eq!(caller.join().expect("it came back"), Hope::Unreachable);
    assert_eq!(lines.load().stuck, 1);
    let same = lines.call(LATE, Some(Uuid::nil()), |_| Ok(())).expect_err("about the same");
    assert_eq!((same.hope, same.code), (Hope::Again, "stuck"));
    assert_eq!(name(&lines, LATE).as_deref(), Ok("TEST"), "another line takes its place");

    let (free_too, caller) = hold(&lines, 1, SOON);
    assert_eq!(caller.join().expect("it came back"), Hope::Unreachable);
    let at_once = name(&lines, LATE).expect_err("all that may be are stuck");
    assert_eq!((at_once.hope, lines.load().stuck), (Hope::Unreachable, 2));

    drop((free, free_too));
    for _ in 0..1000 {
        if lines.load().stuck == 0 {
            break;
        }
        let _ = channel::<()>().1.recv_timeout(Duration::from_millis(10));
    }
    assert_eq!(name(&lines, LATE).as_deref(), Ok("TEST"));
}

#[test]
fn who_only_waited_for_a_line_knows_that_nothing_was_done() {
    let lines = lines(1, 1);
    let (free, caller) = hold(&lines, 0, LATE);
    let busy = name(&lines, SOON).expect_err("the line is taken");
    assert_eq!((busy.hope, busy.code), (Hope::Again, "busy"));
    assert_eq!(lines.load().waiting, 0, "nobody does it later");
    drop(free);
    assert_eq!(caller.join().expect("it came back"), Hope::Never);
    assert_eq!(name(&lines, LATE).as_deref(), Ok("TEST"));
}

#[test]
fn what_panics_ends_its_connection_only() {
    let lines = lines(1, 1);
    let panicked =
        lines.call(LATE, None, |_| -> Result<(), Trouble> { panic!("as the crate may") });
    assert_eq!(panicked.expect_err("it panicked").hope, Hope::Unreachable);
    assert_eq!(name(&lines, LATE).as_deref(), Ok("TEST"));
}

#[test]
fn nobody_there_is_unreachable() {
    let uri = "qemu+unix:///system?socket=/nowhere".to_owned();
    let lines = Lines::new(Plan { uri, name: "test", lines_max: 1, stuck_max: 1 });
    assert_eq!(name(&lines, LATE).expect_err("nobody").hope, Hope::Unreachable);
}
