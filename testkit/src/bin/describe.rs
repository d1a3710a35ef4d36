//! Writes what is made from the model: schemas, the pages of refusals, golden files of facts that
//! have none yet, and what freezes them. Run it in the repository after a change of commands, facts
//! or refusals: `cargo run -p carrel-testkit --bin describe`. The API is described by the same
//! types, so `describe-api` runs at its end.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

use carrel_testkit::{described, facts, frozen};

#[expect(clippy::print_stdout, reason = "says what it does")]
fn main() -> io::Result<()> {
    let files = described::files();
    for folder in described::FOLDERS {
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if !files.contains_key(&path) && !described::is_of_the_edge(&path) {
                println!("removes {}", path.display());
                fs::remove_file(path)?;
            }
        }
    }
    for (path, text) in files {
        write(&path, &text, true)?;
    }
    for (path, text) in facts::missing(Path::new(facts::FOLDER)) {
        write(&path, &text, false)?;
    }
    let golden = Path::new(facts::FOLDER);
    write(&golden.join(frozen::FILE), &frozen::with_new(golden), true)?;
    describe_api()
}

/// Of another process: whoever tests the model need not build the edge.
fn describe_api() -> io::Result<()> {
    let arguments = ["run", "-q", "-p", "carrel-api", "--bin", "describe-api"];
    let status = Command::new(env!("CARGO")).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("describe-api has failed")) }
}

/// Golden files are written once.
#[expect(clippy::print_stdout, reason = "says what it does")]
fn write(path: &Path, text: &str, again: bool) -> io::Result<()> {
    let current = fs::read_to_string(path).ok();
    if current.as_deref() == Some(text) || (current.is_some() && !again) {
        return Ok(());
    }
    println!("writes {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
