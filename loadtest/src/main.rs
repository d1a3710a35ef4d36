//! Carrel under load: how fast it is, and how fast what else could do its work is on the same
//! machine.
//!
//! It must never be needed to run Carrel. Of Carrel it knows what everybody may know: ports and
//! adapters, and no figure comes from within, but that of `site start`, which puts the parts
//! together itself.
//!
//! Start reading at [`log`], [`site`] and `host`, the rows of `loadtest log`, `site` and `host`,
//! and at [`load`], how it is measured.

mod bare;
mod clock;
mod cpu;
mod events;
mod figures;
#[cfg(feature = "libvirt")]
mod host;
mod load;
mod log;
mod machine;
mod model;
mod ours;
mod peer;
mod place;
mod report;
mod site;
mod store;
mod syncs;

use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;

/// As Carrel's: whoever is measured in this process has what the server has.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures Carrel and its peers in turn on this machine
#[derive(Debug, Parser)]
#[command(name = "loadtest")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The event log: appending, reading, opening, growing
    Log(log::Arguments),
    /// The model: deciding, folding, memory
    Model(model::Arguments),
    /// All of it as it is used: HTTP, hosts, read models
    Site(site::Arguments),
    /// A real libvirtd with real QEMU, beside qemu-img and virsh
    #[cfg(feature = "libvirt")]
    Host(host::Arguments),
    /// Answers without knowing anything, for `site`
    #[command(hide = true)]
    BareServer,
    /// Opens a log in a process that did nothing else, and tells how that went
    #[command(hide = true)]
    Open(log::open::Arguments),
}

fn main() -> Result<(), Failure> {
    match Arguments::parse().what {
        What::Model(arguments) => model::run(&arguments),
        What::Log(arguments) => log::run(&arguments),
        What::Site(arguments) => site::run(&arguments),
        #[cfg(feature = "libvirt")]
        What::Host(arguments) => host::run(&arguments),
        What::BareServer => site::bare::serve(),
        What::Open(arguments) => log::open::run(&arguments),
    }
}

/// Tells the person who waits how far it is. What was asked for goes to the other stream.
#[expect(clippy::print_stderr, reason = "progress is not part of the result")]
fn say(what: &str) {
    eprintln!("{what}");
}
