//! The embedded log keeps its promises when its process is killed, and when its disk fails.
//!
//! `log-writer` appends from 16 writers in a process of its own; it also checks afterwards. Which
//! moments are tried comes from a seed, which is told when a test fails; the same moments are tried
//! again with `CARREL_CRASH_SEED=<seed>`. What the process has done by then is up to the
//! scheduler, so a failure may take a few runs to come again.

#![expect(clippy::expect_used, reason = "what a test needs of its machine is there, or it fails")]
#![expect(clippy::print_stdout, reason = "what a test prints is shown when it fails")]

mod failing;
mod killed;
mod life;
mod names;
mod strace;
