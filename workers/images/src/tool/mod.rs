//! qemu-img: what it is told, and how it is kept in bounds.
//!
//! - Formats are always told (`-f`, `-F`, `-O`), so that nothing is probed. Paths are absolute, so
//!   that none is taken for an option or a protocol. There is no shell.
//! - It gets no environment but a fixed one, with `LC_ALL=C`, and no standard input.
//! - It is started by `posix_spawn`, which std takes when nothing has to run between fork and exec:
//!   a large process is not copied for it. So its limits are set from outside, by prlimit(2) right
//!   after it was started: a limit that comes a moment later holds for all that it does then.
//! - It must not outlive us, or it would go on writing to a file that the next process takes for a
//!   leftover. That can be asked for only by the process itself, so `setpriv` of util-linux asks
//!   and then becomes qemu-img, without any way to more rights.
//!
//! Start reading at [`Call`], then at `run.rs`.

mod call;
mod progress;
mod run;

use std::path::PathBuf;

pub(crate) use call::{Cache, Call};

use crate::failed::Failed;
use crate::limits::Limits;
use crate::watch::Watch;

/// Where the programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    pub qemu_img: PathBuf,
    /// Of util-linux.
    pub setpriv: PathBuf,
}

impl Default for Tools {
    fn default() -> Self {
        Self { qemu_img: "/usr/bin/qemu-img".into(), setpriv: "/usr/bin/setpriv".into() }
    }
}

impl Tools {
    /// What it wrote to its standard output, but for its progress.
    pub(crate) fn run(
        &self,
        call: &Call<'_>,
        limits: &Limits,
        watch: &dyn Watch,
    ) -> Result<Vec<u8>, Failed> {
        run::run(self, call, limits, watch)
    }
}
