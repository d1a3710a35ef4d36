//! The one moment that this process ends at.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use crate::{Moment, NotArmed, Point};

struct Armed {
    point: Point,
    left: AtomicU64,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

pub(crate) fn arm(Moment { point, times }: Moment) -> Result<(), NotArmed> {
    let armed = Armed { point, left: AtomicU64::new(times) };
    ARMED.set(armed).map_err(|_| NotArmed::Already)
}

pub(crate) fn reached(point: Point) {
    let Some(armed) = ARMED.get().filter(|armed| armed.point == point) else { return };
    // Below zero nobody is left to care.
    if armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        die();
    }
}

/// Returns to nobody: this thread ends within the call, and the others with it.
fn die() -> ! {
    // A process may always signal itself; if it could not, it ends all the same.
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort();
}
