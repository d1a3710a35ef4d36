//! All of Carrel in one process and in a time of its own, with everything that can go wrong.
//!
//! ```text
//!   acts      what people, guests and hosts do by chance
//!     |
//!   process   decider, shredder, relay and workers as they are, dropped at any moment
//!     |          over log, post, paper, site: in memory, faulty, outliving it
//!   oracle    reads along in the log: invariants of every decision
//!   rest      faults end, and all converges; effects, people, rows: what must hold then
//! ```
//!
//! A run has one thread, and its time passes only while nobody has anything to do. Everything that
//! happens by chance is drawn from its seed, so that the same seed gives the same log.
//!
//! Nothing depends on this crate. It must never know HTTP, and has no say in what is right: that is
//! the model's, and what other crates promise.
//!
//! Start reading at [`simulate`], then `run.rs` and `process.rs`.

#![expect(clippy::expect_used, reason = "what a run needs is there, or the run has failed")]

mod acts;
mod cut;
mod effects;
pub mod fate;
mod log;
mod oracle;
mod outside;
mod paper;
mod people;
mod post;
mod process;
pub mod rates;
mod rest;
mod rows;
mod run;
mod site;
mod trace;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use process::Part;
pub use run::Report;

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Rows are made of its log, with crashes, and compared with those that are made anew.
    pub with_rows: bool,
    /// Every fact is printed as it comes.
    pub prints: bool,
}

/// A run that was not as it has to be.
#[derive(Debug)]
pub struct Failed {
    pub seed: u64,
    pub why: String,
    /// What happened last.
    pub trace: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, why, trace } = self;
        writeln!(f, "{trace}")?;
        writeln!(f, "seed {seed}: {why}")?;
        writeln!(
            f,
            "again: cargo run -p carrel-simulation --bin simulate -- --seed {seed} --trace"
        )?;
        write!(f, "once it is mended, it belongs into simulation/regressions")
    }
}

/// Runs one seed.
pub fn simulate(seed: u64, how: How) -> Result<Report, Failed> {
    trace::begins(how.prints);
    let runs = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run::run(seed, how.with_rows))
    };
    catch_unwind(AssertUnwindSafe(runs)).map_err(|panic| Failed {
        seed,
        why: why(&*panic),
        trace: trace::told(),
    })
}

fn why(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
