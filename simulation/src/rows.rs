//! Rows that followed the log through crashes are those that are built anew.
//!
//! SQLite has threads of its own, so this is no part of the run: the log of a run is shown to a
//! projector bit by bit afterwards, on a runtime of its own.

use std::future::{Future, pending, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use carrel_keys::Keys;
use carrel_log::EventLog;
use carrel_log::memory::MemoryLog;
use carrel_model::record::Position;
use carrel_projections::{Kind, ReadModels, Sources, open};
use carrel_testkit::random::Random;

use crate::cut::Cut;

/// A projector lives so often, each time with a part of the log that it didn't see before.
const LIVES: u64 = 4;
/// It dies after so many steps of its own, at most.
const STEPS_MAX: u64 = 120;
/// Longer than anything takes.
const SOON: Duration = Duration::from_secs(120);

/// # Panics
/// If rows differ.
pub(crate) fn check(log: &Arc<MemoryLog>, keys: &Keys, seed: u64) {
    let follows = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(follow(log, keys, Random::new(seed)));
    };
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(follows).join() {
            std::panic::resume_unwind(panic);
        }
    });
}

async fn follow(log: &Arc<MemoryLog>, keys: &Keys, mut random: Random) {
    let directory = tempfile::tempdir().expect("a directory");
    let head = log.head().await.expect("a log in memory").position;
    for life in 1..=LIVES {
        let upto = Position(head.0 * life / LIVES);
        let cut = Cut::new(Arc::clone(log), Position(upto.0 * 3 / 4));
        let sources = sources(cut.clone(), keys);
        let (models, projector) = open(sources, directory.path()).await.expect("they open");
        cut.shows(upto);
        let seen = async {
            for kind in Kind::ALL {
                models.seen(kind, upto, SOON).await.unwrap_or_else(|error| panic!("{error}"));
            }
        };
        let following = projector.run(pending());
        if life < LIVES {
            tokio::select! {
                () = dies_after(random.below(STEPS_MAX), following) => {}
                () = seen => {}
            }
            continue;
        }
        tokio::select! {
            () = following => panic!("the projector has ended"),
            () = seen => {}
        }
        same_as_anew(&models.path(), log, keys).await;
    }
}

fn sources(log: Arc<dyn EventLog>, keys: &Keys) -> Sources {
    Sources { log, open: Arc::new(keys.clone()), snapshots: None }
}

/// Drops what is going on after so many of its steps.
async fn dies_after(steps: u64, what: impl Future<Output = ()>) {
    let (mut left, mut what) = (steps, pin!(what));
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        what.as_mut().poll(context)
    })
    .await;
}

async fn same_as_anew(living: &Path, log: &Arc<MemoryLog>, keys: &Keys) {
    let directory = tempfile::tempdir().expect("a directory");
    let sources = sources(log.clone(), keys);
    let (models, _projector) = open(sources, directory.path()).await.expect("they open");
    let differences = carrel_projections::compare(living, &models.path()).await;
    let differences = differences.expect("both are there");
    let told: String = differences.iter().take(6).map(|it| format!("\n{it}")).collect();
    assert!(differences.is_empty(), "{} rows differ:{told}", differences.len());
}
