//! The one binary of Carrel: it reads arguments and the environment, puts the parts together, and
//! prints what they say. What is decided is decided in the crates below it.
//!
//! Start reading at [`arguments`], then [`client`] and [`log`].

mod arguments;
mod client;
mod config;
mod failure;
#[cfg(feature = "libvirt")]
mod host;
mod log;
mod output;
#[cfg(feature = "libvirt")]
mod storage;
mod text;
mod up;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tikv_jemallocator::Jemalloc;

use self::arguments::{Arguments, Command};
use self::failure::{Failure, Outcome};

/// The fleet is millions of small things that come and go, of which the C library's allocator keeps
/// holes.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let outcome = run(Arguments::parse());
    match outcome {
        Ok(outcome) => outcome.code(),
        Err(failure) => {
            failure.tell();
            failure.code()
        }
    }
}

/// What is not an answer to what was asked, such as an index that is made anew.
fn say_warnings() {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(tracing::Level::WARN)
        .without_time()
        .with_target(false)
        .init();
}

fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    // What runs for long says more, with the time.
    if !matches!(arguments.command, Command::Up(_)) {
        say_warnings();
    }
    match arguments.command {
        Command::Log(arguments) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(log::run(*arguments))
        }
        Command::Up(given) => up::run(*given),
        Command::Config(command) => config::run(*command),
        Command::Login(login) => client::login(&login),
        Command::Logout(logout) => client::logout(&logout),
        Command::Do(asked) => client::ask(&asked),
        Command::Get(get) => client::get(&get),
        Command::Space(space) => client::space(&space),
        Command::Foreign(foreign) => client::foreign(&foreign),
        Command::Connect(connect) => client::connect(&connect),
        Command::Upload(upload) => client::upload(&upload),
        Command::Watch(watch) => client::watch(&watch),
        Command::Projections(asked) => client::projections(&asked),
        #[cfg(feature = "libvirt")]
        Command::Hypervisor(command) => host::run(*command, up::now_unix()),
        #[cfg(feature = "libvirt")]
        Command::Storage(command) => storage::run(*command, up::now_unix()),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            // The whole text first: a shell that stops reading is not a crash of this process.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "carrel", &mut script);
            io::Write::write_all(&mut io::stdout().lock(), &script)?;
            Ok(Outcome::Fine)
        }
    }
}
